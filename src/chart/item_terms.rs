//! The words by which search finds a chart item: those of its title, author and content, each by its beginning.

use super::item::ItemBody;
use crate::db::schema::chart_item_terms;
use crate::db::sealed::{self, Term};
use crate::db::{ChartItemId, Conn, PatientId, Tx, add_terms};
use crate::text;
use diesel::prelude::*;
use std::collections::BTreeSet;

/// The longest word that is stored, in characters; a longer one is cut, and found by its beginning.
const LONGEST: usize = 40;
/// The most different words that are stored of one item, first those of the title, then of the author and the content:
/// it limits what a file without real text can add.
const MOST: usize = 4_000;
/// The most words of one search.
const SOUGHT: usize = 8;

fn cut(word: String) -> String {
    if word.chars().nth(LONGEST).is_some() { word.chars().take(LONGEST).collect() } else { word }
}

/// The words of one item.
pub(super) fn terms(title: &str, author: Option<&str>, body: &ItemBody) -> BTreeSet<String> {
    by(text::words, title, author, body)
}

/// The words of one item as version 1 of the rule made them.
pub(super) fn of_version_1(title: &str, author: Option<&str>, body: &ItemBody) -> BTreeSet<String> {
    by(text::words_of_version_1, title, author, body)
}

fn by(words: fn(&str) -> Vec<String>, title: &str, author: Option<&str>, body: &ItemBody) -> BTreeSet<String> {
    let mut terms: BTreeSet<String> = BTreeSet::new();
    for part in [title, author.unwrap_or_default(), &body.plain_text()] {
        let words = words(part).into_iter().map(cut);
        terms.extend(words.take(MOST.saturating_sub(terms.len())));
    }
    terms
}

/// The terms that begin with a word that was typed.
pub(super) struct Sought {
    /// the range of terms in plain text, from the first to before the second
    pub clear: (Term, Term),
    /// the matching terms of this chart that are sealed
    pub sealed: Vec<Term>,
}

/// The words of a text that was typed into the search field.
pub(super) fn typed(text: &str) -> impl Iterator<Item = String> {
    text::words(text).into_iter().take(SOUGHT).map(cut)
}

/// For each word that was typed, the terms of this chart that begin with it. Sealed terms are decrypted to be compared:
/// only those of this chart, each once, in the ranges where such words are stored.
pub(super) fn sought(conn: &mut Conn, patient: PatientId, text: &str) -> QueryResult<Vec<Sought>> {
    let mut all = Vec::new();
    for word in typed(text) {
        let (clear, places) = sealed::ranges(&word)?;
        let mut own = Vec::new();
        for (from, to) in places {
            let terms: Vec<Term> = chart_item_terms::table
                .filter(chart_item_terms::patient_id.eq(patient))
                .filter(chart_item_terms::term.ge(from))
                .filter(chart_item_terms::term.lt(to))
                .select(chart_item_terms::term)
                .distinct()
                .load(conn)?;
            for term in terms {
                if sealed::word(&term)?.starts_with(&word) {
                    own.push(term);
                }
            }
        }
        all.push(Sought { clear, sealed: own });
    }
    Ok(all)
}

/// Makes the item findable by the words in `now`, and no longer by those that only `before` has.
pub(super) fn replace(
    tx: &mut Tx,
    patient: PatientId,
    item: ChartItemId,
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
) -> QueryResult<()> {
    for word in before.difference(now) {
        let own = chart_item_terms::table.filter(chart_item_terms::patient_id.eq(patient));
        let own = own.filter(chart_item_terms::item_id.eq(item));
        diesel::delete(own.filter(chart_item_terms::term.eq_any(sealed::forms(word)?))).execute(tx.conn())?;
    }
    let new: Vec<Term> = now.difference(before).map(|word| sealed::term(word)).collect::<QueryResult<_>>()?;
    add_terms(tx, patient, item, &new)
}
