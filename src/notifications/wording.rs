//! The words of one notification to one patient, from the wording in use now.

use super::templates::{Kind, NotificationTemplate, Rendered, Slot, Values, in_use, safe_name};
use crate::db::{Conn, Ts};
use crate::delivery::Channel;
use crate::patients::{self, Patient};
use crate::portal_links::{LINK_LASTS, PASSCODE_LASTS};
use crate::settings::Settings;
use crate::text::Lang;
use diesel::prelude::*;

/// A wording with all its values but the secret: the link or the passcode.
#[derive(Debug, Clone)]
pub struct Wording {
    template: NotificationTemplate,
    clinic: String,
    phone: String,
    address: String,
    name: String,
    for_whom: bool,
    expiry: String,
}

/// Reads the wording of a kind for a patient, as it is in use at this moment.
pub fn wording(
    conn: &mut Conn,
    now: Ts,
    settings: &Settings,
    patient: &Patient,
    what: (Kind, Channel),
) -> QueryResult<Wording> {
    let slot = Slot { kind: what.0, channel: what.1, lang: Lang::or_english(&patient.language) };
    let (template, _) = in_use(conn, settings, slot)?;
    let name = if settings.notify_by_name { patient.called() } else { "" };
    let words = Wording::new(template, settings, name, now);
    let others = settings.name_where_shared && is_shared(conn, patient, what.1)?;
    Ok(if others { words.saying_for_whom(patient.called()) } else { words })
}

/// Whether another patient has the same address.
fn is_shared(conn: &mut Conn, patient: &Patient, channel: Channel) -> QueryResult<bool> {
    match (channel, &patient.email, &patient.phone) {
        (Channel::Email, Some(email), _) => patients::email_is_shared(conn, patient.id, email),
        (Channel::Sms, _, Some(phone)) => patients::phone_is_shared(conn, patient.id, phone),
        _ => Ok(false),
    }
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
            address: settings.address.clone(),
            name: safe_name(name),
            for_whom: false,
            expiry,
        }
    }

    /// The same for one of several patients who share the address: it says whom it is for.
    pub fn saying_for_whom(mut self, name: &str) -> Wording {
        self.name = safe_name(name);
        self.for_whom = !self.name.is_empty();
        self
    }

    /// Whether the clinic's own words contain the patient's name in any case.
    pub fn has_name(&self) -> bool {
        self.template.has_name()
    }

    fn values<'a>(&'a self, secret: &'a str) -> Values<'a> {
        let is_passcode = self.template.slot().kind == Kind::Passcode;
        let (link, passcode) = if is_passcode { ("", secret) } else { (secret, "") };
        Values {
            clinic: &self.clinic,
            phone: &self.phone,
            address: &self.address,
            name: &self.name,
            for_whom: self.for_whom,
            link,
            passcode,
            expiry: &self.expiry,
        }
    }

    /// As an email. The secret is the link, or in a passcode's wording the passcode.
    ///
    /// # Errors
    /// When the document around it cannot be rendered.
    pub fn email(&self, secret: &str) -> askama::Result<Rendered> {
        self.template.email(&self.values(secret))
    }

    /// As a text message. The secret is the link or the passcode.
    pub fn text(&self, secret: &str) -> String {
        self.template.text(&self.values(secret))
    }

    /// As an email's words without their document, for showing in a page.
    pub fn email_words(&self, secret: &str) -> super::templates::EmailWords {
        self.template.email_words(&self.values(secret))
    }
}
