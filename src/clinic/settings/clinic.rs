//! `/settings/clinic`: name, phone, address, time zone, language, what patients read above a reply.

use crate::access::rights;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings::{self, Settings};
use crate::state::AppState;
use crate::text::{self, Lang, Zone};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/clinic.html")]
struct ClinicPage {
    shell: Shell,
    settings: Settings,
    zones: &'static [&'static str],
    errors: FieldErrors,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(settings: &Settings) -> Stored {
    Stored::default()
        .text("name", "clinic-name", settings.name.as_str())
        .text("phone", "clinic-phone", settings.phone.as_str())
        .text("address", "clinic-address", settings.address.as_str())
        .text("time_zone", "time-zone", settings.time_zone.as_str())
        .text("language", "clinic-language", settings.language.as_str())
        .text("emergency_text", "emergency-text", settings.emergency_text.as_str())
}

pub async fn home(_: User<rights::Settings>) -> HttpResponse {
    see_other("/settings/clinic")
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let seen = stored(&settings).seen();
        Ok(ClinicPage { shell, settings, zones: Zone::names(), errors: FieldErrors::default(), seen })
    });
    html(&page.await?)
}

/// Takes over what was typed, right or wrong, and notes what is wrong.
fn take_over(settings: &mut Settings, form: &Form) -> FieldErrors {
    let mut errors = FieldErrors::default();
    settings.name = text::one_line(form.get("name"));
    settings.phone = text::one_line(form.get("phone"));
    settings.address = text::typed(form.get("address")).trim().to_owned();
    settings.time_zone = form.get("time_zone").trim().to_owned();
    settings.language = form.get("language").to_owned();
    take_words(&mut settings.emergency_text, form, ("emergency_text", "error-emergency-text"), &mut errors);
    if settings.name.is_empty() || settings.name.chars().count() > 100 {
        errors.add("name", "error-clinic-name");
    }
    if settings.phone.chars().count() > 40 {
        errors.add("phone", "error-clinic-phone");
    }
    if Zone::find(&settings.time_zone).is_none() {
        errors.add("time_zone", "error-time-zone");
    }
    if Lang::find(&settings.language).is_none() {
        errors.add("language", "error-language");
    }
    errors
}

/// Words to patients, where the form has them.
pub fn take_words(
    words: &mut String,
    form: &Form,
    (field, too_long): (&'static str, &'static str),
    errors: &mut FieldErrors,
) {
    if form.has(field) {
        *words = text::typed(form.get(field)).trim().to_owned();
    }
    if words.chars().count() > 1000 {
        errors.add(field, too_long);
    }
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut settings = settings::load(tx)?;
        let newer = stored(&settings).newer(&form);
        let errors = take_over(&mut settings, &form);
        if !errors.is_empty() || newer.is_some() {
            let (shell, _) = shell(tx, &head, &user.0)?;
            let status = if errors.is_empty() { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            let seen = newer.filter(|_| errors.is_empty()).unwrap_or_else(|| Seen::said(&form));
            return Ok(Some((status, ClinicPage { shell, settings, zones: Zone::names(), errors, seen })));
        }
        settings::save(tx, &settings)?;
        let entry = Entry::of_clinic(Actor::User(user.0.id()), Event::SettingsChanged, Subject::None);
        audit::append(tx, now, entry.with("clinic"))?;
        Ok(None)
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/clinic?notice=settings-saved")),
    }
}
