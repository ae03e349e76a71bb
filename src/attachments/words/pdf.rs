//! The words of a PDF (ISO 32000-1), page by page: the text that is shown, in the order of drawing, and what was typed
//! into its form. Without the widths of the letters, the distance between two pieces is not known, so that
//! [`PERHAPS_APART`] stands between pieces of one line.

use super::PERHAPS_APART;
use super::reader::Found;
use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Encoding, Error, LoadOptions, Object, decode_text_string};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The largest stream that is read, in bytes when unpacked.
const LARGEST_STREAM: usize = 32 << 20;
/// After this time no further page is read.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most forms (pictures made of text and lines) that are read, and how deep they may be nested.
const FORMS: usize = 2_000;
const DEPTH: usize = 4;
/// A step to the right within a piece that may be a space, in thousandths of the font size.
const STEP: f32 = -150.0;

/// The words, about `most` bytes at the most.
pub fn read_text(bytes: &[u8], most: usize) -> Found {
    let begun = Instant::now();
    let options = LoadOptions { max_decompressed_size: Some(LARGEST_STREAM), ..LoadOptions::default() };
    let document = match Document::load_mem_with_options(bytes, options) {
        Ok(document) => document,
        Err(Error::InvalidPassword) => return Found::Locked,
        Err(_) => return Found::Broken,
    };
    if document.trailer.has(b"Encrypt") && document.encryption_state.is_none() {
        return Found::Locked;
    }
    let mut sheet = Sheet { document: &document, fonts: HashMap::new(), forms: 0, most, words: String::new() };
    sheet.typed();
    for page in document.page_iter() {
        if sheet.is_full() || begun.elapsed() > PATIENCE {
            break;
        }
        let Ok((own, inherited)) = document.get_page_resources(page) else { continue };
        let inherited = inherited.into_iter().filter_map(|id| document.get_dictionary(id).ok());
        let resources: Vec<&Dictionary> = own.into_iter().chain(inherited).collect();
        if let Ok(content) = document.get_page_content_with_limit(page, LARGEST_STREAM) {
            sheet.show(&content, &resources, 0);
        }
    }
    Found::Words(sheet.words)
}

struct Sheet<'a> {
    document: &'a Document,
    /// how each font's bytes are decoded, by the address of its dictionary; `None` where they cannot be decoded
    fonts: HashMap<*const Dictionary, Option<Encoding<'a>>>,
    forms: usize,
    most: usize,
    words: String,
}

/// Where the next piece is drawn.
struct Pen {
    line: f32,
    last: f32,
    moved: bool,
}

impl<'a> Sheet<'a> {
    fn is_full(&self) -> bool {
        self.words.len() >= self.most
    }

    /// Reads what was typed into fields and notes, and the document's title.
    fn typed(&mut self) {
        for object in self.document.objects.values() {
            let Ok(fields) = object.as_dict() else { continue };
            for key in [&b"V"[..], b"Contents", b"Title", b"Subject"] {
                if let Ok(text) = fields.get(key).and_then(decode_text_string)
                    && !self.is_full()
                {
                    self.words.push_str(&text);
                    self.words.push('\n');
                }
            }
        }
    }

    /// Reads the text that a page or a form shows.
    fn show(&mut self, content: &[u8], resources: &[&'a Dictionary], depth: usize) {
        let Ok(content) = Content::decode(content) else { return };
        let (mut pen, mut font) = (Pen { line: 0.0, last: 0.0, moved: false }, None);
        for Operation { operator, operands } in &content.operations {
            let number = |at: usize| operands.get(at).and_then(|o| o.as_float().ok()).unwrap_or_default();
            match operator.as_str() {
                "BT" => (pen.line, pen.moved) = (0.0, true),
                "cm" => pen.moved = true,
                "Td" | "TD" => (pen.line, pen.moved) = (pen.line + number(1), true),
                "Tm" => (pen.line, pen.moved) = (number(5), true),
                "T*" => self.words.push('\n'),
                "Tf" => {
                    let name = operands.first().and_then(|name| name.as_name().ok()).unwrap_or_default();
                    font = self.named(resources, b"Font", name).and_then(|object| object.as_dict().ok());
                }
                "Tj" | "TJ" | "'" | "\"" => {
                    if matches!(operator.as_str(), "'" | "\"") {
                        self.words.push('\n');
                    }
                    self.space(&mut pen);
                    if let Some(font) = font {
                        self.pieces(font, operands);
                    }
                }
                "Do" if depth < DEPTH && self.forms < FORMS => {
                    let name = operands.first().and_then(|name| name.as_name().ok()).unwrap_or_default();
                    self.form(self.named(resources, b"XObject", name), resources, depth);
                }
                _ => {}
            }
            if self.is_full() {
                return;
            }
        }
        self.words.push('\n');
    }

    /// Separates the next piece from the last one.
    fn space(&mut self, pen: &mut Pen) {
        if std::mem::take(&mut pen.moved) {
            let same = (pen.line - pen.last).abs() < 0.5;
            self.words.push(if same { PERHAPS_APART } else { '\n' });
        }
        pen.last = pen.line;
    }

    fn pieces(&mut self, font: &'a Dictionary, operands: &[Object]) {
        for operand in operands {
            match operand {
                Object::String(bytes, _) => self.piece(font, bytes),
                Object::Array(parts) => {
                    for part in parts {
                        match part {
                            Object::String(bytes, _) => self.piece(font, bytes),
                            other if other.as_float().is_ok_and(|step| step < STEP) => self.words.push(PERHAPS_APART),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn piece(&mut self, font: &'a Dictionary, bytes: &[u8]) {
        let document = self.document;
        let encoding = self
            .fonts
            .entry(std::ptr::from_ref(font))
            .or_insert_with(|| font.get_font_encoding_with_limit(document, LARGEST_STREAM).ok());
        if let Some(text) = encoding.as_ref().and_then(|encoding| Document::decode_text(encoding, bytes).ok()) {
            self.words.push_str(&text);
        }
    }

    fn form(&mut self, form: Option<&'a Object>, outer: &[&'a Dictionary], depth: usize) {
        let Some(stream) = form.and_then(|object| object.as_stream().ok()) else { return };
        if !stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Form") {
            return;
        }
        self.forms += 1;
        let Ok(content) = stream.get_plain_content_with_limit(LARGEST_STREAM) else { return };
        let own = self.document.get_dict_in_dict(&stream.dict, b"Resources").ok();
        let resources: Vec<&Dictionary> = own.into_iter().chain(outer.iter().copied()).collect();
        self.show(&content, &resources, depth + 1);
    }

    /// A font or a form by its name in the first of the resources that has it.
    fn named(&self, resources: &[&'a Dictionary], kind: &[u8], name: &[u8]) -> Option<&'a Object> {
        let document = self.document;
        let all = resources.iter().filter_map(|one| document.get_dict_in_dict(one, kind).ok());
        let found = all.filter_map(|named| named.get(name).ok()).next()?;
        document.dereference(found).ok().map(|(_, object)| object)
    }
}
