//! Two charts that look alike and belong to two people: once a user says so, nobody is asked again until a user undoes
//! it.

use super::record::{Patient, patient_if_there};
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{distinctions, patients};
use crate::db::{Conn, MultiBackend, PatientId, Ts, Tx, UserId, lock_row};
use diesel::prelude::*;
use std::collections::HashSet;

/// Pairs of charts that belong to two people.
#[derive(Debug, Clone, Default)]
pub struct Apart(HashSet<(PatientId, PatientId)>);

impl Apart {
    /// The known pairs among these patients.
    pub fn among(conn: &mut Conn, ids: &[PatientId]) -> QueryResult<Apart> {
        if ids.len() < 2 {
            return Ok(Apart::default());
        }
        let both = distinctions::one_id.eq_any(ids.to_vec()).and(distinctions::other_id.eq_any(ids.to_vec()));
        let rows = distinctions::table.filter(both).select((distinctions::one_id, distinctions::other_id));
        Ok(Apart(rows.load(conn)?.into_iter().collect()))
    }

    /// Whether a user has said that these two are two people.
    pub fn are(&self, one: PatientId, other: PatientId) -> bool {
        self.0.contains(&pair(one, other))
    }
}

/// The pair as it is stored: the smaller identity first.
fn pair(one: PatientId, other: PatientId) -> (PatientId, PatientId) {
    (one.min(other), one.max(other))
}

/// Stores that the patient of this chart and the other one are two people. `false` where there is no other one.
pub fn tell_apart(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    other: PatientId,
) -> QueryResult<bool> {
    let (one, two) = pair(access.patient(), other);
    if one == two || patient_if_there(tx, other)?.is_none() {
        return Ok(false);
    }
    // two users who say so at the same moment: the lock makes the second one find it stored
    lock_row(tx, "patients", one.0)?;
    if Apart::among(tx, &[one, two])?.are(one, two) {
        return Ok(true);
    }
    let row = (
        (distinctions::one_id.eq(one), distinctions::other_id.eq(two)),
        (distinctions::user_id.eq(access.user().id()), distinctions::made_at.eq(now)),
    );
    diesel::insert_into(distinctions::table).values(row).execute(tx.conn())?;
    leave_trace(tx, now, access, other, Event::ChartsToldApart)
}

/// Removes the distinction: the charts may be one person's. `false` where nobody made it.
pub fn may_be_one(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    other: PatientId,
) -> QueryResult<bool> {
    let (one, two) = pair(access.patient(), other);
    if diesel::delete(distinctions::table.find((one, two))).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    leave_trace(tx, now, access, other, Event::ChartsNotToldApart)
}

/// Writes audit rows in both charts, as a merge does.
fn leave_trace(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    other: PatientId,
    event: Event,
) -> QueryResult<bool> {
    let (own, user) = (access.patient(), Actor::User(access.user().id()));
    for (whose, with) in [(own, other), (other, own)] {
        audit::append(tx, now, Entry::of_patient(user, event, whose, Subject::Patient(with)))?;
    }
    Ok(true)
}

/// Two people whose charts look alike.
#[derive(Debug, Clone)]
pub struct Distinction {
    /// one of them
    pub one: Patient,
    /// the other one
    pub other: Patient,
    /// who said so
    pub by: UserId,
    /// when they said so
    pub made_at: Ts,
}

/// The newest distinctions, at most `limit`, among charts in use.
pub fn distinctions(conn: &mut Conn, limit: i64) -> QueryResult<Vec<Distinction>> {
    type Row = (PatientId, PatientId, UserId, Ts);
    let in_use = || patients::table.filter(patients::archived_at.is_null()).select(patients::id);
    let rows: Vec<Row> = distinctions::table
        .filter(distinctions::one_id.eq_any(in_use()).and(distinctions::other_id.eq_any(in_use())))
        .order((distinctions::made_at.desc(), distinctions::one_id, distinctions::other_id))
        .limit(limit)
        .load(conn)?;
    let ids: HashSet<PatientId> = rows.iter().flat_map(|(one, other, ..)| [*one, *other]).collect();
    let all = patients::table.filter(patients::id.eq_any(ids)).select(Patient::as_select());
    let all: Vec<Patient> = all.into_boxed::<MultiBackend>().load(conn)?;
    let of = |id: PatientId| all.iter().find(|patient| patient.id == id).cloned();
    let pairs = rows
        .into_iter()
        .filter_map(|(one, other, by, made_at)| Some(Distinction { one: of(one)?, other: of(other)?, by, made_at }));
    Ok(pairs.collect())
}
