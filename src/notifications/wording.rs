//! The words of one notification to one patient, from the wording in use now.

use super::recipients::Reached;
use super::templates::{Kind, NotificationTemplate, Rendered, Slot, Values, in_use, safe_name, typed_address};
use crate::db::{Conn, Ts};
use crate::delivery::Channel;
use crate::patients;
use crate::portal_links::{LINK_LASTS, PASSCODE_LASTS};
use crate::settings::{self, Settings};
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
    real_at: String,
    own_word: String,
}

/// Reads the wording of a kind for a patient or caregiver, as it is in use at this moment. `origin` is where the portal is.
pub fn wording(
    conn: &mut Conn,
    now: Ts,
    (settings, origin): (&Settings, &str),
    to: &Reached,
    what: (Kind, Channel),
) -> QueryResult<Wording> {
    let slot = Slot { kind: what.0, channel: what.1, lang: Lang::or_english(&to.record.language) };
    let (template, _) = in_use(conn, settings, slot)?;
    let name = if settings.notify_by_name { to.record.called() } else { "" };
    let mut words = Wording::new(template, (settings, origin), name, now);
    // the word was chosen with the patient: no caregiver learns it
    if to.caregiver.is_none()
        && settings::shows_own_word(conn)?
        && let Some(word) = patients::own_word(conn, to.record.id)?
    {
        words = words.with_own_word(word.as_str());
    }
    let others = settings.name_where_shared && to.is_shared(conn, what.1)?;
    Ok(if others { words.saying_for_whom(&to.patient_called) } else { words })
}

impl Wording {
    /// A wording for somebody of this name. `origin` is where the portal is.
    pub fn new(template: NotificationTemplate, (settings, origin): (&Settings, &str), name: &str, now: Ts) -> Wording {
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
            real_at: format!("{}/portal/real", typed_address(origin)),
            own_word: String::new(),
        }
    }

    /// The same for one of several patients who share the address: it says whom it is for.
    pub fn saying_for_whom(mut self, name: &str) -> Wording {
        self.name = safe_name(name);
        self.for_whom = !self.name.is_empty();
        self
    }

    /// The same with the word that was chosen with the patient.
    pub fn with_own_word(mut self, word: &str) -> Wording {
        self.own_word = word.to_owned();
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
            real_at: &self.real_at,
            own_word: &self.own_word,
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
