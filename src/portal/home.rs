//! `/portal`: the first page. Signed-in patients go on to their messages; patients without a link say who they are.

use super::guard::{refusal_text, return_path, shell};
use super::link::address;
use crate::access::PortalRefusal;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::patients::IdKind;
use crate::portal_entry::{self, Address, Claim};
use crate::settings::Settings;
use crate::state::AppState;
use crate::text;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "portal/home.html")]
struct HomePage {
    shell: Shell,
    /// says in words that the portal is off, where it is
    shut_out: Option<String>,
    kinds: Vec<IdKind>,
    form: Typed,
    errors: FieldErrors,
}

/// What the form shows again.
#[derive(Default)]
struct Typed {
    kind: String,
    number: String,
    contact: String,
    back: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    back: String,
}

/// The kinds of numbers by which the clinic lets patients identify themselves.
fn allowed(settings: &Settings) -> Vec<IdKind> {
    settings.portal_identifiers.split(' ').filter_map(|word| word.parse().ok()).collect()
}

async fn page(state: &AppState, head: Head, form: Typed, errors: FieldErrors) -> Result<HomePage, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, None)?;
        let kinds = allowed(&settings);
        let off = (!settings.portal_on).then_some(PortalRefusal::PortalOff(settings.portal_since));
        let shut_out = off.map(|why| refusal_text(&shell, &why));
        Ok(HomePage { shell, shut_out, kinds, form, errors })
    });
    read.await
}

pub async fn show(state: web::Data<AppState>, head: Head, query: web::Query<Query>) -> Result<HttpResponse, AppError> {
    if head.holder.is_some() {
        return Ok(see_other(return_path(&query.back).unwrap_or("/portal/messages")));
    }
    let form = Typed { back: return_path(&query.back).unwrap_or_default().to_owned(), ..Typed::default() };
    html(&page(&state, head, form, FieldErrors::default()).await?)
}

/// Everything that can be read gets the same answer, the page for a passcode, whether or not it is true.
pub async fn enter(state: web::Data<AppState>, head: Head, form: Form) -> Result<HttpResponse, AppError> {
    state.limits.passcode(head.from)?;
    let typed = Typed {
        kind: form.get("kind").to_owned(),
        number: text::one_line(form.get("number")),
        contact: text::one_line(form.get("contact")),
        back: return_path(form.get("back")).unwrap_or_default().to_owned(),
    };
    let mut errors = FieldErrors::default();
    let said = read_claim(&typed, &state.config.calling_code, &mut errors);
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(crate::settings::load(conn)?) }).await?;
    let Some(claim) = said.filter(|claim| settings.portal_on && allowed(&settings).contains(&claim.kind)) else {
        return unprocessable(&page(&state, head, typed, errors).await?);
    };
    let (now, random) = (state.clock.now(), state.random.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(portal_entry::claim(tx, now, &random, &claim)?) });
    let (token, _) = write.await?;
    state.wake.notify_one();
    Ok(see_other(&address(&token, &typed.back)))
}

/// Reads what was typed; `None` where something cannot be read, noted in `errors`.
fn read_claim(typed: &Typed, calling_code: &str, errors: &mut FieldErrors) -> Option<Claim> {
    let enough = typed.number.chars().filter(|c| c.is_alphanumeric()).count();
    let number = Some(typed.number.clone()).filter(|_| (3..=40).contains(&enough));
    let number = errors.need("number", "error-identification", number);
    let at = errors.need("contact", "error-contact", Address::parse(&typed.contact, calling_code));
    Some(Claim { kind: typed.kind.parse().ok()?, number: number?, at: at? })
}
