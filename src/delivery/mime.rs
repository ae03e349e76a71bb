//! The parts of a mail from outside (RFC 2045, 2046), read in one pass over its lines: without recursion, within limits
//! of bytes, levels and parts. A mail inside a mail stays one part. Thus no mail can cost more than one pass over its
//! bytes.

use std::borrow::Cow;

/// The largest mail that is read, in bytes: a returned mail has a few kB, and the words about it.
pub const LARGEST: usize = 1 << 20;
/// The most multiparts inside each other; a report has one, or two after a mailing list.
pub const DEEPEST: usize = 8;
/// The most parts that are read.
const MOST_PARTS: usize = 64;

/// Why a mail is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// more than [`LARGEST`] bytes
    TooLarge,
    /// more than [`DEEPEST`] levels, or too many parts
    TooDeep,
}

/// One part: the mail's own headers with its preamble first, then each part in order.
pub struct Part<'a> {
    /// type and subtype, in lower case
    pub kind: String,
    head: &'a [u8],
    body: &'a [u8],
}

impl<'a> Part<'a> {
    /// Its headers in order, unfolded; their names as they are written.
    pub fn headers(&self) -> impl Iterator<Item = (String, String)> + use<'a> {
        headers(self.head).into_iter()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Its text, decoded; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        let encoding = self.header("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
        let bytes = match encoding.as_str() {
            "base64" => Cow::Owned(base64(self.body)),
            "quoted-printable" => Cow::Owned(quoted_printable(self.body)),
            _ => Cow::Borrowed(self.body),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Splits a mail into its parts.
///
/// # Errors
/// When it is larger or more deeply nested than any returned mail.
pub fn parts(raw: &[u8]) -> Result<Vec<Part<'_>>, Unreadable> {
    if raw.len() > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    let mut lines = Lines { raw, at: 0 };
    let mut open: Vec<Vec<u8>> = Vec::new();
    let mut parts = Vec::new();
    loop {
        if parts.len() == MOST_PARTS {
            return Err(Unreadable::TooDeep);
        }
        let head = lines.head();
        let (kind, boundary) = content_type(head);
        if let Some(boundary) = boundary.filter(|_| kind.starts_with("multipart/")) {
            if open.len() == DEEPEST {
                return Err(Unreadable::TooDeep);
            }
            open.push(boundary.into_bytes());
        }
        let body = lines.at;
        let mut stop = lines.next_boundary(&open);
        let end = stop.map_or(raw.len(), |stop| stop.at);
        parts.push(Part { kind, head, body: raw.get(body..end).unwrap_or_default() });
        // lines between the end of an inner multipart and the next boundary of the outer one belong to no part
        loop {
            let Some(Stop { level, closes, .. }) = stop else { return Ok(parts) };
            open.truncate(if closes { level } else { level + 1 });
            if !closes {
                break;
            }
            stop = lines.next_boundary(&open);
        }
    }
}

/// A boundary line between parts.
#[derive(Clone, Copy)]
struct Stop {
    /// the position of its first byte
    at: usize,
    /// the index of the open multipart that it belongs to
    level: usize,
    /// whether it ends that multipart
    closes: bool,
}

struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its line break, and its position.
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at;
        let rest = self.raw.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        self.at = start + length;
        Some((start, rest.get(..length)?.trim_ascii_end()))
    }

    /// Reads all lines up to an empty one.
    fn head(&mut self) -> &'a [u8] {
        let start = self.at;
        while let Some((at, line)) = self.next() {
            if line.is_empty() {
                return self.raw.get(start..at).unwrap_or_default();
            }
        }
        self.raw.get(start..).unwrap_or_default()
    }

    fn next_boundary(&mut self, open: &[Vec<u8>]) -> Option<Stop> {
        while let Some((at, line)) = self.next() {
            let Some(rest) = line.strip_prefix(b"--") else { continue };
            for (level, boundary) in open.iter().enumerate().rev() {
                match rest.strip_prefix(boundary.as_slice()) {
                    Some(b"") => return Some(Stop { at, level, closes: false }),
                    Some(b"--") => return Some(Stop { at, level, closes: true }),
                    _ => {}
                }
            }
        }
        None
    }
}

fn headers(head: &[u8]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut lines = Lines { raw: head, at: 0 };
    while let Some((_, line)) = lines.next() {
        let text = String::from_utf8_lossy(line);
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((name, value)) = text.split_once(':') {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// Type and subtype in lower case, and the boundary of a multipart.
fn content_type(head: &[u8]) -> (String, Option<String>) {
    let value = headers(head).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let Some((_, value)) = value else { return ("text/plain".to_owned(), None) };
    let mut quoted = false;
    let mut pieces = value.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let kind = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
    let boundary = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    });
    (kind, boundary)
}

fn base64(body: &[u8]) -> Vec<u8> {
    let mut letters: Vec<u8> =
        body.iter().copied().filter(|b| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/').collect();
    letters.truncate(letters.len() / 4 * 4 + [0, 0, 2, 3][letters.len() % 4]);
    let mut lenient = data_encoding::BASE64_NOPAD.specification();
    lenient.check_trailing_bits = false;
    lenient.encoding().ok().and_then(|lenient| lenient.decode(&letters).ok()).unwrap_or_default()
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => after,
            (b'=', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                after
            }
            _ => {
                out.push(*byte);
                after
            }
        };
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(raw: &str) -> Result<Vec<String>, Unreadable> {
        Ok(parts(raw.as_bytes())?.into_iter().map(|part| part.kind).collect())
    }

    fn nested(levels: usize) -> String {
        let open = |n| format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n");
        (0..levels).map(open).collect::<String>() + "\r\nword\r\n"
    }

    #[test]
    fn each_part_is_found_with_its_words() {
        let raw = "To: a@b\r\nContent-Type: multipart/report;\r\n\tboundary=\"x;y\"\r\n\r\npreamble\r\n--x;y\r\n\
                   \r\nplain\r\n--x;y  \r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                   aGVsbG8\r\n--x;y\r\nContent-Type: Text/HTML\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                   a=3Db=\r\nc =C3=A9 =zz\r\n--x;y\r\nContent-Type: message/rfc822\r\n\r\n\
                   Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\ninner\r\n--q--\r\n--x;y--\r\nepilogue\r\n";
        let parts = parts(raw.as_bytes()).unwrap();
        let read: Vec<(String, String)> =
            parts.iter().map(|part| (part.kind.clone(), part.text().trim().to_owned())).collect();
        assert_eq!(parts[0].header("TO").as_deref(), Some("a@b"));
        let expected = ["preamble", "plain", "hello", "a=bc é =zz"];
        assert_eq!(read[..4].iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!((read.len(), read[3].0.as_str(), read[4].0.as_str()), (5, "text/html", "message/rfc822"));
        assert!(read[4].1.contains("inner") && !read[4].1.contains("epilogue"));
    }

    #[test]
    fn what_is_too_large_or_too_deep_is_not_read() {
        assert_eq!(kinds(&nested(DEEPEST)).unwrap().len(), DEEPEST + 1);
        assert_eq!(kinds(&nested(DEEPEST + 1)), Err(Unreadable::TooDeep));
        let many = |n: usize| nested(1) + &"--b0\r\n\r\n\r\n".repeat(n);
        assert_eq!(kinds(&many(MOST_PARTS - 2)).unwrap().len(), MOST_PARTS);
        assert_eq!(kinds(&many(MOST_PARTS - 1)), Err(Unreadable::TooDeep));
        assert!(parts(&vec![b'x'; LARGEST]).is_ok());
        assert_eq!(parts(&vec![b'x'; LARGEST + 1]).err(), Some(Unreadable::TooLarge));
        // a mail inside a mail is one part, however often it is nested
        let mails = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
        assert_eq!(kinds(&mails), Ok(vec!["message/rfc822".to_owned()]));
    }

    #[test]
    fn anything_at_all_is_read_without_harm() {
        for raw in
            ["", "\n", "--", "a", "\0", ":", " :", "Content-Type: multipart/mixed; boundary=\"\"\n\n----\n", "=", "=\r"]
        {
            assert!(parts(raw.as_bytes()).is_ok(), "{raw:?}");
        }
        for body in ["=", "=4", "=\r\n", "=\n=", "a=g1"] {
            drop(quoted_printable(body.as_bytes()));
        }
        assert_eq!((base64(b"aGVsbG"), base64(b"a"), base64(b"=?")), (b"hell".to_vec(), vec![], vec![]));
    }
}
