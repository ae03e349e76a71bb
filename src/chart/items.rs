//! Chart items: what the clinic holds on a patient, newest first.

use super::item::{ItemBody, ItemKind};
use crate::access::{ChartAccess, Right};
use crate::db::schema::chart_items;
use crate::db::{ChartItemId, Conn, MultiBackend, Ts};
use diesel::prelude::*;

/// A chart item as lists show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = chart_items, check_for_backend(MultiBackend))]
pub struct ItemRow {
    /// identity
    pub id: ChartItemId,
    /// kind
    pub kind: ItemKind,
    /// when it happened
    pub occurred_at: Ts,
    /// title
    pub title: String,
    /// who wrote it
    pub author: Option<String>,
}

/// A chart item with its content.
#[derive(Debug, Clone)]
pub struct Item {
    /// as in lists
    pub row: ItemRow,
    /// content
    pub body: ItemBody,
}

/// Which items to list.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// only this kind
    pub kind: Option<ItemKind>,
    /// only those before this one, which the page before ended with
    pub before: Option<(Ts, ChartItemId)>,
}

/// Items of a chart, newest first, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn items<R: Right>(
    conn: &mut Conn,
    access: &ChartAccess<R>,
    filter: &ItemFilter,
    limit: i64,
) -> QueryResult<Vec<ItemRow>> {
    let mut query = chart_items::table
        .filter(chart_items::patient_id.eq(access.patient()))
        .order((chart_items::occurred_at.desc(), chart_items::id.desc()))
        .limit(limit)
        .select(ItemRow::as_select())
        .into_boxed::<MultiBackend>();
    if let Some(kind) = filter.kind {
        query = query.filter(chart_items::kind.eq(kind));
    }
    if let Some((at, id)) = filter.before {
        let same = chart_items::occurred_at.eq(at).and(chart_items::id.lt(id));
        query = query.filter(chart_items::occurred_at.lt(at).or(same));
    }
    query.load(conn)
}

/// One item of this chart; `None` where it is another's or not there.
///
/// # Errors
/// Those of the database.
pub fn item<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, id: ChartItemId) -> QueryResult<Option<Item>> {
    let found: Option<(ItemRow, String)> = chart_items::table
        .find(id)
        .filter(chart_items::patient_id.eq(access.patient()))
        .select((ItemRow::as_select(), chart_items::body))
        .first(conn)
        .optional()?;
    Ok(found.map(|(row, json)| Item { row, body: ItemBody::stored(&json) }))
}
