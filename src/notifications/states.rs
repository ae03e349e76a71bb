//! What became of each notification.

use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::{conversations, messages, notifications};
use crate::db::{Conn, ConversationId, MessageId, MultiBackend, NotificationId, PatientId, Ts, Tx, UserId};
use crate::delivery::{Channel, Failure, Reason};
use crate::notifications::blocks::{BlockKind, Blocks, block, blocks};
use crate::notifications::templates::Kind;
use crate::notifications::{history, incoming, told};
use crate::outbox::{self, JobKind};
use crate::patients::{Patient, patient_by_id};
use crate::settings;
use crate::text_enum;
use crate::threads::Attention;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;

text_enum! {
    /// Where a notification is on its way.
    pub enum State {
        /// waits for the worker
        Queued = "queued",
        /// being handed over, or waiting to be tried again
        Sending = "sending",
        /// the mail server or the gateway took it
        Sent = "sent",
        /// it arrived
        Delivered = "delivered",
        /// it will not arrive; the reason says why
        Failed = "failed",
        /// it came back
        Bounced = "bounced",
        /// the patient wants no more texts
        Stopped = "stopped",
        /// it was no longer needed or no longer right
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Queued | State::Sending)
    }

    /// The states that may turn into this one. A report that comes twice, or after a later one, changes nothing.
    fn before(self) -> &'static [State] {
        use State::*;
        match self {
            Queued => &[Queued],
            Sending | Sent | Cancelled => &[Queued, Sending],
            Delivered | Failed | Stopped => &[Queued, Sending, Sent],
            // a mail server may take a mail back long after
            Bounced => &[Queued, Sending, Sent, Delivered],
        }
    }

    /// Whether it ended without telling the patient: it may make sense to send it again.
    pub fn ended_badly(self) -> bool {
        matches!(self, State::Failed | State::Bounced | State::Stopped | State::Cancelled)
    }

    /// The patient was not told by this road.
    pub(super) fn needs_attention(self) -> Option<Attention> {
        match self {
            State::Failed => Some(Attention::Failed),
            State::Bounced => Some(Attention::Bounced),
            State::Stopped => Some(Attention::Stopped),
            _ => None,
        }
    }
}

/// A notification as pages show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(MultiBackend))]
pub struct NotificationRow {
    /// identity
    pub id: NotificationId,
    /// of which message; a passcode and "portal access given" are of none
    pub message_id: Option<MessageId>,
    /// in which conversation
    pub conversation_id: Option<ConversationId>,
    /// to whom
    pub patient_id: PatientId,
    /// by which road
    pub channel: Channel,
    /// where it is
    pub state: State,
    /// why it is there
    pub reason: Option<Reason>,
    /// how often it was tried
    pub attempts: i64,
    /// local part of its Message-ID
    pub message_uid: String,
    /// when it was made
    pub created_at: Ts,
    /// since when it is in this state
    pub state_at: Ts,
    /// what it says
    pub kind: Kind,
    /// the address that it was last handed over for
    pub sent_to: Option<String>,
}

impl NotificationRow {
    /// The message that it tells of, and its conversation.
    pub fn about(&self) -> Option<(MessageId, ConversationId)> {
        self.message_id.zip(self.conversation_id)
    }

    /// The event of the audit log that says how it ended.
    fn event(&self) -> Event {
        match self.kind {
            Kind::MessageWaiting | Kind::Reminder => Event::NotificationState,
            Kind::Passcode => Event::PasscodeState,
            Kind::PortalAccess => Event::AccessTold,
        }
    }
}

/// Writes down one notification for each road and a job to send it, in the caller's transaction.
pub fn enqueue(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    message: (MessageId, ConversationId, PatientId),
    kind: Kind,
    channels: &[Channel],
) -> QueryResult<()> {
    enqueue_at(tx, now, random, message, kind, channels, now)
}

/// The same, to be sent from `due` on.
pub(super) fn enqueue_at(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    message: (MessageId, ConversationId, PatientId),
    kind: Kind,
    channels: &[Channel],
    due: Ts,
) -> QueryResult<()> {
    let (message, conversation, patient) = message;
    let user: Option<UserId> = messages::table.find(message).select(messages::user_id).first(tx.conn())?;
    for channel in channels {
        let id = insert(tx, now, random, Some((message, conversation)), (patient, user), (kind, *channel))?;
        outbox::enqueue(tx, now, JobKind::SendNotification, id.0, due)?;
    }
    told::note(tx, conversation).map(drop)
}

/// Writes down one that waits. `about` is the message that it tells of, and `to` the patient and who wrote it.
pub(super) fn insert(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    about: Option<(MessageId, ConversationId)>,
    to: (PatientId, Option<UserId>),
    what: (Kind, Channel),
) -> QueryResult<NotificationId> {
    let (message, conversation) = about.unzip();
    let row = (
        (notifications::message_id.eq(message), notifications::conversation_id.eq(conversation)),
        (notifications::patient_id.eq(to.0), notifications::channel.eq(what.1)),
        (notifications::state.eq(State::Queued), notifications::reason.eq(None::<String>)),
        (notifications::attempts.eq(0), notifications::message_uid.eq(random.token().reveal().to_lowercase())),
        (notifications::created_at.eq(now), notifications::state_at.eq(now)),
        (notifications::user_id.eq(to.1), notifications::kind.eq(what.0)),
    );
    diesel::insert_into(notifications::table).values(row).returning(notifications::id).get_result(tx.conn())
}

/// What the worker needs to know to send one, read anew at that moment.
pub struct ToSend {
    /// the notification
    pub row: NotificationRow,
    /// the patient as they are now
    pub patient: Patient,
    /// when the conversation was closed, if it was
    pub closed_at: Option<Ts>,
    /// when the patient read the message, if they did
    pub read_at: Option<Ts>,
    /// what stands against the patient's addresses
    pub blocks: Blocks,
}

/// Reads what is needed to send one. `None` where it is gone or done.
pub fn for_sending(conn: &mut Conn, id: NotificationId) -> QueryResult<Option<ToSend>> {
    let row: Option<NotificationRow> =
        notifications::table.find(id).select(NotificationRow::as_select()).first(conn).optional()?;
    let Some(row) = row.filter(|row| !row.state.is_final()) else { return Ok(None) };
    let patient = patient_by_id(conn, row.patient_id)?;
    let (closed_at, read_at) = match row.about() {
        Some((message, conversation)) => (
            conversations::table.find(conversation).select(conversations::closed_at).first(conn)?,
            messages::table.find(message).select(messages::read_by_patient_at).first(conn)?,
        ),
        None => (None, None),
    };
    let blocks = blocks(conn, &patient)?;
    Ok(Some(ToSend { row, patient, closed_at, read_at, blocks }))
}

/// Where a notification should go, or why it should not go any more.
#[derive(Debug, Clone)]
pub enum Address {
    /// to this mailbox
    Email(EmailAddress),
    /// to this phone
    Sms(PhoneNumber),
}

impl Address {
    /// What the chart has for this road.
    pub fn of(patient: &Patient, channel: Channel) -> Option<Address> {
        match channel {
            Channel::Email => patient.email.clone().map(Address::Email),
            Channel::Sms => patient.phone.clone().map(Address::Sms),
        }
    }

    /// The address as text, to be kept with what was sent to it.
    pub fn as_str(&self) -> &str {
        match self {
            Address::Email(email) => email.as_str(),
            Address::Sms(phone) => phone.as_str(),
        }
    }
}

/// Decides by the world as it is now, not as it was when the message was written.
///
/// # Errors
/// The state to set instead, with its reason.
pub fn fit_to_send(settings: &settings::Settings, to_send: &ToSend) -> Result<Address, Ending> {
    let patient = &to_send.patient;
    let cancelled = |reason| Err(Ending { state: State::Cancelled, reason: Some(reason) });
    match () {
        () if patient.archived_at.is_some() => return cancelled(Reason::Archived),
        () if !settings.portal_on => return cancelled(Reason::PortalOff),
        () if !patient.portal_access => return cancelled(Reason::NoAccess),
        () if to_send.closed_at.is_some() => return cancelled(Reason::Closed),
        () if to_send.read_at.is_some() => return cancelled(Reason::AlreadyRead),
        () => {}
    }
    if let Some(block) = to_send.blocks.of(to_send.row.channel) {
        let state = if block.kind == BlockKind::Bad { State::Failed } else { State::Stopped };
        return Err(Ending { state, reason: Some(block.kind.reason()) });
    }
    Address::of(patient, to_send.row.channel).ok_or(Ending { state: State::Failed, reason: Some(Reason::NoAddress) })
}

/// A state with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// the state
    pub state: State,
    /// why
    pub reason: Option<Reason>,
}

impl Ending {
    /// What the road's answer makes of a notification; one that is to be tried again is still being sent.
    pub fn of(sent: Result<(), Failure>) -> Ending {
        let (state, reason) = match sent {
            Ok(()) => (State::Sent, None),
            Err(Failure::Permanent(reason @ Reason::StoppedByPatient)) => (State::Stopped, Some(reason)),
            Err(Failure::Permanent(reason)) => (State::Failed, Some(reason)),
            Err(Failure::Transient(reason) | Failure::Unknown(reason)) => (State::Sending, Some(reason)),
        };
        Ending { state, reason }
    }
}

/// Writes a state down, in the row, its history, its conversation's line of the inbox, and in the audit log if it is
/// final. States only move forward: one that cannot follow the row's present state is passed over, and `false` given.
pub fn set_state(tx: &mut Tx, now: Ts, row: &NotificationRow, attempts: i64, to: Ending) -> QueryResult<bool> {
    let movable = notifications::table.find(row.id).filter(notifications::state.eq_any(to.state.before()));
    let moved = diesel::update(movable)
        .set((
            notifications::state.eq(to.state),
            notifications::reason.eq(to.reason),
            notifications::attempts.eq(attempts),
            notifications::state_at.eq(now),
        ))
        .execute(tx.conn())?;
    if moved == 0 {
        return Ok(false);
    }
    if (row.state, row.reason) != (to.state, to.reason) {
        history::add(tx, now, row.id, to)?;
    }
    if let Some(conversation) = row.conversation_id {
        told::moved(tx, conversation, row.channel, to.state)?;
    }
    if to.state.is_final() {
        let words = [Some(to.state.as_str()), to.reason.map(Reason::as_str)];
        let detail: Vec<&str> = words.into_iter().flatten().collect();
        let subject = Subject::Notification(row.id);
        let entry = Entry::of_patient(Actor::System, row.event(), row.patient_id, subject);
        audit::append(tx, now, entry.with(detail.join(" ")))?;
    }
    Ok(true)
}

/// Notes to which address a notification is being handed over.
pub fn hand_over(tx: &mut Tx, id: NotificationId, address: &Address) -> QueryResult<()> {
    let row = notifications::table.find(id);
    diesel::update(row).set(notifications::sent_to.eq(address.as_str())).execute(tx.conn()).map(drop)
}

/// Keeps the gateway's own number for a text that it took.
pub fn taken(tx: &mut Tx, id: NotificationId, gateway_id: Option<&str>) -> QueryResult<()> {
    let Some(gateway_id) = gateway_id else { return Ok(()) };
    let row = notifications::table.find(id);
    diesel::update(row).set(notifications::gateway_id.eq(gateway_id)).execute(tx.conn()).map(drop)
}

/// What somebody outside reports on a notification: a gateway, or a mail server that gives a mail back. Says whether
/// it changed anything. A number whose holder is known to have said STOP is blocked, and so is a mailbox that is gone.
pub fn report(tx: &mut Tx, now: Ts, id: NotificationId, to: Ending) -> QueryResult<bool> {
    let row: Option<NotificationRow> =
        notifications::table.find(id).select(NotificationRow::as_select()).first(tx.conn()).optional()?;
    let Some(row) = row else { return Ok(false) };
    if !set_state(tx, now, &row, row.attempts, to)? {
        return Ok(false);
    }
    block_after(tx, now, &row, to)?;
    Ok(true)
}

/// Draws the conclusion from an ending for the address itself.
pub fn block_after(tx: &mut Tx, now: Ts, row: &NotificationRow, ending: Ending) -> QueryResult<()> {
    let Some(address) = row.sent_to.as_deref() else { return Ok(()) };
    match (row.channel, ending.reason) {
        (Channel::Sms, Some(Reason::StoppedByPatient)) => match PhoneNumber::parse(address, "") {
            Some(phone) => incoming::stop(tx, now, &phone),
            None => Ok(()),
        },
        (Channel::Sms, Some(Reason::NoSuchNumber)) => block(tx, now, Channel::Sms, address, BlockKind::Bad).map(drop),
        (Channel::Email, Some(Reason::NoMailbox)) => match EmailAddress::parse(address) {
            Some(email) => block(tx, now, Channel::Email, &email.key(), BlockKind::Bad).map(drop),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The notifications of a conversation, oldest first.
pub fn of_conversation(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<NotificationRow>> {
    notifications::table
        .filter(notifications::conversation_id.eq(conversation))
        .order(notifications::id)
        .select(NotificationRow::as_select())
        .load(conn)
}
