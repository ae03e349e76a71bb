//! FEATURE: message templates: a stored title, body and reply setting to start a message from.

mod fill;
mod list;
mod save;
mod starter;

pub use fill::{Filled, PLACEHOLDERS, Words, filled, filled_words};
pub use list::{MOST, Template, TemplateName, VersionRow, names, own_template, readable, template, versions};
pub use save::{SaveError, add, change, count_own, duplicate, hand_over, renew_names, set_retired};
pub use starter::add_starters;

use crate::text::CleanHtml;
use crate::text_enum;
use crate::values::Title;

text_enum! {
    /// What a template does to "Allow patient to respond in this conversation".
    pub enum Replies {
        /// leaves it as the clinic's setting says
        AsClinic = "as_clinic",
        /// ticks it
        Allowed = "allowed",
        /// unticks it
        Off = "off",
    }
}

/// What a template says. Its title and body may hold `{{placeholders}}`.
#[derive(Debug, Clone)]
pub struct Content {
    /// what it is called in lists
    pub name: String,
    /// category, in the clinic's own words; may be empty
    pub category: String,
    /// code of a language that the pages have
    pub language: String,
    /// the message's title
    pub title: Title,
    /// the message
    pub body: CleanHtml,
    /// what it does to the reply box
    pub replies: Replies,
}
