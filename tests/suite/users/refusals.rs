//! Refused requests and sign-ins leave an audit row with the caller's address.

use super::{everybody, newest};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::UserId;
use postern::db::schema::audit_events;
use postern::error::AppError;

on_both!(refusals_are_written_down, sign_ins_say_where_from);

/// The details of the audit rows by this user, or by nobody known, with this action, in order.
async fn by(app: &App, user: Option<UserId>, action: &'static str) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq(action)).order(audit_events::id).into_boxed();
        let rows = match user {
            Some(user) => rows.filter(audit_events::actor_id.eq(user.0)),
            None => rows,
        };
        Ok(rows.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

async fn refusals_are_written_down(app: App) {
    let owner = app.user(Role::Owner).await;
    let viewer = app.user(Role::Viewer).await;
    let id = newest(&app).await;
    let maria = app.patient(Like::default()).await;
    assert_eq!(viewer.get("/settings/users").await.status, 403);
    assert_eq!(viewer.post(&format!("/patients/{maria}/archiving"), &[("reason", "mistake")]).await.status, 403);
    assert_eq!(viewer.get("/patients/98765").await.status, 404);
    assert_eq!(viewer.get("/no/such/page").await.status, 404);
    viewer.get(&format!("/patients/{maria}")).await.ok();
    let noted: Vec<String> = by(&app, Some(id), "access_refused").await.into_iter().flatten().collect();
    assert_eq!(
        noted,
        [
            "403 GET /settings/users 127.0.0.1",
            "403 POST /patients/{patient}/archiving 127.0.0.1",
            "404 GET /patients/{patient} 127.0.0.1"
        ]
    );
    // requests without a session leave no row, so that they cannot fill the log
    app.anyone().get("/patients/98765").await.redirect();
    assert_eq!(by(&app, None, "access_refused").await.len(), 3);
    let log = owner.get("/settings/audit-log?action=access_refused").await.ok();
    assert!(log.has_text("was refused a page") && log.has_text("403 GET /settings/users"), "{}", log.text());
}

async fn sign_ins_say_where_from(app: App) {
    app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    app.anyone().post("/sign-in", &[("email", &email), ("password", "wrong wrong")]).await;
    assert_eq!(by(&app, None, "signed_in").await, [Some("127.0.0.1".to_owned())]);
    assert_eq!(by(&app, None, "sign_in_failed").await, [Some("127.0.0.1".to_owned())]);
    app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    assert_eq!(by(&app, None, "signed_in").await.len(), 2);
}
