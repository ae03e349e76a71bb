//! The audit log as the owners read it: narrowed, page by page, with the names that belong to it.

use crate::access::{Authority, ConfirmedUser, rights};
use crate::audit::{self, Actor, ActorKind, Entry, Event, Filter, Row, Subject};
use crate::caregivers::{self, Relation};
use crate::db::{CaregiverId, Conn, PatientId, Ts, Tx, UserId};
use crate::{patients, users};
use diesel::QueryResult;
use std::collections::HashMap;

/// Rows of the log, newest first, and what the people in them are called.
pub struct AuditLog {
    /// the rows
    pub rows: Vec<Row>,
    users: HashMap<UserId, String>,
    patients: HashMap<PatientId, String>,
    caregivers: HashMap<CaregiverId, (String, Relation)>,
}

impl AuditLog {
    /// Who acted; `None` for the program itself.
    pub fn actor(&self, row: &Row) -> Option<&str> {
        let id = row.actor_id?;
        match row.actor {
            ActorKind::User => self.users.get(&UserId(id)).map(String::as_str),
            ActorKind::Patient => self.patient(PatientId(id)),
            ActorKind::Caregiver => self.caregivers.get(&CaregiverId(id)).map(|(name, _)| name.as_str()),
            ActorKind::System => None,
        }
    }

    /// What a patient is called.
    pub fn patient(&self, id: PatientId) -> Option<&str> {
        self.patients.get(&id).map(String::as_str)
    }

    /// What the user is called that something was done to.
    pub fn subject_user(&self, row: &Row) -> Option<&str> {
        let id = row.subject_id.filter(|_| row.subject.as_deref() == Some("user"))?;
        self.users.get(&UserId(id)).map(String::as_str)
    }
}

/// The rows that the filter lets through, newest first: those before `before`, at most `limit`.
pub fn audit_log(
    conn: &mut Conn,
    _: &impl Authority<rights::Audit>,
    filter: &Filter,
    before: Option<audit::Place>,
    limit: i64,
) -> QueryResult<AuditLog> {
    let rows = audit::newest(conn, filter, before, limit)?;
    let acting = |kind| rows.iter().filter(move |row| row.actor == kind).filter_map(|row| row.actor_id);
    let named = |kind: &'static str| rows.iter().filter(move |row| row.subject.as_deref() == Some(kind));
    let user_ids: Vec<UserId> =
        acting(ActorKind::User).chain(named("user").filter_map(|row| row.subject_id)).map(UserId).collect();
    let patient_ids: Vec<PatientId> = acting(ActorKind::Patient)
        .map(PatientId)
        .chain(rows.iter().filter_map(|row| row.patient_id))
        .chain(filter.patient)
        .collect();
    let caregiver_ids: Vec<CaregiverId> = acting(ActorKind::Caregiver).map(CaregiverId).collect();
    Ok(AuditLog {
        caregivers: caregivers::named(conn, &caregiver_ids)?,
        users: users::names_of(conn, &user_ids)?.into_iter().collect(),
        patients: patients::names_of(conn, &patient_ids)?.into_iter().collect(),
        rows,
    })
}

/// Leaves the trace that the log was looked at.
pub fn audit_log_viewed(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Audit>, filter: &Filter) -> QueryResult<()> {
    let entry = Entry::of_clinic(by.user().into(), Event::SettingsViewed, subject(filter));
    audit::append(tx, now, entry.with("audit_log"))
}

/// Leaves the trace that the log was exported; before the first line goes out.
pub fn audit_log_exported(tx: &mut Tx, now: Ts, by: &ConfirmedUser<rights::Audit>, filter: &Filter) -> QueryResult<()> {
    let actor = Actor::User(by.user().id());
    audit::append(tx, now, Entry::of_clinic(actor, Event::AuditLogExported, subject(filter)))
}

/// Whose rows were asked for.
fn subject(filter: &Filter) -> Subject {
    filter.patient.map_or(Subject::None, Subject::Patient)
}
