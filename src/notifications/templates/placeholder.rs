//! `{clinic}`, `{link}` and the like: found in a text, and nothing else put in their place.

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
        /// the six digits
        Passcode = "passcode",
        /// until when the link or the passcode works
        Expiry = "expiry",
    }
}

impl Placeholder {
    /// As it is written.
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

/// Takes a text apart. Nothing is lost but the braces.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            found.push(Piece::Text(&rest[..at]));
        }
        let end = rest[at + 1..].find(['{', '}', '\n']).map(|end| at + 1 + end);
        match end.filter(|end| rest[at..].starts_with('{') && rest[*end..].starts_with('}')) {
            Some(end) => {
                found.push(Piece::Named(rest[at + 1..end].trim()));
                rest = &rest[end + 1..];
            }
            None => {
                found.push(Piece::Brace);
                rest = &rest[at + 1..];
            }
        }
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
