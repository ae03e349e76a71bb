//! Imports files from other systems. They are read twice: first to see that they are whole and whose they are, then
//! resource by resource, so that memory does not grow with their size. Files inside them go into storage on the way.

use super::FileIntake;
use super::accept::AcceptError;
use super::kinds::Inspection;
use crate::access::Operator;
use crate::chart::import::fhir::{FhirError, ImportOptions, Outline, Prepared, Reopen, SkipReason, Survey, Taken};
use crate::chart::import::{
    PlacedFile, Summary, derive, is_program, is_typed_as_program, judge, refuse_deleted, stage, without_unchanged,
};
use crate::clock::Random;
use crate::db::{Db, DbError, Ts, Tx};
use crate::patients::SourceId;
use crate::settings;
use crate::storage::StorageError;
use data_encoding::BASE64_NOPAD;
use diesel::QueryResult;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The most resources that are written in one transaction.
const BATCH: usize = 200;
/// The most characters of them, with their files, in one transaction.
const BATCH_SIZE: usize = 4 * 1024 * 1024;

/// Files that are read as one: a resource in one of them may refer to a resource in another.
pub type Together = Arc<Vec<Box<dyn Reopen + Send + Sync>>>;

/// Patients by source and id.
type Owners = BTreeSet<(String, String)>;

/// Notes the patients whose resources a transaction stores, in that transaction: at its beginning nobody, so that it can lock
/// what it needs, then those who were stored. Where it fails, nothing is stored.
pub type Note = Arc<dyn Fn(&mut Tx, &Owners) -> QueryResult<()> + Send + Sync>;

/// How a stretch of what a server sends is stored.
#[derive(Clone)]
pub struct Stretching {
    /// marks what comes with one round
    pub delivery: i64,
    /// patients of whom nothing is stored, beside those whom the stretch itself shows to be others
    pub refused: HashMap<SourceId, SkipReason>,
    /// what is stored already as it comes is passed over
    pub only_changes: bool,
    /// notes whose chart is still to be made
    pub note: Note,
}

/// What came of a stretch.
#[derive(Debug, Default)]
pub struct Stretch {
    /// the patients whose own records were in it
    pub people: Vec<SourceId>,
    /// those of them of whom nothing is taken, and why
    pub refused: Vec<(SourceId, SkipReason)>,
    /// counts what was left out
    pub summary: Summary,
}

/// How the resources of one import are stored.
#[derive(Clone, Default)]
struct Storing {
    delivery: i64,
    only_changes: bool,
    note: Option<Note>,
}

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
        let (mut survey, outlines) = self.survey(Survey::default(), files.clone(), options).await?;
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
        let storing = Storing { delivery, ..Storing::default() };
        let touched = self.take_in(db, now, random, files, (Arc::new(survey), options, storing), &mut summary).await?;
        for (source, id) in touched {
            let (options, settings, owner) = (options.clone(), settings.clone(), SourceId { source, id });
            let write = db.write(move |tx| -> Result<_, DbError> {
                Ok(derive(tx, now, by, delivery, &owner, &options, &settings)?)
            });
            summary.merge(write.await?);
        }
        Ok(summary)
    }

    /// Stores a stretch of what a server sends and makes no charts yet: the patients whose charts change are noted in the
    /// transactions that store their resources, so that each chart is made once, from all stretches.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub async fn take_stretch(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        files: Together,
        options: &ImportOptions,
        how: Stretching,
    ) -> Result<Stretch, ImportError> {
        let (mut survey, _) = self.survey(Survey::one_by_one(), files.clone(), options).await?;
        survey = db
            .read(move |conn| -> Result<_, DbError> {
                let own = settings::load(conn)?;
                judge(conn, &mut survey, &own)?;
                refuse_deleted(conn, &mut survey)?;
                Ok(survey)
            })
            .await?;
        let ids = survey.people.keys().chain(survey.unreadable.keys());
        let people: Vec<SourceId> =
            ids.map(|(source, id)| SourceId { source: source.clone(), id: id.clone() }).collect();
        let refused = people.iter().filter_map(|id| Some((id.clone(), *survey.refused.get(id)?))).collect();
        // what is said of a patient now counts, not what was found in an earlier stretch
        let others = how.refused.into_iter().filter(|(id, _)| !people.contains(id));
        survey.refused.extend(others);
        let mut summary = Summary::default();
        summary.skip(&survey.skipped);
        let storing = Storing { delivery: how.delivery, only_changes: how.only_changes, note: Some(how.note) };
        self.take_in(db, now, random, files, (Arc::new(survey), options, storing), &mut summary).await?;
        Ok(Stretch { people, refused, summary })
    }

    async fn survey(
        &self,
        mut survey: Survey,
        files: Together,
        options: &ImportOptions,
    ) -> Result<(Survey, Vec<Outline>), ImportError> {
        let options = options.clone();
        let read = move || {
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
        (survey, options, storing): (Arc<Survey>, &ImportOptions, Storing),
        summary: &mut Summary,
    ) -> Result<Owners, ImportError> {
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
                write(db, now, &storing, std::mem::take(&mut batch), summary, &mut touched).await?;
                size = 0;
            }
        }
        write(db, now, &storing, batch, summary, &mut touched).await?;
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
    storing: &Storing,
    batch: Vec<(Prepared, Vec<PlacedFile>)>,
    summary: &mut Summary,
    touched: &mut Owners,
) -> Result<(), ImportError> {
    if batch.is_empty() {
        return Ok(());
    }
    let Storing { delivery, only_changes, note } = storing.clone();
    let write = db.write(move |tx| -> Result<_, DbError> {
        // first with nobody: who may not write any more finds out before anything is locked
        if let Some(note) = &note {
            note(tx, &Owners::new())?;
        }
        let batch = if only_changes { without_unchanged(tx, batch)? } else { batch };
        let staged = stage(tx, now, delivery, &batch)?;
        if let Some(note) = &note {
            note(tx, &staged.touched)?;
        }
        Ok(staged)
    });
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
