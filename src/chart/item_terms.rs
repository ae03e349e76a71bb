//! The words that find a chart item: those of its title, its author and its content, each by its beginning.

use super::item::ItemBody;
use crate::db::schema::chart_item_terms;
use crate::db::{ChartItemId, PatientId, Tx, add_terms};
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

/// For each word of what was typed: from where to where it reaches in the index.
pub(super) fn ranges(typed: &str) -> impl Iterator<Item = (String, String)> {
    let words = text::words(typed).into_iter().take(SOUGHT).map(cut);
    words.map(|word| {
        let last = format!("{word}\u{10ffff}");
        (word, last)
    })
}

/// Makes the item be found by `now` and no longer by what was in `before` only.
pub(super) fn replace(
    tx: &mut Tx,
    patient: PatientId,
    item: ChartItemId,
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
) -> QueryResult<()> {
    for term in before.difference(now) {
        diesel::delete(chart_item_terms::table.find((patient, term, item))).execute(tx.conn())?;
    }
    let new: Vec<&String> = now.difference(before).collect();
    add_terms(tx, patient, item, &new)
}
