//! Telling a user by email that a patient has answered, or a colleague mentioned them: as the user chose, and without a word of it.

use super::accounts::email_of;
use crate::access::{Right, SignedInUser};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{conversations, participants, users};
use crate::db::{Conn, ConversationId, Ts, Tx, UserId};
use crate::outbox::{self, Task};
use crate::settings;
use crate::text::Zone;
use crate::text_enum;
use crate::threads::{self, Author};
use crate::values::EmailAddress;
use diesel::prelude::*;
use time::Duration;

text_enum! {
    /// When a user gets an email about answers.
    pub enum ReplyMails {
        /// never: the number in the inbox is enough
        Off = "off",
        /// with each answer
        AtOnce = "at_once",
        /// once an hour, for all that came
        Hourly = "hourly",
        /// in the morning, for all that came
        Daily = "daily",
    }
}

/// The hour of the day at which daily emails are sent, in the clinic's time zone.
const MORNING: i64 = 7;

/// A user's choice.
pub fn reply_mails(conn: &mut Conn, user: UserId) -> QueryResult<ReplyMails> {
    users::table.find(user).select(users::told_of_replies).first(conn)
}

/// Changes the user's own choice.
pub fn set_reply_mails<R: Right>(tx: &mut Tx, now: Ts, user: &SignedInUser<R>, told: ReplyMails) -> QueryResult<()> {
    diesel::update(users::table.find(user.id())).set(users::told_of_replies.eq(told)).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::User(user.id()), Event::UserChanged, Subject::User(user.id()));
    audit::append(tx, now, entry.with("told_of_replies"))
}

/// After a patient's answer: enqueues an email to each participant who wants one, at the time that they want it. Those
/// with hourly or daily emails get one for all answers.
pub fn tell_of_answer(tx: &mut Tx, now: Ts, conversation: ConversationId) -> QueryResult<()> {
    let found: Vec<(UserId, ReplyMails)> = participants::table
        .inner_join(users::table)
        .filter(participants::conversation_id.eq(conversation))
        .filter(users::active.eq(true))
        .filter(users::told_of_replies.ne(ReplyMails::Off))
        .order(users::id)
        .select((users::id, users::told_of_replies))
        .load(tx.conn())?;
    enqueue(tx, now, found)
}

/// After a note that mentions these users: the same for each of them who wants emails, by the choice that they made for answers.
pub fn tell_of_mention(tx: &mut Tx, now: Ts, named: &[UserId]) -> QueryResult<()> {
    if named.is_empty() {
        return Ok(());
    }
    let found: Vec<(UserId, ReplyMails)> = users::table
        .filter(users::id.eq_any(named.to_vec()))
        .filter(users::active.eq(true))
        .filter(users::told_of_replies.ne(ReplyMails::Off))
        .order(users::id)
        .select((users::id, users::told_of_replies))
        .load(tx.conn())?;
    enqueue(tx, now, found)
}

fn enqueue(tx: &mut Tx, now: Ts, found: Vec<(UserId, ReplyMails)>) -> QueryResult<()> {
    if found.is_empty() {
        return Ok(());
    }
    let zone = settings::load(tx)?.zone();
    for (user, told) in found {
        outbox::enqueue(tx, now, Task::TellStaff(user), due(now, zone, told))?;
    }
    Ok(())
}

/// When an email is sent: the same moment for all answers of one hour or day, so that they share it.
fn due(now: Ts, zone: Zone, told: ReplyMails) -> Ts {
    match told {
        ReplyMails::Off | ReplyMails::AtOnce => now,
        ReplyMails::Hourly => {
            let into = now.get().unix_timestamp().rem_euclid(3_600);
            now.plus(Duration::seconds(3_600 - into))
        }
        ReplyMails::Daily => {
            let today = zone.local(now).date();
            let morning = |day| zone.start_of(day).plus(Duration::hours(MORNING));
            let first = morning(today);
            if first > now { first } else { morning(today.next_day().unwrap_or(today)) }
        }
    }
}

/// The values of an email to a user.
#[derive(Debug, Clone)]
pub struct ToTell {
    /// the address
    pub email: EmailAddress,
    /// the user's language
    pub language: String,
    /// conversations in which a patient wrote last, and which the user has not seen since
    pub waiting: usize,
    /// conversations in which the user was mentioned, and which they have not seen since
    pub mentioned: usize,
}

/// Reads the values of an email to a user; `None` where there is nothing to say any more.
pub fn to_tell(conn: &mut Conn, user: UserId) -> QueryResult<Option<ToTell>> {
    let (active, language, choice): (bool, String, ReplyMails) =
        users::table.find(user).select((users::active, users::language, users::told_of_replies)).first(conn)?;
    let waiting = participants::table
        .inner_join(conversations::table)
        .filter(participants::user_id.eq(user))
        .filter(participants::unread.eq(true))
        .filter(conversations::last_author.eq(Author::Patient))
        .select(participants::conversation_id)
        .limit(100)
        .load::<ConversationId>(conn)?
        .len();
    let mentioned = threads::count_newly_mentioned(conn, user)?;
    if !active || choice == ReplyMails::Off || waiting + mentioned == 0 {
        return Ok(None);
    }
    Ok(Some(ToTell { email: email_of(conn, user)?, language, waiting, mentioned }))
}
