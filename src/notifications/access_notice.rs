//! "Portal access given": sent once when access is switched on, to the patient and to whoever reads for them, or when a caregiver is
//! added, if the clinic wants that; and to the patient again when a user asks.

use super::again::NotAgain;
use super::blocks::blocks;
use super::enqueue;
use super::plan::{obstacles, plan};
use super::recipients::caregivers_told;
use super::rows::{NotificationRow, insert};
use super::states::State;
use super::templates::Kind;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::clock::Random;
use crate::db::schema::notifications as n;
use crate::db::{CaregiverId, Conn, NotificationId, PatientId, Ts, Tx, UserId};
use crate::delivery::Channel;
use crate::patients::{Patient, patient, patient_by_id};
use crate::settings;
use diesel::prelude::*;

/// After a change of a chart: enqueues the notices if access is on now and `before` it was not, also those to caregivers. Says whether
/// any were.
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
    let links = plan(&patient, &blocks(tx, &patient)?).links;
    put(tx, now, random, (patient.id, None, access.user().id()), &links)?;
    let mut was_any = !links.is_empty();
    // with the patient's access that of whoever reads for them begins
    for (one, links) in caregivers_told(tx, (now, now), &patient)? {
        put(tx, now, random, (patient.id, Some(one.id), access.user().id()), &links)?;
        was_any = true;
    }
    Ok(was_any)
}

/// After a caregiver was added: enqueues the notices to their own addresses, where they read for the patient from now on. A form that
/// comes twice tells them once.
pub fn tell_caregiver(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ChartAccess<rights::EditPatients>,
    id: CaregiverId,
) -> QueryResult<()> {
    let (settings, patient) = (settings::load(tx)?, patient(tx, access)?);
    let is_open = settings.portal_on && patient.portal_access && patient.archived_at.is_none();
    let Some(one) = caregivers::one_of_chart(tx, access, id)? else { return Ok(()) };
    let before = of_access(patient.id).filter(n::caregiver_id.eq(id)).select(n::id).limit(1);
    let was_told = before.first::<NotificationId>(tx.conn()).optional()?.is_some();
    if !settings.tell_of_access || !is_open || !one.is_current(now) || was_told {
        return Ok(());
    }
    let record = one.stands_for(&patient);
    let links = plan(&record, &blocks(tx, &record)?).links;
    put(tx, now, random, (patient.id, Some(id), access.user().id()), &links)
}

/// The patient, the caregiver of theirs who is told instead, and the user who gave access.
type Given = (PatientId, Option<CaregiverId>, UserId);

fn put(tx: &mut Tx, now: Ts, random: &Random, (patient, caregiver, user): Given, links: &[Channel]) -> QueryResult<()> {
    for channel in links {
        let id = insert(tx, now, random, None, (patient, caregiver, Some(user)), (Kind::PortalAccess, *channel))?;
        enqueue::job(tx, now, id, (patient, caregiver), *channel, (now, enqueue::Pace::AtOnce))?;
    }
    Ok(())
}

/// Sends the notice again, by the roads and to the addresses that the patient has now.
pub fn tell_of_access_again(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ChartAccess<rights::Notify>,
) -> QueryResult<Result<(), NotAgain>> {
    let patient = patient_by_id(tx, access.patient())?;
    let own = of_access(patient.id).filter(n::caregiver_id.is_null());
    let on_its_way = own.filter(n::state.eq_any([State::Queued, State::Sending])).select(n::id).limit(1);
    if on_its_way.first::<NotificationId>(tx.conn()).optional()?.is_some() {
        return Ok(Err(NotAgain::OnItsWay));
    }
    let blocks = blocks(tx, &patient)?;
    if !obstacles(&settings::load(tx)?, &patient, &blocks).is_empty() {
        return Ok(Err(NotAgain::Obstacles));
    }
    let user = access.user().id();
    put(tx, now, random, (patient.id, None, user), &plan(&patient, &blocks).links)?;
    let entry = Entry::of_patient(Actor::User(user), Event::NotificationResent, patient.id, Subject::None);
    audit::append(tx, now, entry)?;
    Ok(Ok(()))
}

#[diesel::dsl::auto_type]
fn of_access(patient: PatientId) -> _ {
    let kind: Kind = Kind::PortalAccess;
    n::table.filter(n::patient_id.eq(patient)).filter(n::kind.eq(kind))
}

/// The newest notices to a patient themselves, newest first.
pub fn access_notices(conn: &mut Conn, patient: PatientId, limit: i64) -> QueryResult<Vec<NotificationRow>> {
    let own = of_access(patient).filter(n::caregiver_id.is_null());
    own.order(n::id.desc()).limit(limit).select(NotificationRow::as_select()).load(conn)
}
