//! `/outbox`: every notification of the clinic and what became of it.

use super::guard::{User, shell};
use crate::access::rights;
use crate::db::NotificationId;
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging};
use crate::notifications::{self, NotificationRow, State};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/outbox.html")]
struct OutboxPage {
    shell: Shell,
    rows: Vec<(NotificationRow, String, String)>,
    next: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Notify>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let before = paging::parse(&query.after).map(|(at, id)| (at, NotificationId(id)));
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut rows = notifications::newest(conn, before, PAGE + 1)?;
        let more = rows.len() as i64 > PAGE;
        rows.truncate(PAGE as usize);
        let next = rows.last().filter(|_| more).map(|(row, ..)| paging::key(row.created_at, row.id.0));
        Ok(OutboxPage { shell, rows, next })
    });
    html(&page.await?)
}
