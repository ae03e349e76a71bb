//! Adding notifications, each with a job to send it.

use super::recipients::Told;
use super::road_states;
use super::rows::insert;
use super::templates::Kind;
use crate::clock::Random;
use crate::db::schema::{caregivers, conversations, messages, patients};
use crate::db::{CaregiverId, ConversationId, MessageId, NotificationId, PatientId, Ts, Tx, UserId, lock_row};
use crate::delivery::Channel;
use crate::outbox::{self, Lane, Task};
use crate::values::EmailAddress;
use diesel::prelude::*;

/// How soon a notification goes out beside those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// as soon as there is a free place on its road
    AtOnce,
    /// it is one of many that a user sends together: they wait in a lane of their own, and nobody else's waits behind them
    OneOfMany,
}

/// Stores one notification for each recipient and road, and a job to send it, in the caller's transaction.
pub fn enqueue(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    message: (MessageId, ConversationId, PatientId),
    kind: Kind,
    to: &[Told],
) -> QueryResult<()> {
    enqueue_at(tx, now, random, message, kind, to, (now, Pace::AtOnce))
}

/// The same, to be sent from this moment on, at this pace.
pub(super) fn enqueue_at(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    message: (MessageId, ConversationId, PatientId),
    kind: Kind,
    to: &[Told],
    when: (Ts, Pace),
) -> QueryResult<()> {
    let (message, conversation, _) = message;
    // the conversation's patient is read under the lock: charts may have been merged since the caller asked
    lock_row(tx, "conversations", conversation.0)?;
    let patient: PatientId =
        conversations::table.find(conversation).select(conversations::patient_id).first(tx.conn())?;
    let of = messages::table.find(message).select((messages::user_id, messages::recalled_at));
    let (user, recalled): (Option<UserId>, Option<Ts>) = of.first(tx.conn())?;
    // nothing leads to a message that was taken back since the caller looked
    if recalled.is_some() && kind != Kind::Recall {
        return Ok(());
    }
    for one in to {
        for channel in &one.links {
            let whom = (patient, one.caregiver, user);
            let id = insert(tx, now, random, Some((message, conversation)), whom, (kind, *channel))?;
            job(tx, now, id, (patient, one.caregiver), *channel, when)?;
        }
    }
    road_states::refresh(tx, conversation).map(drop)
}

/// Adds the job for a waiting notification, in the lane of its road. Its party is the mail domain: a mail server that
/// hangs holds up no other.
pub(super) fn job(
    tx: &mut Tx,
    now: Ts,
    id: NotificationId,
    (patient, caregiver): (PatientId, Option<CaregiverId>),
    channel: Channel,
    (due, pace): (Ts, Pace),
) -> QueryResult<()> {
    let (lane, domain) = match channel {
        Channel::Sms => (Lane::Texts, None),
        Channel::Email => {
            let email: Option<EmailAddress> = match caregiver {
                None => patients::table.find(patient).select(patients::email).first(tx.conn())?,
                Some(one) => caregivers::table.find(one).select(caregivers::email).first(tx.conn())?,
            };
            let domain =
                email.and_then(|email| email.as_str().rsplit_once('@').map(|(_, domain)| domain.to_lowercase()));
            (Lane::Email, domain)
        }
    };
    let lane = match pace {
        Pace::AtOnce => lane,
        Pace::OneOfMany => Lane::Many,
    };
    outbox::enqueue_to(tx, now, Task::SendNotification(id), (lane, domain.as_deref().unwrap_or_default()), due)
}
