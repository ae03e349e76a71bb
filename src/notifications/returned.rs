//! What returned mail says of notifications, and how far its mailbox was read.

use super::blocks::{BlockKind, block};
use super::enqueue::{Pace, enqueue_at};
use super::recipients::Told;
use super::reports::report;
use super::rows::NotificationRow;
use super::states::{Ending, State};
use crate::clock::Random;
use crate::db::schema::{notifications, returned_mail as r};
use crate::db::{Both, CaregiverId, Conn, Ts, Tx};
use crate::delivery::bounce::Returned;
use crate::delivery::{Channel, Reason};
use crate::values::EmailAddress;
use diesel::prelude::*;
use time::Duration;

/// A notification that a full mailbox returned is sent again after this long, …
const FULL_AGAIN_AFTER: Duration = Duration::DAY;
/// … at most this often.
const FULL_TRIES: usize = 3;

/// Takes a returned mail. Says whether that changed anything: a mail that is not ours, or came back before, changes
/// nothing.
pub fn returned(tx: &mut Tx, now: Ts, random: &Random, returned: &Returned) -> QueryResult<bool> {
    let (Returned::Failed { uid, .. } | Returned::Complaint { uid }) = returned;
    let ours = notifications::table
        .filter(notifications::message_uid.eq(uid))
        .filter(notifications::channel.eq(Channel::Email));
    let row: Option<NotificationRow> = ours.select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    let Some(row) = row else { return Ok(false) };
    match returned {
        Returned::Failed { reason, .. } => {
            let changed = report(tx, now, row.id, Ending { state: State::Bounced, reason: Some(*reason) })?;
            if changed && *reason == Reason::MailboxFull {
                tell_again_later(tx, now, random, &row)?;
            }
            Ok(changed)
        }
        Returned::Complaint { .. } => {
            let ending = Ending { state: State::Stopped, reason: Some(Reason::Complained) };
            let changed = report(tx, now, row.id, ending)?;
            // also where the notification is final, because its mail was read
            let address = row.sent_to.as_deref().and_then(EmailAddress::parse);
            let free = match address {
                Some(email) => block(tx, now, Channel::Email, &email.key(), BlockKind::Complained)?,
                None => false,
            };
            Ok(changed || free)
        }
    }
}

/// A full mailbox may have room later: the notification is sent again then, if it is still needed.
fn tell_again_later(tx: &mut Tx, now: Ts, random: &Random, row: &NotificationRow) -> QueryResult<()> {
    let Some((message, conversation)) = row.about() else { return Ok(()) };
    let tried: Vec<Option<CaregiverId>> = notifications::table
        .filter(notifications::message_id.eq(message))
        .filter(notifications::reason.eq(Reason::MailboxFull))
        .select(notifications::caregiver_id)
        .load(tx.conn())?;
    // another's full mailbox is none of theirs
    if tried.into_iter().filter(|whose| *whose == row.caregiver_id).count() >= FULL_TRIES {
        return Ok(());
    }
    let what = (message, conversation, row.patient_id);
    let to = [Told { caregiver: row.caregiver_id, links: vec![row.channel] }];
    enqueue_at(tx, now, random, what, row.kind, &to, (now.plus(FULL_AGAIN_AFTER), Pace::AtOnce))
}

/// A returned mail whose reading began this often and never ended is skipped: reading it may have crashed the program.
const TRIES: i64 = 3;

type Mark = (i64, i64, i64, i64);

fn mark(conn: &mut Conn, mailbox: &str, validity: u32) -> QueryResult<Mark> {
    let found: Option<Mark> =
        r::table.find(mailbox).select((r::validity, r::done_uid, r::tried_uid, r::tries)).first(conn).optional()?;
    let same = found.filter(|(held, ..)| *held == i64::from(validity));
    Ok(same.unwrap_or((i64::from(validity), 0, 0, 0)))
}

fn put(tx: &mut Tx, mailbox: &str, (validity, done, tried, tries): Mark) -> QueryResult<()> {
    let set = (r::validity.eq(validity), r::done_uid.eq(done), r::tried_uid.eq(tried), r::tries.eq(tries));
    let insert = diesel::insert_into(r::table).values((r::mailbox.eq(mailbox), set));
    Both(insert.on_conflict(r::mailbox).do_update().set(set)).execute(tx.conn()).map(drop)
}

/// The UID of the last mail of a mailbox that was read, 0 for none. UIDs of another `validity` (IMAP's UIDVALIDITY) do
/// not count.
pub fn returned_mail_done(conn: &mut Conn, mailbox: &str, validity: u32) -> QueryResult<u32> {
    let (_, done, ..) = mark(conn, mailbox, validity)?;
    Ok(u32::try_from(done).unwrap_or(u32::MAX))
}

/// Marks a mail before it is read. Says whether to read it: not where its reading began too often.
pub fn begin_returned_mail(tx: &mut Tx, mailbox: &str, validity: u32, uid: u32) -> QueryResult<bool> {
    let (held, done, tried, tries) = mark(tx, mailbox, validity)?;
    let tries = if tried == i64::from(uid) { tries + 1 } else { 1 };
    put(tx, mailbox, (held, done, i64::from(uid), tries))?;
    Ok(tries <= TRIES)
}

/// Marks a mail as read.
pub fn end_returned_mail(tx: &mut Tx, mailbox: &str, validity: u32, uid: u32) -> QueryResult<()> {
    let (held, done, tried, tries) = mark(tx, mailbox, validity)?;
    put(tx, mailbox, (held, done.max(i64::from(uid)), tried, tries))
}
