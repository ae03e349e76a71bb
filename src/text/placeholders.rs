//! `{{placeholders}}` in the clinic's own texts: replaced in one pass, and found where some remain.

use std::collections::BTreeSet;

/// The placeholders of a text, each once, in alphabetical order, without their braces.
pub fn names(text: &str) -> Vec<String> {
    let found: BTreeSet<String> =
        parts(text).filter_map(|part| part.err()).map(|name| name.trim().to_owned()).collect();
    found.into_iter().collect()
}

/// Fills in the placeholders that `value` knows; others stay as they are. The values themselves are not filled in
/// again.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let filled = parts(text).map(|part| match part {
        Ok(plain) => plain.to_owned(),
        Err(name) => value(name.trim()).unwrap_or_else(|| format!("{{{{{name}}}}}")),
    });
    filled.collect()
}

/// Fills in placeholders in HTML: the values are text there, never markup.
pub fn fill_html(html: &str, value: impl Fn(&str) -> Option<String>) -> String {
    fill(html, |name| value(&decoded(name)).map(|text| escaped(&text)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A name from HTML text, as a person wrote it.
fn decoded(name: &str) -> String {
    name.replace("&nbsp;", " ").replace("&amp;", "&").trim().to_owned()
}

/// The plain text as `Ok` and the inside of each placeholder as `Err`, in order.
fn parts(text: &str) -> impl Iterator<Item = Result<&str, &str>> {
    let mut rest = text;
    let mut pending = None;
    std::iter::from_fn(move || {
        if let Some(name) = pending.take() {
            return Some(Err(name));
        }
        if rest.is_empty() {
            return None;
        }
        let Some((before, name, after)) = first(rest) else { return Some(Ok(std::mem::take(&mut rest))) };
        rest = after;
        if before.is_empty() {
            return Some(Err(name));
        }
        pending = Some(name);
        Some(Ok(before))
    })
}

/// The first placeholder: the text before it, its inside, and the text after it. Braces do not nest, and a placeholder
/// does not reach over a tag or a line's end.
fn first(text: &str) -> Option<(&str, &str, &str)> {
    let mut rest = text;
    loop {
        let (_, from) = rest.split_once("{{")?;
        // the last two of `{{{` open a placeholder
        let inside = from.trim_start_matches('{');
        let stop = inside.find(['{', '}', '<', '\n'])?;
        let (name, behind) = inside.split_at_checked(stop)?;
        if let Some(after) = behind.strip_prefix("}}").filter(|_| !name.trim().is_empty()) {
            let before = text.get(..text.len() - inside.len() - 2)?;
            return Some((before, name, after));
        }
        // go on at the character that ended it, or after that character if it came first
        rest = if stop == 0 { inside.get(inside.chars().next()?.len_utf8()..)? } else { behind };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_once_and_in_order() {
        assert_eq!(names("Dear {{ b }}, {{a}} {{b}} {{}} {{ }} {{c"), ["a", "b"]);
        assert_eq!(names("{{{a}}} {{x{{y}}"), ["a", "y"]);
        assert_eq!(names("{ {a} } é{{é}}é {{a\nb}}"), ["é"]);
    }

    #[test]
    fn filling_is_one_pass() {
        let value = |name: &str| (name == "a").then(|| "{{b}} <i>".to_owned());
        assert_eq!(fill("{{a}} {{b}}", value), "{{b}} <i> {{b}}");
        assert_eq!(fill_html("<p>{{ a }}</p>", value), "<p>{{b}} &lt;i&gt;</p>");
    }
}
