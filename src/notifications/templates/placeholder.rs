//! Finds `{clinic}`, `{link}` and the other placeholders in a text.

use crate::text_enum;

text_enum! {
    /// All that a notification may say besides its fixed words.
    pub enum Placeholder {
        /// the clinic's name
        Clinic = "clinic",
        /// the clinic's telephone number
        Phone = "phone",
        /// the name that the patient likes to be called by
        Name = "name",
        /// the address that leads to the message
        Link = "link",
        /// the passcode's six digits
        Passcode = "passcode",
        /// until when the link or the passcode works
        Expiry = "expiry",
    }
}

impl Placeholder {
    /// The placeholder as it is written, with its braces.
    pub fn written(self) -> String {
        format!("{{{}}}", self.as_str())
    }
}

/// A text in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// words
    Text(&'a str),
    /// the name between two braces, known or not
    Named(&'a str),
    /// a brace without its partner
    Brace,
}

/// Splits a text. Only the braces are left out.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(['{', '}']) {
        let opens = rest.get(before.len()..).is_some_and(|from| from.starts_with('{'));
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        // a name ends on its own line, before any other brace
        let named = after.split_once('}').filter(|(name, _)| opens && !name.contains(['{', '\n']));
        rest = match named {
            Some((name, behind)) => {
                found.push(Piece::Named(name.trim()));
                behind
            }
            None => {
                found.push(Piece::Brace);
                after
            }
        };
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart() {
        use Piece::*;
        assert_eq!(pieces("a {link} b{ name }"), [Text("a "), Named("link"), Text(" b"), Named("name")]);
        assert_eq!(pieces("{{link}}"), [Brace, Named("link"), Brace]);
        assert_eq!(pieces("} {a\nb} {"), [Brace, Text(" "), Brace, Text("a\nb"), Brace, Text(" "), Brace]);
        assert_eq!(pieces("{}"), [Named("")]);
    }
}
