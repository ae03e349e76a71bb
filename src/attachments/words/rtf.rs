//! The words of a file in Rich Text Format (version 1.9.1), without its tables of fonts, colours and styles, its pictures
//! and whatever else is not shown.

use super::western;

/// How deep groups are followed; a deeper group is read as part of its outer group.
const DEPTH: usize = 500;
/// Groups that show nothing.
const UNSEEN: [&str; 12] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "listtable",
    "listoverridetable",
    "pict",
    "object",
    "themedata",
    "datastore",
    "latentstyles",
    "rsidtbl",
    "generator",
];

/// The state that applies within a group.
#[derive(Clone, Copy)]
struct Group {
    shown: bool,
    /// how many characters stand behind each Unicode character, for older programs
    behind: usize,
}

/// The words, about `most` bytes at the most; `None` where it is not an RTF file.
pub fn read_text(bytes: &[u8], most: usize) -> Option<String> {
    let begin = bytes.strip_prefix(b"{\\rtf")?;
    let version = begin.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = begin.get(version..)?;
    let mut words = String::new();
    let (mut group, mut outer) = (Group { shown: true, behind: 1 }, Vec::new());
    // the first half of a character of two UTF-16 units, and how many characters to skip
    let (mut half, mut skip) = (None, 0usize);
    while let Some((first, after)) = rest.split_first() {
        if words.len() >= most {
            break;
        }
        rest = after;
        match first {
            b'{' => {
                if outer.len() < DEPTH {
                    outer.push(group);
                }
                skip = 0;
            }
            b'}' => {
                group = outer.pop().unwrap_or(group);
                skip = 0;
            }
            b'\r' | b'\n' => {}
            b'\\' => {
                let (word, number, after) = control(rest);
                rest = after;
                match word {
                    "'" => match std::mem::take(&mut skip) {
                        0 if group.shown => words.extend(number.and_then(|byte| u8::try_from(byte).ok()).map(western)),
                        left => skip = left.saturating_sub(1),
                    },
                    "u" => {
                        skip = group.behind;
                        let unit = number.map(|unit| unit.rem_euclid(0x1_0000) as u16);
                        let units: Vec<u16> = half.take().into_iter().chain(unit).collect();
                        match String::from_utf16(&units) {
                            Ok(text) if group.shown => words.push_str(&text),
                            Ok(_) => {}
                            Err(_) => half = unit,
                        }
                    }
                    "uc" => group.behind = number.and_then(|count| usize::try_from(count).ok()).unwrap_or(1).min(9),
                    "bin" => {
                        let length = number.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                        rest = rest.get(length..).unwrap_or_default();
                    }
                    // a group that a program leaves out where it does not know it
                    "*" => group.shown = false,
                    word if UNSEEN.contains(&word) => group.shown = false,
                    word if group.shown => words.push_str(stands_for(word)),
                    _ => {}
                }
            }
            _ if skip > 0 => skip -= 1,
            byte if group.shown => words.push(western(*byte)),
            _ => {}
        }
    }
    Some(words)
}

/// A control word or sign, its number, and what stands behind it.
fn control(bytes: &[u8]) -> (&str, Option<i32>, &[u8]) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).take(32).count();
    if letters == 0 {
        let (sign, rest) = bytes.split_at_checked(1).unwrap_or_default();
        if sign != b"'" {
            return (text(sign), None, rest);
        }
        let (digits, rest) = rest.split_at_checked(2).unwrap_or_default();
        return ("'", i32::from_str_radix(text(digits), 16).ok(), rest);
    }
    let (word, rest) = bytes.split_at_checked(letters).unwrap_or_default();
    let digits = rest.iter().enumerate().take_while(|(at, byte)| byte.is_ascii_digit() || *at == 0 && **byte == b'-');
    let digits = digits.take(11).count();
    let (digits, rest) = rest.split_at_checked(digits).unwrap_or_default();
    // one space belongs to the word
    (text(word), text(digits).parse().ok(), rest.strip_prefix(b" ").unwrap_or(rest))
}

fn stands_for(word: &str) -> &'static str {
    match word {
        "par" | "line" | "sect" | "page" | "row" | "cell" | "nestcell" | "nestrow" => "\n",
        "tab" => "\t",
        "~" | "emspace" | "enspace" => " ",
        "_" | "endash" | "emdash" => "-",
        "rquote" | "lquote" => "\u{2019}",
        "{" => "{",
        "}" => "}",
        "\\" => "\\",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_shown() {
        let of = |text: &str| read_text(text.as_bytes(), 1 << 20).unwrap();
        assert_eq!(
            of(r"{\rtf1\ansi{\fonttbl{\f0 Times;}}\f0 Mar{\b tin}\par C\'f4t\'e9, Jean\_Fran\'e7ois}"),
            "Martin\nCôté, Jean-François"
        );
        assert_eq!(
            of(r"{\rtf1{\*\generator X;}{\info{\title Zo\u233\'e9}}\u8211 -\uc0\u55357\u56397 x}").replace("Zoé", ""),
            "–👍x"
        );
        assert_eq!(of(r"{\rtf1\bin3 }}}a\{b\}"), "a{b}");
        assert!(read_text(b"{\\rt", 9).is_none());
        for cut in 0..40 {
            let text = r"{\rtf1\u233\'e9 \'e\bin99999999999 \u-3 {{\*\x";
            read_text(text.as_bytes().get(..cut.min(text.len())).unwrap(), 99);
        }
    }
}
