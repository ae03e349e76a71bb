//! Phone numbers as people write them, made E.164.

/// Takes a number as written (or a `tel:` URI, RFC 3966) and the calling code for numbers without one ("1" for Canada);
/// gives it in E.164 (`+` and 8 to 15 digits), or none if it can't be made valid.
///
/// `+…`, `00…` and, where the default is 1, `011…` are international; else one trunk zero is taken off, also as `(0)`.
/// Numbers of calling code 1 must have ten digits and an area code that starts with 2 to 9 (North American Numbering
/// Plan). A number with an extension, or with letters, is none: no text message gets there.
pub fn normalise_phone(written: &str, default_calling_code: &str) -> Option<String> {
    let text = written.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let text = match text.split_once(';') {
        Some((_, parameters)) if parameters.split(';').any(|parameter| parameter.starts_with("ext=")) => return None,
        Some((number, _)) => number,
        None => text,
    };
    let international = text.trim_start_matches(['(', ' ']).starts_with(['+', '＋']);
    let text = text.replace("(0)", "");
    let mut digits = String::new();
    for (position, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '＋' if position <= 1 => {}
            '(' | ')' | '-' | '.' | '/' | '‐' | '‑' | '–' => {}
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    let code = default_calling_code.trim_start_matches('+');
    let number = if international {
        digits
    } else if let Some(rest) = digits.strip_prefix("00") {
        rest.to_owned()
    } else if let (true, Some(rest)) = (code == "1", digits.strip_prefix("011")) {
        rest.to_owned()
    } else {
        let plausible =
            matches!(code.len(), 1..=3) && code.bytes().all(|b| b.is_ascii_digit()) && !code.starts_with('0');
        let national = match (code, digits.len()) {
            _ if !plausible => return None,
            ("1", 11) => digits.strip_prefix('1')?,
            _ => digits.strip_prefix('0').unwrap_or(&digits),
        };
        format!("{code}{national}")
    };
    let valid = match number.strip_prefix('1') {
        Some(rest) => rest.len() == 10 && !rest.starts_with(['0', '1']),
        None => matches!(number.len(), 8..=15) && !number.starts_with('0'),
    };
    valid.then(|| format!("+{number}"))
}
