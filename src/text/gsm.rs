//! Text messages as networks count them: in the seven-bit alphabet of 3GPP TS 23.038 or in UCS-2, and in how many parts
//! a text is sent and billed (3GPP TS 23.040, 9.2.3.24.1).

/// The default alphabet, in the order of the standard's table without its escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table: each character takes an escape and a second septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// seven bits for each character
    Gsm7,
    /// two bytes for each character, four for those beyond the basic plane
    Ucs2,
}

impl Coding {
    /// How many [`Parts::units`] fit in a text of one part, and in each part of a longer one.
    const fn room(self) -> (usize, usize) {
        match self {
            Coding::Gsm7 => (160, 153),
            Coding::Ucs2 => (70, 67),
        }
    }
}

/// The length of a text, and how many parts it is sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// how it is coded
    pub coding: Coding,
    /// how many septets, or 16-bit units
    pub units: usize,
    /// how many parts; 0 for an empty text
    pub parts: usize,
    /// units that still fit in the last part
    pub left: usize,
    /// the characters that are not in the seven-bit alphabet, each once, in the order of the text
    pub forcing: Vec<char>,
}

/// Septets of a character; `None` where the alphabet does not have it.
fn septets(c: char) -> Option<usize> {
    match c {
        _ if BASIC.contains(c) => Some(1),
        _ if EXTENSION.contains(c) => Some(2),
        _ => None,
    }
}

/// Whether a text can be sent in the seven-bit alphabet; any other character makes all of it a UCS-2 text.
pub fn is_gsm7(text: &str) -> bool {
    text.chars().all(|c| septets(c).is_some())
}

/// The text in the seven-bit alphabet, as far as similar letters exist: "Forêt" becomes "Foret", "é" stays.
pub fn in_gsm7(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let mut out = String::with_capacity(text.len());
    // French sets spaces inside its quotation marks; English sets none
    let mut opened = false;
    for c in text.nfc() {
        if std::mem::take(&mut opened) && c.is_whitespace() {
            continue;
        }
        match c {
            '«' => {
                out.push('"');
                opened = true;
            }
            '»' => {
                while out.ends_with(char::is_whitespace) {
                    out.pop();
                }
                out.push('"');
            }
            _ if septets(c).is_some() => out.push(c),
            '\u{2018}' | '\u{2019}' | '\u{2032}' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            '\u{2010}'..='\u{2015}' => out.push('-'),
            'œ' => out.push_str("oe"),
            'Œ' => out.push_str("OE"),
            '…' => out.push_str("..."),
            _ if c.is_whitespace() => out.push(' '),
            _ => {
                let like: String = std::iter::once(c).nfkd().filter(|c| septets(*c).is_some()).collect();
                if like.is_empty() { out.push(c) } else { out.push_str(&like) }
            }
        }
    }
    out
}

/// Whether a piece of a text is wholly in its first part: of a longer text, some gateways report only on that part.
pub fn in_first_part(text: &str, piece: &str) -> bool {
    if parts(text).parts <= 1 {
        return true;
    }
    text.find(piece).and_then(|at| text.get(..at + piece.len())).is_some_and(|start| {
        let (coding, (_, room)) = (parts(text).coding, parts(text).coding.room());
        let size = |c: char| if coding == Coding::Gsm7 { septets(c).unwrap_or(1) } else { c.len_utf16() };
        start.chars().map(size).sum::<usize>() <= room
    })
}

/// Counts a text. A character of two units is never split: it moves to the next part.
pub fn parts(text: &str) -> Parts {
    let mut forcing: Vec<char> = Vec::new();
    for c in text.chars().filter(|c| septets(*c).is_none()) {
        if !forcing.contains(&c) {
            forcing.push(c);
        }
    }
    let coding = if forcing.is_empty() { Coding::Gsm7 } else { Coding::Ucs2 };
    let size = |c: char| if coding == Coding::Gsm7 { septets(c).unwrap_or(1) } else { c.len_utf16() };
    let units: usize = text.chars().map(size).sum();
    let (alone, each) = coding.room();
    if units <= alone {
        return Parts { coding, units, parts: usize::from(units > 0), left: alone - units, forcing };
    }
    let (mut parts, mut used) = (1, 0);
    for c in text.chars() {
        if used + size(c) > each {
            (parts, used) = (parts + 1, 0);
        }
        used += size(c);
    }
    Parts { coding, units, parts, left: each - used, forcing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> (Coding, usize, usize, usize) {
        let parts = parts(text);
        (parts.coding, parts.units, parts.parts, parts.left)
    }

    #[test]
    fn the_table_is_the_standards() {
        // 128 positions without the escape
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
    }

    #[test]
    fn texts_are_cut_where_the_standard_cuts_them() {
        assert_eq!(counted(""), (Coding::Gsm7, 0, 0, 160));
        assert_eq!(counted(&"a".repeat(160)), (Coding::Gsm7, 160, 1, 0));
        assert_eq!(counted(&"a".repeat(161)), (Coding::Gsm7, 161, 2, 145));
        assert_eq!(counted(&"a".repeat(306)), (Coding::Gsm7, 306, 2, 0));
        assert_eq!(counted(&"a".repeat(307)), (Coding::Gsm7, 307, 3, 152));
        assert_eq!(counted(&"€".repeat(80)), (Coding::Gsm7, 160, 1, 0));
        // an escape never stands at the end of a part: the first part uses 152 of its 153 septets
        assert_eq!(counted(&"€".repeat(81)), (Coding::Gsm7, 162, 2, 143));
        assert_eq!(counted(&"ê".repeat(70)), (Coding::Ucs2, 70, 1, 0));
        assert_eq!(counted(&"ê".repeat(71)), (Coding::Ucs2, 71, 2, 63));
        assert_eq!(counted(&"👋".repeat(35)), (Coding::Ucs2, 70, 1, 0));
        assert_eq!(counted(&"👋".repeat(36)), (Coding::Ucs2, 72, 2, 61));
    }

    #[test]
    fn letters_have_like_ones() {
        let plain = in_gsm7("Clinique de la Forêt\u{a0}: l’œuvre « ça » — cœur, é è Ç, Œ…");
        assert_eq!(plain, "Clinique de la Foret : l'oeuvre \"ca\" - coeur, é è Ç, OE...");
        assert!(is_gsm7(&plain));
        assert_eq!(in_gsm7("ᐃᓄᒃᑎᑐᑦ"), "ᐃᓄᒃᑎᑐᑦ");
    }

    #[test]
    fn the_first_part_is_the_first_153() {
        let link = "https://x.example/l";
        let text = |before: usize, after: usize| format!("{}{link}{}", "a".repeat(before), "b".repeat(after));
        assert!(in_first_part(&text(141, 0), link), "one part");
        assert!(in_first_part(&text(153 - link.len(), 30), link));
        assert!(!in_first_part(&text(154 - link.len(), 30), link));
        assert!(!in_first_part(&format!("ê{}", text(67 - link.len(), 30)), link));
    }

    #[test]
    fn what_forces_the_longer_coding_is_named() {
        assert_eq!(parts("Ça va, Zoé ? c’est prêt, c’est tôt").forcing, ['’', 'ê', 'ô']);
        assert!(is_gsm7("Ç é à {[~]}") && !is_gsm7("ç"));
    }
}
