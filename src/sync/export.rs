//! Reads all records from the files of an export (Bulk Data Access, HL7 2.0), where a source makes one: a few requests in
//! place of thousands.

use super::progress::{self, Progress};
use super::round::{LARGEST, OVERLAP, PATIENT, Stop, Work};
use super::source::{Export, Refusal, Source};
use crate::attachments::ImportError;
use crate::db::{DbError, Ts};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// How many records, and how many bytes of them, are stored in one stretch.
const LINES: i64 = 500;
const BYTES: usize = 4 << 20;

/// How long an export may take, and how long its source may be away meanwhile, from when the round began: after that the
/// pages are read.
const LONGEST: Duration = Duration::hours(24);
const LONGEST_AWAY: Duration = Duration::hours(2);

/// The list of the files of an export.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    transaction_time: String,
    #[serde(default)]
    output: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    r#type: String,
    url: String,
    count: Option<i64>,
}

impl Manifest {
    /// The list, and when its records were taken, by the server's own clock; `None` where it is no such list.
    fn read(json: &[u8]) -> Option<(Manifest, Ts)> {
        let manifest: Manifest = serde_json::from_slice(json).ok()?;
        let made_at = OffsetDateTime::parse(&manifest.transaction_time, &Rfc3339).ok()?;
        Some((manifest, made_at.into()))
    }
}

/// The lines of several files, one file after the other.
struct Lines {
    files: VecDeque<String>,
    open: Option<Box<dyn BufRead + Send>>,
}

/// Some records, one on each line, and how many.
type Piece = (Vec<u8>, i64);

impl Lines {
    /// The next lines, at most so many; none at the end.
    fn next(&mut self, source: &dyn Source, most: i64) -> Result<Piece, Refusal> {
        loop {
            let Some(reader) = &mut self.open else {
                let Some(file) = self.files.pop_front() else { return Ok((Vec::new(), 0)) };
                self.open = Some(Box::new(BufReader::new(source.open(&file)?)));
                continue;
            };
            let (bytes, count) = some_lines(reader.as_mut(), most)?;
            if count > 0 {
                return Ok((bytes, count));
            }
            self.open = None;
        }
    }
}

/// Reads lines that are not empty, at most so many.
fn some_lines(reader: &mut dyn BufRead, most: i64) -> Result<Piece, Refusal> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    while count < most && bytes.len() < BYTES {
        let before = bytes.len();
        let read = Read::take(&mut *reader, LARGEST).read_until(b'\n', &mut bytes).map_err(|_| Refusal::Away)?;
        if read == 0 {
            break;
        }
        if read as u64 >= LARGEST {
            return Err(Refusal::TooLarge);
        }
        if bytes.get(before..).unwrap_or_default().trim_ascii().is_empty() {
            bytes.truncate(before);
            continue;
        }
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        count += 1;
    }
    Ok((bytes, count))
}

impl Work<'_> {
    /// Reads the types that an export has, where the source makes one. What it does not give is read page by page after it.
    pub async fn read_export(
        &self,
        kinds: &[&'static str],
        stands: &mut BTreeMap<String, Progress>,
    ) -> Result<(), Stop> {
        let Some(address) = self.export_address(kinds, stands).await? else { return Ok(()) };
        let (source, target) = (self.source.clone(), address.clone());
        let look = self.blocking(move || source.look_at_export(&target, LARGEST)).await;
        let manifest = match look {
            Ok(Export::Ready(json)) => json,
            Ok(Export::Waiting(_)) if self.age() > LONGEST => return self.without_export(stands).await,
            Ok(Export::Waiting(pause)) => return Err(Stop::Asked(Refusal::Later(pause))),
            Err(Stop::Asked(Refusal::Later(pause))) if self.age() <= LONGEST => {
                return Err(Stop::Asked(Refusal::Later(pause)));
            }
            Err(Stop::Asked(refusal)) if refusal.is_gone() || self.age() > LONGEST_AWAY => {
                return self.without_export(stands).await;
            }
            Err(stop) => return Err(stop),
        };
        let Some((manifest, made_at)) = Manifest::read(&manifest) else { return self.without_export(stands).await };
        // without the patients nobody could tell whose the other records are
        if !manifest.output.iter().any(|file| file.r#type == PATIENT) {
            return self.without_export(stands).await;
        }
        let since = made_at.plus(-OVERLAP);
        for kind in kinds {
            let at = stands.remove(*kind).unwrap_or_else(|| Progress::beginning(kind));
            if at.is_done {
                stands.insert((*kind).to_owned(), at);
                continue;
            }
            let files: Vec<&Output> = manifest.output.iter().filter(|file| file.r#type == **kind).collect();
            // the server may have none, or may not export this type: its pages tell
            if files.is_empty() {
                stands.insert((*kind).to_owned(), at);
                continue;
            }
            let total = files.iter().map(|file| file.count).sum::<Option<i64>>();
            let at = Progress { total, is_counted: true, since_next: Some(since), ..at };
            let files = files.into_iter().map(|file| file.url.clone()).collect();
            match self.read_files(files, at).await {
                Ok(at) => drop(stands.insert((*kind).to_owned(), at)),
                Err(Stop::Asked(refusal)) if refusal.is_gone() || self.age() > LONGEST => {
                    return self.without_export(stands).await;
                }
                // a line that cannot be read hides those after it; a page holds less
                Err(Stop::Import(ImportError::Fhir(_))) => return self.without_export(stands).await,
                Err(stop) => return Err(stop),
            }
            if *kind == PATIENT {
                self.make_charts().await?;
            }
        }
        // nobody asks for it again, whatever happens to the rest of the round
        self.write(|tx, claim| progress::put_export(tx, &claim.source, None)).await?;
        let source = self.source.clone();
        self.blocking(move || {
            source.end_export(&address);
            Ok(())
        })
        .await
    }

    /// How long ago the round began, and so at least the export.
    fn age(&self) -> Duration {
        self.now().since(self.claim.begun_at)
    }

    /// The address that tells of this round's export: the one that was written down, or that of a new one, unless the round
    /// has begun to read pages.
    async fn export_address(
        &self,
        kinds: &[&'static str],
        stands: &BTreeMap<String, Progress>,
    ) -> Result<Option<String>, Stop> {
        let name = self.claim.source.clone();
        let read = self.parts.db.read(move |conn| -> Result<_, Stop> { Ok(progress::export(conn, &name)?) });
        if let Some(address) = read.await? {
            return Ok(Some(address));
        }
        if stands.values().any(Progress::is_begun) {
            return Ok(None);
        }
        let (source, wanted) = (self.source.clone(), kinds.join(","));
        let started = match self.blocking(move || source.start_export(&wanted)).await {
            Ok(started) => started,
            // where it knows no export it may answer with anything: the pages tell whether it is there
            Err(Stop::Asked(refusal)) if !matches!(refusal, Refusal::Later(_)) => None,
            Err(stop) => return Err(stop),
        };
        if let Some(address) = started.clone() {
            self.write(move |tx, claim| progress::put_export(tx, &claim.source, Some(&address))).await?;
        }
        Ok(started)
    }

    /// Gives the export up: what it has not given whole is read page by page, from the beginning.
    async fn without_export(&self, stands: &mut BTreeMap<String, Progress>) -> Result<(), Stop> {
        stands.retain(|_, at| at.is_done);
        self.write(|tx, claim| progress::put_export(tx, &claim.source, None)).await
    }

    /// Stores the records of one type, from where the round stands.
    async fn read_files(&self, files: VecDeque<String>, mut at: Progress) -> Result<Progress, Stop> {
        let mut lines = Lines { files, open: None };
        let mut to_skip = at.seen;
        loop {
            let source = self.source.clone();
            let most = if to_skip > 0 { to_skip.min(LINES) } else { LINES };
            let (given_back, read) = self
                .blocking(move || {
                    let read = lines.next(source.as_ref(), most)?;
                    Ok((lines, read))
                })
                .await?;
            lines = given_back;
            let (bytes, count) = read;
            if count == 0 {
                at = Progress { is_done: true, since: at.since_next, ..at };
                self.take(None, at.clone()).await?;
                return Ok(at);
            }
            if to_skip > 0 {
                to_skip -= count;
                // nothing is stored, and the lease is held all the same
                self.write(|_, _| Ok(())).await?;
                continue;
            }
            at.seen += count;
            self.take(Some(bytes), at.clone()).await?;
        }
    }

    /// Does what blocks in a thread of its own.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Stop> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Stop::Db(DbError::Gone))?.map_err(Stop::Asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_stretches_and_empty_ones_do_not_count() {
        let mut text: &[u8] = b"{\"a\":1}\n\n{\"a\":2}\r\n  \n{\"a\":3}";
        let two = some_lines(&mut text, 2).unwrap();
        assert_eq!(two, (b"{\"a\":1}\n{\"a\":2}\r\n".to_vec(), 2));
        assert_eq!(some_lines(&mut text, 2).unwrap(), (b"{\"a\":3}\n".to_vec(), 1));
        assert_eq!(some_lines(&mut text, 2).unwrap(), (Vec::new(), 0));
    }
}
