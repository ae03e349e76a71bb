//! GROUND: the roads out: email by SMTP, texts by a gateway, and in the demo and in tests a mailbox.
//!
//! What goes out is a whole mail or text; whether it may, and what is in it, was decided before. Addresses are masked
//! in logs; subjects and bodies are never logged.

mod mailbox;
mod smtp;

pub use mailbox::{Mailbox, Received};
pub use smtp::SmtpRoad;

use crate::text_enum;
use crate::values::{EmailAddress, PhoneNumber};

text_enum! {
    /// How a patient is reached.
    pub enum Channel {
        /// email
        Email = "email",
        /// text message
        Sms = "sms",
    }
}

impl Channel {
    /// The other one.
    pub fn other(self) -> Channel {
        match self {
            Channel::Email => Channel::Sms,
            Channel::Sms => Channel::Email,
        }
    }
}

text_enum! {
    /// Why something was not sent, in words of ours; pages translate them.
    pub enum Reason {
        /// no text gateway is configured
        NoGateway = "no_gateway",
        /// the patient has no address for this channel any more
        NoAddress = "no_address",
        /// the mail server could not be reached, or the connection broke
        Unreachable = "unreachable",
        /// the mail server asked to wait (4xx)
        Deferred = "deferred",
        /// the mail server would not have our name and password
        Login = "login",
        /// the address does not exist, or will not take it (5xx)
        Refused = "refused",
        /// no answer in time
        TimedOut = "timed_out",
        /// tried for a day
        GaveUp = "gave_up",
        /// the portal is off
        PortalOff = "portal_off",
        /// the patient has no access to the portal
        NoAccess = "no_access",
        /// the conversation was closed before it was sent
        Closed = "closed",
        /// the patient had read the message before it was sent
        AlreadyRead = "already_read",
        /// the patient's record is archived
        Archived = "archived",
        /// the patient wants no notifications
        MethodNone = "method_none",
        /// the program made something that the road would not take
        Broken = "broken",
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Later perhaps.
    Transient(Reason),
    /// Never, for this address.
    Permanent(Reason),
}

/// One email.
#[derive(Debug, Clone)]
pub struct Email {
    /// to whom
    pub to: EmailAddress,
    /// the clinic's name, shown beside the sender's address
    pub from_name: String,
    /// subject
    pub subject: String,
    /// plain part
    pub text: String,
    /// HTML part
    pub html: String,
    /// local part of the Message-ID: the same for each copy of one notification, so that a second is recognisable
    pub message_uid: String,
}

/// One text message.
#[derive(Debug, Clone)]
pub struct Text {
    /// to whom
    pub to: PhoneNumber,
    /// the words
    pub text: String,
    /// the same for each copy of one notification, so that a second is recognisable
    pub message_uid: String,
}

enum EmailRoad {
    Smtp(SmtpRoad),
    Mailbox(Mailbox),
}

enum TextRoad {
    None,
    Mailbox(Mailbox),
}

/// Both roads.
pub struct Delivery {
    email: EmailRoad,
    text: TextRoad,
}

impl Delivery {
    /// Email by SMTP. Texts have no gateway yet, and say so.
    pub fn smtp(road: SmtpRoad) -> Delivery {
        Delivery { email: EmailRoad::Smtp(road), text: TextRoad::None }
    }

    /// Everything into a mailbox: for the demo and for tests.
    pub fn mailbox(mailbox: Mailbox) -> Delivery {
        Delivery { email: EmailRoad::Mailbox(mailbox.clone()), text: TextRoad::Mailbox(mailbox) }
    }

    /// Email into a mailbox, and no road for texts: for tests.
    pub fn mailbox_without_texts(mailbox: Mailbox) -> Delivery {
        Delivery { email: EmailRoad::Mailbox(mailbox), text: TextRoad::None }
    }

    /// Whether there is a road for this channel at all.
    pub fn has(&self, channel: Channel) -> bool {
        channel == Channel::Email || !matches!(self.text, TextRoad::None)
    }

    /// Sends an email, within the configured time.
    ///
    /// # Errors
    /// Why not, and whether to try again.
    pub async fn send_email(&self, email: Email) -> Result<(), Failure> {
        match &self.email {
            EmailRoad::Smtp(road) => road.send(email).await,
            EmailRoad::Mailbox(mailbox) => mailbox.put_email(email),
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// Why not, and whether to try again.
    pub async fn send_text(&self, text: Text) -> Result<(), Failure> {
        match &self.text {
            TextRoad::None => Err(Failure::Permanent(Reason::NoGateway)),
            TextRoad::Mailbox(mailbox) => mailbox.put_text(text),
        }
    }
}
