//! Files of a chart: the content of an item that is more than text. Storage holds it, at most one file for each item.

use super::items::ItemRow;
use crate::access::{ChartAccess, Right};
use crate::db::schema::{blobs, chart_files, chart_items};
use crate::db::sealed::{self, Opened};
use crate::db::{BlobId, ChartItemId, Conn, MultiBackend, Ts, Tx};
use crate::storage::{self, Blob, Scan};
use diesel::prelude::*;
use std::collections::HashMap;

/// The file of a chart item.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct ChartFile {
    /// the content
    pub blob: BlobId,
    /// name, cleaned
    #[diesel(deserialize_as = Opened)]
    pub file_name: String,
    /// media type that it is served with
    pub media_type: String,
    /// size in bytes
    pub size: i64,
    /// what the virus scanner says
    pub scan: Scan,
}

/// The file of an item of this chart; `None` where the item has none, or belongs to another chart.
pub fn file<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, item: ChartItemId) -> QueryResult<Option<ChartFile>> {
    chart_files::table
        .inner_join(blobs::table.on(blobs::id.eq(chart_files::blob_id)))
        .inner_join(chart_items::table.on(chart_items::id.eq(chart_files::item_id)))
        .filter(chart_files::item_id.eq(item))
        .filter(chart_items::patient_id.eq(access.patient()))
        .select((chart_files::blob_id, chart_files::file_name, chart_files::media_type, chart_files::size, blobs::scan))
        .into_boxed::<MultiBackend>()
        .first(conn)
        .optional()
}

/// The files of these items with their contents, in one query; items without a file are left out. The caller makes sure that the
/// reader may see the items.
pub fn contents(conn: &mut Conn, items: &[ChartItemId]) -> QueryResult<Vec<(ChartItemId, ChartFile, Blob)>> {
    let file = (chart_files::blob_id, chart_files::file_name, chart_files::media_type, chart_files::size, blobs::scan);
    chart_files::table
        .inner_join(blobs::table.on(blobs::id.eq(chart_files::blob_id)))
        .filter(chart_files::item_id.eq_any(items.to_vec()))
        .order(chart_files::item_id)
        .select((chart_files::item_id, file, Blob::as_select()))
        .load(conn)
}

/// Sizes in bytes of the files of these items of one page, in one query; items without a file are left out.
pub fn file_sizes<R: Right>(
    conn: &mut Conn,
    access: &ChartAccess<R>,
    items: &[ItemRow],
) -> QueryResult<HashMap<ChartItemId, i64>> {
    let ids: Vec<ChartItemId> = items.iter().map(|item| item.id).collect();
    let sizes: Vec<(ChartItemId, i64)> = chart_files::table
        .inner_join(chart_items::table)
        .filter(chart_files::item_id.eq_any(ids))
        .filter(chart_items::patient_id.eq(access.patient()))
        .select((chart_files::item_id, chart_files::size))
        .load(conn)?;
    Ok(sizes.into_iter().collect())
}

/// Replaces the file of an item that the caller has just stored by this one: content, name, media type, bytes. Gives
/// whether that changed anything.
pub(super) fn set_blob(
    tx: &mut Tx,
    now: Ts,
    item: ChartItemId,
    new: Option<(BlobId, &str, &str, i64)>,
) -> QueryResult<bool> {
    let before: Option<(BlobId, Opened)> = chart_files::table
        .find(item)
        .select((chart_files::blob_id, chart_files::file_name))
        .first(tx.conn())
        .optional()?;
    if before.as_ref().map(|(blob, name)| (*blob, name.0.as_str())) == new.map(|(blob, name, ..)| (blob, name)) {
        return Ok(false);
    }
    if let Some((blob, name, media_type, size)) = new {
        storage::refer(tx, blob)?;
        diesel::delete(chart_files::table.find(item)).execute(tx.conn())?;
        insert_file(tx, item, blob, (name, media_type, size))?;
    } else {
        diesel::delete(chart_files::table.find(item)).execute(tx.conn())?;
    }
    if let Some((blob, _)) = before {
        storage::release(tx, now, blob)?;
    }
    Ok(true)
}

/// Makes a blob the file of an item: name, media type, bytes. The caller passes on its reference to the blob.
pub fn insert_file(tx: &mut Tx, item: ChartItemId, blob: BlobId, file: (&str, &str, i64)) -> QueryResult<()> {
    let (name, media_type, size) = file;
    let row = (
        (chart_files::item_id.eq(item), chart_files::blob_id.eq(blob), chart_files::file_name.eq(sealed::text(name))),
        (chart_files::media_type.eq(media_type), chart_files::size.eq(size)),
    );
    diesel::insert_into(chart_files::table).values(row).execute(tx.conn()).map(drop)
}
