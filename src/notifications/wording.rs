//! What one notification to one patient says, from the wording that holds now.

use super::templates::{Kind, NotificationTemplate, Rendered, Slot, Values, in_use, safe_name};
use crate::db::{Conn, Ts};
use crate::delivery::Channel;
use crate::patients::Patient;
use crate::portal_links::{LINK_LASTS, PASSCODE_LASTS};
use crate::settings::Settings;
use crate::text::Lang;
use diesel::prelude::*;

/// A wording with everything in it but the secret.
#[derive(Debug, Clone)]
pub struct Wording {
    template: NotificationTemplate,
    clinic: String,
    phone: String,
    name: String,
    expiry: String,
}

/// Reads the wording of a kind for a patient, as it holds at this moment.
pub fn wording(
    conn: &mut Conn,
    now: Ts,
    settings: &Settings,
    patient: &Patient,
    what: (Kind, Channel),
) -> QueryResult<Wording> {
    let slot = Slot { kind: what.0, channel: what.1, lang: Lang::or_english(&patient.language) };
    let (template, _) = in_use(conn, settings, slot)?;
    let called = patient.preferred_name.as_deref().unwrap_or(&patient.given_name);
    let name = if settings.notify_by_name { called } else { "" };
    Ok(Wording::new(template, settings, name, now))
}

impl Wording {
    /// A wording for somebody of this name.
    pub fn new(template: NotificationTemplate, settings: &Settings, name: &str, now: Ts) -> Wording {
        let (lang, zone) = (template.slot().lang, settings.zone());
        let expiry = match template.slot().kind {
            Kind::Passcode => lang.time(zone.local(now.plus(PASSCODE_LASTS))),
            _ => lang.date(zone.local(now.plus(LINK_LASTS)).date()),
        };
        Wording {
            template,
            clinic: settings.name.clone(),
            phone: settings.phone.clone(),
            name: safe_name(name),
            expiry,
        }
    }

    fn values<'a>(&'a self, secret: &'a str) -> Values<'a> {
        let is_passcode = self.template.slot().kind == Kind::Passcode;
        let (link, passcode) = if is_passcode { ("", secret) } else { (secret, "") };
        Values { clinic: &self.clinic, phone: &self.phone, name: &self.name, link, passcode, expiry: &self.expiry }
    }

    /// As an email. The secret is the link, or in a passcode's wording the passcode.
    ///
    /// # Errors
    /// When the document around it fails.
    pub fn email(&self, secret: &str) -> askama::Result<Rendered> {
        self.template.email(&self.values(secret))
    }

    /// As a text message; the secret as above.
    pub fn text(&self, secret: &str) -> String {
        self.template.text(&self.values(secret))
    }

    /// As an email's words without their document, for showing in a page.
    pub fn email_words(&self, secret: &str) -> super::templates::EmailWords {
        self.template.email_words(&self.values(secret))
    }
}
