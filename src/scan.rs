//! GROUND: the virus scanner. A client of clamd's INSTREAM command (clamd(8)): the file is sent in pieces, each with
//! its length before it, and the scanner answers with one line. Own code because existing libraries take every line
//! that does not say "OK" for a virus, and wait for ever.

use crate::config::{Clamd, ClamdAddress};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What the scanner found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// no virus
    Clean,
    /// a virus, by its name in the scanner's list: letters, digits, and `.-_/:()`
    Infected(String),
}

/// Why a file was not scanned. A later try may succeed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The scanner does not answer.
    #[error("the virus scanner does not answer: {0}")]
    Away(io::Error),
    /// The file is larger than the scanner takes.
    #[error("the file is larger than the virus scanner takes: raise StreamMaxLength in clamd.conf")]
    TooLarge,
    /// The scanner failed.
    #[error("the virus scanner failed: {0}")]
    Failed(String),
    /// The file itself could not be read.
    #[error("a file could not be read for the virus scanner: {0}")]
    Source(io::Error),
}

/// A clamd. Each call makes its own connection.
#[derive(Debug, Clone)]
pub struct Scanner {
    address: ClamdAddress,
    limit: Duration,
    patience: Duration,
}

/// How many bytes are sent at a time.
const CHUNK: usize = 64 * 1024;
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 4 * 1024;
/// How long connecting may take: a scanner on the same network accepts at once.
const CONNECT: Duration = Duration::from_secs(2);

impl Scanner {
    /// The scanner of the configuration. Nothing is sent yet: the scanner may start after this program.
    pub fn new(config: &Clamd) -> Scanner {
        Scanner { address: config.address.clone(), limit: config.timeout, patience: config.patience }
    }

    /// The same scanner with a shorter time limit, for when somebody waits for the answer.
    pub fn in_haste(&self) -> Scanner {
        Scanner { limit: self.limit.min(self.patience), ..self.clone() }
    }

    /// Scans all of `source`. Blocks the thread.
    ///
    /// # Errors
    /// See [`ScanError`]. An answer that is not understood is an error: neither clean nor a virus.
    pub fn scan(&self, source: &mut impl Read) -> Result<Verdict, ScanError> {
        let mut line = self.connect().map_err(ScanError::Away)?;
        let sent = stream(&mut line, source);
        if let Err(Broken::Source(cause)) = sent {
            return Err(ScanError::Source(cause));
        }
        // a scanner may answer and close the connection before everything is sent: its answer still counts
        let said = line.answer();
        match (sent, said) {
            (_, Ok(answer)) if !answer.is_empty() => judged(&answer),
            (Err(Broken::Line(cause)), _) | (_, Err(cause)) => Err(ScanError::Away(cause)),
            (_, Ok(_)) => Err(ScanError::Away(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// The scanner's version, and the date of its list.
    ///
    /// # Errors
    /// Where the scanner does not answer.
    pub fn version(&self) -> Result<String, ScanError> {
        let ask = || {
            let mut line = self.connect()?;
            line.write_all(b"zVERSION\0")?;
            line.answer()
        };
        ask().map_err(ScanError::Away)
    }

    fn connect(&self) -> io::Result<Line> {
        let connection = match &self.address {
            ClamdAddress::Tcp(host, port) => {
                let mut last = io::Error::from(io::ErrorKind::NotFound);
                let addresses = (host.as_str(), *port).to_socket_addrs()?;
                let tried = addresses.map(|address| TcpStream::connect_timeout(&address, CONNECT));
                let found = tried.filter_map(|one| one.map_err(|cause| last = cause).ok()).next();
                Connection::Tcp(found.ok_or(last)?)
            }
            ClamdAddress::Unix(path) => Connection::Unix(UnixStream::connect(path)?),
        };
        Ok(Line { connection, until: Instant::now() + self.limit })
    }
}

enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection with one time limit for everything on it.
struct Line {
    connection: Connection,
    until: Instant,
}

enum Broken {
    Source(io::Error),
    Line(io::Error),
}

impl Line {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut answer = Vec::new();
        match Read::by_ref(self).take(LONGEST_ANSWER).read_to_end(&mut answer) {
            // the scanner closed while this side was still sending: an answer that is complete counts
            Err(_) if answer.ends_with(&[0]) => {}
            other => drop(other?),
        }
        Ok(String::from_utf8_lossy(&answer).trim_end_matches(['\0', '\n']).to_owned())
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        match &mut self.connection {
            Connection::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(into)),
            Connection::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(into)),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        match &mut self.connection {
            Connection::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
            Connection::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(bytes)),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stream(line: &mut Line, source: &mut impl Read) -> Result<(), Broken> {
    line.write_all(b"zINSTREAM\0").map_err(Broken::Line)?;
    let mut piece = Vec::with_capacity(CHUNK + 4);
    loop {
        piece.clear();
        piece.extend_from_slice(&[0; 4]);
        let count = Read::by_ref(source).take(CHUNK as u64).read_to_end(&mut piece).map_err(Broken::Source)?;
        piece[..4].copy_from_slice(&(count as u32).to_be_bytes());
        // a piece of length zero ends the file
        line.write_all(&piece).map_err(Broken::Line)?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// The verdict in an answer: `stream: OK`, `stream: NAME FOUND`, or `… ERROR`.
fn judged(answer: &str) -> Result<Verdict, ScanError> {
    if answer == "stream: OK" {
        return Ok(Verdict::Clean);
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '(' | ')');
    if let Some(name) = answer.strip_prefix("stream: ").and_then(|rest| rest.strip_suffix(" FOUND")) {
        return Ok(Verdict::Infected(name.chars().filter(plain).take(80).collect()));
    }
    if answer.contains("size limit exceeded") {
        return Err(ScanError::TooLarge);
    }
    Err(ScanError::Failed(answer.chars().filter(|c| !c.is_control()).take(120).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_understood_counts() {
        assert_eq!(judged("stream: OK").unwrap(), Verdict::Clean);
        assert_eq!(judged("stream: Eicar-Test FOUND").unwrap(), Verdict::Infected("Eicar-Test".into()));
        assert!(matches!(judged("INSTREAM size limit exceeded. ERROR"), Err(ScanError::TooLarge)));
        for odd in ["", "OK", "stream: ", "stream: x ERROR", "UNKNOWN COMMAND", "stream: OK FOUND ERROR"] {
            assert!(matches!(judged(odd), Err(ScanError::Failed(_))), "{odd:?}");
        }
    }
}
