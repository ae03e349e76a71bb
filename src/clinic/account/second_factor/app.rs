//! `/account/second-factor/app`: setting up an authenticator app. The secret is shown as a picture and as text, and is
//! not used until a code shows that the app has it.

use super::{Adding, needed, next_of};
use crate::access::OwnAccount;
use crate::clinic::guard::{ConfirmedOwn, SET_UP, shell_of_own, with_next};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::own_path;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings;
use crate::state::AppState;
use crate::users::{self, AppSetup, Confirmed, RecoveryCode, RemoveError, Vault};
use actix_web::{HttpResponse, web};
use askama::Template;
use qrcode::{Color, EcLevel, QrCode};
use std::collections::HashMap;
use std::fmt::Write;

const PATH: &str = "/account/second-factor/app";

#[derive(Template)]
#[template(path = "clinic/account/second_factor_app.html")]
struct AppPage {
    shell: Shell,
    setup: AppSetup,
    picture: Picture,
    errors: FieldErrors,
    next: String,
}

/// A QR code (ISO/IEC 18004) as a path of squares.
struct Picture {
    /// modules on each side, with the quiet zone
    size: usize,
    path: String,
}

/// The quiet zone, in modules.
const QUIET: usize = 4;

impl Picture {
    fn encode(text: &str) -> Result<Picture, AppError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M);
        let code = code.map_err(|cause| AppError::Internal(format!("no picture of an app's key: {cause}")))?;
        let (width, mut path) = (code.width(), String::new());
        for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            // writing to a string does not fail
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
        Ok(Picture { size: width + 2 * QUIET, path })
    }
}

fn page(
    conn: &mut Conn,
    (head, me): (&Head, &OwnAccount),
    vault: &Vault,
    errors: FieldErrors,
    next: String,
) -> Result<Option<AppPage>, AppError> {
    let (clinic, email) = (settings::load(conn)?.name, users::own_email(conn, me)?);
    let setup = users::app_in_setup(conn, head.now, me, (&clinic, email.as_str()), vault)?;
    let Some(setup) = setup else { return Ok(None) };
    let (shell, picture) = (shell_of_own(conn, head, me)?, Picture::encode(&setup.address)?);
    Ok(Some(AppPage { shell, setup, picture, errors, next }))
}

/// The address of a page of the second factor, with the page to go to in the end.
fn onward(page: &str, next: &str) -> String {
    own_path(next).map_or_else(|| page.to_owned(), |next| with_next(page, next))
}

pub async fn start(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let vault = Vault::from_files(&state.config.files, &state.random);
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::start_app(tx, head.now, &me.0, &vault)?) });
    write.await?;
    Ok(see_other(&onward(PATH, form.get("next"))))
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let (vault, next) = (Vault::from_files(&state.config.files, &state.random), next_of(&query));
    let back = next.clone();
    let own = me.0.own().clone();
    let read = state.db.read(move |conn| page(conn, (&head, &own), &vault, FieldErrors::default(), next));
    match read.await? {
        Some(page) => html(&page),
        None => Ok(see_other(&onward(SET_UP, &back))),
    }
}

pub async fn confirm(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    form: Form,
) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let (vault, codes) = (Vault::from_files(&state.config.files, &state.random), RecoveryCode::draw(&state.random));
    let next = own_path(form.get("next")).unwrap_or_default().to_owned();
    let onto = next.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        match users::confirm_app(tx, head.now, &me.0, (form.get("code"), codes), &vault)? {
            Confirmed::Added(codes) => Adding::added(tx, &head, me.0.own(), codes),
            Confirmed::NotStarted => Ok(Adding::Nothing(onward(SET_UP, &onto))),
            Confirmed::Wrong => {
                let mut errors = FieldErrors::default();
                errors.add("code", "error-app-code");
                let nothing = Adding::Nothing(onward(SET_UP, &onto));
                let page = page(tx, (&head, me.0.own()), &vault, errors, onto)?;
                Ok(page.map_or(nothing, |page| Adding::Refused(Box::new(page))))
            }
        }
    });
    let answer = write.await?;
    state.wake.notify_one();
    answer.answer(&next)
}

pub async fn remove(state: web::Data<AppState>, head: Head, me: ConfirmedOwn) -> Result<HttpResponse, AppError> {
    let (now, own) = (head.now, me.0.own().clone());
    match state.db.write(move |tx| users::remove_app(tx, now, &me.0)).await {
        Ok(()) => {
            state.wake.notify_one();
            Ok(see_other(&format!("{SET_UP}?notice=second-factor-removed")))
        }
        Err(RemoveError::Needed) => needed(&state, head, own).await,
        // the button was pressed twice: the app is removed already
        Err(RemoveError::NotThere) => Ok(see_other(SET_UP)),
        Err(RemoveError::Db(cause)) => Err(cause.into()),
    }
}
