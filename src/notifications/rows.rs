//! The rows of notifications.

use super::states::State;
use super::templates::Kind;
use crate::audit::Event;
use crate::clock::Random;
use crate::db::schema::notifications;
use crate::db::{Conn, ConversationId, MessageId, MultiBackend, NotificationId, PatientId, Ts, Tx, UserId};
use crate::delivery::{Channel, Reason};
use diesel::prelude::*;

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
    /// whether it may have been sent though no answer said so
    pub unsure: bool,
}

impl NotificationRow {
    /// The message that it tells of, and its conversation.
    pub fn about(&self) -> Option<(MessageId, ConversationId)> {
        self.message_id.zip(self.conversation_id)
    }

    /// Whether pages say that it may have been sent besides what its state says.
    pub fn perhaps_sent(&self) -> bool {
        self.unsure && matches!(self.state, State::Sending | State::Failed | State::Stopped)
    }

    /// The event of the audit log that says how it ended.
    pub(super) fn event(&self) -> Event {
        match self.kind {
            Kind::MessageWaiting | Kind::Reminder => Event::NotificationState,
            Kind::Passcode => Event::PasscodeState,
            Kind::PortalAccess => Event::AccessTold,
        }
    }
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

/// The notifications of a conversation, oldest first.
pub fn of_conversation(conn: &mut Conn, conversation: ConversationId) -> QueryResult<Vec<NotificationRow>> {
    notifications::table
        .filter(notifications::conversation_id.eq(conversation))
        .order(notifications::id)
        .select(NotificationRow::as_select())
        .load(conn)
}
