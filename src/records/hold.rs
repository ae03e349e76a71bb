//! A legal hold: while it is in place, the record is not deleted, whatever the retention periods say.

use crate::access::{self, ConfirmedUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{record_holds, users};
use crate::db::sealed::{self, Opened};
use crate::db::{Conn, DbError, PatientId, Ts, Tx};
use crate::patients::merged_records;
use diesel::prelude::*;

/// A hold that is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// since when
    pub since: Ts,
    /// the name of the user who placed it
    pub by: String,
    /// the reason, in that user's words
    pub note: String,
}

/// Why a hold was not placed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// the record does not exist any more
    #[error("there is no such record")]
    NotThere,
    /// the database failed
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(HoldError);

/// The hold on a record, or on one that was merged into it.
pub fn held(conn: &mut Conn, patient: PatientId) -> QueryResult<Option<Hold>> {
    let all = merged_records(conn, patient)?;
    let found: Option<(Ts, String, Opened)> = record_holds::table
        .inner_join(users::table)
        .filter(record_holds::patient_id.eq_any(all))
        .order(record_holds::held_at)
        .select((record_holds::held_at, users::name, record_holds::note))
        .first(conn)
        .optional()?;
    Ok(found.map(|(since, by, note)| Hold { since, by, note: note.into() }))
}

/// Places a hold, or changes the note of the existing one.
///
/// # Errors
/// See [`HoldError`].
pub fn hold(
    tx: &mut Tx,
    now: Ts,
    by: &ConfirmedUser<rights::Records>,
    patient: PatientId,
    note: &str,
) -> Result<(), HoldError> {
    let patient = match access::held(tx, patient) {
        Err(diesel::result::Error::NotFound) => return Err(HoldError::NotThere),
        held => held?,
    };
    let user = by.user().id();
    let all = merged_records(tx, patient)?;
    // the hold of a record that was merged into this one stays in place
    let standing: Option<PatientId> = record_holds::table
        .filter(record_holds::patient_id.eq_any(all))
        .order(record_holds::held_at)
        .select(record_holds::patient_id)
        .first(tx.conn())
        .optional()?;
    if let Some(held) = standing {
        let row = diesel::update(record_holds::table.find(held));
        row.set(record_holds::note.eq(sealed::text(note))).execute(tx.conn())?;
    } else {
        let row = (
            (record_holds::patient_id.eq(patient), record_holds::user_id.eq(user)),
            (record_holds::held_at.eq(now), record_holds::note.eq(sealed::text(note))),
        );
        diesel::insert_into(record_holds::table).values(row).execute(tx.conn())?;
    }
    audit::append(tx, now, Entry::of_patient(Actor::User(user), Event::RecordHeld, patient, Subject::None))?;
    Ok(())
}

/// Lifts the hold on a record and on those that were merged into it. `false` where there was none.
pub fn lift(tx: &mut Tx, now: Ts, by: &ConfirmedUser<rights::Records>, patient: PatientId) -> QueryResult<bool> {
    let patient = access::held(tx, patient)?;
    let all = merged_records(tx, patient)?;
    let lifted = diesel::delete(record_holds::table.filter(record_holds::patient_id.eq_any(all))).execute(tx.conn())?;
    if lifted == 0 {
        return Ok(false);
    }
    let entry = Entry::of_patient(Actor::User(by.user().id()), Event::RecordHoldLifted, patient, Subject::None);
    audit::append(tx, now, entry)?;
    Ok(true)
}
