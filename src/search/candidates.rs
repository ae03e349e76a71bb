//! The messages among which a search looks, newest first: those of the patient, those with the rarest word where it is rare,
//! and otherwise all from the newest back, some thousands for each page.

use super::Search;
use crate::db::schema::{conversations, messages, search_postings as s};
use crate::db::{Conn, MessageId, Ts};
use diesel::prelude::*;
use time::Duration;

/// Messages that are compared at once.
const CHUNK: usize = 500;
/// A word that so many messages have is not rare.
const RARE: i64 = 2_000;
/// The most messages that one page looks at.
const LOOKED_AT: usize = 20_000;
/// Numbers of messages are given in the order of time but for so much.
const DISORDER: Duration = Duration::DAY;

pub(super) enum Candidates {
    /// these, the newest last
    These(Vec<MessageId>),
    /// those with this word, or all, from before `next` back to `end`
    Back { word: Option<i64>, next: MessageId, end: MessageId, looked_at: usize },
}

impl Candidates {
    pub(super) fn of(
        conn: &mut Conn,
        search: &Search,
        groups: &[Vec<i64>],
        before: Option<MessageId>,
    ) -> QueryResult<Candidates> {
        let before = before.unwrap_or(MessageId(i64::MAX));
        if let Some(patient) = search.patient {
            let of_patient = messages::table.inner_join(conversations::table);
            let of_patient = of_patient.filter(conversations::patient_id.eq(patient)).filter(messages::id.lt(before));
            return Ok(Candidates::these(of_patient.select(messages::id).load(conn)?));
        }
        let mut rarest: Option<Vec<MessageId>> = None;
        for group in groups {
            let of_group = s::table.filter(s::word_id.eq_any(group.clone())).filter(s::message_id.lt(before));
            let found: Vec<MessageId> = of_group.select(s::message_id).limit(RARE).load(conn)?;
            if (found.len() as i64) < RARE && rarest.as_ref().is_none_or(|known| found.len() < known.len()) {
                rarest = Some(found);
            }
        }
        if let Some(rarest) = rarest {
            return Ok(Candidates::these(rarest));
        }
        // the index is walked where a group has one word: its messages are in order there
        let word = groups.iter().find_map(|group| if let [word] = group.as_slice() { Some(*word) } else { None });
        let end = match search.from {
            Some(from) => written_at(conn, from.plus(-DISORDER))?,
            None => MessageId(0),
        };
        let next = match search.until {
            Some(until) => before.min(written_at(conn, until.plus(DISORDER))?),
            None => before,
        };
        Ok(Candidates::Back { word, next, end, looked_at: 0 })
    }

    fn these(mut all: Vec<MessageId>) -> Candidates {
        all.sort_unstable();
        all.dedup();
        Candidates::These(all)
    }

    /// The next of them, newest first; none where all were looked at, or enough for one page.
    pub(super) fn next(&mut self, conn: &mut Conn) -> QueryResult<Vec<MessageId>> {
        match self {
            Candidates::These(all) => {
                let rest = all.len().saturating_sub(CHUNK);
                Ok(all.drain(rest..).rev().collect())
            }
            Candidates::Back { looked_at, .. } if *looked_at >= LOOKED_AT => Ok(Vec::new()),
            Candidates::Back { word, next, end, looked_at } => {
                let some: Vec<MessageId> = match word {
                    Some(word) => s::table
                        .filter(s::word_id.eq(*word))
                        .filter(s::message_id.lt(*next))
                        .filter(s::message_id.ge(*end))
                        .order(s::message_id.desc())
                        .limit(CHUNK as i64)
                        .select(s::message_id)
                        .load(conn)?,
                    None => messages::table
                        .filter(messages::id.lt(*next))
                        .filter(messages::id.ge(*end))
                        .order(messages::id.desc())
                        .limit(CHUNK as i64)
                        .select(messages::id)
                        .load(conn)?,
                };
                *looked_at += some.len();
                if let Some(last) = some.last() {
                    *next = *last;
                }
                Ok(some)
            }
        }
    }

    /// Where the look ended before all were looked at.
    pub(super) fn ended_at(&self) -> Option<MessageId> {
        match self {
            Candidates::Back { next, looked_at, .. } if *looked_at >= LOOKED_AT => Some(*next),
            _ => None,
        }
    }
}

/// The number of the first message that was written at this moment or later, but for [`DISORDER`]: no index has the moments.
fn written_at(conn: &mut Conn, moment: Ts) -> QueryResult<MessageId> {
    let last: Option<MessageId> = messages::table.select(diesel::dsl::max(messages::id)).first(conn)?;
    let (mut low, mut high) = (0, last.map_or(0, |last| last.0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let from = messages::table.filter(messages::id.ge(MessageId(middle))).order(messages::id);
        let found: Option<(MessageId, Ts)> =
            from.select((messages::id, messages::created_at)).first(conn).optional()?;
        match found {
            Some((id, at)) if at < moment => low = id.0 + 1,
            _ => high = middle,
        }
    }
    Ok(MessageId(low))
}
