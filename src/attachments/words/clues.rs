//! Clues to the patient whom a text names: what in it could be a health number or a date of birth.
//!
//! It looks only for what a person in a hurry could overlook and send to the wrong patient.

use super::PERHAPS_APART;
use crate::patients::Clues;
use crate::text;
use std::collections::{BTreeSet, VecDeque};
use time::{Date, Month};

/// The most numbers and the most dates that are looked up.
const MOST: usize = 4_000;
/// The most different words of a file in which names are looked for.
const WORDS: usize = 50_000;
/// How many letters and digits a health number has: from the shortest to the longest in use.
const NUMBER: std::ops::RangeInclusive<usize> = 7..=14;
/// A text with fewer digits is not a health number.
const DIGITS: usize = 5;
/// The most groups that people write a number in: `MEJM 5103 0412`, `1234-567-897-AB`, `943.476.5919`.
const GROUPS: usize = 4;
/// Words before a telephone number, folded.
const CALLED: [&str; 9] =
    ["tel", "telephone", "phone", "fax", "telecopieur", "telecopie", "cell", "cellulaire", "mobile"];
/// Words that stand within a date and say nothing: 4th of March, 1er mars.
const SILENT: [&str; 7] = ["st", "nd", "rd", "th", "er", "of", "de"];

/// The clues in these words.
pub fn find(words: &str, today: Date) -> Clues {
    let mut found = Found { today, numbers: BTreeSet::new(), dates: BTreeSet::new(), words: BTreeSet::new() };
    found.scan(words.chars().map(|c| if c == PERHAPS_APART { ' ' } else { c }));
    if words.contains(PERHAPS_APART) {
        found.scan(words.chars().filter(|c| *c != PERHAPS_APART));
    }
    let (numbers, dates) = (found.numbers.into_iter().collect(), found.dates.into_iter().collect());
    Clues { numbers, dates, words: found.words }
}

/// The characters between two runs of letters and digits.
#[derive(Default)]
struct Gap {
    last: Option<char>,
    /// there is more than one character
    is_long: bool,
}

/// A run of letters and digits.
struct Token {
    folded: String,
    /// it may belong to the same number as the token before
    joined: bool,
    /// it begins a telephone number
    called: bool,
}

struct Found {
    today: Date,
    numbers: BTreeSet<String>,
    dates: BTreeSet<Date>,
    words: BTreeSet<String>,
}

impl Found {
    fn scan(&mut self, text: impl Iterator<Item = char>) {
        // the last tokens, and the last pieces that could belong to a date
        let (mut tokens, mut pieces) = (VecDeque::with_capacity(GROUPS + 1), VecDeque::with_capacity(4));
        let (mut current, mut between) = (String::new(), Gap::default());
        for c in text.chain(['\n']) {
            if c.is_alphanumeric() {
                current.push(c);
                continue;
            }
            if !current.is_empty() {
                let token = token(&std::mem::take(&mut current), &std::mem::take(&mut between), tokens.back());
                self.dates(&token.folded, &mut pieces);
                if self.words.len() < WORDS && !self.words.contains(&token.folded) {
                    self.words.insert(token.folded.clone());
                }
                tokens.push_back(token);
                self.numbers(&mut tokens);
            }
            between = Gap { last: Some(c), is_long: between.last.is_some() };
        }
    }

    /// Finds what could be a health number and ends with the last token: letters and digits, upper case.
    fn numbers(&mut self, tokens: &mut VecDeque<Token>) {
        if tokens.len() > GROUPS {
            tokens.pop_front();
        }
        let mut number = String::new();
        for token in tokens.iter().rev() {
            number.insert_str(0, &token.folded.to_uppercase());
            let digits = number.bytes().filter(u8::is_ascii_digit).count();
            if !token.called && digits >= DIGITS && self.numbers.len() < MOST {
                // the version code of an Ontario health card may be missing in the patient's record
                let bare = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let one_or_two = (1..=2).contains(&(number.len() - bare.len()));
                let could_be = |number: &str| NUMBER.contains(&number.chars().count());
                let both = [Some(&*number), one_or_two.then_some(bare)].into_iter().flatten();
                self.numbers.extend(both.filter(|number| could_be(number)).map(str::to_owned));
            }
            if !token.joined || number.len() > *NUMBER.end() {
                break;
            }
        }
    }

    /// Finds what could be a date of birth and ends with this token: in figures in any order, or with the month in
    /// words.
    fn dates(&mut self, token: &str, pieces: &mut VecDeque<String>) {
        for piece in runs(token).filter(|piece| !SILENT.contains(piece)) {
            if let (8, Some((year, rest))) = (piece.len(), piece.split_at_checked(4))
                && piece.bytes().all(|b| b.is_ascii_digit())
                && let Some((month, day)) = rest.split_at_checked(2)
            {
                self.date(year, month, day);
            }
            if pieces.len() == 3 {
                pieces.pop_front();
            }
            pieces.push_back(piece.to_owned());
            if let [a, b, c] = pieces.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                self.date(a, b, c);
                self.date(c, b, a);
                self.date(c, a, b);
            }
        }
    }

    fn date(&mut self, year: &str, month: &str, day: &str) {
        let month = month
            .parse()
            .ok()
            .or_else(|| text::dates::month_named(month))
            .and_then(|month: u8| Month::try_from(month).ok());
        let (Ok(written), Some(month), Ok(day)) = (year.parse::<i32>(), month, day.parse()) else { return };
        // a year of two figures may belong to either century
        let years = if year.len() == 2 { [1900 + written, 2000 + written] } else { [written; 2] };
        for year in years {
            let date = Date::from_calendar_date(year, month, day).ok();
            let date = date.filter(|date| date.year() > 1880 && *date <= self.today && self.dates.len() < MOST);
            self.dates.extend(date);
        }
    }
}

fn token(letters: &str, between: &Gap, before: Option<&Token>) -> Token {
    let folded = text::fold(letters);
    let is_one = |token: &&Token| token.folded == "1" && token.called;
    let called = between.last == Some('+')
        || before.is_some_and(|token| CALLED.contains(&token.folded.as_str()))
        || before.filter(is_one).is_some();
    let joins = matches!(
        between.last,
        Some(' ' | '-' | '_' | '.' | '·' | '\u{a0}' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '\u{202f}')
    );
    let joined = joins && !between.is_long;
    Token { folded, joined, called }
}

/// Splits a token into runs of digits and runs of anything else: `04mar1951` gives three.
fn runs(token: &str) -> impl Iterator<Item = &str> {
    let digit = |c: &char| c.is_ascii_digit();
    let mut rest = token;
    std::iter::from_fn(move || {
        let first = digit(&rest.chars().next()?);
        let end = rest.find(|c: char| digit(&c) != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters of several bytes, in every place where a text is split.
    #[test]
    fn any_sign_may_stand_anywhere() {
        let today = Date::from_calendar_date(2026, Month::November, 29).unwrap();
        let signs =
            ["👍", "─", "\u{a0}", "，", "「", "é", "ß", "ﬀ", "٣", "İ", "\u{301}", "\u{200d}", "\u{1f}", "x", "1", "+"];
        for sign in signs {
            for count in [1, 2, 3, 4, 5, 8, 9, 12, 33] {
                let run = sign.repeat(count);
                let found =
                    find(&format!("{run}1951{run}03{run}04{run} 1234{run}567{run}890 {run}19510304{run}"), today);
                assert!(!found.words.is_empty(), "{run}");
            }
            let found = find(&format!("{sign} 1234 567 890, 4 March 1951 {sign}"), today);
            assert!(sign == "+" || found.numbers.contains(&"1234567890".to_owned()), "{sign}: {:?}", found.numbers);
            assert!(found.dates.iter().any(|date| date.to_string() == "1951-03-04"), "{sign}");
        }
    }
}
