//! Caregivers: who reads and answers for a patient does so by an own proof, sees nothing that is for the patient alone, is
//! named everywhere, and is out at once when their access ends.

use crate::invariants::routes;
use crate::on_both;
use crate::support::app::{Actor, App, On, start_of_time};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{
    address_blocks, audit_events, caregiver_drafts, caregivers, messages, notifications, patients, received_texts,
    users as user_table,
};
use postern::db::{CaregiverId, PatientId, UserId};
use postern::error::AppError;
use postern::notifications::{Incoming, State, receive};
use postern::patients::Method;
use postern::values::PhoneNumber;
use time::Duration;

on_both!(
    a_caregiver_reads_and_answers_by_an_own_proof,
    what_is_for_the_patient_alone_is_not_theirs,
    whose_access_has_ended_is_out_at_once,
    a_changed_address_ends_what_rested_on_it,
    one_person_for_two_patients_has_a_link_for_each,
    a_caregiver_is_told_where_the_patient_cannot_be,
    who_says_who_they_are_gets_in_without_a_link,
    of_ending_and_answering_one_is_first,
    drafts_and_addresses_are_each_ones_own,
    nothing_from_before_the_first_day_is_shown,
    a_first_day_that_is_today_begins_now,
    a_caregiver_moves_with_the_chart,
    a_parents_access_ends_at_the_age_that_is_set,
    what_is_deleted_takes_its_caregivers_along,
    the_patients_own_word_is_the_patients,
    what_is_for_the_patient_alone_goes_to_no_address_of_a_caregiver,
    the_line_names_no_road_to_a_caregiver_for_the_patient_alone,
    who_was_slower_is_told_all_the_same,
    a_caregiver_uses_up_no_passcode_of_the_patient,
);

pub(super) const ANA: &str = "ana@example.org";
pub(super) const ANAS_PHONE: &str = "+16135550155";
pub(super) const MARIA: &str = "maria@example.org";
pub(super) const MARIAS_PHONE: &str = "+16135550121";
pub(super) const KEY: &str = "0123456789abcdef";

/// Adds Ana, who was born on another day than the patients of tests; gives the path of her page.
pub(super) async fn ana(user: &Actor, patient: PatientId) -> String {
    let list = format!("/patients/{patient}/caregivers");
    let page = user.get(&list).await.ok();
    let fields = [
        ("name", "Ana Roy"),
        ("relation", "parent"),
        ("day", "1"),
        ("month", "2"),
        ("year", "1980"),
        ("email", ANA),
        ("phone", "613-555-0155"),
    ];
    user.submit(&page, "Add a caregiver", &fields).await.redirect();
    user.get(&list).await.ok().attrs_of("ul.list a.item", "href").remove(0)
}

/// Has a passcode sent for this link and gives it, with the date of birth: day, month, year.
async fn prove(app: &App, who: &Actor, link: &str, at: &str, born: [&str; 3]) -> crate::support::app::Answer {
    let page = who.get(link).await.ok();
    let again = page.has_text("Send me a new passcode");
    let button = if again { "Send me a new passcode" } else { "Send me my passcode" };
    who.submit(&page, button, &[]).await.redirect();
    app.drain().await;
    let page = who.get(link).await.ok();
    let passcode = app.passcode_to(at);
    let fields = [("passcode", passcode.as_str()), ("day", born[0]), ("month", born[1]), ("year", born[2])];
    who.submit(&page, "Login", &fields).await
}

const ANAS_BIRTHDAY: [&str; 3] = ["1", "2", "1980"];

/// Ana's browser, signed in by the link of the newest notification to her.
pub(super) async fn ana_in(app: &App) -> Actor {
    let browser = app.anyone();
    prove(app, &browser, &app.link_to(ANA), ANAS_PHONE, ANAS_BIRTHDAY).await.redirect();
    browser
}

/// Sends a message to the patient alone; gives the conversation's path.
pub(super) async fn alone(user: &Actor, patient: PatientId, title: &str) -> String {
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let fields = [("title", title), ("body", "Nobody else"), ("only_patient", "on"), ("replies_allowed", "on")];
    let to = user.submit(&page, "Submit", &fields).await.redirect();
    to.split('?').next().unwrap().to_owned()
}

async fn a_caregiver_reads_and_answers_by_an_own_proof(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    let page = staff.get(&format!("/patients/{maria}/messages/new")).await.ok();
    assert!(page.has_text("Ana Roy: "), "{}", page.text());
    let conversation = app.message(&staff, maria, true).await;
    app.drain().await;
    // each at their own addresses, with a link of their own
    let (hers, marias) = (app.link_to(ANA), app.link_to(MARIA));
    assert_ne!(hers, marias);
    assert_ne!(app.link_to(ANAS_PHONE), hers);
    assert!(!app.newest_to(ANA).text.contains("María"), "an address of one patient names nobody");
    // the passcode goes to her other channel, and is good with her own date of birth alone
    let browser = app.anyone();
    assert_eq!(prove(&app, &browser, &hers, ANAS_PHONE, ["4", "3", "1951"]).await.status, 422);
    app.state.clock.advance(Duration::minutes(1));
    let to = prove(&app, &browser, &hers, ANAS_PHONE, ANAS_BIRTHDAY).await.redirect();
    assert_eq!(to, "/portal/messages/1");
    let page = browser.get(&to).await.ok();
    assert!(page.has_text("Ana Roy, for María Mejía") && page.has_text("Your results"), "{}", page.text());
    let information = browser.get("/portal/information").await.ok();
    assert!(information.has_text(ANA) && !information.has_text(MARIA), "{}", information.text());
    // who opened it, and who answered
    browser.submit(&page, "Send", &[("body", "We will come on Friday")]).await.redirect();
    assert!(browser.get(&to).await.ok().texts_of(".msg.mine .msg-head").concat().contains("You"));
    let page = staff.get(&conversation).await.ok();
    assert!(page.has_text("Ana Roy (parent) on behalf of María Mejía"), "{}", page.text());
    assert!(page.has_text("Read by Ana Roy") || page.has_text("read by Ana Roy"), "{}", page.text());
    let print = staff.get(&format!("{conversation}/print")).await.ok();
    assert!(print.has_text("Ana Roy (parent) on behalf of María Mejía"), "{}", print.text());
    assert!(staff.get("/inbox?scope=all").await.ok().has_text("Ana Roy: We will come on Friday"));
    let outbox = app.user(Role::Owner).await.get("/outbox").await.ok();
    assert!(outbox.has_text("Ana Roy, for María Mejía"), "{}", outbox.text());
    let log = app.user(Role::Owner).await.get("/settings/audit-log").await.ok();
    assert!(log.has_text("Ana Roy (Caregiver)"), "{}", log.text());
    // the patient finds the answer under its writer's name
    app.state.clock.advance(Duration::minutes(1));
    let (patient, to) = app.go_in(&marias, MARIAS_PHONE).await;
    let page = patient.get(&to).await.ok();
    assert!(page.has_text("Ana Roy (parent) on behalf of María Mejía"), "{}", page.text());
    assert!(!page.has_text("Ana Roy, for"), "{}", page.text());
    // and learns that she has looked
    let looks = patient.get("/portal/information/views").await.ok();
    assert!(looks.has_text("Ana Roy (parent)"), "{}", looks.text());
}

async fn what_is_for_the_patient_alone_is_not_theirs(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let before = app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA || mail.to == ANAS_PHONE).count();
    let page = staff.get(&format!("/patients/{maria}/messages/new")).await.ok();
    let untitled = staff.submit(&page, "Submit", &[("body", "Nobody else"), ("only_patient", "on")]).await;
    assert!(untitled.status == 422 && !untitled.page().has_text("Ana Roy: "), "nor does the page say that she is told");
    let conversation = alone(&staff, maria, "A private matter").await;
    app.drain().await;
    // she is told of nothing, now and when it is sent again
    staff.post(&format!("{conversation}/notifications"), &[("message", "2")]).await.redirect();
    app.drain().await;
    let after = app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA || mail.to == ANAS_PHONE).count();
    assert_eq!(after, before);
    assert!(staff.get(&conversation).await.ok().has_text("Only for the patient"));
    // no route shows it or takes anything for it
    for route in routes::portal().into_iter().filter(|route| route.path.contains("{number}")) {
        let path = route.filled(&[("number", "2"), ("file", "1")]);
        let fields = [("key", KEY), ("body", "mine"), ("message", "2"), ("answer", "read")];
        let answer = if route.method == "GET" { browser.get(&path).await } else { browser.post(&path, &fields).await };
        assert_eq!(answer.status, 404, "{}", route.name());
    }
    for path in ["/portal/messages", "/portal/information", "/portal/information/views", "/portal/messages/1"] {
        let page = browser.get(path).await;
        assert!(page.status == 200 && !page.body.contains("A private matter"), "{path}");
    }
    let archive = browser.http.get(format!("{}/portal/information/download", app.origin)).send().await.unwrap();
    let bytes = archive.bytes().await.unwrap();
    let holds = |words: &str| bytes.windows(words.len()).any(|part| part == words.as_bytes());
    assert!(
        holds("conversation-1.html") && !holds("conversation-2.html"),
        "the archive has what is the patient's alone"
    );
    // the patient has it
    app.state.clock.advance(Duration::minutes(1));
    let (patient, to) = app.go_in(&app.link_to(MARIA), MARIAS_PHONE).await;
    assert_eq!(to, "/portal/messages/2");
    assert!(patient.get(&to).await.ok().has_text("A private matter"));
}

async fn whose_access_has_ended_is_out_at_once(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let page = ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let link = app.link_to(ANA);
    // a notification that waits is not sent any more
    app.message(&staff, maria, true).await;
    let shown = staff.get(&page).await.ok();
    staff.submit(&shown, "End now", &[]).await.redirect();
    let before = app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA).count();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA).count(), before);
    let states = app.state.db.read(|conn| -> Result<Vec<State>, AppError> {
        let hers = notifications::table.filter(notifications::caregiver_id.is_not_null());
        Ok(hers.order(notifications::id.desc()).limit(2).select(notifications::state).load(conn)?)
    });
    assert_eq!(states.await.unwrap(), [State::Cancelled, State::Cancelled]);
    // neither session nor link opens anything, in the words for any dead link
    let over = browser.get(&link).await;
    assert_eq!(over.status, 404);
    assert_eq!(app.anyone().get("/portal/link/unknown").await.page().text(), over.page().text());
    for route in routes::portal()
        .into_iter()
        .filter(|route| route.path.contains("/messages") || route.path.contains("/information"))
    {
        let path = route.filled(&[("number", "1"), ("file", "1")]);
        let answer = match route.method {
            "GET" => browser.get(&path).await,
            _ => browser.post(&path, &[("key", KEY), ("body", "mine")]).await,
        };
        let to = answer.location.split('?').next();
        assert!(answer.status == 303 && to == Some("/portal"), "{}: {}", route.name(), answer.status);
    }
    // the patient's own link goes on working
    app.state.clock.advance(Duration::minutes(1));
    app.go_in(&app.link_to(MARIA), MARIAS_PHONE).await;
    // the day after the last one it has ended by itself
    let page = staff.get(&page).await.ok();
    staff.submit(&page, "Save", &[("ends", "2026-03-05")]).await.redirect();
    app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to(ANA);
    assert_eq!(app.anyone().get(&link).await.status, 200);
    app.state.clock.advance(Duration::days(2));
    assert_eq!(app.anyone().get(&link).await.status, 404);
}

async fn a_changed_address_ends_what_rested_on_it(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let path = ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let link = app.link_to(ANA);
    // another name is no other proof
    let page = staff.get(&path).await.ok();
    staff.submit(&page, "Save", &[("name", "Ana Diaz")]).await.redirect();
    assert_eq!(browser.get("/portal/messages/1").await.status, 200);
    // nor is another language, which she chooses herself
    let own = browser.get("/portal/information").await.ok();
    browser.submit(&own, "Save", &[("language", "fr"), ("method", "email")]).await.redirect();
    assert!(browser.get("/portal/messages/1").await.body.contains("Ana Diaz, pour María Mejía"));
    let record = staff.get(&format!("/patients/{maria}/information")).await.ok();
    assert_eq!(record.form_with("Save").value("language").as_deref(), Some("en"), "the patient's own stays");
    // an address that came back is said there, and works again when a user says so
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        let row = (address_blocks::channel.eq("email"), address_blocks::address_key.eq(ANA));
        let row = (row, address_blocks::kind.eq("bad"), address_blocks::created_at.eq(start_of_time()));
        Ok(diesel::insert_into(address_blocks::table).values(row).execute(tx.conn())?)
    });
    write.await.unwrap();
    let page = staff.get(&path).await.ok();
    assert!(page.has_text("Nothing is sent to this email"), "{}", page.text());
    staff.submit(&page, "It works again", &[]).await.redirect();
    let page = staff.get(&path).await.ok();
    assert!(!page.has_text("Nothing is sent to this email"), "{}", page.text());
    staff.submit(&page, "Save", &[("email", "new@example.org")]).await.redirect();
    assert_eq!(browser.get("/portal/messages/1").await.status, 303);
    assert_eq!(app.anyone().get(&link).await.status, 404);
}

async fn one_person_for_two_patients_has_a_link_for_each(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let leo = Like { name: ("Léo", "Roy"), email: None, phone: None, ..Like::default() };
    let leo = app.patient(leo).await;
    ana(&staff, maria).await;
    ana(&staff, leo).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let for_maria = app.link_to(ANA);
    assert!(app.newest_to(ANA).text.starts_with("For María."), "{}", app.newest_to(ANA).text);
    alone_title(&staff, leo, "About Léo").await;
    app.drain().await;
    let for_leo = app.link_to(ANA);
    assert!(app.newest_to(ANA).text.starts_with("For Léo."), "{}", app.newest_to(ANA).text);
    assert_ne!(for_maria, for_leo);
    let browser = app.anyone();
    prove(&app, &browser, &for_leo, ANAS_PHONE, ANAS_BIRTHDAY).await.redirect();
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("Ana Roy, for Léo Roy") && list.has_text("About Léo") && !list.has_text("Your results"));
    // the other link asks for a proof of its own, and then shows the other patient alone
    let page = browser.get(&for_maria).await.ok();
    assert!(page.has_text("Send me my passcode"), "{}", page.text());
    app.state.clock.advance(Duration::minutes(1));
    prove(&app, &browser, &for_maria, ANAS_PHONE, ANAS_BIRTHDAY).await.redirect();
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("Ana Roy, for María Mejía") && !list.has_text("About Léo"), "{}", list.text());
}

/// Sends a message with this title, also to caregivers.
pub(super) async fn alone_title(user: &Actor, patient: PatientId, title: &str) {
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    user.submit(&page, "Submit", &[("title", title), ("body", "Words")]).await.redirect();
}

async fn a_caregiver_is_told_where_the_patient_cannot_be(app: App) {
    let staff = app.user(Role::Staff).await;
    let leo = Like { name: ("Léo", "Roy"), email: None, phone: None, ..Like::default() };
    let leo = app.patient(leo).await;
    let new = format!("/patients/{leo}/messages/new");
    assert!(staff.get(&new).await.ok().has("#alert"));
    ana(&staff, leo).await;
    let page = staff.get(&new).await.ok();
    assert!(!page.has("#alert"), "{}", page.text());
    // for the patient alone it cannot be sent, and what was typed is kept
    let fields = [("title", "Private"), ("body", "precious words"), ("only_patient", "on")];
    let refused = staff.submit(&page, "Submit", &fields).await;
    assert!(refused.status == 409 && refused.page().has("#only_patient-error"), "{}", refused.status);
    assert_eq!(refused.page().form_with("Submit").value("body").unwrap().trim(), "precious words");
    app.message(&staff, leo, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    assert!(browser.get("/portal/messages/1").await.ok().has_text("Your results"));
}

async fn who_says_who_they_are_gets_in_without_a_link(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = app.anyone();
    let page = browser.get("/portal").await.ok();
    let fields = [("number", "943-476-5919"), ("contact", "ANA@example.org")];
    let link = browser.submit(&page, "Send me my passcode", &fields).await.redirect();
    app.drain().await;
    let passcode = app.passcode_to(ANA);
    let page = browser.get(&link).await.ok();
    assert!(!page.has_text("Ana") && !page.has_text("María"), "{}", page.text());
    let wrong = [("passcode", passcode.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
    assert_eq!(browser.submit(&page, "Login", &wrong).await.status, 422);
    let right = [("passcode", passcode.as_str()), ("day", "1"), ("month", "2"), ("year", "1980")];
    browser.submit(&page, "Login", &right).await.redirect();
    assert!(browser.get("/portal/messages").await.ok().has_text("Ana Roy, for María Mejía"));
}

/// A reply and the end of the access at the same moment: whichever is first, no reply is stored after the end.
async fn of_ending_and_answering_one_is_first(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    for round in 0..3 {
        let path = ana(&staff, maria).await;
        app.message(&staff, maria, true).await;
        app.drain().await;
        let browser = ana_in(&app).await;
        let ending = format!("{path}/ending");
        let (words, key) = (format!("Round {round}"), format!("{KEY}-{round}"));
        let fields = [("body", words.as_str()), ("key", key.as_str())];
        let (answer, ended) =
            tokio::join!(browser.post("/portal/messages/1/replies", &fields), staff.post(&ending, &[]));
        assert_eq!(ended.status, 303);
        let accepted = answer.status == 303 && answer.location.starts_with("/portal/messages/1");
        assert!(accepted || matches!(answer.status, 303 | 404 | 409), "round {round}: {}", answer.status);
        let done = app.state.db.read(move |conn| -> Result<Vec<String>, AppError> {
            let both = [Event::ReplySent.as_str(), Event::CaregiverEnded.as_str()];
            let rows = audit_events::table.filter(audit_events::chain.eq(maria.0));
            let rows = rows.filter(audit_events::action.eq_any(both)).order(audit_events::position);
            Ok(rows.select(audit_events::action).load(conn)?)
        });
        let mut done = done.await.unwrap();
        assert_eq!(done.pop().as_deref(), Some("caregiver_ended"), "round {round}: a reply came after the end");
        let stored = staff.get("/conversations/1").await.body.contains(&words);
        assert_eq!(stored, accepted, "round {round}");
        app.state.clock.advance(Duration::minutes(1));
    }
}

async fn drafts_and_addresses_are_each_ones_own(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    // an address of the patient is none of a caregiver
    let page = staff.get(&format!("/patients/{maria}/caregivers")).await.ok();
    let born = [("day", "1"), ("month", "2"), ("year", "1980"), ("relation", "proxy"), ("name", "Ana Roy")];
    for (field, value) in [("email", "MARIA@example.org"), ("phone", "(613) 555-0121")] {
        let refused = staff.submit(&page, "Add a caregiver", &[&born[..], &[(field, value)]].concat()).await;
        assert_eq!(refused.status, 422);
        let again = refused.page();
        assert!(again.has(".error-summary"), "{}", again.text());
        assert_eq!(again.form_with("Add a caregiver").value(field).as_deref(), Some(value));
    }
    // nor does one without an address help anybody
    assert_eq!(staff.submit(&page, "Add a caregiver", &born).await.status, 422);
    ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    browser.post("/portal/messages/1/draft", &[("body", "Her own worry")]).await.redirect();
    app.state.clock.advance(Duration::minutes(1));
    let (patient, to) = app.go_in(&app.link_to(MARIA), MARIAS_PHONE).await;
    assert!(!patient.get(&to).await.body.contains("Her own worry"));
    patient.post("/portal/messages/1/draft", &[("body", "My own worry")]).await.redirect();
    let hers = browser.get(&to).await;
    assert!(hers.body.contains("Her own worry") && !hers.body.contains("My own worry"));
    // "log out everywhere" is each one's own too
    patient.post("/portal/sessions/end", &[]).await.redirect();
    assert_eq!(browser.get(&to).await.status, 200);
}

async fn nothing_from_before_the_first_day_is_shown(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let path = ana(&staff, maria).await;
    let page = staff.get(&path).await.ok();
    staff.submit(&page, "Save", &[("starts", "2026-03-06")]).await.redirect();
    let first = app.message(&staff, maria, true).await;
    app.drain().await;
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to != ANA), "not yet");
    app.state.clock.advance(Duration::days(3));
    let staff = app.user(Role::Staff).await;
    // nor is she told of what she would not find
    let page = staff.get(&first).await.ok();
    staff.submit(&page, "Send", &[("body", "One more thing")]).await.redirect();
    app.drain().await;
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to != ANA), "it began before her first day");
    alone_title(&staff, maria, "The second one").await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("The second one") && !list.has_text("Your results"), "{}", list.text());
    assert_eq!(browser.get("/portal/messages/1").await.status, 404);
}

async fn a_first_day_that_is_today_begins_now(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    // what may later be read by others can be marked before anybody reads for the patient
    alone(&staff, maria, "A private matter").await;
    app.message(&staff, maria, true).await;
    app.state.clock.advance(Duration::minutes(1));
    ana(&staff, maria).await;
    app.drain().await;
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to != ANA), "written without her");
    alone_title(&staff, maria, "The third one").await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("The third one") && !list.has_text("Your results"), "{}", list.text());
}

async fn a_caregiver_moves_with_the_chart(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let other = app.patient(Like { name: ("Maria", "Mejía"), email: None, ..Like::default() }).await;
    ana(&staff, maria).await;
    ana(&staff, other).await;
    let page = staff.get(&format!("/patients/{maria}/merging?with={other}")).await.ok();
    staff.submit(&page, "Merge the charts", &[]).await.redirect();
    let kept = staff.get(&format!("/patients/{maria}/caregivers")).await.ok();
    assert_eq!(kept.count("ul.list a.item"), 2, "{}", kept.text());
    // one person who is entered twice is told once
    app.message(&staff, maria, true).await;
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA).count(), 1);
}

async fn a_parents_access_ends_at_the_age_that_is_set(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let record = owner.get(&format!("/patients/{maria}/information")).await.ok();
    owner.submit(&record, "Save", &[("day", "6"), ("month", "3"), ("year", "2008")]).await.redirect();
    ana(&owner, maria).await;
    let (list, chart) = (format!("/patients/{maria}/caregivers"), format!("/patients/{maria}"));
    assert!(!owner.get("/caregivers").await.ok().has_text("Ana Roy"));
    let settings = owner.get("/settings/caregivers").await.ok();
    owner.submit(&settings, "Save", &[("look_age", "14")]).await.redirect();
    for page in ["/caregivers", &list, &chart] {
        let page = owner.get(page).await.ok();
        assert!(page.has_text("Look at this access"), "{}", page.text());
    }
    let settings = owner.get("/settings/caregivers").await.ok();
    owner.submit(&settings, "Save", &[("end_age", "18")]).await.redirect();
    // the birthday is the day after tomorrow, in the clinic's time zone
    for page in ["/caregivers", &list, &chart] {
        let page = owner.get(page).await.ok();
        assert!(page.has_text("tomorrow"), "{}", page.text());
    }
    app.message(&owner, maria, true).await;
    app.drain().await;
    let link = app.link_to(ANA);
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    assert_eq!(app.anyone().get(&link).await.status, 200);
    app.state.clock.advance(Duration::days(2));
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    assert_eq!(app.anyone().get(&link).await.status, 404);
    let owner = app.user(Role::Owner).await;
    let page = owner.get(&list).await.ok();
    assert!(page.has_text("ended"), "{}", page.text());
    assert!(!owner.get("/caregivers").await.ok().has_text("Ana Roy"));
    // a parent is not entered any more, but a proxy is
    let fields = [("name", "Ana Roy"), ("day", "1"), ("month", "2"), ("year", "1980"), ("email", ANA)];
    let parent = owner.submit(&page, "Add a caregiver", &[&fields[..], &[("relation", "parent")]].concat()).await;
    assert!(parent.status == 422 && parent.page().has_text("The patient is of age"), "{}", parent.status);
    owner.submit(&page, "Add a caregiver", &[&fields[..], &[("relation", "proxy")]].concat()).await.redirect();
    postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    assert!(owner.get(&list).await.ok().has_text("reads now"));
}

async fn what_is_deleted_takes_its_caregivers_along(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    browser.post("/portal/messages/1/draft", &[("body", "Her own worry")]).await.redirect();
    browser.post("/portal/messages/1/replies", &[("body", "Hers"), ("key", KEY)]).await.redirect();
    browser.post("/portal/messages/1/draft", &[("body", "Another worry")]).await.redirect();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let now = start_of_time();
        let from = PhoneNumber::parse(ANAS_PHONE, "1").unwrap();
        receive(tx, now, &Incoming { from, body: "Help", gateway_id: "text-1", answered: false })?;
        Ok(postern::db::erase::erase(tx, now, maria)?)
    });
    write.await.unwrap();
    let left = app.state.db.read(|conn| -> Result<(i64, i64, i64), AppError> {
        let texts = received_texts::table.count().get_result(conn)?;
        Ok((caregivers::table.count().get_result(conn)?, caregiver_drafts::table.count().get_result(conn)?, texts))
    });
    assert_eq!(left.await.unwrap(), (0, 0, 0));
}

async fn the_patients_own_word_is_the_patients(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    let page = owner.get("/settings/own-word").await.ok();
    owner.submit(&page, "Save", &[("shown", "on")]).await.redirect();
    let page = owner.get(&format!("/patients/{maria}/own-word")).await.ok();
    owner.submit(&page, "Save", &[("word", "Marigold")]).await.redirect();
    app.message(&owner, maria, true).await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let page = browser.get("/portal/information").await;
    assert!(page.status == 200 && !page.body.contains("Marigold"), "{}", page.body);
}

async fn what_is_for_the_patient_alone_goes_to_no_address_of_a_caregiver(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    let page = staff.get(&format!("/patients/{maria}/messages/new")).await.ok();
    alone(&staff, maria, "A private matter").await;
    // the chart gets her address while the notification waits
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(patients::table.find(maria));
        Ok(row.set(patients::email.eq(ANA)).execute(tx.conn())?)
    });
    write.await.unwrap();
    app.drain().await;
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to != ANA), "the mailbox is hers too");
    let fields = [("title", "Private"), ("body", "precious words"), ("only_patient", "on")];
    let refused = staff.submit(&page, "Submit", &fields).await;
    assert!(refused.status == 409 && refused.body.contains("precious words"), "{}", refused.status);
}

async fn the_line_names_no_road_to_a_caregiver_for_the_patient_alone(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    ana(&staff, maria).await;
    let page = staff.get(&format!("/patients/{maria}/messages/new")).await.ok();
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let row = diesel::update(patients::table.find(maria));
        Ok(row.set(patients::phone.eq(ANAS_PHONE)).execute(tx.conn())?)
    });
    write.await.unwrap();
    let both = [("body", "Words"), ("only_patient", "on")];
    for (fields, by_text) in [(&both[..1], true), (&both[..], false)] {
        let untitled = staff.submit(&page, "Submit", fields).await;
        assert_eq!(untitled.status, 422);
        let told = untitled.page().text_of(".told");
        assert!(told.contains("link by email") && told.contains("link by text") == by_text, "{told}");
    }
}

async fn who_was_slower_is_told_all_the_same(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    app.message(&staff, maria, true).await;
    // Ana finds the message before anybody is notified
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        let hers: CaregiverId = caregivers::table.select(caregivers::id).first(tx.conn())?;
        let marks = (messages::read_by_patient_at.eq(start_of_time()), messages::reader_id.eq(hers));
        Ok(diesel::update(messages::table).set(marks).execute(tx.conn())?)
    });
    write.await.unwrap();
    app.drain().await;
    let told = |address: &str| app.mailbox.newest_first().iter().any(|mail| mail.to == address);
    assert!(told(MARIA) && !told(ANA));
}

async fn a_caregiver_uses_up_no_passcode_of_the_patient(app: App) {
    let owner = app.user(Role::Owner).await;
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("passcodes_a_day", "3")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (hers, marias, who) = (app.link_to(ANA), app.link_to(MARIA), app.anyone());
    for status in [303, 303, 303, 429] {
        assert_eq!(who.post(&format!("{hers}/passcode"), &[]).await.status, status);
        app.drain().await;
        app.state.clock.advance(Duration::seconds(30));
    }
    assert_eq!(who.post(&format!("{marias}/passcode"), &[]).await.status, 303);
}

async fn every_page(language: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let Some(browser) = Browser::start_in(language, &app.origin).await else { return };
    let owner = app.user(Role::Owner).await;
    let code = language;
    let email = app.state.db.write(move |tx| -> Result<String, AppError> {
        let id: UserId = user_table::table.order(user_table::id.desc()).select(user_table::id).first(tx.conn())?;
        let row = diesel::update(user_table::table.find(id));
        row.set(user_table::language.eq(code)).execute(tx.conn())?;
        Ok(user_table::table.find(id).select(user_table::email).first(tx.conn())?)
    });
    let email = email.await.unwrap();
    let maria = app.patient(Like::default()).await;
    app.caregiver(&app.user(Role::Staff).await, maria, "Ana Roy", (ANA, ANAS_PHONE)).await;
    let write = app.state.db.write(move |tx| -> Result<usize, AppError> {
        Ok(diesel::update(caregivers::table).set(caregivers::language.eq(code)).execute(tx.conn())?)
    });
    write.await.unwrap();
    app.message(&app.user(Role::Staff).await, maria, true).await;
    app.drain().await;
    drop(owner);
    if !scripts {
        browser.without_javascript().await;
    }
    let words = |en, fr| if language == "fr" { fr } else { en };
    let name = |page: &str| format!("caregivers-{language}{}-{page}", if scripts { "" } else { "-plain" });
    browser.goto("/sign-in").await;
    browser.fill(words("Email", "Courriel"), &email).await;
    browser.fill(words("Password", "Mot de passe"), PASSWORD).await;
    browser.click_text(words("Sign in", "Se connecter")).await;
    browser.wait_path("/inbox").await;
    for (page, path) in [
        ("list", format!("/patients/{maria}/caregivers")),
        ("one", format!("/patients/{maria}/caregivers/1")),
        ("ending", "/caregivers".to_owned()),
        ("settings", "/settings/caregivers".to_owned()),
        ("chart", format!("/patients/{maria}")),
        ("new-message", format!("/patients/{maria}/messages/new")),
    ] {
        browser.goto(&path).await;
        browser.wait("h1").await;
        browser.inspect_at(&[320, 1280], &name(page)).await;
    }
    // an empty form comes back with what is to be mended
    browser.goto(&format!("/patients/{maria}/caregivers")).await;
    browser.js("for (const e of document.querySelectorAll('[required]')) e.required = false").await;
    browser.js("document.querySelector('form.card button.primary').click()").await;
    browser.wait(".error-summary").await;
    browser.inspect_at(&[320, 1280], &name("refused")).await;
    // the portal as Ana sees it
    let link = app.link_to(ANA);
    browser.goto(&link).await;
    browser.click_text(words("Send me my passcode", "M’envoyer mon code d’accès")).await;
    browser.wait("#passcode").await;
    app.drain().await;
    browser.fill(words("Passcode", "Code d’accès"), &app.passcode_to(ANAS_PHONE)).await;
    browser.fill(words("Day", "Jour"), "4").await;
    browser.fill(words("Month", "Mois"), "3").await;
    browser.fill(words("Year", "Année"), "1951").await;
    browser.click_text(words("Login", "Se connecter")).await;
    browser.wait_path("/portal/messages/1").await;
    browser.wait_text("Ana Roy").await;
    browser.inspect_at(&[320, 1280], &name("portal")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_in_english() {
    every_page("en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_in_french_without_scripts() {
    every_page("fr", false).await;
}
