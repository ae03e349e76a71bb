//! Who presses twice, goes back, or comes by an old link to a message that goes out later: what is asked for happens once, and the
//! page says what has become of it.

use super::scheduled::{back, count, go_to, rows, schedule};
use super::scheduled_kept::{filled, post, reply_later, sql, states};
use crate::files::samples;
use crate::files::uploads::{id_in, upload};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::ConversationId;
use postern::db::schema::{audit_events, conversations};
use postern::error::AppError;
use time::macros::datetime;

on_both!(
    going_back_and_sending_doubles_nothing,
    what_was_sent_at_once_is_not_put_off_as_well,
    a_press_in_the_list_twice_is_once,
    an_old_link_opens_no_empty_form,
    it_is_not_put_off_over_what_came_since,
    its_page_is_a_draft_again_when_it_is_gone,
    its_page_leaves_a_draft_that_it_never_showed,
    what_kept_it_back_stays_with_whoever_takes_over,
    whose_role_is_taken_away_is_told_to_the_owner,
);

async fn going_back_and_sending_doubles_nothing(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let new = format!("/patients/{maria}/messages/new");
    let file = id_in(&upload(&staff, maria, "a.pdf", samples::pdf()).await);
    let page = staff.get(&new).await.ok();
    let words = [("title", "Your results"), ("body", "All is well"), ("upload", file.as_str())];
    let later = filled(&page, "Submit", &[&words[..], &[("later", "tomorrow")]].concat());
    post(&staff, &format!("/patients/{maria}/messages/scheduled"), &later).await.redirect();
    // the browser goes back to the form, with its old key
    let again = filled(&page, "Submit", &words);
    for _ in 0..2 {
        let told = post(&staff, &new, &again).await;
        assert_eq!((told.status, count(&app).await), (409, 0));
        assert!(told.page().has_text("is already to go out later"), "{}", told.page().text());
    }
    // whoever says so sends another one; the file stays with the first
    let told = post(&staff, &new, &again).await.page();
    let form = told.form_with("Submit");
    assert_eq!((form.value("upload"), form.value("body").as_deref().map(str::trim)), (None, Some("All is well")));
    staff.submit(&told, "Submit", &[]).await.redirect();
    assert_eq!((count(&app).await, states(&app).await), (1, vec!["waiting".to_owned()]));
    // no other message takes its file
    let taken = [&words[..], &[("key", "fedcba9876543210")]].concat();
    assert_eq!(staff.post(&new, &taken).await.status, 409);
    go_to(&app, datetime!(2026-03-05 14:00 UTC)).await;
    back(&app, &staff, 1).await;
    assert_eq!((count(&app).await, states(&app).await), (2, vec!["sent".to_owned()]));
    // its number: what was refused has used some up on PostgreSQL
    let newest = app.state.db.read(|conn| -> Result<ConversationId, AppError> {
        Ok(conversations::table.order(conversations::id.desc()).select(conversations::id).first(conn)?)
    });
    let conversation = format!("/conversations/{}", newest.await.unwrap());
    assert!(staff.get(&conversation).await.ok().has_text("a.pdf"));
    // the same for a reply, and not for a note
    let page = staff.get(&conversation).await.ok();
    let later = filled(&page, "Send", &[("body", "A reply"), ("later", "tomorrow")]);
    post(&staff, &format!("{conversation}/messages/scheduled"), &later).await.redirect();
    let again = filled(&page, "Send", &[("body", "A reply")]);
    let told = post(&staff, &format!("{conversation}/messages"), &again).await;
    assert_eq!((told.status, count(&app).await), (409, 2));
    post(&staff, &format!("{conversation}/notes"), &again).await.redirect();
    assert_eq!(count(&app).await, 3);
    // a worker leaves another trace than a click
    let how = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        let sent = audit_events::table.filter(audit_events::action.eq("conversation_started"));
        Ok(sent.order(audit_events::id).select(audit_events::detail).load(conn)?)
    });
    assert_eq!(how.await.unwrap(), [None, Some("scheduled".to_owned())]);
}

async fn what_was_sent_at_once_is_not_put_off_as_well(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let (new, later) = (format!("/patients/{maria}/messages/new"), format!("/patients/{maria}/messages/scheduled"));
    let page = staff.get(&new).await.ok();
    let at_once = filled(&page, "Submit", &[("title", "Your dose"), ("body", "Two tablets")]);
    post(&staff, &new, &at_once).await.redirect();
    // the browser goes back to the form, with its old key
    let put_off = filled(&page, "Submit", &[("title", "Your dose"), ("body", "One tablet"), ("later", "tomorrow")]);
    let told = post(&staff, &later, &put_off).await;
    assert_eq!((told.status, rows(&app).await.len()), (409, 0));
    let told = told.page();
    assert!(told.has_text("What you sent from this page before went out"), "{}", told.text());
    post(&staff, &later, &filled(&told, "Submit", &[("later", "tomorrow")])).await.redirect();
    assert_eq!((count(&app).await, states(&app).await), (1, vec!["waiting".to_owned()]));
    // the same for a reply, and not after a note
    let goal = "/conversations/1/messages/scheduled";
    let page = staff.get("/conversations/1").await.ok();
    post(&staff, "/conversations/1/messages", &filled(&page, "Send", &[("body", "A reply")])).await.redirect();
    let put_off = filled(&page, "Send", &[("body", "Another reply"), ("later", "tomorrow")]);
    assert_eq!((post(&staff, goal, &put_off).await.status, rows(&app).await.len()), (409, 1));
    let page = staff.get("/conversations/1").await.ok();
    post(&staff, "/conversations/1/notes", &filled(&page, "Send", &[("body", "A note")])).await.redirect();
    let put_off = filled(&page, "Send", &[("body", "Another reply"), ("later", "tomorrow")]);
    post(&staff, goal, &put_off).await.redirect();
    assert_eq!(rows(&app).await.len(), 2);
}

async fn a_press_in_the_list_twice_is_once(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    let (all, once) = ("form[action^='/scheduled/']", "form[action^='/scheduled/'][data-submit-once]");
    assert_eq!((list.count(all), list.count(once)), (2, 2));
    for _ in 0..2 {
        let said = staff.submit(&list, "Cancel", &[]).await.says();
        assert_eq!(said, ("/inbox/scheduled".to_owned(), "scheduled-cancelled".to_owned()));
    }
    // what was to go now and was cancelled since does not
    assert_eq!(staff.submit(&list, "Send now", &[]).await.says().1, "scheduled-changed");
    let list = staff.get("/inbox/scheduled").await.ok();
    for _ in 0..2 {
        let said = staff.submit(&list, "Remove", &[]).await.says();
        assert_eq!(said, ("/inbox/scheduled".to_owned(), "scheduled-removed".to_owned()));
    }
    let gone = staff.post("/scheduled/1/cancellation", &[("version", "1")]).await.says();
    assert_eq!(gone, ("/inbox/scheduled".to_owned(), "scheduled-changed".to_owned()));
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let list = staff.get("/inbox/scheduled").await.ok();
    for _ in 0..2 {
        assert_eq!(staff.submit(&list, "Send now", &[]).await.says().1, "scheduled-going");
    }
    app.drain().await;
    assert_eq!((count(&app).await, states(&app).await), (1, vec!["sent".to_owned()]));
    // who comes too late is led to what was sent
    for button in ["Send now", "Cancel"] {
        let said = staff.submit(&list, button, &[]).await.says();
        assert_eq!(said, ("/conversations/1".to_owned(), "scheduled-went-out".to_owned()), "{button}");
    }
}

async fn an_old_link_opens_no_empty_form(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let (new, list) = (format!("/patients/{maria}/messages/new"), "/inbox/scheduled".to_owned());
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let page = staff.get(&new).await.ok();
    staff.submit(&page, "Save draft", &[("title", "A draft"), ("body", "Of another matter")]).await.redirect();
    assert_eq!(other.get(&format!("{new}?scheduled=1")).await.says(), (list.clone(), "scheduled-changed".to_owned()));
    staff.submit(&staff.get(&list).await.ok(), "Send now", &[]).await.redirect();
    app.drain().await;
    let out = ("/conversations/1".to_owned(), "scheduled-went-out".to_owned());
    assert_eq!(staff.get(&format!("{new}?scheduled=1")).await.says(), out);
    reply_later(&staff, "/conversations/1", "A reply for later").await;
    staff.submit(&staff.get(&list).await.ok(), "Cancel", &[]).await.redirect();
    staff.submit(&staff.get(&list).await.ok(), "Remove", &[]).await.redirect();
    for path in ["/conversations/1?scheduled=2".to_owned(), format!("{new}?scheduled=2"), format!("{new}?scheduled=99")]
    {
        assert_eq!(staff.get(&path).await.says(), (list.clone(), "scheduled-changed".to_owned()), "{path}");
    }
    let draft = staff.get(&new).await.ok();
    assert_eq!(draft.form_with("Submit").value("title").as_deref(), Some("A draft"));
}

async fn it_is_not_put_off_over_what_came_since(app: App) {
    let (staff, other) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&staff, maria, true).await;
    let page = staff.get(&conversation).await.ok();
    let theirs = other.get(&conversation).await.ok();
    other.submit(&theirs, "Send", &[("body", "A colleague was faster")]).await.redirect();
    let goal = format!("{conversation}/messages/scheduled");
    let told = post(&staff, &goal, &filled(&page, "Send", &[("body", "My answer"), ("later", "tomorrow")])).await;
    assert_eq!(told.status, 409);
    let told = told.page();
    assert!(told.has("ol.newer") && told.has_text("A colleague was faster"), "{}", told.text());
    assert_eq!(told.form_with("Send").value("body").as_deref().map(str::trim), Some("My answer"));
    assert!(rows(&app).await.is_empty());
    // read, it is put off
    post(&staff, &goal, &filled(&told, "Send", &[("later", "tomorrow")])).await.redirect();
    assert_eq!(states(&app).await, ["waiting"]);
}

async fn its_page_is_a_draft_again_when_it_is_gone(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let new = format!("/patients/{maria}/messages/new");
    let (json, form) = (("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded"));
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let open = staff.get(&format!("{new}?scheduled=1")).await.ok();
    for button in ["Cancel", "Remove"] {
        staff.submit(&staff.get("/inbox/scheduled").await.ok(), button, &[]).await.redirect();
    }
    let told = post(&staff, &new, &filled(&open, "Submit", &[("body", "Typed words")])).await;
    assert_eq!(told.status, 409);
    let told = told.page();
    assert!(told.has("form[data-autosave]") && told.has_text("changed or removed in the meantime"), "{}", told.text());
    let typed = told.form_with("Submit").urlencoded();
    let saved = staff.send("POST", &format!("/patients/{maria}/messages/draft"), &[json, form], &typed).await;
    assert_eq!(saved.status, 200, "{typed}");
    // another message than the one that went out, with an error of its own
    let fields = [("later", "at"), ("later_date", "2026-03-04"), ("later_time", "09:05")];
    schedule(&staff, maria, &fields).await.redirect();
    let open = staff.get(&format!("{new}?scheduled=2")).await.ok();
    go_to(&app, datetime!(2026-03-04 14:05 UTC)).await;
    let told = post(&staff, &new, &filled(&open, "Submit", &[])).await.page();
    let mut another = told.form_with("Submit");
    another.forge("another", "on").set("title", "");
    let told = post(&staff, &new, &another.fields()).await;
    assert_eq!(told.status, 422);
    let typed = told.page().form_with("Submit").urlencoded();
    let saved = staff.send("POST", &format!("/patients/{maria}/messages/draft"), &[json, form], &typed).await;
    assert_eq!(saved.status, 200, "{typed}");
    // the same for a reply
    reply_later(&staff, "/conversations/1", "A reply for later").await;
    let open = staff.get("/conversations/1?scheduled=3").await.ok();
    for button in ["Cancel", "Remove"] {
        staff.submit(&staff.get("/inbox/scheduled").await.ok(), button, &[]).await.redirect();
    }
    let told = post(&staff, "/conversations/1/messages", &filled(&open, "Send", &[("body", "Typed words")])).await;
    assert_eq!(told.status, 409);
    let typed = told.page().form_with("Send").urlencoded();
    let saved = staff.send("POST", "/conversations/1/messages/draft", &[json, form], &typed).await;
    assert_eq!(saved.status, 200, "{typed}");
}

async fn its_page_leaves_a_draft_that_it_never_showed(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let new = format!("/patients/{maria}/messages/new");
    let (json, form) = (("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded"));
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let page = staff.get(&new).await.ok();
    staff.submit(&page, "Save draft", &[("title", "A draft"), ("body", "Of another matter")]).await.redirect();
    let open = staff.get(&format!("{new}?scheduled=1")).await.ok();
    for button in ["Cancel", "Remove"] {
        staff.submit(&staff.get("/inbox/scheduled").await.ok(), button, &[]).await.redirect();
    }
    let told = post(&staff, &new, &filled(&open, "Submit", &[("body", "Typed words")])).await;
    assert_eq!(told.status, 409);
    let told = told.page();
    // what is typed on is not saved over it, and what is sent does not take it along
    let typed = told.form_with("Submit").urlencoded();
    let saved = staff.send("POST", &format!("/patients/{maria}/messages/draft"), &[json, form], &typed).await;
    assert_eq!(saved.status, 409, "{typed}");
    staff.submit(&told, "Submit", &[]).await.redirect();
    assert!(staff.get("/conversations/1").await.ok().has_text("Typed words"));
    let draft = staff.get(&new).await.ok();
    assert_eq!(draft.form_with("Submit").value("body").as_deref().map(str::trim), Some("Of another matter"));
    // the same for a reply
    reply_later(&staff, "/conversations/1", "A reply for later").await;
    let page = staff.get("/conversations/1").await.ok();
    staff.submit(&page, "Save draft", &[("body", "A reply that is begun")]).await.redirect();
    let open = staff.get("/conversations/1?scheduled=2").await.ok();
    for button in ["Cancel", "Remove"] {
        staff.submit(&staff.get("/inbox/scheduled").await.ok(), button, &[]).await.redirect();
    }
    let told = post(&staff, "/conversations/1/messages", &filled(&open, "Send", &[("body", "Typed words")])).await;
    assert_eq!(told.status, 409);
    let told = told.page();
    let typed = told.form_with("Send").urlencoded();
    let saved = staff.send("POST", "/conversations/1/messages/draft", &[json, form], &typed).await;
    assert_eq!(saved.status, 409, "{typed}");
    staff.submit(&told, "Send", &[]).await.redirect();
    let page = staff.get("/conversations/1").await.ok();
    assert_eq!(page.form_with("Send").value("body").as_deref().map(str::trim), Some("A reply that is begun"));
}

async fn what_kept_it_back_stays_with_whoever_takes_over(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    for _ in 0..3 {
        schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    }
    sql(&app, "UPDATE scheduled_messages SET state = 'not_sent', reason = 'taken_apart' WHERE id = 1").await;
    sql(&app, "UPDATE scheduled_messages SET state = 'not_sent', reason = 'writer' WHERE id = 2").await;
    owner.post("/settings/users/2/deactivation", &[("to", "1")]).await.redirect();
    assert_eq!(states(&app).await, ["taken_apart", "handed_over", "handed_over"]);
    app.drain().await;
    let mails = app.mailbox.newest_first();
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).count(), 1);
    let list = owner.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("The merge of two charts") && !list.has_text("You may not send"), "{}", list.text());
}

async fn whose_role_is_taken_away_is_told_to_the_owner(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    schedule(&staff, maria, &[("later", "tomorrow")]).await.redirect();
    let page = owner.get("/settings/users/2").await.ok();
    let saved = owner.submit(&page, "Save", &[("role", "viewer")]).await.says();
    assert_eq!(saved.1, "user-saved-scheduled");
    // it is told once: no later change takes anything more away
    let page = owner.get("/settings/users/2").await.ok();
    assert_eq!(owner.submit(&page, "Save", &[]).await.says().1, "user-saved");
    let list = staff.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("It was to go out on") && !list.has_text("Goes out on"), "{}", list.text());
    // somebody takes over, and is told
    owner.post("/settings/users/2/deactivation", &[("to", "1")]).await.redirect();
    app.drain().await;
    assert_eq!(states(&app).await, ["handed_over"]);
    let mails = app.mailbox.newest_first();
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("will not go out by itself")).count(), 1);
}
