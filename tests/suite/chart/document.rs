//! A chart item as a document of its own: as a page, and as a PDF that another maker's reader can read.

use postern::chart::document::{Document, Named, Part, ResultLine, Results, content_security_policy};
use postern::chart::import::fhir::{ImportOptions, read_bundle};
use postern::chart::{Block, Caption, Datum, Flag, Item, ItemBody, ItemKind, ItemRow, ItemState, Label, ResultRow};
use postern::db::{ChartItemId, PatientId};
use postern::patients::{Demographics, Method, Patient};
use postern::settings::Settings;
use postern::text::Lang;
use postern::values::BirthDate;
use sha2::{Digest, Sha256};
use std::process::{Command, Stdio};

fn patient() -> Patient {
    Patient {
        id: PatientId(1),
        demographics: Demographics {
            given_name: "María Luisa".into(),
            family_name: "Mejía".into(),
            preferred_name: None,
            birth_date: BirthDate::parse("1951-03-04").unwrap(),
            health_number: Some("943 476 5919".into()),
            email: None,
            phone: None,
            language: "fr".into(),
            method: Method::Email,
        },
        portal_access: true,
        archived_at: None,
        archive_reason: None,
        archived_by: None,
        merged_into: None,
        confirmed_email: None,
        confirmed_phone: None,
    }
}

pub fn clinic() -> Settings {
    Settings {
        name: "Riverside Clinic".into(),
        phone: "+1 613 555 0142".into(),
        address: "12 River Road\nOttawa ON  K1A 0B1".into(),
        time_zone: "America/Toronto".into(),
        language: "en".into(),
        emergency_text: String::new(),
        closing_text: String::new(),
        portal_longest_hours: 12,
        passcodes_a_day: 20,
        portal_identifiers: String::new(),
        portal_names: false,
        logo: String::new(),
        background: String::new(),
        portal_on: true,
        portal_for_new_patients: true,
        replies_by_default: true,
        portal_idle_minutes: 15,
        portal_stay_days: 0,
        ..Settings::default()
    }
}

fn result(name: &str, value: &str, unit: &str, reference: &str, flag: Option<Flag>) -> ResultRow {
    ResultRow {
        name: name.into(),
        value: Some(Datum::Number(value.into())),
        unit: Some(unit.into()),
        reference: (!reference.is_empty()).then(|| reference.into()),
        flag,
        ..ResultRow::default()
    }
}

fn report() -> Item {
    let noted = ResultRow {
        note: Some("Taken after a meal.".into()),
        ..result("Glucose", "5.1", "mmol/L", "3.6 – 6.0", None)
    };
    let blocks = vec![
        Block::Facts {
            rows: vec![
                postern::chart::item::Fact { label: Caption::Label(Label::Status), value: Datum::Code("final".into()) },
                postern::chart::item::Fact {
                    label: Caption::Label(Label::Issued),
                    value: Datum::When("2026-02-01T15:30:00Z".into()),
                },
            ],
        },
        Block::Results {
            rows: vec![
                result("Cholesterol in LDL", "4.81730001", "mmol/L", "≤ 3.4", Some(Flag::High)),
                result("Sodium", "140", "mmol/L", "135 – 145", Some(Flag::Normal)),
                noted,
            ],
        },
        Block::Heading { text: Caption::Label(Label::Conclusion) },
        Block::Paragraph { text: "LDL is high.\nPlease come in <soon> & bring \"this\".".into() },
        Block::List { items: vec!["Less butter".into(), "More walks".into()] },
    ];
    item("Lipid panel", blocks)
}

pub fn item(title: &str, blocks: Vec<Block>) -> Item {
    let row = ItemRow {
        id: ChartItemId(7),
        kind: ItemKind::LabResult,
        occurred_at: time::macros::datetime!(2026-02-01 15:00 UTC).into(),
        title: title.into(),
        author: Some("Dr. Élodie Tremblay".into()),
        state: ItemState::Current,
        state_at: None,
        status: None,
        date_only: None,
        sort: None,
    };
    Item { row, body: ItemBody { blocks } }
}

pub fn document(item: &Item, lang: &str) -> Document {
    Document::from_item(item, &patient(), &clinic(), Lang::find(lang).unwrap())
}

/// What a tool of poppler (another maker's reader) says about a file.
pub fn poppler(tool: &str, arguments: &[&str], pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pdf");
    std::fs::write(&file, pdf).unwrap();
    let mut command = Command::new(tool);
    command.args(arguments).arg(&file).stdin(Stdio::null());
    if tool == "pdftotext" {
        command.arg("-");
    }
    let output = command.output().unwrap_or_else(|e| panic!("{tool} (Debian: poppler-utils): {e}"));
    // poppler 22 expects another type there than ISO 32000-1 §14.7.1, Table 321, says
    let complaints =
        String::from_utf8_lossy(&output.stderr).replace("Syntax Error: Suspects object is wrong type (boolean)\n", "");
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    // pdfinfo -struct-text cuts words after so many bytes, also within a letter
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_document_says_whose_it_is_of_when_and_what_is_abnormal_in_words() {
    let document = document(&report(), "en");
    let html = document.html().unwrap();
    let page = crate::support::html::Page::parse(&html);
    for words in [
        "Riverside Clinic",
        "12 River Road",
        "+1 613 555 0142",
        "María Luisa Mejía",
        "4 March 1951",
        "943 476 5919",
        "Lab result",
        "1 February 2026",
        "Dr. Élodie Tremblay",
        "4.8173 mmol/L ≤ 3.4 High",
        "Normal",
        "Taken after a meal.",
        "Final",
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    // the time of the record, in the clinic's time zone
    assert!(page.has_text("1 February 2026") && page.has_text("10:30"), "{}", page.text());
    assert_eq!(page.texts_of("tr.abnormal th"), ["Cholesterol in LDL"]);
    let french = self::document(&report(), "fr");
    let page = crate::support::html::Page::parse(&french.html().unwrap());
    assert!(page.has_text("Élevé") && page.has_text("1 février 2026") && page.has_text("Cholesterol in LDL"));
}

#[test]
fn the_page_needs_nothing_else_and_its_policy_knows_its_style() {
    let html = document(&report(), "en").html().unwrap();
    for outside in ["http:", "https:", "src=", "@import", "url(", "<script", "style=\"", " onclick"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = data_encoding::BASE64.encode(&Sha256::digest(style));
    assert!(content_security_policy().contains(&format!("style-src 'sha256-{hash}'")));
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{}", &html[..60]);
    // markup in the record stays text
    assert!(html.contains("&#60;soon&#62; &#38;"), "{html}");
}

#[test]
fn a_document_can_be_kept() {
    let document = document(&report(), "en");
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
}

#[test]
fn the_pdf_is_tagged_and_read_by_another_makers_reader() {
    let document = document(&report(), "fr");
    let pdf = document.pdf().unwrap();
    assert_eq!(pdf, document.pdf().unwrap(), "the same document is the same file");
    let info = poppler("pdfinfo", &[], &pdf);
    let says = |line: &str| info.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == line);
    assert!(says("Title: Lipid panel") && says("Tagged: yes") && says("Pages: 1") && says("JavaScript: no"), "{info}");
    assert!(says("Encrypted: no") && says("Page size: 612 x 792 pts (letter)"), "{info}");
    let meta = poppler("pdfinfo", &["-meta"], &pdf);
    assert!(meta.contains("pdfuaid:part") && meta.contains("fr"), "{meta}");
    assert!(find(&pdf, b"/Lang"), "no language");

    let structure = poppler("pdfinfo", &["-struct-text"], &pdf);
    let tags: Vec<&str> = structure.lines().map(str::trim).filter(|line| !line.starts_with('"')).collect();
    for tag in ["H1", "H2", "Table", "THead", "TBody", "TR", "TH", "TD", "Caption", "L", "LI", "Lbl", "LBody", "P"] {
        let there = tags.iter().any(|line| line.split([' ', ':']).next() == Some(tag));
        assert!(there, "no {tag} in {structure}");
    }
    // each row of the table has five cells, including the empty ones
    let rows = structure.split("\n").filter(|line| line.trim() == "TR" || line.trim().starts_with("TR ")).count();
    let cells = tags.iter().filter(|l| matches!(l.split([' ', ':']).next(), Some("TD" | "TH"))).count();
    assert_eq!((rows, cells), (4, 20), "{structure}");

    let text = poppler("pdftotext", &["-layout"], &pdf);
    for words in [
        "Riverside Clinic",
        "María Luisa Mejía",
        "4 mars 1951",
        "Lipid panel",
        "4.8173",
        "≤ 3.4",
        "Élevé",
        "Less butter",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains("Page 1 sur 1"), "{text}");
}

fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn long_documents_break_over_pages_with_the_head_of_the_table_again() {
    let rows: Vec<ResultRow> = (0..120)
        .map(|n| result(&format!("Analyte number {n} with a rather long name for its column"), "1", "u", "", None))
        .collect();
    let words = "antidisestablishmentarianism ".repeat(900);
    let unbroken = "x".repeat(3000);
    let blocks = vec![
        Block::Results { rows },
        Block::Paragraph { text: words },
        Block::Paragraph { text: unbroken.clone() },
        Block::Facts {
            rows: vec![postern::chart::item::Fact {
                label: Caption::Text("y".repeat(300)),
                value: Datum::Text("z".into()),
            }],
        },
    ];
    let pdf = document(&item("Long", blocks), "en").pdf().unwrap();
    let info = poppler("pdfinfo", &[], &pdf);
    let pages: usize = info.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap().trim().parse().unwrap();
    assert!((8..40).contains(&pages), "{pages}");
    let first = poppler("pdftotext", &["-f", "2", "-l", "2", "-layout"], &pdf);
    assert!(first.trim_start().starts_with("Test") && first.contains("Page 2 of"), "{first}");
    // the heading is drawn again on each page, but is in the structure once
    let structure = poppler("pdfinfo", &["-struct-text"], &pdf);
    assert_eq!(structure.matches("\"Remark\"").count(), 1);
    let whole: String = poppler("pdftotext", &["-raw"], &pdf);
    assert_eq!(whole.matches("antidisestablishmentarianism").count(), 900);
    assert_eq!(whole.matches('x').count(), unbroken.len());
    assert!((0..120).all(|n| whole.contains(&format!("Analyte number {n} "))));
}

#[test]
fn what_the_fonts_lack_is_a_box_with_its_real_text_beside_it() {
    let title = "山田 \u{feff}e\u{301}te\u{301} \u{202e}💊 ﷽ \u{0}\u{7} ≥ µg → β";
    let blocks =
        vec![Block::Paragraph { text: "山田太郎\n\n\t☃\u{200b}".into() }, Block::Paragraph { text: String::new() }];
    let pdf = document(&item(title, blocks), "en").pdf().unwrap();
    let text = poppler("pdftotext", &["-raw"], &pdf);
    assert!(text.contains("été") && text.contains("≥ µg → β"), "{text}");
    assert!(text.contains("山田太郎"), "{text}");
}

/// An item of any demo chart becomes a PDF that another reader can read.
#[test]
fn items_of_each_demo_chart_become_a_pdf() {
    let options =
        ImportOptions { default_calling_code: "1".into(), today: time::macros::date!(2026 - 03 - 04), source: None };
    let mut count = 0;
    for (_, json) in crate::support::demo::charts() {
        for chart in read_bundle(&*json).unwrap().charts(&options).charts {
            // only every fifth item, because each takes a while without optimisation
            for imported in chart.items.into_iter().step_by(5) {
                let item = item(&imported.title, imported.body.blocks);
                let pdf = document(&item, if count % 2 == 0 { "en" } else { "fr" }).pdf().unwrap();
                count += 1;
                if count % 10 == 0 {
                    let text = poppler("pdftotext", &[], &pdf).split_whitespace().collect::<String>();
                    let title: String = imported.title.split_whitespace().collect();
                    assert!(text.contains(&title), "{title}");
                }
            }
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn the_fonts_carry_their_licence() {
    let licence = include_str!("../../../src/chart/document/fonts/LICENSE.txt");
    assert!(licence.contains("Bitstream Vera is a trademark") && licence.contains("Permission is hereby granted"));
    let noto = include_str!("../../../src/chart/document/fonts/NotoSans.LICENSE.txt");
    assert!(noto.contains("SIL Open Font License") && noto.contains("Google"));
    let droid = include_str!("../../../src/chart/document/fonts/DroidSansFallback.LICENSE.txt");
    assert!(droid.contains("Apache License") && droid.contains("Android"));
}

#[test]
fn odd_documents_are_written_too() {
    let empty = Document {
        lang: "xx".into(),
        clinic: vec![],
        patient: vec![],
        title: String::new(),
        about: vec![],
        parts: vec![],
    };
    assert!(empty.pdf().unwrap().starts_with(b"%PDF-"));
    let named = |name: &str| Named { name: name.into(), value: String::new() };
    let results = Results {
        caption: String::new(),
        head: std::array::from_fn(|_| String::new()),
        rows: vec![ResultLine {
            cells: std::array::from_fn(|_| "\n\n".into()),
            abnormal: true,
            note: "n\n".repeat(300),
        }],
    };
    let parts =
        vec![Part::Heading(String::new()), Part::List(vec![]), Part::Facts(vec![named("")]), Part::Results(results)];
    let odd = Document { title: "\u{202e}\n\t".into(), parts, ..empty };
    let pdf = odd.pdf().unwrap();
    poppler("pdfinfo", &["-struct-text"], &pdf);
}
