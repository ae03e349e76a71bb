//! Markdown as users write it where there is no editor: CommonMark with tables and strikethrough, but nothing that
//! changes the meaning of a number, a sign or a list. Emphasis is never inside words and numbers, a list keeps the
//! typed numbers, lines keep their ends, a sign does not begin a quote, and unknown elements are text.

use super::links::{is_spaceless, spans};
use super::markup::{self, cut_at};
use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset,
};

/// Parses Markdown; bare web and mail addresses become links. Adjacent pieces of text are joined.
pub fn read(text: &str) -> Vec<Event<'static>> {
    let source = guarded(text);
    let parser = Parser::new_ext(&source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut reader = Reader {
        source: &source,
        out: Vec::new(),
        open: Vec::new(),
        numbers: Vec::new(),
        words: String::new(),
        before: None,
    };
    let mut end = 0;
    for (event, range) in TextMergeWithOffset::new(parser.into_offset_iter()) {
        reader.take(event, range.start, range.end, end);
        end = range.end;
    }
    if !reader.words.is_empty() {
        reader.out.push(Event::Text(std::mem::take(&mut reader.words).into()));
    }
    with_links(reader.out)
}

/// Whether no line opens more than `deepest` quotes and lists inside each other: reading them costs the square of their
/// number.
pub fn is_shallow(text: &str, deepest: usize) -> bool {
    let opened_by = |line: &str| {
        let markers = line.split(|c: char| !c.is_ascii_digit() && !"> \t-*+.)".contains(c)).next().unwrap_or_default();
        markers.matches('>').count() + markers.split_whitespace().filter(|marker| !marker.starts_with('>')).count()
    };
    text.lines().all(|line| opened_by(line) <= deepest)
}

// ---------------------------------------------------------------------------------------------- before it is parsed

/// The text with a backslash before signs that CommonMark would take for markup: `> 140/90`, `# 5`, and `[words]:
/// words`, which it would remove as the target of a link.
fn guarded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut fence: Option<char> = None;
    let (mut is_after_text, mut is_after_quote) = (false, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start();
        let mark = ['`', '~'].into_iter().find(|mark| bare.starts_with(&mark.to_string().repeat(3)));
        if mark.is_some() && (fence.is_none() || fence == mark) {
            fence = if fence.is_none() { mark } else { None };
            out.push_str(line);
            continue;
        }
        if fence.is_some() {
            out.push_str(line);
            continue;
        }
        let sign = sign_at(line, is_after_text && !is_after_quote);
        is_after_quote = bare.starts_with('>') && sign != Some(line.len() - bare.len());
        is_after_text = !bare.is_empty();
        let (before, after) = cut_at(line, sign.unwrap_or(0));
        out.push_str(before);
        if sign.is_some() {
            out.push('\\');
        }
        out.push_str(&after.replace("]:", "]\\:"));
    }
    out
}

/// Removes the backslashes of [`guarded`] where they would be shown, as in code.
fn unguarded(text: &str) -> String {
    text.replace("]\\:", "]:")
}

/// Where a sign that is no markup stands at the start of a line, after the markers of lists. Inside a paragraph
/// (`in_text`) no line begins a quote.
fn sign_at(line: &str, in_text: bool) -> Option<usize> {
    let mut rest = line.trim_start();
    let mut is_first = true;
    loop {
        let at = line.len() - rest.len();
        if let Some(after) = rest.strip_prefix('>') {
            if says_number(after) || (is_first && in_text) {
                return Some(at);
            }
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix("# ") {
            return says_number(after).then_some(at);
        } else {
            rest = list_marker(rest)?.1.trim_start();
            // a quote in an item begins on its own line
            if rest.starts_with('>') {
                return Some(line.len() - rest.len());
            }
        }
        is_first = false;
    }
}

/// Whether a number follows, so that a sign before this text compares or counts.
pub(super) fn says_number(text: &str) -> bool {
    let value = text.trim_start_matches(|c: char| c.is_whitespace() || "=<≥≤≠≈~+−-±$€£.,(".contains(c));
    value.starts_with(char::is_numeric)
}

/// The marker of a list at the start of a text, and the text after it.
fn list_marker(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let marker = match text.get(digits..)?.chars().next()? {
        '-' | '+' | '*' if digits == 0 => 1,
        '.' | ')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    let (marker, after) = cut_at(text, marker);
    after.starts_with([' ', '\t']).then_some((marker, after))
}

// ---------------------------------------------------------------------------------------------------- as it is read

/// The most signs in a row that still count as emphasis.
const MOST_SIGNS: usize = 20;

/// How an open element is closed.
enum Opened {
    AsItIs,
    /// its marks are text
    Literal(&'static str),
    /// the rest of its source, up to its end, is text
    Source,
    Code(Code),
    Html(String),
}

#[derive(Default)]
struct Code {
    is_fenced: bool,
    info: String,
    text: String,
}

struct Reader<'s> {
    source: &'s str,
    out: Vec<Event<'static>>,
    open: Vec<Opened>,
    /// the next number of each open list
    numbers: Vec<Option<u64>>,
    /// text that is still being joined
    words: String,
    /// text to put before the next text
    before: Option<&'static str>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event, start: usize, end: usize, inner_end: usize) {
        match event {
            Event::Start(tag) => self.start(tag, start, end),
            Event::End(tag) => self.end(tag, end, inner_end),
            Event::SoftBreak | Event::HardBreak => self.push(Event::HardBreak),
            Event::Text(text) => match self.open.last_mut() {
                Some(Opened::Code(code)) => code.text.push_str(&text),
                _ => self.text(&text),
            },
            Event::Html(text) => match self.open.last_mut() {
                Some(Opened::Html(html)) => html.push_str(&text),
                _ => self.html(&unguarded(&text)),
            },
            Event::InlineHtml(text) => self.html(&unguarded(&text)),
            Event::Code(text) => self.push(Event::Code(unguarded(&text).into())),
            other => self.push(other.into_static()),
        }
    }

    fn start(&mut self, tag: Tag, start: usize, end: usize) {
        let (opened, event) = match tag {
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough => match self.mark(&tag, start, end) {
                Some(mark) => (Opened::Literal(mark), Event::Text(mark.into())),
                None => (Opened::AsItIs, Event::Start(tag.into_static())),
            },
            Tag::Link { link_type: LinkType::Inline, dest_url, title, id } => match target(&dest_url) {
                Some(dest_url) => {
                    let tag = Tag::Link { link_type: LinkType::Inline, dest_url: dest_url.into(), title, id };
                    (Opened::AsItIs, Event::Start(tag.into_static()))
                }
                None => (Opened::Source, Event::Text("[".into())),
            },
            Tag::Image { .. } => (Opened::Source, Event::Text("![".into())),
            Tag::CodeBlock(kind) => {
                let info = if let CodeBlockKind::Fenced(info) = &kind { info.to_string() } else { String::new() };
                let code = Code { is_fenced: kind.is_fenced(), info, text: String::new() };
                self.open.push(Opened::Code(code));
                return;
            }
            Tag::HtmlBlock => {
                self.open.push(Opened::Html(String::new()));
                return;
            }
            Tag::List(first) => {
                self.numbers.push(first);
                (Opened::AsItIs, Event::Start(Tag::List(first)))
            }
            Tag::Item => (Opened::AsItIs, self.item(start)),
            Tag::Heading { level, id, classes, attrs } => {
                let level = lowered(level);
                (Opened::AsItIs, Event::Start(Tag::Heading { level, id, classes, attrs }.into_static()))
            }
            other => (Opened::AsItIs, Event::Start(other.into_static())),
        };
        self.open.push(opened);
        self.push(event);
    }

    fn end(&mut self, tag: TagEnd, end: usize, inner_end: usize) {
        match self.open.pop() {
            Some(Opened::Literal(mark)) => self.push(Event::Text(mark.into())),
            Some(Opened::Source) => {
                let text = self.source.get(inner_end..end).unwrap_or_default();
                self.text(&unguarded(text));
            }
            Some(Opened::Code(code)) => self.code(code),
            Some(Opened::Html(html)) => self.html_block(&unguarded(&html)),
            Some(Opened::AsItIs) | None => match tag {
                TagEnd::List(_) => {
                    self.numbers.pop();
                    self.push(Event::End(tag));
                }
                TagEnd::Heading(level) => self.push(Event::End(TagEnd::Heading(lowered(level)))),
                tag => self.push(Event::End(tag)),
            },
        }
    }

    /// The marks of an emphasis that does not count: inside a word or a number, or struck out with only one sign.
    fn mark(&self, tag: &Tag, start: usize, end: usize) -> Option<&'static str> {
        let (inside, before) = (self.source.get(start..end)?, self.source.get(..start)?);
        let sign = inside.chars().next()?;
        let mark = match (tag, sign) {
            (Tag::Strikethrough, _) if !inside.starts_with("~~") => return Some("~"),
            (Tag::Strikethrough, _) => "~~",
            (Tag::Strong, '_') => "__",
            (Tag::Strong, _) => "**",
            (_, '_') => "_",
            _ => "*",
        };
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && !is_spaceless(c));
        let after = self.source.get(end..)?;
        let in_word = is_word(before.chars().rev().take(MOST_SIGNS).find(|c| *c != sign))
            || is_word(after.chars().take(MOST_SIGNS).find(|c| *c != sign));
        in_word.then_some(mark)
    }

    /// The start of an item, with its number where that is not the next one.
    fn item(&mut self, start: usize) -> Event<'static> {
        let line = self.source.get(start..).unwrap_or_default().trim_start();
        let marker = list_marker(line).map_or("", |(marker, _)| marker);
        if marker == "+" {
            self.before = Some("+ ");
        }
        let typed: Option<u64> = marker.trim_end_matches(['.', ')']).parse().ok();
        let Some(Some(next)) = self.numbers.last_mut() else { return Event::Start(Tag::Item) };
        let expected = *next;
        let number = typed.unwrap_or(expected);
        *next = number + 1;
        match number == expected {
            true => Event::Start(Tag::Item),
            false => Event::InlineHtml(format!("<li value=\"{number}\">").into()),
        }
    }

    fn code(&mut self, code: Code) {
        self.push(Event::Start(Tag::Paragraph));
        let lines = std::iter::once(code.info.as_str()).filter(|info| !info.is_empty()).chain(code.text.lines());
        for (number, line) in lines.enumerate() {
            if number > 0 {
                self.push(Event::HardBreak);
            }
            match code.is_fenced {
                true => self.push(Event::Code(unguarded(line).into())),
                false => self.text(&unguarded(line)),
            }
        }
        self.push(Event::End(TagEnd::Paragraph));
    }

    /// HTML on its own lines: kept where it contains an allowed element, else shown as a paragraph of text.
    fn html_block(&mut self, html: &str) {
        let pieces = markup::cut(html);
        if pieces.iter().any(|(is_ours, _)| *is_ours) {
            for (is_ours, piece) in pieces {
                let html = if is_ours { piece.to_owned() } else { piece.replace('<', "&lt;") };
                self.push(Event::InlineHtml(html.into()));
            }
            return;
        }
        self.push(Event::Start(Tag::Paragraph));
        for (number, line) in html.lines().enumerate() {
            if number > 0 {
                self.push(Event::HardBreak);
            }
            self.text(line);
        }
        self.push(Event::End(TagEnd::Paragraph));
    }

    /// HTML within a line: what is not allowed is shown as text.
    fn html(&mut self, html: &str) {
        for (is_ours, piece) in markup::cut(html) {
            match is_ours {
                true => self.push(Event::InlineHtml(piece.to_owned().into())),
                false => self.text(piece),
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.words.push_str(self.before.take().unwrap_or_default());
        self.words.push_str(text);
    }

    fn push(&mut self, event: Event<'static>) {
        if let Event::Text(text) = &event {
            return self.text(text);
        }
        if !matches!(event, Event::Start(Tag::Paragraph | Tag::Item | Tag::Heading { .. })) {
            self.words.push_str(self.before.take().unwrap_or_default());
        }
        if !self.words.is_empty() {
            self.out.push(Event::Text(std::mem::take(&mut self.words).into()));
        }
        self.out.push(event);
    }
}

fn lowered(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3 => HeadingLevel::H3,
        _ => HeadingLevel::H4,
    }
}

/// The target of a link in brackets; `None` where it is not allowed, so that its source is shown as text.
fn target(address: &str) -> Option<String> {
    // a placeholder, which is replaced by an address later
    if address.starts_with('{') {
        return Some(address.to_owned());
    }
    let (scheme, _) = address.split_once(':').unwrap_or_default();
    if super::html::SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return Some(address.to_owned());
    }
    match spans(address).as_slice() {
        [(whole, Some(target))] if *whole == address => Some(target.clone()),
        _ => None,
    }
}

/// Makes links of bare addresses outside links.
fn with_links(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut inside = 0usize;
    let mut out = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Event::Text(text) if inside == 0 => link_events(&text, &mut out),
            event => {
                match &event {
                    Event::Start(Tag::Link { .. }) => inside += 1,
                    Event::End(TagEnd::Link) => inside = inside.saturating_sub(1),
                    Event::InlineHtml(tag) if tag.starts_with("<a ") => inside += 1,
                    Event::InlineHtml(tag) if tag.starts_with("</a") => inside = inside.saturating_sub(1),
                    _ => {}
                }
                out.push(event);
            }
        }
    }
    out
}

fn link_events(text: &str, out: &mut Vec<Event<'static>>) {
    for (part, target) in spans(text) {
        let shown = Event::Text(CowStr::from(part.to_owned()));
        let Some(target) = target else {
            out.push(shown);
            continue;
        };
        let (title, id) = (CowStr::from(""), CowStr::from(""));
        out.push(Event::Start(Tag::Link { link_type: LinkType::Autolink, dest_url: target.into(), title, id }));
        out.push(shown);
        out.push(Event::End(TagEnd::Link));
    }
}
