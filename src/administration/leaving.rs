//! A user leaves. What they had to do is somebody else's from that moment on: no patient writes to nobody.

use crate::access::{self, Action, Authority, SignedInUser, rights};
use crate::attachments;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::broadcasts;
use crate::conversations::{self, UNDO_WITHIN};
use crate::db::{Conn, DbError, TeamId, Ts, Tx, UserId};
use crate::message_templates;
use crate::settings;
use crate::teams;
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
    /// messages to many that they have prepared, or that go out in their name
    pub broadcasts: i64,
    /// teams in which nobody else could do the work
    pub teams: i64,
    /// colleagues who are or will be away, for whom they cover
    pub covers: i64,
}

impl OpenWork {
    /// Whether there is nothing to hand over.
    pub fn is_empty(self) -> bool {
        self == OpenWork::default()
    }
}

/// Who takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heir {
    /// the user
    pub user: UserId,
    /// the team to which the conversations go in place of the user
    pub team: Option<TeamId>,
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
    /// In the team that was named nobody else may write to patients, or it is given no work.
    #[error("the team cannot take over")]
    TeamCannot,
    /// Whoever was named may not send messages to many, of which there are some.
    #[error("they cannot send to many")]
    CannotSendMany,
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
    let today = settings::load(conn)?.zone().local(now).date();
    Ok(OpenWork {
        conversations: threads::count_open(conn, user, closed_for_good(now))?,
        assigned: threads::count_assigned(conn, user, closed_for_good(now))?,
        drafts: conversations::count_drafts(conn, user)? + broadcasts::count_drafts(conn, user)?,
        scheduled: conversations::count_unsent(conn, user)?,
        templates: message_templates::count_own(conn, user)?,
        broadcasts: broadcasts::count_open(conn, user)?,
        teams: teams::count_alone(conn, user)?,
        covers: users::count_covered(conn, today, user)?,
    })
}

/// Those who may take over from this user: who can sign in, and may write to patients.
pub fn may_take_over(conn: &mut Conn, ways: WaysIn, from: UserId) -> QueryResult<Vec<Account>> {
    let able = |one: &Account| one.id != from && one.active && ways.are_open_to(one) && one.role.may(Action::Send);
    Ok(users::accounts(conn)?.into_iter().filter(able).collect())
}

/// Deactivates a user: their sessions end, and what they had to do becomes that of `to`. Nothing is asked of a user who has
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
    to: Option<Heir>,
) -> Result<bool, LeaveError> {
    if !users::may_leave(tx, by, ways, user)? {
        return Ok(false);
    }
    let work = open_work(tx, now, user)?;
    if to.is_none() && !work.is_empty() {
        return Err(LeaveError::NobodyTakesOver);
    }
    let able = may_take_over(tx, ways, user)?;
    if let Some(to) = to {
        let heir = able.iter().find(|one| one.id == to.user).ok_or(LeaveError::CannotTakeOver)?;
        if work.broadcasts > 0 && !heir.role.may(Action::SendMany) {
            return Err(LeaveError::CannotSendMany);
        }
    }
    let team = match to.and_then(|to| to.team) {
        Some(team) => Some((team, able_of(tx, team, user)?)),
        None => None,
    };
    let to = to.map(|to| to.user);
    let handed = to.map(|to| hand_over(tx, (now, by.user()), user, (to, team))).transpose()?;
    let left = teams::leave(tx, now, user, to)?;
    users::deactivate(tx, now, by, ways, user, to)?;
    for team in left {
        let entry = Entry::of_clinic(by.user().into(), Event::TeamChanged, Subject::Team(team));
        audit::append(tx, now, entry.with("members"))?;
    }
    for entry in handed.unwrap_or_default() {
        audit::append(tx, now, Entry { actor: by.user().into(), ..entry })?;
    }
    Ok(true)
}

/// Those who take over with a team: who belongs to it beside the user who leaves, active until the transaction ends.
fn able_of(tx: &mut Tx, team: TeamId, leaves: UserId) -> Result<Vec<UserId>, LeaveError> {
    let members: Vec<UserId> = teams::hold_offered(tx, &[team])?.into_iter().map(|(_, user)| user).collect();
    let others: Vec<UserId> = members.into_iter().filter(|user| *user != leaves).collect();
    let others = access::active(tx, &others)?;
    for user in &others {
        let writes: Option<SignedInUser<rights::Send>> = access::ordered(tx, *user)?;
        if writes.is_some() {
            return Ok(others);
        }
    }
    Err(LeaveError::TeamCannot)
}

/// Gives what is to be written down of it. That comes last, as with every verb: whoever holds the end of a chain waits for
/// nothing else.
fn hand_over(
    tx: &mut Tx,
    (now, by): (Ts, Option<UserId>),
    from: UserId,
    (to, team): (UserId, Option<(TeamId, Vec<UserId>)>),
) -> Result<Vec<Entry>, DbError> {
    let of_team = team.as_ref().map(|(team, members)| (*team, members.as_slice()));
    let talks = threads::hand_over(tx, (now, by), from, (to, of_team), closed_for_good(now))?;
    let drafts = conversations::hand_over_drafts(tx, now, from, to)?;
    let scheduled = conversations::hand_over_scheduled(tx, now, from, to)?;
    attachments::hand_over(tx, from, to)?;
    let templates = message_templates::hand_over(tx, from, to)?;
    let to_many = broadcasts::hand_over(tx, from, to)?;
    // what is written to many is of use only to who may send it: else it waits for whoever wrote it
    let may = users::account(tx, to)?.is_some_and(|one| one.role.may(Action::SendMany));
    let many = may && broadcasts::hand_over_draft(tx, now, from, to)?;
    let event = Event::WorkHandedOver;
    let of_clinic = |subject, what: &str| Entry::of_clinic(Actor::System, event, subject).with(what);
    let mut all = vec![of_clinic(Subject::User(to), "all")];
    all.extend(many.then(|| of_clinic(Subject::User(to), "many")));
    all.extend(templates.into_iter().map(|template| of_clinic(Subject::Template(template), "template")));
    all.extend(to_many.into_iter().map(|one| of_clinic(Subject::Broadcast(one), "broadcast")));
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
