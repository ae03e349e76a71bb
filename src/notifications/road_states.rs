//! How the patient was notified of the newest message of a conversation, by each road.
//!
//! A road's state is that of its newest notification for the message that was announced last and not taken back; a cancelled notification
//! does not replace an earlier one. A road has failed when that notification ended failed, bounced or stopped.
//!
//! A conversation needs attention when a road fails, unless the other road has delivered; it no longer does when either
//! road delivers. So the order in which two gateways report does not matter. "Sent" does not count as delivered: mail
//! servers say nothing more when all went well, and one telephone call too many does no harm.

use super::calls;
use super::states::{Ending, State};
use crate::db::schema::{messages, notifications};
use crate::db::{CaregiverId, ConversationId, MessageId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use crate::threads::{self, Attention, Reasons};
use diesel::prelude::*;

/// The state of each road; `None` where it was not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoadStates {
    /// by email
    pub email: Option<State>,
    /// by text
    pub text: Option<State>,
}

impl RoadStates {
    /// The state of one road.
    pub fn by(&self, channel: Channel) -> Option<State> {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.text,
        }
    }

    /// Every road that was used, with its state.
    pub fn roads(&self) -> impl Iterator<Item = (Channel, State)> {
        [(Channel::Email, self.email), (Channel::Sms, self.text)]
            .into_iter()
            .filter_map(|(channel, state)| state.map(|state| (channel, state)))
    }

    /// Whether a road has failed.
    pub fn any_failed(&self) -> bool {
        self.roads().any(|(_, state)| attention_for(state).is_some())
    }

    /// Whether every road that was used has failed.
    pub(super) fn all_failed(&self) -> bool {
        self.roads().all(|(_, state)| attention_for(state).is_some())
    }

    /// The better state of the two roads: the patient is notified if either road did it.
    pub fn best(&self) -> State {
        let rank = |state: State| match state {
            State::Delivered => 6,
            State::Sent => 5,
            State::Queued | State::Sending => 4,
            State::Unsure => 3,
            State::Failed | State::Bounced | State::Stopped => 2,
            State::Cancelled => 1,
        };
        self.roads().map(|(_, state)| state).max_by_key(|state| rank(*state)).unwrap_or(State::Queued)
    }

    /// Whether the conversation needs attention, by these states.
    pub fn needs_attention(&self) -> bool {
        self.any_failed() && self.roads().all(|(_, state)| state != State::Delivered)
    }
}

/// The attention that a failed road asks of the clinic; `None` where it has not failed.
pub(super) fn attention_for(state: State) -> Option<Attention> {
    match state {
        State::Failed => Some(Attention::Failed),
        State::Bounced => Some(Attention::Bounced),
        State::Stopped => Some(Attention::Stopped),
        _ => None,
    }
}

/// At most this many of a message's notifications are read, the newest first: nobody sends one message again more
/// often, to a patient and all caregivers.
const MOST: i64 = 200;

/// Of several people who are told by one road, the line says what asks most of the clinic.
fn gravity(state: State) -> u8 {
    match state {
        State::Failed | State::Bounced | State::Stopped => 0,
        State::Queued | State::Sending => 1,
        State::Unsure => 2,
        State::Sent => 3,
        State::Delivered => 4,
        State::Cancelled => 5,
    }
}

/// Reads the state of each road and stores it in the conversation's line of the inbox. A message that was taken back does not
/// count.
pub(super) fn refresh(tx: &mut Tx, conversation: ConversationId) -> QueryResult<RoadStates> {
    let newest: Option<MessageId> = notifications::table
        .inner_join(messages::table)
        .filter(notifications::conversation_id.eq(conversation))
        .filter(messages::recalled_at.is_null())
        .order(notifications::id.desc())
        .select(messages::id)
        .first(tx.conn())
        .optional()?;
    let states: Vec<(Option<CaregiverId>, Channel, State)> = notifications::table
        .filter(notifications::message_id.eq(newest))
        .order(notifications::id.desc())
        .limit(MOST)
        .select((notifications::caregiver_id, notifications::channel, notifications::state))
        .load(tx.conn())?;
    let mut people: Vec<(Option<CaregiverId>, RoadStates)> = Vec::new();
    for (whom, channel, state) in states.into_iter().rev() {
        let at = people.iter().position(|(one, _)| *one == whom).unwrap_or(people.len());
        if at == people.len() {
            people.push((whom, RoadStates::default()));
        }
        let told = &mut people[at].1;
        let road = match channel {
            Channel::Email => &mut told.email,
            Channel::Sms => &mut told.text,
        };
        if road.is_none() || state != State::Cancelled {
            *road = Some(state);
        }
    }
    let worst = |channel| people.iter().filter_map(|(_, told)| told.by(channel)).min_by_key(|state| gravity(*state));
    let told = RoadStates { email: worst(Channel::Email), text: worst(Channel::Sms) };
    let [email, text] = [told.email, told.text].map(|state| state.map(State::as_str));
    threads::set_roads(tx, conversation, email, text)?;
    Ok(told)
}

/// Updates the conversation after one of its notifications got this state. What becomes of those of a message that was taken
/// back is of no concern to it.
pub(super) fn moved(
    tx: &mut Tx,
    now: Ts,
    (message, conversation): (MessageId, ConversationId),
    by: Channel,
    Ending { state, reason }: Ending,
) -> QueryResult<()> {
    let recalled: Option<Ts> = messages::table.find(message).select(messages::recalled_at).first(tx.conn())?;
    if recalled.is_some() {
        return Ok(());
    }
    let told = refresh(tx, conversation)?;
    if told.by(by) != Some(state) {
        return Ok(()); // an earlier one, which counts no more
    }
    match attention_for(state) {
        Some(why) if told.needs_attention() => {
            // a full mailbox may have room later, and is tried again
            if told.all_failed() && reason != Some(Reason::MailboxFull) {
                calls::hurry(tx, now, conversation)?;
            }
            threads::ask_attention(tx, conversation, why)
        }
        None if state == State::Delivered => threads::clear_attention(tx, conversation, Reasons::Unreached),
        _ => Ok(()),
    }
}
