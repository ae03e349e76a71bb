//! A chart item as it is at this moment: a copy that later changes of the chart do not touch.

use super::{Desk, clean_name};
use crate::access::{ChartAccess, Right};
use crate::chart;
use crate::chart::document::Document;
use crate::clock::Random;
use crate::db::{ChartItemId, Db, DbError, Ts};
use crate::settings;
use crate::storage::{Placed, StorageError};
use crate::text::Lang;

/// A copy of a chart item, in storage, for [`super::attach`]. Not attached, it is swept after a day.
#[derive(Debug, Clone)]
pub struct Frozen {
    pub(super) item: ChartItemId,
    pub(super) name: String,
    pub(super) file: Placed,
    pub(super) page: Placed,
}

impl Frozen {
    /// Bytes of the file.
    pub fn size(&self) -> i64 {
        self.file.size()
    }
}

impl Desk {
    /// Freezes an item of this chart as a document in the patient's language; `None` where it is another's or not there.
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
            let Some(found) = chart::item(conn, &chart, item)? else { return Ok(None) };
            let patient = chart::patient(conn, &chart)?;
            let day = found.row.occurred_at.get().date();
            let name = clean_name(&format!("{} {day}.pdf", found.row.title.replace(['/', '\\'], "-")));
            let document = Document::of(&found, &patient, &settings::load(conn)?, Lang::or_english(&patient.language));
            Ok(Some((document, name)))
        });
        let Some((document, name)) = read.await? else { return Ok(None) };
        let made = tokio::task::spawn_blocking(move || {
            let pdf = document.pdf().map_err(|e| std::io::Error::other(e.to_string()))?;
            let html = document.html().map_err(|e| std::io::Error::other(e.to_string()))?;
            Ok::<_, std::io::Error>((pdf, html))
        });
        let (pdf, html) = made.await.map_err(std::io::Error::other)??;
        let file = self.put(db, now, random, pdf).await?;
        let page = self.put(db, now, random, html.into_bytes()).await?;
        Ok(Some(Frozen { item, name, file, page }))
    }

    async fn put(&self, db: &Db, now: Ts, random: &Random, bytes: Vec<u8>) -> Result<Placed, StorageError> {
        let mut incoming = self.storage.incoming(random).await?;
        incoming.push(&bytes).await?;
        self.storage.place(db, now, incoming.finish().await?).await
    }
}
