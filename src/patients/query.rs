//! Reads what a receptionist types as words to search for.

use crate::text::{self, dates};
use time::Date;
use time::macros::date;

/// One way to read what was typed: of each group at least one word must begin a word of the patient.
pub(super) type Reading = Vec<Vec<String>>;

/// The most groups that are searched for.
const MOST: usize = 8;
/// The most pieces of a date in words: 4th of March 1951.
const OF_DATE: usize = 4;
/// The fewest digits that are searched for at the end of a phone number.
const LAST_DIGITS: usize = 3;
/// Letters before the digits of Québec's health number.
const RAMQ: usize = 4;

/// The last days of the centuries that a year of two digits can belong to.
const CENTURIES: [Date; 2] = [date!(1999 - 12 - 31), date!(2099 - 12 - 31)];

/// A phone number's digits in reverse order, so that its last digits begin a word of the index.
pub(super) fn from_the_end(digits: &str) -> String {
    format!("~{}", digits.chars().rev().collect::<String>())
}

/// A piece of what was typed.
enum Piece {
    /// a name: the words between its apostrophes and hyphens
    Name(Vec<String>),
    /// digits only
    Number(String),
    /// words of which any one may match: a date, an address, a number with letters
    Other(Vec<String>),
}

/// The readings of what was typed, the simplest first.
pub(super) fn readings(typed: &str) -> Vec<Reading> {
    let pieces = pieces(&text::visible(typed).replace("(0)", ""));
    let mut found: Vec<Reading> = Vec::new();
    let mut add = |mut reading: Reading| {
        reading.retain(|group| !group.is_empty());
        reading.truncate(MOST);
        if !reading.is_empty() && !found.contains(&reading) {
            found.push(reading);
        }
    };
    let others = || pieces.iter().filter(|piece| !matches!(piece, Piece::Name(_))).map(group);
    let names: Vec<&Vec<String>> =
        pieces.iter().filter_map(|piece| if let Piece::Name(words) = piece { Some(words) } else { None }).collect();
    // first with O'Brien as one word, then as two; then all names as one: "van der berg" is also Vanderberg
    add(names.iter().map(|words| vec![words.concat()]).chain(others()).collect());
    add(names.iter().flat_map(|words| words.iter().map(|word| vec![word.clone()])).chain(others()).collect());
    if names.len() > 1 {
        add([vec![names.iter().flat_map(|words| words.iter().map(String::as_str)).collect()]]
            .into_iter()
            .chain(others())
            .collect());
    }
    if let Some(glued) = glued(&pieces) {
        add(glued);
    }
    found
}

fn group(piece: &Piece) -> Vec<String> {
    match piece {
        Piece::Name(words) => vec![words.concat()],
        Piece::Other(words) => words.clone(),
        Piece::Number(digits) => {
            let mut words = vec![digits.clone()];
            // dialled from abroad, or with the trunk prefix 0
            let rest = ["011", "00", "0"].into_iter().find_map(|prefix| digits.strip_prefix(prefix));
            words.extend(rest.filter(|rest| rest.len() > LAST_DIGITS).map(str::to_owned));
            let ends: Vec<String> =
                words.iter().filter(|digits| digits.len() >= LAST_DIGITS).map(|digits| from_the_end(digits)).collect();
            words.extend(ends);
            words
        }
    }
}

/// A health number that was typed in groups, with letters before it (Québec) or a version code after it (Ontario).
fn glued(pieces: &[Piece]) -> Option<Reading> {
    let at = pieces.iter().position(|piece| matches!(piece, Piece::Number(digits) if digits.len() >= 8))?;
    let Some(Piece::Number(digits)) = pieces.get(at) else { return None };
    let name = |at: Option<usize>| match at.and_then(|at| pieces.get(at)) {
        Some(Piece::Name(words)) => Some(words.concat()),
        _ => None,
    };
    let letters = name(at.checked_sub(1)).filter(|word| word.chars().count() == RAMQ);
    let version = name(Some(at + 1)).filter(|word| word.len() <= 2);
    let taken = [letters.as_ref().map(|_| at.wrapping_sub(1)), Some(at), version.as_ref().map(|_| at + 1)];
    let number = vec![format!("{}{digits}", letters.as_deref().unwrap_or_default())];
    let rest =
        pieces.iter().enumerate().filter(|(place, _)| !taken.contains(&Some(*place))).map(|(_, piece)| group(piece));
    (letters.is_some() || version.is_some()).then(|| [number].into_iter().chain(rest).collect())
}

fn pieces(typed: &str) -> Vec<Piece> {
    let chunks: Vec<&str> = typed.split_whitespace().collect();
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < chunks.len() {
        if let Some((dates, taken)) = date_at(&chunks, at) {
            pieces.push(Piece::Other(dates));
            at += taken;
            continue;
        }
        let chunk = chunks[at];
        at += 1;
        if chunk.contains('@') {
            let address = chunk.trim_matches(|c: char| !c.is_alphanumeric());
            pieces.extend((!address.is_empty()).then(|| Piece::Other(vec![text::fold(address)])));
            continue;
        }
        for part in chunk.split([',', ';']) {
            let words = text::words(part);
            let has_digit = words.iter().any(|word| word.bytes().any(|byte| byte.is_ascii_digit()));
            let has_letter = words.iter().any(|word| word.chars().any(char::is_alphabetic));
            match (has_digit, has_letter, pieces.last_mut()) {
                (false, false, _) => {}
                (false, true, _) => pieces.push(Piece::Name(words)),
                (true, true, _) => {
                    let number = words.concat();
                    let key = text::fold(&super::health_number::health_number_key(&number));
                    pieces.push(Piece::Other(if key == number { vec![number] } else { vec![number, key] }));
                }
                // a year and a month begin a date
                (true, false, _) if is_month(part) => pieces.push(Piece::Other(vec![part.to_owned()])),
                (true, false, Some(Piece::Number(before))) => before.push_str(&words.concat()),
                (true, false, _) => pieces.push(Piece::Number(words.concat())),
            }
        }
    }
    pieces
}

fn is_month(part: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    part.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}

/// The days that the chunks from `at` can mean, and how many chunks that takes.
fn date_at(chunks: &[&str], at: usize) -> Option<(Vec<String>, usize)> {
    (1..=OF_DATE.min(chunks.len() - at)).rev().find_map(|taken| {
        let typed = chunks[at..at + taken].join(" ");
        // groups of a phone or health number are no date: 01 02 1951 is a date only with four digits of the year
        let days = CENTURIES.iter().flat_map(|newest| dates::readings(&typed, *newest));
        let said = taken == 1 || typed.chars().any(char::is_alphabetic) || typed.split(' ').any(|part| part.len() == 4);
        let plain = typed.bytes().all(|byte| byte.is_ascii_digit());
        let mut words: Vec<String> = days.map(|day| crate::values::BirthDate(day).iso()).collect();
        // eight digits may also be another number
        if plain {
            words.extend([typed.clone(), from_the_end(&typed)]);
        }
        (words.len() > if plain { 2 } else { 0 } && said).then_some((words, taken))
    })
}
