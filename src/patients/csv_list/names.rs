//! Splits whole names that stand in one column.

/// A whole name, split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whole {
    /// given names
    pub given: String,
    /// family name
    pub family: String,
    /// what they like to be called: "Smith, Jane (Janie)"
    pub preferred: Option<String>,
    /// nothing shows which word is the family name
    pub is_guess: bool,
}

/// Titles, which are no part of a name. Lower case, without a full stop.
const TITLES: [&str; 7] = ["mr", "mrs", "ms", "miss", "mme", "mlle", "mx"];

/// Suffixes that follow a family name and belong to it. Lower case, without a full stop.
const SUFFIXES: [&str; 6] = ["jr", "sr", "ii", "iii", "iv", "fils"];

/// Words before the last one that belong to the family name.
const PARTICLES: [&str; 21] = [
    "de", "du", "des", "la", "le", "del", "della", "di", "da", "dos", "van", "von", "der", "den", "ter", "bin", "ben",
    "al", "el", "st", "ste",
];

/// The fewest capital letters that mark a family name and not initials, unless the name comes first: "Li".
const CAPITALS: usize = 3;

/// Splits a whole name. "SMITH, Jane": the family name is before the comma. "Jane SMITH": it is in capitals. Else it is
/// the last word, or the first one where the header says so.
pub(super) fn of_whole(whole: &str, family_first: bool) -> Whole {
    let (whole, preferred) = without_nickname(whole);
    let apart = |given: &[&str], family: &[&str], is_guess| Whole {
        given: given.join(" "),
        family: family.join(" "),
        preferred: preferred.clone(),
        is_guess,
    };
    // HL7's family^given^middle
    let parts: Vec<&str> = whole.split([',', '^']).map(str::trim).filter(|part| !part.is_empty()).collect();
    let words = |text| -> Vec<&str> { str::split_whitespace(text).filter(|word| !is_one_of(word, &TITLES)).collect() };
    match parts[..] {
        [] => Whole::default(),
        [name, suffix] if is_one_of(suffix, &SUFFIXES) && name.contains(' ') => {
            let mut name = of_whole(name, family_first);
            name.family = format!("{} {suffix}", name.family);
            name
        }
        [family, suffix, ..] if is_one_of(suffix, &SUFFIXES) => {
            let given: Vec<&str> = parts.iter().skip(2).flat_map(|part| words(part)).collect();
            apart(&given, &[family, suffix], false)
        }
        [family, ..] if parts.len() > 1 => {
            let given: Vec<&str> = parts.iter().skip(1).flat_map(|part| words(part)).collect();
            apart(&given, &words(family), false)
        }
        _ => {
            let words = words(whole.trim_matches([',', '^', ' ']));
            let (from, to, is_guess) = of_family(&words, family_first);
            let given: Vec<&str> = words.iter().take(from).chain(words.iter().skip(to)).copied().collect();
            apart(&given, words.get(from..to).unwrap_or_default(), is_guess)
        }
    }
}

/// Which words are the family name (from, to), and whether that is a guess.
fn of_family(words: &[&str], family_first: bool) -> (usize, usize, bool) {
    let count = words.len();
    if count < 2 {
        return (0, count, false);
    }
    let in_capitals = |word: &&str| word.chars().any(char::is_alphabetic) && !word.chars().any(char::is_lowercase);
    let is_other = |word: &&str| word.chars().any(char::is_lowercase) && !PARTICLES.contains(word);
    let long = |words: &[&str]| words.iter().any(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= CAPITALS);
    if words.iter().any(is_other) {
        let first = words.iter().take_while(|word| in_capitals(word) || PARTICLES.contains(word)).count();
        let last = words.iter().rev().take_while(|word| in_capitals(word) || PARTICLES.contains(word)).count();
        let rest = |from: usize, to: usize| words.get(from..to).unwrap_or_default();
        // one letter is an initial
        if first > 0 && rest(0, first).iter().any(|word| word.chars().count() > 1 && in_capitals(word)) {
            return (0, first, false);
        }
        if last > 0 && long(rest(count - last, count)) && rest(count - last, count).iter().any(in_capitals) {
            let initials =
                rest(count - last, count).iter().take_while(|word| word.trim_end_matches('.').chars().count() < 2);
            return (count - last + initials.count(), count, false);
        }
    }
    if family_first {
        let particles = words.iter().take_while(|word| PARTICLES.contains(word)).count();
        return (0, (particles + 1).min(count - 1), true);
    }
    let end = count - words.iter().rev().take_while(|word| is_one_of(word, &SUFFIXES)).count();
    let last = end.saturating_sub(1);
    let before = words.iter().take(last).skip(1).rev().take_while(|word| PARTICLES.contains(word)).count();
    (last - before, count, true)
}

/// Takes the nickname out of "Smith, Jane (Janie)" or "Jane "Janie" Smith".
fn without_nickname(whole: &str) -> (String, Option<String>) {
    for (open, close) in [('(', ')'), ('"', '"'), ('\u{201c}', '\u{201d}')] {
        if let Some((before, rest)) = whole.split_once(open)
            && let Some((inside, after)) = rest.split_once(close)
            && inside.chars().any(char::is_alphabetic)
        {
            let name = format!("{} {}", before.trim(), after.trim());
            return (name.trim().replace(" ,", ","), Some(inside.trim().to_owned()));
        }
    }
    (whole.trim().to_owned(), None)
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    let word = word.trim_end_matches('.').to_lowercase();
    words.contains(&word.as_str())
}
