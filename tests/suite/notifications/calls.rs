//! "Phone the patient": asked for after the last email and text, noted by users, ended by the first opening.

use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use futures_util::future::join;
use postern::access::Role;
use postern::db::schema::{audit_events, conversations as c, jobs, patients, phone_calls, plan_steps, users};
use postern::db::{ConversationId, DbError, PatientId};
use postern::delivery::Reason;
use postern::error::AppError;
use postern::notifications::{self, Ending, State};
use postern::patients::Method;
use time::Duration;

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";
const SHOWN: &str = "613 555-0121";

on_both!(
    users_are_asked_and_note_what_came_of_it,
    the_first_opening_ends_it,
    opening_and_calling_at_one_moment,
    a_wrong_number_is_marked,
    of_two_who_call_the_second_is_asked,
    what_else_ends_it_and_what_brings_it_back,
    where_nothing_can_arrive_it_comes_at_once,
    a_patient_without_a_number_is_not_phoned,
    what_is_for_the_patient_alone_is_told_at_no_caregivers_number,
    the_clinic_and_the_writer_choose,
);

/// A clinic that phones after three days, and a message to a patient.
async fn asked(app: &App, like: Like) -> (Actor, String) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", "3")]).await.redirect();
    let patient = app.patient(like).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    (owner, conversation)
}

async fn after(app: &App, user: &Actor, span: Duration) {
    app.state.clock.advance(span);
    app.drain().await;
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    let email = read.await.unwrap();
    user.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
}

async fn note(user: &Actor, conversation: &str, fields: &[(&str, &str)]) -> Answer {
    let page = user.get(&format!("{conversation}/call")).await.ok();
    user.submit(&page, "Save the call", fields).await
}

/// The state of the newest call that is asked for.
async fn state(app: &App) -> String {
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        let steps = plan_steps::table.filter(plan_steps::step.eq("phone")).order(plan_steps::id.desc());
        Ok(steps.select(plan_steps::state).first(conn)?)
    });
    read.await.unwrap()
}

async fn attention(app: &App) -> Option<String> {
    let read = app.state.db.read(|conn| -> Result<Option<String>, AppError> {
        let newest = c::table.order(c::id.desc()).select(c::attention.nullable());
        Ok(newest.first(conn)?)
    });
    read.await.unwrap()
}

async fn noted(app: &App) -> Vec<String> {
    let read = app.state.db.read(|conn| -> Result<Vec<String>, AppError> {
        Ok(phone_calls::table.order(phone_calls::id).select(phone_calls::outcome).load(conn)?)
    });
    read.await.unwrap()
}

fn id_of(path: &str) -> i64 {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

async fn users_are_asked_and_note_what_came_of_it(app: App) {
    let (owner, conversation) = asked(&app, Like::default()).await;
    assert!(owner.get(&conversation).await.ok().has_text("Phone the patient: planned for 7 March 2026, 9:02"));
    after(&app, &owner, Duration::hours(71)).await;
    assert_eq!(attention(&app).await.as_deref(), Some("unopened"), "the sender was told");
    after(&app, &owner, Duration::hours(1)).await;
    assert_eq!(attention(&app).await.as_deref(), Some("phone"));
    for view in ["/inbox", "/inbox?filter=needs_attention", "/inbox?scope=all&filter=to_do"] {
        let inbox = owner.get(view).await.ok();
        assert_eq!(inbox.texts_of(".tags .tag.warn"), ["Phone the patient"], "{view}: {}", inbox.text());
    }
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text(SHOWN) && page.has_text("Phone the patient: to do, 7 March 2026, 9:02"), "{}", page.text());
    assert!(page.links().iter().any(|link| link.href == format!("{conversation}/call")));
    let viewer = app.user(Role::Viewer).await;
    let page = viewer.get(&conversation).await.ok();
    assert!(page.has_text(SHOWN) && !page.links().iter().any(|link| link.href.ends_with("/call")), "{}", page.text());
    // what is wrong with the form
    let long = "long ".repeat(101);
    let answer = note(&owner, &conversation, &[("note", &long)]).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("Choose how the call ended") && page.has_text("Shorten the note"), "{}", page.text());
    assert_eq!(page.form_with("Save the call").value("note").unwrap().trim(), long.trim());
    // nobody answers: again tomorrow
    let fields = [("outcome", "no_answer"), ("pause", "24"), ("note", "Rang\ntwice")];
    assert_eq!(note(&owner, &conversation, &fields).await.says().1, "call-noted-again");
    assert_eq!((state(&app).await.as_str(), attention(&app).await), ("waiting", None));
    assert!(!owner.get("/inbox?filter=any").await.ok().has(".tags .tag.warn"));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Phone the patient: planned for 8 March 2026"), "{}", page.text());
    assert!(page.has_text("User owner: No answer") && page.has_text("Rang twice"), "{}", page.text());
    // on paper too: the note of the call is the clinic's own
    for (query, is_noted) in [("", false), ("?notes=on", true)] {
        let paper = owner.get(&format!("{conversation}/print{query}")).await.ok();
        assert!(paper.has_text("Phone the patient: No answer, User owner, 7 March 2026"), "{}", paper.text());
        assert_eq!(paper.has_text("Rang twice"), is_noted, "{}", paper.text());
        assert_eq!(paper.has_text("it is not for the patient"), is_noted, "{}", paper.text());
    }
    after(&app, &owner, Duration::hours(24)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("to_do", Some("phone")));
    let page = owner.get(&format!("{conversation}/call")).await.ok();
    assert!(page.has_text("Calls so far") && page.has_text("Rang twice"), "{}", page.text());
    // a voicemail, and no more: the message is still not opened
    let fields = [("outcome", "voicemail"), ("pause", "")];
    assert_eq!(note(&owner, &conversation, &fields).await.says().1, "call-noted");
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("tried", Some("unopened")));
    assert!(owner.get(&conversation).await.ok().has_text("Phone the patient: tried, not reached"));
    assert_eq!(noted(&app).await, ["no_answer", "voicemail"]);
    let rows = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq("call_noted")).order(audit_events::id);
        Ok(rows.select(audit_events::detail.nullable()).load(conn)?)
    });
    assert_eq!(
        rows.await.unwrap(),
        [Some("no_answer".to_owned()), Some("voicemail".to_owned())],
        "no words of the note"
    );
}

async fn the_first_opening_ends_it(app: App) {
    let (owner, conversation) = asked(&app, Like::default()).await;
    after(&app, &owner, Duration::days(3)).await;
    let early = owner.get(&format!("{conversation}/call")).await.ok();
    let (patient, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get("/portal/messages").await.ok();
    assert_eq!(state(&app).await, "to_do", "the list opens nothing");
    patient.get(&message).await.ok();
    assert_eq!((state(&app).await.as_str(), attention(&app).await), ("opened", None));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Phone the patient: not needed, opened") && !page.has_text(SHOWN), "{}", page.text());
    assert!(owner.get(&format!("{conversation}/call")).await.ok().has_text("No call is needed"));
    // who was on the telephone at that moment keeps what they wrote
    let fields = [("outcome", "reached"), ("note", "Opened it while we talked")];
    assert_eq!(owner.submit(&early, "Save the call", &fields).await.says().1, "call-noted-opened");
    assert!(owner.get(&conversation).await.ok().has_text("Opened it while we talked"));
    assert_eq!(state(&app).await, "opened");
    after(&app, &owner, Duration::days(9)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await), ("opened", None));
}

/// Whoever comes first, the call is noted, the message is opened, and nothing is left to do.
async fn opening_and_calling_at_one_moment(app: App) {
    let (owner, first) = asked(&app, Like::default()).await;
    let (patient, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    patient.get(&path).await.ok();
    let maria = app.state.db.read(move |conn| -> Result<_, AppError> {
        Ok(c::table.find(id_of(&first)).select(c::patient_id).first(conn)?)
    });
    let maria = maria.await.unwrap();
    for round in 2..8 {
        let conversation = app.message(&owner, maria, true).await;
        app.drain().await;
        // the call is made before its day
        let page = owner.get(&format!("{conversation}/call")).await.ok();
        let path = format!("/portal/messages/{round}");
        let fields = [("outcome", "no_answer"), ("pause", "2")];
        let (answer, opened) = join(owner.submit(&page, "Save the call", &fields), patient.get(&path)).await;
        let (answer, _) = (answer.says().1, opened.ok());
        assert!(["call-noted-again", "call-noted-opened"].contains(&&*answer), "round {round}: {answer}");
        assert_eq!((state(&app).await.as_str(), attention(&app).await), ("opened", None), "round {round}: {answer}");
        assert_eq!(noted(&app).await.len(), round - 1);
        let left = app.state.db.read(|conn| -> Result<i64, AppError> {
            Ok(jobs::table.filter(jobs::kind.eq("follow_up")).count().get_result(conn)?)
        });
        assert_eq!(left.await.unwrap(), 0, "round {round}");
    }
}

async fn a_wrong_number_is_marked(app: App) {
    let (owner, conversation) = asked(&app, Like { method: Method::Sms, ..Like::default() }).await;
    after(&app, &owner, Duration::days(3)).await;
    let id = id_of(&conversation);
    let read = app
        .state
        .db
        .read(move |conn| -> Result<PatientId, AppError> { Ok(c::table.find(id).select(c::patient_id).first(conn)?) });
    let patient = read.await.unwrap();
    let (chart, new) = (format!("/patients/{patient}"), format!("/patients/{patient}/messages/new"));
    let change = async |phone: &str| {
        let page = owner.get(&format!("{chart}/information")).await.ok();
        owner.submit(&page, "Save", &[("phone", phone)]).await.redirect();
    };
    // a number that the patient has no more is not marked
    let early = owner.get(&format!("{conversation}/call")).await.ok();
    change("+1 613-555-0199").await;
    let wrong = [("outcome", "wrong_number"), ("pause", "24")];
    assert_eq!(owner.submit(&early, "Save the call", &wrong).await.says().1, "call-noted");
    assert!(!owner.get(&chart).await.ok().has_text("Wrong number"));
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("wrong", Some("unopened")));
    // the one that they have is: nothing is sent there until somebody has checked it
    let second = app.message(&owner, patient, true).await;
    after(&app, &owner, Duration::days(3)).await;
    note(&owner, &second, &wrong).await.redirect();
    assert!(owner.get(&chart).await.ok().has_text("Wrong number, found by a call on 10 March 2026"));
    assert!(owner.get(&new).await.ok().has_text("The number on record does not work"));
    let page = owner.get(&second).await.ok();
    assert!(page.has_text("Phone the patient: not possible, wrong number"), "{}", page.text());
    owner.submit(&owner.get(&chart).await.ok(), "It works again", &[]).await.redirect();
    assert!(!owner.get(&chart).await.ok().has_text("Wrong number"));
    assert!(owner.get(&new).await.ok().has("textarea[name=body]"));
}

async fn of_two_who_call_the_second_is_asked(app: App) {
    let (owner, conversation) = asked(&app, Like::default()).await;
    after(&app, &owner, Duration::days(3)).await;
    let other = app.user(Role::Staff).await;
    let path = format!("{conversation}/call");
    let (one, two) = (owner.get(&path).await.ok(), other.get(&path).await.ok());
    let fields = [("outcome", "voicemail"), ("pause", "4")];
    // a double click notes one call
    let (first, again) =
        join(owner.submit(&one, "Save the call", &fields), owner.submit(&one, "Save the call", &fields)).await;
    assert_eq!((first.status, again.status, noted(&app).await.len()), (303, 303, 1));
    let answer = other.submit(&two, "Save the call", &[("outcome", "reached"), ("note", "Spoke to her")]).await;
    assert_eq!(answer.status, 409);
    let page = answer.page();
    assert!(
        page.has_text("Somebody else noted a call") && page.has_text("User owner: Voicemail left"),
        "{}",
        page.text()
    );
    let form = page.form_with("Save the call");
    assert_eq!(
        (form.value("note").unwrap().trim(), form.value("outcome").as_deref()),
        ("Spoke to her", Some("reached"))
    );
    assert_eq!(noted(&app).await.len(), 1);
    assert_eq!(other.submit(&page, "Save the call", &[]).await.says().1, "call-noted");
    assert_eq!((state(&app).await.as_str(), attention(&app).await), ("told", None));
    assert_eq!(noted(&app).await, ["voicemail", "reached"]);
    after(&app, &owner, Duration::days(2)).await;
    assert_eq!(state(&app).await, "told", "the next try is not needed");
}

async fn what_else_ends_it_and_what_brings_it_back(app: App) {
    let (owner, conversation) = asked(&app, Like::default()).await;
    after(&app, &owner, Duration::days(3)).await;
    // closed by mistake: it is back with the conversation
    owner.post(&format!("{conversation}/closure"), &[]).await.redirect();
    assert_eq!(attention(&app).await, None);
    owner.post(&format!("{conversation}/reopening"), &[]).await.redirect();
    after(&app, &owner, Duration::minutes(11)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("to_do", Some("phone")));
    // a newer message has a plan of its own, until it is taken back
    let page = owner.get(&conversation).await.ok();
    owner.submit(&page, "Send", &[("body", "And one thing more")]).await.redirect();
    assert_eq!(attention(&app).await, None);
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Phone the patient: not needed, a newer message was sent"), "{}", page.text());
    let newest = page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "");
    owner.post(&format!("{conversation}/messages/{newest}/recall"), &[]).await.redirect();
    app.drain().await;
    assert_eq!(attention(&app).await.as_deref(), Some("phone"));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Phone the patient: to do"), "{}", page.text());
    assert!(page.has_text("Phone the patient: not needed, the message was taken back"), "{}", page.text());
    // sent again: the call is still asked for
    owner.post(&format!("{conversation}/attention"), &[]).await.redirect();
    assert_eq!(attention(&app).await, None);
    assert!(owner.get(&conversation).await.ok().has_text("Phone the patient: dealt with"));
    // closed for good
    let patient = app.patient(Like { email: Some("two@example.org".into()), ..Like::default() }).await;
    let second = app.message(&owner, patient, true).await;
    after(&app, &owner, Duration::days(3)).await;
    assert_eq!(state(&app).await, "to_do");
    owner.post(&format!("{second}/closure"), &[]).await.redirect();
    after(&app, &owner, Duration::minutes(11)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await), ("closed", None));
}

/// The mail came back, and there is no other way: the call does not wait for its day.
async fn where_nothing_can_arrive_it_comes_at_once(app: App) {
    let (_, conversation) = asked(&app, Like { method: Method::Both, ..Like::default() }).await;
    let id = ConversationId(id_of(&conversation));
    let fail = async |number: usize, reason: Reason| {
        let now = app.state.clock.now();
        let write = app.state.db.write(move |tx| -> Result<(), DbError> {
            let row = notifications::of_conversation(tx, id)?.remove(number);
            notifications::set_state(tx, now, &row, 1, Ending { state: State::Failed, reason: Some(reason) })?;
            Ok(())
        });
        write.await.unwrap();
        app.drain().await;
    };
    fail(0, Reason::BadAddress).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("waiting", Some("failed")));
    fail(1, Reason::BadAddress).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("to_do", Some("phone")));
}

async fn a_patient_without_a_number_is_not_phoned(app: App) {
    let (owner, conversation) = asked(&app, Like { phone: None, ..Like::default() }).await;
    after(&app, &owner, Duration::days(3)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("skipped", Some("unopened")));
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Phone the patient: not possible"), "{}", page.text());
}

async fn what_is_for_the_patient_alone_is_told_at_no_caregivers_number(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", "3")]).await.redirect();
    let patient = app.patient(Like::default()).await;
    app.caregiver(&owner, patient, "Ana Roy", ("ana@example.org", "613-555-0155")).await;
    let page = owner.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let fields = [("title", "Private"), ("body", "Nobody else"), ("only_patient", "on")];
    owner.submit(&page, "Submit", &fields).await.redirect();
    app.drain().await;
    // the chart gets her number while the call waits
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(patients::table.find(patient));
        Ok(row.set(patients::phone.eq("+16135550155")).execute(tx.conn())?)
    });
    write.await.unwrap();
    after(&app, &owner, Duration::days(3)).await;
    assert_eq!((state(&app).await.as_str(), attention(&app).await.as_deref()), ("skipped", Some("unopened")));
}

async fn the_clinic_and_the_writer_choose(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let new = format!("/patients/{patient}/messages/new");
    assert!(!owner.get(&new).await.ok().has("#plan_phone_days"), "a clinic that does not phone");
    let page = owner.get("/settings/reach").await.ok();
    assert_eq!(page.form_with("Save").value("phone_days").as_deref(), Some("0"));
    assert_eq!(owner.post("/settings/reach", &[("phone_days", "6")]).await.status, 422);
    owner.submit(&page, "Save", &[("phone_days", "4")]).await.redirect();
    assert_eq!(owner.get("/settings/reach").await.ok().form_with("Save").value("phone_days").as_deref(), Some("4"));
    let page = owner.get(&new).await.ok();
    assert_eq!(page.form_with("Submit").value("plan_phone_days").as_deref(), Some("4"));
    let due = async |phone: &str| {
        let fields = [("title", "T"), ("body", "B"), ("plan_remind_days", "2"), ("plan_phone_days", phone)];
        let to = owner.submit(&owner.get(&new).await.ok(), "Submit", &fields).await.redirect();
        owner.get(to.split('?').next().unwrap()).await.ok()
    };
    // the reminder has a day to be opened before anybody phones
    assert!(due("1").await.has_text("Phone the patient: planned for 7 March 2026"));
    assert!(due("5").await.has_text("Phone the patient: planned for 9 March 2026"));
    assert!(!due("0").await.has_text("Phone the patient: planned"));
}
