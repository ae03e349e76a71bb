//! `/settings/patient-portal`: who gets in, whether they may answer, how long they stay.

use super::guard::{User, shell};
use crate::access::rights;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings_portal.html")]
struct PortalPage {
    shell: Shell,
    settings: Settings,
    idle: String,
    stay: String,
    errors: FieldErrors,
}

impl PortalPage {
    fn of(shell: Shell, settings: Settings) -> PortalPage {
        let (idle, stay) = (settings.portal_idle_minutes.to_string(), settings.portal_stay_days.to_string());
        PortalPage { shell, settings, idle, stay, errors: FieldErrors::default() }
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        Ok(PortalPage::of(shell, settings))
    });
    html(&page.await?)
}

fn within(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    text.trim().parse().ok().filter(|n| range.contains(n))
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let before = settings::load(tx)?;
        let mut errors = FieldErrors::default();
        let idle =
            errors.need("portal_idle_minutes", "error-idle-minutes", within(form.get("portal_idle_minutes"), 5..=1440));
        let stay = errors.need("portal_stay_days", "error-stay-days", within(form.get("portal_stay_days"), 0..=30));
        let settings = Settings {
            portal_on: form.get("portal_on") == "on",
            portal_for_new_patients: form.get("portal_for_new_patients") == "on",
            replies_by_default: form.get("replies_by_default") == "on",
            portal_idle_minutes: idle.unwrap_or(before.portal_idle_minutes),
            portal_stay_days: stay.unwrap_or(before.portal_stay_days),
            ..before
        };
        if !errors.is_empty() {
            let (shell, _) = shell(tx, &head, &user.0)?;
            let (idle, stay) = (form.get("portal_idle_minutes").to_owned(), form.get("portal_stay_days").to_owned());
            return Ok(Some(PortalPage { shell, settings, idle, stay, errors }));
        }
        settings::save(tx, &settings)?;
        let entry = Entry::of_clinic(Actor::User(user.0.id()), Event::SettingsChanged, Subject::None);
        audit::append(tx, now, entry.with("patient_portal"))?;
        Ok(None)
    });
    match write.await? {
        Some(page) => unprocessable(&page),
        None => Ok(see_other("/settings/patient-portal?notice=settings-saved")),
    }
}
