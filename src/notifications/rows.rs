//! The rows of notifications.

use super::states::State;
use super::templates::Kind;
use crate::audit::Event;
use crate::clock::Random;
use crate::db::schema::notifications;
use crate::db::{
    CaregiverId, Conn, ConversationId, MessageId, MultiBackend, NotificationId, PatientId, Ts, Tx, UserId,
};
use crate::delivery::{Channel, Reason};
use diesel::prelude::*;

/// A notification as pages show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(MultiBackend))]
pub struct NotificationRow {
    /// identity
    pub id: NotificationId,
    /// the message that it is about; `None` for a passcode and "portal access given"
    pub message_id: Option<MessageId>,
    /// the message's conversation
    pub conversation_id: Option<ConversationId>,
    /// the patient whom it is for
    pub patient_id: PatientId,
    /// the road
    pub channel: Channel,
    /// its state
    pub state: State,
    /// why it is in that state
    pub reason: Option<Reason>,
    /// how often it was tried
    pub attempts: i64,
    /// local part of its Message-ID
    pub message_uid: String,
    /// when it was made
    pub created_at: Ts,
    /// since when it is in this state
    pub state_at: Ts,
    /// what it is about
    pub kind: Kind,
    /// the address to which it was last handed over
    pub sent_to: Option<String>,
    /// whether it may have been sent though no answer said so
    pub unsure: bool,
    /// the caregiver of that patient whom it is for; `None`: the patient
    pub caregiver_id: Option<CaregiverId>,
}

impl NotificationRow {
    /// The message that it is about, and its conversation.
    pub fn about(&self) -> Option<(MessageId, ConversationId)> {
        self.message_id.zip(self.conversation_id)
    }

    /// The conversation to which its link leads; `None`: its link is no secret, or it has none.
    pub fn leads_to(&self) -> Option<ConversationId> {
        self.conversation_id.filter(|_| self.kind != Kind::Recall)
    }

    /// Whether pages add to the state that it may have been sent.
    pub fn perhaps_sent(&self) -> bool {
        self.unsure && matches!(self.state, State::Sending | State::Failed | State::Stopped)
    }

    /// The audit event for its end.
    pub(super) fn event(&self) -> Event {
        match self.kind {
            Kind::MessageWaiting | Kind::Reminder | Kind::Recall => Event::NotificationState,
            Kind::Passcode => Event::PasscodeState,
            Kind::PortalAccess => Event::AccessTold,
        }
    }
}

/// Stores a waiting notification. `about` is its message and conversation, and `to` the patient, the caregiver where it is for
/// one, and the writer.
pub(super) fn insert(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    about: Option<(MessageId, ConversationId)>,
    to: (PatientId, Option<CaregiverId>, Option<UserId>),
    what: (Kind, Channel),
) -> QueryResult<NotificationId> {
    let (message, conversation) = about.unzip();
    let row = (
        (notifications::message_id.eq(message), notifications::conversation_id.eq(conversation)),
        (notifications::patient_id.eq(to.0), notifications::channel.eq(what.1)),
        (notifications::state.eq(State::Queued), notifications::reason.eq(None::<String>)),
        (notifications::attempts.eq(0), notifications::message_uid.eq(random.token().reveal().to_lowercase())),
        (notifications::created_at.eq(now), notifications::state_at.eq(now)),
        (notifications::user_id.eq(to.2), notifications::kind.eq(what.0), notifications::caregiver_id.eq(to.1)),
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
