//! `/portal/real`: how a wary person knows that a notification is real. It opens for anybody, and tells nothing of anybody.

use super::guard::shell;
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::notifications::templates::typed_address;
use crate::settings;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "portal/real.html")]
struct RealPage {
    shell: Shell,
    /// the first page of the portal as people type its address
    address: String,
    /// whether notifications show a word that was chosen with the patient
    shows_word: bool,
}

pub async fn show(state: web::Data<AppState>, head: Head) -> Result<HttpResponse, AppError> {
    let address = format!("{}/portal", typed_address(&state.config.origin()));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        let shows_word = settings::shows_own_word(conn)?;
        Ok(RealPage { shell, address, shows_word })
    });
    html(&read.await?)
}
