//! A stream ends with the session that it was opened in, and keeps none alive.

use super::Ear;
use crate::on_both;
use crate::support::app::App;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;
use postern::http::errand::BY_ITSELF;
use time::Duration;

on_both!(
    a_stream_ends_when_its_user_signs_out,
    a_stream_ends_when_others_end_the_session,
    a_stream_ends_with_the_right_to_see_anything,
    a_stream_ends_when_nobody_has_been_there,
    what_a_page_asks_by_itself_keeps_no_session,
);

async fn a_stream_ends_when_its_user_signs_out(app: App) {
    let one = app.user(Role::Staff).await;
    let other = app.user(Role::Staff).await;
    let (mut ear, mut others) = (Ear::open(&one).await, Ear::open(&other).await);
    one.post("/sign-out", &[]).await.redirect();
    assert_eq!(ear.ends().await, "ended");
    assert_eq!(app.state.live.count(), 1, "others listen on");
    other.post("/sign-out", &[]).await.redirect();
    assert_eq!(others.ends().await, "ended");
    assert_eq!(Ear::try_open(&one, None).await.err(), Some(303));
}

async fn a_stream_ends_when_others_end_the_session(app: App) {
    let owner = app.user(Role::Owner).await;
    let one = app.user(Role::Staff).await;
    let mut ear = Ear::open(&one).await;
    owner.post("/settings/users/2/sessions", &[]).await.redirect();
    assert_eq!(ear.ends().await, "ended");
    let two = app.user(Role::Clinician).await;
    let mut ear = Ear::open(&two).await;
    owner.post("/settings/users/3/deactivation", &[]).await.redirect();
    assert_eq!(ear.ends().await, "ended");
    // also where no row tells of it, as by a program that does not know the log
    let three = app.user(Role::Viewer).await;
    let mut ear = Ear::open(&three).await;
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::update(users::table.find(4)).set(users::active.eq(false)).execute(tx.conn())?)
    });
    write.await.unwrap();
    assert_eq!(ear.ends().await, "ended");
}

/// Whoever has to set up a second factor first sees nothing until then.
async fn a_stream_ends_with_the_right_to_see_anything(app: App) {
    let owner = app.user(Role::Owner).await;
    let one = app.user(Role::Staff).await;
    let mut ear = Ear::open(&one).await;
    owner.post("/settings/sign-in", &[("second_factor", "staff")]).await.redirect();
    assert_eq!(ear.ends().await, "ended");
    assert_eq!(Ear::try_open(&one, None).await.err(), Some(303));
}

async fn a_stream_ends_when_nobody_has_been_there(app: App) {
    let one = app.user(Role::Staff).await;
    let mut ear = Ear::open(&one).await;
    app.state.clock.advance(Duration::minutes(61));
    assert_eq!(ear.ends().await, "ended");
}

async fn what_a_page_asks_by_itself_keeps_no_session(app: App) {
    let (idle, busy) = (app.user(Role::Staff).await, app.user(Role::Staff).await);
    for minute in 0..7 {
        let by_itself = idle.send("GET", "/inbox/count", &[(BY_ITSELF, "1")], "").await;
        assert_eq!(by_itself.status, if minute < 6 { 200 } else { 303 }, "{minute}");
        assert_eq!(busy.get("/inbox/count").await.status, 200);
        if minute < 6 {
            drop(Ear::try_open(&idle, None).await.unwrap());
        }
        app.state.clock.advance(Duration::minutes(10) + Duration::seconds(1));
    }
    assert!(idle.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert_eq!(busy.get("/inbox").await.status, 200);
}
