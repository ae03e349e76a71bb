//! Makes one notification and hands it to its road: the only place where messages, passcodes and test sends do so.

use super::sending::Address;
use super::wording::Wording;
use crate::delivery::{Delivery, Email, Failure, Reason, Text};

/// What is sent, and where to.
pub struct Parcel<'a> {
    /// the address
    pub to: Address,
    /// the clinic's name, beside the sender's address of an email
    pub from_name: &'a str,
    /// the wording
    pub words: &'a Wording,
    /// the link, or the passcode where the wording is that of a passcode
    pub secret: &'a str,
    /// the local part of the Message-ID, the same for each copy, so that a second copy is recognised
    pub message_uid: String,
    /// the address at which a gateway reports what became of it
    pub report_to: Option<String>,
}

impl Parcel<'_> {
    /// Hands it over. Gives the gateway's own id of a text, if there is one.
    ///
    /// # Errors
    /// Why it was not taken, and whether to try again.
    pub async fn send(self, delivery: &Delivery) -> Result<Option<String>, Failure> {
        let Parcel { to, from_name, words, secret, message_uid, report_to } = self;
        match to {
            Address::Email(to) => {
                let rendered = words.email(secret).map_err(|_| Failure::Permanent(Reason::Broken))?;
                let (subject, text, html) = (rendered.subject, rendered.text, rendered.html);
                let email = Email { to, from_name: from_name.to_owned(), subject, text, html, message_uid };
                delivery.send_email(email).await.map(|()| None)
            }
            Address::Sms(to) => delivery.send_text(Text { to, text: words.text(secret), message_uid, report_to }).await,
        }
    }
}
