//! Users who are mentioned in an internal note: they take part from then on, and the note has their names.

use super::reply::Reply;
use super::store::Conversation;
use super::types::{Body, Writing};
use crate::access::{ConversationAccess, rights};
use crate::db::{Ts, Tx, UserId};
use crate::text::CleanHtml;
use crate::threads::{self, Happening, NewEvent};
use crate::users;
use diesel::prelude::*;

/// What is written once those who are mentioned are there.
pub(super) struct Mentioned {
    /// the note, with the name of everybody who is mentioned
    pub body: Body,
    /// how many of them came to the conversation by it
    pub came: usize,
}

/// Whom a note mentions, each once: never its writer, who has read it.
pub(super) fn named(reply: &Reply, writer: UserId) -> Vec<UserId> {
    if reply.writing != Writing::Note {
        return Vec::new();
    }
    let mut all: Vec<UserId> = reply.tell.iter().copied().filter(|user| *user != writer).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Adds those who are mentioned and do not take part yet, by the same right by which the writer adds participants; and puts the names
/// that are not in the text before it: as they are now, whatever they are later. The caller has locked users and conversation.
pub(super) fn bring_in(
    tx: &mut Tx,
    now: Ts,
    access: &ConversationAccess<rights::Send>,
    conversation: &Conversation,
    (body, tell): (&Body, &[UserId]),
) -> QueryResult<Mentioned> {
    let mut came = 0;
    for user in tell.iter().copied() {
        if threads::add_participant(tx, conversation.id, user, true, conversation.last_message_at)? > 0 {
            let event = NewEvent { kind: Happening::Added, by: Some(access.user().id()), user, due: None };
            threads::happened(tx, now, conversation.id, event)?;
            came += 1;
        }
    }
    let names = if tell.is_empty() { Vec::new() } else { users::names_of(tx, tell)? };
    let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    Ok(Mentioned { body: with_names(body, names), came })
}

/// The note, behind a line with those names that are not in it. What was typed stays as it was typed.
fn with_names(body: &Body, mut names: Vec<String>) -> Body {
    let plain = body.html.plain();
    names.retain(|name| !is_mentioned(&plain, name));
    if names.is_empty() {
        return body.clone();
    }
    names.sort_unstable();
    let line: Vec<String> = names.iter().map(|name| format!("@{name}")).collect();
    let line = CleanHtml::from_plain(&line.join(", "));
    let html = CleanHtml::stored(format!("{}{}", line.as_str(), body.html.as_str()));
    Body { html, ..body.clone() }
}

/// Whether a text has this name behind an "@": "@Ann" is not in "@Anna".
fn is_mentioned(text: &str, name: &str) -> bool {
    let sought = format!("@{name}");
    let mut behind = text.split(&sought).skip(1);
    behind.any(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::{is_mentioned, with_names};
    use crate::conversations::{Body, BodyFormat};

    #[test]
    fn a_name_stands_in_the_note_once() {
        let before = |text: &str, names: &[&str]| {
            let note = Body::parse(text, BodyFormat::Markdown).unwrap();
            let named = with_names(&note, names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(named.source, note.source, "what was typed stays");
            named.html.as_str().strip_suffix(note.html.as_str()).unwrap().to_owned()
        };
        assert_eq!(before("Look", &[]), "");
        assert_eq!(before("Look", &["Bo Roy", "Ada Ng"]), "<p>@Ada Ng, @Bo Roy</p>");
        assert_eq!(before("@Bo Roy: look", &["Bo Roy"]), "");
        assert_eq!(before("@Bo Roy", &["Bo Roy", "Bo Royal"]), "<p>@Bo Royal</p>");
        assert!(!before("Look", &["<b>Ada</b>"]).contains("<b>"), "a name is no markup");
        assert!(is_mentioned("ask @Ann.", "Ann") && is_mentioned("@Anna, @Ann", "Ann"));
        assert!(!is_mentioned("ask @Anna", "Ann") && !is_mentioned("ask Ann", "Ann"));
    }
}
