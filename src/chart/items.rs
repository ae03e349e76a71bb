//! Chart items: what the clinic holds on a patient, newest first.

use super::item::{ItemBody, ItemKind};
use crate::access::{ChartAccess, Right};
use crate::db::schema::chart_items;
use crate::db::{Both, ChartItemId, Conn, MultiBackend, PatientId, Ts, Tx};
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
    Ok(found.map(|(row, json)| {
        // a body of a later version than this program: the page says that it holds nothing to show
        let body = serde_json::from_str(&json).unwrap_or_default();
        Item { row, body }
    }))
}

/// An item to be added.
pub struct NewItem<'a> {
    /// identity in the system it comes from
    pub source_key: &'a str,
    /// kind
    pub kind: ItemKind,
    /// when it happened
    pub occurred_at: Ts,
    /// title
    pub title: &'a str,
    /// who wrote it
    pub author: Option<&'a str>,
    /// content
    pub body: &'a ItemBody,
}

/// Adds an item from an import; says whether it was new.
///
/// # Errors
/// Those of the database.
pub fn add_item(tx: &mut Tx, now: Ts, patient: PatientId, new: &NewItem) -> QueryResult<bool> {
    let json = serde_json::to_string(new.body).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    let row = (
        (chart_items::patient_id.eq(patient), chart_items::source_key.eq(new.source_key)),
        (chart_items::kind.eq(new.kind), chart_items::occurred_at.eq(new.occurred_at)),
        (chart_items::title.eq(new.title), chart_items::author.eq(new.author)),
        (chart_items::body.eq(json), chart_items::created_at.eq(now)),
    );
    Ok(Both(diesel::insert_into(chart_items::table).values(row).on_conflict_do_nothing()).execute(tx.conn())? == 1)
}
