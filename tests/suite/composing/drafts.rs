//! Drafts are stored on the server, offered again, and removed with the sent message; two windows do not overwrite each
//! other.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;

on_both!(
    a_draft_comes_back,
    an_older_window_is_refused,
    sending_ends_the_draft,
    another_user_sees_nothing_of_it,
    a_late_save_brings_nothing_back
);

const KEY: &str = "0123456789abcdef-window-1";

fn fields<'a>(version: &'a str, body: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("key", KEY), ("draft_version", version), ("title", "Iron"), ("body", body), ("replies_allowed", "on")]
}

/// Signs in the newest user in another browser.
async fn sign_in_again(app: &App) -> Actor {
    let email = app.state.db.read(|conn| -> Result<String, AppError> {
        Ok(users::table.select(users::email).order(users::id.desc()).first(conn)?)
    });
    let actor = app.anyone();
    actor.post("/sign-in", &[("email", &email.await.unwrap()), ("password", PASSWORD)]).await.redirect();
    actor
}

async fn page(user: &Actor, path: &str) -> Vec<(String, String)> {
    user.get(&format!("{path}/messages/new")).await.ok().form_with("Submit").fields()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

async fn a_draft_comes_back(app: App) {
    let user = app.user(Role::Staff).await;
    let path = format!("/patients/{}", app.patient(Like::default()).await);
    assert_eq!(value(&page(&user, &path).await, "draft_version"), "0");
    let to = user.post(&format!("{path}/messages/draft"), &fields("0", "Half a *sentence*")).await.says();
    assert_eq!(to, (path.clone(), "draft-saved".into()));
    assert!(user.get(&path).await.ok().text().contains("Continue your draft"));
    // another browser of the same user
    user.post("/sign-out", &[]).await.redirect();
    let user = sign_in_again(&app).await;
    let form = page(&user, &path).await;
    assert_eq!((value(&form, "title"), value(&form, "body")), ("Iron", "Half a *sentence*"));
    assert_eq!(value(&form, "draft_version"), "1");
    assert!(value(&form, "key") != KEY, "each window has a key of its own");
    user.post(&format!("{path}/messages/draft/removal"), &[("draft_version", "1")]).await.redirect();
    assert_eq!(value(&page(&user, &path).await, "body"), "");
}

async fn an_older_window_is_refused(app: App) {
    let user = app.user(Role::Staff).await;
    let path = format!("/patients/{}", app.patient(Like::default()).await);
    let save = format!("{path}/messages/draft");
    user.post(&save, &fields("0", "first window")).await.redirect();
    let answer = user.post(&save, &fields("0", "second window")).await;
    assert_eq!(answer.status, 409);
    let page = answer.page();
    assert!(page.text().contains("Written elsewhere too"));
    let form = page.form_with("Submit").fields();
    // the words of both windows are shown, and saving again replaces the newer draft
    assert_eq!((value(&form, "body"), value(&form, "draft_version")), ("second window", "1"));
    user.post(&save, &fields("1", "second window")).await.redirect();
    // an old page cannot throw away what another window saved
    user.post(&format!("{save}/removal"), &[("draft_version", "1")]).await.redirect();
    assert_eq!(value(&self::page(&user, &path).await, "body"), "second window");
}

async fn sending_ends_the_draft(app: App) {
    let user = app.user(Role::Staff).await;
    let path = format!("/patients/{}", app.patient(Like::default()).await);
    let (save, send) = (format!("{path}/messages/draft"), format!("{path}/messages/new"));
    user.post(&save, &fields("0", "All is well")).await.redirect();
    user.post(&send, &fields("1", "All is well.")).await.redirect();
    assert_eq!(value(&page(&user, &path).await, "body"), "");
    // the last save was under way when Submit was pressed: the form's key tells that it is the same draft
    user.post(&save, &fields("2", "One more")).await.redirect();
    user.post(&send, &fields("2", "One more thing")).await.redirect();
    assert_eq!(value(&page(&user, &path).await, "body"), "");
    // a draft of another window stays
    let other = [&fields("4", "other")[1..], &[("key", "0123456789abcdef-window-2")]].concat();
    user.post(&save, &other).await.redirect();
    user.post(&send, &fields("0", "From the old window")).await.redirect();
    assert_eq!(value(&page(&user, &path).await, "body"), "other");
    app.drain().await;
}

async fn another_user_sees_nothing_of_it(app: App) {
    let (user, other) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let path = format!("/patients/{}", app.patient(Like::default()).await);
    user.post(&format!("{path}/messages/draft"), &fields("0", "mine alone")).await.redirect();
    assert_eq!(value(&page(&other, &path).await, "body"), "");
    let second = app.patient(Like { email: Some("b@example.org".into()), ..Like::default() }).await;
    assert_eq!(value(&page(&user, &format!("/patients/{second}")).await, "body"), "");
}

async fn a_late_save_brings_nothing_back(app: App) {
    let user = app.user(Role::Staff).await;
    let path = format!("/patients/{}", app.patient(Like::default()).await);
    user.post(&format!("{path}/messages/new"), &fields("0", "Sent at once")).await.redirect();
    let late = user.post(&format!("{path}/messages/draft"), &fields("0", "Sent at on")).await;
    assert_eq!(late.status, 409);
    assert_eq!(value(&page(&user, &path).await, "body"), "");
    app.drain().await;
}
