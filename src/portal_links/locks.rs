//! Locks after wrong tries: each on one link, for a time that grows with the tries on all links of that patient. A link
//! that nobody has tried is never locked, so nobody can lock a patient out of everything.

use super::links::OpenLink;
use crate::access::{ChartAccess, Right, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{passcodes, portal_links};
use crate::db::{Conn, Ts, Tx};
use diesel::prelude::*;
use time::Duration;

/// The pause after the first passcode with too many wrong tries; each further pause is twice as long.
const FIRST: Duration = Duration::minutes(1);
/// The most doublings: a lock then lasts an hour and four minutes.
const MOST_DOUBLINGS: i64 = 6;
/// Wrong tries on one link make locks of the patient's other links longer for this time.
const REMEMBERED: Duration = Duration::days(1);
/// The most links of one patient that are read.
const MOST_LINKS: i64 = 200;

/// How long a link is locked after `locks` earlier locks.
pub(super) fn lasts(tx: &mut Tx, now: Ts, link: &OpenLink, locks: i64) -> QueryResult<Duration> {
    // for a claim only its own tries count: a longer lock would tell that two claims are true of one patient
    let others = match link.patient.filter(|_| !link.is_claim) {
        None => 0,
        Some(patient) => {
            let recent = passcodes::table
                .inner_join(portal_links::table)
                .filter(portal_links::patient_id.eq(patient))
                .filter(passcodes::link_id.ne(link.id))
                .filter(passcodes::requested_at.gt(now.plus(-REMEMBERED)))
                .select(passcodes::locks)
                .limit(MOST_LINKS);
            recent.load::<i64>(tx.conn())?.iter().sum()
        }
    };
    Ok(FIRST * 2i32.pow((locks + others).clamp(0, MOST_DOUBLINGS) as u32))
}

/// When the last lock of this patient's links ends; `None` where no link is locked.
pub fn locked_until<R: Right>(conn: &mut Conn, now: Ts, access: &ChartAccess<R>) -> QueryResult<Option<Ts>> {
    let locked: Option<Option<Ts>> = passcodes::table
        .inner_join(portal_links::table)
        .filter(portal_links::patient_id.eq(access.patient()))
        .filter(passcodes::locked_until.gt(now))
        .order(passcodes::locked_until.desc())
        .select(passcodes::locked_until)
        .first(conn)
        .optional()?;
    Ok(locked.flatten())
}

/// Lifts every lock of this patient, who is on the phone and whom the clinic has recognised.
pub fn unlock(tx: &mut Tx, now: Ts, access: &ChartAccess<rights::EditPatients>) -> QueryResult<()> {
    let links = portal_links::table.filter(portal_links::patient_id.eq(access.patient())).select(portal_links::id);
    diesel::update(passcodes::table.filter(passcodes::link_id.eq_any(links)))
        .set((passcodes::locked_until.eq(None::<Ts>), passcodes::locks.eq(0), passcodes::wrong_tries.eq(0)))
        .execute(tx.conn())?;
    let actor = Actor::User(access.user().id());
    audit::append(tx, now, Entry::of_patient(actor, Event::PortalUnlocked, access.patient(), Subject::None))
}
