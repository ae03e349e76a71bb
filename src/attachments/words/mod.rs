//! The words in a file, for the guard that asks whether it is about another patient. Of a picture, or of a scanned page,
//! nothing is known. Text is read here; a PDF, which anybody may have made to harm, by a [`reader`].

mod clues;
mod pdf;
mod reader;

pub use reader::{COMMAND, read};

use super::Desk;
use crate::db::Ts;
use crate::patients::Clues;
use crate::storage::{Reading, Spooled, StorageError};
use reader::LARGEST_PDF;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// So much of the words is looked at, in bytes: the beginning of a file says whom it is about.
const MOST: usize = 1 << 20;
/// Stands where a PDF places two pieces side by side: one word or two, which is not known without measuring letters.
const PERHAPS_APART: char = '\u{1f}';
/// So many files are read at the same time: many at once take no more memory than these.
const AT_ONCE: usize = 2;
/// So long a file waits for its turn, and then for its reader. After that it is taken as one that cannot be read.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads words.
#[derive(Clone)]
pub(super) struct Words {
    program: PathBuf,
    seats: Arc<Semaphore>,
    /// it has been said that the program cannot be started
    said: Arc<AtomicBool>,
}

impl Words {
    /// With this program as the one that knows [`COMMAND`].
    pub fn by(program: PathBuf) -> Words {
        Words { program, seats: Arc::new(Semaphore::new(AT_ONCE)), said: Arc::default() }
    }

    /// With the program that is running.
    pub fn by_this_program() -> Words {
        // on Linux it is this one still when another version was installed over it
        let running = PathBuf::from("/proc/self/exe");
        Words::by(if running.exists() { running } else { std::env::current_exe().unwrap_or_default() })
    }

    /// The words; none where the file cannot be read.
    async fn of(&self, reading: Reading, is_pdf: bool) -> String {
        let read = async { if is_pdf { self.of_pdf(reading).await } else { of_text(reading).await } };
        let read = tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|late| Err(late.into()));
        read.unwrap_or_else(|cause| {
            tracing::info!(%cause, "a file could not be read for the names of patients");
            String::new()
        })
    }

    async fn of_pdf(&self, reading: Reading) -> io::Result<String> {
        let reader = reader::start(&self.program).inspect_err(|cause| {
            if !self.said.swap(true, Ordering::Relaxed) {
                let (program, command) = (self.program.display(), COMMAND);
                tracing::warn!(%program, command, %cause, "PDF files are not read for the names of other patients");
            }
        })?;
        reader.words(reading).await
    }
}

impl Desk {
    /// What of a file that has come in may name somebody: of its name, and of its words where it is a text or a PDF.
    ///
    /// # Errors
    /// Where what has just been written cannot be read again.
    pub(super) async fn clues(
        &self,
        spooled: Spooled,
        name: &str,
        media_type: &str,
        now: Ts,
    ) -> Result<(Spooled, Clues), StorageError> {
        let died = |_| StorageError::from(io::Error::other("a thread that reads a file died"));
        let is_pdf = media_type == "application/pdf";
        let readable = matches!(media_type, "text/plain" | "text/csv") || is_pdf && spooled.size() <= LARGEST_PDF;
        // kept until all is looked at
        let turn = tokio::time::timeout(PATIENCE, self.words.seats.acquire()).await;
        let (spooled, words) = if readable && turn.is_ok() {
            let storage = self.storage.clone();
            let open = move || storage.read_spooled(&spooled).map(|reading| (spooled, reading));
            let (spooled, reading) = tokio::task::spawn_blocking(open).await.map_err(died)??;
            (spooled, self.words.of(reading, is_pdf).await)
        } else {
            (spooled, String::new())
        };
        let text = format!("{name}\n{words}");
        let look = move || clues::of(&text, now.get().date());
        Ok((spooled, tokio::task::spawn_blocking(look).await.map_err(died)?))
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

/// Text in UTF-8, in UTF-16 where it begins with its mark, and else in Windows-1252, of which only the letters count.
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
            // cut in the middle of a character
            Err(cause) if cause.error_len().is_none() => String::from_utf8_lossy(bytes).into_owned(),
            // the letters of Windows-1252 are those of Latin 1, which are the first of Unicode
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    }
}
