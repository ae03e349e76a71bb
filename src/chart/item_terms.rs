//! The words that find a chart item: those of its title, its author and its content, each by its beginning.

use super::item::ItemBody;
use crate::db::schema::chart_item_terms;
use crate::db::sealed::{self, Term};
use crate::db::{ChartItemId, Conn, PatientId, Tx, add_terms};
use crate::text;
use diesel::prelude::*;
use std::collections::BTreeSet;

/// The longest word that is kept, in characters; a longer one is found by its beginning.
const LONGEST: usize = 40;
/// The most different words of one item, in the order of the alphabet after the title's: a guard against files that
/// are no text.
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

/// The words of one item as the rule before made them.
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

/// A word of what was typed: the terms that begin with it.
pub(super) struct Sought {
    /// from where to where they stand in clear
    pub clear: (Term, Term),
    /// those of this chart that are sealed
    pub sealed: Vec<Term>,
}

/// The words of what was typed.
pub(super) fn typed(text: &str) -> impl Iterator<Item = String> {
    text::words(text).into_iter().take(SOUGHT).map(cut)
}

/// For each word of what was typed, the terms of this chart that begin with it. What is sealed is opened to be compared: of
/// the words of one chart, each once, those that stand where such words do.
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

/// Makes the item be found by `now` and no longer by what was in `before` only.
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
