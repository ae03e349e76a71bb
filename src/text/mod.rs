//! Basics for text: languages, cleaning of Markdown and HTML by one allow-list, links, plain text.

pub mod dates;
mod fold;
pub mod gsm;
pub mod html;
pub mod i18n;
mod initials;
mod links;
mod located;
pub mod markdown;
mod markup;
pub mod placeholders;
mod plain_blocks;
mod to_markdown;
pub mod zone;

pub use fold::{FOLD_VERSION, fold, squeezed, words, words_of_version_1};
pub use gsm::{in_first_part, in_gsm7, is_gsm7};
pub use html::{BUTTON_STYLE, CleanHtml};
pub use i18n::Lang;
pub use initials::initials;
pub use links::is_spaceless;
pub use located::{LOCATED_VERSION, Located, Piece, Sought, excerpt, holds, located, sought};
pub use plain_blocks::{ListItem, PlainBlock, PlainTable};
pub use zone::Zone;

/// Removes invisible characters, which are copied with a number or an address from mails, PDFs and web pages: soft
/// hyphens, zero-width spaces, direction marks, byte order marks.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !fold::is_unseen(*c)).collect()
}

/// Removes characters that no typed text may have: NUL (PostgreSQL refuses it) and other control characters except tab
/// and line feed; line ends become LF.
pub fn typed(text: &str) -> String {
    let is_stray = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    // most text has none, and is what a list of messages is made of
    if !text.contains(is_stray) {
        return text.to_owned();
    }
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    unix.chars().filter(|c| !is_stray(*c)).collect()
}

/// Typed text in one line: [`typed`], with each run of white space as one space and none at the ends.
pub fn one_line(text: &str) -> String {
    let typed = typed(text);
    let mut line = String::with_capacity(typed.len());
    for word in typed.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}
