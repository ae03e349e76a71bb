//! Words that occur in the fields of lists.

use crate::patients::record::Method;
use crate::text::{self, Lang};

/// What people write for "nothing", as folded words.
const NOTHING: [&str; 52] = [
    "n a",
    "na",
    "nil",
    "null",
    "nan",
    "none",
    "no",
    "non",
    "nd",
    "n d",
    "s o",
    "x",
    "xx",
    "xxx",
    "unknown",
    "unk",
    "not known",
    "not available",
    "unavailable",
    "not applicable",
    "not provided",
    "not given",
    "not on file",
    "declined",
    "declines",
    "decline",
    "declined to provide",
    "patient declined",
    "pt declined",
    "refused",
    "refuses",
    "none provided",
    "none given",
    "no email",
    "no e mail",
    "no cell",
    "no phone",
    "does not have",
    "to follow",
    "tbd",
    "blank",
    "missing",
    "inconnu",
    "inconnue",
    "aucun",
    "aucune",
    "refuse",
    "refus",
    "non disponible",
    "non fourni",
    "pas de courriel",
    "neant",
];

/// Languages that the pages have, as lists write them; a country or province may follow.
const LANGUAGES: [(&str, &[&str]); 2] = [
    ("en", &["en", "e", "eng", "english", "anglais", "anglaise", "angl", "ang"]),
    ("fr", &["fr", "f", "fre", "fra", "french", "francais", "francaise", "fran"]),
];
const REGIONS: [&str; 11] = ["ca", "can", "canada", "canadian", "canadien", "us", "usa", "gb", "uk", "quebec", "qc"];

const BY_EMAIL: [&str; 5] = ["email", "emails", "mail", "courriel", "courriels"];
const BY_TEXT: [&str; 10] =
    ["sms", "text", "texts", "texto", "textos", "texting", "cell", "mobile", "texte", "cellulaire"];
/// Words that may stand beside a way to be notified and mean nothing.
const BESIDE: [&str; 14] =
    ["e", "and", "et", "or", "ou", "by", "par", "message", "messages", "msg", "phone", "only", "seulement", "both"];
const NOT_AT_ALL: [&str; 10] =
    ["none", "no", "non", "aucun", "aucune", "do not contact", "no contact", "never", "ne pas contacter", "jamais"];

/// Whether a field is empty, or holds a dash, or what databases write for NULL.
pub(super) fn is_blank(text: &str) -> bool {
    text == "\\N" || text::words(text).is_empty()
}

/// Whether this is certainly no name: people are called Null and Na, but are not written in this way.
pub(super) fn is_no_name(text: &str) -> bool {
    ["NULL", "N/A", "n/a"].contains(&text)
}

/// Whether a field only says that there is nothing: "n/a", "declined".
pub(super) fn is_nothing(text: &str) -> bool {
    NOTHING.contains(&text::words(text).join(" ").as_str())
}

/// Whether a spreadsheet could not compute this field, or found it too wide to show: `#REF!`, `####`.
pub(super) fn is_error(text: &str) -> bool {
    let is_wide = text.len() > 2 && text.bytes().all(|byte| byte == b'#');
    is_wide || ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"].contains(&text)
}

/// A date without what follows it in parentheses: `1951-03-04 (75 y)`.
pub(super) fn date(text: &str) -> &str {
    let end = text.find(['(', '[']).filter(|end| *end > 0);
    end.and_then(|end| text.get(..end)).unwrap_or(text).trim()
}

pub(super) fn language(text: &str) -> Option<Lang> {
    let words = text::words(text);
    let (first, rest) = words.split_first()?;
    let (code, _) = LANGUAGES.iter().find(|(_, names)| names.contains(&first.as_str()))?;
    if rest.iter().all(|word| REGIONS.contains(&word.as_str())) { Lang::find(code) } else { None }
}

/// How a patient wants to be notified; `None` where it is no known way, such as a phone call.
pub(super) fn method(text: &str) -> Option<Method> {
    let words = text::words(text);
    let whole = words.join(" ");
    if NOT_AT_ALL.contains(&whole.as_str()) {
        return Some(Method::None);
    }
    if ["both", "les deux"].contains(&whole.as_str()) {
        return Some(Method::Both);
    }
    let is_one = |words: &[&str], word: &String| words.contains(&word.as_str());
    if !words.iter().all(|word| is_one(&BY_EMAIL, word) || is_one(&BY_TEXT, word) || is_one(&BESIDE, word)) {
        return None;
    }
    let has = |any: &[&str]| words.iter().any(|word| is_one(any, word));
    match (has(&BY_EMAIL), has(&BY_TEXT)) {
        (true, true) => Some(Method::Both),
        (true, false) => Some(Method::Email),
        (false, true) => Some(Method::Sms),
        (false, false) => None,
    }
}
