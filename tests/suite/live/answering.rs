//! Two who are about to answer at once know of each other.

use super::{Ear, all_is_told, id_of};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::audit_events;
use postern::error::AppError;
use postern::http::errand::BY_ITSELF;
use time::Duration;

on_both!(who_types_is_seen_by_others_and_forgotten, who_may_not_write_does_not_type);

/// Who is typing, as this user's page says.
async fn seen(who: &Actor, conversation: &str) -> String {
    let part = who
        .send("GET", &format!("{conversation}/live?shown=0"), &[(BY_ITSELF, "1"), ("x-fragment", "1")], "")
        .await
        .ok();
    part.texts_of("[data-answering]").join("")
}

async fn who_types_is_seen_by_others_and_forgotten(app: App) {
    let (ada, sam) = (app.user(Role::Clinician).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&ada, maria, true).await;
    let answering = format!("{conversation}/answering");
    let mut ear = Ear::open(&sam).await;
    let mut own = Ear::open(&ada).await;
    // the message above is told: it says that its writer types no more
    all_is_told(&app, &sam).await;
    let rows = async || {
        let read =
            app.state.db.read(|conn| -> Result<i64, AppError> { Ok(audit_events::table.count().get_result(conn)?) });
        read.await.unwrap()
    };
    let before = rows().await;
    let typing = async |typing: &str| assert_eq!(ada.post(&answering, &[("typing", typing)]).await.status, 204);
    typing("on").await;
    assert_eq!(ear.until("answering").await["conversation"], id_of(&conversation));
    assert_eq!(seen(&sam, &conversation).await, "User clinician is answering.");
    assert_eq!(seen(&ada, &conversation).await, "", "one's own typing is no news");
    let page = sam.get(&conversation).await.ok();
    assert_eq!(page.text_of("[data-answering]"), "User clinician is answering.", "the page says it from the start");
    let before = before + 1;
    // further signs go on, and are told only now and then
    app.state.clock.advance(Duration::seconds(14));
    typing("on").await;
    ear.until("answering").await;
    app.state.clock.advance(Duration::seconds(14));
    assert_eq!(seen(&sam, &conversation).await, "User clinician is answering.");
    app.state.clock.advance(Duration::seconds(2));
    assert_eq!(seen(&sam, &conversation).await, "", "it goes by itself");
    typing("on").await;
    ear.until("answering").await;
    typing("off").await;
    ear.until("answering").await;
    assert_eq!(seen(&sam, &conversation).await, "");
    assert_eq!(rows().await, before, "no row for what is typed");
    // what is sent is not being typed any more
    typing("on").await;
    ear.until("answering").await;
    let page = ada.get(&conversation).await.ok();
    ada.submit(&page, "Send", &[("body", "All is well")]).await.redirect();
    ear.until("message").await;
    assert_eq!(seen(&sam, &conversation).await, "");
    own.until("message").await;
    assert!(!own.all.contains("answering"), "{}", own.all);
}

async fn who_may_not_write_does_not_type(app: App) {
    let (ada, viewer) = (app.user(Role::Clinician).await, app.user(Role::Viewer).await);
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&ada, maria, true).await;
    let answering = format!("{conversation}/answering");
    assert_eq!(viewer.post(&answering, &[("typing", "on")]).await.status, 403);
    assert_eq!(ada.post("/conversations/99999/answering", &[("typing", "on")]).await.status, 404);
    assert!(app.anyone().post(&answering, &[("typing", "on")]).await.redirect().starts_with("/sign-in"));
}
