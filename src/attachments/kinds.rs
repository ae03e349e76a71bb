//! What may be attached. A file is taken where the ending of its name is allowed and its content is what that ending
//! says. Both are checked: a browser goes by the content, a patient's computer by the ending.

use super::compound::{self, Family};
use super::media;
use crate::config::Files;

/// A kind of file that Postern knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// ending of the name, in lower case
    pub ending: &'static str,
    /// the media type it is served with
    pub media_type: &'static str,
    content: Is,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    /// the library `infer` finds one of these types
    Found(&'static [&'static str]),
    /// a compound file of an older version of Office, for this program
    Compound(Family),
    /// a file of the ISO base media format with one of these brands
    Iso(&'static [&'static str]),
    /// an OpenDocument package of this type
    OpenDocument(&'static str),
    /// frames of MPEG audio layer III
    Mp3,
    /// a TIFF of either size and byte order
    Tiff,
    /// a package of Office Open XML with this folder
    Package(&'static str),
    /// plain text in any encoding, without markup
    Text,
}

const fn kind(ending: &'static str, media_type: &'static str, found: &'static [&'static str]) -> Kind {
    Kind { ending, media_type, content: Is::Found(found) }
}

const fn compound(ending: &'static str, media_type: &'static str, family: Family) -> Kind {
    Kind { ending, media_type, content: Is::Compound(family) }
}

const fn open_document(ending: &'static str, media_type: &'static str) -> Kind {
    Kind { ending, media_type, content: Is::OpenDocument(media_type) }
}

const fn iso(ending: &'static str, media_type: &'static str, brands: &'static [&'static str]) -> Kind {
    Kind { ending, media_type, content: Is::Iso(brands) }
}

/// Brands of pictures (ISO/IEC 23008-12), of films and of sound (ISO/IEC 14496-12 and -14, the register of brands at
/// mp4ra.org); a film that has sound only still has a film's brand.
const PICTURES: &[&str] = &["heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs", "mif1", "mif2", "msf1"];
const FILMS: &[&str] = &[
    "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "iso7", "iso8", "iso9", "isoa", "isob", "isoc", "mp41", "mp42",
    "mp71", "avc1", "hvc1", "av01", "dash", "msdh", "mmp4", "MSNV", "M4V ", "M4VH", "M4VP", "f4v ", "XAVC", "3gp4",
    "3gp5", "3gp6",
];
const SOUNDS: &[&str] =
    &["M4A ", "M4B ", "M4P ", "F4A ", "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "mp41", "mp42", "dash"];

const fn package(ending: &'static str, media_type: &'static str, folder: &'static str) -> Kind {
    Kind { ending, media_type, content: Is::Package(folder) }
}

const KINDS: &[Kind] = &[
    kind("pdf", "application/pdf", &["application/pdf"]),
    kind("png", "image/png", &["image/png"]),
    kind("jpg", "image/jpeg", &["image/jpeg"]),
    kind("jpeg", "image/jpeg", &["image/jpeg"]),
    kind("jfif", "image/jpeg", &["image/jpeg"]),
    kind("gif", "image/gif", &["image/gif"]),
    kind("webp", "image/webp", &["image/webp"]),
    iso("heic", "image/heic", PICTURES),
    iso("heif", "image/heif", PICTURES),
    Kind { ending: "tif", media_type: "image/tiff", content: Is::Tiff },
    Kind { ending: "tiff", media_type: "image/tiff", content: Is::Tiff },
    kind("bmp", "image/bmp", &["image/bmp"]),
    compound("doc", "application/msword", Family::Word),
    compound("xls", "application/vnd.ms-excel", Family::Excel),
    compound("ppt", "application/vnd.ms-powerpoint", Family::PowerPoint),
    package("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "word/"),
    package("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xl/"),
    package("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "ppt/"),
    open_document("odt", "application/vnd.oasis.opendocument.text"),
    open_document("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    open_document("odp", "application/vnd.oasis.opendocument.presentation"),
    kind("rtf", "application/rtf", &["application/rtf"]),
    Kind { ending: "txt", media_type: "text/plain", content: Is::Text },
    Kind { ending: "csv", media_type: "text/csv", content: Is::Text },
    Kind { ending: "mp3", media_type: "audio/mpeg", content: Is::Mp3 },
    iso("m4a", "audio/mp4", SOUNDS),
    kind("aac", "audio/aac", &["audio/aac"]),
    kind("wav", "audio/wav", &["audio/x-wav"]),
    kind("ogg", "audio/ogg", &["audio/ogg", "audio/opus"]),
    kind("flac", "audio/flac", &["audio/x-flac"]),
    iso("mp4", "video/mp4", FILMS),
    kind("dcm", "application/dicom", &["application/dicom"]),
];

/// What files the clinic takes.
#[derive(Debug, Clone)]
pub struct Policy {
    /// limit for one file, in bytes
    pub largest_file: u64,
    /// limit for all files of a message, in bytes
    pub largest_message: u64,
    kinds: Vec<&'static Kind>,
}

impl Policy {
    /// The policy that the configuration sets.
    ///
    /// # Errors
    /// One line that names the unknown ending.
    pub fn from_config(files: &Files) -> Result<Policy, String> {
        let find = |ending: &String| {
            let known: Vec<_> = KINDS.iter().map(|kind| kind.ending).collect();
            let fix = || format!("attachments.types: {ending:?} is not known: write of {}", known.join(" "));
            KINDS.iter().find(|kind| kind.ending == ending).ok_or_else(fix)
        };
        let kinds = files.types.iter().map(find).collect::<Result<_, _>>()?;
        // a file that the scanner does not take could never be served
        let scanned = files.scanner.as_ref().map_or(u64::MAX, |scanner| scanner.largest);
        Ok(Policy { largest_file: files.largest_file.min(scanned), largest_message: files.largest_message, kinds })
    }

    /// The kind that a name's ending says, if the clinic takes it.
    pub fn kind_of(&self, name: &str) -> Option<&'static Kind> {
        let (_, ending) = name.rsplit_once('.')?;
        let ending = ending.to_ascii_lowercase();
        self.kinds.iter().copied().find(|kind| kind.ending == ending)
    }

    /// The media type of a content that comes without a name: the type that its record declares, where the content is
    /// of that type, else the first type that the content matches.
    pub fn type_of(&self, inspection: &Inspection, declared: Option<&str>) -> Option<&'static str> {
        let is = || self.kinds.iter().filter(|kind| inspection.is(kind)).map(|kind| kind.media_type);
        let declared = declared.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        is().find(|media_type| declared.as_deref() == Some(*media_type)).or_else(|| is().next())
    }

    /// The endings, for a file field's `accept`: `.pdf,.png`.
    pub fn accept(&self) -> String {
        self.kinds.iter().map(|kind| format!(".{}", kind.ending)).collect::<Vec<_>>().join(",")
    }

    /// The endings, for people.
    pub fn endings(&self) -> String {
        self.kinds.iter().map(|kind| kind.ending).collect::<Vec<_>>().join(", ")
    }
}

/// The media type that a browser can show a file of this type as, in a sandbox: a PDF or a picture as it is, a TIFF or
/// a HEIC as a picture drawn from it ([`super::FileIntake::picture`]); `None` where the file can only be saved.
pub fn shown_as(media_type: &str) -> Option<&'static str> {
    let kinds = ["application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"];
    match media_type {
        drawn if super::DRAWN.contains(&drawn) => Some(super::DRAWN_AS),
        _ => kinds.into_iter().find(|kind| *kind == media_type),
    }
}

/// How much of the beginning and of the end is kept for inspection, in bytes.
const LOOKED_AT: usize = 16 * 1024;

/// What was seen of a file while it was uploaded.
#[derive(Default)]
pub struct Inspection {
    head: Vec<u8>,
    tail: Vec<u8>,
    has_nul: bool,
    size: u64,
    /// the list of streams of a compound file, or its beginning, read from the place that the header names
    directory: Vec<u8>,
}

impl Inspection {
    pub fn at(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.note_directory(bytes);
        self.size += bytes.len() as u64;
        self.has_nul |= bytes.contains(&0);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(LOOKED_AT)..]);
        let surplus = self.tail.len().saturating_sub(LOOKED_AT);
        self.tail.drain(..surplus);
    }

    /// Keeps those of these bytes that belong to a compound file's directory.
    fn note_directory(&mut self, bytes: &[u8]) {
        let Some(from) = compound::directory_at(&self.head) else { return };
        let next = from + self.directory.len() as u64;
        if self.directory.len() < LOOKED_AT
            && let Some(skip) = next.checked_sub(self.size).and_then(|skip| usize::try_from(skip).ok())
            && let Some(rest) = bytes.get(skip..)
        {
            self.directory.extend(rest.iter().take(LOOKED_AT - self.directory.len()));
        }
    }

    /// Whether an Office file opens only with a password, as far as its beginning tells.
    pub fn is_locked(&self) -> bool {
        compound::is_locked(&self.head, &self.directory)
    }

    fn holds(&self, word: &[u8]) -> bool {
        [&self.head, &self.tail].iter().any(|part| part.windows(word.len()).any(|window| window == word))
    }

    /// Whether the content is what `kind` says.
    pub fn is(&self, kind: &Kind) -> bool {
        match kind.content {
            Is::Found(types) => infer::get(&self.head).is_some_and(|found| types.contains(&found.mime_type())),
            Is::Compound(wanted) => {
                let found = compound::family(&self.directory);
                compound::is(&self.head) && found.is_none_or(|family| family == wanted || family == Family::Locked)
            }
            Is::Iso(brands) => media::brands(&self.head).any(|brand| brands.iter().any(|one| one.as_bytes() == brand)),
            Is::OpenDocument(media_type) => {
                let found = [&self.head, &self.tail].into_iter().find_map(|part| media::package_type(part));
                self.head.starts_with(b"PK\x03\x04") && found.is_some_and(|found| found == media_type.as_bytes())
            }
            Is::Mp3 => media::is_mp3(&self.head),
            Is::Tiff => [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| self.head.starts_with(mark)),
            // a package that is locked with a password is a compound file that holds it, encrypted ([MS-OFFCRYPTO])
            Is::Package(_) if compound::is(&self.head) => compound::family(&self.directory) == Some(Family::Locked),
            // names stand unencrypted before each part and in the list at the end; these kinds may hold no macros
            Is::Package(folder) => {
                self.head.starts_with(b"PK\x03\x04")
                    && self.holds(b"[Content_Types].xml")
                    && self.holds(folder.as_bytes())
                    && !self.holds(b"vbaProject")
            }
            Is::Text => self.is_text(),
        }
    }

    /// Text that no program takes for a page or a program. Its first letters alone prove nothing: "BMI" and "ID3" begin
    /// pictures and songs too, but those go on with bytes that no text has.
    fn is_text(&self) -> bool {
        match self.head_text() {
            Some(words) => !is_markup(&words) && !is_program(&words),
            None => false,
        }
    }

    /// The beginning as text: UTF-16 where it begins with that mark, UTF-8, or else Windows-1252.
    fn head_text(&self) -> Option<String> {
        let utf16 = |pair: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = self.head.chunks_exact(2).map(|two| pair([two[0], two[1]])).collect();
            Some(String::from_utf16_lossy(&units))
        };
        if self.head.starts_with(&[0xff, 0xfe]) {
            return utf16(u16::from_le_bytes);
        }
        if self.head.starts_with(&[0xfe, 0xff]) {
            return utf16(u16::from_be_bytes);
        }
        if self.has_nul {
            return None;
        }
        match std::str::from_utf8(&self.head) {
            Ok(words) => Some(words.to_owned()),
            // the part that is kept ends in the middle of a character
            Err(cause) if cause.error_len().is_none() => Some(String::from_utf8_lossy(&self.head).into_owned()),
            // any byte is a character of Windows-1252, but a text has no control characters except those for layout
            Err(_) => {
                let odd = |b: &u8| *b == 0x7f || (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c));
                (!self.head.iter().any(odd)).then(|| self.head.iter().copied().map(char::from).collect())
            }
        }
    }
}

/// Tags that browsers take for a page when nothing tells them otherwise (WHATWG MIME Sniffing §7.1), and similar ones.
const TAGS: &str = "!doctype html head script iframe h1 div font table a style title b body br p svg math img object \
                    embed link meta form input base video audio";

/// Markup: a tag at the beginning of the text, or anywhere near it one that runs or holds the others.
fn is_markup(words: &str) -> bool {
    let begin = words.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let tag = begin.strip_prefix('<').is_some_and(|rest| {
        let ends = |rest: &str| rest.starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/'));
        rest.starts_with("!--")
            || rest.starts_with("?xml")
            || TAGS.split_whitespace().any(|tag| rest.strip_prefix(tag).is_some_and(ends))
    });
    tag || ["<html", "<script", "<svg", "<!doctype"].iter().any(|tag| begin.contains(tag))
}

/// Text that another program would run, or open as something else than text.
fn is_program(words: &str) -> bool {
    let begin = words.trim_start_matches('\u{feff}');
    ["#!", "%!", "%PDF", "{\\rtf"].iter().any(|mark| begin.starts_with(mark))
}
