//! Chart items: what the clinic holds on a patient, newest first.

use super::item::{ItemBody, ItemKind, ItemSort, ItemState};
use super::item_terms::{self, Sought};
use super::tallies;
use crate::access::{Authority, ChartAccess, Right, rights};
use crate::db::schema::{chart_item_terms, chart_items};
use crate::db::sealed::{Opened, OpenedIfAny};
use crate::db::{ChartItemId, Conn, MultiBackend, PatientId, Ts, in_time};
use crate::text::{Lang, Zone};
use diesel::dsl::count_star;
use diesel::prelude::*;
use std::collections::BTreeMap;

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
    #[diesel(deserialize_as = Opened)]
    pub title: String,
    /// who wrote it
    #[diesel(deserialize_as = OpenedIfAny)]
    pub author: Option<String>,
    /// what became of it at its source
    pub state: ItemState,
    /// since when it has that state
    pub state_at: Option<Ts>,
    /// its status at the source, where that matters: codes of FHIR
    #[diesel(deserialize_as = OpenedIfAny)]
    pub status: Option<String>,
    /// "year" or "month" where no more of its date is known
    pub date_only: Option<String>,
    /// a more precise word than the kind, where there is one
    pub sort: Option<ItemSort>,
}

impl ItemRow {
    /// The word for its kind.
    pub fn kind_words(&self, lang: &Lang) -> &'static str {
        kind_words(self.kind, self.sort, lang)
    }

    /// The day as names of files have it, as far as it is known: `2019-05-01`, `2019-05`, `2019`.
    pub fn day_in_name(&self) -> String {
        let date = self.occurred_at.get().date();
        match self.date_only.as_deref() {
            Some("year") => date.year().to_string(),
            Some(_) => format!("{}-{:02}", date.year(), u8::from(date.month())),
            None => date.to_string(),
        }
    }

    /// The day, month or year on which it happened, as far as it is known.
    pub fn day(&self, lang: &Lang, zone: &Zone) -> String {
        // an incomplete date is stored as noon UTC of its first day
        match self.date_only {
            Some(_) => lang.part_of_date(&self.day_in_name()),
            None => lang.date(zone.local(self.occurred_at).date()),
        }
    }

    /// Its status at the source, in words, where that matters.
    pub fn status_words(&self, lang: &Lang) -> Option<String> {
        let words = |code: &str| match lang.t_of("code", code) {
            "" => code.to_owned(),
            words => words.to_owned(),
        };
        let states: Vec<String> = self.status.as_deref()?.split(' ').map(words).collect();
        Some(states.join("; "))
    }

    /// The words for a withdrawal of it or of a part of it; `None` where there is none.
    pub fn state_words(&self, lang: &Lang, zone: &Zone) -> Option<String> {
        let date = lang.date(zone.local(self.state_at?).date());
        match self.state {
            ItemState::Withdrawn => Some(lang.t1("item-withdrawn", "date", date)),
            ItemState::PartlyWithdrawn => Some(lang.t1("item-partly-withdrawn", "date", date)),
            ItemState::Current | ItemState::Moved => None,
        }
    }

    /// Whether a user may send it.
    pub fn is_offered(&self) -> bool {
        matches!(self.state, ItemState::Current | ItemState::PartlyWithdrawn)
    }
}

/// The word for an item's kind.
pub(super) fn kind_words(kind: ItemKind, sort: Option<ItemSort>, lang: &Lang) -> &'static str {
    sort.map_or_else(|| lang.t_of("kind-one", kind.as_str()), |sort| lang.t_of("sort", sort.as_str()))
}

/// A chart item with its content.
#[derive(Debug, Clone)]
pub struct Item {
    /// the item as lists show it
    pub row: ItemRow,
    /// content
    pub body: ItemBody,
}

/// Which items to list.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// only this kind
    pub kind: Option<ItemKind>,
    /// only those from this moment on
    pub from: Option<Ts>,
    /// only those before this moment
    pub until: Option<Ts>,
    /// only those with words that begin with these, as typed
    pub text: String,
    /// only those that may be sent: withdrawn items are left out
    pub offered: bool,
}

/// How many items there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// within the dates, by kind, for all kinds
    pub by_kind: BTreeMap<ItemKind, i64>,
    /// items of the filter's kind outside the dates
    pub hidden: i64,
}

impl Counts {
    /// How many items of a kind, or of all kinds, are within the dates.
    pub fn count(&self, kind: Option<&ItemKind>) -> i64 {
        kind.map_or_else(|| self.by_kind.values().sum(), |kind| self.by_kind.get(kind).copied().unwrap_or_default())
    }
}

/// Restricts a query to the items of a chart that have the words, of any date and kind.
macro_rules! holding {
    ($query:expr, $patient:expr, $sought:expr) => {{
        let own = chart_items::patient_id.eq($patient);
        let mut query = $query.filter(own).filter(in_time()).into_boxed::<MultiBackend>();
        query = query.filter(chart_items::state.ne(ItemState::Moved));
        for Sought { clear: (from, to), sealed } in $sought {
            // a range, not LIKE: it uses the index on both databases, and no character is a wildcard
            let holders = chart_item_terms::table
                .filter(chart_item_terms::patient_id.eq($patient))
                .filter(chart_item_terms::term.ge(from))
                .filter(chart_item_terms::term.lt(to))
                .select(chart_item_terms::item_id);
            query = match sealed.is_empty() {
                true => query.filter(chart_items::id.eq_any(holders)),
                false => {
                    let sealed = chart_item_terms::table
                        .filter(chart_item_terms::patient_id.eq($patient))
                        .filter(chart_item_terms::term.eq_any(sealed))
                        .select(chart_item_terms::item_id);
                    query.filter(chart_items::id.eq_any(holders).or(chart_items::id.eq_any(sealed)))
                }
            };
        }
        query
    }};
}

/// Items of a chart, newest first, at most `limit`; those after `before`, the last item of the previous page.
pub fn items<R: Right>(
    conn: &mut Conn,
    access: &ChartAccess<R>,
    filter: &ItemFilter,
    before: Option<(Ts, ChartItemId)>,
    limit: i64,
) -> QueryResult<Vec<ItemRow>> {
    let sought = item_terms::sought(conn, access.patient(), &filter.text)?;
    let newest = chart_items::table
        .order((chart_items::occurred_at.desc(), chart_items::id.desc()))
        .limit(limit)
        .select(ItemRow::as_select());
    let mut query = holding!(newest, access.patient(), &sought);
    if filter.offered {
        query = query.filter(chart_items::state.ne(ItemState::Withdrawn));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(chart_items::kind.eq(kind));
    }
    if let Some(from) = filter.from {
        query = query.filter(chart_items::occurred_at.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(chart_items::occurred_at.lt(until));
    }
    if let Some((at, id)) = before {
        let same = chart_items::occurred_at.eq(at).and(chart_items::id.lt(id));
        // the first condition follows from the second: it lets the database begin here in the index
        query = query.filter(chart_items::occurred_at.le(at)).filter(chart_items::occurred_at.lt(at).or(same));
    }
    query.load(conn)
}

/// How many items a filter finds by kind, and how many more there are outside its dates.
pub fn counts<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, filter: &ItemFilter) -> QueryResult<Counts> {
    if item_terms::typed(&filter.text).next().is_none() {
        let mut counts = tallies::counts(conn, access.patient(), filter)?;
        if filter.offered {
            leave_out_withdrawn(conn, access.patient(), filter, &mut counts)?;
        }
        return Ok(counts);
    }
    let sought = item_terms::sought(conn, access.patient(), &filter.text)?;
    let by_kind = chart_items::table.group_by(chart_items::kind).select((chart_items::kind, count_star()));
    let mut within = holding!(by_kind, access.patient(), &sought);
    if filter.offered {
        within = within.filter(chart_items::state.ne(ItemState::Withdrawn));
    }
    if let Some(from) = filter.from {
        within = within.filter(chart_items::occurred_at.ge(from));
    }
    if let Some(until) = filter.until {
        within = within.filter(chart_items::occurred_at.lt(until));
    }
    let found: Vec<(ItemKind, i64)> = within.load(conn)?;
    let mut counts = Counts { by_kind: found.into_iter().collect(), hidden: 0 };
    if filter.from.is_some() || filter.until.is_some() {
        let mut whole = holding!(chart_items::table.select(count_star()), access.patient(), &sought);
        if filter.offered {
            whole = whole.filter(chart_items::state.ne(ItemState::Withdrawn));
        }
        if let Some(kind) = filter.kind {
            whole = whole.filter(chart_items::kind.eq(kind));
        }
        let whole: i64 = whole.first(conn)?;
        counts.hidden = whole - counts.count(filter.kind.as_ref());
    }
    Ok(counts)
}

/// Takes withdrawn items out of the counts: the tallies contain them, but they may not be sent.
fn leave_out_withdrawn(
    conn: &mut Conn,
    patient: PatientId,
    filter: &ItemFilter,
    counts: &mut Counts,
) -> QueryResult<()> {
    let gone: Vec<(ItemKind, Ts)> = chart_items::table
        .filter(chart_items::patient_id.eq(patient))
        .filter(chart_items::state.eq(ItemState::Withdrawn))
        .select((chart_items::kind, chart_items::occurred_at))
        .load(conn)?;
    for (kind, at) in gone {
        let is_within = filter.from.is_none_or(|from| at >= from) && filter.until.is_none_or(|until| at < until);
        if is_within {
            counts.by_kind.entry(kind).and_modify(|count| *count -= 1);
        } else if filter.kind.is_none_or(|wanted| wanted == kind) {
            counts.hidden -= 1;
        }
    }
    counts.by_kind.retain(|_, count| *count > 0);
    Ok(())
}

/// The items of a chart with their content, newest first, those after `before`; at most `limit`. Unlike [`items`] it has all the
/// time that it needs: for an export. What is now a part of another item is left out.
pub fn in_order(
    conn: &mut Conn,
    _by: &impl Authority<rights::Records>,
    patient: PatientId,
    before: Option<(Ts, ChartItemId)>,
    limit: i64,
) -> QueryResult<Vec<Item>> {
    let own = chart_items::table.filter(chart_items::patient_id.eq(patient));
    let mut query = own
        .filter(chart_items::state.ne(ItemState::Moved))
        .order((chart_items::occurred_at.desc(), chart_items::id.desc()))
        .limit(limit)
        .select((ItemRow::as_select(), chart_items::body))
        .into_boxed::<MultiBackend>();
    if let Some((at, id)) = before {
        let same = chart_items::occurred_at.eq(at).and(chart_items::id.lt(id));
        query = query.filter(chart_items::occurred_at.le(at)).filter(chart_items::occurred_at.lt(at).or(same));
    }
    let rows: Vec<(ItemRow, Opened)> = query.load(conn)?;
    let item = |(row, Opened(json))| Item { row, body: serde_json::from_str(&json).unwrap_or_default() };
    Ok(rows.into_iter().map(item).collect())
}

/// One item of this chart; `None` where it does not exist or belongs to another chart.
pub fn item<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, id: ChartItemId) -> QueryResult<Option<Item>> {
    item_of(conn, access.patient(), id)
}

/// One item of the chart of a patient whose identity comes from another proof (a conversation's).
pub fn item_of(conn: &mut Conn, patient: PatientId, id: ChartItemId) -> QueryResult<Option<Item>> {
    let found: Option<(ItemRow, Opened)> = chart_items::table
        .find(id)
        .filter(chart_items::patient_id.eq(patient))
        .select((ItemRow::as_select(), chart_items::body))
        .first(conn)
        .optional()?;
    Ok(found.map(|(row, Opened(json))| {
        // a body that a later version wrote cannot be read: the page then says that there is nothing to show
        let body = serde_json::from_str(&json).unwrap_or_default();
        Item { row, body }
    }))
}

/// Those of these items that are in this chart, newest first; others are left out.
pub fn chosen<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, ids: &[ChartItemId]) -> QueryResult<Vec<ItemRow>> {
    let mut found = Vec::new();
    // a query by primary key for each: the statement is the same for any number of items
    for id in ids.iter().take(MOST_CHOSEN) {
        let row = chart_items::table
            .find(id)
            .filter(chart_items::patient_id.eq(access.patient()))
            .filter(chart_items::state.eq_any([ItemState::Current, ItemState::PartlyWithdrawn]))
            .select(ItemRow::as_select())
            .first(conn)
            .optional()?;
        found.extend(row);
    }
    found.sort_by_key(|row: &ItemRow| std::cmp::Reverse((row.occurred_at, row.id)));
    found.dedup_by_key(|row| row.id);
    Ok(found)
}

/// The most items that one message can carry from the chart.
pub const MOST_CHOSEN: usize = 100;
