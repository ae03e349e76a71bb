//! A letter to a patient, laid out for an envelope with a window. It says that a message waits and nothing about it, or, where the
//! clinic chose so, holds the whole message.

use super::Part;
use crate::text::Lang;

/// A letter. Name and address stand on its first page alone.
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
    /// its first paragraphs
    pub paragraphs: Vec<String>,
    /// the message that it holds; `None`: it only says that one waits
    pub enclosed: Option<Enclosed>,
    /// its last paragraphs
    pub closing: Vec<String>,
}

/// A message within a letter.
#[derive(Debug, Clone)]
pub struct Enclosed {
    /// its title
    pub title: String,
    /// who wrote it, and when
    pub about: String,
    /// its words
    pub parts: Vec<Part>,
    /// what to do about its files, which are not in the letter
    pub files_say: String,
    /// the names of these files
    pub files: Vec<String>,
}
