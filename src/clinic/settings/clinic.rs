//! `/settings/clinic`: name, phone, address, time zone, language, what patients read above a reply.

use super::form::{Asked, SettingsForm, Typed};
use crate::access::rights;
use crate::administration::Part;
use crate::clinic::guard::{User, shell};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Shell, see_other};
use crate::settings::Settings;
use crate::text::{self, Lang, Zone};
use actix_web::HttpResponse;
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/clinic.html")]
pub struct ClinicPage {
    shell: Shell,
    settings: Settings,
    zones: &'static [&'static str],
    errors: FieldErrors,
    seen: Seen,
}

pub async fn home(_: User<rights::Settings>) -> HttpResponse {
    see_other("/settings/clinic")
}

impl SettingsForm for ClinicPage {
    type By = User<rights::Settings>;
    const PART: Part = Part::Clinic;
    const PATH: &'static str = "/settings/clinic";

    fn stored(settings: &Settings) -> Stored {
        Stored::default()
            .text("name", "clinic-name", settings.name.as_str())
            .text("phone", "clinic-phone", settings.phone.as_str())
            .text("address", "clinic-address", settings.address.as_str())
            .text("time_zone", "time-zone", settings.time_zone.as_str())
            .text("language", "clinic-language", settings.language.as_str())
            .text("emergency_text", "emergency-text", settings.emergency_text.as_str())
    }

    fn read(form: &Form, settings: &mut Settings, _: Ts) -> FieldErrors {
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

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<ClinicPage, AppError> {
        let (shell, stored) = shell(conn, &asked.head, &asked.user.0)?;
        let zones = Zone::names();
        Ok(match typed {
            None => {
                let seen = ClinicPage::stored(&stored).seen();
                ClinicPage { shell, settings: stored, zones, errors: FieldErrors::default(), seen }
            }
            Some(Typed { settings, errors, seen, .. }) => ClinicPage { shell, settings, zones, errors, seen },
        })
    }
}

/// Reads the clinic's own words to patients from a field, where the form has it.
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
