//! Rich text: what may be in it, and the only ways to make it.
//!
//! One allow-list for all: what is stored is what is shown. Keep it in step with the editor's schema
//! (`src/web/editor/schema.js`); a browser test round-trips every feature.

use ammonia::{Builder, UrlRelative};
use linkify::{LinkFinder, LinkKind};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// The elements that rich text may hold.
pub const TAGS: &[&str] = &[
    "p",
    "br",
    "strong",
    "em",
    "u",
    "s",
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
/// Alignment is a class, never a style.
pub const ALIGNMENTS: &[&str] = &["align-left", "align-center", "align-right", "align-justify"];
/// The elements that can be aligned.
pub const ALIGNED: &[&str] = &["p", "h3", "h4", "td", "th"];
/// What a link may point to.
pub const SCHEMES: &[&str] = &["http", "https", "mailto", "tel"];

static ALLOW: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let alignments: HashSet<&str> = ALIGNMENTS.iter().copied().collect();
    let spans = || HashSet::from(["colspan", "rowspan"]);
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(["script", "style", "title", "template"].into())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("td", spans()),
            ("th", spans()),
            ("ol", HashSet::from(["start"])),
        ]))
        .allowed_classes(ALIGNED.iter().map(|tag| (*tag, alignments.clone())).collect())
        .url_schemes(SCHEMES.iter().copied().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// Beyond this depth of elements a text is flattened first: cleaning nested elements costs the square of their depth.
const DEEPEST: usize = 100;

/// Rich text that has passed the allow-list: the only kind that a template prints unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanHtml(String);

impl CleanHtml {
    /// Cleans the HTML of the editor or of a paste.
    pub fn from_html(text: &str) -> CleanHtml {
        let text = super::typed(text);
        if deepest(&text) > DEEPEST {
            return CleanHtml::from_plain(&without_tags(&text));
        }
        // lists and quotes that cleaning unwraps may leave a second pass something to do; the second changes no more
        let once = ALLOW.clean(&text).to_string();
        CleanHtml(ALLOW.clean(&once).to_string())
    }

    /// Renders Markdown (CommonMark with tables and strikethrough); bare web and mail addresses become links.
    pub fn from_markdown(text: &str) -> CleanHtml {
        let text = super::typed(text);
        if text.lines().any(|line| opened_by(line) > DEEPEST) {
            return CleanHtml::from_plain(&text);
        }
        CleanHtml::from_events(markdown(&text))
    }

    /// Renders parsed Markdown.
    pub fn from_events<'a>(events: impl Iterator<Item = Event<'a>>) -> CleanHtml {
        let mut out = String::new();
        pulldown_cmark::html::push_html(&mut out, events);
        CleanHtml::from_html(&to_our_tags(&out))
    }

    /// The links to this address as buttons: for emails, where nothing but the address says which link it is.
    pub fn with_button(self, address: &str) -> CleanHtml {
        let plain = format!("<a href=\"{}\"", escape(address));
        CleanHtml(self.0.replace(&plain, &plain.replacen("<a ", "<a class=\"button\" ", 1)))
    }

    /// Plain text as paragraphs and line breaks; addresses become links. Nothing in it is markup.
    pub fn from_plain(text: &str) -> CleanHtml {
        let text = super::typed(text);
        let paragraphs = text.split("\n\n").map(|p| p.trim_matches('\n')).filter(|p| !p.trim().is_empty());
        let html: String = paragraphs
            .map(|p| {
                let lines: Vec<String> = p.split('\n').map(linked).collect();
                format!("<p>{}</p>", lines.join("<br>"))
            })
            .collect();
        CleanHtml::from_html(&html)
    }

    /// Text that came out of our own table, where only clean text goes in.
    pub fn stored(text: String) -> CleanHtml {
        CleanHtml(text)
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as Markdown, for a text area: alignment and underline are lost on the way.
    ///
    /// # Errors
    /// `None` where the converter gives up.
    pub fn to_markdown(&self) -> Option<String> {
        htmd::convert(&self.0).ok()
    }

    /// Whether there is a table, which may be wider than a phone.
    pub fn has_table(&self) -> bool {
        self.0.contains("<table")
    }

    /// Whether a reader would see nothing.
    pub fn is_blank(&self) -> bool {
        !self.0.contains("<hr") && self.plain().trim().is_empty()
    }

    /// The words without the markup, in one line.
    pub fn plain(&self) -> String {
        let spaced = self.0.replace("</p>", " ").replace("<br>", " ").replace("</td>", " ").replace("</th>", " ");
        let spaced = spaced.replace("</li>", " ").replace("</h3>", " ").replace("</h4>", " ");
        let bare = Builder::empty().clean(&spaced).to_string();
        let text = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
        super::one_line(&text)
    }
}

impl askama::FastWritable for CleanHtml {
    fn write_into(&self, dest: &mut dyn std::fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        dest.write_str(&self.0).map_err(Into::into)
    }
}

impl std::fmt::Display for CleanHtml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for CleanHtml {}

/// Parses Markdown (CommonMark with tables and strikethrough); bare web and mail addresses are links. Neighbouring
/// pieces of text come as one.
pub fn markdown(text: &str) -> impl Iterator<Item = Event<'_>> {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    with_links(TextMergeStream::new(parser))
}

/// An upper bound of the quotes and lists that one line of Markdown opens inside each other: reading them costs the
/// square of their number.
fn opened_by(line: &str) -> usize {
    let markers = line.split(|c: char| !c.is_ascii_digit() && !"> \t-*+.)".contains(c)).next().unwrap_or_default();
    markers.matches('>').count() + markers.split_whitespace().filter(|marker| !marker.starts_with('>')).count()
}

/// What stands between tags, roughly: parsing what nests so deep would cost the square of its depth.
fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut pieces = html.split('<');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.push_str(piece.split_once('>').map_or("", |(_, after)| after));
    }
    out
}

/// An upper bound of how deep elements nest: opening tags less closing ones, as they come.
fn deepest(html: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0usize);
    for tag in html.split('<').skip(1) {
        match tag.bytes().next() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(next) if next.is_ascii_alphabetic() && !is_void(tag) => {
                depth += 1;
                most = most.max(depth);
            }
            _ => {}
        }
    }
    most
}

fn is_void(tag: &str) -> bool {
    let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
    matches!(name.to_ascii_lowercase().as_str(), "br" | "hr" | "img" | "input" | "meta" | "link" | "col" | "wbr")
}

/// pulldown-cmark's elements as the editor makes them.
fn to_our_tags(html: &str) -> String {
    let mut out = html.replace("<thead>", "").replace("</thead>", "").replace("<del>", "<s>").replace("</del>", "</s>");
    for way in ["left", "center", "right"] {
        out = out.replace(&format!(" style=\"text-align: {way}\""), &format!(" class=\"align-{way}\""));
    }
    out
}

/// Lowers the headings below the page's own, and makes links of bare addresses outside links and code.
fn with_links<'a>(events: impl Iterator<Item = Event<'a>>) -> impl Iterator<Item = Event<'a>> {
    let mut inside = 0usize;
    events.flat_map(move |event| match event {
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            vec![Event::Start(Tag::Heading { level: lowered(level), id, classes, attrs })]
        }
        Event::End(TagEnd::Heading(level)) => vec![Event::End(TagEnd::Heading(lowered(level)))],
        Event::Start(Tag::Link { .. } | Tag::CodeBlock(_)) => {
            inside += 1;
            vec![event]
        }
        Event::End(TagEnd::Link | TagEnd::CodeBlock) => {
            inside = inside.saturating_sub(1);
            vec![event]
        }
        Event::Text(text) if inside == 0 => link_events(&text),
        other => vec![other],
    })
}

fn lowered(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3 => HeadingLevel::H3,
        _ => HeadingLevel::H4,
    }
}

fn link_events<'a>(text: &str) -> Vec<Event<'a>> {
    spans(text)
        .into_iter()
        .flat_map(|(part, target)| {
            let shown = Event::Text(CowStr::from(part.to_owned()));
            match target {
                None => vec![shown],
                Some(target) => {
                    let tag = Tag::Link {
                        link_type: LinkType::Autolink,
                        dest_url: target.into(),
                        title: "".into(),
                        id: "".into(),
                    };
                    vec![Event::Start(tag), shown, Event::End(TagEnd::Link)]
                }
            }
        })
        .collect()
}

fn linked(line: &str) -> String {
    spans(line)
        .into_iter()
        .map(|(part, target)| match target {
            None => escape(part),
            Some(target) => format!("<a href=\"{}\">{}</a>", escape(&target), escape(part)),
        })
        .collect()
}

/// The text in pieces, each with the address that it links to, if any.
fn spans(text: &str) -> Vec<(&str, Option<String>)> {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder.spans(text).map(|span| (span.as_str(), span.kind().and_then(|kind| target(kind, span.as_str())))).collect()
}

fn target(kind: &LinkKind, text: &str) -> Option<String> {
    match kind {
        LinkKind::Email => Some(format!("mailto:{text}")),
        LinkKind::Url if text.starts_with("http://") || text.starts_with("https://") => Some(text.to_owned()),
        LinkKind::Url if text.starts_with("www.") => Some(format!("https://{text}")),
        _ => None,
    }
}

/// Text for use between tags or in a double-quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
