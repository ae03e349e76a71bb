//! Builds the body of an item: cleans every text and leaves out what is empty.

use super::types::{clean, non_empty};
use crate::chart::item::{Block, Caption, Datum, Fact, ItemBody, Label, ResultRow};

/// A row: its name, in the record's words or as a label, and its value.
pub(super) type Row = (Caption, Option<Datum>);

/// A body that is being built. Facts that follow each other share one block.
#[derive(Debug, Default)]
pub(super) struct Body {
    blocks: Vec<Block>,
}

impl Body {
    /// Adds a row under a label.
    pub fn fact(&mut self, label: Label, value: Option<Datum>) {
        self.row(Caption::Label(label), value);
    }

    /// Adds a row of text.
    pub fn text(&mut self, label: Label, value: Option<String>) {
        self.fact(label, value.map(Datum::Text));
    }

    /// Adds a row of texts, joined by semicolons.
    pub fn texts(&mut self, label: Label, values: Vec<String>) {
        self.text(label, non_empty(&values.join("; ")));
    }

    /// Adds a row with a code of the standard.
    pub fn code(&mut self, label: Label, value: Option<&String>) {
        self.fact(label, value.cloned().map(Datum::Code));
    }

    /// Adds a row under any caption, if it has a value.
    pub fn row(&mut self, label: Caption, value: Option<Datum>) {
        let Some(value) = value.and_then(cleaned) else { return };
        let label = match label {
            Caption::Text(text) => Caption::Text(clean(&text)),
            label @ Caption::Label(_) => label,
        };
        let fact = Fact { label, value };
        match self.blocks.last_mut() {
            Some(Block::Facts { rows }) => rows.push(fact),
            _ => self.blocks.push(Block::Facts { rows: vec![fact] }),
        }
    }

    /// Adds a heading in the record's words.
    pub fn heading(&mut self, text: &str) {
        if let Some(text) = non_empty(text) {
            self.blocks.push(Block::Heading { text: Caption::Text(text) });
        }
    }

    /// Adds a text without a heading.
    pub fn paragraph(&mut self, text: Option<&String>) {
        if let Some(text) = text.and_then(|text| non_empty(text)) {
            self.blocks.push(Block::Paragraph { text });
        }
    }

    /// Adds a heading and texts below it; nothing where there is no text.
    pub fn paragraphs(&mut self, label: Label, texts: Vec<String>) {
        let texts: Vec<String> = texts.iter().filter_map(|text| non_empty(text)).collect();
        if !texts.is_empty() {
            self.label(label);
            self.blocks.extend(texts.into_iter().map(|text| Block::Paragraph { text }));
        }
    }

    /// Adds a heading and a list below it; nothing where the list is empty.
    pub fn list(&mut self, label: Label, items: Vec<String>) {
        let items: Vec<String> = items.iter().filter_map(|text| non_empty(text)).collect();
        if !items.is_empty() {
            self.label(label);
            self.blocks.push(Block::List { items });
        }
    }

    /// Adds a heading and rows below it, also rows without a value; nothing where there are no rows.
    pub fn rows(&mut self, label: Label, rows: Vec<Row>) {
        let rows: Vec<Fact> = rows
            .into_iter()
            .filter_map(|(label, value)| {
                let value = value.and_then(cleaned).unwrap_or(Datum::Text(String::new()));
                let label = match label {
                    Caption::Text(name) => Caption::Text(non_empty(&name)?),
                    label @ Caption::Label(_) => label,
                };
                Some(Fact { label, value })
            })
            .collect();
        if !rows.is_empty() {
            self.label(label);
            self.blocks.push(Block::Facts { rows });
        }
    }

    /// Adds results, under a heading if they stand among other things.
    pub fn results(&mut self, label: Option<Label>, rows: Vec<ResultRow>) {
        let rows: Vec<ResultRow> = rows
            .into_iter()
            .map(|row| {
                let text = |text: Option<String>| text.and_then(|text| non_empty(&text));
                ResultRow {
                    name: clean(&row.name),
                    value: row.value.and_then(cleaned),
                    unit: text(row.unit),
                    reference: text(row.reference),
                    flag: row.flag,
                    interpretation: row.interpretation.and_then(cleaned),
                    status: text(row.status),
                    at: row.at,
                    note: text(row.note),
                }
            })
            .collect();
        if !rows.is_empty() {
            if let Some(label) = label {
                self.label(label);
            }
            self.blocks.push(Block::Results { rows });
        }
    }

    pub fn finish(self) -> ItemBody {
        ItemBody { blocks: self.blocks }
    }

    fn label(&mut self, label: Label) {
        self.blocks.push(Block::Heading { text: Caption::Label(label) });
    }
}

fn cleaned(value: Datum) -> Option<Datum> {
    Some(match value {
        Datum::Text(text) => Datum::Text(non_empty(&text)?),
        Datum::Number(text) => Datum::Number(non_empty(&text)?),
        Datum::Code(text) => Datum::Code(non_empty(&text)?),
        Datum::Parts(parts) => Datum::all(parts.into_iter().filter_map(cleaned).collect())?,
        other => other,
    })
}
