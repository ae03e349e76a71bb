//! Names of files: as the sender gave them, without characters that mislead a reader or a computer.

use unicode_normalization::UnicodeNormalization;

/// The longest name, in bytes: every file system takes it.
const LONGEST: usize = 150;

/// Names that Windows takes for devices, whatever their ending is.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The last part of a path, without characters that file systems refuse, that turn the direction of writing (so that
/// `exe.fdp` reads as `pdf.exe`), or that cannot be seen. Empty where nothing is left.
pub fn clean_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last
        .nfc()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if r#":*?"<>|"#.contains(c) { '-' } else { c })
        .collect();
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = words.trim_matches(['.', ' ']);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem = stem.trim_end_matches(['.', ' ']);
    let first = stem.split('.').next().unwrap_or_default().to_lowercase();
    let device = DEVICES.iter().any(|d| {
        first.strip_prefix(d).is_some_and(|n| n.is_empty() || (n.len() == 1 && n.as_bytes()[0].is_ascii_digit()))
    });
    let stem = if device { format!("_{stem}") } else { stem.to_owned() };
    if ending.is_empty() {
        return cut(&stem, LONGEST).to_owned();
    }
    let stem = cut(&stem, LONGEST.saturating_sub(ending.len() + 1));
    let stem = if stem.is_empty() { "file" } else { stem };
    cut(&format!("{stem}.{ending}"), LONGEST).to_owned()
}

/// Zero-width characters, marks of direction (Unicode TR 9), and the like.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{ad}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text).trim_end()
}
