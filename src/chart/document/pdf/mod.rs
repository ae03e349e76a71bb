//! The document as a tagged PDF (ISO 32000-1 §14.8) that keeps to PDF/UA-1 (ISO 14289-1): structure, language, title,
//! an outline, and every text as text. The same document gives the same bytes.

mod faces;
mod letter;
mod paint;
mod sheet;

use super::{Document, ListItem, Named, Part, Results, Table};
use crate::text::Lang;
use faces::Faces;
use krilla::tagging::{ListNumbering, TableHeaderScope, Tag};
use sheet::{Column, Node, Sheet, Style};
use std::num::NonZeroU16;

/// Why there is no PDF. The text names no content of the document.
#[derive(Debug, thiserror::Error)]
#[error("the PDF could not be written: {0}")]
pub struct PdfError(String);

const CLINIC: Style = Style { size: 12.0, bold: true, grey: false };
const SMALL: Style = Style { size: 9.0, bold: false, grey: true };
const TITLE: Style = Style { size: 17.0, bold: true, grey: false };
const HEADING: Style = Style { size: 12.5, bold: true, grey: false };
const TEXT: Style = Style { size: 10.0, bold: false, grey: false };
const STRONG: Style = Style { size: 10.0, bold: true, grey: false };
const HEAD: Style = Style { size: 9.0, bold: true, grey: true };

/// Shares of the width for the columns of a table of results: name, value, unit, reference, remark.
const SHARES: [f32; 5] = [0.34, 0.2, 0.13, 0.17, 0.16];
/// Share of the width for the names of facts.
const NAMES: f32 = 0.27;

impl Document {
    /// The document as a PDF on letter paper. Takes milliseconds of computing: do not call it on an async thread.
    ///
    /// # Errors
    /// When the file would not keep to PDF/UA-1.
    pub fn pdf(&self) -> Result<Vec<u8>, PdfError> {
        let lang = Lang::or_english(&self.lang);
        // PDF/UA-1 demands a title, and words in every heading
        let title = if is_blank(&self.title) { lang.t("kind-one-file") } else { &self.title };
        let mut sheet = Sheet::new()?;
        let mut root = Vec::new();
        for (line, text) in self.clinic.iter().enumerate() {
            root.push(sheet.block(Tag::P, text, if line == 0 { CLINIC } else { SMALL }));
        }
        sheet.rule(6.0);
        root.push(facts(&mut sheet, &self.patient));
        sheet.space(14.0);
        root.push(heading(&mut sheet, 1, title, TITLE));
        sheet.space(4.0);
        root.push(facts(&mut sheet, &self.about));
        sheet.space(8.0);
        for part in &self.parts {
            match part {
                Part::Heading(text) if is_blank(text) => {}
                part => root.push(part_of(&mut sheet, part)),
            }
        }
        let whom = self.patient.first().map(|patient| patient.value.clone()).unwrap_or_default();
        let footer = |page: usize, pages: usize| {
            let number = lang.t2("document-page", "number", page, "total", pages);
            [whom.clone(), number]
        };
        paint::paint(sheet, root, title, &self.lang, footer)
    }
}

/// The first characters of the texts that the PDF would show as boxes, each once; empty if there are none.
pub(super) fn not_drawn<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut lacking = String::new();
    let mut others = texts.into_iter().flat_map(|text| faces::plain(text).chars().collect::<Vec<_>>());
    let mut faces = None;
    while let Some(c) = others.find(|c| !matches!(c, ' '..='~' | '\u{a1}'..='\u{ff}') && !lacking.contains(*c)) {
        if faces.is_none() {
            faces = Faces::load().ok();
        }
        if faces.as_ref().is_some_and(|faces| !faces.know(c)) {
            lacking.push(c);
        }
        if lacking.chars().count() >= MOST_TOLD {
            break;
        }
    }
    lacking
}

/// The most characters that are named.
const MOST_TOLD: usize = 10;

fn is_blank(text: &str) -> bool {
    faces::plain(text).trim().is_empty()
}

fn heading(sheet: &mut Sheet, level: u16, text: &str, style: Style) -> Node {
    sheet.keep_with_next(style.leading() * 3.0);
    sheet.mark(level, text);
    let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
    sheet.block(Tag::Hn(level, Some(text.to_owned())), text, style)
}

fn part_of(sheet: &mut Sheet, part: &Part) -> Node {
    match part {
        Part::Heading(text) => {
            sheet.space(8.0);
            let node = heading(sheet, 2, text, HEADING);
            sheet.space(2.0);
            node
        }
        Part::Paragraph(text) => {
            let node = sheet.block(Tag::P, text, TEXT);
            sheet.space(5.0);
            node
        }
        Part::Facts(rows) => {
            let node = facts(sheet, rows);
            sheet.space(5.0);
            node
        }
        Part::List(items) => list(sheet, items),
        Part::Items(items) => marked(sheet, items),
        Part::Table(table) => grid(sheet, table),
        Part::Results(results) => table(sheet, results),
    }
}

/// Names with their values, as a list whose labels are the names.
fn facts(sheet: &mut Sheet, rows: &[Named]) -> Node {
    let (names, values) = (Column::share(0.0, NAMES), Column::share(NAMES, 1.0));
    let mut items = Vec::new();
    for row in rows {
        let cells = [(names, row.name.as_str(), Style { grey: true, ..TEXT }), (values, row.value.as_str(), TEXT)];
        let mut lines = sheet.row(&cells).into_iter();
        let (name, value) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        items.push(Node::group(Tag::LI, vec![Node::lines(Tag::Lbl, name), Node::lines(Tag::LBody, value)]));
    }
    Node::group(Tag::L(ListNumbering::None), items)
}

fn list(sheet: &mut Sheet, items: &[String]) -> Node {
    let (bullets, texts) = (Column::share(0.0, 0.03), Column::share(0.03, 1.0));
    let mut nodes = Vec::new();
    for item in items {
        let mut lines = sheet.row(&[(bullets, "•", TEXT), (texts, item.as_str(), TEXT)]).into_iter();
        let (bullet, text) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        nodes.push(Node::group(Tag::LI, vec![Node::lines(Tag::Lbl, bullet), Node::lines(Tag::LBody, text)]));
    }
    sheet.space(5.0);
    Node::group(Tag::L(ListNumbering::Disc), nodes)
}

/// Share of the width for the mark of a list item, and by which a deeper list is indented.
const MARK: f32 = 0.06;
/// Deeper lists are indented no further.
const DEEPEST: usize = 6;
/// The longest mark that has room beside its item.
const LONGEST_MARK: usize = 4;

fn marked(sheet: &mut Sheet, items: &[ListItem]) -> Node {
    let mut nodes = Vec::new();
    for item in items {
        let left = item.depth.min(DEEPEST) as f32 * MARK;
        let (marks, texts) = (Column::share(left, left + MARK), Column::share(left + MARK, 1.0));
        let (mark, text) = match item.mark.chars().count() {
            ..=LONGEST_MARK => (item.mark.as_str(), item.text.clone()),
            _ => ("", format!("{} {}", item.mark, item.text)),
        };
        let mut lines = sheet.row(&[(marks, mark, TEXT), (texts, text.as_str(), TEXT)]).into_iter();
        let (mark, text) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        nodes.push(Node::group(Tag::LI, vec![Node::lines(Tag::Lbl, mark), Node::lines(Tag::LBody, text)]));
    }
    sheet.space(5.0);
    // the marks are part of the text
    Node::group(Tag::L(ListNumbering::None), nodes)
}

/// A table that a person has made.
fn grid(sheet: &mut Sheet, table: &Table) -> Node {
    let style = |is_head: bool| if is_head { STRONG } else { TEXT };
    let mut words = vec![0.0_f32; table.rows.iter().map(Vec::len).max().unwrap_or_default()];
    for (number, row) in table.rows.iter().enumerate() {
        for (widest, text) in words.iter_mut().zip(row) {
            *widest = widest.max(sheet.widest_word(text, style(table.has_head && number == 0)));
        }
    }
    let columns = Column::fitting(&words);
    let (mut head, mut body) = (Vec::new(), Vec::new());
    sheet.keep_with_next(TEXT.leading() * 3.0);
    for (number, row) in table.rows.iter().enumerate() {
        let is_head = table.has_head && number == 0;
        let cells: Vec<_> =
            columns.iter().zip(row).map(|(column, text)| (*column, text.as_str(), style(is_head))).collect();
        let cells = sheet.row(&cells).into_iter().map(|lines| match is_head {
            true => Node::lines(Tag::TH(TableHeaderScope::Column), lines),
            false => Node::lines(Tag::TD, lines),
        });
        let row = Node::group(Tag::TR, cells.collect());
        if is_head {
            head.push(row)
        } else {
            body.push(row)
        }
        sheet.hairline();
    }
    sheet.space(8.0);
    let mut parts = Vec::new();
    if !head.is_empty() {
        parts.push(Node::group(Tag::THead, head));
    }
    if !body.is_empty() {
        parts.push(Node::group(Tag::TBody, body));
    }
    Node::group(Tag::Table, parts)
}

fn columns() -> [Column; 5] {
    let mut from = 0.0;
    SHARES.map(|share| {
        let column = Column::share(from, from + share);
        from += share;
        column
    })
}

fn table(sheet: &mut Sheet, results: &Results) -> Node {
    let columns = columns();
    sheet.keep_with_next(TEXT.leading() * 4.0);
    let caption = sheet.block(Tag::Caption, &results.caption, STRONG);
    let head: Vec<_> = columns.iter().zip(&results.head).map(|(column, text)| (*column, text.as_str(), HEAD)).collect();
    let cells = sheet.row(&head).into_iter();
    let cells = cells.map(|lines| Node::lines(Tag::TH(TableHeaderScope::Column), lines)).collect();
    let header = Node::group(Tag::THead, vec![Node::group(Tag::TR, cells)]);
    sheet.rule(1.5);
    sheet.repeat_on_new_pages(&head);
    let mut rows = Vec::new();
    for line in &results.rows {
        // a value that is not as expected stands out, and the last column says so in words
        let style = |column: usize| if line.abnormal && matches!(column, 1 | 4) { STRONG } else { TEXT };
        let name = match line.note.as_str() {
            "" => line.cells[0].clone(),
            note => format!("{}\n{note}", line.cells[0]),
        };
        let texts = std::iter::once(&name).chain(&line.cells[1..]);
        let row: Vec<_> =
            columns.iter().zip(texts).enumerate().map(|(n, (at, text))| (*at, text.as_str(), style(n))).collect();
        let cells = sheet.row(&row).into_iter().enumerate();
        let cells = cells.map(|(n, lines)| match n {
            0 => Node::lines(Tag::TH(TableHeaderScope::Row), lines),
            _ => Node::lines(Tag::TD, lines),
        });
        rows.push(Node::group(Tag::TR, cells.collect()));
        sheet.hairline();
    }
    sheet.repeat_on_new_pages(&[]);
    sheet.space(8.0);
    Node::group(Tag::Table, vec![caption, header, Node::group(Tag::TBody, rows)])
}
