//! Reads the log, newest first.

use super::{ActorKind, Event, Row};
use crate::db::schema::audit_events as a;
use crate::db::{Conn, MultiBackend, PatientId, Ts, UserId, in_time};
use diesel::prelude::*;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// this
    Event(Event),
    /// anything of [`Event::LOOKS`]
    Looks,
}

/// Which rows of the log; what is `None` narrows nothing.
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

/// The rows that the filter lets through, newest first: those before `before` (an id), at most `limit`.
pub fn newest(conn: &mut Conn, filter: &Filter, before: Option<i64>, limit: i64) -> QueryResult<Vec<Row>> {
    let mut rows = a::table.filter(in_time()).into_boxed::<MultiBackend>().filter(a::id.lt(before.unwrap_or(i64::MAX)));
    if let Some(user) = filter.user {
        rows = rows.filter(a::actor.eq(ActorKind::User)).filter(a::actor_id.eq(user.0));
    }
    if let Some(patient) = filter.patient {
        rows = rows.filter(a::patient_id.eq(patient));
    }
    match filter.what {
        Some(What::Event(event)) => rows = rows.filter(a::action.eq(event.as_str())),
        Some(What::Looks) => rows = rows.filter(a::action.eq_any(Event::LOOKS.map(Event::as_str).to_vec())),
        None => {}
    }
    if let Some(from) = filter.from {
        rows = rows.filter(a::at.ge(from));
    }
    if let Some(until) = filter.until {
        rows = rows.filter(a::at.lt(until));
    }
    rows.order(a::id.desc()).limit(limit).select(Row::as_select()).load(conn)
}
