//! Two letters that stand for a name beside it, in any script.

/// The first letters of the first and the last word of a name; of a name of one word its first two letters. Empty where
/// a name has no letter.
pub fn initials(name: &str) -> String {
    // a title before a name is no part of it: "Dr. Camille Roy"
    let named = name.trim_start();
    let named = named
        .split_once(". ")
        .filter(|(title, _)| title.chars().all(char::is_alphabetic))
        .map_or(named, |(_, rest)| rest);
    let mut words = named.split(|c: char| c.is_whitespace() || c == '-').filter_map(letters);
    let Some((first, second)) = words.next() else { return String::new() };
    match words.next_back() {
        Some((last, _)) => [first, last].into_iter().map(capital).collect(),
        None => std::iter::once(first).chain(second).map(capital).collect(),
    }
}

/// The first letter of a word, and the second one where there is one; `None` where it has no letter.
fn letters(word: &str) -> Option<(char, Option<char>)> {
    let mut letters = word.chars().filter(|c| c.is_alphabetic() && !is_sign(*c));
    letters.next().map(|first| (first, letters.next()))
}

/// Signs that belong to the letter before them: alone they are shown on a dotted circle.
fn is_sign(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The capital where it is one letter. Georgian has capitals that few fonts have, and names are not written with them.
fn capital(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (letter, upper.next(), upper.next()) {
        ('\u{10d0}'..='\u{10ff}', ..) => letter,
        (_, Some(one), None) => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn a_name_in_any_script_has_two_letters() {
        for (name, wanted) in [
            ("María del Carmen Mejía", "MM"),
            ("ada lovelace", "AL"),
            ("Jean-Luc", "JL"),
            ("Dr. Camille Roy", "CR"),
            ("M. C. Roy", "CR"),
            ("Élise O’Neil (Lee)", "ÉL"),
            ("Madonna", "MA"),
            ("X", "X"),
            ("王小明", "王小"),
            ("김 서연", "김서"),
            ("أحمد السيد", "أا"),
            ("शक्ति मेहता", "शम"),
            ("მარიამ გელაშვილი", "მგ"),
            ("Łukasz ßmith", "Łß"),
            ("\u{202e}Ada  \u{200b}Ng", "AN"),
            ("1 2 3", ""),
            ("👩🏽‍⚕️", ""),
            ("", ""),
        ] {
            assert_eq!(initials(name), wanted, "{name:?}");
        }
    }
}
