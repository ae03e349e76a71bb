//! The page that a source made of a resource (R4 §2.4.2.2, Narrative), as words.

use super::types::non_empty;
use crate::text::html::CleanHtml;

/// The most characters that are read of one page.
const MOST: usize = 100_000;

/// The paragraphs of a page. It is cleaned first: scripts and links to load are removed, cells and lines stay apart.
pub(super) fn paragraphs(div: &str) -> Vec<String> {
    let div: String = div.chars().take(MOST).collect();
    let clean = CleanHtml::from_html(&div);
    let mut text = String::new();
    let mut rest = clean.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = after.split_once('>') else { break };
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        match (name, tag.starts_with('/')) {
            ("td" | "th", true) => text.push('\t'),
            ("br", _) | ("li" | "tr", true) => text.push('\n'),
            ("p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "div" | "table" | "ul" | "ol" | "blockquote", true) => {
                text.push_str("\n\n");
            }
            _ => {}
        }
        rest = after;
    }
    text.push_str(rest);
    let text = text.replace("&nbsp;", "\u{a0}").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let line = |line: &str| line.split('\t').filter_map(non_empty).collect::<Vec<_>>().join(" · ");
    let paragraph = |part: &str| non_empty(&part.lines().map(line).collect::<Vec<_>>().join("\n"));
    text.split("\n\n").filter_map(paragraph).collect()
}
