//! The keys of the clinic's pages, in one table: from it both the script (`static/js/keys.js`, by an attribute of each page) and the
//! page that explains them (`/keys`) know what a key does.

use crate::text_enum;
use std::sync::LazyLock;

text_enum! {
    /// What a key does: a function of the script has the same name.
    pub enum Deed {
        /// the next row of a list has the focus
        Next = "next",
        /// the row before
        Previous = "previous",
        /// the row with the focus opens
        Open = "open",
        /// "Mark done"
        Done = "done",
        /// the field of a reply
        Reply = "reply",
        /// the field of an internal note
        Note = "note",
        /// the page on which it is assigned
        Assign = "assign",
        /// what is being written is sent
        Send = "send",
        /// a new message, after choosing the patient
        New = "new",
        /// the field of a search
        Search = "search",
        /// the inbox
        Inbox = "inbox",
        /// the patients
        Patients = "patients",
        /// the outbox
        Outbox = "outbox",
        /// the keys in words
        Help = "help",
    }
}

text_enum! {
    /// Where keys do something.
    pub enum Place {
        /// lists: inbox, outbox, patients, search
        Lists = "lists",
        /// a conversation, and what is written in it
        Conversation = "conversation",
        /// every page
        Everywhere = "everywhere",
    }
}

/// A key, or several pressed one after the other, and what it does.
pub struct Key {
    /// where
    pub place: Place,
    /// as the script knows it: `g i` is first g, then i
    pub strokes: &'static str,
    /// what
    pub deed: Deed,
}

const fn key(place: Place, strokes: &'static str, deed: Deed) -> Key {
    Key { place, strokes, deed }
}

/// Every key.
pub const KEYS: [Key; 14] = [
    key(Place::Lists, "j", Deed::Next),
    key(Place::Lists, "k", Deed::Previous),
    key(Place::Lists, ENTER, Deed::Open),
    key(Place::Lists, "e", Deed::Done),
    key(Place::Conversation, "r", Deed::Reply),
    key(Place::Conversation, "n", Deed::Note),
    key(Place::Conversation, "a", Deed::Assign),
    key(Place::Conversation, "Ctrl+Enter", Deed::Send),
    key(Place::Everywhere, "c", Deed::New),
    key(Place::Everywhere, "/", Deed::Search),
    key(Place::Everywhere, "g i", Deed::Inbox),
    key(Place::Everywhere, "g p", Deed::Patients),
    key(Place::Everywhere, "g o", Deed::Outbox),
    key(Place::Everywhere, "?", Deed::Help),
];

/// A link opens by it without any script.
const ENTER: &str = "Enter";

impl Deed {
    /// Whether it is of use only to those who may write.
    fn writes(self) -> bool {
        use Deed::*;
        matches!(self, Done | Reply | Note | Assign | Send | New | Outbox)
    }
}

impl Key {
    /// The keys of a user.
    pub fn of(writes: bool) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| writes || !key.deed.writes())
    }
}

/// The table as the script reads it.
pub fn table(writes: bool) -> &'static str {
    static TABLES: LazyLock<[String; 2]> = LazyLock::new(|| [false, true].map(written));
    &TABLES[usize::from(writes)]
}

fn written(writes: bool) -> String {
    let scripted = Key::of(writes).filter(|key| key.strokes != ENTER);
    scripted.map(|key| format!("{}={}", key.strokes, key.deed.as_str())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{Deed, KEYS, table};
    use std::collections::HashSet;

    #[test]
    fn each_key_does_one_thing_and_each_thing_has_a_key() {
        let strokes: HashSet<&str> = KEYS.iter().map(|key| key.strokes).collect();
        let deeds: HashSet<&str> = KEYS.iter().map(|key| key.deed.as_str()).collect();
        assert_eq!((strokes.len(), deeds.len()), (KEYS.len(), Deed::ALL.len()));
        // the first of two keys does nothing by itself, as it would be done before the second
        assert!(strokes.iter().filter_map(|one| one.split_once(' ')).all(|(first, _)| !strokes.contains(first)));
        assert!(strokes.iter().all(|one| !one.contains(['=', ','])), "the script splits there");
    }

    #[test]
    fn who_only_reads_has_no_key_that_writes() {
        assert_eq!(table(false), "j=next,k=previous,/=search,g i=inbox,g p=patients,?=help");
        assert!(table(true).contains("e=done") && table(true).contains("Ctrl+Enter=send"));
    }
}
