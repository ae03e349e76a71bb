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
    let words = Words { title: &template.title, body_html: &template.body_html, language: &template.language };
    let (title, body_html) = filled_words(words, patient, user, settings, now);
    Filled {
        title,
        body_html,
        replies_allowed: match template.replies {
            Replies::AsClinic => None,
            Replies::Allowed => Some(true),
            Replies::Off => Some(false),
        },
    }
}

/// Words with placeholders.
#[derive(Debug, Clone, Copy)]
pub struct Words<'w> {
    /// the message's title
    pub title: &'w str,
    /// the message: clean HTML
    pub body_html: &'w str,
    /// the code of the language in which dates are written
    pub language: &'w str,
}

/// Fills in what is known in words of any origin: gives the title, and the message as clean HTML.
pub fn filled_words(
    words: Words,
    patient: &Patient,
    user: &str,
    settings: &Settings,
    now: crate::db::Ts,
) -> (String, String) {
    let lang = Lang::or_english(words.language);
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
    (fill(words.title, value), fill_html(words.body_html, value))
}
