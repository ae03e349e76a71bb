//! "Send again": a new notification of the same message, to the addresses that the patient and the caregivers have now.

use super::blocks::blocks;
use super::enqueue::enqueue;
use super::follow_up::shown_from;
use super::recipients::{obstacles_now, recipients};
use super::states::State;
use super::templates::Kind;
use crate::access::{ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Random;
use crate::db::schema::{messages, notifications};
use crate::db::{MessageId, NotificationId, Ts, Tx};
use crate::patients::patient_by_id;
use crate::settings;
use crate::threads::{self, Reasons};
use diesel::prelude::*;

/// Why nothing was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAgain {
    /// no such message in this conversation, or it was taken back
    NoMessage,
    /// the patient cannot be notified now
    Obstacles,
    /// a notification is still on its way
    OnItsWay,
}

/// "Send again": new notifications for the message, to the addresses that the patient has now.
pub fn send_again(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    access: &ConversationAccess<rights::Notify>,
    message: MessageId,
) -> QueryResult<Result<(), NotAgain>> {
    let conversation = access.conversation();
    let mine = messages::table.find(message).filter(messages::conversation_id.eq(conversation));
    let mine = mine.filter(messages::recalled_at.is_null());
    if mine.select(messages::id).first::<MessageId>(tx.conn()).optional()?.is_none() {
        return Ok(Err(NotAgain::NoMessage));
    }
    let on_its_way = notifications::table
        .filter(notifications::message_id.eq(message))
        .filter(notifications::state.eq_any([State::Queued, State::Sending]));
    if on_its_way.select(notifications::id).first::<NotificationId>(tx.conn()).optional()?.is_some() {
        return Ok(Err(NotAgain::OnItsWay));
    }
    let patient = patient_by_id(tx, access.patient())?;
    let (only_patient, began) = shown_from(tx, conversation)?;
    let (blocks, settings) = (blocks(tx, &patient)?, settings::load(tx)?);
    if !obstacles_now(tx, (now, began), &settings, &patient, &blocks, only_patient)?.is_empty() {
        return Ok(Err(NotAgain::Obstacles));
    }
    let to = recipients(tx, (now, began), &patient, only_patient)?;
    enqueue(tx, now, random, (message, conversation, patient.id), Kind::MessageWaiting, &to)?;
    threads::clear_attention(tx, conversation, Reasons::AllButWork)?;
    let entry = Entry::of_patient(
        Actor::User(access.user().id()),
        Event::NotificationResent,
        patient.id,
        Subject::Message(message),
    );
    audit::append(tx, now, entry)?;
    Ok(Ok(()))
}
