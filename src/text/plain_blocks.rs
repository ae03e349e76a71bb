//! Rich text as blocks of plain words, for what has no rich text: a PDF, and other systems. Emphasis goes; whatever changes
//! the meaning stays: the numbers of lists, raised digits, the cells of tables, what was struck out, where a link leads.

use super::html::{CleanHtml, DEEPEST, Script};
use super::markup::{self, Attributes, Piece, decoded};

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainBlock {
    /// a heading within the text
    Heading(String),
    /// text; line breaks count
    Paragraph(String),
    /// items of lists that follow each other
    List(Vec<ListItem>),
    /// a table
    Table(PlainTable),
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListItem {
    /// its number, or a bullet; empty where it goes on with the item before
    pub mark: String,
    /// how deep its list lies in other lists, from 0
    pub depth: usize,
    /// its text; line breaks count
    pub text: String,
}

/// A table. Each row has as many cells as the others: a cell over several columns or rows is followed by empty ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainTable {
    /// whether the first row names the columns
    pub has_head: bool,
    /// the rows
    pub rows: Vec<Vec<String>>,
}

/// The most columns and rows that one cell covers: more is a mistake, and would cost memory.
const WIDEST: usize = 50;

impl CleanHtml {
    /// The text as blocks. `struck` gives the words for what was struck out: without a mark it would count.
    pub fn plain_blocks(&self, struck: &dyn Fn(&str) -> String) -> Vec<PlainBlock> {
        let Some(pieces) = markup::balanced(self.as_str(), DEEPEST) else {
            return vec![PlainBlock::Paragraph(self.plain())];
        };
        let mut reader = Reader::new(struck);
        pieces.iter().for_each(|piece| reader.read(piece));
        reader.end_block();
        reader.blocks
    }

    /// The text as plain words in lines.
    pub fn plain_lines(&self, struck: &dyn Fn(&str) -> String) -> String {
        let item = |item: ListItem| {
            let (indent, mark) = ("  ".repeat(item.depth), if item.mark.is_empty() { "  " } else { &item.mark });
            format!("{indent}{mark} {}", item.text.replace('\n', &format!("\n{indent}  ")))
        };
        let block = |block| match block {
            PlainBlock::Heading(text) | PlainBlock::Paragraph(text) => text,
            PlainBlock::List(items) => items.into_iter().map(item).collect::<Vec<_>>().join("\n"),
            PlainBlock::Table(table) => {
                let row = |row: Vec<String>| row.join(" | ").replace('\n', " ");
                table.rows.into_iter().map(row).collect::<Vec<_>>().join("\n")
            }
        };
        self.plain_blocks(struck).into_iter().map(block).collect::<Vec<_>>().join("\n\n")
    }
}

/// A table that is being read.
#[derive(Default)]
struct Grid {
    table: PlainTable,
    /// for each column, how many further rows a cell above covers
    covered: Vec<usize>,
    row: Vec<String>,
    is_head: bool,
    /// how many tables are open within a cell: their cells are its words
    inner: usize,
}

impl Grid {
    fn skip_covered(&mut self) {
        while let Some(rows) = self.covered.get_mut(self.row.len()).filter(|rows| **rows > 0) {
            *rows -= 1;
            self.row.push(String::new());
        }
    }

    fn cell(&mut self, text: String, (columns, rows): (usize, usize)) {
        self.skip_covered();
        let mut text = Some(text);
        for _ in 0..columns {
            if self.covered.len() <= self.row.len() {
                self.covered.resize(self.row.len() + 1, 0);
            }
            if let Some(covered) = self.covered.get_mut(self.row.len()) {
                *covered = rows - 1;
            }
            self.row.push(text.take().unwrap_or_default());
        }
    }

    fn end_row(&mut self) {
        self.skip_covered();
        self.table.has_head |= self.table.rows.is_empty() && self.is_head;
        self.table.rows.push(std::mem::take(&mut self.row));
    }

    fn end(mut self) -> PlainTable {
        let columns = self.table.rows.iter().map(Vec::len).max().unwrap_or_default();
        self.table.rows.iter_mut().for_each(|row| row.resize(columns, String::new()));
        self.table
    }
}

struct Reader<'r> {
    struck: &'r dyn Fn(&str) -> String,
    blocks: Vec<PlainBlock>,
    /// the text of the block, or cell, that is open
    text: String,
    heading: bool,
    quotes: usize,
    /// for each open list the number of its next item; `None`: it has bullets
    lists: Vec<Option<u64>>,
    /// the mark of the item that has begun and has no text yet
    mark: Option<String>,
    grid: Option<Grid>,
    cell: (usize, usize),
    /// where the last mark of an item within the open cell ends
    marked_to: usize,
    /// where the innermost of each of these began
    raised: Option<(usize, Script)>,
    struck_from: Option<usize>,
    link: Option<(usize, String)>,
}

impl<'r> Reader<'r> {
    fn new(struck: &'r dyn Fn(&str) -> String) -> Reader<'r> {
        Reader {
            struck,
            blocks: Vec::new(),
            text: String::new(),
            heading: false,
            quotes: 0,
            lists: Vec::new(),
            mark: None,
            grid: None,
            cell: (1, 1),
            marked_to: 0,
            raised: None,
            struck_from: None,
            link: None,
        }
    }

    fn read(&mut self, piece: &Piece) {
        match piece {
            Piece::Text(text) => self.text.push_str(&decoded(text).replace(['\n', '\t'], " ")),
            Piece::Open("br", _) => self.text.push('\n'),
            Piece::Open("sup", _) => self.raised = Some((self.text.len(), Script::Super)),
            Piece::Open("sub", _) => self.raised = Some((self.text.len(), Script::Sub)),
            Piece::Close("sup" | "sub") => {
                if let Some((from, script)) = self.raised.take() {
                    let text = script.plain(&self.cut(from));
                    self.text.push_str(&text);
                }
            }
            Piece::Open("s", _) => self.struck_from = self.struck_from.or(Some(self.text.len())),
            Piece::Close("s") => {
                self.end_struck();
            }
            Piece::Open("a", attributes) => {
                self.link = attributes.href.map(|href| (self.text.len(), decoded(href)));
            }
            Piece::Close("a") => self.end_link(),
            Piece::Open(tag, attributes) if self.grid.is_some() => self.in_table(tag, attributes),
            Piece::Close(tag) if self.grid.is_some() => self.end_in_table(tag),
            Piece::Open("table", _) => {
                self.end_block();
                self.grid = Some(Grid::default());
            }
            Piece::Open("hr", _) => {
                self.end_block();
                self.blocks.push(PlainBlock::Paragraph("———".to_owned()));
            }
            Piece::Open(tag, attributes) if markup::is_block(tag) => self.begin(tag, attributes),
            Piece::Close(tag) if markup::is_block(tag) => self.end(tag),
            _ => {}
        }
    }

    fn begin(&mut self, tag: &str, attributes: &Attributes) {
        self.end_block();
        match tag {
            "h3" | "h4" => self.heading = true,
            "blockquote" => self.quotes += 1,
            "ul" | "ol" => self.begin_list(tag, attributes),
            "li" => self.mark = Some(self.next_mark(attributes)),
            _ => {}
        }
    }

    fn begin_list(&mut self, tag: &str, attributes: &Attributes) {
        let first = || attributes.start.and_then(|start| start.parse::<u64>().ok()).unwrap_or(1);
        self.lists.push((tag == "ol").then(first));
    }

    /// The mark of the next item of the innermost list.
    fn next_mark(&mut self, attributes: &Attributes) -> String {
        match self.lists.last_mut() {
            Some(Some(next)) => {
                let number = attributes.value.and_then(|value| value.parse().ok()).unwrap_or(*next);
                *next = number.saturating_add(1);
                format!("{number}.")
            }
            _ => "•".to_owned(),
        }
    }

    /// Begins a line of the open cell, unless one has just begun or has a mark alone.
    fn new_line(&mut self) {
        let is_begun = self.text.trim_end_matches(' ').ends_with('\n');
        if !is_begun && self.text.trim_end().len() != self.marked_to {
            self.text.push('\n');
        }
    }

    fn end(&mut self, tag: &str) {
        self.end_block();
        match tag {
            "h3" | "h4" => self.heading = false,
            "blockquote" => self.quotes = self.quotes.saturating_sub(1),
            "ul" | "ol" => drop(self.lists.pop()),
            "li" => self.mark = None,
            _ => {}
        }
    }

    fn in_table(&mut self, tag: &str, attributes: &Attributes) {
        let Some(grid) = &mut self.grid else { return };
        let span = |value: Option<&str>| value.and_then(|value| value.parse().ok()).unwrap_or(1).clamp(1, WIDEST);
        match tag {
            "table" => grid.inner += 1,
            "td" | "th" if grid.inner > 0 => self.text.push_str(" | "),
            "tr" if grid.inner > 0 => self.text.push('\n'),
            "tr" => grid.is_head = true,
            "td" | "th" => {
                grid.is_head &= tag == "th";
                self.text.clear();
                self.marked_to = 0;
                self.cell = (span(attributes.colspan), span(attributes.rowspan));
            }
            // blocks within a cell are its lines
            "ul" | "ol" => {
                self.new_line();
                self.begin_list(tag, attributes);
            }
            "li" => {
                self.new_line();
                let mark = self.next_mark(attributes);
                self.text.push_str(&mark);
                self.marked_to = self.text.len();
                self.text.push(' ');
            }
            _ if markup::is_block(tag) => self.new_line(),
            _ => {}
        }
    }

    fn end_in_table(&mut self, tag: &str) {
        if matches!(tag, "ul" | "ol") {
            self.lists.pop();
            return self.new_line();
        }
        if let Some(grid) = self.grid.as_mut().filter(|grid| grid.inner > 0) {
            grid.inner -= usize::from(tag == "table");
            return;
        }
        match tag {
            // what is struck out does not go on in the next cell
            "td" | "th" if self.struck_from.is_some() => {
                self.end_struck();
                self.end_in_table(tag);
            }
            "td" | "th" => {
                let text = self.taken();
                if let Some(grid) = &mut self.grid {
                    grid.cell(text, self.cell);
                }
            }
            "tr" => self.grid.iter_mut().for_each(Grid::end_row),
            "table" => {
                self.text.clear();
                if let Some(table) = self.grid.take().map(Grid::end).filter(|table| !table.rows.is_empty()) {
                    self.blocks.push(PlainBlock::Table(table));
                }
            }
            _ => {}
        }
    }

    /// Puts the words for what was struck out in its place, with the spaces around it.
    fn end_struck(&mut self) {
        let Some(from) = self.struck_from.take() else { return };
        let words = self.cut(from);
        let space = |is_there: bool| if is_there { " " } else { "" };
        if words.trim().is_empty() {
            return self.text.push_str(space(!words.is_empty()));
        }
        let (before, after) = (space(words.starts_with([' ', '\n'])), space(words.ends_with([' ', '\n'])));
        self.text.push_str(&format!("{before}{}{after}", (self.struck)(words.trim())));
    }

    /// Adds where a link leads, unless its text says so.
    fn end_link(&mut self) {
        let Some((from, href)) = self.link.take() else { return };
        let bare = |address: &str| {
            let address = address.trim();
            let rest = ["https://", "http://", "mailto:", "tel:"].into_iter().find_map(|way| address.strip_prefix(way));
            rest.unwrap_or(address).trim_end_matches('/').to_lowercase()
        };
        let shown = self.text.get(from..).unwrap_or_default();
        let digits = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>();
        if digits(&bare(shown)) != digits(&bare(&href)) {
            self.text.push_str(&format!(" ({href})"));
        }
    }

    /// The text from this place on, taken out.
    fn cut(&mut self, from: usize) -> String {
        if from <= self.text.len() && self.text.is_char_boundary(from) {
            self.text.split_off(from)
        } else {
            String::new()
        }
    }

    /// The open text, with one space for each run of them and none at the ends of lines.
    fn taken(&mut self) -> String {
        // whatever began in it ends with it
        (self.raised, self.struck_from, self.link) = (None, None, None);
        let text = std::mem::take(&mut self.text);
        let line = |line: &str| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        text.split('\n').map(line).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
    }

    fn end_block(&mut self) {
        self.end_struck();
        let mut text = self.taken();
        if text.is_empty() {
            return;
        }
        if self.quotes > 0 {
            text = text
                .split('\n')
                .map(|line| format!("{} {line}", ">".repeat(self.quotes)))
                .collect::<Vec<_>>()
                .join("\n");
        }
        if self.heading {
            return self.blocks.push(PlainBlock::Heading(text));
        }
        let Some(depth) = self.lists.len().checked_sub(1) else {
            return self.blocks.push(PlainBlock::Paragraph(text));
        };
        let item = ListItem { mark: self.mark.take().unwrap_or_default(), depth, text };
        match self.blocks.last_mut() {
            // what stands in an outer item goes on with it
            Some(PlainBlock::List(items)) => items.push(item),
            _ => self.blocks.push(PlainBlock::List(vec![item])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ListItem, PlainBlock, PlainTable};
    use crate::text::CleanHtml;

    fn blocks(html: &str) -> Vec<PlainBlock> {
        CleanHtml::from_html(html).plain_blocks(&|words| format!("[struck: {words}]"))
    }

    fn paragraph(text: &str) -> Vec<PlainBlock> {
        vec![PlainBlock::Paragraph(text.into())]
    }

    #[test]
    fn what_changes_the_meaning_stays() {
        assert_eq!(blocks("<p>Take <s>2</s> <b>3</b> a day</p>"), paragraph("Take [struck: 2] 3 a day"));
        assert_eq!(blocks("<p>10<sup>9</sup> cells,<br>H<sub>2</sub>O</p>"), paragraph("10⁹ cells,\nH₂O"));
        assert_eq!(
            blocks("<p><a href=\"https://a.example/x\">here</a> or <a href=\"https://b.example/\">b.example</a></p>"),
            paragraph("here (https://a.example/x) or b.example")
        );
        assert_eq!(blocks("<blockquote><p>one</p></blockquote>"), paragraph("> one"));
        assert_eq!(blocks("<p>a &lt; b &amp; c</p>"), paragraph("a < b & c"));
    }

    #[test]
    fn lists_keep_their_numbers_and_depth() {
        let item = |mark: &str, depth, text: &str| ListItem { mark: mark.into(), depth, text: text.into() };
        assert_eq!(
            blocks(
                "<ol start=\"3\"><li><p>c</p><ul><li>inner</li></ul></li><li value=\"7\">g</li><li>h</li></ol><p>end</p>"
            ),
            vec![
                PlainBlock::List(vec![
                    item("3.", 0, "c"),
                    item("•", 1, "inner"),
                    item("7.", 0, "g"),
                    item("8.", 0, "h")
                ]),
                PlainBlock::Paragraph("end".into()),
            ]
        );
    }

    #[test]
    fn lists_in_cells_keep_their_numbers() {
        let html = "<table><tr><td><ol start=\"3\"><li>c</li><li><p>d</p><ul><li>e</li></ul></li></ol><p>end</p></td>\
                    <td>f</td></tr></table><ul><li>g</li></ul>";
        let rows = vec![vec!["3. c\n4. d\n• e\nend".to_owned(), "f".to_owned()]];
        let item = ListItem { mark: "•".into(), depth: 0, text: "g".into() };
        assert_eq!(
            blocks(html),
            vec![PlainBlock::Table(PlainTable { has_head: false, rows }), PlainBlock::List(vec![item])]
        );
    }

    #[test]
    fn cells_stay_in_their_columns() {
        let html = "<table><tr><th>Day</th><th>Dose</th><th>Note</th></tr><tr><td rowspan=\"2\">Mon</td><td>1</td><td>a</td></tr>\
                    <tr><td colspan=\"2\">2</td></tr></table>";
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["Day", "Dose", "Note"]), row(["Mon", "1", "a"]), row(["", "2", ""])];
        assert_eq!(blocks(html), vec![PlainBlock::Table(PlainTable { has_head: true, rows })]);
        let lines = CleanHtml::from_html(html).plain_lines(&str::to_owned);
        assert_eq!(lines, "Day | Dose | Note\nMon | 1 | a\n | 2 | ");
    }
}
