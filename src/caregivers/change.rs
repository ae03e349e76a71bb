//! Adding, changing and ending a caregiver. What a link or session rests on ends with each change of it, at once.

use super::ages;
use super::record::{Details, MOST, Relation, by_id, is_patients_own, one_of_chart};
use crate::access::{ChartAccess, PortalVisit, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::caregivers;
use crate::db::{CaregiverId, Ts, Tx, UserId, change_rows};
use crate::patients::{self, Method};
use crate::portal_links;
use crate::text::Lang;
use crate::values::EmailAddress;
use diesel::prelude::*;

/// A caregiver to be added.
#[derive(Debug, Clone)]
pub struct NewCaregiver {
    /// what was entered
    pub details: Details,
    /// the form's idempotency key
    pub key: String,
}

/// Why nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// the email is the patient's own
    PatientsEmail,
    /// the cellphone number is the patient's own
    PatientsPhone,
    /// the chart has as many as it may have
    TooMany,
    /// the patient has reached the age at which a parent's access ends
    OfAge,
}

/// Adds a caregiver to a chart. The same key gives the first result again.
pub fn add(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    new: &NewCaregiver,
) -> QueryResult<Result<CaregiverId, Refused>> {
    let access = &access.held(tx)?;
    let theirs = || caregivers::table.filter(caregivers::patient_id.eq(access.patient()));
    let before = theirs().filter(caregivers::form_key.eq(&new.key)).select(caregivers::id);
    if let Some(id) = before.first(tx.conn()).optional()? {
        return Ok(Ok(id));
    }
    if theirs().count().get_result::<i64>(tx.conn())? >= MOST {
        return Ok(Err(Refused::TooMany));
    }
    let own = &new.details;
    if let Some(why) = refused(tx, now, access, own)? {
        return Ok(Err(why));
    }
    let row = (
        (caregivers::patient_id.eq(access.patient()), caregivers::name.eq(own.name.clone())),
        (caregivers::relation.eq(own.relation), caregivers::birth_date.eq(own.birth_date)),
        (caregivers::email.eq(own.email.clone()), caregivers::phone.eq(own.phone.clone())),
        caregivers::email_key.eq(own.email.as_ref().map(EmailAddress::key)),
        (caregivers::language.eq(own.language.clone()), caregivers::notification_method.eq(own.method)),
        (caregivers::starts_at.eq(own.starts_at), caregivers::ends_at.eq(own.ends_at)),
        (caregivers::version.eq(1_i64), caregivers::form_key.eq(new.key.clone()), caregivers::created_at.eq(now)),
    );
    let insert = diesel::insert_into(caregivers::table).values(row);
    let id: CaregiverId = insert.returning(caregivers::id).get_result(tx.conn())?;
    trace(tx, now, access, (Event::CaregiverAdded, id, String::new()))?;
    Ok(Ok(id))
}

fn refused(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    details: &Details,
) -> QueryResult<Option<Refused>> {
    let why = match is_patients_own(tx, access.patient(), details)? {
        (true, _) => Some(Refused::PatientsEmail),
        (_, true) => Some(Refused::PatientsPhone),
        _ => None,
    };
    if why.is_some() || details.relation != Relation::Parent || details.ends_at <= now {
        return Ok(why);
    }
    let born = patients::patient(tx, access)?.birth_date;
    Ok(ages::is_of_age(tx, now, born)?.then_some(Refused::OfAge))
}

/// Locks a caregiver's row until the transaction ends: before the patient's, as a merge of charts does, and before any conversation.
pub fn hold(tx: &mut Tx, id: CaregiverId) -> QueryResult<()> {
    change_rows(tx, "caregivers", "id", id.0)
}

/// Changes a caregiver; `None` where the chart has none of this identity. Another address, date of birth, beginning or end ends
/// their sessions and links at once.
pub fn change(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    id: CaregiverId,
    new: &Details,
) -> QueryResult<Option<Result<(), Refused>>> {
    hold(tx, id)?;
    let access = &access.held(tx)?;
    let Some(before) = one_of_chart(tx, access, id)? else { return Ok(None) };
    if let Some(why) = refused(tx, now, access, new)? {
        return Ok(Some(Err(why)));
    }
    let old = &before.details;
    // what a session or link rests on, and what else there is
    let proof = [
        ("birth_date", old.birth_date != new.birth_date),
        ("email", old.email != new.email),
        ("phone", old.phone != new.phone),
        ("starts_at", old.starts_at != new.starts_at),
        ("ends_at", old.ends_at != new.ends_at),
    ];
    let other = [
        ("name", old.name != new.name),
        ("relation", old.relation != new.relation),
        ("language", old.language != new.language),
        ("notification_method", old.method != new.method),
    ];
    let fields: Vec<&str> = other.iter().chain(&proof).filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    if fields.is_empty() {
        return Ok(Some(Ok(())));
    }
    let has_ended = proof.iter().any(|(_, changed)| *changed);
    // with another end than the one that a user set it goes on
    let ended_by: Option<UserId> = before.ended_by.filter(|_| old.ends_at == new.ends_at);
    diesel::update(caregivers::table.find(id))
        .set((
            (caregivers::name.eq(new.name.clone()), caregivers::relation.eq(new.relation)),
            (caregivers::birth_date.eq(new.birth_date), caregivers::email.eq(new.email.clone())),
            caregivers::email_key.eq(new.email.as_ref().map(EmailAddress::key)),
            (caregivers::phone.eq(new.phone.clone()), caregivers::language.eq(new.language.clone())),
            caregivers::notification_method.eq(new.method),
            (caregivers::starts_at.eq(new.starts_at), caregivers::ends_at.eq(new.ends_at)),
            (caregivers::ended_by.eq(ended_by), caregivers::version.eq(before.version + i64::from(has_ended))),
        ))
        .execute(tx.conn())?;
    if has_ended {
        portal_links::end_of_caregiver(tx, now, id)?;
    }
    trace(tx, now, access, (Event::CaregiverChanged, id, fields.join(" ")))?;
    Ok(Some(Ok(())))
}

/// Ends it now; `false` where the chart has none of this identity. One that has ended stays as it is.
pub fn end(tx: &mut Tx, now: Ts, access: &ChartAccess<rights::EditPatients>, id: CaregiverId) -> QueryResult<bool> {
    hold(tx, id)?;
    let access = &access.held(tx)?;
    let Some(before) = one_of_chart(tx, access, id)? else { return Ok(false) };
    if before.details.ends_at <= now {
        return Ok(true);
    }
    diesel::update(caregivers::table.find(id))
        .set((
            (caregivers::ends_at.eq(now), caregivers::ended_by.eq(access.user().id())),
            caregivers::version.eq(before.version + 1),
        ))
        .execute(tx.conn())?;
    portal_links::end_of_caregiver(tx, now, id)?;
    trace(tx, now, access, (Event::CaregiverEnded, id, String::new()))?;
    Ok(true)
}

fn trace(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    (event, id, fields): (Event, CaregiverId, String),
) -> QueryResult<()> {
    let actor = Actor::User(access.user().id());
    let entry = Entry::of_patient(actor, event, access.patient(), Subject::Caregiver(id));
    audit::append(tx, now, if fields.is_empty() { entry } else { entry.with(fields) })
}

/// A caregiver changes how they themselves are told. `false` where they have no address for that method, or do not read for the
/// patient any more; nothing is changed then.
pub fn change_own(tx: &mut Tx, now: Ts, visit: &PortalVisit, language: Lang, method: Method) -> QueryResult<bool> {
    let Some(id) = visit.caregiver() else { return Ok(false) };
    hold(tx, id)?;
    if !visit.hold(tx)? {
        return Ok(false);
    }
    let Some(own) = by_id(tx, id)? else { return Ok(false) };
    let is_there = match method {
        Method::Both => own.details.email.is_some() && own.details.phone.is_some(),
        Method::Email => own.details.email.is_some(),
        Method::Sms => own.details.phone.is_some(),
        Method::None => true,
    };
    if !is_there {
        return Ok(false);
    }
    let changed =
        [("language", own.details.language != language.code()), ("notification_method", own.details.method != method)];
    diesel::update(caregivers::table.find(id))
        .set((caregivers::language.eq(language.code()), caregivers::notification_method.eq(method)))
        .execute(tx.conn())?;
    let fields: Vec<&str> = changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    let entry =
        Entry::of_patient(Actor::Caregiver(id), Event::CaregiverChanged, visit.patient(), Subject::Caregiver(id));
    audit::append(tx, now, entry.with(fields.join(" ")))?;
    Ok(true)
}
