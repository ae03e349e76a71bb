//! GROUND: the channels out: email by SMTP, texts by a gateway, and in the demo and in tests a mailbox.
//!
//! It sends whole mails and texts; whether to send, and what, is decided before. Addresses are masked in logs; subjects
//! and bodies are never logged.

pub mod bounce;
mod gateway;
pub mod imap;
mod kannel;
mod mailbox;
pub mod mime;
mod reports;
mod smtp;
pub mod twilio;
pub mod why;

pub use gateway::{Gateway, GatewayKind};
pub use mailbox::{Mailbox, Received};
pub use reports::ReportKey;
pub use smtp::SmtpRoad;

use crate::text_enum;
use crate::values::{EmailAddress, PhoneNumber};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

text_enum! {
    /// The channels to a patient.
    pub enum Channel {
        /// email
        Email = "email",
        /// text message
        Sms = "sms",
    }
}

impl Channel {
    /// The other channel.
    pub fn other(self) -> Channel {
        match self {
            Channel::Email => Channel::Sms,
            Channel::Sms => Channel::Email,
        }
    }
}

text_enum! {
    /// Why something was not sent; pages translate the code into words.
    pub enum Reason {
        /// no text gateway is configured
        NoGateway = "no_gateway",
        /// the patient has no longer an address for this channel
        NoAddress = "no_address",
        /// the mail server could not be reached, or the connection broke
        Unreachable = "unreachable",
        /// the mail server asked to wait (4xx)
        Deferred = "deferred",
        /// the mail server rejected the clinic's name and password
        Login = "login",
        /// the address rejected the mail (5xx)
        Refused = "refused",
        /// there is no such mailbox (5.1.x)
        NoMailbox = "no_mailbox",
        /// the mailbox is full
        MailboxFull = "mailbox_full",
        /// the mail server does not support accents before the @ of an address
        Accents = "accents",
        /// the recipient marked an earlier mail as unwanted
        Complained = "complained",
        /// the other side's rules refused the mail
        Policy = "policy",
        /// mail servers could not deliver the mail in their time
        Undeliverable = "undeliverable",
        /// mail to this address came back before
        BadAddress = "bad_address",
        /// the gateway asked to wait
        GatewayBusy = "gateway_busy",
        /// the gateway had an internal error
        GatewayDown = "gateway_down",
        /// the gateway rejected the clinic's account and password
        GatewayLogin = "gateway_login",
        /// the gateway rejected the text
        GatewayRefused = "gateway_refused",
        /// the number does not exist, or takes no texts
        NoSuchNumber = "no_such_number",
        /// the phone was off or out of reach for too long
        PhoneOff = "phone_off",
        /// a carrier filtered the text
        Filtered = "filtered",
        /// the text did not arrive, for an unknown reason
        NotDelivered = "not_delivered",
        /// the patient texted STOP
        StoppedByPatient = "stopped_by_patient",
        /// it waits for the end of the clinic's quiet hours
        QuietHours = "quiet_hours",
        /// a user cancelled it
        CancelledByUser = "cancelled_by_user",
        /// no answer in time
        TimedOut = "timed_out",
        /// it was tried for a day
        GaveUp = "gave_up",
        /// the portal is off
        PortalOff = "portal_off",
        /// the patient has no access to the portal
        NoAccess = "no_access",
        /// the conversation was closed before it was sent
        Closed = "closed",
        /// the patient had read the message before it was sent
        AlreadyRead = "already_read",
        /// the message was taken back
        Recalled = "recalled",
        /// the patient's record is archived
        Archived = "archived",
        /// the patient wants no notifications
        MethodNone = "method_none",
        /// it was out of date when its turn came
        Expired = "expired",
        /// the program made something that could not be handed over
        Broken = "broken",
    }
}

/// Why something was not sent, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It may succeed later.
    Transient(Reason),
    /// The outcome is unknown: the answer did not come. It is tried again, because a second copy harms less than none.
    Unknown(Reason),
    /// It never succeeds for this address.
    Permanent(Reason),
}

/// One email.
#[derive(Debug, Clone)]
pub struct Email {
    /// the recipient
    pub to: EmailAddress,
    /// the clinic's name, shown beside the sender's address
    pub from_name: String,
    /// subject
    pub subject: String,
    /// the plain part
    pub text: String,
    /// the HTML part
    pub html: String,
    /// local part of the Message-ID: the same for each copy of one notification, so that mail programs recognise a
    /// second copy; also the tag of the address that it returns to
    pub message_uid: String,
}

/// One text message.
#[derive(Debug, Clone)]
pub struct Text {
    /// the recipient
    pub to: PhoneNumber,
    /// the words
    pub text: String,
    /// the same for each copy of one notification, so that a second copy is recognisable
    pub message_uid: String,
    /// where the gateway reports the outcome; `None` for no report
    pub report_to: Option<String>,
}

enum EmailRoad {
    Smtp(Box<SmtpRoad>),
    Mailbox(Mailbox),
}

enum TextRoad {
    None,
    Gateway(Gateway),
    Mailbox(Mailbox),
}

/// How often something was handed over, by channel and outcome.
pub type Counts = Family<[(&'static str, &'static str); 2], Counter>;

/// Sends emails and texts.
pub struct Delivery {
    email: EmailRoad,
    text: TextRoad,
    counts: Counts,
}

impl Delivery {
    fn with(email: EmailRoad, text: TextRoad) -> Delivery {
        Delivery { email, text, counts: Counts::default() }
    }

    /// Email by SMTP, and texts by a gateway where one is configured.
    pub fn new(road: SmtpRoad, gateway: Option<Gateway>) -> Delivery {
        Delivery::with(EmailRoad::Smtp(Box::new(road)), gateway.map_or(TextRoad::None, TextRoad::Gateway))
    }

    /// Email by SMTP, and no texts.
    pub fn smtp(road: SmtpRoad) -> Delivery {
        Delivery::new(road, None)
    }

    /// Email into a mailbox, and texts by a gateway: for tests.
    pub fn mailbox_and_gateway(mailbox: Mailbox, gateway: Gateway) -> Delivery {
        Delivery::with(EmailRoad::Mailbox(mailbox), TextRoad::Gateway(gateway))
    }

    /// Everything into a mailbox: for the demo and for tests.
    pub fn mailbox(mailbox: Mailbox) -> Delivery {
        Delivery::with(EmailRoad::Mailbox(mailbox.clone()), TextRoad::Mailbox(mailbox))
    }

    /// Email into a mailbox, and no texts: for tests.
    pub fn mailbox_without_texts(mailbox: Mailbox) -> Delivery {
        Delivery::with(EmailRoad::Mailbox(mailbox), TextRoad::None)
    }

    /// Whether anything can be sent over this channel.
    pub fn has(&self, channel: Channel) -> bool {
        channel == Channel::Email || !matches!(self.text, TextRoad::None)
    }

    /// The gateway of the texts; `None` where there is none, and in the demo.
    pub fn gateway(&self) -> Option<GatewayKind> {
        match &self.text {
            TextRoad::Gateway(gateway) => Some(gateway.kind()),
            TextRoad::None | TextRoad::Mailbox(_) => None,
        }
    }

    /// Sends an email, within the configured time.
    ///
    /// # Errors
    /// Why it was not sent, and whether to try again.
    pub async fn send_email(&self, email: Email) -> Result<(), Failure> {
        let sent = match &self.email {
            EmailRoad::Smtp(road) => road.send(email).await,
            EmailRoad::Mailbox(mailbox) => mailbox.put_email(email),
        };
        self.count(Channel::Email, sent.as_ref().err());
        sent
    }

    /// Sends a text, within the configured time. Gives the gateway's own id for it, if it has one.
    ///
    /// # Errors
    /// Why it was not sent, and whether to try again.
    pub async fn send_text(&self, text: Text) -> Result<Option<String>, Failure> {
        let sent = match &self.text {
            TextRoad::None => Err(Failure::Permanent(Reason::NoGateway)),
            TextRoad::Gateway(gateway) => gateway.send(text).await,
            TextRoad::Mailbox(mailbox) => mailbox.put_text(text).map(|()| None),
        };
        self.count(Channel::Sms, sent.as_ref().err());
        sent
    }

    fn count(&self, channel: Channel, failure: Option<&Failure>) {
        let outcome = match failure {
            None => "taken",
            Some(Failure::Transient(_)) => "later",
            Some(Failure::Unknown(_)) => "unknown",
            Some(Failure::Permanent(_)) => "refused",
        };
        self.counts.get_or_create(&[("channel", channel.as_str()), ("outcome", outcome)]).inc();
    }

    /// The counts since this process started; the returned value shares them.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }
}
