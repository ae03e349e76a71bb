//! Imports files from other systems. They are read twice: first to see that they are whole and whose they are, then
//! resource by resource, so that memory does not grow with their size. Files inside them go into storage on the way.

use super::FileIntake;
use super::accept::AcceptError;
use super::kinds::Inspection;
use crate::access::Operator;
use crate::chart::import::fhir::{FhirError, ImportOptions, Outline, Prepared, Reopen, SkipReason, Survey, Taken};
use crate::chart::import::{PlacedFile, Summary, derive, is_program, is_typed_as_program, judge, stage};
use crate::clock::Random;
use crate::db::{Db, DbError, Ts};
use crate::patients::SourceId;
use crate::settings;
use crate::storage::StorageError;
use data_encoding::BASE64_NOPAD;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most resources that are written in one transaction.
const BATCH: usize = 200;
/// The most characters of them, with their files, in one transaction.
const BATCH_SIZE: usize = 4 * 1024 * 1024;

/// Files that are read as one: a resource in one of them may refer to a resource in another.
pub type Together = Arc<Vec<Box<dyn Reopen + Send + Sync>>>;

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error(transparent)]
    Fhir(#[from] FhirError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] DbError),
    /// A thread of the program died.
    #[error("the import was broken off")]
    Broken,
}

crate::from_database!(ImportError);

impl FileIntake {
    /// Imports files that come together. A broken file leaves everything as it was; each patient's chart changes in one
    /// transaction.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub async fn import(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        by: Operator,
        files: Together,
        options: &ImportOptions,
    ) -> Result<Summary, ImportError> {
        let (mut survey, outlines) = self.survey(files.clone(), options).await?;
        let settings = db.read(|conn| -> Result<_, DbError> { Ok(settings::load(conn)?) }).await?;
        let own = settings.clone();
        survey = db
            .read(move |conn| -> Result<_, DbError> {
                judge(conn, &mut survey, &own)?;
                Ok(survey)
            })
            .await?;
        let mut summary = Summary::default();
        summary.further_pages += outlines.iter().filter(|outline| outline.further_pages).count();
        summary.skip(&survey.skipped);
        let delivery = now.micros();
        let touched = self.take_in(db, now, random, files, (Arc::new(survey), options, delivery), &mut summary).await?;
        for (source, id) in touched {
            let (options, settings, owner) = (options.clone(), settings.clone(), SourceId { source, id });
            let write = db.write(move |tx| -> Result<_, DbError> {
                Ok(derive(tx, now, by, delivery, &owner, &options, &settings)?)
            });
            summary.merge(write.await?);
        }
        Ok(summary)
    }

    async fn survey(&self, files: Together, options: &ImportOptions) -> Result<(Survey, Vec<Outline>), ImportError> {
        let options = options.clone();
        let read = move || {
            let mut survey = Survey::default();
            let mut outlines = Vec::new();
            for file in files.iter() {
                outlines.push(survey.read(file.as_ref(), &options)?);
            }
            Ok((survey, outlines))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| ImportError::Broken)?
    }

    /// Stores every resource; gives the source and id of each patient whose chart it touches.
    async fn take_in(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        files: Together,
        (survey, options, delivery): (Arc<Survey>, &ImportOptions, i64),
        summary: &mut Summary,
    ) -> Result<BTreeSet<(String, String)>, ImportError> {
        let (to, mut from) = tokio::sync::mpsc::channel::<Taken>(64);
        let options = options.clone();
        let reader = tokio::task::spawn_blocking(move || -> Result<(), FhirError> {
            for file in files.iter() {
                survey.each(file.as_ref(), &options, &mut |taken| drop(to.blocking_send(taken)))?;
            }
            Ok(())
        });
        let (mut batch, mut size, mut touched) = (Vec::new(), 0, BTreeSet::new());
        while let Some(taken) = from.recv().await {
            match taken {
                Taken::Nothing => {}
                Taken::Skipped(kind, reason) => summary.left_out(&kind, reason),
                Taken::Ready(mut new) => {
                    let data = std::mem::take(&mut new.files);
                    size += new.json.len() + data.iter().map(|(base64, _)| base64.len()).sum::<usize>();
                    let mut placed = Vec::new();
                    for (base64, declared) in data {
                        placed.push(self.place_file(db, now, random, base64, declared.as_deref()).await?);
                    }
                    batch.push((*new, placed));
                }
            }
            if batch.len() >= BATCH || size >= BATCH_SIZE {
                write(db, now, delivery, std::mem::take(&mut batch), summary, &mut touched).await?;
                size = 0;
            }
        }
        write(db, now, delivery, batch, summary, &mut touched).await?;
        reader.await.map_err(|_| ImportError::Broken)??;
        Ok(touched)
    }

    /// Puts a file into storage. The type that the record declares counts only where the content agrees.
    async fn place_file(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        base64: String,
        declared: Option<&str>,
    ) -> Result<PlacedFile, StorageError> {
        let flawed = |flaw| Ok(PlacedFile { placed: None, media_type: String::new(), flaw: Some(flaw) });
        let Some(data) = decode(base64) else { return flawed(SkipReason::FileBroken) };
        if is_program(&data) || declared.is_some_and(is_typed_as_program) {
            return flawed(SkipReason::FileProgram);
        }
        let mut inspection = Inspection::default();
        inspection.at(&data);
        let media_type = self.policy.type_of(&inspection, declared).unwrap_or_default().to_owned();
        let mut incoming = self.storage.incoming_unknown(random).await?;
        incoming.push(&data).await?;
        let (spooled, scan) = match self.scan_incoming(incoming.finish().await?).await {
            Ok(scanned) => scanned,
            Err(AcceptError::Storage(cause)) => return Err(cause),
            Err(AcceptError::Refused(_)) => return flawed(SkipReason::FileUnsafe),
        };
        let placed = self.storage.put(db, now, spooled).await?;
        Ok(PlacedFile { placed: Some((placed, scan)), media_type, flaw: None })
    }
}

async fn write(
    db: &Db,
    now: Ts,
    delivery: i64,
    batch: Vec<(Prepared, Vec<PlacedFile>)>,
    summary: &mut Summary,
    touched: &mut BTreeSet<(String, String)>,
) -> Result<(), ImportError> {
    if batch.is_empty() {
        return Ok(());
    }
    let write = db.write(move |tx| -> Result<_, DbError> { Ok(stage(tx, now, delivery, &batch)?) });
    let staged = write.await?;
    touched.extend(staged.touched);
    summary.skip(&staged.skipped);
    Ok(())
}

/// Decodes Base64 as FHIR has it (white space allowed, R4 §2.24.0.1); `None` where it is empty or not Base64.
fn decode(data: String) -> Option<Vec<u8>> {
    let mut packed = data.into_bytes();
    packed.retain(|byte| !byte.is_ascii_whitespace());
    let end = packed.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    packed.truncate(end);
    let bytes = BASE64_NOPAD.decode(&packed).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}
