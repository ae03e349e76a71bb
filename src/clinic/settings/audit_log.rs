//! `/settings/audit-log`: who did what, newest first.

use crate::access::rights;
use crate::audit::{self, Actor, ActorKind, Entry, Event, Row, Subject};
use crate::clinic::guard::{User, shell};
use crate::db;
use crate::db::UserId;
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::state::AppState;
use crate::users;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use std::collections::HashMap;

/// Lines on a page.
const PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "clinic/settings/audit_log.html")]
struct AuditPage {
    shell: Shell,
    rows: Vec<Row>,
    names: HashMap<i64, String>,
    next: Option<i64>,
}

impl AuditPage {
    fn actor(&self, row: &Row) -> String {
        let name = row.actor_id.and_then(|id| self.names.get(&id)).filter(|_| row.actor == ActorKind::User);
        name.cloned().unwrap_or_else(|| self.shell.of("actor", row.actor.as_str()).to_owned())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    before: Option<i64>,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Audit>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let before = query.before;
    let trace = Entry::of_clinic(Actor::User(user.0.id()), Event::SettingsViewed, Subject::None).with("audit_log");
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut rows = audit::newest(conn, before, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |row| row.id);
        let ids: Vec<UserId> =
            rows.iter().filter(|r| r.actor == ActorKind::User).filter_map(|r| r.actor_id.map(UserId)).collect();
        let names = users::names_of(conn, &ids)?.into_iter().map(|(id, name)| (id.0, name)).collect();
        Ok(AuditPage { shell, rows, names, next })
    });
    let page = page.await?;
    state.record(trace).await?;
    html(&page)
}
