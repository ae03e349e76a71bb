//! `/settings/patient-portal`: who gets in, whether they may answer, how long they stay.

use super::clinic::take_words;
use crate::access::rights;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::db::Ts;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::IdKind;
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/portal.html")]
struct PortalPage {
    shell: Shell,
    settings: Settings,
    numbers: Numbers,
    errors: FieldErrors,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(settings: &Settings) -> Stored {
    Stored::default()
        .switch("portal_on", "portal-accessibility", settings.portal_on)
        .switch("portal_for_new_patients", "portal-accessibility-new", settings.portal_for_new_patients)
        .switch("replies_by_default", "conversation-responses", settings.replies_by_default)
        .switch("portal_names", "portal-names", settings.portal_names)
        .choice("identifier", "portal-identifiers", "id-kind", settings.portal_identifiers.as_str())
        .text("portal_idle_minutes", "idle-minutes", settings.portal_idle_minutes.to_string())
        .text("portal_longest_hours", "longest-hours", settings.portal_longest_hours.to_string())
        .text("portal_stay_days", "stay-days", settings.portal_stay_days.to_string())
        .text("emergency_text", "emergency-text", settings.emergency_text.as_str())
        .text("closing_text", "closing-text", settings.closing_text.as_str())
}

/// As stored or as typed.
struct Numbers {
    idle: String,
    longest: String,
    stay: String,
    passcodes: String,
}

impl PortalPage {
    fn of(shell: Shell, settings: Settings) -> PortalPage {
        let numbers = Numbers {
            idle: settings.portal_idle_minutes.to_string(),
            longest: settings.portal_longest_hours.to_string(),
            stay: settings.portal_stay_days.to_string(),
            passcodes: settings.passcodes_a_day.to_string(),
        };
        let seen = stored(&settings).seen();
        PortalPage { shell, settings, numbers, errors: FieldErrors::default(), seen }
    }

    /// Whether patients may say this of themselves.
    fn allows(&self, kind: &IdKind) -> bool {
        self.settings.portal_identifiers.split(' ').any(|word| word == kind.as_str())
    }
}

/// The ticked kinds, as they are stored. None: nobody gets in without a link.
fn identifiers(form: &Form) -> String {
    let ticked = IdKind::ALL.iter().map(|kind| kind.as_str()).filter(|word| form.all("identifier").any(|t| t == *word));
    ticked.collect::<Vec<_>>().join(" ")
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

/// The settings as the form wants them. Where something is wrong, noted in `errors`, what was before stays.
fn read_form(form: &Form, before: Settings, now: Ts, errors: &mut FieldErrors) -> Settings {
    let is_on = |name| form.get(name) == "on";
    let mut number = |name, error, range| errors.need(name, error, within(form.get(name), range));
    let idle = number("portal_idle_minutes", "error-idle-minutes", 5..=1440);
    let stay = number("portal_stay_days", "error-stay-days", 0..=30);
    let longest = number("portal_longest_hours", "error-longest-hours", 1..=24);
    let passcodes = number("passcodes_a_day", "error-passcodes-a-day", 3..=100);
    let (mut emergency_text, mut closing_text) = (before.emergency_text.clone(), before.closing_text.clone());
    take_words(&mut emergency_text, form, ("emergency_text", "error-emergency-text"), errors);
    take_words(&mut closing_text, form, ("closing_text", "error-closing-text"), errors);
    let (portal_on, was_on) = (is_on("portal_on"), before.portal_on);
    Settings {
        portal_on,
        portal_since: if portal_on == was_on { before.portal_since } else { Some(now) },
        portal_for_new_patients: is_on("portal_for_new_patients"),
        replies_by_default: is_on("replies_by_default"),
        portal_idle_minutes: idle.unwrap_or(before.portal_idle_minutes),
        portal_stay_days: stay.unwrap_or(before.portal_stay_days),
        passcodes_a_day: passcodes.unwrap_or(before.passcodes_a_day),
        portal_longest_hours: longest.unwrap_or(before.portal_longest_hours),
        portal_identifiers: match form.has("identifiers") {
            true => identifiers(form),
            false => before.portal_identifiers.clone(),
        },
        portal_names: is_on("portal_names"),
        emergency_text,
        closing_text,
        ..before
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
        let mut errors = FieldErrors::default();
        let before = settings::load(tx)?;
        let newer = stored(&before).newer(&form);
        let settings = read_form(&form, before, now, &mut errors);
        if !errors.is_empty() || newer.is_some() {
            let (shell, _) = shell(tx, &head, &user.0)?;
            let typed = |name: &str| form.get(name).to_owned();
            let numbers = Numbers {
                idle: typed("portal_idle_minutes"),
                longest: typed("portal_longest_hours"),
                stay: typed("portal_stay_days"),
                passcodes: typed("passcodes_a_day"),
            };
            let status = if errors.is_empty() { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            let seen = newer.filter(|_| errors.is_empty()).unwrap_or_else(|| Seen::said(&form));
            return Ok(Some((status, PortalPage { shell, settings, numbers, errors, seen })));
        }
        settings::save(tx, &settings)?;
        let entry = Entry::of_clinic(Actor::User(user.0.id()), Event::SettingsChanged, Subject::None);
        audit::append(tx, now, entry.with("patient_portal"))?;
        Ok(None)
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/patient-portal?notice=settings-saved")),
    }
}
