//! Web and mail addresses in plain text. The editor finds the same ones (`src/web/editor/addresses.js`); one table of
//! inputs tests both (`tests/suite/composing/addresses.txt`).

/// Endings that make a name a web address without `www.` or `https://` before it. None is a common word: where the
/// space after a full stop is missing, no link appears.
const ENDINGS: [&str; 14] =
    ["com", "org", "net", "edu", "gov", "info", "int", "ca", "uk", "fr", "eu", "quebec", "health", "clinic"];

/// The text in pieces, each with the address that it links to, if any. Takes time in proportion to the length.
pub fn spans(text: &str) -> Vec<(&str, Option<String>)> {
    let (mut out, mut plain_from, mut at) = (Vec::new(), 0, 0);
    let mut before = None;
    while let Some(c) = rest(text, at).chars().next() {
        let found = if may_follow(before) { address(rest(text, at)) } else { None };
        let passed = match &found {
            Some((length, _)) => *length,
            None => name_run(rest(text, at)).max(c.len_utf8()),
        };
        if let Some((length, href)) = found {
            if plain_from < at {
                out.push((between(text, plain_from, at), None));
            }
            out.push((between(text, at, at + length), Some(href)));
            plain_from = at + length;
        }
        before = between(text, at, at + passed).chars().next_back();
        at += passed;
    }
    if plain_from < text.len() {
        out.push((rest(text, plain_from), None));
    }
    out
}

/// Whether a character belongs to a script that puts no spaces between words.
pub fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

fn rest(text: &str, from: usize) -> &str {
    text.get(from..).unwrap_or_default()
}

fn between(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

/// Whether an address may begin after this character: not inside a word or another address.
fn may_follow(before: Option<char>) -> bool {
    before.is_none_or(|c| !"_@/.+-".contains(c) && (!c.is_alphanumeric() || is_spaceless(c)))
}

/// Whether a name continues with this text.
fn goes_on(behind: &str) -> bool {
    behind.starts_with(|c: char| "@_+-".contains(c) || (c.is_alphanumeric() && !is_spaceless(c)))
}

/// The address at the start of a text: its length in bytes, and its target.
fn address(text: &str) -> Option<(usize, String)> {
    for scheme in ["https://", "http://"] {
        if let Some(after) = starts(text, scheme) {
            // checked before the rest is read: a row of schemes would otherwise be read again for each of them
            if !after.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
                return None;
            }
            let url = without_tail(between(text, 0, scheme.len() + url_run(after)));
            return Some((url.len(), format!("{scheme}{}", rest(url, scheme.len()))));
        }
    }
    let run = between(text, 0, name_run(text));
    match rest(text, run.len()).strip_prefix('@') {
        Some(after) if run.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            let host = host(between(after, 0, name_run(after)))?;
            let is_name = !goes_on(rest(after, host.len()));
            let email = between(text, 0, run.len() + 1 + host.len());
            is_name.then(|| (email.len(), format!("mailto:{email}")))
        }
        Some(_) => None,
        None => web(text, run),
    }
}

/// A web address without its scheme.
fn web(text: &str, run: &str) -> Option<(usize, String)> {
    let host = host(run)?;
    let ending = host.rsplit('.').next().unwrap_or_default();
    let is_known = ENDINGS.contains(&&*ending.to_ascii_lowercase()) && !is_capitalised(ending);
    let is_www = starts(host, "www.").is_some_and(|name| name.contains('.'));
    let behind = rest(text, host.len());
    if !(is_known || is_www) || goes_on(behind) {
        return None;
    }
    let port = behind.strip_prefix(':').map_or(0, |port| port.bytes().take_while(u8::is_ascii_digit).count());
    let port = if port > 0 { port + 1 } else { 0 };
    let path = match rest(behind, port) {
        path if path.starts_with(['/', '?', '#']) => url_run(path),
        _ => 0,
    };
    let url = without_tail(between(text, 0, host.len() + port + path));
    Some((url.len(), format!("https://{url}")))
}

/// The host name at the start of a run of names and dots: at least two labels, the last one of letters.
fn host(run: &str) -> Option<&str> {
    let host = run.split(['_', '+']).next().unwrap_or_default().trim_end_matches(['.', '-']);
    let mut labels = host.rsplit('.');
    let last = labels.next().unwrap_or_default();
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let is_host = last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic()) && host.contains('.');
    (is_host && labels.all(is_label)).then_some(host)
}

fn is_capitalised(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) && word.bytes().skip(1).all(|b| b.is_ascii_lowercase())
}

/// The text after a prefix, whatever the prefix's case; `None` where the text begins otherwise.
fn starts<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| rest(text, prefix.len()))
}

/// How many bytes at the start may belong to a host name or to the part before an `@`.
fn name_run(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(b)).count()
}

/// How many bytes at the start may belong to an address (RFC 3987). Quotes and full-width punctuation do not: they
/// surround addresses.
fn url_run(text: &str) -> usize {
    let is_url = |c: &char| match c {
        '!' | '#'..=';' | '=' | '?'..='[' | ']' | '_' | 'a'..='z' | '~' => true,
        c => !c.is_ascii() && (c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(*c)),
    };
    text.chars().take_while(is_url).map(char::len_utf8).sum()
}

/// The address without punctuation at its end, which belongs to the sentence, as does a closing bracket without an
/// opening one.
fn without_tail(mut address: &str) -> &str {
    let count = |bracket: char| address.matches(bracket).count();
    let (mut round, mut square) = (count(')').saturating_sub(count('(')), count(']').saturating_sub(count('[')));
    while let Some(last) = address.chars().next_back() {
        match last {
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' => {}
            _ => break,
        }
        address = between(address, 0, address.len() - last.len_utf8());
    }
    address
}
