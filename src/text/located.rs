//! The words of a text with where they stand: what search stores of a message, what it looks for and what it marks are made
//! by one rule.
//!
//! Scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give each sign and each pair of signs:
//! whoever looks for several signs looks for their pairs.

use super::fold::{fold, is_unseen, words};
use super::links::is_spaceless;
use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// The version of the rule: it is raised with every change of its results, and the index of messages is then made anew.
pub const LOCATED_VERSION: i64 = 1;

/// The longest word, in characters; a longer one is cut.
const LONGEST: usize = 40;
/// The fewest letters with which the last word may be a beginning.
const BEGINNING: usize = 3;
/// So many characters before the first hit are shown.
const BEFORE: usize = 40;

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// from which byte to before which
    pub at: Range<usize>,
    /// folded
    pub word: String,
}

/// Signs of one kind without anything between them.
struct Run {
    at: Range<usize>,
    is_spaceless: bool,
}

/// Whether a character belongs to the one before it: a mark, an invisible one, the sound marks of narrow kana.
fn is_part(c: char) -> bool {
    is_combining_mark(c) || is_unseen(c) || matches!(c, '\u{ff9e}' | '\u{ff9f}')
}

/// Korean has spaces between its words.
fn is_dense(c: char) -> bool {
    is_spaceless(c) && !matches!(c, '\u{ac00}'..='\u{d7af}')
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut kind = None;
    for (at, c) in text.char_indices() {
        let is_part = is_part(c);
        let now = if is_part { kind } else { c.is_alphanumeric().then(|| is_dense(c)) };
        let end = at + c.len_utf8();
        match (now, runs.last_mut()) {
            (Some(_), Some(run)) if kind == now => run.at.end = end,
            (Some(is_spaceless), _) => runs.push(Run { at: at..end, is_spaceless }),
            (None, _) => {}
        }
        kind = now;
    }
    runs
}

fn piece(text: &str, at: &Range<usize>) -> String {
    text.get(at.clone()).unwrap_or_default().to_owned()
}

/// The signs of a run without spaces, each with its marks, folded.
fn signs(text: &str, run: &Run) -> Vec<Located> {
    let within = text.get(run.at.clone()).unwrap_or_default();
    let mut signs: Vec<Range<usize>> = Vec::new();
    for (at, c) in within.char_indices() {
        let (from, to) = (run.at.start + at, run.at.start + at + c.len_utf8());
        match signs.last_mut() {
            Some(sign) if is_part(c) => sign.end = to,
            _ => signs.push(from..to),
        }
    }
    let folded = signs.into_iter().map(|at| Located { word: fold(&piece(text, &at)), at });
    folded.filter(|sign| !sign.word.is_empty()).collect()
}

fn pair(one: &Located, other: &Located) -> Located {
    Located { at: one.at.start..other.at.end, word: format!("{}{}", one.word, other.word) }
}

fn cut(word: String) -> String {
    if word.chars().nth(LONGEST).is_some() { word.chars().take(LONGEST).collect() } else { word }
}

/// The words of a text, in order.
pub fn located(text: &str) -> Vec<Located> {
    let mut all = Vec::new();
    for run in runs(text) {
        if run.is_spaceless {
            let signs = signs(text, &run);
            all.extend(signs.windows(2).map(|two| pair(&two[0], &two[1])));
            all.extend(signs);
        } else {
            let of_run = words(&piece(text, &run.at)).into_iter();
            all.extend(of_run.map(|word| Located { at: run.at.clone(), word: cut(word) }));
        }
    }
    all
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// folded
    pub word: String,
    /// it may be the beginning of a longer one: the last word may not be typed to its end yet
    pub is_beginning: bool,
}

impl Sought {
    fn is(&self, word: &str) -> bool {
        if self.is_beginning { word.starts_with(&self.word) } else { word == self.word }
    }
}

/// The words that somebody typed to look for, each once.
pub fn sought(typed: &str) -> Vec<Sought> {
    let mut all: Vec<Sought> = Vec::new();
    let mut is_word = false;
    for run in runs(typed) {
        is_word = !run.is_spaceless;
        let of_run = match run.is_spaceless {
            false => words(&piece(typed, &run.at)).into_iter().map(cut).collect(),
            true => match signs(typed, &run).as_slice() {
                [one] => vec![one.word.clone()],
                many => many.windows(2).map(|two| pair(&two[0], &two[1]).word).collect(),
            },
        };
        all.extend(of_run.into_iter().map(|word| Sought { word, is_beginning: false }));
    }
    if let Some(last) = all.last_mut().filter(|last| is_word && last.word.chars().count() >= BEGINNING) {
        last.is_beginning = true;
    }
    let mut each: Vec<Sought> = Vec::new();
    for one in all {
        match each.iter_mut().find(|known| known.word == one.word) {
            Some(known) => known.is_beginning |= one.is_beginning,
            None => each.push(one),
        }
    }
    each
}

/// A part of a text that is shown: marked where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// as it stands there
    pub text: String,
    /// it is one of the words that were looked for
    pub is_hit: bool,
}

/// Whether one of these words stands in a text.
pub fn holds(text: &str, sought: &[Sought]) -> bool {
    located(text).iter().any(|one| sought.iter().any(|word| word.is(&one.word)))
}

/// A text of one line around the first of the words that are looked for, at most `most` characters, with all of them marked.
pub fn excerpt(text: &str, sought: &[Sought], most: usize) -> Vec<Piece> {
    let hits = located(text).into_iter().filter(|one| sought.iter().any(|word| word.is(&one.word))).map(|one| one.at);
    let mut hits: Vec<Range<usize>> = hits.collect();
    hits.sort_unstable_by_key(|hit| (hit.start, hit.end));
    let mut marks: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        match marks.last_mut() {
            // the pairs of a script without spaces overlap, and are one mark together
            Some(mark) if hit.start < mark.end => mark.end = mark.end.max(hit.end),
            _ => marks.push(hit),
        }
    }
    let first = marks.first().map_or(0, |mark| mark.start);
    let (from, until) = window(text, first, most);
    let mut pieces = Vec::new();
    let mut add = |range: Range<usize>, is_hit| {
        if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
            pieces.push(Piece { text: text.to_owned(), is_hit });
        }
    };
    let mut at = from;
    for mark in marks {
        let (start, end) = (mark.start.max(at), mark.end.min(until));
        if start < end {
            add(at..start, false);
            add(start..end, true);
            at = end;
        }
    }
    add(at..until, false);
    let dots = |is_cut: bool| is_cut.then(|| Piece { text: "…".to_owned(), is_hit: false });
    dots(from > 0).into_iter().chain(pieces).chain(dots(until < text.len())).collect()
}

/// Which bytes are shown: from a little before `first`, where a word begins.
fn window(text: &str, first: usize, most: usize) -> (usize, usize) {
    let before = text.get(..first).unwrap_or_default();
    let from = before.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    let from = match before.get(from..).and_then(|skipped| skipped.find(' ')) {
        Some(space) if from > 0 => from + space + 1,
        _ => from,
    };
    let shown = text.get(from..).unwrap_or_default();
    (from, shown.char_indices().nth(most).map_or(text.len(), |(at, _)| from + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, typed: &str) -> bool {
        let words: Vec<String> = located(text).into_iter().map(|one| one.word).collect();
        let sought = sought(typed);
        !sought.is_empty() && sought.iter().all(|one| words.iter().any(|word| one.is(word)))
    }

    fn shown(text: &str, typed: &str, most: usize) -> String {
        let pieces = excerpt(text, &sought(typed), most).into_iter();
        pieces.map(|piece| if piece.is_hit { format!("[{}]", piece.text) } else { piece.text }).collect()
    }

    #[test]
    fn words_of_every_script_are_found_as_they_are_typed() {
        for (text, typed) in [
            ("Take one tablet daily", "DAILY tablet"),
            ("Votre échographie d’été", "echographie ete"),
            ("L’insuline à jeun", "insuline"),
            ("Søren’s œdème", "oedeme soren"),
            ("Appointment moved", "appoint"),
            ("جرعة الدَّواء يوميًا", "الدواء"),
            ("血液検査の結果は正常です", "検査"),
            ("血液検査の結果は正常です", "血液検査"),
            ("血液検査の結果は正常です", "常"),
            ("腎臟MRI檢查", "mri"),
            ("ผลการตรวจเลือดปกติ", "เลือด"),
            ("혈액 검사 결과", "검사"),
            ("ｶﾞﾝ検診", "ガン"),
            ("lab_results-2026.pdf", "results 2026"),
            ("in\u{ad}sulin", "insulin"),
        ] {
            assert!(found(text, typed), "{typed} in {text}");
        }
        for (text, typed) in [
            ("Take one tablet daily", "tab daily"),
            ("Take one tablet daily", "ta"),
            ("血液検査の結果", "検結"),
            ("Take one tablet", "…!?"),
            ("Take one tablet", ""),
        ] {
            assert!(!found(text, typed), "{typed} in {text}");
        }
    }

    #[test]
    fn what_was_looked_for_is_marked_where_it_stands() {
        assert_eq!(shown("Votre échographie d’été", "echo ete", 80), "Votre échographie d’[été]");
        assert_eq!(shown("Votre échographie d’été", "ete echo", 80), "Votre [échographie] d’[été]");
        assert_eq!(shown("血液検査の結果", "液検査", 80), "血[液検査]の結果");
        assert_eq!(shown("a <b> & insulin", "insu", 80), "a <b> & [insulin]");
        assert_eq!(shown("nothing of it", "other", 7), "nothing…");
        let long = format!("{} insulin {}", "one two three ".repeat(9), "four ".repeat(20));
        let cut = shown(&long, "insulin", 60);
        assert!(cut.starts_with('…') && cut.ends_with('…') && cut.contains(" [insulin] four"), "{cut}");
        assert!(cut.chars().count() <= 64, "{cut}");
        for text in ["é", "頭", "\u{301}", "👩🏽‍⚕️ a", ""] {
            for most in [0, 1, 2] {
                shown(text, "é頭a", most);
            }
        }
    }
}
