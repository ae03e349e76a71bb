//! A note mentions users: they find it as new and under "Mentions", get an email where they want one, and take part from then on.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use crate::users::away::email_of;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::Event;
use postern::db::UserId;
use postern::db::schema::{audit_events, mentions, messages, participants as p};
use postern::error::AppError;
use time::Duration;

on_both!(
    the_mentioned_find_it,
    a_name_stands_in_the_note_as_it_was,
    they_get_the_email_that_they_want,
    nobody_is_told_who_cannot_sign_in,
    a_retry_mentions_once,
    who_comes_again_is_not_mentioned_again,
    a_message_to_the_patient_mentions_nobody,
);

struct World {
    /// the first user
    owner: Actor,
    /// the second user, who wrote to the patient
    writer: Actor,
    /// the third user
    staff: Actor,
    conversation: String,
}

async fn world(app: &App) -> World {
    let (owner, writer) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&writer, maria, true).await;
    app.drain().await;
    World { owner, writer, staff, conversation }
}

impl World {
    fn notes(&self) -> String {
        format!("{}/notes", self.conversation)
    }

    /// The writer adds a note that mentions the user with this number.
    async fn mentions(&self, words: &str, user: &str) {
        let page = self.writer.get(&self.notes()).await.ok();
        let said = self.writer.submit(&page, "Add note", &[("body", words), ("tell", user)]).await.says();
        assert_eq!(said.1, "note-added");
    }
}

/// How many lines a view of a user's own has, and what is marked on them.
async fn lines(user: &Actor, filter: &str) -> (usize, Vec<String>) {
    let page = user.get(&format!("/inbox?filter={filter}")).await.ok();
    (page.count(".work > li"), page.texts_of(".work .tag.mentioned"))
}

/// Who takes part.
async fn there(app: &App) -> Vec<i64> {
    let read = app.state.db.read(|conn| -> Result<Vec<UserId>, AppError> {
        Ok(p::table.order(p::user_id).select(p::user_id).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|user| user.0).collect()
}

/// Whom each note mentions, by the place of the note.
async fn mentioned(app: &App) -> Vec<i64> {
    let read = app.state.db.read(|conn| -> Result<Vec<UserId>, AppError> {
        let all = mentions::table.order((mentions::message_id, mentions::user_id));
        Ok(all.select(mentions::user_id).load(conn)?)
    });
    read.await.unwrap().into_iter().map(|user| user.0).collect()
}

async fn notes_written(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, AppError> {
        Ok(messages::table.filter(messages::internal.eq(true)).count().get_result(conn)?)
    });
    read.await.unwrap()
}

const TAG: &str = "You were mentioned";

async fn the_mentioned_find_it(app: App) {
    let world = world(&app).await;
    let page = world.writer.get(&world.notes()).await.ok();
    assert_eq!(page.texts_of("#tell option"), ["User owner (will be added)", "User staff (will be added)"]);
    assert!(page.has_text("Who does not take part yet is added"), "{}", page.text());
    assert!(!world.writer.get(&world.conversation).await.ok().has("#tell"), "a message tells nobody");
    world.mentions("Please look", "3").await;
    assert_eq!((there(&app).await, mentioned(&app).await), (vec![2, 3], vec![3]));
    for filter in ["mentions", "unread", "to_do"] {
        assert_eq!(lines(&world.staff, filter).await, (1, vec![TAG.to_owned()]), "{filter}");
    }
    assert_eq!(lines(&world.writer, "mentions").await, (0, vec![]));
    assert_eq!(lines(&world.owner, "mentions").await, (0, vec![]));
    // a look takes the mark away; the list has it until it is done
    let page = world.staff.get(&world.conversation).await.ok();
    for words in ["@User staff", "Please look", "User clinician added User staff"] {
        assert!(page.has_text(words), "{words:?} in {}", page.text());
    }
    assert_eq!(lines(&world.staff, "mentions").await, (1, vec![]));
    // what comes later is new, and mentions them no more
    let page = world.writer.get(&world.notes()).await.ok();
    world.writer.submit(&page, "Add note", &[("body", "More to come")]).await.redirect();
    assert_eq!(lines(&world.staff, "unread").await, (1, vec![]));
    world.staff.post(&format!("{}/done", world.conversation), &[]).await.redirect();
    assert_eq!(lines(&world.staff, "mentions").await, (0, vec![]));
    // mentioned again, it is there again, for who takes part already
    world.mentions("And this", "3").await;
    assert_eq!(lines(&world.staff, "mentions").await, (1, vec![TAG.to_owned()]));
    assert_eq!(there(&app).await, [2, 3]);
    world.writer.post(&format!("{}/closure", world.conversation), &[]).await.redirect();
    assert_eq!(lines(&world.staff, "mentions").await, (0, vec![]));
    let read = app.state.db.read(|conn| -> Result<Vec<(String, Option<String>)>, AppError> {
        let words = [Event::NoteAdded.as_str(), Event::ParticipantsChanged.as_str()];
        let rows = audit_events::table.filter(audit_events::action.eq_any(words)).order(audit_events::id);
        Ok(rows.select((audit_events::action, audit_events::detail)).load(conn)?)
    });
    let with = |event: Event, detail: Option<&str>| (event.as_str().to_owned(), detail.map(str::to_owned));
    let expected = [
        with(Event::ParticipantsChanged, Some("mention")),
        with(Event::NoteAdded, Some("mention")),
        with(Event::NoteAdded, None),
        with(Event::NoteAdded, Some("mention")),
    ];
    assert_eq!(read.await.unwrap(), expected);
}

async fn a_name_stands_in_the_note_as_it_was(app: App) {
    let world = world(&app).await;
    world.mentions("@User staff, please look", "3").await;
    let notes = world.staff.get(&world.conversation).await.ok().texts_of(".msg.note .prose");
    assert_eq!(notes, ["@User staff, please look"], "a name that was typed is not said twice");
    let page = world.owner.get("/settings/users/3").await.ok();
    world.owner.submit(&page, "Save", &[("name", "Sam Roy")]).await.redirect();
    world.mentions("And now", "3").await;
    let notes = world.staff.get(&world.conversation).await.ok().texts_of(".msg.note .prose");
    assert_eq!(notes, ["@User staff, please look", "@Sam Roy And now"]);
    // on paper too
    let paper = world.owner.get(&format!("{}/print?notes=on", world.conversation)).await.ok();
    assert!(paper.has_text("@Sam Roy And now"), "{}", paper.text());
}

async fn they_get_the_email_that_they_want(app: App) {
    let world = world(&app).await;
    let address = email_of(&app, 3).await;
    let mails = || app.mailbox.newest_first().into_iter().filter(|mail| mail.to == address).count();
    // of their sign-in they may have got one
    let before = mails();
    world.mentions("No mail, by itself", "3").await;
    app.drain().await;
    assert_eq!(mails(), before);
    world.staff.get(&world.conversation).await.ok();
    world.staff.post("/account/notifications", &[("told", "at_once")]).await.redirect();
    world.mentions("zquork", "3").await;
    app.drain().await;
    assert_eq!(mails(), before + 1);
    let mail = app.newest_to(&address);
    assert!(mail.subject.starts_with("You were mentioned at "), "{}", mail.subject);
    assert!(mail.text.starts_with("A colleague mentioned you in a note."), "{}", mail.text);
    for part in [&mail.subject, &mail.text, &mail.html] {
        assert!(!part.contains("zquork") && !part.contains("Mej") && !part.contains("User clinician"), "{part}");
    }
    // who has looked by then gets none
    world.staff.get(&world.conversation).await.ok();
    world.staff.post("/account/notifications", &[("told", "hourly")]).await.redirect();
    world.mentions("Later", "3").await;
    world.staff.get(&world.conversation).await.ok();
    app.state.clock.advance(Duration::minutes(61));
    app.drain().await;
    assert_eq!(mails(), before + 1);
}

async fn nobody_is_told_who_cannot_sign_in(app: App) {
    let world = world(&app).await;
    let page = world.writer.get(&world.notes()).await.ok();
    world.owner.post("/settings/users/3/deactivation", &[]).await.redirect();
    let answer = world.writer.submit(&page, "Add note", &[("body", "Please look"), ("tell", "3"), ("tell", "1")]).await;
    assert_eq!(answer.status, 422);
    let again = answer.page();
    assert!(again.has_text("somebody you chose cannot sign in any more"), "{}", again.text());
    assert_eq!(again.form_with("Add note").value("body").as_deref(), Some("Please look"));
    assert_eq!(again.texts_of("#tell option[selected]"), ["User owner (will be added)"], "the other stays chosen");
    assert_eq!((there(&app).await, mentioned(&app).await, notes_written(&app).await), (vec![2], vec![], 0));
    // an id that is nobody's is not overlooked either
    let forged = [("body", "Look"), ("key", "0123456789abcdef"), ("tell", "99999")];
    assert_eq!(world.writer.post(&world.notes(), &forged).await.status, 422);
    world.writer.submit(&again, "Add note", &[]).await.redirect();
    assert_eq!((there(&app).await, mentioned(&app).await), (vec![1, 2], vec![1]));
}

async fn a_retry_mentions_once(app: App) {
    let world = world(&app).await;
    let form = [("body", "Look"), ("key", "0123456789abcdef"), ("tell", "3"), ("tell", "3"), ("tell", "2")];
    for _ in 0..2 {
        world.writer.post(&world.notes(), &form).await.redirect();
    }
    assert_eq!((notes_written(&app).await, mentioned(&app).await), (1, vec![3]), "nobody mentions themselves");
    // the same words to somebody else are another note
    let other = [("body", "Look"), ("key", "0123456789abcdef"), ("tell", "1")];
    world.writer.post(&world.notes(), &other).await.redirect();
    assert_eq!((notes_written(&app).await, mentioned(&app).await), (2, vec![3, 1]));
}

async fn who_comes_again_is_not_mentioned_again(app: App) {
    let world = world(&app).await;
    world.mentions("Please look", "3").await;
    let left = world.staff.post(&format!("{}/participants/removal", world.conversation), &[("user", "3")]).await;
    assert_eq!(left.says().1, "participant-left");
    world.writer.post(&format!("{}/participants", world.conversation), &[("to", "3")]).await.redirect();
    assert_eq!(lines(&world.staff, "unread").await, (1, vec![]));
    assert_eq!(lines(&world.staff, "mentions").await, (0, vec![]));
}

async fn a_message_to_the_patient_mentions_nobody(app: App) {
    let world = world(&app).await;
    let form = [("body", "Look"), ("key", "0123456789abcdef"), ("tell", "3")];
    world.writer.post(&format!("{}/messages", world.conversation), &form).await.redirect();
    assert_eq!((there(&app).await, mentioned(&app).await), (vec![2], vec![]));
    let page = world.writer.get(&world.conversation).await.ok();
    assert!(!page.has_text("@User staff"), "{}", page.text());
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.post(&world.notes(), &form).await.status, 403, "who only reads writes no note");
}
