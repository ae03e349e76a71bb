//! A chart item as a document that stands on its own: every word of it in one language, in reading order. It is shown
//! on pages, and becomes a file: a self-contained page of HTML, or a tagged PDF.

mod html;
mod letter;
mod pdf;
mod words;

pub use html::{STYLE, content_security_policy};
pub use letter::{Enclosed, Letter};
pub use pdf::PdfError;

use super::item::{Block, Caption};
use super::items::Item;
use crate::patients::Patient;
use crate::settings::Settings;
use crate::text::{self, CleanHtml, Lang, PlainBlock};
use serde::{Deserialize, Serialize};
use words::Reader;

/// A document. It can be stored as JSON, so the names of the fields are a stored format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// language of the program's own words in it (BCP 47)
    pub lang: String,
    /// the clinic: name, telephone number, lines of the address
    pub clinic: Vec<String>,
    /// the patient's facts
    pub patient: Vec<Named>,
    /// its title, as the chart has it
    pub title: String,
    /// facts on the item: its kind, its day, its author
    pub about: Vec<Named>,
    /// the content
    pub parts: Vec<Part>,
}

/// A name with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// the name
    pub name: String,
    /// the value
    pub value: String,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// heading above the parts that follow
    Heading(String),
    /// text; line breaks count
    Paragraph(String),
    /// facts, each a name with its value
    Facts(Vec<Named>),
    /// a bulleted list
    List(Vec<String>),
    /// measurements
    Results(Results),
    /// a list with marks of its own, such as numbers
    Items(Vec<ListItem>),
    /// a table that a person has made
    Table(Table),
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListItem {
    /// its number or bullet; empty where it goes on with the item before
    pub mark: String,
    /// how deep its list lies in other lists, from 0
    pub depth: usize,
    /// its text; line breaks count
    pub text: String,
}

/// A table: each row has as many cells as the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// whether the first row names the columns
    pub has_head: bool,
    /// the rows
    pub rows: Vec<Vec<String>>,
}

/// A table of measurements and findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// title of the table
    pub caption: String,
    /// the heads of the five columns
    pub head: [String; 5],
    /// the lines
    pub rows: Vec<ResultLine>,
}

/// A measurement or finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// name, value, unit, reference range, remark: one cell for each column
    pub cells: [String; 5],
    /// whether the value is not as expected; the remark says so in words
    pub abnormal: bool,
    /// a note on this result; may be empty
    pub note: String,
}

impl Document {
    /// A chart item as a document of the clinic for a patient.
    pub fn from_item(item: &Item, patient: &Patient, settings: &Settings, lang: Lang) -> Document {
        let reader = Reader { lang, zone: settings.zone() };
        let named = |key: &str, value: String| Named { name: lang.t(key).to_owned(), value };
        let mut clinic = vec![settings.name.clone()];
        clinic.extend(settings.address.lines().map(str::to_owned));
        clinic.push(settings.phone.clone());
        clinic.retain(|line| !line.trim().is_empty());
        let mut whom =
            vec![named("document-patient", patient.name()), named("birth-date", lang.date(patient.birth_date.0))];
        whom.extend(patient.health_number.clone().map(|number| named("health-number", number)));
        let mut about = vec![
            named("document-kind", item.row.kind_words(&lang).to_owned()),
            named("document-date", item.row.day(&lang, &settings.zone())),
        ];
        about.extend(item.row.status_words(&lang).map(|words| named("label-status", words)));
        about.extend(item.row.state_words(&lang, &settings.zone()).map(|words| named("label-status", words)));
        about.extend(item.row.author.clone().map(|author| named("document-author", author)));
        let (title, parts) = (item.row.title.clone(), parts(item, reader));
        Document { lang: lang.code().to_owned(), clinic, patient: whom, title, about, parts }
    }
}

impl From<PlainBlock> for Part {
    fn from(block: PlainBlock) -> Part {
        match block {
            PlainBlock::Heading(text) => Part::Heading(text),
            PlainBlock::Paragraph(text) => Part::Paragraph(text),
            PlainBlock::List(items) => {
                let item = |item: text::ListItem| ListItem { mark: item.mark, depth: item.depth, text: item.text };
                Part::Items(items.into_iter().map(item).collect())
            }
            PlainBlock::Table(table) => Part::Table(Table { has_head: table.has_head, rows: table.rows }),
        }
    }
}

/// The words of a message as parts of a document. Its own headings become paragraphs: the headings of the document are its messages.
pub fn parts_of_message(body: &CleanHtml, lang: Lang) -> Vec<Part> {
    let struck = |words: &str| lang.t1("paper-struck", "words", words);
    let part = |block: PlainBlock| match Part::from(block) {
        Part::Heading(text) => Part::Paragraph(text),
        part => part,
    };
    body.plain_blocks(&struck).into_iter().map(part).collect()
}

/// The content of an item in a reader's words.
pub fn parts_for(item: &Item, lang: Lang, settings: &Settings) -> Vec<Part> {
    parts(item, Reader { lang, zone: settings.zone() })
}

/// The characters of an item's words that the PDF of it cannot show, each once, though not all; empty if it shows all.
pub fn not_drawn(title: &str, parts: &[Part]) -> String {
    fn texts(part: &Part) -> Vec<&str> {
        match part {
            Part::Heading(text) | Part::Paragraph(text) => vec![text],
            Part::Facts(rows) => rows.iter().flat_map(|row| [row.name.as_str(), &row.value]).collect(),
            Part::List(items) => items.iter().map(String::as_str).collect(),
            Part::Items(items) => items.iter().map(|item| item.text.as_str()).collect(),
            Part::Table(table) => table.rows.iter().flatten().map(String::as_str).collect(),
            Part::Results(results) => {
                let cells = results.rows.iter().flat_map(|row| row.cells.iter().chain([&row.note]));
                cells.map(String::as_str).collect()
            }
        }
    }
    pdf::not_drawn(std::iter::once(title).chain(parts.iter().flat_map(texts)))
}

fn parts(item: &Item, reader: Reader) -> Vec<Part> {
    item.body.blocks.iter().map(|block| reader.part(block)).collect()
}

impl Reader {
    fn part(self, block: &Block) -> Part {
        match block {
            Block::Heading { text } => Part::Heading(self.caption(text)),
            Block::Paragraph { text } => Part::Paragraph(text.clone()),
            Block::Facts { rows } => {
                let named =
                    |row: &super::item::Fact| Named { name: self.caption(&row.label), value: self.datum(&row.value) };
                Part::Facts(rows.iter().map(named).collect())
            }
            Block::List { items } => Part::List(items.clone()),
            Block::Results { rows } => Part::Results(Results {
                caption: self.lang.t("results").to_owned(),
                head: ["result-name", "result-value", "result-unit", "result-reference", "result-flag"]
                    .map(|key| self.lang.t(key).to_owned()),
                rows: rows.iter().map(|row| self.line(row)).collect(),
            }),
        }
    }

    fn line(self, row: &super::item::ResultRow) -> ResultLine {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let value = row.value.as_ref().map(|value| self.datum(value)).unwrap_or_default();
        // a state that is not final matters as much as the value
        let words = [
            row.flag.map(|flag| self.lang.t_of("flag", flag.as_str()).to_owned()),
            row.interpretation.as_ref().map(|words| self.datum(words)),
            row.status.clone().map(|status| self.datum(&super::item::Datum::Code(status))),
        ];
        let flag = words.into_iter().flatten().collect::<Vec<_>>().join("; ");
        let name = match &row.at {
            Some(at) => format!("{} ({})", row.name, self.datum(&super::item::Datum::When(at.clone()))),
            None => row.name.clone(),
        };
        ResultLine {
            cells: [name, value, text(&row.unit), text(&row.reference), flag],
            abnormal: row.flag.is_some_and(|flag| flag != super::item::Flag::Normal) || row.status.is_some(),
            note: text(&row.note),
        }
    }

    fn caption(self, caption: &Caption) -> String {
        match caption {
            Caption::Label(label) => self.lang.t_of("label", label.as_str()).to_owned(),
            Caption::Text(text) => text.clone(),
        }
    }
}
