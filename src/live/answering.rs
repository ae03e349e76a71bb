//! Who is typing an answer at this moment. It is held in memory, in every process, and goes by itself.

use super::listeners::Live;
use crate::access::{ConversationAccess, rights};
use crate::db::{ConversationId, Db, Ts, UserId};
use std::collections::HashMap;
use time::Duration;

/// So long after their last sign somebody counts as typing.
pub const ANSWERING_FOR: Duration = Duration::seconds(15);
/// A sign that comes sooner after another is not told again.
const TOLD_EVERY: Duration = Duration::seconds(3);
/// At so many who type, those who have stopped are forgotten.
const MANY: usize = 1_000;

/// What stands before the conversation, the user and the end where it is told.
const WORD: &str = "answering";

#[derive(Default)]
pub(super) struct Answering(HashMap<(ConversationId, UserId), Ts>);

impl Answering {
    pub fn stop(&mut self, conversation: ConversationId, user: UserId) {
        self.0.remove(&(conversation, user));
    }

    fn set(&mut self, now: Ts, told: &Told) {
        if self.0.len() >= MANY {
            self.0.retain(|_, until| *until > now);
        }
        let key = (told.conversation, told.user);
        match told.is_on && self.0.len() < MANY {
            true => drop(self.0.insert(key, now.plus(ANSWERING_FOR))),
            false => drop(self.0.remove(&key)),
        }
    }
}

/// Somebody has begun to type, goes on, or has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub conversation: ConversationId,
    pub user: UserId,
    pub is_on: bool,
}

impl Told {
    fn words(self) -> String {
        format!("{WORD} {} {} {}", self.conversation, self.user, u8::from(self.is_on))
    }

    /// Reads what [`Told::words`] wrote; `None` for other words.
    pub fn read(words: &str) -> Option<Told> {
        let mut parts = words.strip_prefix(WORD)?.split_whitespace();
        let (conversation, user) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let is_on = parts.next()? == "1";
        Some(Told { conversation: ConversationId(conversation), user: UserId(user), is_on })
    }
}

/// Tells that a user is typing an answer in a conversation, or has stopped. Nothing is stored, so there is no audit row: what
/// is sent in the end leaves one, and so does the draft.
pub fn tell_answering(live: &Live, db: &Db, now: Ts, access: &ConversationAccess<rights::Send>, is_on: bool) {
    let told = Told { conversation: access.conversation(), user: access.user().id(), is_on };
    let known = live.lock().answering.0.get(&(told.conversation, told.user)).copied();
    let is_known = match known {
        Some(until) => is_on && until > now.plus(ANSWERING_FOR - TOLD_EVERY),
        None => !is_on,
    };
    if !is_known {
        db.tell(told.words());
    }
}

impl Live {
    /// Takes in what was told.
    pub(super) fn set_answering(&self, now: Ts, told: &Told) {
        self.lock().answering.set(now, told);
    }

    /// Who else is typing an answer in this conversation.
    pub fn answering(&self, now: Ts, conversation: ConversationId, reader: UserId) -> Vec<UserId> {
        let inner = self.lock();
        let here = inner.answering.0.iter().filter(|((place, user), _)| *place == conversation && *user != reader);
        let mut users: Vec<UserId> = here.filter(|(_, until)| **until > now).map(|((_, user), _)| *user).collect();
        users.sort_unstable();
        users
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::db::{ConversationId, UserId};

    #[test]
    fn what_was_told_is_read() {
        for is_on in [true, false] {
            let told = Told { conversation: ConversationId(3), user: UserId(14), is_on };
            assert_eq!(Told::read(&told.words()), Some(told));
        }
        for other in ["row 12", "answering", "answering 3", "answering x 1 1"] {
            assert_eq!(Told::read(other), None, "{other}");
        }
    }
}
