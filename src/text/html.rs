//! Rich text: which elements it may contain, and the only ways to make it.
//!
//! There is one allow-list for all rich text: what is stored is what is shown. Keep it in step with the editor's schema
//! (`src/web/editor/schema.js`); a browser test round-trips every feature.

use super::links::spans;
use super::markup::{self, Piece, decoded};
use super::{markdown, to_markdown};
use ammonia::{Builder, UrlRelative};
use pulldown_cmark::Event;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

pub use super::markup::TAGS;

/// How a button of an email looks, for programs that read no style sheet.
pub const BUTTON_STYLE: &str = "display:inline-block;padding:12px 22px;border-radius:8px;background:#0a5f66;\
                                color:#ffffff;font-weight:bold;text-decoration:none";

/// The classes for alignment: no `style` attribute is allowed.
pub const ALIGNMENTS: &[&str] = &["align-left", "align-center", "align-right", "align-justify"];
/// The elements that can be aligned.
pub const ALIGNED: &[&str] = &["p", "h3", "h4", "td", "th"];
/// The schemes that a link may have.
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
            ("li", HashSet::from(["value"])),
        ]))
        .attribute_filter(|_, name, value| match name {
            "colspan" | "rowspan" | "start" | "value" => is_number(value).then(|| value.into()),
            _ => Some(value.into()),
        })
        .allowed_classes(ALIGNED.iter().map(|tag| (*tag, alignments.clone())).collect())
        .url_schemes(SCHEMES.iter().copied().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// How deep elements may nest; a deeper text loses its elements and keeps its words. No person writes such text, but
/// cleaning it costs the square of its depth, and recursion over it may exhaust the stack.
pub const DEEPEST: usize = 100;

/// Rich text that has passed the allow-list: the only kind that a template prints unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanHtml(String);

impl CleanHtml {
    /// Cleans HTML from the editor or the clipboard.
    pub fn from_html(text: &str) -> CleanHtml {
        let text = super::typed(text);
        // after the first pass has unwrapped lists and quotes, the second may change more; a third changes nothing
        CleanHtml(cleaned(&cleaned(&text)))
    }

    /// Renders Markdown, see [`markdown`].
    pub fn from_markdown(text: &str) -> CleanHtml {
        let text = super::typed(text);
        if !markdown::is_shallow(&text, DEEPEST) {
            return CleanHtml::from_plain(&text);
        }
        CleanHtml::from_events(markdown::read(&text).into_iter())
    }

    /// Renders parsed Markdown.
    pub fn from_events<'a>(events: impl Iterator<Item = Event<'a>>) -> CleanHtml {
        let mut out = String::new();
        pulldown_cmark::html::push_html(&mut out, events);
        CleanHtml::from_html(&to_our_tags(&out))
    }

    /// Makes buttons of the links to this address: for emails, where only the address identifies a link.
    pub fn with_button(self, address: &str) -> CleanHtml {
        let plain = format!("<a href=\"{}\"", escape(address));
        CleanHtml(self.0.replace(&plain, &plain.replacen("<a ", "<a class=\"button\" ", 1)))
    }

    /// The same with the look of its buttons written into each: mail programs that drop style sheets keep that.
    pub fn with_button_style(&self) -> CleanHtml {
        let styled = format!("<a class=\"button\" style=\"{BUTTON_STYLE}\"");
        CleanHtml(self.0.replace("<a class=\"button\"", &styled))
    }

    /// Plain text as paragraphs and line breaks; addresses become links. No part of it is read as markup.
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

    /// Text from the database, where only clean text is stored.
    pub fn stored(text: String) -> CleanHtml {
        CleanHtml(text)
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as Markdown, for a text area.
    pub fn to_markdown(&self) -> String {
        match markup::balanced(&self.0, DEEPEST) {
            Some(pieces) => to_markdown::write(&pieces),
            None => self.plain(),
        }
    }

    /// Whether there is a table, which may be wider than a phone.
    pub fn has_table(&self) -> bool {
        self.0.contains("<table")
    }

    /// Whether a reader sees nothing.
    pub fn is_blank(&self) -> bool {
        !self.0.contains("<hr") && self.plain().trim().is_empty()
    }

    /// The words without the markup, in one line. Superscripts and subscripts stay recognisable: 10⁹, not 109.
    pub fn plain(&self) -> String {
        let Some(pieces) = markup::balanced(&self.0, DEEPEST) else {
            return super::one_line(&plain_text(&markup::flattened(&self.0)));
        };
        let mut out = String::new();
        let mut lists: Vec<Option<u64>> = Vec::new();
        let mut raised: Option<(usize, Script)> = None;
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(&decoded(text)),
                Piece::Open("sup", _) => raised = Some((out.len(), Script::Super)),
                Piece::Open("sub", _) => raised = Some((out.len(), Script::Sub)),
                Piece::Close("sup" | "sub") => {
                    if let Some((from, script)) = raised.take() {
                        let text = script.plain(&out.split_off(from));
                        out.push_str(&text);
                    }
                }
                Piece::Open("ul", _) => lists.push(None),
                Piece::Open("ol", list) => {
                    lists.push(Some(list.start.and_then(|start| start.parse().ok()).unwrap_or(1)))
                }
                Piece::Close("ul" | "ol") => drop(lists.pop()),
                Piece::Open("li", item) => {
                    out.push(' ');
                    if let Some(Some(number)) = lists.last_mut() {
                        *number = item.value.and_then(|value| value.parse().ok()).unwrap_or(*number);
                        out.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                }
                Piece::Open("br" | "td" | "th", _) | Piece::Close("td" | "th") => out.push(' '),
                Piece::Open(tag, _) | Piece::Close(tag) if markup::is_block(tag) => out.push(' '),
                _ => {}
            }
        }
        super::one_line(&out)
    }
}

/// Superscript or subscript.
#[derive(Clone, Copy)]
pub(super) enum Script {
    Super,
    Sub,
}

impl Script {
    /// The text by Unicode's own digits, or after a `^` or `_` where there are none.
    pub(super) fn plain(self, text: &str) -> String {
        let (ascii, own, sign) = match self {
            Script::Super => ("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ", '^'),
            Script::Sub => ("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", '_'),
        };
        let one = |c: char| ascii.chars().zip(own.chars()).find(|(from, _)| *from == c).map(|(_, to)| to);
        match text.chars().map(one).collect::<Option<String>>() {
            Some(own) => own,
            None if text.chars().all(char::is_alphabetic) => text.to_owned(),
            None => format!("{sign}({text})"),
        }
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

/// One pass of the allow-list, over balanced elements that nest no deeper than [`DEEPEST`].
fn cleaned(html: &str) -> String {
    let pass =
        |html: &str| markup::balanced(html, DEEPEST).map(|pieces| ALLOW.clean(&markup::to_html(&pieces)).to_string());
    let once = pass(html);
    // the result is checked too: the parser may move elements into each other
    match once.filter(|clean| markup::balanced(clean, DEEPEST).is_some()) {
        Some(clean) => clean,
        None => pass(&markup::flattened(html)).unwrap_or_default(),
    }
}

/// Whether this is the number of a list item or of a cell's rows, as the editor reads them.
fn is_number(value: &str) -> bool {
    (1..=9).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

fn plain_text(html: &str) -> String {
    decoded(&html.replace("<p>", " ").replace("</p>", " ").replace("<br>", " "))
}

/// The elements of pulldown-cmark as the editor writes them.
fn to_our_tags(html: &str) -> String {
    let mut out = html.replace("<thead>", "").replace("</thead>", "").replace("<del>", "<s>").replace("</del>", "</s>");
    for way in ["left", "center", "right"] {
        out = out.replace(&format!(" style=\"text-align: {way}\""), &format!(" class=\"align-{way}\""));
    }
    out
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

/// Escapes a text for use between tags or in a double-quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
