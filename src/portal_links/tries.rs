//! Tries at passcodes, counted for a day over all passcodes of a link: a new passcode gives no new tries.

use super::links::OpenLink;
use super::locks;
use super::passcode::TRIES;
use crate::db::schema::{passcodes, portal_links};
use crate::db::{CaregiverId, Conn, LinkId, MultiBackend, PatientId, Ts, Tx};
use diesel::prelude::*;
use time::Duration;

/// Counts start again this long after the first try.
const WINDOW: Duration = Duration::days(1);
/// After this many wrong tries in a day, over all links, no claim of this patient or caregiver works any more, and the answer does
/// not say so. Links that were sent to the patient's own addresses still work, each with its own pauses.
const MOST_WRONG_BY_CLAIMS: i64 = 50;
/// The most links of one person that are read, the newest first.
const MOST_LINKS: i64 = 200;

/// A day's counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// wrong tries
    pub wrong: i64,
    /// passcodes that were requested
    pub asked: i64,
}

/// A try that was counted.
#[derive(Debug)]
pub struct Counted {
    /// the hash to check it against; `None` where there is no valid passcode
    pub hash: Option<String>,
    /// this link does not work any more today
    pub is_over: bool,
}

/// The counts of a link, and when they began; zero where their day is over.
pub(super) fn of_link(tx: &mut Tx, now: Ts, link: LinkId) -> QueryResult<(Day, Ts)> {
    let columns = (passcodes::wrong_tries, passcodes::asked, passcodes::counted_since);
    let row: Option<(i64, i64, Option<Ts>)> =
        passcodes::table.find(link).select(columns).first(tx.conn()).optional()?;
    Ok(match row {
        Some((wrong, asked, Some(since))) if now.since(since) < WINDOW => (Day { wrong, asked }, since),
        _ => (Day::default(), now),
    })
}

/// The counts of all links of a patient, or of one caregiver of that patient: none of them uses up what is another's.
pub fn of_person_today(
    conn: &mut Conn,
    now: Ts,
    (patient, caregiver): (PatientId, Option<CaregiverId>),
) -> QueryResult<Day> {
    let theirs = passcodes::table
        .inner_join(portal_links::table)
        .filter(portal_links::patient_id.eq(patient))
        .filter(passcodes::counted_since.gt(now.plus(-WINDOW)))
        .order(portal_links::id.desc())
        .limit(MOST_LINKS)
        .select((passcodes::wrong_tries, passcodes::asked))
        .into_boxed::<MultiBackend>();
    let own = match caregiver {
        Some(caregiver) => theirs.filter(portal_links::caregiver_id.eq(caregiver)),
        None => theirs.filter(portal_links::caregiver_id.is_null()),
    };
    let rows: Vec<(i64, i64)> = own.load(conn)?;
    Ok(rows
        .into_iter()
        .fold(Day::default(), |day, (wrong, asked)| Day { wrong: day.wrong + wrong, asked: day.asked + asked }))
}

/// Counts one try, before it is checked, and gives the hash to check it against. Each fifth wrong try of a day ends the
/// passcode and locks the link for a growing time, however many passcodes were requested in between.
pub fn count_try(tx: &mut Tx, now: Ts, link: &OpenLink) -> QueryResult<Counted> {
    // no patient has the id 0: a claim that is true of nobody runs the same statements
    let patient = link.patient.unwrap_or(PatientId(0));
    let is_over = link.is_claim && of_person_today(tx, now, (patient, link.caregiver))?.wrong >= MOST_WRONG_BY_CLAIMS;
    let (day, since) = of_link(tx, now, link.id)?;
    let live = passcodes::table.find(link.id).filter(passcodes::expires_at.gt(now));
    let live = live.filter(passcodes::locked_until.is_null().or(passcodes::locked_until.le(now)));
    let left = live.filter(passcodes::tries.lt(TRIES)).filter(passcodes::code_hash.is_not_null());
    let wrong = day.wrong + 1;
    let row: Option<(Option<String>, i64, i64)> = diesel::update(left)
        .set((
            passcodes::tries.eq(passcodes::tries + 1),
            (passcodes::wrong_tries.eq(wrong), passcodes::asked.eq(day.asked), passcodes::counted_since.eq(since)),
        ))
        .returning((passcodes::code_hash, passcodes::tries, passcodes::locks))
        .get_result(tx.conn())
        .optional()?;
    let Some((hash, tries, locks)) = row else { return Ok(Counted { hash: None, is_over }) };
    if tries == TRIES || wrong % TRIES == 0 {
        let wait = locks::lasts(tx, now, link, locks)?;
        diesel::update(passcodes::table.find(link.id))
            .set((
                (passcodes::locked_until.eq(now.plus(wait)), passcodes::locks.eq(locks + 1)),
                passcodes::tries.eq(TRIES),
            ))
            .execute(tx.conn())?;
    }
    Ok(Counted { hash, is_over })
}

/// Ends the passcode and clears its counts. Two correct passcodes sent at the same moment: the hash in the condition
/// lets one succeed.
pub fn use_up(tx: &mut Tx, link: &OpenLink, hash: Option<&str>) -> QueryResult<bool> {
    let same = passcodes::table.find(link.id).filter(passcodes::code_hash.eq(hash));
    let over = (
        passcodes::code_hash.eq(None::<String>),
        passcodes::locked_until.eq(None::<Ts>),
        (passcodes::locks.eq(0), passcodes::wrong_tries.eq(0)),
        passcodes::expires_at.eq(passcodes::requested_at),
    );
    Ok(diesel::update(same).set(over).execute(tx.conn())? == 1)
}
