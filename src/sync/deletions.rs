//! Reads what a source has deleted: only its history tells.

use super::page::{as_history, deletions};
use super::progress::{PAGE, Progress};
use super::round::{OVERLAP_BY_OWN_CLOCK, Stop, Work, moment};
use super::source::Refusal;
use std::collections::HashSet;

impl Work<'_> {
    /// Reads the deletions of a history since the round before. A walk that is broken off begins anew, because what was seen
    /// on the pages before says which versions count.
    pub async fn read_deletions(&self, history: &str, mut at: Progress) -> Result<(), Stop> {
        if at.is_done {
            return Ok(());
        }
        // before the first round of all records there is nothing that could have been deleted
        let since = at.since.unwrap_or_else(|| self.claim.begun_at.plus(-OVERLAP_BY_OWN_CLOCK));
        let mut target = format!("{history}?_count={PAGE}&_since={}", moment(since));
        let (mut seen, mut mark) = (HashSet::new(), None);
        loop {
            let asked_at = self.now();
            let page = match self.ask(target.clone()).await {
                Ok(page) => page,
                Err(Stop::Asked(refusal)) if refusal.is_of_one_kind() => return self.pass_over(at).await,
                Err(stop) => return Err(stop),
            };
            let (frame, gone) = deletions(&page, &mut seen).ok_or(Stop::Asked(Refusal::Untrue))?;
            let until = *mark.get_or_insert_with(|| self.mark(&frame, asked_at));
            at.seen += gone.len() as i64;
            let is_done = frame.next.is_none();
            if is_done {
                at = Progress { is_done, since: Some(until), ..at };
            }
            self.take((!gone.is_empty()).then(|| as_history(&gone)), at.clone()).await?;
            match frame.next {
                None => return Ok(()),
                Some(next) if next == target => return Err(Stop::Asked(Refusal::Untrue)),
                Some(next) => target = next,
            }
        }
    }
}
