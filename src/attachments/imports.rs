//! Files that come with charts from other systems.

use super::accept::AcceptError;
use super::kinds::Look;
use super::{Desk, clean_name};
use crate::chart::NewChartFile;
use crate::chart::import::FilesInStorage;
use crate::chart::import::fhir::{ImportedBundle, ImportedFile, SkipReason};
use crate::clock::Random;
use crate::db::{Db, Ts};
use crate::storage::StorageError;

/// What a file is served as that is not surely of a kind that we know: to be saved, never shown.
const UNKNOWN: &str = "application/octet-stream";

impl Desk {
    /// Puts the files of a bundle into storage and takes their bytes out of it. A file in which a virus is found is left
    /// out and counted. What the record says of a type counts only where the content agrees.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn place_files(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        bundle: &mut ImportedBundle,
    ) -> Result<FilesInStorage, StorageError> {
        let mut files = FilesInStorage::new();
        for (chart_at, chart) in bundle.charts.iter_mut().enumerate() {
            for (item_at, item) in chart.items.iter_mut().enumerate() {
                let Some(file) = item.attachment.take() else { continue };
                match self.place_file(db, now, random, file).await {
                    Ok(file) => {
                        files.insert((chart_at, item_at), file);
                    }
                    Err(AcceptError::Storage(cause)) => return Err(cause),
                    Err(AcceptError::Refused(_)) => {
                        *chart.skipped.entry(("file".to_owned(), SkipReason::FileUnsafe)).or_default() += 1;
                    }
                }
            }
        }
        Ok(files)
    }

    async fn place_file(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        file: ImportedFile,
    ) -> Result<NewChartFile, AcceptError> {
        let name = clean_name(&file.name);
        let mut look = Look::default();
        look.at(&file.data);
        let kind = self.policy.kind_of(&name).filter(|kind| look.is(kind));
        let media_type = kind.map_or(UNKNOWN, |kind| kind.media_type).to_owned();
        let mut incoming = self.storage.incoming_unknown(random).await?;
        incoming.push(&file.data).await?;
        let (spooled, scan) = self.scan_incoming(incoming.finish().await?).await?;
        let placed = self.storage.place(db, now, spooled).await?;
        Ok(NewChartFile { placed, name, media_type, scan })
    }
}
