//! "Portal access given": told once, when access is switched on, if the clinic wants it so.

use super::blocks::blocks;
use super::plan::plan;
use super::states::State;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::{Patient, patient, patient_by_id};
use crate::clock::Random;
use crate::db::schema::access_notices as a;
use crate::db::{AccessNoticeId, Conn, MultiBackend, PatientId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use crate::outbox::{self, JobKind};
use crate::settings;
use diesel::prelude::*;

/// A notice as pages show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = a, check_for_backend(MultiBackend))]
pub struct AccessNotice {
    /// identity
    pub id: AccessNoticeId,
    /// to whom
    pub patient_id: PatientId,
    /// by which road
    pub channel: Channel,
    /// where it is
    pub state: State,
    /// why it is there
    pub reason: Option<Reason>,
    /// local part of its Message-ID
    pub message_uid: String,
    /// when it was made
    pub created_at: Ts,
    /// since when it is in this state
    pub state_at: Ts,
}

/// After a change of a chart: enqueues the notices if access is on now and `before` it was not. Says whether any were.
///
/// # Errors
/// Those of the database.
pub fn tell_of_access(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ChartAccess<rights::EditPatients>,
    before: &Patient,
) -> QueryResult<bool> {
    let (settings, patient) = (settings::load(tx)?, patient(tx, access)?);
    let given = patient.portal_access && !before.portal_access && patient.archived_at.is_none();
    if !given || !settings.tell_of_access || !settings.portal_on {
        return Ok(false);
    }
    let channels = plan(&patient, &blocks(tx, &patient)?).links;
    for channel in &channels {
        let row = (
            (a::patient_id.eq(patient.id), a::channel.eq(*channel), a::state.eq(State::Queued)),
            (a::reason.eq(None::<String>), a::message_uid.eq(random.token().reveal().to_lowercase())),
            (a::created_at.eq(now), a::state_at.eq(now)),
        );
        let insert = diesel::insert_into(a::table).values(row);
        let id: AccessNoticeId = insert.returning(a::id).get_result(tx.conn())?;
        outbox::enqueue(tx, now, JobKind::SendAccessNotice, id.0, now)?;
    }
    Ok(!channels.is_empty())
}

/// A notice that still is to be sent, with the patient as they are now.
///
/// # Errors
/// Those of the database.
pub fn to_send(conn: &mut Conn, id: AccessNoticeId) -> QueryResult<Option<(AccessNotice, Patient)>> {
    let row: Option<AccessNotice> = a::table.find(id).select(AccessNotice::as_select()).first(conn).optional()?;
    let Some(row) = row.filter(|row| !row.state.is_final()) else { return Ok(None) };
    let patient = patient_by_id(conn, row.patient_id)?;
    Ok(Some((row, patient)))
}

/// Writes down where a notice is, and in the audit log if that is its end.
///
/// # Errors
/// Those of the database.
pub fn set_access_state(
    tx: &mut Tx,
    now: Ts,
    row: &AccessNotice,
    state: State,
    reason: Option<Reason>,
) -> QueryResult<()> {
    diesel::update(a::table.find(row.id))
        .set((a::state.eq(state), a::reason.eq(reason), a::state_at.eq(now)))
        .execute(tx.conn())?;
    if !state.is_final() {
        return Ok(());
    }
    let words = [Some(row.channel.as_str()), Some(state.as_str()), reason.map(Reason::as_str)];
    let detail: Vec<&str> = words.into_iter().flatten().collect();
    let entry = Entry::of_patient(Actor::System, Event::AccessTold, row.patient_id, Subject::None);
    audit::append(tx, now, entry.with(detail.join(" ")))
}

/// The newest notices of a patient, newest first.
///
/// # Errors
/// Those of the database.
pub fn access_notices(conn: &mut Conn, patient: PatientId, limit: i64) -> QueryResult<Vec<AccessNotice>> {
    let all = a::table.filter(a::patient_id.eq(patient)).order(a::id.desc()).limit(limit);
    all.select(AccessNotice::as_select()).load(conn)
}
