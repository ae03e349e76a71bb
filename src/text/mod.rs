//! Plumbing for words: languages, Markdown and HTML cleaning by one allow-list, links, plain text.

pub mod gsm;
pub mod html;
pub mod i18n;
mod links;
pub mod markdown;
mod markup;
pub mod placeholders;
mod to_markdown;
pub mod zone;

pub use gsm::{in_first_part, in_gsm7, is_gsm7};
pub use html::CleanHtml;
pub use i18n::Lang;
pub use links::is_spaceless;
pub use zone::Zone;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds text for searching: lower case without accents, so that "Mejia" finds "Mejía" on both databases.
pub fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The folded words of a text, without punctuation, in order.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Removes what no typed text may hold: NUL (PostgreSQL refuses it) and other control characters besides tab and
/// line feed; line ends become LF.
pub fn typed(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    unix.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// One line of typed text: [`typed`], with runs of white space as one space and none at the ends.
pub fn one_line(text: &str) -> String {
    typed(text).split_whitespace().collect::<Vec<_>>().join(" ")
}
