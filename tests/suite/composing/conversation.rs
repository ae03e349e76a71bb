//! Replies and notes: two forms with addresses of their own, each with a draft that is stored and offered again.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    a_note_is_a_form_of_its_own,
    each_writing_has_a_draft,
    an_older_window_is_refused,
    sending_ends_the_draft,
    drafts_are_for_their_user_alone,
    the_page_opens_where_it_was_sent
);

fn fields<'a>(key: &'a str, version: &'a str, body: &'a str) -> [(&'a str, &'a str); 3] {
    [("key", key), ("draft_version", version), ("body", body)]
}

const ONE: &str = "0123456789abcdef-window-1";
const TWO: &str = "0123456789abcdef-window-2";

/// Body and version that the form on a page shows.
async fn shown(user: &Actor, path: &str, button: &str) -> (String, String) {
    let form = user.get(path).await.ok().form_with(button);
    (form.value("body").unwrap(), form.value("draft_version").unwrap())
}

async fn world(app: &App) -> (Actor, String) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    (user, conversation)
}

async fn a_note_is_a_form_of_its_own(app: App) {
    let (user, conversation) = world(&app).await;
    let reply = user.get(&conversation).await.ok();
    let note = user.get(&format!("{conversation}/notes")).await.ok();
    assert_eq!(reply.form_with("Send").action, format!("{conversation}/messages"));
    assert_eq!(note.form_with("Add note").action, format!("{conversation}/notes"));
    assert!(!reply.has("[name=internal]") && !note.has("[name=internal]"));
    assert_eq!(reply.text_of(".tab[aria-current=true]"), "Reply");
    assert_eq!(note.text_of(".tab[aria-current=true]"), "Internal note");
    assert!(!reply.has("form.note") && note.has("form.reply.note"));
    assert!(note.has_text("colleagues only") && !reply.has_text("colleagues only"));
    // no field of a form turns a message into a note, or a note into a message
    let sent = [&fields(ONE, "0", "for you")[..], &[("internal", "on")]].concat();
    user.post(&format!("{conversation}/messages"), &sent).await.redirect();
    user.post(&format!("{conversation}/notes"), &fields(TWO, "0", "for us alone")).await.redirect();
    let page = user.get(&conversation).await.ok();
    assert_eq!(page.texts_of(".msg.note .prose"), ["for us alone"]);
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let page = patient.get(&message).await.ok();
    assert!(page.has_text("for you") && !page.has_text("for us alone"));
}

async fn each_writing_has_a_draft(app: App) {
    let (user, conversation) = world(&app).await;
    let notes = format!("{conversation}/notes");
    // the other tab is a button: what is typed here is saved before the tab opens
    let page = user.get(&conversation).await.ok();
    let to = user.submit(&page, "Internal note", &[("body", "Half a *reply*")]).await.redirect();
    assert_eq!(to, format!("{notes}#write"));
    let page = user.get(&notes).await.ok();
    assert!(page.text_of("button.tab").starts_with("Reply") && page.text_of("button.tab").ends_with("draft"));
    assert_eq!(page.form_with("Add note").value("body").unwrap(), "");
    let to = user.submit(&page, "Save draft", &[("body", "Half a note")]).await.redirect();
    assert!(to.starts_with(&notes) && to.ends_with("#write"), "{to}");
    assert_eq!(shown(&user, &conversation, "Send").await, ("Half a *reply*".into(), "1".into()));
    assert_eq!(shown(&user, &notes, "Add note").await, ("Half a note".into(), "1".into()));
    assert!(user.get(&conversation).await.ok().has_text("Your draft from"));
    // from an empty form the tab saves nothing
    let page = user.get(&notes).await.ok();
    user.submit(&page, "Discard draft", &[]).await.redirect();
    let page = user.get(&notes).await.ok();
    assert!(!page.has_text("Your draft from"));
    user.submit(&page, "Reply draft", &[]).await.redirect();
    assert!(!user.get(&notes).await.ok().has_text("Your draft from"));
    app.drain().await;
}

async fn an_older_window_is_refused(app: App) {
    let (user, conversation) = world(&app).await;
    for (writing, button) in [("messages", "Send"), ("notes", "Add note")] {
        let save = format!("{conversation}/{writing}/draft");
        user.post(&save, &fields(ONE, "0", "first window")).await.redirect();
        assert_eq!(user.post(&save, &fields(TWO, "0", "")).await.status, 409, "nor does an emptied one write over it");
        let answer = user.post(&save, &fields(TWO, "0", "second window")).await;
        assert_eq!(answer.status, 409);
        let form = answer.page().form_with(button);
        assert!(answer.page().has_text("Written elsewhere too"));
        // the words of both windows are shown, and saving again replaces the newer draft
        let value = |name| form.value(name).unwrap();
        assert_eq!((value("body"), value("draft_version")), ("second window".into(), "1".into()));
        user.post(&save, &fields(TWO, "1", "second window")).await.redirect();
        user.post(&format!("{save}/removal"), &[("draft_version", "1")]).await.redirect();
        let page = if writing == "notes" { format!("{conversation}/notes") } else { conversation.clone() };
        assert_eq!(shown(&user, &page, button).await.0, "second window");
    }
    // a script gets the same answer, and goes on from the version in it
    let headers = [
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", &*user.origin),
    ];
    let save = format!("{conversation}/messages/draft");
    let body = |version: &str| format!("key={ONE}&draft_version={version}&body=as+one+types");
    assert_eq!(user.send("POST", &save, &headers, &body("1")).await.status, 409);
    let saved = user.send("POST", &save, &headers, &body("2")).await;
    let saved: serde_json::Value = serde_json::from_str(&saved.body).unwrap();
    assert_eq!(saved["version"], 3);
    app.drain().await;
}

async fn sending_ends_the_draft(app: App) {
    let (user, conversation) = world(&app).await;
    for (writing, button) in [("messages", "Send"), ("notes", "Add note")] {
        let send = format!("{conversation}/{writing}");
        let save = format!("{send}/draft");
        let page = if writing == "notes" { send.clone() } else { conversation.clone() };
        user.post(&save, &fields(ONE, "0", "Half")).await.redirect();
        user.post(&send, &fields(ONE, "1", "Whole")).await.redirect();
        assert_eq!(shown(&user, &page, button).await.0, "");
        // a save that arrives after the message was sent does not bring the draft back
        assert_eq!(user.post(&save, &fields(ONE, "1", "Whol")).await.status, 409);
        // a draft of another window stays
        user.post(&save, &fields(TWO, "2", "other")).await.redirect();
        user.post(&send, &fields(ONE, "0", "From the old window")).await.redirect();
        assert_eq!(shown(&user, &page, button).await.0, "other");
    }
    app.drain().await;
}

async fn drafts_are_for_their_user_alone(app: App) {
    let (user, conversation) = world(&app).await;
    let other = app.user(Role::Clinician).await;
    user.post(&format!("{conversation}/messages/draft"), &fields(ONE, "0", "mine alone")).await.redirect();
    let second = app.patient(Like { email: Some("b@example.org".into()), ..Like::default() }).await;
    let elsewhere = app.message(&user, second, true).await;
    assert_eq!(shown(&other, &conversation, "Send").await.0, "");
    assert_eq!(shown(&user, &elsewhere, "Send").await.0, "");
    assert!(!other.get(&format!("{conversation}/notes")).await.body.contains("mine alone"));
    app.drain().await;
}

async fn the_page_opens_where_it_was_sent(app: App) {
    let (user, conversation) = world(&app).await;
    for writing in ["messages", "notes"] {
        let to = user.post(&format!("{conversation}/{writing}"), &fields(ONE, "0", writing)).await.redirect();
        let (page, place) = to.split_once('#').unwrap();
        let page = user.get(page).await.ok();
        assert!(page.has(&format!("li#{place}")), "{to}");
        // the notice is beside the message, not at the top
        assert_eq!(page.count(".flash"), 1);
        assert!(page.has(&format!("li#{place} + li.said .flash")), "{to}");
    }
    // a colleague's page opens once at what is new to them
    let colleague = app.user(Role::Owner).await;
    assert!(!colleague.get(&conversation).await.ok().has("[data-newest]"), "takes no part");
    let write = app.state.db.read(|conn| -> Result<i64, postern::error::AppError> {
        use diesel::prelude::*;
        use postern::db::schema::users;
        Ok(users::table.select(users::id).order(users::id.desc()).first(conn)?)
    });
    let id = write.await.unwrap().to_string();
    user.post(&format!("{conversation}/participants"), &[("to", &id)]).await.redirect();
    user.post(&format!("{conversation}/messages"), &fields(TWO, "0", "the newest")).await.redirect();
    let page = colleague.get(&conversation).await.ok();
    assert_eq!(page.text_of("[data-newest][autofocus] .prose"), "the newest");
    assert!(!colleague.get(&conversation).await.ok().has("[data-newest]"));
    assert!(!user.get(&conversation).await.ok().has("[data-newest]"), "one's own is no news");
    app.drain().await;
}
