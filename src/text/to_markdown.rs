//! Writes rich text as Markdown that [`super::markdown`] reads as the same text. What Markdown lacks (underline,
//! superscript, alignment, tables with more than text) is written as HTML, which Markdown may contain.

use super::markdown::says_number;
use super::markup::{self, Attributes, Piece, cut_at, decoded};

enum Node<'a> {
    Element(&'static str, Attributes<'a>, Vec<Node<'a>>),
    Text(&'a str),
}

/// Writes balanced pieces. The recursion is no deeper than the nesting that the balancing allows.
pub fn write(pieces: &[Piece]) -> String {
    blocks(&tree(pieces)).unwrap_or_default()
}

fn tree<'a>(pieces: &[Piece<'a>]) -> Vec<Node<'a>> {
    let mut open: Vec<(&'static str, Attributes<'a>, Vec<Node<'a>>)> = Vec::new();
    let mut children = Vec::new();
    for piece in pieces {
        match *piece {
            Piece::Text(text) => children.push(Node::Text(text)),
            Piece::Open(tag, attributes) if markup::is_void(tag) => {
                children.push(Node::Element(tag, attributes, Vec::new()));
            }
            Piece::Open(tag, attributes) => open.push((tag, attributes, std::mem::take(&mut children))),
            Piece::Close(_) => {
                if let Some((tag, attributes, before)) = open.pop() {
                    let node = Node::Element(tag, attributes, std::mem::replace(&mut children, before));
                    children.push(node);
                }
            }
        }
    }
    children
}

fn is_block(node: &Node) -> bool {
    matches!(node, Node::Element(tag, ..) if markup::is_block(tag))
}

/// Groups nodes: each run of inline nodes together, each block alone.
fn grouped<'n, 'a>(nodes: &'n [Node<'a>]) -> impl Iterator<Item = &'n [Node<'a>]> {
    nodes.chunk_by(|one, other| !is_block(one) && !is_block(other))
}

// ---------------------------------------------------------------------------------------------------------- blocks

/// Writes nodes as blocks; `None` where Markdown cannot express them, so that the surrounding block is written as HTML.
fn blocks(nodes: &[Node]) -> Option<String> {
    let mut out: Vec<String> = Vec::new();
    // the previous block, if it is a list: its tag, and whether it has the alternative marker
    let mut last: Option<(&str, bool)> = None;
    for group in grouped(nodes) {
        let mut list = None;
        let text = match group {
            [Node::Element(tag @ ("ul" | "ol"), attributes, items)] => {
                let other = matches!(last, Some((before, other)) if before == *tag && !other);
                list = Some((*tag, other));
                written_list(tag, attributes, items, other)
            }
            [Node::Element(tag, attributes, children)] if markup::is_block(tag) => block(tag, attributes, children),
            inline => Some(lines(inline)),
        };
        let text = text.unwrap_or_else(|| html(group));
        if !text.trim_matches([' ', '\n']).is_empty() {
            out.push(text);
            last = list;
        }
    }
    Some(out.join("\n\n"))
}

fn block(tag: &str, attributes: &Attributes, children: &[Node]) -> Option<String> {
    if attributes.class.is_some() {
        return None;
    }
    match tag {
        "p" if !children.iter().any(is_block) => Some(lines(children)),
        "h3" | "h4" if !children.iter().any(is_block) => {
            let text = inline(children, true);
            let text = text.trim();
            let mark = if tag == "h3" { "###" } else { "####" };
            // a `#` at the end would be taken for a part of the heading's mark
            Some(match text.strip_suffix('#') {
                Some(start) => format!("{mark} {start}\\#"),
                None => format!("{mark} {text}"),
            })
        }
        "hr" => Some("---".to_owned()),
        "blockquote" => {
            let inside = blocks(children)?;
            if inside.lines().any(says_number) || inside.trim().is_empty() {
                return None;
            }
            Some(prefixed(&inside, "> ", "> "))
        }
        "table" => table(children),
        _ => None,
    }
}

fn prefixed(text: &str, first: &str, others: &str) -> String {
    let line = |(number, line): (usize, &str)| {
        let prefix = if number == 0 { first } else { others };
        format!("{prefix}{line}").trim_end_matches(' ').to_owned()
    };
    text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn written_list(tag: &str, attributes: &Attributes, items: &[Node], other: bool) -> Option<String> {
    let mut next: u64 = attributes.start.map_or(Some(1), |start| start.parse().ok())?;
    let items: Vec<_> = items.iter().filter(|node| !is_space(node)).collect();
    let (mut out, mut is_tight) = (Vec::new(), true);
    for item in items {
        let Node::Element("li", Attributes { class: None, value, .. }, children) = item else { return None };
        let number = value.map_or(Some(next), |value| value.parse().ok())?;
        next = number.saturating_add(1);
        let marker = match (tag, other) {
            ("ul", false) => "- ".to_owned(),
            ("ul", true) => "* ".to_owned(),
            (_, false) => format!("{number}. "),
            (_, true) => format!("{number}) "),
        };
        let parts: Vec<_> = grouped(children).filter(|group| !group.iter().all(is_space)).collect();
        let begins_with_text = parts.first().is_none_or(|group| match group {
            [Node::Element("p", Attributes { class: None, .. }, inside)] => !inside.iter().all(is_space),
            [node] => !is_block(node),
            _ => true,
        });
        if !begins_with_text || marker.len() > 10 {
            return None;
        }
        let only_lists = |group: &&[Node]| {
            matches!(group, [Node::Element("ul", ..)])
                || matches!(group, [Node::Element("ol", a, items)] if a.start.is_none() && begins_at_one(items))
        };
        is_tight &= parts.iter().skip(1).all(only_lists) && parts.len() <= 2;
        out.push((marker, blocks(children)?));
    }
    let between = if is_tight { "\n" } else { "\n\n" };
    let items = out.into_iter().map(|(marker, text)| {
        // an item's text and a list in it are separated by one line break
        let text = if is_tight { text.replacen("\n\n", "\n", 1) } else { text };
        prefixed(&text, &marker, &" ".repeat(marker.len()))
    });
    Some(items.collect::<Vec<_>>().join(between))
}

/// Whether the first item has no number of its own.
fn begins_at_one(items: &[Node]) -> bool {
    matches!(items.iter().find(|node| !is_space(node)), Some(Node::Element(_, Attributes { value: None, .. }, _)))
}

fn is_space(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.trim_matches([' ', '\n', '\t']).is_empty())
}

/// A table whose first row is its head, and whose cells hold one line of text each.
fn table(children: &[Node]) -> Option<String> {
    let mut rows = Vec::new();
    for part in children.iter().filter(|node| !is_space(node)) {
        match part {
            Node::Element("tbody", _, inside) => rows.extend(inside.iter().filter(|node| !is_space(node))),
            row => rows.push(row),
        }
    }
    let (mut out, mut columns) = (Vec::new(), 0);
    for (number, row) in rows.into_iter().enumerate() {
        let Node::Element("tr", _, cells) = row else { return None };
        let (wanted, mut line) = (if number == 0 { "th" } else { "td" }, String::from("|"));
        let cells: Vec<_> = cells.iter().filter(|node| !is_space(node)).collect();
        for cell in &cells {
            let Node::Element(tag, attributes, inside) = cell else { return None };
            if *tag != wanted || *attributes != Attributes::default() {
                return None;
            }
            let inside = match inside.as_slice() {
                [Node::Element("p", Attributes { class: None, .. }, inside)] => inside.as_slice(),
                inside => inside,
            };
            if inside.iter().any(is_block) {
                return None;
            }
            line += &format!(" {} |", inline(inside, true).trim().replace('|', "\\|"));
        }
        if number == 0 {
            columns = cells.len();
        }
        if cells.len() != columns || columns == 0 {
            return None;
        }
        out.push(line);
        if number == 0 {
            out.push("|".to_owned() + &"---|".repeat(columns));
        }
    }
    (!out.is_empty()).then(|| out.join("\n"))
}

/// Writes nodes as HTML in one line.
fn html(nodes: &[Node]) -> String {
    let mut out = String::new();
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(&text.replace('\n', " ").replace('<', "&lt;")),
            Node::Element(tag, attributes, children) => {
                out.push_str(&markup::to_html(&[Piece::Open(tag, *attributes)]));
                if !markup::is_void(tag) {
                    out.push_str(&html(children));
                    out.push_str(&markup::to_html(&[Piece::Close(tag)]));
                }
            }
        }
    }
    out
}

// ---------------------------------------------------------------------------------------------------------- in lines

/// Writes a paragraph; signs at the start of a line that would begin a block are escaped.
fn lines(nodes: &[Node]) -> String {
    let text = inline(nodes, false);
    let text = text.trim_matches([' ', '\n']);
    text.split('\n').map(|line| ended(started(line.trim_matches(' ')))).collect::<Vec<_>>().join("\n")
}

/// Escapes a backslash at the end of a line, which would be read as a line break.
fn ended(line: String) -> String {
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    if backslashes % 2 == 1 { line + "\\" } else { line }
}

fn started(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = cut_at(line, digits);
    let ends = |after: &str| after.is_empty() || after.starts_with(' ');
    let is_item = (1..=9).contains(&digits) && rest.starts_with(['.', ')']) && rest.get(1..).is_some_and(ends);
    let is_line_of = |signs: &str| !line.is_empty() && line.chars().all(|c| signs.contains(c));
    let is_marker = line.starts_with(['-', '+', '*']) && line.get(1..).is_some_and(ends);
    let is_heading = line.starts_with('#') && ends(line.trim_start_matches('#'));
    let is_fence = line.starts_with("```") || line.starts_with("~~~");
    match () {
        () if is_item => format!("{number}\\{rest}"),
        () if is_marker || is_heading || is_fence || line.starts_with('>') => format!("\\{line}"),
        () if is_line_of("= ") || is_line_of("-|: ") || is_line_of("* ") || is_line_of("_ ") => format!("\\{line}"),
        () => line.to_owned(),
    }
}

/// Writes inline nodes. `in_one`: all in one line.
fn inline(nodes: &[Node], in_one: bool) -> String {
    let mut out = String::new();
    write_inline(nodes, in_one, None, &mut out);
    out
}

fn first_char(nodes: &[Node]) -> Option<char> {
    nodes.iter().find_map(|node| match node {
        Node::Text(text) => decoded(text).chars().next(),
        Node::Element("br", ..) => Some('\n'),
        // stands for the element's marks, which must not join other marks
        Node::Element(..) => Some('*'),
    })
}

fn write_inline(nodes: &[Node], in_one: bool, after: Option<char>, out: &mut String) {
    for (number, node) in nodes.iter().enumerate() {
        let next = nodes.get(number + 1..).and_then(first_char).or(after);
        match node {
            Node::Text(text) => escape(&decoded(text), next, out),
            Node::Element("br", ..) if in_one || out.is_empty() || out.ends_with('\n') || out.ends_with("<br>") => {
                out.push_str("<br>")
            }
            Node::Element("br", ..) => out.push('\n'),
            Node::Element(tag, attributes, children) => element(tag, attributes, children, in_one, next, out),
        }
    }
}

fn element(tag: &str, attributes: &Attributes, children: &[Node], in_one: bool, next: Option<char>, out: &mut String) {
    let mark = match tag {
        "strong" => "**",
        "em" => "*",
        "s" => "~~",
        "a" => return link(attributes, children, in_one, next, out),
        "code" => {
            let mut text = String::new();
            text_content(children, &mut text);
            return code(&text, out);
        }
        _ => "",
    };
    let is_apart =
        |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || (c.is_ascii_punctuation() && !"*_~\\<".contains(c)));
    let mut stands_apart = is_apart(out.chars().next_back()) && is_apart(next);
    // written to the same output, so that inner marks see the character before them
    let from = out.len();
    write_inline(children, in_one, (!mark.is_empty()).then_some('*'), out);
    let inside = out.split_off(from);
    stands_apart &= !inside.starts_with(char::is_whitespace) && !inside.ends_with(char::is_whitespace);
    stands_apart &= !inside.contains(mark.get(..1).unwrap_or_default()) && !inside.ends_with('\\');
    if mark.is_empty() || !stands_apart || inside.is_empty() {
        let name = match tag {
            "strong" | "em" | "s" | "u" | "sup" | "sub" => tag,
            // not an inline element
            _ => return out.push_str(&inside),
        };
        out.push_str(&format!("<{name}>{inside}</{name}>"));
    } else {
        out.push_str(&format!("{mark}{inside}{mark}"));
    }
}

/// Appends the text of nodes without their elements.
fn text_content(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(&decoded(text)),
            Node::Element(_, _, children) => text_content(children, out),
        }
    }
}

fn code(text: &str, out: &mut String) {
    let text = text.replace('\n', " ");
    if text.is_empty() {
        return;
    }
    // spaces at both ends would be removed, and adjacent backticks would join
    if text.contains('`') || text.starts_with(' ') || out.ends_with('`') {
        out.push_str("<code>");
        escape(&text, Some('<'), out);
        return out.push_str("</code>");
    }
    out.push_str(&format!("`{text}`"));
}

fn link(attributes: &Attributes, children: &[Node], in_one: bool, next: Option<char>, out: &mut String) {
    let Some(address) = attributes.href.map(decoded) else {
        return write_inline(children, in_one, next, out);
    };
    let mut text = String::new();
    text_content(children, &mut text);
    let is_bare = matches!(super::links::spans(&text).as_slice(), [(_, Some(target))] if *target == address);
    let stands_apart = out.is_empty() || out.ends_with([' ', '\n']);
    if is_bare && stands_apart && matches!(children, [Node::Text(_)]) {
        return out.push_str(&text.replace('*', "\\*").replace('_', "\\_").replace('~', "\\~").replace('&', "\\&"));
    }
    let mut inside = String::new();
    write_inline(children, true.max(in_one), None, &mut inside);
    let address = address.replace(' ', "%20").replace('<', "%3C").replace('>', "%3E").replace('\n', "");
    out.push_str(&format!("[{inside}](<{}>)", address.replace('\\', "\\\\")));
}

/// Appends text with a backslash before characters that would be markup.
fn escape(text: &str, next: Option<char>, out: &mut String) {
    let is_start = out.is_empty() || out.ends_with('\n') || out.ends_with("<br>");
    let text = if is_start { text.trim_start_matches([' ', '\n', '\t']) } else { text };
    let chars: Vec<char> = text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect();
    for (at, c) in chars.iter().enumerate() {
        let before = if at == 0 { out.chars().next_back() } else { chars.get(at - 1).copied() };
        let after = chars.get(at + 1).copied().or(next);
        let is_marked = match c {
            '`' => true,
            '*' => !(before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)),
            '_' => !(before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)),
            '~' => before == Some('~') || after == Some('~'),
            '[' | ']' => true,
            '!' => matches!(after, Some('[' | '*')),
            '<' => after.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c)),
            '&' => after.is_some_and(|c| c.is_ascii_alphabetic() || c == '#'),
            '\\' => after.is_none_or(|c| c.is_ascii_punctuation() || c == '\n'),
            _ => false,
        };
        if is_marked {
            out.push('\\');
        }
        out.push(*c);
    }
}
