//! Who is away has somebody who covers, and a reply that nobody opened by the promise is somebody's all the same.

use crate::on_both;
use crate::settings::hours::set_hours;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use futures_util::future::join;
use postern::access::Role;
use postern::audit::Event;
use postern::db::schema::{absences, audit_events as a, participants as p, users};
use postern::error::AppError;
use time::Duration;

on_both!(
    a_reply_goes_to_whoever_covers,
    covers_are_followed_to_the_one_who_is_there,
    an_owner_says_it_for_others,
    what_is_wrong_is_said,
    an_older_page_does_not_say_that_they_are_back,
    who_covers_is_asked_about,
    whoever_takes_over_covers_too,
    a_cover_who_is_deactivated_meanwhile_is_not_left_with_it,
    what_nobody_opened_in_time_goes_to_the_owners,
    what_nobody_opened_in_time_goes_to_the_cover_first,
    what_was_marked_done_unread_was_not_opened,
    what_was_opened_answered_or_closed_goes_nowhere,
    a_later_question_has_its_own_moment,
    what_is_opened_again_is_seen_to,
);

/// The address of the user with this number.
pub async fn email_of(app: &App, user: i64) -> String {
    let read = app.state.db.read(move |conn| -> Result<String, AppError> {
        Ok(users::table.filter(users::id.eq(postern::db::UserId(user))).select(users::email).first(conn)?)
    });
    read.await.unwrap()
}

/// Who takes part in the only conversation, by number, and whether there is something new for them.
async fn there(app: &App) -> Vec<(i64, bool)> {
    let read = app.state.db.read(move |conn| -> Result<Vec<(i64, bool)>, AppError> {
        let rows: Vec<(postern::db::UserId, bool)> =
            p::table.order(p::user_id).select((p::user_id, p::unread)).load(conn)?;
        Ok(rows.into_iter().map(|(user, unread)| (user.0, unread)).collect())
    });
    read.await.unwrap()
}

/// The details of the audit rows about participants.
async fn added(app: &App) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let rows = a::table.filter(a::action.eq(Event::ParticipantsChanged.as_str())).order(a::id);
        Ok(rows.select(a::detail.nullable()).load(conn)?)
    });
    read.await.unwrap()
}

async fn is_away(app: &App, user: &Actor, days: (&str, &str), cover: i64) {
    let cover = email_of(app, cover).await;
    let form = [("away_from", days.0), ("away_until", days.1), ("cover", cover.as_str())];
    assert_eq!(user.post("/account/away", &form).await.says(), ("/account/away".into(), "settings-saved".into()));
}

struct Clinic {
    owner: Actor,
    /// the second user, who writes to the patient
    writer: Actor,
    /// the third user
    other: Actor,
    patient: Actor,
    conversation: String,
    message: String,
}

/// Users 1 to 3, and a patient who has read a message of the second.
async fn clinic(app: &App) -> Clinic {
    let (owner, writer) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let other = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&writer, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    Clinic { owner, writer, other, patient, conversation, message }
}

impl Clinic {
    async fn patient_writes(&self, words: &str) {
        let page = self.patient.get(&self.message).await.ok();
        self.patient.submit(&page, "Send", &[("body", words)]).await.redirect();
    }
}

impl Clinic {
    /// What the conversation says of somebody who is away until 20 March.
    async fn says_until_20(&self, words: &str) {
        let page = self.owner.get(&self.conversation).await.ok();
        assert!(page.has_text(&format!("Away until 20 March 2026. {words}")), "{}", page.text());
    }
}

// today in Toronto is Wednesday, 4 March 2026, 9:02

async fn a_reply_goes_to_whoever_covers(app: App) {
    let clinic = clinic(&app).await;
    is_away(&app, &clinic.writer, ("2026-03-05", "2026-03-06"), 3).await;
    clinic.patient_writes("Today").await;
    assert_eq!(there(&app).await, [(2, true)], "they are away from tomorrow on");
    is_away(&app, &clinic.writer, ("2026-03-03", "2026-03-04"), 3).await;
    clinic.patient_writes("Does it hurt?").await;
    assert_eq!(there(&app).await, [(2, true), (3, true)]);
    assert_eq!(added(&app).await, [Some("cover".to_owned())]);
    assert!(clinic.other.get("/inbox?filter=unread").await.ok().has_text("Your results"));
    let page = clinic.other.get(&clinic.conversation).await.ok();
    assert!(page.has_text("Away until 4 March 2026. User staff covers."), "{}", page.text());
    let events = page.texts_of(".thread > .event");
    assert!(events.len() == 1 && events[0].contains("added User staff"), "{events:?}");
    // who is there already stays as they are, and nothing is written down
    clinic.other.get(&clinic.conversation).await.ok();
    clinic.patient_writes("Hello?").await;
    assert_eq!(added(&app).await.len(), 1);
    let page = clinic.writer.get("/account/away").await.ok();
    clinic.writer.submit(&page, "Not away after all", &[]).await.redirect();
    let page = clinic.other.get(&clinic.conversation).await.ok();
    assert!(!page.has_text("Away until"), "{}", page.text());
}

async fn covers_are_followed_to_the_one_who_is_there(app: App) {
    let clinic = clinic(&app).await;
    let days = ("2026-03-04", "2026-03-20");
    is_away(&app, &clinic.writer, days, 3).await;
    is_away(&app, &clinic.other, days, 2).await;
    clinic.patient_writes("They cover for each other").await;
    assert_eq!(there(&app).await, [(2, true)]);
    clinic.says_until_20("Nobody covers.").await;
    is_away(&app, &clinic.other, days, 1).await;
    clinic.says_until_20("User owner covers.").await;
    clinic.patient_writes("The cover of the cover").await;
    assert_eq!(there(&app).await, [(1, true), (2, true)]);
}

async fn an_owner_says_it_for_others(app: App) {
    let clinic = clinic(&app).await;
    let page = clinic.owner.get("/settings/users/2").await.ok();
    assert_eq!(page.link("Say when they are away, and who covers"), "/settings/users/2/away");
    let page = clinic.owner.get("/settings/users/2/away").await.ok();
    let cover = email_of(&app, 3).await;
    let typed = [("away_from", "2026-03-04"), ("away_until", "2026-03-06"), ("cover", cover.as_str())];
    let told = clinic.owner.submit(&page, "Save", &typed).await.says();
    assert_eq!(told, ("/settings/users/2/away".to_owned(), "settings-saved".to_owned()));
    let page = clinic.writer.get("/account/away").await.ok();
    for (name, value) in typed {
        assert_eq!(page.form_with("Save").value(name).as_deref(), Some(value));
    }
    clinic.patient_writes("Does it hurt?").await;
    assert_eq!(there(&app).await, [(2, true), (3, true)]);
    assert_eq!(clinic.writer.get("/settings/users/3/away").await.status, 403);
    assert_eq!(clinic.owner.get("/settings/users/99/away").await.status, 404);
}

async fn what_is_wrong_is_said(app: App) {
    let clinic = clinic(&app).await;
    app.user(Role::Viewer).await;
    let (own, viewer, cover) = (email_of(&app, 2).await, email_of(&app, 4).await, email_of(&app, 3).await);
    for (from, until, cover, said) in [
        ("x", "2026-03-06", &cover, "First day"),
        ("2026-03-04", "2026-03-03", &cover, "Last day"),
        ("2026-03-01", "2026-03-03", &cover, "Last day"),
        ("2026-03-04", "2027-03-06", &cover, "Last day"),
        ("2026-03-04", "2026-03-06", &own, "Who covers"),
        ("2026-03-04", "2026-03-06", &viewer, "Who covers"),
    ] {
        let form = [("away_from", from), ("away_until", until), ("cover", cover.as_str())];
        let answer = clinic.writer.post("/account/away", &form).await;
        assert_eq!(answer.status, 422, "{form:?}");
        assert!(answer.page().text_of(".error-summary").contains(said), "{}", answer.page().text());
        assert_eq!(answer.page().form_with("Save").value("away_until").as_deref(), Some(until));
    }
    let read = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(absences::table.count().get_result(conn)?) });
    assert_eq!(read.await.unwrap(), 0);
}

async fn an_older_page_does_not_say_that_they_are_back(app: App) {
    let clinic = clinic(&app).await;
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-06"), 3).await;
    let older = clinic.writer.get("/account/away").await.ok();
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-20"), 3).await;
    let answer = clinic.writer.submit(&older, "Not away after all", &[]).await;
    assert_eq!(answer.status, 409, "{}", answer.page().text());
    assert!(answer.page().has_text("Somebody else changed this meanwhile"), "{}", answer.page().text());
    clinic.writer.submit(&answer.page(), "Not away after all", &[]).await.redirect();
    let page = clinic.writer.get("/account/away").await.ok();
    assert_eq!(page.form_with("Save").value("away_from").as_deref(), Some(""));
}

async fn who_covers_is_asked_about(app: App) {
    let clinic = clinic(&app).await;
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-06"), 3).await;
    // they have nothing to do but this
    let ask = clinic.owner.get("/settings/users/3/deactivation").await.ok();
    assert!(ask.has_text("cover for 1 colleague who is or will be away"), "{}", ask.text());
    let refused = clinic.owner.post("/settings/users/3/deactivation", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("Choose who takes over"), "{}", refused.page().text());
    // nobody can cover for themselves
    clinic.owner.post("/settings/users/3/deactivation", &[("to", "2")]).await.redirect();
    clinic.patient_writes("Does it hurt?").await;
    assert_eq!(there(&app).await, [(2, true)]);
    let page = clinic.owner.get(&clinic.conversation).await.ok();
    assert!(page.has_text("Away until 6 March 2026. Nobody covers."), "{}", page.text());
    let page = clinic.writer.get("/account/away").await.ok();
    assert_eq!(page.form_with("Save").value("away_from").as_deref(), Some("2026-03-04"));
    assert_eq!(page.count("#cover option[selected]"), 0, "they have to name another");
}

async fn whoever_takes_over_covers_too(app: App) {
    let clinic = clinic(&app).await;
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-06"), 3).await;
    clinic.owner.post("/settings/users/3/deactivation", &[("to", "1")]).await.redirect();
    clinic.patient_writes("Does it hurt?").await;
    assert_eq!(there(&app).await, [(1, true), (2, true)]);
    let page = clinic.owner.get(&clinic.conversation).await.ok();
    assert!(page.has_text("Away until 6 March 2026. User owner covers."), "{}", page.text());
}

async fn a_cover_who_is_deactivated_meanwhile_is_not_left_with_it(app: App) {
    let clinic = clinic(&app).await;
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-06"), 3).await;
    let (gone, ()) = join(
        clinic.owner.post("/settings/users/3/deactivation", &[("to", "1")]),
        clinic.patient_writes("Does it hurt?"),
    )
    .await;
    gone.redirect();
    // the reply came first, and its conversation was handed over; or it found nobody who covers
    let who: Vec<i64> = there(&app).await.into_iter().map(|(user, _)| user).collect();
    assert!(who == [1, 2] || who == [2], "{who:?}");
}

async fn what_nobody_opened_in_time_goes_to_the_owners(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    clinic.owner.post("/account/notifications", &[("told", "at_once")]).await.redirect();
    clinic.patient_writes("Does it hurt?").await;
    app.state.clock.advance(Duration::minutes(72));
    app.drain().await;
    let owner = email_of(&app, 1).await;
    let mails = || app.mailbox.newest_first().into_iter().filter(|mail| mail.to == owner).count();
    let before = mails();
    assert_eq!(there(&app).await, [(2, true)], "10:14 is before 10:15");
    app.state.clock.advance(Duration::minutes(2));
    app.drain().await;
    assert_eq!(there(&app).await, [(1, true), (2, true)]);
    assert_eq!(added(&app).await, [Some("not_opened_in_time".to_owned())]);
    assert_eq!(mails(), before + 1, "as of a new answer, by the road that they chose");
    assert!(!app.newest_to(&owner).text.contains("hurt"));
    // once, however often the worker looks
    app.state.clock.advance(Duration::hours(3));
    app.drain().await;
    assert_eq!(added(&app).await.len(), 1);
}

async fn what_nobody_opened_in_time_goes_to_the_cover_first(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    clinic.patient_writes("Does it hurt?").await;
    // whoever falls ill says so after the reply has come
    is_away(&app, &clinic.writer, ("2026-03-04", "2026-03-06"), 3).await;
    app.state.clock.advance(Duration::minutes(74));
    app.drain().await;
    assert_eq!(there(&app).await, [(2, true), (3, true)]);
    assert_eq!(added(&app).await, [Some("not_opened_in_time".to_owned())]);
}

async fn what_was_marked_done_unread_was_not_opened(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    clinic.patient_writes("Does it hurt?").await;
    clinic.writer.post(&format!("{}/done", clinic.conversation), &[]).await.redirect();
    app.state.clock.advance(Duration::minutes(74));
    app.drain().await;
    assert_eq!(there(&app).await, [(1, true), (2, false)]);
}

async fn what_was_opened_answered_or_closed_goes_nowhere(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    for (round, how) in ["opened", "answered", "closed"].into_iter().enumerate() {
        clinic.patient_writes(&format!("Question {round}")).await;
        let page = clinic.writer.get(&clinic.conversation).await.ok();
        match how {
            "answered" => drop(clinic.writer.submit(&page, "Send", &[("body", "No")]).await.redirect()),
            "closed" => drop(clinic.writer.post(&format!("{}/closure", clinic.conversation), &[]).await.redirect()),
            _ => {}
        }
        app.state.clock.advance(Duration::minutes(25));
        clinic.patient.get(&clinic.message).await.ok();
        clinic.writer.get("/inbox").await.ok();
    }
    app.state.clock.advance(Duration::hours(5));
    app.drain().await;
    assert_eq!(there(&app).await.len(), 1);
    assert!(added(&app).await.is_empty());
}

async fn a_later_question_has_its_own_moment(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    clinic.patient_writes("First").await;
    let page = clinic.writer.get(&clinic.conversation).await.ok();
    clinic.writer.submit(&page, "Send", &[("body", "No")]).await.redirect();
    app.state.clock.advance(Duration::minutes(25));
    // 9:27 and an hour: 10:30
    clinic.patient_writes("Second").await;
    app.state.clock.advance(Duration::minutes(50));
    app.drain().await;
    assert_eq!(there(&app).await, [(2, true)], "the moment of the first question is over, and it was answered");
    app.state.clock.advance(Duration::minutes(15));
    app.drain().await;
    assert_eq!(there(&app).await, [(1, true), (2, true)]);
}

/// The moment came while it was closed, and passed: the promise holds again, and so does what follows from it.
async fn what_is_opened_again_is_seen_to(app: App) {
    let clinic = clinic(&app).await;
    set_hours(&clinic.owner, "hours", "1").await;
    clinic.patient_writes("Does it hurt?").await;
    for _ in 0..3 {
        app.state.clock.advance(Duration::minutes(22));
        clinic.other.get("/inbox").await.ok();
    }
    clinic.other.post(&format!("{}/closure", clinic.conversation), &[]).await.redirect();
    app.state.clock.advance(Duration::minutes(8));
    app.drain().await;
    assert_eq!(there(&app).await, [(2, true)], "nothing is due in what is closed");
    clinic.other.post(&format!("{}/reopening", clinic.conversation), &[]).await.redirect();
    app.drain().await;
    assert_eq!(there(&app).await, [(1, true), (2, true)]);
}
