//! The sessions that have not ended: listing and ending them.

use super::{DEVICE, LAPSES_AFTER, MARK, State};
use crate::access::{Device, PortalVisit};
use crate::db::schema::sessions;
use crate::db::{CaregiverId, Conn, PatientId, Ts, Tx, UserId};
use diesel::prelude::*;

/// Ends every session of a user. Gives how many.
pub fn end_of_user(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user))).execute(tx.conn())
}

/// A session of a user that has not ended.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// which of the user's sessions: a word that opens nothing; empty in sessions that are older than marks
    pub mark: String,
    /// the browser and system
    pub device: Device,
    /// when it began
    pub created_at: Ts,
    /// when it was last used, to the minute
    pub seen_at: Ts,
}

type Open = (Vec<u8>, String, Ts, Ts);

pub(super) fn open_of(conn: &mut Conn, now: Ts, user: UserId) -> QueryResult<Vec<(Vec<u8>, OpenSession)>> {
    let open = sessions::idle_until.gt(now).and(sessions::expires_at.gt(now));
    let theirs = sessions::table.filter(sessions::user_id.eq(user)).filter(open).order(sessions::seen_at.desc());
    let columns = (sessions::token_hash, sessions::state, sessions::created_at, sessions::seen_at);
    let found: Vec<Open> = theirs.limit(1_000).select(columns).load(conn)?;
    let read = |(token, state, created_at, seen_at): Open| {
        let state: State = serde_json::from_str(&state).unwrap_or_default();
        let word = |key| state.get(key).and_then(|json| serde_json::from_str::<String>(json).ok()).unwrap_or_default();
        (token, OpenSession { mark: word(MARK), device: Device::stored(&word(DEVICE)), created_at, seen_at })
    };
    Ok(found.into_iter().map(read).collect())
}

/// The sessions of a user that have not ended, the one used last first; at most 1,000.
pub fn of_user(conn: &mut Conn, now: Ts, user: UserId) -> QueryResult<Vec<OpenSession>> {
    Ok(open_of(conn, now, user)?.into_iter().map(|(_, one)| one).collect())
}

/// Ends some of a user's sessions. Gives how many.
pub fn end_some(tx: &mut Tx, now: Ts, user: UserId, which: impl Fn(&OpenSession) -> bool) -> QueryResult<usize> {
    let ended: Vec<Vec<u8>> =
        open_of(tx, now, user)?.into_iter().filter(|(_, one)| which(one)).map(|(token, _)| token).collect();
    diesel::delete(sessions::table.filter(sessions::token_hash.eq_any(ended))).execute(tx.conn())
}

/// Ends every session of one person at the portal: of the patient, or of the caregiver who reads for them. Gives how many.
pub fn end_of_visit(tx: &mut Tx, visit: &PortalVisit) -> QueryResult<usize> {
    match visit.caregiver() {
        Some(caregiver) => end_of_caregiver(tx, caregiver),
        None => {
            let own = sessions::table.filter(sessions::patient_id.eq(visit.patient()));
            diesel::delete(own.filter(sessions::caregiver_id.is_null())).execute(tx.conn())
        }
    }
}

/// Ends every session of a caregiver. Gives how many.
pub fn end_of_caregiver(tx: &mut Tx, caregiver: CaregiverId) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::caregiver_id.eq(caregiver))).execute(tx.conn())
}

/// Ends every session of a patient, and of the caregivers who read for them. Gives how many.
pub fn end_of_patient(tx: &mut Tx, patient: PatientId) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::patient_id.eq(patient))).execute(tx.conn())
}

/// Removes the sessions that ended so long ago that no typed text is kept for them. Gives how many.
pub fn sweep(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::expires_at.lt(now.plus(-LAPSES_AFTER)))).execute(tx.conn())
}
