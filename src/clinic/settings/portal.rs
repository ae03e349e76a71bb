//! `/settings/patient-portal`: who may sign in to the portal, whether patients may answer, how long a session lasts.

use super::clinic::take_words;
use super::form::{Asked, SettingsForm, Typed};
use crate::access::rights;
use crate::administration::Part;
use crate::clinic::guard::{User, shell};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Shell};
use crate::patients::IdKind;
use crate::settings::Settings;
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/portal.html")]
pub struct PortalPage {
    shell: Shell,
    settings: Settings,
    numbers: Numbers,
    errors: FieldErrors,
    seen: Seen,
}

/// Numbers of the form, as stored or as typed.
struct Numbers {
    idle: String,
    longest: String,
    stay: String,
    passcodes: String,
}

impl PortalPage {
    /// Whether patients may identify themselves at the portal by this kind of number.
    fn allows(&self, kind: &IdKind) -> bool {
        self.settings.portal_identifiers.split(' ').any(|word| word == kind.as_str())
    }
}

/// The ticked kinds, as they are stored. Where none is ticked, nobody can sign in without a link.
fn identifiers(form: &Form) -> String {
    let ticked = IdKind::ALL.iter().map(|kind| kind.as_str()).filter(|word| form.all("identifier").any(|t| t == *word));
    ticked.collect::<Vec<_>>().join(" ")
}

impl SettingsForm for PortalPage {
    type By = User<rights::Settings>;
    const PART: Part = Part::PatientPortal;
    const PATH: &'static str = "/settings/patient-portal";

    fn stored(settings: &Settings) -> Stored {
        Stored::default()
            .switch("portal_on", "portal-accessibility", settings.portal_on)
            .switch("portal_for_new_patients", "portal-accessibility-new", settings.portal_for_new_patients)
            .switch("replies_by_default", "conversation-responses", settings.replies_by_default)
            .switch("portal_names", "portal-names", settings.portal_names)
            .choice("identifier", "portal-identifiers", "id-kind", settings.portal_identifiers.as_str())
            .text("portal_idle_minutes", "idle-minutes", settings.portal_idle_minutes.to_string())
            .text("portal_longest_hours", "longest-hours", settings.portal_longest_hours.to_string())
            .text("passcodes_a_day", "passcodes-a-day", settings.passcodes_a_day.to_string())
            .text("portal_stay_days", "stay-days", settings.portal_stay_days.to_string())
            .text("closing_text", "closing-text", settings.closing_text.as_str())
    }

    fn read(form: &Form, settings: &mut Settings, now: Ts) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let is_on = |name| form.get(name) == "on";
        let mut number = |name, error, range: std::ops::RangeInclusive<i64>, into: &mut i64| {
            let typed = form.get(name).trim().parse().ok().filter(|n| range.contains(n));
            *into = errors.need(name, error, typed).unwrap_or(*into);
        };
        number("portal_idle_minutes", "error-idle-minutes", 5..=1440, &mut settings.portal_idle_minutes);
        number("portal_stay_days", "error-stay-days", 0..=30, &mut settings.portal_stay_days);
        number("portal_longest_hours", "error-longest-hours", 1..=24, &mut settings.portal_longest_hours);
        number("passcodes_a_day", "error-passcodes-a-day", 3..=100, &mut settings.passcodes_a_day);
        take_words(&mut settings.closing_text, form, ("closing_text", "error-closing-text"), &mut errors);
        if settings.portal_on != is_on("portal_on") {
            (settings.portal_on, settings.portal_since) = (is_on("portal_on"), Some(now));
        }
        settings.portal_for_new_patients = is_on("portal_for_new_patients");
        settings.replies_by_default = is_on("replies_by_default");
        settings.portal_names = is_on("portal_names");
        if form.has("identifiers") {
            settings.portal_identifiers = identifiers(form);
        }
        errors
    }

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<PortalPage, AppError> {
        let (shell, stored) = shell(conn, &asked.head, &asked.user.0)?;
        Ok(match typed {
            None => PortalPage {
                numbers: Numbers {
                    idle: stored.portal_idle_minutes.to_string(),
                    longest: stored.portal_longest_hours.to_string(),
                    stay: stored.portal_stay_days.to_string(),
                    passcodes: stored.passcodes_a_day.to_string(),
                },
                seen: PortalPage::stored(&stored).seen(),
                errors: FieldErrors::default(),
                settings: stored,
                shell,
            },
            Some(typed) => PortalPage {
                numbers: Numbers {
                    idle: typed.text("portal_idle_minutes"),
                    longest: typed.text("portal_longest_hours"),
                    stay: typed.text("portal_stay_days"),
                    passcodes: typed.text("passcodes_a_day"),
                },
                shell,
                settings: typed.settings,
                errors: typed.errors,
                seen: typed.seen,
            },
        })
    }
}
