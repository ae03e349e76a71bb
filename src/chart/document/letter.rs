//! A letter to a patient, laid out for an envelope with a window. It says that a message waits, and nothing about it.

use crate::text::Lang;

/// A letter of one page.
#[derive(Debug, Clone)]
pub struct Letter {
    /// its language
    pub lang: Lang,
    /// the clinic: name, address, telephone number
    pub clinic: Vec<String>,
    /// name and postal address, a line each, as they show through the window
    pub recipient: Vec<String>,
    /// the day of the letter, in words
    pub date: String,
    /// what it is about
    pub title: String,
    /// its paragraphs
    pub paragraphs: Vec<String>,
}
