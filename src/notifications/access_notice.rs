//! "Portal access given": sent once when access is switched on, if the clinic wants that; and again when a user asks.

use super::again::NotAgain;
use super::blocks::blocks;
use super::enqueue;
use super::plan::{obstacles, plan};
use super::rows::{NotificationRow, insert};
use super::states::State;
use super::templates::Kind;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::notifications as n;
use crate::db::{Conn, NotificationId, PatientId, Ts, Tx, UserId};
use crate::delivery::Channel;
use crate::patients::{Patient, patient, patient_by_id};
use crate::settings;
use diesel::prelude::*;

/// After a change of a chart: enqueues the notices if access is on now and `before` it was not. Says whether any were.
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
    put(tx, now, random, (patient.id, access.user().id()), &links)?;
    Ok(!links.is_empty())
}

fn put(tx: &mut Tx, now: Ts, random: &Random, to: (PatientId, UserId), links: &[Channel]) -> QueryResult<()> {
    for channel in links {
        let id = insert(tx, now, random, None, (to.0, None, Some(to.1)), (Kind::PortalAccess, *channel))?;
        enqueue::job(tx, now, id, (to.0, None), *channel, (now, enqueue::Pace::AtOnce))?;
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
    let on_its_way =
        of_access(patient.id).filter(n::state.eq_any([State::Queued, State::Sending])).select(n::id).limit(1);
    if on_its_way.first::<NotificationId>(tx.conn()).optional()?.is_some() {
        return Ok(Err(NotAgain::OnItsWay));
    }
    let blocks = blocks(tx, &patient)?;
    if !obstacles(&settings::load(tx)?, &patient, &blocks).is_empty() {
        return Ok(Err(NotAgain::Obstacles));
    }
    let user = access.user().id();
    put(tx, now, random, (patient.id, user), &plan(&patient, &blocks).links)?;
    let entry = Entry::of_patient(Actor::User(user), Event::NotificationResent, patient.id, Subject::None);
    audit::append(tx, now, entry)?;
    Ok(Ok(()))
}

#[diesel::dsl::auto_type]
fn of_access(patient: PatientId) -> _ {
    let kind: Kind = Kind::PortalAccess;
    n::table.filter(n::patient_id.eq(patient)).filter(n::kind.eq(kind))
}

/// The newest notices of a patient, newest first.
pub fn access_notices(conn: &mut Conn, patient: PatientId, limit: i64) -> QueryResult<Vec<NotificationRow>> {
    of_access(patient).order(n::id.desc()).limit(limit).select(NotificationRow::as_select()).load(conn)
}
