//! `/broadcasts`: the clinic's messages to many patients.

use crate::access::rights;
use crate::broadcasts::{self, BroadcastRow, State};
use crate::clinic::guard::{User, shell};
use crate::db::{self, BroadcastId};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/broadcasts/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<BroadcastRow>,
    next: Option<BroadcastId>,
}

/// Where the page begins.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let after = query.after.parse().ok().map(BroadcastId);
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut rows = broadcasts::list(conn, after, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |row| row.id);
        Ok(ListPage { shell, rows, next })
    });
    html(&page.await?)
}
