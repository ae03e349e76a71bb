//! Whom a file names: what in its words, or in its name, could be a health number or a date of birth.
//!
//! Only what a person could read in a hurry and send to the wrong patient is looked for. Words come from text and from
//! PDF; of a picture, or of a scanned page, nothing is known.

use super::Desk;
use crate::chart::Clues;
use crate::db::Ts;
use crate::storage::{Spooled, StorageError};
use crate::text;
use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};
use time::{Date, Month};

/// The largest PDF that is read, in bytes: it must be in memory whole. Of a larger one only the name is looked at.
pub(super) const LARGEST_PDF: u64 = 16 << 20;
/// How much of a text is looked at, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// The most that one page, and one stream of it, may unfold to, in bytes.
const LARGEST_PAGE: usize = 8 << 20;
/// Pages that are read.
const PAGES: usize = 200;
/// No further page is begun after this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is looked up of each sort.
const MOST: usize = 4_000;
/// Letters and digits of a health number: from the shortest to the longest in use.
const NUMBER: std::ops::RangeInclusive<usize> = 7..=14;
/// Groups in which people write one: `MEJM 5103 0412`, `1234-567-897-AB`.
const GROUPS: usize = 4;

impl Desk {
    /// What of a file that has come in may name somebody: of its name, and of its words where it is a text or a PDF.
    /// One PDF is read at a time, so that many at once take no more memory than one.
    ///
    /// # Errors
    /// Where what has just been written cannot be read again.
    pub(super) async fn clues(
        &self,
        spooled: Spooled,
        name: String,
        media_type: &'static str,
        now: Ts,
    ) -> Result<(Spooled, Clues), StorageError> {
        let is_pdf = media_type == "application/pdf";
        // closed never; and without a turn a PDF is only looked at by its name
        let turn = if is_pdf { self.reads_pdf.clone().acquire_owned().await.ok() } else { None };
        let storage = self.storage.clone();
        let read = tokio::task::spawn_blocking(move || {
            let words = match media_type {
                "text/plain" | "text/csv" => of_text(storage.read_spooled(&spooled)?)?,
                "application/pdf" if spooled.size() <= LARGEST_PDF && turn.is_some() => {
                    let mut bytes = Vec::new();
                    storage.read_spooled(&spooled)?.read_to_end(&mut bytes)?;
                    // a broken PDF that the library stumbles over has no words, and nothing else happens
                    std::panic::catch_unwind(|| of_pdf(&bytes)).unwrap_or_default()
                }
                _ => String::new(),
            };
            Ok((clues(&format!("{name}\n{words}"), now.get().date()), spooled))
        });
        let gone = |_| StorageError::Io(std::io::Error::other("a thread of the storage died"));
        let (clues, spooled) = read.await.map_err(gone)?.map_err(|cause: StorageError| cause)?;
        Ok((spooled, clues))
    }
}

/// The words of a text file.
pub(super) fn of_text(mut source: impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    source.by_ref().take(LONGEST_TEXT as u64).read_to_end(&mut bytes)?;
    let (utf16, swapped) = (bytes.starts_with(&[0xff, 0xfe]), bytes.starts_with(&[0xfe, 0xff]));
    if !(utf16 || swapped) {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let pairs = bytes.as_chunks::<2>().0.iter().copied();
    let units: Vec<u16> =
        pairs.map(|pair| if swapped { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }).collect();
    Ok(String::from_utf16_lossy(&units))
}

/// The words of a PDF, as far as they can be had within the limits; none where it is broken or encrypted.
pub(super) fn of_pdf(bytes: &[u8]) -> String {
    let begun = Instant::now();
    let options = lopdf::LoadOptions { max_decompressed_size: Some(LARGEST_PAGE), ..Default::default() };
    let Ok(document) = lopdf::Document::load_mem_with_options(bytes, options) else { return String::new() };
    let mut words = String::new();
    for page in document.get_pages().into_keys().take(PAGES) {
        if begun.elapsed() > PATIENCE || words.len() > LONGEST_TEXT {
            break;
        }
        if let Ok(more) = document.extract_text_with_limit(&[page], LARGEST_PAGE) {
            words.push_str(&more);
            words.push('\n');
        }
    }
    words
}

/// What is to be looked up of these words.
pub(super) fn clues(words: &str, now: Date) -> Clues {
    let tokens = tokens(words);
    Clues {
        numbers: numbers(&tokens),
        dates: dates(&tokens, now),
        words: tokens.into_iter().map(|t| t.folded).collect(),
    }
}

/// A run of letters and digits.
struct Token {
    folded: String,
    /// a single space or dash stands between it and the one before
    joined: bool,
}

fn tokens(words: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut between = String::new();
    let mut current = String::new();
    for c in words.chars().chain(['\n']) {
        if c.is_alphanumeric() {
            current.push(c);
            continue;
        }
        if !current.is_empty() {
            let joined = matches!(between.as_str(), " " | "-" | "\u{a0}" | "\u{2011}" | "\u{2013}" | "\u{202f}");
            tokens.push(Token { folded: text::fold(&current), joined });
            (current, between) = (String::new(), String::new());
        }
        between.push(c);
    }
    tokens
}

/// What could be health numbers, as they are compared: letters and digits, upper case.
fn numbers(tokens: &[Token]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for from in 0..tokens.len() {
        let mut number = String::new();
        for (at, token) in tokens[from..].iter().take(GROUPS).enumerate() {
            if at > 0 && !token.joined {
                break;
            }
            number.push_str(&token.folded.to_uppercase());
            let digits = number.bytes().filter(u8::is_ascii_digit).count();
            if NUMBER.contains(&number.chars().count()) && digits >= 5 {
                found.insert(number.clone());
            }
        }
        if found.len() >= MOST {
            break;
        }
    }
    found.into_iter().collect()
}

/// What could be dates of birth: in figures in any order, or with the month in words.
fn dates(tokens: &[Token], now: Date) -> Vec<Date> {
    let mut found = BTreeSet::new();
    for window in tokens.windows(3) {
        let [a, b, c] = [0, 1, 2].map(|at: usize| window[at].folded.as_str());
        let month = |word: &str| word.parse().ok().or_else(|| month_named(word));
        for (year, month_word, day) in [(a, b, c), (c, b, a), (c, a, b)] {
            let (Ok(year), Some(month), Ok(day)) = (year.parse::<i32>(), month(month_word), day_of(day)) else {
                continue;
            };
            let month = Month::try_from(month);
            let date = month.ok().and_then(|month| Date::from_calendar_date(year, month, day).ok());
            found.extend(date.filter(|date| date.year() > 1880 && *date <= now));
        }
        if found.len() >= MOST {
            break;
        }
    }
    found.into_iter().collect()
}

/// `4`, `04`, `4th`, `1er`.
fn day_of(word: &str) -> Result<u8, std::num::ParseIntError> {
    word.trim_end_matches(|c: char| c.is_alphabetic()).parse()
}

/// The month of an English or French name, or of its beginning, without accents.
fn month_named(word: &str) -> Option<u8> {
    const NAMES: [(&str, &str); 12] = [
        ("january", "janvier"),
        ("february", "fevrier"),
        ("march", "mars"),
        ("april", "avril"),
        ("may", "mai"),
        ("june", "juin"),
        ("july", "juillet"),
        ("august", "aout"),
        ("september", "septembre"),
        ("october", "octobre"),
        ("november", "novembre"),
        ("december", "decembre"),
    ];
    let is = |name: &str| name == word || word.len() >= 3 && name.starts_with(word);
    let at = NAMES.iter().position(|(english, french)| is(english) || is(french))?;
    u8::try_from(at + 1).ok()
}
