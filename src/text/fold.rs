//! Folds the spellings of a word into one form, for searching.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The version of the rule of [`fold`]. It is raised with every change of its results: at its next start the program
/// then recomputes the stored keys of an older rule.
pub const FOLD_VERSION: i64 = 2;

/// Folds text for searching: lower case, without the marks that people leave out when they type, so that "Mejia" finds
/// "Mejía" and "soren" "Søren" on both databases. Marks that change the word stay: vowels of Devanagari and Thai, the
/// marks of kana.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_left_out(*c) && !is_unseen(*c)).flat_map(char::to_lowercase) {
        match typed_as(c) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
    if folded.is_ascii() { folded } else { folded.nfkc().collect() }
}

/// The folded words of a text, without punctuation, in order.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let of_word = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    folded.split(|c: char| !of_word(c)).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The words by version 1 of the rule, which removed every mark and kept every letter with a stroke: an index may still
/// contain them.
pub fn words_of_version_1(text: &str) -> Vec<String> {
    let folded: String = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The folded words without spaces: the same for a name with and without its apostrophes, hyphens and spaces.
pub fn squeezed(text: &str) -> String {
    words(text).concat()
}

/// Lower-case letters with a stroke or from older alphabets, as people type them on keyboards without these letters.
/// Unicode has no decomposition for them.
fn typed_as(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ß' => "ss",
        'þ' => "th",
        'ı' => "i",
        'œ' => "oe",
        'æ' => "ae",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "ng",
        'ς' => "σ",
        _ => return None,
    })
}

/// Whether search ignores a mark: marks of Latin, Greek and Cyrillic letters, and points of Hebrew and Arabic.
fn is_left_out(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}')
}

/// Whether a character is invisible (the usual ones of Unicode's Default_Ignorable_Code_Point).
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
