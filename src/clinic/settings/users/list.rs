//! `/settings/users`: every user; those who are deactivated stand below the others.

use super::Line;
use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/users.html")]
struct UsersPage {
    shell: Shell,
    active: Vec<Line>,
    deactivated: Vec<Line>,
}

pub async fn show(state: web::Data<AppState>, head: Head, user: User<rights::Users>) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (active, deactivated) = super::lines(conn, &user.0)?;
        Ok(UsersPage { shell, active, deactivated })
    });
    html(&page.await?)
}
