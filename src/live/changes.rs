//! What a row of the audit log means to whoever has a page open.

use crate::audit::{ActorKind, Event, Row};
use crate::db::schema::{conversations, messages, notifications, participants, patients};
use crate::db::{Conn, ConversationId, MessageId, NotificationId, PatientId, UserId};
use crate::text_enum;
use diesel::prelude::*;
use std::collections::{HashMap, HashSet};

text_enum! {
    /// The kinds of events.
    pub enum Kind {
        /// the patient has written
        Reply = "reply",
        /// a user has written to the patient
        Message = "message",
        /// a user has written to colleagues
        Note = "note",
        /// the patient has answered with one tap
        Answer = "answer",
        /// a notification came to another state, or something planned was done
        State = "state",
        /// the patient has opened messages
        Read = "read",
        /// the patient has seen lines of messages in the list
        Listed = "listed",
        /// what holds for the whole conversation: closed, replies, who takes part, what was taken back
        Conversation = "conversation",
        /// a user's own marks
        Mark = "mark",
        /// what a user has to go out later
        Scheduled = "scheduled",
        /// lists, in a way that no single conversation tells
        List = "list",
        /// somebody is typing an answer, or has stopped
        Answering = "answering",
    }
}

/// The kind of event that this row is to open pages; `None`: they show nothing of it.
pub(super) fn kind_of(event: Event) -> Option<Kind> {
    use Event as E;
    Some(match event {
        E::ReplySent => Kind::Reply,
        E::MessageSent | E::ConversationStarted => Kind::Message,
        E::NoteAdded => Kind::Note,
        E::AnswerGiven => Kind::Answer,
        E::NotificationState | E::NotificationResent | E::NotificationCancelled | E::FollowedUp => Kind::State,
        E::EmrWritten | E::EmrWriteRefused | E::EmrWriteAgain => Kind::State,
        E::MessageRead | E::EverythingDownloaded => Kind::Read,
        E::MessagesListed => Kind::Listed,
        E::MessageRecalled | E::RepliesTurnedOn | E::RepliesTurnedOff | E::ParticipantsChanged => Kind::Conversation,
        E::ParticipantLeft | E::ParticipantRemoved | E::ConversationAssigned | E::AssignmentEnded => Kind::Conversation,
        E::ConversationClosed | E::ConversationReopened | E::AttentionSettled | E::CallNoted | E::LetterPrinted => {
            Kind::Conversation
        }
        E::MarkedDone | E::MarkedNotDone | E::MarkedUnread | E::ConversationViewed => Kind::Mark,
        E::MessageScheduled | E::MessageRescheduled | E::ScheduledCancelled | E::ScheduledNotSent => Kind::Scheduled,
        // it may be one that did not go out
        E::DraftDiscarded => Kind::Scheduled,
        E::WorkHandedOver | E::TeamFollowed => Kind::List,
        E::RecordDeleted | E::ChartsMerged | E::ChartsUnmerged | E::VirusFound => Kind::List,
        _ => return None,
    })
}

/// Whether a session may have ended, or lost a right, with this row.
pub(super) fn may_end_sessions(event: Event) -> bool {
    use Event as E;
    matches!(
        event,
        E::SignedOut
            | E::PasswordSet
            | E::SessionEnded
            | E::SecondFactorRemoved
            | E::SecondFactorReset
            | E::UserChanged
            | E::UserRoleChanged
            | E::UserDeactivated
            | E::SettingsChanged
    )
}

/// Something that an open page may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// the row of the audit log that tells of it; `None` for what is not stored
    pub row: Option<i64>,
    /// what kind of change it is
    pub kind: Kind,
    /// the conversation; `None`: any
    pub conversation: Option<ConversationId>,
    /// the user who did it
    pub by: Option<UserId>,
    /// who takes part in the conversation
    pub participants: HashSet<UserId>,
}

impl Change {
    /// The event as it goes out to a user (HTML, 9.2.6); `None` where it is nothing to them.
    pub fn event_for(&self, user: UserId) -> Option<String> {
        let is_own = self.by == Some(user);
        match self.kind {
            Kind::Mark if !is_own => return None,
            // what the program kept back may be anybody's
            Kind::Scheduled if !is_own && self.by.is_some() => return None,
            Kind::Answering if is_own => return None,
            _ => {}
        }
        let id = self.row.map(|row| format!("id: {row}\n")).unwrap_or_default();
        let conversation = self.conversation.map(|id| format!(",\"conversation\":{id}")).unwrap_or_default();
        let mine = self.conversation.is_none() || self.participants.contains(&user);
        let kind = self.kind.as_str();
        Some(format!("{id}data: {{\"kind\":\"{kind}\"{conversation},\"mine\":{mine},\"own\":{is_own}}}\n\n"))
    }
}

/// What a row was about.
enum About {
    Conversation(ConversationId),
    Message(MessageId),
    Notification(NotificationId),
    Patient(PatientId),
    Everything,
}

fn about(row: &Row, kind: Kind) -> About {
    let id = row.subject_id.unwrap_or_default();
    match (row.subject.as_deref(), row.patient_id) {
        // a message that goes out later may have no conversation yet
        _ if matches!(kind, Kind::List | Kind::Scheduled) => About::Everything,
        (Some("conversation"), _) => About::Conversation(ConversationId(id)),
        (Some("message"), _) => About::Message(MessageId(id)),
        (Some("notification"), _) => About::Notification(NotificationId(id)),
        (_, Some(patient)) => About::Patient(patient),
        (_, None) => About::Everything,
    }
}

/// The most conversations of one patient that a change of all of them is told for, the newest ones.
const OF_ONE: i64 = 20;

/// What these rows mean. What no user may see any more is left out.
pub(super) fn of_rows(conn: &mut Conn, rows: &[Row]) -> QueryResult<Vec<Change>> {
    let told: Vec<(&Row, Kind, About)> = rows
        .iter()
        .filter_map(|row| {
            let kind = kind_of(row.action.parse().ok()?)?;
            Some((row, kind, about(row, kind)))
        })
        .collect();
    let places = Places::of(conn, told.iter().map(|(.., about)| about))?;
    let mut changes = Vec::new();
    for (row, kind, about) in told {
        let by = (row.actor == ActorKind::User).then_some(row.actor_id).flatten().map(UserId);
        let change = |conversation, participants| Change { row: Some(row.id), kind, conversation, by, participants };
        match places.find(&about) {
            None => changes.push(change(None, HashSet::new())),
            Some(found) => changes.extend(found.into_iter().filter_map(|id| {
                let participants = places.visible.get(&id)?;
                Some(change(Some(id), participants.clone()))
            })),
        }
    }
    Ok(changes)
}

/// The conversations that rows are about.
#[derive(Default)]
struct Places {
    messages: HashMap<MessageId, ConversationId>,
    notifications: HashMap<NotificationId, Option<ConversationId>>,
    patients: HashMap<PatientId, Vec<ConversationId>>,
    /// those that users may see, with who takes part
    visible: HashMap<ConversationId, HashSet<UserId>>,
}

impl Places {
    fn of<'a>(conn: &mut Conn, all: impl Iterator<Item = &'a About>) -> QueryResult<Places> {
        let (mut ids, mut of_messages, mut of_notices) = (HashSet::new(), Vec::new(), Vec::new());
        let mut places = Places::default();
        for one in all {
            match one {
                About::Conversation(id) => drop(ids.insert(*id)),
                About::Message(id) => of_messages.push(*id),
                About::Notification(id) => of_notices.push(*id),
                About::Patient(id) => drop(places.patients.insert(*id, Vec::new())),
                About::Everything => {}
            }
        }
        if !of_messages.is_empty() {
            let found = messages::table.filter(messages::id.eq_any(of_messages));
            let found: Vec<_> = found.select((messages::id, messages::conversation_id)).load(conn)?;
            places.messages = found.into_iter().collect();
        }
        if !of_notices.is_empty() {
            let found = notifications::table.filter(notifications::id.eq_any(of_notices));
            let found: Vec<_> = found.select((notifications::id, notifications::conversation_id)).load(conn)?;
            places.notifications = found.into_iter().collect();
        }
        for (patient, theirs) in &mut places.patients {
            let found = conversations::table.filter(conversations::patient_id.eq(*patient));
            let newest = found.order(conversations::last_message_at.desc()).limit(OF_ONE);
            *theirs = newest.select(conversations::id).load(conn)?;
        }
        ids.extend(places.messages.values());
        ids.extend(places.notifications.values().flatten());
        ids.extend(places.patients.values().flatten());
        let named: Vec<ConversationId> = ids.into_iter().collect();
        let there = conversations::table.inner_join(patients::table).filter(patients::deleted_at.is_null());
        let there = there.filter(conversations::id.eq_any(named)).select(conversations::id);
        places.visible = there.load(conn)?.into_iter().map(|id| (id, HashSet::new())).collect();
        let named: Vec<ConversationId> = places.visible.keys().copied().collect();
        let taking_part = participants::table.filter(participants::conversation_id.eq_any(named));
        let taking_part = taking_part.select((participants::conversation_id, participants::user_id));
        for (conversation, user) in taking_part.load::<(ConversationId, UserId)>(conn)? {
            places.visible.entry(conversation).or_default().insert(user);
        }
        Ok(places)
    }

    /// The conversations of a row; `None`: it is about all of them.
    fn find(&self, about: &About) -> Option<Vec<ConversationId>> {
        match about {
            About::Conversation(id) => Some(vec![*id]),
            About::Message(id) => Some(self.messages.get(id).copied().into_iter().collect()),
            About::Notification(id) => Some(self.notifications.get(id).copied().flatten().into_iter().collect()),
            About::Patient(id) => Some(self.patients.get(id).cloned().unwrap_or_default()),
            About::Everything => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Kind, kind_of, may_end_sessions};
    use crate::audit::Event;
    use crate::db::{ConversationId, UserId};

    #[test]
    fn what_is_followed_is_what_means_something() {
        for event in Event::ALL {
            let means = kind_of(*event).is_some() || may_end_sessions(*event);
            assert_eq!(event.is_followed(), means, "{event:?}");
        }
    }

    #[test]
    fn an_event_holds_kinds_and_ids_and_goes_to_whom_it_concerns() {
        let mut change = Change {
            row: Some(12),
            kind: Kind::Reply,
            conversation: Some(ConversationId(3)),
            by: None,
            participants: [UserId(1)].into(),
        };
        let event = "id: 12\ndata: {\"kind\":\"reply\",\"conversation\":3,\"mine\":true,\"own\":false}\n\n";
        assert_eq!(change.event_for(UserId(1)).as_deref(), Some(event));
        assert!(change.event_for(UserId(2)).unwrap().contains("\"mine\":false"));
        (change.kind, change.by) = (Kind::Mark, Some(UserId(1)));
        assert!(change.event_for(UserId(1)).is_some() && change.event_for(UserId(2)).is_none());
        change.kind = Kind::Scheduled;
        assert!(change.event_for(UserId(1)).is_some() && change.event_for(UserId(2)).is_none());
        change.by = None;
        assert!(change.event_for(UserId(2)).is_some());
        (change.kind, change.by, change.row) = (Kind::Answering, Some(UserId(1)), None);
        assert!(change.event_for(UserId(1)).is_none());
        let event = "data: {\"kind\":\"answering\",\"conversation\":3,\"mine\":false,\"own\":false}\n\n";
        assert_eq!(change.event_for(UserId(2)).as_deref(), Some(event));
    }
}
