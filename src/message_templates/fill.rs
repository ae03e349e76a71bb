//! A template filled in for one patient, one user and the clinic.

use super::{Replies, Template};
use crate::patients::Patient;
use crate::settings::Settings;
use crate::text::Lang;
use crate::text::placeholders::{fill, fill_html};

/// The placeholders that fill themselves in. Any other name is a gap for the writer to fill: it is marked in the text
/// and keeps the message from being sent.
pub const PLACEHOLDERS: [&str; 8] = [
    "patient.preferred_name",
    "patient.given_name",
    "patient.family_name",
    "patient.birth_date",
    "user.name",
    "clinic.name",
    "clinic.phone",
    "today",
];

/// A template ready for a message.
#[derive(Debug, Clone)]
pub struct Filled {
    /// the message's title
    pub title: String,
    /// the message: clean HTML
    pub body_html: String,
    /// whether the patient may answer; `None`: as the clinic's setting says
    pub replies_allowed: Option<bool>,
}

/// Fills in what is known, in the template's own language. A placeholder without a value stays, so that the writer sees
/// it.
pub fn filled(template: &Template, patient: &Patient, user: &str, settings: &Settings, now: crate::db::Ts) -> Filled {
    let lang = Lang::or_english(&template.language);
    let value = |name: &str| {
        let text = match name {
            "patient.preferred_name" => patient.preferred_name.clone().unwrap_or_else(|| patient.given_name.clone()),
            "patient.given_name" => patient.given_name.clone(),
            "patient.family_name" => patient.family_name.clone(),
            "patient.birth_date" => lang.date(patient.birth_date.0),
            "user.name" => user.to_owned(),
            "clinic.name" => settings.name.clone(),
            "clinic.phone" => settings.phone.clone(),
            "today" => lang.date(settings.zone().local(now).date()),
            _ => String::new(),
        };
        Some(text).filter(|text| !text.trim().is_empty())
    };
    Filled {
        title: fill(&template.title, value),
        body_html: fill_html(&template.body_html, value),
        replies_allowed: match template.replies {
            Replies::AsClinic => None,
            Replies::Allowed => Some(true),
            Replies::Off => Some(false),
        },
    }
}
