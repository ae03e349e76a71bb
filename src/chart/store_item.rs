//! Putting an item into a chart: new, or in place of what came from the same source before.

use super::item::{ItemBody, ItemKind};
use super::item_terms;
use super::tallies;
use crate::db::schema::chart_items;
use crate::db::{ChartItemId, PatientId, Ts, Tx};
use diesel::prelude::*;
use std::collections::BTreeSet;

/// An item to be stored.
pub struct NewItem<'a> {
    /// identity in the system it comes from
    pub source_key: &'a str,
    /// the key under which an earlier version may have stored it; taken over where kind and day or title are the same
    pub former_key: Option<&'a str>,
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

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// it was not there before
    New(ChartItemId),
    /// it was there, and says something else now
    Changed(ChartItemId),
    /// it was there and says the same
    Same(ChartItemId),
}

impl Stored {
    /// The item.
    pub fn id(self) -> ChartItemId {
        match self {
            Stored::New(id) | Stored::Changed(id) | Stored::Same(id) => id,
        }
    }
}

/// Stores an item. One that came from the same source before is brought up to date; it keeps its identity. What was
/// sent of it before is a copy, and stays.
pub fn store_item(tx: &mut Tx, now: Ts, patient: PatientId, new: &NewItem) -> QueryResult<Stored> {
    let json = serde_json::to_string(new.body).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    let known = known(tx, patient, new)?;
    let terms = || item_terms::of(new.title, new.author, new.body);
    let content = (
        (chart_items::kind.eq(new.kind), chart_items::occurred_at.eq(new.occurred_at)),
        (chart_items::title.eq(new.title), chart_items::author.eq(new.author), chart_items::body.eq(&json)),
    );
    let Some(known) = known else {
        let owner = (chart_items::patient_id.eq(patient), chart_items::source_key.eq(new.source_key));
        let row = (owner, content, chart_items::created_at.eq(now));
        let id = diesel::insert_into(chart_items::table).values(row).returning(chart_items::id);
        let id: ChartItemId = id.get_result(tx.conn())?;
        item_terms::replace(tx, patient, id, &BTreeSet::new(), &terms())?;
        tallies::add(tx, patient, new.kind, new.occurred_at)?;
        return Ok(Stored::New(id));
    };
    if known.says(new, &json) {
        return Ok(Stored::Same(known.id));
    }
    diesel::update(chart_items::table.find(known.id)).set(content).execute(tx.conn())?;
    item_terms::replace(tx, patient, known.id, &known.terms(), &terms())?;
    tallies::shift(tx, patient, (known.kind, known.occurred_at), (new.kind, new.occurred_at))?;
    Ok(Stored::Changed(known.id))
}

/// The stored item, under its own key.
fn known(tx: &mut Tx, patient: PatientId, new: &NewItem) -> QueryResult<Option<Known>> {
    if let Some(found) = by_key(tx, patient, new.source_key)? {
        return Ok(Some(found));
    }
    let Some(former) = new.former_key else { return Ok(None) };
    let found = by_key(tx, patient, former)?
        .filter(|found| found.kind == new.kind && (found.title == new.title || found.occurred_at == new.occurred_at));
    if let Some(found) = &found {
        let row = diesel::update(chart_items::table.find(found.id));
        row.set(chart_items::source_key.eq(new.source_key)).execute(tx.conn())?;
    }
    Ok(found)
}

fn by_key(tx: &mut Tx, patient: PatientId, key: &str) -> QueryResult<Option<Known>> {
    let same = chart_items::table.filter(chart_items::patient_id.eq(patient)).filter(chart_items::source_key.eq(key));
    same.select(Known::as_select()).first(tx.conn()).optional()
}

/// What is stored of an item.
#[derive(Queryable, Selectable)]
#[diesel(table_name = chart_items, check_for_backend(crate::db::MultiBackend))]
struct Known {
    id: ChartItemId,
    kind: ItemKind,
    occurred_at: Ts,
    title: String,
    author: Option<String>,
    body: String,
}

impl Known {
    fn says(&self, new: &NewItem, json: &str) -> bool {
        (self.kind, self.occurred_at) == (new.kind, new.occurred_at)
            && (self.title.as_str(), self.author.as_deref()) == (new.title, new.author)
            && self.body == json
    }

    fn terms(&self) -> BTreeSet<String> {
        let body: ItemBody = serde_json::from_str(&self.body).unwrap_or_default();
        item_terms::of(&self.title, self.author.as_deref(), &body)
    }
}
