//! Copies of chart items as they are at this moment: later changes of the chart do not touch the copy.

use super::{FileIntake, Pick, Picks, clean_name};
use crate::access::{ChartAccess, Right};
use crate::chart::document::Document;
use crate::chart::{self, ChartFile};
use crate::clock::Random;
use crate::db::{BlobId, ChartItemId, Db, DbError, Ts, UploadId};
use crate::patients;
use crate::settings;
use crate::storage::{Placed, Scan, StorageError};
use crate::text::Lang;

/// A copy of a chart item, in storage, for [`super::attach()`]. A copy that is never attached is swept after a day.
#[derive(Debug, Clone)]
pub struct Frozen {
    pub(super) item: ChartItemId,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) size: i64,
    pub(super) content: Copied,
}

/// What a copy consists of.
#[derive(Debug, Clone)]
pub(super) enum Copied {
    /// a document made of the item's words, as PDF and as a page
    Made { file: Box<Placed>, page: Box<Placed> },
    /// the item's own file: contents in storage never change
    Kept(BlobId),
}

/// The item as it was read, before it is copied.
enum Found {
    Words(Box<Document>, String),
    File(ChartFile),
}

impl FileIntake {
    /// The files that go with a message, ready to be attached: these uploads, and copies of these chart items, which are frozen
    /// now. `None` where an item is not in this chart.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn picks<R: Right + Send>(
        &self,
        db: &Db,
        (now, random): (Ts, &Random),
        chart: &ChartAccess<R>,
        (uploads, items): (Vec<UploadId>, Vec<ChartItemId>),
        confirmed: Vec<UploadId>,
    ) -> Result<Option<Picks>, StorageError> {
        let mut all: Vec<Pick> = uploads.into_iter().map(Pick::Upload).collect();
        for item in items.into_iter().take(chart::MOST_CHOSEN) {
            match self.freeze(db, now, random, chart, item).await? {
                Some(frozen) => all.push(Pick::Frozen(Box::new(frozen))),
                None => return Ok(None),
            }
        }
        let (largest, largest_file) = (self.policy.largest_message, self.policy.largest_file);
        Ok(Some(Picks { all, confirmed, largest, largest_file }))
    }

    /// Freezes an item of this chart: its file, or else its words as a document in the patient's language. `None` where
    /// the item does not exist or belongs to another chart.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn freeze<R: Right + Send>(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        access: &ChartAccess<R>,
        item: ChartItemId,
    ) -> Result<Option<Frozen>, StorageError> {
        let chart = access.again();
        let read = db.read(move |conn| -> Result<_, DbError> {
            let Some(found) = chart::item(conn, &chart, item)?.filter(|found| found.row.is_offered()) else {
                return Ok(None);
            };
            if let Some(file) = chart::file(conn, &chart, item)? {
                return Ok((file.scan != Scan::Infected).then_some(Found::File(file)));
            }
            let patient = patients::patient(conn, &chart)?;
            let day = found.row.day_in_name();
            let name = clean_name(&format!("{} {day}.pdf", found.row.title.replace(['/', '\\'], "-")));
            let document =
                Document::from_item(&found, &patient, &settings::load(conn)?, Lang::or_english(&patient.language));
            Ok(Some(Found::Words(Box::new(document), name)))
        });
        match read.await? {
            None => Ok(None),
            Some(Found::File(file)) => {
                let ChartFile { blob, file_name: name, media_type, size, .. } = file;
                Ok(Some(Frozen { item, name, media_type, size, content: Copied::Kept(blob) }))
            }
            Some(Found::Words(document, name)) => {
                let (file, page) = self.make(db, now, random, *document).await?;
                let (size, media_type) = (file.size(), "application/pdf".to_owned());
                Ok(Some(Frozen {
                    item,
                    name,
                    media_type,
                    size,
                    content: Copied::Made { file: Box::new(file), page: Box::new(page) },
                }))
            }
        }
    }

    /// A document as a PDF and as a page, in storage.
    async fn make(
        &self,
        db: &Db,
        now: Ts,
        random: &Random,
        document: Document,
    ) -> Result<(Placed, Placed), StorageError> {
        let made = tokio::task::spawn_blocking(move || {
            let pdf = document.pdf().map_err(|e| std::io::Error::other(e.to_string()))?;
            let html = document.html().map_err(|e| std::io::Error::other(e.to_string()))?;
            Ok::<_, std::io::Error>((pdf, html))
        });
        let (pdf, html) = made.await.map_err(std::io::Error::other)??;
        Ok((self.put(db, now, random, pdf).await?, self.put(db, now, random, html.into_bytes()).await?))
    }

    async fn put(&self, db: &Db, now: Ts, random: &Random, bytes: Vec<u8>) -> Result<Placed, StorageError> {
        let mut incoming = self.storage.incoming(random).await?;
        incoming.push(&bytes).await?;
        self.storage.put(db, now, incoming.finish().await?).await
    }
}
