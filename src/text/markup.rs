//! HTML in pieces: read in one pass that takes time in proportion to the text and does not recurse, with the allowed
//! elements balanced. It runs before any parser that builds a tree, so that none meets more depth than allowed.

use std::fmt::Write;

/// The elements that rich text may hold.
pub const TAGS: [&str; 22] = [
    "p",
    "br",
    "strong",
    "em",
    "u",
    "s",
    "sup",
    "sub",
    "code",
    "a",
    "ul",
    "ol",
    "li",
    "table",
    "tbody",
    "tr",
    "td",
    "th",
    "blockquote",
    "hr",
    "h3",
    "h4",
];

/// Other names of these elements.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("b", "strong"),
    ("i", "em"),
    ("ins", "u"),
    ("del", "s"),
    ("strike", "s"),
    ("h1", "h3"),
    ("h2", "h3"),
    ("h5", "h4"),
    ("h6", "h4"),
];

/// Elements whose content is not shown.
const NOT_SHOWN: [&str; 4] = ["script", "style", "title", "template"];

/// Other elements that stand on their own lines: their content must not be joined with the text beside them.
const APART: [&str; 17] = [
    "address", "article", "aside", "caption", "center", "dd", "div", "dl", "dt", "figure", "footer", "form", "header",
    "main", "option", "pre", "section",
];

/// A piece of HTML. Text and values are as in the source, with their entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// the start tag of an allowed element: its name and its attributes
    Open(&'static str, Attributes<'a>),
    /// the end of an allowed element
    Close(&'static str),
    /// text
    Text(&'a str),
}

/// The attributes that an allowed element may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// address of a link
    pub href: Option<&'a str>,
    /// class for the alignment
    pub class: Option<&'a str>,
    /// the number of a list's first item
    pub start: Option<&'a str>,
    /// the number of a list item, where it does not follow the previous one
    pub value: Option<&'a str>,
    /// how many columns a cell spans
    pub colspan: Option<&'a str>,
    /// how many rows a cell spans
    pub rowspan: Option<&'a str>,
}

/// The canonical name of an allowed element; `None` for any other.
pub fn known(name: &str) -> Option<&'static str> {
    let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, ours)| *ours);
    other.or_else(|| TAGS.into_iter().find(|tag| tag.eq_ignore_ascii_case(name)))
}

/// Whether an element has no content and no end.
pub fn is_void(tag: &str) -> bool {
    matches!(tag, "br" | "hr")
}

/// Whether an element stands on its own lines.
pub fn is_block(tag: &str) -> bool {
    matches!(tag, "p" | "ul" | "ol" | "li" | "table" | "tbody" | "tr" | "blockquote" | "hr" | "h3" | "h4")
}

/// HTML in balanced pieces: each opened element is closed, the innermost first. `None` where allowed elements nest
/// deeper than `deepest`.
pub fn balanced(html: &str, deepest: usize) -> Option<Vec<Piece<'_>>> {
    let mut tree = Balance { out: Vec::new(), open: Vec::new(), deepest };
    for piece in scan(html) {
        match piece {
            Piece::Text(_) => tree.out.push(piece),
            Piece::Open(tag, attributes) => tree.start(tag, attributes)?,
            Piece::Close(tag) => tree.end(tag),
        }
    }
    while !tree.open.is_empty() {
        tree.pop();
    }
    Some(tree.out)
}

/// Writes pieces as HTML.
pub fn to_html(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(&text.replace('<', "&lt;")),
            Piece::Close(tag) => {
                let _ = write!(out, "</{tag}>");
            }
            Piece::Open(tag, attributes) => {
                let _ = write!(out, "<{tag}");
                for (name, value) in attributes.named() {
                    let _ = write!(out, " {name}=\"{}\"", value.replace('"', "&quot;"));
                }
                out.push('>');
            }
        }
    }
    out
}

/// The text of HTML in paragraphs without any formatting, as HTML: for text that nests too deep.
pub fn flattened(html: &str) -> String {
    let mut out = String::from("<p>");
    for piece in scan(html) {
        match piece {
            Piece::Text(text) => out.push_str(&text.replace('<', "&lt;")),
            Piece::Open("br", _) => out.push_str("<br>"),
            Piece::Open(tag, _) | Piece::Close(tag) if is_block(tag) && !out.ends_with("<p>") => {
                out.push_str("</p><p>")
            }
            Piece::Open("td" | "th", _) | Piece::Close("td" | "th") => out.push(' '),
            _ => {}
        }
    }
    out + "</p>"
}

/// HTML split into the tags of allowed elements, which are `true`, and the text between them.
pub fn cut(html: &str) -> Vec<(bool, &str)> {
    let (mut out, mut from, mut at) = (Vec::new(), 0, 0);
    let between = |from: usize, to: usize| html.get(from..to).unwrap_or_default();
    while let Some(found) = html.get(at..).and_then(|rest| rest.find('<')) {
        at += found;
        let behind = html.get(at + 1..).unwrap_or_default();
        let name = behind.strip_prefix('/').unwrap_or(behind);
        let ends = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>';
        let (name, rest) = cut_at(name, name.find(ends).unwrap_or(name.len()));
        if known(name).is_none() {
            at += 1;
            continue;
        }
        let Some((_, after)) = attributes(rest) else { break };
        let end = html.len() - after.len();
        out.push((false, between(from, at)));
        out.push((true, between(at, end)));
        (from, at) = (end, end);
    }
    out.push((false, between(from, html.len())));
    out.retain(|(_, text)| !text.is_empty());
    out
}

/// Splits a text in two; the whole text and nothing where a character would be split.
pub fn cut_at(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Text from serialised HTML, with its entities decoded.
pub fn decoded(text: &str) -> String {
    // `&amp;` last, or `&amp;lt;` would be read twice
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&nbsp;", "\u{a0}");
    text.replace("&amp;", "&")
}

impl<'a> Attributes<'a> {
    fn named(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let all = [
            ("href", self.href),
            ("class", self.class),
            ("start", self.start),
            ("value", self.value),
            ("colspan", self.colspan),
            ("rowspan", self.rowspan),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Sets an attribute; the first of a name counts (HTML, 13.2.5.33).
    fn set(&mut self, name: &str, value: &'a str) {
        let slots = [
            ("href", &mut self.href),
            ("class", &mut self.class),
            ("start", &mut self.start),
            ("value", &mut self.value),
            ("colspan", &mut self.colspan),
            ("rowspan", &mut self.rowspan),
        ];
        for (known, slot) in slots {
            if known.eq_ignore_ascii_case(name) && slot.is_none() {
                *slot = Some(value);
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------------- balancing

struct Balance<'a> {
    out: Vec<Piece<'a>>,
    open: Vec<&'static str>,
    deepest: usize,
}

impl<'a> Balance<'a> {
    fn start(&mut self, tag: &'static str, attributes: Attributes<'a>) -> Option<()> {
        match tag {
            "p" | "h3" | "h4" | "ul" | "ol" | "blockquote" | "hr" | "table" => {
                self.close_within("p", &["li", "td", "th", "blockquote", "table"]);
            }
            "li" => self.close_within("li", &["ul", "ol", "td", "th", "table"]),
            "td" | "th" => {
                self.close_within("td", &["table", "tr"]);
                self.close_within("th", &["table", "tr"]);
            }
            "tr" => self.close_within("tr", &["table"]),
            _ => {}
        }
        // a link in a link, and parts of a table outside one, are reduced to their content; parsers add `tbody`
        // themselves
        let is_stray = matches!(tag, "tr" | "td" | "th") && !self.open.contains(&"table");
        if is_stray || tag == "tbody" || (tag == "a" && self.open.contains(&"a")) {
            return Some(());
        }
        self.out.push(Piece::Open(tag, attributes));
        if !is_void(tag) {
            self.open.push(tag);
        }
        (self.open.len() <= self.deepest).then_some(())
    }

    fn end(&mut self, tag: &'static str) {
        let walls: &[&str] =
            if matches!(tag, "table" | "tbody" | "tr" | "td" | "th") { &["table"] } else { &["td", "th"] };
        if !is_void(tag) {
            self.close_within(tag, walls);
        }
    }

    /// Closes the innermost open element of a name and everything in it, but no element outside of `walls`.
    fn close_within(&mut self, tag: &str, walls: &[&str]) {
        let mut inside = self.open.iter().rev().take_while(|open| **open == tag || !walls.contains(open));
        if let Some(depth) = inside.position(|open| *open == tag) {
            for _ in 0..=depth {
                self.pop();
            }
        }
    }

    fn pop(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.out.push(Piece::Close(tag));
        }
    }
}

// -------------------------------------------------------------------------------------------------------- scanning

/// The pieces in order, not balanced. A tag or comment that never ends is text, with everything after it.
fn scan(html: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader { html, at: 0, out: Vec::new() };
    while let Some(found) = reader.rest().find('<') {
        reader.text(found);
        let behind = reader.rest().get(1..).unwrap_or_default();
        let name = behind.strip_prefix('/').unwrap_or(behind);
        let passed = match behind {
            _ if name.starts_with(|c: char| c.is_ascii_alphabetic()) => reader.tag(behind),
            _ if behind.starts_with("!--") => reader.passed(comment(behind)),
            _ if behind.starts_with(['!', '?', '/']) => reader.passed(behind.find('>').map(|end| end + 2)),
            _ => {
                reader.text(1);
                true
            }
        };
        if !passed {
            break;
        }
    }
    reader.text(reader.rest().len());
    reader.out
}

/// The length of a comment, with the `<` before it (HTML, 13.2.5.43).
fn comment(behind: &str) -> Option<usize> {
    if behind.starts_with("!-->") {
        return Some(5);
    }
    if behind.starts_with("!--->") {
        return Some(6);
    }
    let ends = |(at, _): &(usize, &str)| behind.get(3..*at).is_some_and(|c| c.ends_with("--") || c.ends_with("--!"));
    behind.match_indices('>').find(ends).map(|(at, _)| at + 2)
}

struct Reader<'a> {
    html: &'a str,
    at: usize,
    out: Vec<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.html.get(self.at..).unwrap_or_default()
    }

    fn text(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        if !text.is_empty() {
            self.out.push(Piece::Text(text));
        }
        self.at += length;
    }

    fn passed(&mut self, length: Option<usize>) -> bool {
        self.at += length.unwrap_or_default();
        length.is_some()
    }

    /// Reads a tag after its `<`; `false` where it never ends.
    fn tag(&mut self, behind: &'a str) -> bool {
        let (is_end, named) = behind.strip_prefix('/').map_or((false, behind), |named| (true, named));
        let name_length = named.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(named.len());
        let (name, rest) = cut_at(named, name_length);
        let Some((attributes, after)) = attributes(rest) else { return false };
        self.at = self.html.len() - after.len();
        match known(name) {
            Some(tag) if is_end => self.out.push(Piece::Close(tag)),
            Some(tag) => self.out.push(Piece::Open(tag, attributes)),
            None if !is_end && NOT_SHOWN.iter().any(|hidden| hidden.eq_ignore_ascii_case(name)) => {
                self.at += end_of(after, name);
            }
            None if APART.iter().any(|apart| apart.eq_ignore_ascii_case(name)) => self.out.push(Piece::Text(" ")),
            None => {}
        }
        true
    }
}

/// Where the end tag of this name begins, or the end of the text.
fn end_of(text: &str, name: &str) -> usize {
    let is_end = |at: &usize| {
        let behind = text.get(at + 2..).unwrap_or_default();
        let same = behind.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        same && behind.get(name.len()..).is_some_and(|end| end.starts_with([' ', '\t', '\n', '/', '>']))
    };
    text.match_indices("</").map(|(at, _)| at).find(is_end).unwrap_or(text.len())
}

/// Reads attributes up to the tag's `>`; gives them and the text after it. `None` where the tag never ends.
fn attributes(mut text: &str) -> Option<(Attributes<'_>, &str)> {
    let mut found = Attributes::default();
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = text.strip_prefix('>') {
            return Some((found, after));
        }
        // an equals sign at the start belongs to the name (HTML, 13.2.5.32)
        let is_end = |(at, c): &(usize, char)| c.is_ascii_whitespace() || "/>".contains(*c) || (*c == '=' && *at > 0);
        let length = text.char_indices().find(is_end)?.0;
        let (name, rest) = cut_at(text, length);
        text = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let Some(value) = text.strip_prefix('=') else { continue };
        let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let (value, rest) = match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split_once(quote)?,
            _ => cut_at(value, value.find(|c: char| c.is_ascii_whitespace() || c == '>')?),
        };
        found.set(name, value);
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        balanced(html, 5).map_or_else(|| "too deep".to_owned(), |pieces| to_html(&pieces))
    }

    #[test]
    fn elements_are_balanced() {
        for (html, wanted) in [
            ("<p>a<p>b", "<p>a</p><p>b</p>"),
            ("<P Class='align-left' x>a</P >", "<p class=\"align-left\">a</p>"),
            ("<ul><li>a<li>b</ul>c", "<ul><li>a</li><li>b</li></ul>c"),
            (
                "<table><tr><td>a<td>b<tr><td>c</table>",
                "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
            ),
            ("<b>a<i>b</b>c</i>", "<strong>a<em>b</em></strong>c"),
            ("<td>a</td></p></x>", "a"),
            ("a < b <3 <b and more", "a &lt; b &lt;3 &lt;b and more"),
            ("a<!-- <p> -->b<!---->c<!>d<?x>e", "abcde"),
            ("a<!-- b", "a&lt;!-- b"),
            ("<script>if (a</b>) {}</script >a<style>x", "a"),
            (
                "<a href=https://a.example/?b='c' href=x>a<a href=y>b</a>c",
                "<a href=\"https://a.example/?b='c'\">ab</a>c",
            ),
            ("<a href='\">'>x", "<a href=\"&quot;>\">x</a>"),
            ("<div>5</div><div>10</div>", " 5  10 "),
            ("<x><y><z></p>&lt;", "&lt;"),
            ("<u><u><u><u><u>a", "<u><u><u><u><u>a</u></u></u></u></u>"),
            ("<u><u><u><u><u><u>a", "too deep"),
            ("</u></u></u><u></b><u></a><u></i><u></x><u></li><u>a", "too deep"),
        ] {
            assert_eq!(shown(html), wanted, "{html}");
        }
    }
}
