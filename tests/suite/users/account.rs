//! Changes that users make to their own account, and the mails about them.

use super::{everybody, newest, noted};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::PASSWORD;
use postern::access::Role;

on_both!(
    a_password_is_changed_with_the_one_before,
    an_address_is_changed_and_the_old_one_told,
    sessions_are_seen_and_ended,
    a_new_browser_is_told,
    a_password_is_the_same_from_every_keyboard
);

const NEW: &str = "a green kettle sings at noon";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

async fn sign_in(app: &App, email: &str, password: &str) -> Actor {
    let actor = app.anyone();
    assert_eq!(actor.post("/sign-in", &[("email", email), ("password", password)]).await.redirect(), "/inbox");
    actor
}

fn subjects_to(app: &App, address: &str) -> Vec<String> {
    app.mailbox.newest_first().into_iter().filter(|mail| mail.to == address).map(|mail| mail.subject).collect()
}

async fn a_password_is_changed_with_the_one_before(app: App) {
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, everybody(&app).await[0].email.to_string());
    let other = sign_in(&app, &email, PASSWORD).await;
    let page = staff.get("/account").await.ok();
    for (fields, says) in [
        ([("current", "wrong"), ("new", NEW), ("again", NEW)], "This is not your password"),
        ([("current", PASSWORD), ("new", NEW), ("again", PASSWORD)], "The two passwords are not the same"),
        ([("current", PASSWORD), ("new", "short one"), ("again", "short one")], "Choose a longer password"),
    ] {
        let answer = staff.submit(&page, "Change password", &fields).await;
        assert_eq!(answer.status, 422, "{fields:?}");
        assert!(answer.page().has_text(says), "{}", answer.page().text());
    }
    let changed = [("current", PASSWORD), ("new", NEW), ("again", NEW)];
    let answer = staff.submit(&page, "Change password", &changed).await.says();
    assert_eq!(answer, ("/account".to_owned(), "password-changed".to_owned()));
    // the session in which the password was changed goes on, and all others have ended
    assert_eq!(staff.get("/inbox").await.status, 200);
    assert!(other.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert_eq!(app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.status, 422);
    sign_in(&app, &email, NEW).await;
    assert_eq!(noted(&app, id, "password_set").await, [Some("own".to_owned())]);
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("your password was changed")));
}

async fn an_address_is_changed_and_the_old_one_told(app: App) {
    let staff = app.user(Role::Staff).await;
    app.user(Role::Viewer).await;
    let all = everybody(&app).await;
    let (old, other) = (all[0].email.to_string(), all[1].email.to_string());
    let page = staff.get("/account").await.ok();
    for (email, password, says) in [
        ("sam@new.example", "wrong", "This is not your password"),
        ("sam@", PASSWORD, "Enter an email address in the form"),
        (&other.to_uppercase(), PASSWORD, "Another user signs in with this address"),
    ] {
        let answer = staff.submit(&page, "Change email", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 422, "{email}");
        let page = answer.page();
        assert!(page.has_text(says), "{email}: {}", page.text());
        let form = page.form_with("Change email");
        assert_eq!(form.value("email").as_deref(), Some(email), "what was typed stays");
        assert_eq!(form.value("password").as_deref(), Some(""));
    }
    let fields = [("email", "sam@new.example"), ("password", PASSWORD)];
    let answer = staff.submit(&page, "Change email", &fields).await.says();
    assert_eq!(answer, ("/account".to_owned(), "email-changed".to_owned()));
    sign_in(&app, "sam@new.example", PASSWORD).await;
    app.drain().await;
    let told = app.newest_to(&old);
    assert!(told.subject.ends_with("your email was changed"), "{}", told.subject);
    assert!(!told.text.contains("sam@new.example"), "the new address is nobody else's business");
    assert_eq!(noted(&app, all[0].id, "user_changed").await, [Some("email".to_owned())]);
}

async fn sessions_are_seen_and_ended(app: App) {
    let here = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, everybody(&app).await[0].email.to_string());
    let second = app.anyone();
    let sent = format!("email={}&password={}", email.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", &*second.origin), ("user-agent", FIREFOX)];
    assert_eq!(second.send("POST", "/sign-in", &headers, &sent).await.redirect(), "/inbox");
    let third = sign_in(&app, &email, PASSWORD).await;
    let page = here.get("/account").await.ok();
    let listed = page.text_of("[aria-labelledby=sessions]");
    assert!(listed.contains("Firefox on Linux"), "{listed}");
    assert_eq!(listed.matches("This one").count(), 1, "{listed}");
    assert_eq!(listed.matches("last used").count(), 3, "{listed}");
    // the session of Firefox is ended
    here.submit(&page, "End this: Firefox on Linux", &[]).await.redirect();
    assert!(second.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert_eq!(third.get("/inbox").await.status, 200);
    // a user cannot end another user's session
    let stranger = app.user(Role::Owner).await;
    for theirs in third.get("/account").await.ok().attrs_of("button[name=session]", "value") {
        stranger.post("/account/sessions", &[("session", &theirs)]).await.redirect();
    }
    assert_eq!(here.get("/inbox").await.status, 200);
    let page = here.get("/account").await.ok();
    here.submit(&page, "End all others", &[]).await.redirect();
    assert!(third.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert_eq!(here.get("/inbox").await.status, 200);
    assert_eq!(stranger.get("/inbox").await.status, 200);
    assert_eq!(noted(&app, id, "session_ended").await, [Some("1".to_owned()), Some("1".to_owned())]);
}

async fn a_new_browser_is_told(app: App) {
    let first = app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    app.drain().await;
    assert_eq!(subjects_to(&app, &email).len(), 0, "the first sign-in is no news");
    // the same browser again causes no mail
    first.post("/sign-out", &[]).await.redirect();
    first.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    app.drain().await;
    assert_eq!(subjects_to(&app, &email).len(), 0);
    sign_in(&app, &email, PASSWORD).await;
    app.drain().await;
    let told = app.newest_to(&email);
    assert!(told.subject.ends_with("you signed in from a new browser"), "{}", told.subject);
    assert!(told.text.contains("/account") && !told.text.contains("/password/"), "{}", told.text);
    for part in [&told.text, &told.html] {
        assert!(part.contains("because you have an account") && part.contains("To know that it is real"), "{part}");
    }
    // a wrong password causes no mail
    app.anyone().post("/sign-in", &[("email", &email), ("password", "wrong wrong")]).await;
    app.drain().await;
    assert_eq!(subjects_to(&app, &email).len(), 1);
    // signing in from many browsers does not fill a mailbox
    for _ in 0..5 {
        sign_in(&app, &email, PASSWORD).await;
    }
    app.drain().await;
    assert_eq!(subjects_to(&app, &email).len(), 3);
}

async fn a_password_is_the_same_from_every_keyboard(app: App) {
    let staff = app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    let (composed, in_parts) = ("l’été sous la neige bleue", "l’e\u{301}te\u{301} sous la neige bleue");
    let changed = [("current", PASSWORD), ("new", in_parts), ("again", in_parts)];
    staff.post("/account/password", &changed).await.redirect();
    sign_in(&app, &email, composed).await;
    sign_in(&app, &email, in_parts).await;
}
