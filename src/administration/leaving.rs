//! A user leaves. What they had to do is somebody else's from that moment on: no patient writes to nobody.

use crate::access::{Action, Authority, rights};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::conversations::{self, UNDO_WITHIN};
use crate::db::{Conn, DbError, Ts, Tx, UserId};
use crate::message_templates;
use crate::threads;
use crate::users::{self, Account, ManageError, WaysIn};
use diesel::QueryResult;

/// What a user has to do, or alone can see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenWork {
    /// conversations that are open
    pub conversations: i64,
    /// those of them that are assigned to them
    pub assigned: i64,
    /// messages, replies and notes that they have begun
    pub drafts: i64,
    /// messages that are to go out later, or were not sent
    pub scheduled: i64,
    /// message templates of their own
    pub templates: i64,
}

impl OpenWork {
    /// Whether there is nothing to hand over.
    pub fn is_empty(self) -> bool {
        self == OpenWork::default()
    }
}

/// Why a user was not deactivated.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// They have open work, and nobody was named who takes it over.
    #[error("nobody takes over")]
    NobodyTakesOver,
    /// Whoever was named cannot take it over: see [`may_take_over`].
    #[error("they cannot take over")]
    CannotTakeOver,
    /// Users cannot be managed so.
    #[error(transparent)]
    Manage(#[from] ManageError),
}

impl From<DbError> for LeaveError {
    fn from(cause: DbError) -> Self {
        LeaveError::Manage(cause.into())
    }
}

impl From<diesel::result::Error> for LeaveError {
    fn from(cause: diesel::result::Error) -> Self {
        LeaveError::Manage(cause.into())
    }
}

/// A conversation that was closed after this moment may be opened again.
fn closed_for_good(now: Ts) -> Ts {
    now.plus(-UNDO_WITHIN)
}

/// What this user has to do.
pub fn open_work(conn: &mut Conn, now: Ts, user: UserId) -> QueryResult<OpenWork> {
    Ok(OpenWork {
        conversations: threads::count_open(conn, user, closed_for_good(now))?,
        assigned: threads::count_assigned(conn, user, closed_for_good(now))?,
        drafts: conversations::count_drafts(conn, user)?,
        scheduled: conversations::count_unsent(conn, user)?,
        templates: message_templates::count_own(conn, user)?,
    })
}

/// Those who may take over from this user: who can sign in, and may write to patients.
pub fn may_take_over(conn: &mut Conn, ways: WaysIn, from: UserId) -> QueryResult<Vec<Account>> {
    let able = |one: &Account| one.id != from && one.active && ways.are_open_to(one) && one.role.may(Action::Send);
    Ok(users::accounts(conn)?.into_iter().filter(able).collect())
}

/// Deactivates a user: their sessions end, and what they had to do becomes `to`'s. Nothing is asked of a user who has
/// nothing to do. `false` where they are deactivated already.
///
/// # Errors
/// See [`LeaveError`].
pub fn deactivate_user(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    ways: WaysIn,
    user: UserId,
    to: Option<UserId>,
) -> Result<bool, LeaveError> {
    if !users::may_leave(tx, by, ways, user)? {
        return Ok(false);
    }
    if to.is_none() && !open_work(tx, now, user)?.is_empty() {
        return Err(LeaveError::NobodyTakesOver);
    }
    let able = may_take_over(tx, ways, user)?;
    if to.is_some_and(|to| able.iter().all(|one| one.id != to)) {
        return Err(LeaveError::CannotTakeOver);
    }
    let handed = to.map(|to| hand_over(tx, (now, by.user()), user, to)).transpose()?;
    users::deactivate(tx, now, by, ways, user, to)?;
    for entry in handed.unwrap_or_default() {
        audit::append(tx, now, Entry { actor: by.user().into(), ..entry })?;
    }
    Ok(true)
}

/// Gives what is to be written down of it. That comes last, as with every verb: whoever holds the end of a chain waits for
/// nothing else.
fn hand_over(tx: &mut Tx, (now, by): (Ts, Option<UserId>), from: UserId, to: UserId) -> Result<Vec<Entry>, DbError> {
    let talks = threads::hand_over(tx, (now, by), from, to, closed_for_good(now))?;
    let drafts = conversations::hand_over_drafts(tx, now, from, to)?;
    let scheduled = conversations::hand_over_scheduled(tx, now, from, to)?;
    attachments::hand_over(tx, from, to)?;
    let templates = message_templates::hand_over(tx, from, to)?;
    let event = Event::WorkHandedOver;
    let of_clinic = |subject, what: &str| Entry::of_clinic(Actor::System, event, subject).with(what);
    let mut all = vec![of_clinic(Subject::User(to), "all")];
    all.extend(templates.into_iter().map(|template| of_clinic(Subject::Template(template), "template")));
    let talks = talks.into_iter().map(|(patient, conversation)| (patient, Some(conversation), "conversation"));
    let drafts = drafts.into_iter().map(|(patient, conversation)| (patient, conversation, "draft"));
    let scheduled = scheduled.into_iter().map(|(patient, conversation)| (patient, conversation, "scheduled"));
    let mut of_patients: Vec<_> = talks.chain(drafts).chain(scheduled).collect();
    of_patients.sort_by_key(|(patient, ..)| *patient);
    all.extend(of_patients.into_iter().map(|(patient, conversation, what)| {
        let subject = conversation.map_or(Subject::None, Subject::Conversation);
        Entry::of_patient(Actor::System, event, patient, subject).with(what)
    }));
    Ok(all)
}
