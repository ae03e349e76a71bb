//! Numbers that identify a patient: the health number, which is in their record, and others beside it.

use super::health_number::{health_number_key, number_key};
use super::record::Patient;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{patient_identifiers, patients as table};
use crate::db::{Both, Conn, PatientId, Ts, Tx};
use crate::text_enum;
use diesel::prelude::*;

text_enum! {
    /// A kind of number. The comments name the type of HL7 table 0203.
    pub enum IdKind {
        /// health number; kept in the record itself (JHN, HC, NH, NI, MC)
        HealthNumber = "health_number",
        /// the clinic's or the hospital's own number (MR)
        RecordNumber = "record_number",
        /// driver's licence (DL)
        DriversLicence = "drivers_licence",
        /// passport (PPN)
        Passport = "passport",
    }
}

impl IdKind {
    /// The kinds that are kept beside the record.
    pub const BESIDE: [IdKind; 3] = [IdKind::RecordNumber, IdKind::DriversLicence, IdKind::Passport];

    /// The kind for a type of HL7 table 0203; `None` for types that are not used here.
    pub fn of_v2_0203(code: &str) -> Option<IdKind> {
        match code {
            "MR" => Some(IdKind::RecordNumber),
            "DL" => Some(IdKind::DriversLicence),
            "PPN" => Some(IdKind::Passport),
            _ => None,
        }
    }

    /// The type of HL7 table 0203 for a number beside the record.
    pub fn v2_0203(self) -> Option<&'static str> {
        ["MR", "DL", "PPN"].into_iter().find(|code| IdKind::of_v2_0203(code) == Some(self))
    }
}

/// The most patients that may have the same number: more are a mistake in the records, and then it identifies nobody.
const MOST: i64 = 20;

/// A patient's numbers beside the record: kind and number as written.
pub fn identifiers(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<(IdKind, String)>> {
    let own = patient_identifiers::table.filter(patient_identifiers::patient_id.eq(patient));
    own.order(patient_identifiers::kind).select((patient_identifiers::kind, patient_identifiers::number)).load(conn)
}

/// The patients with this number, compared without spaces, signs and case.
pub fn with_number(conn: &mut Conn, kind: IdKind, number: &str) -> QueryResult<Vec<Patient>> {
    if kind == IdKind::HealthNumber {
        let same = table::table.filter(table::health_number_key.eq(health_number_key(number)));
        let same = same.filter(table::merged_into.is_null());
        return same.select(Patient::as_select()).limit(MOST).load(conn);
    }
    patient_identifiers::table
        .inner_join(table::table)
        .filter(patient_identifiers::number_key.eq(number_key(number)))
        .filter(patient_identifiers::kind.eq(kind))
        .filter(table::merged_into.is_null())
        .select(Patient::as_select())
        .limit(MOST)
        .load(conn)
}

/// Sets a patient's numbers beside the record to these; other kinds are removed.
pub fn set_identifiers(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    numbers: &[(IdKind, String)],
) -> QueryResult<()> {
    let patient = access.patient();
    let mut numbers = numbers.to_vec();
    numbers.sort_by_key(|(kind, _)| kind.as_str());
    if identifiers(tx, patient)? == numbers {
        return Ok(());
    }
    let own = patient_identifiers::table.filter(patient_identifiers::patient_id.eq(patient));
    diesel::delete(own).execute(tx.conn())?;
    for (kind, number) in &numbers {
        put_identifiers(tx, patient, *kind, number)?;
    }
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::PatientChanged, patient, Subject::None);
    audit::append(tx, now, entry.with("identification"))
}

/// Stores a number for a patient who has none of its kind yet. For imports: what the clinic has stays.
pub fn put_identifiers(tx: &mut Tx, patient: PatientId, kind: IdKind, number: &str) -> QueryResult<()> {
    let row = (
        (patient_identifiers::patient_id.eq(patient), patient_identifiers::kind.eq(kind)),
        (patient_identifiers::number.eq(number), patient_identifiers::number_key.eq(number_key(number))),
    );
    let insert = diesel::insert_into(patient_identifiers::table).values(row).on_conflict_do_nothing();
    Both(insert).execute(tx.conn()).map(drop)
}

/// Moves a patient's numbers beside the record to another patient who has none of their kind: all numbers, or those of
/// `kinds`. Gives the kinds that moved.
pub fn move_identifiers(
    tx: &mut Tx,
    from: PatientId,
    to: PatientId,
    kinds: Option<&[IdKind]>,
) -> QueryResult<Vec<IdKind>> {
    let there = identifiers(tx, to)?;
    let mut moving: Vec<IdKind> = identifiers(tx, from)?.into_iter().map(|(kind, _)| kind).collect();
    moving.retain(|kind| there.iter().all(|(own, _)| own != kind) && kinds.is_none_or(|kinds| kinds.contains(kind)));
    for kind in &moving {
        let row = diesel::update(patient_identifiers::table.find((from, *kind)));
        row.set(patient_identifiers::patient_id.eq(to)).execute(tx.conn())?;
    }
    Ok(moving)
}

/// A number with only its end shown, for its owner to recognise: `… 5919`.
pub fn masked(number: &str) -> String {
    let kept: Vec<char> = number.chars().filter(|c| c.is_alphanumeric()).collect();
    let shown = kept.len().min(4).min(kept.len() / 2);
    format!("… {}", kept[kept.len() - shown..].iter().collect::<String>())
}
