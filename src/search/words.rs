//! The different words of the index, each of which has a number.

use crate::db::schema::search_words as w;
use crate::db::sealed::{self, Term};
use crate::db::{Conn, Tx, add_words};
use crate::text::Sought;
use diesel::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Words that are looked up at once.
const AT_ONCE: usize = 200;
/// The most words that the last word of a search may begin.
const BEGUN: usize = 500;
/// The most words that are opened to be compared with a beginning: those that stand in the same place, about a 64th.
const OPENED: i64 = 50_000;

/// The numbers of these words; those that have none get one. The caller holds the index.
pub(super) fn numbered(tx: &mut Tx, words: &BTreeSet<&str>) -> QueryResult<HashMap<String, i64>> {
    let all: Vec<&str> = words.iter().copied().collect();
    let mut known = known(tx, &all)?;
    let new: Vec<&str> = all.into_iter().filter(|word| !known.contains_key(*word)).collect();
    if !new.is_empty() {
        let terms: Vec<Term> = new.iter().map(|word| sealed::term(word)).collect::<QueryResult<_>>()?;
        add_words(tx, &terms)?;
        known.extend(self::known(tx, &new)?);
    }
    Ok(known)
}

fn known(conn: &mut Conn, words: &[&str]) -> QueryResult<HashMap<String, i64>> {
    let mut known = HashMap::new();
    for some in words.chunks(AT_ONCE) {
        for (id, term) in stored(conn, some)? {
            known.insert(sealed::word(&term)?, id);
        }
    }
    Ok(known)
}

/// The rows of these words, under whichever key they were sealed.
fn stored(conn: &mut Conn, words: &[&str]) -> QueryResult<Vec<(i64, Term)>> {
    let mut forms: Vec<Term> = Vec::new();
    for word in words {
        forms.extend(sealed::forms(word)?);
    }
    w::table.filter(w::term.eq_any(forms)).select((w::id, w::term)).load(conn)
}

/// The numbers of the words that are this one, or that it begins; and whether it begins more than are looked for.
pub(super) fn of(conn: &mut Conn, sought: &Sought) -> QueryResult<(Vec<i64>, bool)> {
    let mut ids: Vec<i64> = stored(conn, &[&sought.word])?.into_iter().map(|(id, _)| id).collect();
    if !sought.is_beginning {
        return Ok((ids, false));
    }
    let within = |(from, to): (Term, Term), limit: i64| {
        w::table.filter(w::term.ge(from)).filter(w::term.lt(to)).order(w::term).select((w::id, w::term)).limit(limit)
    };
    let (clear, places) = sealed::ranges(&sought.word)?;
    let mut begun: Vec<(i64, Term)> = within(clear, BEGUN as i64 + 1).load(conn)?;
    for place in places {
        for (id, term) in within(place, OPENED).load::<(i64, Term)>(conn)? {
            if sealed::word(&term)?.starts_with(&sought.word) {
                begun.push((id, term));
            }
        }
    }
    ids.extend(begun.into_iter().map(|(id, _)| id));
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    let is_cut = ids.len() > BEGUN;
    ids.truncate(BEGUN);
    Ok((ids, is_cut))
}
