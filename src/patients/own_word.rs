//! The word by which a patient knows the clinic's notifications, chosen with them. It stays with the record that it was entered in:
//! who reads it also asks the records that were merged into that one.

use super::record::merged_records;
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::own_words as w;
use crate::db::sealed::{self, Opened};
use crate::db::{Both, Conn, PatientId, Ts, Tx};
use crate::text;
use diesel::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// One word of 3 to 24 letters: without digits and marks, so that in an email or a text it can be no address and no passcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnWord(String);

impl OwnWord {
    /// Reads one word; `None` for anything else.
    pub fn parse(typed: &str) -> Option<OwnWord> {
        let word: String = text::visible(typed).trim().nfc().collect();
        let is_letter = |c: char| c.is_alphabetic() || is_combining_mark(c);
        let fits = (3..=24).contains(&word.chars().count()) && word.chars().all(is_letter);
        (fits && word.starts_with(char::is_alphabetic)).then_some(OwnWord(word))
    }

    /// The word as it was chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first letter, as a capital: enough to know it by, and not enough to say it.
    pub fn first_letter(&self) -> String {
        self.0.chars().next().into_iter().flat_map(char::to_uppercase).collect()
    }
}

/// The word of a record, or of one that was merged into it.
pub fn own_word(conn: &mut Conn, patient: PatientId) -> QueryResult<Option<OwnWord>> {
    let all = merged_records(conn, patient)?;
    let rows: Vec<(PatientId, Opened)> = w::table
        .filter(w::patient_id.eq_any(all))
        .order(w::changed_at.desc())
        .select((w::patient_id, w::agreed))
        .load(conn)?;
    let own = rows.iter().position(|row| row.0 == patient).unwrap_or(0);
    Ok(rows.into_iter().nth(own).map(|(_, word)| OwnWord(word.into())))
}

/// Stores the word of a record; `None` takes it away, also from the records that were merged into this one. The caller holds the
/// record, see [`crate::access::held`].
pub fn set_own_word(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    word: Option<&OwnWord>,
) -> QueryResult<()> {
    let patient = access.patient();
    match word {
        None => {
            let all = merged_records(tx, patient)?;
            diesel::delete(w::table.filter(w::patient_id.eq_any(all))).execute(tx.conn())?;
        }
        Some(word) => {
            let set = (w::agreed.eq(sealed::text(&word.0)), w::changed_at.eq(now));
            let insert = diesel::insert_into(w::table).values((w::patient_id.eq(patient), set.clone()));
            Both(insert.on_conflict(w::patient_id).do_update().set(set)).execute(tx.conn())?;
        }
    }
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::PatientChanged, patient, Subject::None);
    audit::append(tx, now, entry.with("own_word"))
}

#[cfg(test)]
mod tests {
    use super::OwnWord;

    #[test]
    fn a_word_is_letters_alone() {
        for (typed, kept, first) in [
            ("Marigold", "Marigold", "M"),
            (" été ", "été", "É"),
            ("e\u{301}te\u{301}", "été", "É"),
            ("мир", "мир", "М"),
            ("नमस्ते", "नमस्ते", "न"),
        ] {
            let word = OwnWord::parse(typed).unwrap();
            assert_eq!((word.as_str(), word.first_letter().as_str()), (kept, first), "{typed}");
        }
        for typed in ["", "ab", "two words", "abc1", "a.example", "www.example.org", "{link}", "<b>bold</b>", "*abc*"] {
            assert_eq!(OwnWord::parse(typed), None, "{typed}");
        }
        assert!(OwnWord::parse(&"a".repeat(24)).is_some());
        assert_eq!(OwnWord::parse(&"a".repeat(25)), None);
    }
}
