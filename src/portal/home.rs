//! `/portal`: the first page. Who is signed in goes on to their messages.

use super::guard::shell;
use crate::error::AppError;
use crate::http::{Head, Shell, html, see_other};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "portal/home.html")]
struct HomePage {
    shell: Shell,
    portal_on: bool,
}

pub async fn show(state: web::Data<AppState>, head: Head) -> Result<HttpResponse, AppError> {
    if head.holder.is_some() {
        return Ok(see_other("/portal/messages"));
    }
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, None)?;
        Ok(HomePage { shell, portal_on: settings.portal_on })
    });
    html(&page.await?)
}
