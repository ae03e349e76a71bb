//! What an EMR says of a patient otherwise than the clinic's record does: taken, left or asked about, as the rules say.
//! What the patient has confirmed here is never overwritten without a user.

use super::fields::{Field, Rule};
use crate::access::{self, Authority, ChartAccess, Operator, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::import::fhir::ImportOptions;
use crate::chart::import::said_of;
use crate::db::schema::{emr_differences as d, emr_rounds, emr_rules, patient_sources};
use crate::db::{Conn, PatientId, Ts, Tx, lock_row};
use crate::patients::{self, Change, SourceId};
use diesel::prelude::*;

/// Whose word counts, by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<(Field, Rule)>);

impl Rules {
    /// Whose word counts for a field: a user is asked where nobody has decided.
    pub fn of(&self, field: Field) -> Rule {
        self.0.iter().find(|(one, _)| *one == field).map_or(Rule::Ask, |(_, rule)| *rule)
    }

    /// Decides for a field.
    pub fn set(&mut self, field: Field, rule: Rule) {
        self.0.retain(|(one, _)| *one != field);
        self.0.push((field, rule));
    }
}

/// Whose word counts.
pub fn rules(conn: &mut Conn) -> QueryResult<Rules> {
    Ok(Rules(emr_rules::table.select((emr_rules::field, emr_rules::rule)).order(emr_rules::field).load(conn)?))
}

/// Decides whose word counts. The caller holds the settings, so that of two owners the second is asked.
pub fn save_rules(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, rules: &Rules) -> QueryResult<()> {
    diesel::delete(emr_rules::table).execute(tx.conn())?;
    for field in Field::ALL {
        let row = (emr_rules::field.eq(*field), emr_rules::rule.eq(rules.of(*field)));
        diesel::insert_into(emr_rules::table).values(row).execute(tx.conn())?;
    }
    let entry = Entry::of_clinic(by.user().into(), Event::SettingsChanged, Subject::None);
    audit::append(tx, now, entry.with("sync_rules"))
}

/// A field of which a user is asked.
#[derive(Debug, Clone)]
pub struct Difference {
    /// identity
    pub id: i64,
    /// the source that says so
    pub source: String,
    /// which field
    pub field: Field,
    /// what the source says
    pub theirs: String,
    /// when that was noted: what a page shows and what a user chooses is of this moment
    pub noted_at: Ts,
}

type Row = (i64, String, Field, String, Ts);

fn difference((id, source, field, theirs, noted_at): Row) -> Difference {
    Difference { id, source, field, theirs, noted_at }
}

/// The most differences that a chart shows.
const MOST: i64 = 50;

/// What nobody has decided yet of a patient's records in the sources. A record that was in this chart and is in another one
/// now, since a merge was undone, says nothing about this patient.
macro_rules! open {
    ($patient:expr) => {
        d::table.filter(d::patient_id.eq($patient)).filter(d::kept_at.is_null()).filter(diesel::dsl::exists(
            patient_sources::table
                .filter(patient_sources::patient_id.eq(d::patient_id))
                .filter(patient_sources::source.eq(d::source))
                .filter(patient_sources::source_id.eq(d::owner_id)),
        ))
    };
}

/// The differences of which a user of this chart is asked.
pub fn differences(conn: &mut Conn, patient: PatientId) -> QueryResult<Vec<Difference>> {
    let rows: Vec<Row> = open!(patient)
        .order((d::source, d::id))
        .select((d::id, d::source, d::field, d::theirs, d::noted_at))
        .limit(MOST)
        .load(conn)?;
    Ok(rows.into_iter().map(difference).collect())
}

/// Compares what a source says of a patient with the clinic's record. The patient's row is locked, as for every change of it.
pub(super) fn compare(
    tx: &mut Tx,
    now: Ts,
    by: Operator,
    owner: &SourceId,
    options: &ImportOptions,
) -> QueryResult<()> {
    let Some(known) = patients::by_source(tx, owner)? else { return Ok(()) };
    let patient = access::held(tx, known)?;
    let Some(said) = said_of(tx, owner, options)? else { return Ok(()) };
    let (before, rules) = (patients::patient_by_id(tx, patient)?, rules(tx)?);
    // two records in one chart, of one source or of two: neither may overwrite what the other one says
    let is_alone = !has_other_synced(tx, patient, owner)?;
    let mut after = before.demographics.clone();
    for field in Field::ALL.iter().copied() {
        let theirs = field.said(&said, &options.default_calling_code);
        let theirs = theirs.filter(|theirs| !field.is_same(&field.of(&before.demographics), theirs));
        let Some(theirs) = theirs else {
            forget(tx, patient, owner, field)?;
            continue;
        };
        let is_taken = match rules.of(field) {
            Rule::Clinic => true,
            Rule::Emr => is_alone && !field.is_confirmed(&before) && field.put(&mut after, &theirs),
            Rule::Ask => false,
        };
        match is_taken {
            true => forget(tx, patient, owner, field)?,
            false => note(tx, now, patient, owner, field, &theirs)?,
        }
    }
    if after != before.demographics {
        patients::fill(tx, now, &by, &before, &after)?;
    }
    Ok(())
}

/// Whether a chart has another record of a source that is synced.
fn has_other_synced(conn: &mut Conn, patient: PatientId, owner: &SourceId) -> QueryResult<bool> {
    let others = patient_sources::table
        .filter(patient_sources::patient_id.eq(patient))
        .filter(patient_sources::source.ne(&owner.source).or(patient_sources::source_id.ne(&owner.id)))
        .filter(diesel::dsl::exists(emr_rounds::table.filter(emr_rounds::source.eq(patient_sources::source))));
    let found: Option<i64> = others.select(patient_sources::id).first(conn).optional()?;
    Ok(found.is_some())
}

fn forget(tx: &mut Tx, patient: PatientId, owner: &SourceId, field: Field) -> QueryResult<()> {
    let same = d::table
        .filter(d::patient_id.eq(patient))
        .filter(d::source.eq(&owner.source))
        .filter(d::owner_id.eq(&owner.id))
        .filter(d::field.eq(field));
    diesel::delete(same).execute(tx.conn()).map(drop)
}

/// Notes a difference. What a user has decided stays decided until the source says something else.
fn note(tx: &mut Tx, now: Ts, patient: PatientId, owner: &SourceId, field: Field, theirs: &str) -> QueryResult<()> {
    let same = d::table
        .filter(d::patient_id.eq(patient))
        .filter(d::source.eq(&owner.source))
        .filter(d::owner_id.eq(&owner.id))
        .filter(d::field.eq(field));
    let known: Option<(i64, String)> = same.select((d::id, d::theirs)).first(tx.conn()).optional()?;
    match known {
        Some((_, same)) if same == theirs => Ok(()),
        Some((id, _)) => {
            let anew = (d::theirs.eq(theirs), d::noted_at.eq(now), d::kept_at.eq(None::<Ts>));
            diesel::update(d::table.find(id)).set(anew).execute(tx.conn()).map(drop)
        }
        None => {
            let row = (
                (d::patient_id.eq(patient), d::source.eq(&owner.source), d::owner_id.eq(&owner.id)),
                (d::field.eq(field), d::theirs.eq(theirs), d::noted_at.eq(now)),
            );
            diesel::insert_into(d::table).values(row).execute(tx.conn()).map(drop)
        }
    }
}

/// What a user chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// done
    Done,
    /// the source or the clinic says something else by now, or somebody has chosen already: the user is asked again
    Newer,
}

/// Takes what the source says, or keeps what the clinic has: `here` is what the user saw of it. An address that is taken ends
/// sessions and links, as any change of it does.
pub fn choose(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    (id, noted_at): (i64, Ts),
    here: &str,
    takes_theirs: bool,
) -> QueryResult<Chosen> {
    let held = access.held(tx)?;
    lock_row(tx, "emr_differences", id)?;
    let open = open!(held.patient()).filter(d::id.eq(id));
    let row: Option<Row> =
        open.select((d::id, d::source, d::field, d::theirs, d::noted_at)).first(tx.conn()).optional()?;
    let Some(asked) = row.map(difference).filter(|asked| asked.noted_at == noted_at) else {
        return Ok(Chosen::Newer);
    };
    let before = patients::patient_by_id(tx, held.patient())?;
    // whoever entered something meanwhile was not seen by this user
    if asked.field.of(&before.demographics) != here {
        return Ok(Chosen::Newer);
    }
    let mut demographics = before.demographics.clone();
    if takes_theirs {
        if !asked.field.put(&mut demographics, &asked.theirs) {
            return Ok(Chosen::Newer);
        }
        let change = Change { demographics, portal_access: before.portal_access };
        patients::update(tx, now, &held, &change)?;
        diesel::delete(d::table.find(id)).execute(tx.conn())?;
        return Ok(Chosen::Done);
    }
    diesel::update(d::table.find(id)).set(d::kept_at.eq(Some(now))).execute(tx.conn())?;
    let user = Actor::User(access.user().id());
    let entry = Entry::of_patient(user, Event::DifferenceKept, held.patient(), Subject::None);
    audit::append(tx, now, entry.with(asked.field.as_str()))?;
    Ok(Chosen::Done)
}
