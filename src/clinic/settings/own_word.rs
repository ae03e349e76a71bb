//! `/settings/own-word`: whether notifications show the word that was chosen with the patient.

use crate::access::rights;
use crate::administration;
use crate::clinic::guard::{User, shell};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/own_word.html")]
struct OwnWordPage {
    shell: Shell,
    shown: bool,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(shown: bool) -> Stored {
    Stored::default().switch("shown", "own-word-shown", shown)
}

impl OwnWordPage {
    fn read(
        conn: &mut Conn,
        head: &Head,
        user: &User<rights::Settings>,
        typed: Option<(bool, Seen)>,
    ) -> Result<OwnWordPage, AppError> {
        let (shell, _) = shell(conn, head, &user.0)?;
        let held = settings::shows_own_word(conn)?;
        let (shown, seen) = typed.unwrap_or_else(|| (held, stored(held).seen()));
        Ok(OwnWordPage { shell, shown, seen })
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    html(&state.db.read(move |conn| OwnWordPage::read(conn, &head, &user, None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // of two owners who save at the same moment the second waits here
        settings::hold(tx)?;
        let (held, shown) = (settings::shows_own_word(tx)?, form.get("shown") == "on");
        match stored(held).newer(&form) {
            Some(newer) => Ok(Some(OwnWordPage::read(tx, &head, &user, Some((shown, newer)))?)),
            None => {
                administration::save_own_word(tx, now, &user.0, shown)?;
                Ok(None)
            }
        }
    });
    match write.await? {
        Some(page) => with_status(StatusCode::CONFLICT, &page),
        None => Ok(see_other("/settings/own-word?notice=settings-saved")),
    }
}
