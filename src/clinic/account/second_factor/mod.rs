//! `/account/second-factor`: what signing in asks for besides the password. Where the role needs a second factor and
//! the user has none, no other page is open.

pub mod app;
pub mod passkeys;

use crate::access::OwnAccount;
use crate::clinic::guard::{ConfirmedOwn, Own, SET_UP, shell_of_own};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::{own_path, with_status};
use crate::http::{Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, RecoveryCode, RelyingParty, SecondFactor};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use std::collections::HashMap;

#[derive(Template)]
#[template(path = "clinic/account/second_factor.html")]
struct SecondFactorPage {
    shell: Shell,
    factor: SecondFactor,
    /// no other page is open until there is a second factor
    must_set_up: bool,
    /// the user tried to remove the last one, and the role needs it
    is_needed: bool,
    /// whether browsers offer passkeys for this clinic's address
    has_passkeys: bool,
    /// what was typed as the name of a passkey
    typed: String,
    errors: FieldErrors,
    next: String,
}

/// The recovery codes, shown once.
#[derive(Template)]
#[template(path = "clinic/account/recovery_codes.html")]
struct RecoveryCodesPage {
    shell: Shell,
    codes: Vec<String>,
    next: String,
}

/// The page to go to in the end; empty where the address names none.
fn next_of(query: &HashMap<String, String>) -> String {
    query.get("next").and_then(|next| own_path(next)).unwrap_or_default().to_owned()
}

fn has_passkeys(state: &AppState) -> bool {
    RelyingParty::at(&state.config.public_url, "").is_some()
}

fn page(
    conn: &mut Conn,
    (head, has_passkeys): (&Head, bool),
    me: &OwnAccount,
    (typed, errors): (&str, FieldErrors),
    next: String,
) -> Result<SecondFactorPage, AppError> {
    let shell = shell_of_own(conn, head, me)?;
    let factor = users::second_factor(conn, me.id())?;
    let (must_set_up, typed) = (me.user().is_none(), typed.to_owned());
    Ok(SecondFactorPage { shell, factor, must_set_up, is_needed: false, has_passkeys, typed, errors, next })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: Own,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, AppError> {
    let next = next_of(&query);
    let (has, fresh) = (has_passkeys(&state), ("", FieldErrors::default()));
    html(&state.db.read(move |conn| page(conn, (&head, has), &me.0, fresh, next)).await?)
}

/// The page again, which says that the role needs what the user tried to remove.
async fn needed(state: &AppState, head: Head, me: OwnAccount) -> Result<HttpResponse, AppError> {
    let (has, fresh) = (has_passkeys(state), ("", FieldErrors::default()));
    let page = state.db.read(move |conn| page(conn, (&head, has), &me, fresh, String::new())).await?;
    with_status(StatusCode::CONFLICT, &SecondFactorPage { is_needed: true, ..page })
}

/// The outcome of a request that adds a second factor.
enum Adding<P> {
    /// it was added; `Some`: with the first recovery codes, to be shown
    Added(Option<(Box<Shell>, Vec<RecoveryCode>)>),
    /// the page again, with what is wrong
    Refused(Box<P>),
    /// there is nothing to add; the page to go to then
    Nothing(String),
}

impl<P: Template> Adding<P> {
    fn added(
        conn: &mut Conn,
        head: &Head,
        me: &OwnAccount,
        codes: Option<Vec<RecoveryCode>>,
    ) -> Result<Adding<P>, AppError> {
        let shown = codes.map(|codes| Ok::<_, AppError>((Box::new(shell_of_own(conn, head, me)?), codes)));
        Ok(Adding::Added(shown.transpose()?))
    }

    fn answer(self, next: &str) -> Result<HttpResponse, AppError> {
        match self {
            Adding::Added(Some((shell, codes))) => codes_once(*shell, &codes, next.to_owned()),
            Adding::Added(None) if next.is_empty() => Ok(see_other(&format!("{SET_UP}?notice=second-factor-added"))),
            Adding::Added(None) => Ok(see_other(next)),
            Adding::Refused(page) => unprocessable(&*page),
            Adding::Nothing(to) => Ok(see_other(&to)),
        }
    }
}

/// The codes are in the answer to this one request: no address shows them again.
fn codes_once(shell: Shell, codes: &[RecoveryCode], next: String) -> Result<HttpResponse, AppError> {
    html(&RecoveryCodesPage { shell, codes: codes.iter().map(RecoveryCode::shown).collect(), next })
}

pub async fn make_recovery_codes(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
) -> Result<HttpResponse, AppError> {
    let codes = RecoveryCode::draw(&state.random);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // without a second factor recovery codes would open nothing
        if !users::second_factor(tx, me.0.id())?.is_there() {
            return Err(AppError::NotFound);
        }
        users::make_recovery_codes(tx, head.now, &me.0, &codes)?;
        Ok((shell_of_own(tx, &head, me.0.own())?, codes))
    });
    let (shell, codes) = write.await?;
    state.wake.notify_one();
    codes_once(shell, &codes, String::new())
}
