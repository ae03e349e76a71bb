//! Characters as web pages name them, which programs that write pages leave in the lists that they export.

use quick_xml::escape::{resolve_predefined_entity, unescape_with};
use std::borrow::Cow;

/// Those of names and addresses besides the five that XML has.
const NAMED: [(&str, &str); 20] = [
    ("nbsp", " "),
    ("rsquo", "’"),
    ("lsquo", "‘"),
    ("ndash", "–"),
    ("agrave", "à"),
    ("acirc", "â"),
    ("ccedil", "ç"),
    ("eacute", "é"),
    ("egrave", "è"),
    ("ecirc", "ê"),
    ("euml", "ë"),
    ("icirc", "î"),
    ("iuml", "ï"),
    ("ocirc", "ô"),
    ("ugrave", "ù"),
    ("ucirc", "û"),
    ("Eacute", "É"),
    ("Egrave", "È"),
    ("Agrave", "À"),
    ("Ccedil", "Ç"),
];

/// `O&#39;Brien`, `C&ocirc;t&eacute;` as people write them. A text with a name that is not known stays as it is.
pub(super) fn read(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    unescape_with(text, named_character).unwrap_or(Cow::Borrowed(text))
}

/// What stands for one of these names.
pub(super) fn named_character(name: &str) -> Option<&'static str> {
    let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    named.or_else(|| resolve_predefined_entity(name))
}
