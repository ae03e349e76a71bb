//! Reads messages into the index, a few in each transaction: new ones within a second or two, and all older ones once.
//!
//! `search_progress` says up to which message all have been read. On PostgreSQL a message with a lower number may be committed
//! after one with a higher number, so the mark stays a while behind; what is beyond it says itself, by the word 0, that it was
//! read. So nothing is left out, and a worker that is killed goes on where its last commit was.

use super::Part;
use super::words::numbered;
use crate::db::schema::{attachments, conversations, messages, search_progress as p, search_words};
use crate::db::sealed::{Held, MessageHtml, Opened};
use crate::db::{Both, Conn, ConversationId, MessageId, Ts, Tx, add_postings, forget_postings, lock_row, unread};
use crate::text::{self, CleanHtml, FOLD_VERSION, LOCATED_VERSION};
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use time::Duration;

/// The version of the rule by which words are made; an index of another rule is made anew.
const RULE: i64 = FOLD_VERSION * 1_000 + LOCATED_VERSION;
/// Messages that are read in one transaction: whoever sends meanwhile waits for no more.
const BATCH: i64 = 25;
/// The most different words that are stored of one message.
const MOST: usize = 4_000;
/// The mark stays so far behind: longer than any transaction lasts, and than clocks of two machines differ.
const SETTLED: Duration = Duration::minutes(10);
/// Messages that the mark passes in one transaction.
const PASSED: i64 = 500;
/// Lines of an index of another rule that are removed in one transaction.
const FORGOTTEN: i64 = 5_000;
/// The word 0: "this message was read".
const READ: i64 = 0;

/// How far the index is.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct Progress {
    /// up to which message all have been read
    message: MessageId,
    /// by which rule
    rule: i64,
}

/// Keeps the index for the rest of the transaction: two do not write it at once. Whoever deletes messages calls this before
/// any of them is locked.
pub fn hold(tx: &mut Tx) -> QueryResult<Progress> {
    let first = (p::id.eq(1), p::message_id.eq(MessageId(0)), p::rule.eq(RULE));
    Both(diesel::insert_into(p::table).values(first).on_conflict_do_nothing()).execute(tx.conn())?;
    lock_row(tx, "search_progress", 1)?;
    progress(tx)
}

fn progress(conn: &mut Conn) -> QueryResult<Progress> {
    let found = p::table.find(1).select((p::message_id, p::rule)).first(conn).optional()?;
    Ok(found.unwrap_or(Progress { message: MessageId(0), rule: RULE }))
}

/// Whether there is something for [`index_some`] to do.
pub fn is_to_do(conn: &mut Conn, now: Ts) -> QueryResult<bool> {
    let at = progress(conn)?;
    if at.rule != RULE || !unread(conn, at.message, 1)?.is_empty() {
        return Ok(true);
    }
    let oldest = messages::table.filter(messages::id.gt(at.message)).order(messages::id).select(messages::created_at);
    let oldest: Option<Ts> = oldest.first(conn).optional()?;
    // many at once: the mark costs a transaction of its own
    Ok(oldest.is_some_and(|oldest| oldest < now.plus(-SETTLED * 2)))
}

/// When the first message was written that search does not find yet; `None` where it finds all.
pub fn behind(conn: &mut Conn) -> QueryResult<Option<Ts>> {
    let at = progress(conn)?;
    let first = match at.rule == RULE {
        true => unread(conn, at.message, 1)?.pop(),
        false => messages::table.order(messages::id).select(messages::id).first(conn).optional()?,
    };
    let Some(first) = first else { return Ok(None) };
    messages::table.find(first).select(messages::created_at).first(conn).optional()
}

/// Reads some messages into the index; says whether more wait.
pub fn index_some(tx: &mut Tx, now: Ts) -> QueryResult<bool> {
    let at = hold(tx)?;
    if at.rule != RULE {
        begin_anew(tx)?;
        return Ok(true);
    }
    let batch = unread(tx, at.message, BATCH)?;
    let read = words_of(tx, &batch)?;
    let words: BTreeSet<&str> = read.iter().flat_map(|(_, words)| words.keys().map(String::as_str)).collect();
    let numbers = numbered(tx, &words)?;
    let mut lines: Vec<(i64, i64, i64)> = batch.iter().map(|message| (READ, message.0, 0)).collect();
    for (message, words) in &read {
        lines.extend(words.iter().filter_map(|(word, parts)| Some((*numbers.get(word)?, message.0, *parts))));
    }
    if !batch.is_empty() {
        add_postings(tx, &lines)?;
    }
    let is_full = batch.len() as i64 == BATCH;
    settle(tx, now, at.message, batch.last().copied().filter(|_| is_full))?;
    Ok(is_full)
}

/// Moves the mark over messages that were read and are old enough, at most up to `last`.
fn settle(tx: &mut Tx, now: Ts, from: MessageId, last: Option<MessageId>) -> QueryResult<()> {
    let next: Vec<(MessageId, Ts)> = messages::table
        .filter(messages::id.gt(from))
        .filter(messages::id.le(last.unwrap_or(MessageId(i64::MAX))))
        .order(messages::id)
        .limit(PASSED)
        .select((messages::id, messages::created_at))
        .load(tx.conn())?;
    let old = now.plus(-SETTLED);
    if let Some((id, _)) = next.into_iter().take_while(|(_, at)| *at < old).last() {
        diesel::update(p::table.find(1)).set(p::message_id.eq(id)).execute(tx.conn())?;
    }
    Ok(())
}

/// Removes some of an index of another rule; once nothing of it is left, all messages are to be read again.
fn begin_anew(tx: &mut Tx) -> QueryResult<()> {
    if forget_postings(tx, FORGOTTEN)? == 0 {
        diesel::delete(search_words::table).execute(tx.conn())?;
        let start = (p::message_id.eq(MessageId(0)), p::rule.eq(RULE));
        diesel::update(p::table.find(1)).set(start).execute(tx.conn())?;
    }
    Ok(())
}

type Words = BTreeMap<String, i64>;
type Row = (MessageId, ConversationId, bool, Option<Ts>, Held<MessageHtml>, Opened);

/// The words of these messages, each with the parts in which it stands. A message that was taken back has none.
fn words_of(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<(MessageId, Words)>> {
    let rows: Vec<Row> = messages::table
        .inner_join(conversations::table)
        .filter(messages::id.eq_any(of.to_vec()))
        .select((
            messages::id,
            messages::conversation_id,
            messages::internal,
            messages::recalled_at,
            messages::body_html,
            conversations::title,
        ))
        .load(conn)?;
    let files: Vec<(MessageId, Opened)> = attachments::table
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .select((attachments::message_id, attachments::file_name))
        .load(conn)?;
    let mut all = Vec::with_capacity(rows.len());
    for (id, conversation, internal, recalled, html, Opened(title)) in rows {
        let mut words = Words::new();
        // a text that cannot be opened must not keep the others from being found
        match html.of(conversation) {
            _ if recalled.is_some() => {}
            Err(cause) => tracing::error!(%cause, message = %id, "a message could not be read for the search"),
            Ok(html) => {
                add(&mut words, &title, Part::Title);
                for (_, Opened(name)) in files.iter().filter(|(message, _)| *message == id) {
                    add(&mut words, name, Part::File);
                }
                let part = if internal { Part::Note } else { Part::Message };
                add(&mut words, &CleanHtml::stored(html).plain(), part);
            }
        }
        all.push((id, words));
    }
    Ok(all)
}

fn add(words: &mut Words, text: &str, part: Part) {
    for one in text::located(text) {
        if words.len() < MOST || words.contains_key(&one.word) {
            *words.entry(one.word).or_default() |= part.bit();
        }
    }
}
