//! A separate process that reads a PDF or an Office file: `postern read-words` takes the file from its input and writes
//! the words to its output. Its memory and time are limited, so that a file made to harm takes down nothing but its
//! reader.

use super::picture::{self, LARGEST_PICTURE};
use super::{MOST, office, pdf, rtf};
use crate::patients::csv_list;
use crate::storage::Reading;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The command of this program that runs as a reader.
pub const COMMAND: &str = "read-words";
/// Option of the command: read a spreadsheet with a list of patients.
const LIST: &str = "--list";
/// Option of the command: draw a picture.
const PICTURE: &str = "--picture";

/// The largest file that is read, in bytes: the reader holds it whole in memory.
pub(super) const LARGEST: u64 = 32 << 20;
/// The last byte of an answer: the words stand before it, or the file opens only with a password.
const READ: u8 = 0;
const LOCKED: u8 = 1;
/// The most that the text of a list may have, in bytes.
const LONGEST_LIST: usize = 16 << 20;
/// A reader's limit of memory, in bytes of address space, and of processor time, in seconds.
const MEMORY: u64 = 512 << 20;
const SECONDS: u64 = 10;

/// A running reader. When it is dropped, the process is killed.
pub(super) struct Reader(Child);

/// What a reader is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// the words of a document
    Words,
    /// the text of a spreadsheet that is a list of patients
    List,
    /// a TIFF or HEIC as a picture that browsers show
    Picture,
}

/// Starts a reader.
///
/// # Errors
/// Where the program cannot be started.
pub(super) fn start(program: &Path, wanted: Wanted) -> io::Result<Reader> {
    let mut command = Command::new(program);
    // the reader gets no environment variables: they may hold secrets
    command.arg(COMMAND).env_clear().kill_on_drop(true);
    match wanted {
        Wanted::Words => {}
        Wanted::List => drop(command.arg(LIST)),
        // the decoder of photos takes a thread for each processor, whose memory would count too
        Wanted::Picture => drop(command.arg(PICTURE).env("RAYON_NUM_THREADS", "1")),
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    Ok(Reader(command.spawn()?))
}

impl Reader {
    /// The words of this file; `None` where it opens only with a password.
    ///
    /// # Errors
    /// Where the reader ends without an answer.
    pub async fn read_words(self, reading: Reading) -> io::Result<Option<String>> {
        Ok(self.answer(reading.stream(), MOST).await?.as_deref().map(text))
    }

    /// The text of this spreadsheet, as [`read_list`] writes it.
    ///
    /// # Errors
    /// Where it is not a spreadsheet, or cannot be read.
    pub async fn list(self, bytes: Bytes) -> io::Result<Option<String>> {
        Ok(self.answer(stream::iter([Ok(bytes)]), LONGEST_LIST).await?.as_deref().map(text))
    }

    /// This file, drawn as [`read_picture`] draws it.
    ///
    /// # Errors
    /// Where it cannot be drawn.
    pub async fn picture(self, reading: Reading) -> io::Result<Vec<u8>> {
        self.answer(reading.stream(), LARGEST_PICTURE).await?.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    async fn answer(
        mut self,
        pieces: impl Stream<Item = io::Result<Bytes>>,
        most: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let answer = self.ask(pieces, most).await;
        // the reader has answered, or never does; waiting for its end leaves no zombie process
        let _ = self.0.start_kill();
        self.0.wait().await?;
        answer
    }

    async fn ask(&mut self, pieces: impl Stream<Item = io::Result<Bytes>>, most: usize) -> io::Result<Option<Vec<u8>>> {
        let (Some(mut input), Some(output)) = (self.0.stdin.take(), self.0.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // the reader writes nothing before it has read everything
        let mut pieces = std::pin::pin!(pieces);
        while let Some(piece) = pieces.next().await {
            input.write_all(&piece?).await?;
        }
        drop(input);
        let mut answer = Vec::new();
        output.take(most as u64).read_to_end(&mut answer).await?;
        match answer.pop() {
            Some(READ) => Ok(Some(answer)),
            Some(LOCKED) if answer.is_empty() => Ok(None),
            _ => Err(io::Error::other("its reader died")),
        }
    }
}

/// The reader's side: reads a file and writes its words with a zero at the end, after giving up all rights it can
/// spare.
///
/// # Errors
/// Where it cannot read or write.
pub fn read(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    give_up()?;
    let mut bytes = Vec::new();
    from.by_ref().take(LARGEST).read_to_end(&mut bytes)?;
    match document_words(&bytes) {
        Found::Words(words) => {
            let words = words.replace('\0', " ");
            let end = words.floor_char_boundary(MOST - 1);
            to.write_all(&words.as_bytes()[..end])?;
            to.write_all(&[READ])?;
        }
        Found::Locked => to.write_all(&[LOCKED])?,
        Found::Broken => return Err(io::ErrorKind::InvalidData.into()),
    }
    to.flush()
}

/// The reader's side for a list: the names of further sheets on a line, separated by tabs, then the list as text.
///
/// # Errors
/// Where it cannot read or write, or the file is no spreadsheet.
pub fn read_list(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    give_up()?;
    let mut bytes = Vec::new();
    from.by_ref().take(LARGEST).read_to_end(&mut bytes)?;
    let list = csv_list::text_of(&bytes).filter(|list| list.text.len() < LONGEST_LIST / 2);
    let list = list.ok_or(io::ErrorKind::InvalidData)?;
    writeln!(to, "{}", list.further_sheets.join("\t"))?;
    to.write_all(list.text.as_bytes())?;
    to.write_all(&[READ])?;
    to.flush()
}

/// The reader's side for a picture: the pages of a TIFF, or a photo, as one JPEG.
///
/// # Errors
/// Where it cannot read or write, or the file cannot be drawn.
pub fn read_picture(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    give_up()?;
    let mut bytes = Vec::new();
    from.by_ref().take(LARGEST).read_to_end(&mut bytes)?;
    to.write_all(&picture::drawn(bytes).ok_or(io::ErrorKind::InvalidData)?)?;
    to.write_all(&[READ])?;
    to.flush()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What came of reading a file.
pub(super) enum Found {
    /// its words
    Words(String),
    /// it opens only with a password
    Locked,
    /// it cannot be read
    Broken,
}

/// The words of a document, whose kind is told by its content, whatever its name says.
fn document_words(bytes: &[u8]) -> Found {
    let found = match bytes {
        [b'P', b'K', ..] => office::read_text(bytes, MOST),
        [b'{', b'\\', ..] => rtf::read_text(bytes, MOST),
        _ => return pdf::read_text(bytes, MOST),
    };
    found.map_or(Found::Broken, Found::Words)
}

/// Limits memory and processor time, lowers the priority, allows no further open file, and no image of the memory when
/// the process dies.
fn give_up() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    nice(10)?;
    let limits = [(Resource::As, MEMORY), (Resource::Cpu, SECONDS), (Resource::Core, 0), (Resource::Nofile, 3)];
    for (what, most) in limits {
        setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
