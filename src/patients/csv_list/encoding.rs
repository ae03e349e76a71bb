//! The text of a file in any encoding: CSV has no place to name it.

use encoding_rs::{Encoding, MACINTOSH, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// The text; `None` where the bytes are no text.
pub(super) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
        return is_text(&text).then_some(text);
    }
    // NUL is no character of a list, but half of each ASCII letter in UTF-16
    if bytes.contains(&0) {
        let nuls = |from: usize| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
        let encoding = if nuls(1) > nuls(0) { UTF_16LE } else { UTF_16BE };
        let (text, broken) = encoding.decode_without_bom_handling(bytes);
        return (!broken && is_text(&text)).then_some(text);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return is_text(text).then_some(Cow::Borrowed(text));
    }
    // a list may be put together from two: only lines with unreadable letters are left out
    if is_nearly_utf_8(bytes) {
        return Some(String::from_utf8_lossy(bytes)).filter(|text| is_text(text));
    }
    let text = of_one_byte(bytes)?;
    is_text(&text).then_some(text)
}

/// Old records sometimes contain a stray control character; a file full of them is no text.
fn is_text(text: &str) -> bool {
    let is_stray =
        |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{1a}' | '\u{85}');
    text.chars().filter(is_stray).count() * ONE_STRAY_IN <= text.len()
}

/// One in this many bytes may be a stray control character.
const ONE_STRAY_IN: usize = 50;

fn is_nearly_utf_8(bytes: &[u8]) -> bool {
    let (mut letters, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    letters > broken
}

/// Reads an encoding of one byte a character: Windows-1252, Excel's "CSV (Macintosh)" or "CSV (MS-DOS)", whichever
/// reads best as French; else a general guess, which does not know the last two.
fn of_one_byte(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let one =
        |encoding: &'static Encoding| move |byte: u8| encoding.decode_without_bom_handling(&[byte]).0.chars().next();
    let (windows, mac, dos) = (french(bytes, one(WINDOWS_1252)), french(bytes, one(MACINTOSH)), french(bytes, of_dos));
    // the name Noël alone fits both encodings: the letter â is rarer in names
    if dos > windows && dos >= mac {
        return bytes.iter().map(|byte| of_dos(*byte)).collect::<Option<String>>().map(Cow::Owned);
    }
    let accented = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let encoding = if mac > windows {
        MACINTOSH
    } else if windows * 3 >= accented * 2 {
        WINDOWS_1252
    } else {
        let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
        detector.feed(bytes, true);
        detector.guess(None, chardetng::Utf8Detection::Deny)
    };
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    (!broken).then_some(text)
}

/// How many bytes are French letters inside words, or marks where such marks stand.
fn french(bytes: &[u8], decode: impl Fn(u8) -> Option<char>) -> usize {
    const SMALL: &str = "éèêëàâçîïôùûüœ";
    const LARGE: &str = "ÉÈÊËÀÂÇÎÏÔÙÛÜŒ";
    let letters: Vec<Option<char>> = (0x80..=u8::MAX).map(decode).collect();
    let fits = |at: usize, byte: u8| {
        let letter = letters.get(usize::from(byte).checked_sub(0x80)?).copied().flatten()?;
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        let in_word = before.is_ascii_alphabetic() || !before.is_ascii();
        let small = SMALL.contains(letter) && in_word && !(before.is_ascii_uppercase() && after.is_ascii_uppercase());
        let begins = !before.is_ascii_alphabetic() || !after.is_ascii_lowercase();
        let within = before.is_ascii_alphabetic() && after.is_ascii_alphabetic();
        let mark = (letter == '’' && before.is_ascii_alphabetic()) || ("“”–—…".contains(letter) && !within);
        Some(mark || small || (LARGE.contains(letter) && !before.is_ascii_lowercase() && begins))
    };
    bytes.iter().enumerate().filter(|(at, byte)| fits(*at, **byte) == Some(true)).count()
}

/// The upper half of code page 850, of DOS in Western Europe and Québec.
const DOS: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
    ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

fn of_dos(byte: u8) -> Option<char> {
    match byte.checked_sub(0x80) {
        None => Some(char::from(byte)),
        Some(at) => DOS.chars().nth(usize::from(at)),
    }
}
