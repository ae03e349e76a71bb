//! `/account/second-factor/passkeys`: adding and removing passkeys. A script asks the device, so adding needs scripts.

use super::{Adding, needed, page};
use crate::clinic::account::passkey::{self, answer_in, party};
use crate::clinic::guard::{ConfirmedOwn, SET_UP, number};
use crate::db::PasskeyId;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::own_path;
use crate::http::{Form, Head, see_other};
use crate::settings;
use crate::state::AppState;
use crate::users::{self, PasskeyAdded, RecoveryCode, RemoveError};
use actix_web::{HttpRequest, HttpResponse, web};

/// The options from which a browser makes a passkey.
pub async fn challenge(state: web::Data<AppState>, head: Head, me: ConfirmedOwn) -> Result<HttpResponse, AppError> {
    let (random, token, url) = (state.random.clone(), state.random.token(), state.config.public_url.clone());
    let stored = token.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let party = party(&url, &settings::load(tx)?.name)?;
        Ok(users::begin_registration(tx, head.now, &me.0, &party, (&random, &stored))?)
    });
    passkey::challenge(&token, &write.await?)
}

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (party, codes) = (party(&state.config.public_url, "")?, RecoveryCode::draw(&state.random));
    let next = own_path(form.get("next")).unwrap_or_default().to_owned();
    let onto = next.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let (answer, name) = (answer_in(&form), form.get("name"));
        match users::add_passkey(tx, head.now, &me.0, &party, (name, &answer), codes)? {
            PasskeyAdded::Added(codes) => Adding::added(tx, &head, me.0.own(), codes),
            PasskeyAdded::Wrong => Ok(Adding::Nothing(format!("{SET_UP}?notice=passkey-failed"))),
            PasskeyAdded::NoName => {
                let mut errors = FieldErrors::default();
                errors.add("name", "error-passkey-name");
                let page = page(tx, (&head, true), me.0.own(), (name, errors), onto)?;
                Ok(Adding::Refused(Box::new(page)))
            }
        }
    });
    let answer = write.await?;
    state.wake.notify_one();
    answer.answer(&next)
}

pub async fn remove(
    state: web::Data<AppState>,
    head: Head,
    me: ConfirmedOwn,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (now, own, passkey) = (head.now, me.0.own().clone(), PasskeyId(number(&req, "passkey")?));
    match state.db.write(move |tx| users::remove_passkey(tx, now, &me.0, passkey)).await {
        Ok(()) => {
            state.wake.notify_one();
            Ok(see_other(&format!("{SET_UP}?notice=second-factor-removed")))
        }
        Err(RemoveError::Needed) => needed(&state, head, own).await,
        Err(RemoveError::NotThere) => Err(AppError::NotFound),
        Err(RemoveError::Db(cause)) => Err(cause.into()),
    }
}
