//! `/inbox`: the conversations that I am in, or all.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::conversations::{self, InboxCursor, InboxFilter, InboxRow, Scope};
use crate::db::ConversationId;
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging, see_other};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/conversations/inbox.html")]
struct InboxPage {
    shell: Shell,
    rows: Vec<InboxRow>,
    scope: Scope,
    filter: InboxFilter,
    next: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    scope: String,
    filter: String,
    after: String,
}

pub async fn home(_: User<rights::Read>) -> HttpResponse {
    see_other("/inbox")
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let scope = query.scope.parse().unwrap_or(Scope::Mine);
    let filter = query.filter.parse().unwrap_or(InboxFilter::Any);
    let after = cursor(&query.after);
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (rows, next) = conversations::inbox(conn, &user.0, scope, filter, after, PAGE)?;
        let next = next.map(|c| format!("{}{}", if c.unread { "u" } else { "r" }, paging::key(c.at, c.id.0)));
        Ok(InboxPage { shell, rows, scope, filter, next })
    });
    html(&page.await?)
}

fn cursor(text: &str) -> Option<InboxCursor> {
    let unread = text.starts_with('u');
    let (at, id) = paging::parse(text.get(1..)?)?;
    Some(InboxCursor { unread, at, id: ConversationId(id) })
}
