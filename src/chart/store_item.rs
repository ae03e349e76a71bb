//! Stores an item in a chart: a new one, or a newer version of one from the same source.

use super::item::{ItemBody, ItemKind, ItemSort, ItemState};
use super::item_terms;
use super::tallies;
use crate::db::schema::chart_items;
use crate::db::sealed::{self, Opened, OpenedIfAny};
use crate::db::{ChartItemId, PatientId, Ts, Tx};
use diesel::prelude::*;
use std::collections::BTreeSet;

/// An item to be stored.
pub struct NewItem<'a> {
    /// the item's key in its source, unique within the chart
    pub source_key: &'a str,
    /// the key under which an earlier version may have stored it; used where the kind and the day or title are the same
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
    /// its status at the source, where that is not the usual one
    pub status: Option<&'a str>,
    /// "year" or "month" where no more of its date is known
    pub date_only: Option<&'a str>,
    /// a more precise word than the kind, where there is one
    pub sort: Option<ItemSort>,
    /// the row of `patient_sources` that it is made from
    pub origin: Option<i64>,
}

/// The result of storing an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// it was not there before
    New(ChartItemId),
    /// it was there with other content
    Changed(ChartItemId),
    /// it was there with the same content
    Same(ChartItemId),
}

impl Stored {
    /// The item's id.
    pub fn id(self) -> ChartItemId {
        match self {
            Stored::New(id) | Stored::Changed(id) | Stored::Same(id) => id,
        }
    }
}

/// Stores an item. If the source sent it before, the stored item is updated and keeps its id. Attachments made from it
/// are copies, and stay as they are.
pub fn store_item(tx: &mut Tx, now: Ts, patient: PatientId, new: &NewItem) -> QueryResult<Stored> {
    let known = known(tx, patient, new)?;
    let merged = known.as_ref().and_then(|known| known.with_former(new));
    let body = merged.as_ref().unwrap_or(new.body);
    let json = serde_json::to_string(body).map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    let terms = || item_terms::terms(new.title, new.author, body);
    let content = (
        (chart_items::kind.eq(new.kind), chart_items::occurred_at.eq(new.occurred_at)),
        (chart_items::title.eq(sealed::text(new.title)), chart_items::author.eq(new.author.map(sealed::text))),
        (chart_items::body.eq(sealed::text(&json)), chart_items::status.eq(new.status.map(sealed::text))),
        (chart_items::date_only.eq(new.date_only), chart_items::sort.eq(new.sort)),
    );
    let Some(known) = known else {
        let key = match by_key(tx, patient, new.source_key)? {
            Some(_) => own_key(new),
            None => new.source_key.to_owned(),
        };
        let owner = (chart_items::patient_id.eq(patient), chart_items::source_key.eq(key));
        let row = (owner, content, chart_items::created_at.eq(now), chart_items::origin_id.eq(new.origin));
        let id = diesel::insert_into(chart_items::table).values(row).returning(chart_items::id);
        let id: ChartItemId = id.get_result(tx.conn())?;
        item_terms::replace(tx, patient, id, &BTreeSet::new(), &terms())?;
        tallies::add(tx, patient, new.kind, new.occurred_at)?;
        return Ok(Stored::New(id));
    };
    if new.origin.is_some() && known.origin_id != new.origin {
        // its content from before resources were stored is kept, to be shown with the new content
        let former = known.origin_id.is_none().then_some(known.body.as_str());
        let row = diesel::update(chart_items::table.find(known.id));
        let set = (chart_items::origin_id.eq(new.origin), chart_items::former_body.eq(former.map(sealed::text)));
        row.set(set).execute(tx.conn())?;
    }
    if known.says(new, &json) {
        return Ok(Stored::Same(known.id));
    }
    diesel::update(chart_items::table.find(known.id)).set(content).execute(tx.conn())?;
    item_terms::replace(tx, patient, known.id, &known.terms(), &terms())?;
    if known.state != ItemState::Moved {
        tallies::shift(tx, patient, (known.kind, known.occurred_at), (new.kind, new.occurred_at))?;
    }
    Ok(Stored::Changed(known.id))
}

/// The key of an item whose key is taken: a merged chart may have two items of one key, each from another patient of
/// the source ([`crate::db::carry`] writes the same key).
fn own_key(new: &NewItem) -> String {
    new.origin.map_or_else(|| new.source_key.to_owned(), |origin| format!("{}~o{origin}", new.source_key))
}

/// The stored version of an item, under any of its keys.
fn known(tx: &mut Tx, patient: PatientId, new: &NewItem) -> QueryResult<Option<Known>> {
    let is_own = |found: &Known| found.origin_id.is_none() || new.origin.is_none() || found.origin_id == new.origin;
    for key in [new.source_key.to_owned(), own_key(new)] {
        if let Some(found) = by_key(tx, patient, &key)?.filter(is_own) {
            return Ok(Some(found));
        }
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

/// The columns of a stored item.
#[derive(Queryable, Selectable)]
#[diesel(table_name = chart_items, check_for_backend(crate::db::MultiBackend))]
struct Known {
    id: ChartItemId,
    kind: ItemKind,
    occurred_at: Ts,
    #[diesel(deserialize_as = Opened)]
    title: String,
    #[diesel(deserialize_as = OpenedIfAny)]
    author: Option<String>,
    #[diesel(deserialize_as = Opened)]
    body: String,
    state: ItemState,
    state_at: Option<Ts>,
    #[diesel(deserialize_as = OpenedIfAny)]
    status: Option<String>,
    date_only: Option<String>,
    sort: Option<ItemSort>,
    origin_id: Option<i64>,
    #[diesel(deserialize_as = OpenedIfAny)]
    former_body: Option<String>,
}

impl Known {
    fn says(&self, new: &NewItem, json: &str) -> bool {
        (self.kind, self.occurred_at) == (new.kind, new.occurred_at)
            && (self.title.as_str(), self.author.as_deref()) == (new.title, new.author)
            && (self.status.as_deref(), self.date_only.as_deref()) == (new.status, new.date_only)
            && self.sort == new.sort
            && self.body == json
    }

    /// The new body with the parts that only the former body has, for an item that is older than the storing of
    /// resources.
    fn with_former(&self, new: &NewItem) -> Option<ItemBody> {
        new.origin?;
        let former = match (&self.former_body, self.origin_id) {
            (Some(former), _) => former,
            (None, None) => &self.body,
            (None, Some(_)) => return None,
        };
        let former: ItemBody = serde_json::from_str(former).ok()?;
        Some(former.under(new.body))
    }

    fn terms(&self) -> BTreeSet<String> {
        let body: ItemBody = serde_json::from_str(&self.body).unwrap_or_default();
        item_terms::terms(&self.title, self.author.as_deref(), &body)
    }
}

/// Sets the state of an item at its source, and since when. Gives whether that changed anything.
pub(super) fn set_state(
    tx: &mut Tx,
    since: Ts,
    patient: PatientId,
    id: ChartItemId,
    state: ItemState,
) -> QueryResult<bool> {
    let known: Known = chart_items::table.find(id).select(Known::as_select()).first(tx.conn())?;
    // where several parts are withdrawn, the latest day is shown
    let is_later = state == ItemState::PartlyWithdrawn && known.state_at.is_some_and(|before| since > before);
    if known.state == state && !is_later {
        return Ok(false);
    }
    let set = (chart_items::state.eq(state), chart_items::state_at.eq(Some(since)));
    diesel::update(chart_items::table.find(id)).set(set).execute(tx.conn())?;
    // an item that is a part of another one is neither found nor counted
    if state == ItemState::Moved {
        item_terms::replace(tx, patient, id, &known.terms(), &BTreeSet::new())?;
        tallies::remove(tx, patient, known.kind, known.occurred_at)?;
    } else if known.state == ItemState::Moved {
        item_terms::replace(tx, patient, id, &BTreeSet::new(), &known.terms())?;
        tallies::add(tx, patient, known.kind, known.occurred_at)?;
    }
    Ok(true)
}

/// The items of a patient that were made from this source, with their keys.
pub(super) fn of_origin(
    tx: &mut Tx,
    patient: PatientId,
    origin: i64,
) -> QueryResult<Vec<(ChartItemId, String, ItemKind)>> {
    let own = chart_items::table.filter(chart_items::patient_id.eq(patient)).filter(chart_items::origin_id.eq(origin));
    own.select((chart_items::id, chart_items::source_key, chart_items::kind)).load(tx.conn())
}

/// The items of a patient under this key, with or without its source, that were stored before items named their source.
pub(super) fn without_origin(tx: &mut Tx, patient: PatientId, key: &str) -> QueryResult<Vec<(ChartItemId, ItemKind)>> {
    let mut parts = key.rsplitn(3, '/');
    let bare = match (parts.next(), parts.next()) {
        (Some(id), Some(kind)) => format!("{kind}/{id}"),
        _ => key.to_owned(),
    };
    let same = chart_items::table
        .filter(chart_items::patient_id.eq(patient))
        .filter(chart_items::source_key.eq_any(vec![key.to_owned(), bare]))
        .filter(chart_items::origin_id.is_null());
    same.select((chart_items::id, chart_items::kind)).load(tx.conn())
}

/// How many items one transaction recomputes.
const AT_ONCE: i64 = 200;

/// Recomputes the words of items after `after` that an older folding rule made. Gives the last id; `None` at the end.
pub fn renew_terms(tx: &mut Tx, after: i64) -> QueryResult<Option<i64>> {
    let next = chart_items::table.filter(chart_items::id.gt(ChartItemId(after))).order(chart_items::id).limit(AT_ONCE);
    let items: Vec<(PatientId, Known)> = next.select((chart_items::patient_id, Known::as_select())).load(tx.conn())?;
    for (patient, item) in &items {
        let texts = [Some(&item.title), item.author.as_ref(), Some(&item.body)];
        // an item that is a part of another one has no words; both rules give the same for ASCII text
        if item.state == ItemState::Moved || texts.into_iter().flatten().all(|text| text.is_ascii()) {
            continue;
        }
        let body: ItemBody = serde_json::from_str(&item.body).unwrap_or_default();
        let before = item_terms::of_version_1(&item.title, item.author.as_deref(), &body);
        item_terms::replace(tx, *patient, item.id, &before, &item.terms())?;
    }
    Ok(items.last().map(|(_, item)| item.id.0))
}
