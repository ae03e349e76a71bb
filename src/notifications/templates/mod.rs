//! The clinic's own wording of its notifications: for each kind, channel and language a subject and a body with
//! placeholders. A [`NotificationTemplate`] is always valid, and no placeholder stands for any content of a message.

mod defaults;
mod fill;
mod filtered;
mod placeholder;
mod store;

pub use fill::{EmailWords, Rendered, Values, safe_name, sender_line, typed_address};
pub use filtered::filtered_words;
pub use placeholder::Placeholder;
pub use store::{Version, in_use, save, versions};

use crate::delivery::Channel;
use crate::settings::Settings;
use crate::text::{self, Lang};
use crate::text_enum;
use placeholder::{Piece, pieces};

text_enum! {
    /// What a notification is about.
    pub enum Kind {
        /// a message is waiting
        MessageWaiting = "message_waiting",
        /// a reminder that it is still waiting
        Reminder = "reminder",
        /// the passcode itself
        Passcode = "passcode",
        /// the patient has got access to the portal
        PortalAccess = "portal_access",
        /// a message was taken back: there is nothing to read
        Recall = "recall",
    }
}

/// What one wording is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// what the notification is about
    pub kind: Kind,
    /// the road
    pub channel: Channel,
    /// the language
    pub lang: Lang,
}

impl Slot {
    /// Every slot, in the order of the page.
    pub fn all() -> impl Iterator<Item = Slot> {
        let of_kind = |kind: Kind| {
            let of_channel = move |channel: Channel| Lang::all().map(move |lang| Slot { kind, channel, lang });
            Channel::ALL.iter().copied().flat_map(of_channel)
        };
        Kind::ALL.iter().copied().flat_map(of_kind)
    }

    /// The slot with these words, as addresses have them.
    pub fn parse(kind: &str, channel: &str, language: &str) -> Option<Slot> {
        Some(Slot { kind: kind.parse().ok()?, channel: channel.parse().ok()?, lang: Lang::find(language)? })
    }

    /// The placeholders that a body may contain.
    pub fn allowed(self) -> &'static [Placeholder] {
        use Placeholder::*;
        match self.kind {
            Kind::MessageWaiting | Kind::Reminder => &[Clinic, Phone, Name, Link, Expiry],
            Kind::Passcode => &[Clinic, Phone, Name, Passcode, Expiry],
            Kind::PortalAccess => &[Clinic, Phone, Name, Link],
            Kind::Recall => &[Clinic, Phone, Name],
        }
    }

    /// The placeholders that a subject may contain: neither a link nor a passcode, which a locked screen would show.
    pub fn allowed_in_subject(self) -> &'static [Placeholder] {
        &[Placeholder::Clinic, Placeholder::Phone, Placeholder::Name]
    }

    /// Whether a body must contain this placeholder.
    pub fn requires(self, one: &Placeholder) -> bool {
        self.required() == Some(*one)
    }

    /// The placeholder that a body must contain, if any.
    pub fn required(self) -> Option<Placeholder> {
        match self.kind {
            Kind::Passcode => Some(Placeholder::Passcode),
            Kind::Recall => None,
            Kind::MessageWaiting | Kind::Reminder | Kind::PortalAccess => Some(Placeholder::Link),
        }
    }
}

/// Why a wording is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// there is no placeholder of this name
    Unknown(String),
    /// the placeholder is not allowed here
    NotHere(Placeholder),
    /// the clinic's setting allows no names
    NameIsOff,
    /// the placeholder is missing
    Missing(Placeholder),
    /// a brace that belongs to no placeholder
    Brace,
    /// no words
    Empty,
    /// more than [`LONGEST_SUBJECT`] or [`LONGEST_BODY`] characters
    TooLong,
}

/// What is wrong with a wording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// with the subject
    pub subject: Vec<Problem>,
    /// with the body
    pub body: Vec<Problem>,
}

impl Problems {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.subject.is_empty() && self.body.is_empty()
    }
}

/// The longest subject, in characters.
pub const LONGEST_SUBJECT: usize = 150;
/// The longest body, in characters.
pub const LONGEST_BODY: usize = 4_000;

/// A valid wording: every placeholder in it is known and allowed, and the required one is there.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationTemplate {
    slot: Slot,
    subject: String,
    body: String,
}

impl NotificationTemplate {
    /// Reads a wording. A text message has no subject; what is given for one is left out.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(settings: &Settings, slot: Slot, subject: &str, body: &str) -> Result<NotificationTemplate, Problems> {
        let has_subject = slot.channel == Channel::Email;
        let template = NotificationTemplate {
            slot,
            subject: if has_subject { subject_line(subject) } else { String::new() },
            body: text::typed(body).trim().to_owned(),
        };
        let mut problems = Problems::default();
        if has_subject {
            problems.subject = found(settings, &template.subject, slot.allowed_in_subject(), LONGEST_SUBJECT);
        }
        problems.body = found(settings, &template.body, slot.allowed(), LONGEST_BODY);
        // the rendered result is checked, not the source: Markdown may leave out the part with the placeholder
        if let Some(required) = slot.required().filter(|one| problems.body.is_empty() && !template.shows(*one)) {
            problems.body.push(Problem::Missing(required));
        }
        if problems.is_empty() { Ok(template) } else { Err(problems) }
    }

    /// The program's own wording.
    pub fn standard(slot: Slot) -> NotificationTemplate {
        let (subject, body) = defaults::default_wording(slot);
        NotificationTemplate { slot, subject, body }
    }

    /// What the wording is for.
    pub fn slot(&self) -> Slot {
        self.slot
    }
    /// The subject as written; empty for a text message.
    pub fn subject(&self) -> &str {
        &self.subject
    }
    /// The body as written.
    pub fn body(&self) -> &str {
        &self.body
    }

    fn shows(&self, required: Placeholder) -> bool {
        const MARK: &str = "a-mark-that-nobody-writes";
        let marked = if required == Placeholder::Link { format!("https://x.example/{MARK}") } else { MARK.into() };
        let mut values = Values::default();
        match required {
            Placeholder::Link => values.link = &marked,
            _ => values.passcode = &marked,
        }
        match self.slot.channel {
            Channel::Sms => self.text(&values).contains(MARK),
            Channel::Email => {
                let words = self.email_words(&values);
                let there = match required {
                    Placeholder::Link => words.html.as_str().contains(&format!("href=\"{marked}\"")),
                    _ => words.html.plain().contains(MARK),
                };
                there && words.text.contains(MARK)
            }
        }
    }
}

fn found(settings: &Settings, text: &str, allowed: &[Placeholder], longest: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    if text.is_empty() {
        return vec![Problem::Empty];
    }
    if text.chars().count() > longest {
        problems.push(Problem::TooLong);
    }
    for piece in pieces(text) {
        let problem = match piece {
            Piece::Text(_) => None,
            Piece::Brace => Some(Problem::Brace),
            Piece::Named(name) => match name.parse::<Placeholder>() {
                Err(_) => Some(Problem::Unknown(name.chars().take(60).collect())),
                Ok(Placeholder::Name) if !settings.notify_by_name => Some(Problem::NameIsOff),
                Ok(one) if !allowed.contains(&one) => Some(Problem::NotHere(one)),
                Ok(_) => None,
            },
        };
        if let Some(problem) = problem.filter(|problem| !problems.contains(problem)) {
            problems.push(problem);
        }
    }
    problems
}

/// One line, like [`text::one_line`], in which the no-break spaces of French stay what they are.
fn subject_line(text: &str) -> String {
    let breaks = |c: char| c.is_whitespace() && c != '\u{a0}';
    let line = text::typed(text).split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.trim().to_owned()
}
