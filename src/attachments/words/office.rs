//! The words of packages of Office Open XML (ECMA-376) and OpenDocument (ISO/IEC 26300): of every part that shows some,
//! a paragraph or a cell a line. A workbook's numbers and dates are written as people read them.

use calamine::{Data, Reader as _};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;
use std::io::{BufReader, Cursor, Read};
use zip::ZipArchive;

/// The largest part that is read, in bytes when unpacked.
const LARGEST_PART: u64 = 32 << 20;
/// The most parts that are read.
const PARTS: usize = 2_000;

/// The words, about `most` bytes at the most; `None` where the file is no package that can be read.
pub fn read_text(bytes: &[u8], most: usize) -> Option<String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).take(PARTS).collect();
    let mut words = String::new();
    if names.iter().any(|name| name == "xl/workbook.xml") {
        sheets(bytes, most, &mut words)?;
    }
    for name in names.iter().filter(|name| shows(name)) {
        if words.len() >= most {
            break;
        }
        if let Ok(part) = zip.by_name(name) {
            read_part(BufReader::new(part.take(LARGEST_PART)), most, &mut words);
            words.push('\n');
        }
    }
    Some(words)
}

/// Whether a part shows words: the text, what stands above, below and beside it, slides and their notes, and the title.
fn shows(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".xml") else { return false };
    let words = ["document", "header", "footer", "footnotes", "endnotes", "comments"];
    let in_words = |part: &str| words.iter().any(|word| part.starts_with(word)) && !part.contains('/');
    let slides = ["ppt/slides/slide", "ppt/notesSlides/", "ppt/comments/", "xl/drawings/drawing", "xl/comments"];
    name.strip_prefix("word/").is_some_and(in_words)
        || slides.iter().any(|place| name.starts_with(place))
        || ["content", "styles", "meta", "docProps/core"].contains(&name)
}

/// The texts of one part. A word that is split into runs is joined again: only the end of a paragraph separates words.
fn read_part(from: impl std::io::BufRead, most: usize, words: &mut String) {
    let mut reader = Reader::from_reader(from);
    reader.config_mut().check_end_names = false;
    let mut buffer = Vec::new();
    // deleted text and the codes of fields are not shown
    let mut hidden = 0usize;
    while words.len() < most {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) | Err(_) => return,
            Ok(Event::Text(text)) if hidden == 0 => words.push_str(&text.xml10_content()),
            Ok(Event::CData(text)) if hidden == 0 => words.push_str(&text.xml10_content()),
            Ok(Event::GeneralRef(name)) if hidden == 0 => words.extend(meant(&name)),
            Ok(Event::Start(tag)) => match tag.local_name().into_inner() {
                "delText" | "instrText" => hidden += 1,
                one => words.push_str(stands_for(one)),
            },
            Ok(Event::Empty(tag)) => words.push_str(stands_for(tag.local_name().into_inner())),
            Ok(Event::End(tag)) => match tag.local_name().into_inner() {
                "delText" | "instrText" => hidden = hidden.saturating_sub(1),
                // paragraphs, headings, cells, and the fields of the title
                "p" | "h" | "tc" | "table-cell" | "title" | "subject" | "description" | "keywords" | "creator" => {
                    words.push('\n');
                }
                _ => {}
            },
            Ok(_) => {}
        }
    }
}

/// The character that an element without words stands for.
fn stands_for(element: &str) -> &'static str {
    match element {
        "tab" | "ptab" => "\t",
        "br" | "cr" | "line-break" => "\n",
        "s" => " ",
        "noBreakHyphen" => "-",
        _ => "",
    }
}

fn meant(name: &BytesRef) -> Option<char> {
    match name.resolve_char_ref() {
        Ok(Some(c)) => Some(c),
        _ => resolve_predefined_entity(name).and_then(|text| text.chars().next()),
    }
}

/// Reads cell by cell: a health number may be stored as a number, a date of birth as days since 1900 shown as a date.
fn sheets(bytes: &[u8], most: usize, words: &mut String) -> Option<()> {
    let mut book = calamine::Xlsx::new(Cursor::new(bytes)).ok()?;
    for name in book.sheet_names().to_owned() {
        words.push_str(&name);
        words.push('\n');
        let Ok(range) = book.worksheet_range(&name) else { continue };
        for row in range.rows() {
            for cell in row {
                if words.len() >= most {
                    return Some(());
                }
                match cell {
                    Data::Empty | Data::Error(_) | Data::Bool(_) => continue,
                    Data::DateTime(at) => {
                        let (year, month, day, ..) = at.to_ymd_hms_milli();
                        words.push_str(&format!("{year:04}-{month:02}-{day:02}"));
                    }
                    other => words.push_str(&other.to_string()),
                }
                words.push('\t');
            }
            words.push('\n');
        }
    }
    Some(())
}
