//! Characters as web pages write them (`&eacute;`): programs that make pages leave them in exported lists.

use quick_xml::escape::{resolve_predefined_entity, unescape_with};
use std::borrow::Cow;

/// Entities that occur in names and addresses, besides the five of XML.
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

/// Turns `O&#39;Brien` and `C&ocirc;t&eacute;` into plain text. A text with an unknown entity stays as it is.
pub(super) fn read(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    unescape_with(text, named_character).unwrap_or(Cow::Borrowed(text))
}

/// The character of an entity's name; `None` where the name is not known.
pub(super) fn named_character(name: &str) -> Option<&'static str> {
    let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    named.or_else(|| resolve_predefined_entity(name))
}
