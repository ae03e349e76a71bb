//! The types that the verbs of conversations share.

use crate::access::PortalRefusal;
use crate::db::Ts;
use crate::notifications;
use crate::text::CleanHtml;
use crate::text_enum;
use crate::threads::Author;

text_enum! {
    /// What the source of a body is written in.
    pub enum BodyFormat {
        /// Markdown, from the plain text area
        Markdown = "markdown",
        /// HTML, from the editor
        Html = "html",
        /// plain text, from a patient
        Plain = "plain",
    }
}

text_enum! {
    /// What a user writes in a conversation.
    pub enum Writing {
        /// a message to the patient
        Reply = "reply",
        /// an internal note: for colleagues, the patient never sees it
        Note = "note",
    }
}

/// What was written: the source as typed, and what is shown, cleaned once and stored beside it.
#[derive(Debug, Clone)]
pub struct Body {
    /// as typed
    pub source: String,
    /// in which format
    pub format: BodyFormat,
    /// as shown
    pub html: CleanHtml,
}

impl Body {
    /// The longest source, in bytes.
    pub const LONGEST: usize = 200_000;

    /// Cleans what was typed. `None` where a reader would see nothing, or it is too long.
    pub fn parse(source: &str, format: BodyFormat) -> Option<Body> {
        if source.len() > Body::LONGEST {
            return None;
        }
        let html = match format {
            BodyFormat::Markdown => CleanHtml::from_markdown(source),
            BodyFormat::Html => CleanHtml::from_html(source),
            BodyFormat::Plain => CleanHtml::from_plain(source),
        };
        (!html.is_blank()).then(|| Body { source: crate::text::typed(source), format, html })
    }
}

/// Why a patient cannot write in a conversation. The page says each in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotReply {
    /// the conversation is closed, since when
    Closed(Ts),
    /// replies are not allowed, since when
    RepliesOff(Ts),
    /// the patient may not enter the portal at all
    PortalRefusal(PortalRefusal),
}

text_enum! {
    /// A conversation's state in one word, for lists.
    pub enum Status {
        /// nobody can write any more
        Closed = "closed",
        /// the patient wrote last
        Replied = "replied",
        /// the patient opened it after our last message
        Read = "read",
        /// the patient could not be notified
        Failed = "failed",
        /// the notification went out
        Notified = "notified",
        /// the notification is on its way
        Queued = "queued",
    }
}

impl Status {
    /// The state for a row of a list.
    pub fn derive(closed: bool, last: Author, read: bool, notice: notifications::State) -> Status {
        use notifications::State as N;
        match (closed, last, read, notice) {
            (true, ..) => Status::Closed,
            (_, Author::Patient, ..) => Status::Replied,
            (_, _, true, _) => Status::Read,
            (.., N::Failed | N::Bounced | N::Stopped | N::Cancelled) => Status::Failed,
            (.., N::Sent | N::Delivered) => Status::Notified,
            _ => Status::Queued,
        }
    }
}
