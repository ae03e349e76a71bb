//! Words for which carriers hold back a text message. The list is data: `filtered_words.txt`.

use crate::text;
use std::sync::LazyLock;

/// Each entry as its folded words.
static LIST: LazyLock<Vec<(&str, Vec<String>)>> = LazyLock::new(|| {
    let lines = include_str!("filtered_words.txt").lines().map(str::trim);
    let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries.map(|entry| (entry, text::words(entry))).collect()
});

/// The entries of the list that occur in a text as whole words, in the order of the list, each once.
pub fn filtered_words(body: &str) -> Vec<&'static str> {
    let words = text::words(body);
    let stands = |entry: &[String]| words.windows(entry.len()).any(|window| window == entry);
    LIST.iter().filter(|(_, entry)| stands(entry)).map(|(shown, _)| *shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_found_however_they_are_written() {
        assert_eq!(filtered_words("Your OXYCODONE prize: act-now!"), ["oxycodone", "act now", "prize"]);
        assert_eq!(filtered_words("Opioïdes"), ["opioides"]);
        assert!(filtered_words("A message is waiting: winners' surprized freezer").is_empty());
        assert!(LIST.len() > 60 && LIST.iter().all(|(_, words)| !words.is_empty()));
    }
}
