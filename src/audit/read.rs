//! Reads the log, newest first.

use super::{ActorKind, Event, Row};
use crate::db::schema::audit_events as a;
use crate::db::{Conn, MultiBackend, PatientId, Ts, UserId, in_time};
use diesel::dsl::{AsSelect, IntoBoxed, Select};
use diesel::prelude::*;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// this event
    Event(Event),
    /// any event of [`Event::LOOKS`]
    Looks,
}

/// Selects rows of the log; a field that is `None` selects all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// what this user did
    pub user: Option<UserId>,
    /// what was done by or to this patient
    pub patient: Option<PatientId>,
    /// what was done
    pub what: Option<What>,
    /// from this moment on
    pub from: Option<Ts>,
    /// before this moment
    pub until: Option<Ts>,
}

/// A row's place in the log: when, and its identity.
pub type Place = (Ts, i64);

/// The rows that the filter selects, newest first: those before `before`, at most `limit`.
///
/// Each event is a query of its own, which reads at most `limit` rows in the order of an index. With a patient, the
/// query reads that patient's rows: the other conditions are written as expressions, which keeps the database from the
/// indexes with the rows of everybody.
pub fn newest(conn: &mut Conn, filter: &Filter, before: Option<Place>, limit: i64) -> QueryResult<Vec<Row>> {
    let looks = || Event::LOOKS.map(Event::as_str).to_vec();
    let Some(patient) = filter.patient else {
        let walks = match filter.what {
            Some(What::Event(event)) => vec![Some(event.as_str())],
            Some(What::Looks) => looks().into_iter().map(Some).collect(),
            None => vec![None],
        };
        let mut rows: Vec<Row> = Vec::new();
        for action in walks {
            let mut walk = of_days(filter, before);
            if let Some(user) = filter.user {
                walk = walk.filter(a::actor_id.eq(user.0)).filter(a::actor.eq(ActorKind::User));
            }
            if let Some(action) = action {
                walk = walk.filter(a::action.eq(action));
            }
            rows.extend(walk.limit(limit).load::<Row>(conn)?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.at, row.id)));
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        return Ok(rows);
    };
    let mut theirs = of_days(filter, before).filter(a::patient_id.eq(patient));
    if let Some(user) = filter.user {
        theirs = theirs.filter((a::actor_id + 0_i64).eq(user.0)).filter(a::actor.eq(ActorKind::User));
    }
    match filter.what {
        Some(What::Event(event)) => theirs = theirs.filter(a::action.concat("").eq(event.as_str())),
        Some(What::Looks) => theirs = theirs.filter(a::action.concat("").eq_any(looks())),
        None => {}
    }
    theirs.limit(limit).load(conn)
}

/// The rows of one patient's chain after this position, or of all chains after this row (`chain` is `None`), in their order; at
/// most `limit`: for an export.
pub fn in_order(conn: &mut Conn, chain: Option<PatientId>, after: i64, limit: i64) -> QueryResult<Vec<Row>> {
    let rows = a::table.select(Row::as_select()).limit(limit);
    match chain {
        Some(patient) => {
            let own = rows.filter(a::chain.eq(patient.0)).filter(a::position.gt(after));
            own.order(a::position).load(conn)
        }
        None => rows.filter(a::id.gt(after)).order(a::id).load(conn),
    }
}

type Rows<'a> = IntoBoxed<'a, Select<a::table, AsSelect<Row, MultiBackend>>, MultiBackend>;

/// Rows of the filter's days in the order of the log, those before `before`. The first of the two conditions for
/// `before` follows from the second; it lets the database begin there in an index.
fn of_days<'a>(filter: &Filter, before: Option<Place>) -> Rows<'a> {
    let newest = a::table.select(Row::as_select()).into_boxed::<MultiBackend>();
    let mut rows = newest.filter(in_time()).order((a::at.desc(), a::id.desc()));
    if let Some(from) = filter.from {
        rows = rows.filter(a::at.ge(from));
    }
    if let Some(until) = filter.until {
        rows = rows.filter(a::at.lt(until));
    }
    if let Some((at, id)) = before {
        rows = rows.filter(a::at.le(at)).filter(a::at.lt(at).or(a::at.eq(at).and(a::id.lt(id))));
    }
    rows
}
