//! The words in a file, for the guard that asks whether it is about another patient. Pictures and scanned pages have no
//! words to read. Text is read in this process; a PDF or an Office file, which may be made to harm, by a [`reader`],
//! which also draws pictures that browsers do not show.

mod clues;
mod fax;
mod heic;
mod list;
mod office;
mod pdf;
mod picture;
mod reader;
mod rtf;

pub use picture::{AS as DRAWN_AS, DRAWN};
pub use reader::{COMMAND, read, read_list, read_picture};

use super::FileIntake;
use super::kinds::Kind;
use crate::db::Ts;
use crate::patients::Clues;
use crate::storage::{Reading, Spooled, StorageError};
use crate::text_enum;
use reader::{LARGEST, Wanted};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many bytes of words are looked at: the beginning of a file says whom it is about.
const MOST: usize = 1 << 20;
/// Stands where a PDF places two pieces side by side: only the widths of the letters would tell if it is one word or
/// two.
const PERHAPS_APART: char = '\u{1f}';
/// Endings of documents that a reader process reads.
const DOCUMENTS: [&str; 8] = ["pdf", "docx", "xlsx", "pptx", "odt", "ods", "odp", "rtf"];
/// How many files are read at the same time, which limits the memory that readers take.
const AT_ONCE: usize = 2;
/// How long a file waits for its turn, and then for its reader. After that it counts as one that cannot be read.
const PATIENCE: Duration = Duration::from_secs(15);

text_enum! {
    /// How far the guard against sending a file to the wrong patient can read it. The guard always reads its name.
    pub enum LookedAt {
        /// its words
        Words = "words",
        /// its kind has no words, like a picture
        NoWords = "no_words",
        /// its kind has words, but none were found: scanned pages
        Nothing = "nothing",
        /// it is locked with a password
        Locked = "locked",
        /// it is larger than what a reader reads
        TooLarge = "too_large",
        /// reading it failed
        Failed = "failed",
    }
}

impl LookedAt {
    /// Whether to tell the user who chose the file: it was not fully searched, and may be about somebody else.
    pub fn is_news(self) -> bool {
        !matches!(self, LookedAt::Words | LookedAt::NoWords)
    }
}

/// Reads words.
#[derive(Clone)]
pub(super) struct WordReader {
    program: PathBuf,
    seats: Arc<Semaphore>,
    /// whether the log already says that the program cannot be started
    said: Arc<AtomicBool>,
}

impl WordReader {
    /// A reader that starts this program with [`COMMAND`].
    pub fn by(program: PathBuf) -> WordReader {
        WordReader { program, seats: Arc::new(Semaphore::new(AT_ONCE)), said: Arc::default() }
    }

    /// A reader that starts the program that is running.
    pub fn by_this_program() -> WordReader {
        // on Linux this names the running version even when another was installed over it
        let running = PathBuf::from("/proc/self/exe");
        WordReader::by(if running.exists() { running } else { std::env::current_exe().unwrap_or_default() })
    }

    /// The words; none where the file cannot be read.
    async fn read(&self, reading: Reading, is_text: bool) -> (String, LookedAt) {
        let read = async { if is_text { of_text(reading).await.map(Some) } else { self.of_document(reading).await } };
        let read = tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|late| Err(late.into()));
        match read {
            Ok(None) => (String::new(), LookedAt::Locked),
            Ok(Some(words)) if words.chars().any(char::is_alphanumeric) => (words, LookedAt::Words),
            Ok(_) => (String::new(), LookedAt::Nothing),
            Err(cause) => {
                tracing::info!(%cause, "a file could not be read for the names of patients");
                (String::new(), LookedAt::Failed)
            }
        }
    }

    async fn of_document(&self, reading: Reading) -> io::Result<Option<String>> {
        let reader = reader::start(&self.program, Wanted::Words).inspect_err(|cause| {
            if !self.said.swap(true, Ordering::Relaxed) {
                let (program, command) = (self.program.display(), COMMAND);
                tracing::warn!(%program, command, %cause, "documents are not read for the names of other patients");
            }
        })?;
        reader.read_words(reading).await
    }
}

impl FileIntake {
    /// The clues in the name of an upload, and in its words where it is a text or a document; and how far it could be
    /// searched. Where reading fails, the file counts as one that was not searched.
    ///
    /// # Errors
    /// Where the file that has just been written is gone.
    pub(super) async fn clues(
        &self,
        spooled: Spooled,
        name: &str,
        kind: &Kind,
        now: Ts,
    ) -> Result<(Spooled, Clues, LookedAt), StorageError> {
        let is_text = matches!(kind.media_type, "text/plain" | "text/csv");
        let has_words = is_text || DOCUMENTS.contains(&kind.ending);
        // the seat is held until the whole file is searched
        let turn = tokio::time::timeout(PATIENCE, self.words.seats.acquire()).await;
        let (spooled, (words, looked_at)) = if !has_words {
            // the older Office formats have words, but nothing here reads them
            let unread = ["doc", "xls", "ppt"].contains(&kind.ending);
            (spooled, (String::new(), if unread { LookedAt::Failed } else { LookedAt::NoWords }))
        } else if !is_text && spooled.size() > LARGEST {
            (spooled, (String::new(), LookedAt::TooLarge))
        } else if turn.is_err() {
            tracing::info!("a file waited too long to be read for the names of patients");
            (spooled, (String::new(), LookedAt::Failed))
        } else {
            let storage = self.storage.clone();
            let open = move || {
                let reading = storage.read_spooled(&spooled);
                (spooled, reading)
            };
            let died = |_| StorageError::from(io::Error::other("a thread that opens a file died"));
            let (spooled, reading) = tokio::task::spawn_blocking(open).await.map_err(died)?;
            match reading {
                Ok(reading) => (spooled, self.words.read(reading, is_text).await),
                Err(cause) => {
                    tracing::warn!(%cause, "a file could not be opened for the names of patients");
                    (spooled, (String::new(), LookedAt::Failed))
                }
            }
        };
        let text = format!("{name}\n{words}");
        let look = move || clues::find(&text, now.get().date());
        let (clues, looked_at) = match tokio::task::spawn_blocking(look).await {
            Ok(clues) => (clues, looked_at),
            Err(cause) => {
                tracing::error!(panicked = cause.is_panic(), "a file was not searched for the names of patients");
                (Clues::default(), LookedAt::Failed)
            }
        };
        Ok((spooled, clues, looked_at))
    }
}

async fn of_text(reading: Reading) -> io::Result<String> {
    let read = move || {
        let mut bytes = Vec::new();
        reading.take(MOST as u64).read_to_end(&mut bytes)?;
        Ok(decoded(&bytes))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Text in UTF-8, in UTF-16 where it begins with that mark, and else in Windows-1252, of which only the letters matter.
fn decoded(bytes: &[u8]) -> String {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().copied().map(unit).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            // the part that is read ends in the middle of a character
            Err(cause) if cause.error_len().is_none() => String::from_utf8_lossy(bytes).into_owned(),
            Err(_) => bytes.iter().copied().map(western).collect(),
        },
    }
}

/// A character of Windows-1252. All bytes but these are as in Latin 1, which is the beginning of Unicode.
fn western(byte: u8) -> char {
    match byte {
        0x8a => 'Š',
        0x8c => 'Œ',
        0x8e => 'Ž',
        0x91 => '‘',
        0x92 => '’',
        0x96 => '–',
        0x97 => '—',
        0x9a => 'š',
        0x9c => 'œ',
        0x9e => 'ž',
        0x9f => 'Ÿ',
        byte => char::from(byte),
    }
}
