//! Which patients files name, read from PDFs of several makers, texts and file names; and files that are made to harm
//! their reader.

use super::another_patient::person;
use super::samples;
use super::uploads::{Got, post_form, upload};
use crate::on_both;
use crate::support::app::{Actor, App, On};
use crate::support::world::Like;
use krilla::geom::Point;
use krilla::page::PageSettings;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, EncryptionState, EncryptionVersion, Object, Permissions, Stream, dictionary};
use postern::access::Role;
use postern::db::PatientId;
use postern::delivery::Delivery;
use reqwest::multipart::{Form, Part};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

on_both!(words_of_every_kind_are_read, any_text_is_taken, what_was_not_read_says_so);

const ZOE: &str = "Zoé O'Connell-Ruel";
const JEAN: &str = "Jean-François Côté";

/// A clinic with a patient to write to, two other patients, and one who cannot be told from the first.
async fn clinic(app: &App) -> (Actor, PatientId) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    person(app, ("Zoé", "O'Connell-Ruel"), "1948-08-01", "1234-567-890", 3).await;
    person(app, ("Jean-François", "Côté"), "1960-12-09", "COTJ 6012 0912", 4).await;
    person(app, ("María", "Mejía"), "1951-03-04", "943 476 5919", 5).await;
    (owner, patient)
}

/// A page of pieces of text at given places, as programs write that print.
fn drawn(pieces: &[(f32, f32, &str)]) -> Vec<u8> {
    let face: &'static [u8] = include_bytes!("../../../src/chart/document/fonts/DejaVuSansCondensed.ttf");
    let mut document = krilla::Document::new();
    let mut page = document.start_page_with(PageSettings::from_wh(612.0, 792.0).unwrap());
    let mut surface = page.surface();
    let reading = skrifa::FontRef::new(face).unwrap();
    let (letters, widths) = (reading.charmap(), reading.glyph_metrics(Size::new(1.0), LocationRef::default()));
    for (x, y, text) in pieces {
        let font = Font::new(face.into(), 0).unwrap();
        let glyph = |(at, c): (usize, char)| {
            // a letter that the font lacks is drawn as an empty box, and is still text
            let glyph = letters.map(c).unwrap_or_default();
            let wide = widths.advance_width(glyph).unwrap_or_default();
            KrillaGlyph::new(GlyphId::new(glyph.to_u32()), wide, 0.0, 0.0, 0.0, at..at + c.len_utf8(), None)
        };
        let glyphs: Vec<KrillaGlyph> = text.char_indices().map(glyph).collect();
        surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, font, text, 11.0, false);
    }
    surface.finish();
    page.finish();
    document.finish().unwrap()
}

/// A document of one page with this content, in Helvetica, directly or in a form XObject.
fn plain(content: Vec<u8>, in_form: bool) -> Document {
    let mut document = Document::with_version("1.5");
    let pages = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let fonts = dictionary! { "Font" => dictionary! { "F1" => font } };
    let (content, resources) = if in_form {
        let kind = dictionary! { "Type" => "XObject", "Subtype" => "Form", "Resources" => fonts };
        let form = document.add_object(Stream::new(kind, content));
        (b"q /X1 Do Q".to_vec(), dictionary! { "XObject" => dictionary! { "X1" => form } })
    } else {
        (content, fonts)
    };
    let mut stream = Stream::new(Dictionary::new(), content);
    stream.compress().unwrap();
    let content = document.add_object(stream);
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    document.objects.insert(pages, Object::Dictionary(tree));
    let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", root);
    document
        .trailer
        .set("ID", vec![Object::string_literal("0123456789abcdef"), Object::string_literal("0123456789abcdef")]);
    document
}

fn saved(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// A PDF with words placed one by one on a line, and a table of kerned pieces.
fn word_by_word() -> Vec<u8> {
    let text = |text: &str| Object::string_literal(text);
    let mut operations = vec![
        Operation::new("BT", vec![]),
        Operation::new("Tf", vec!["F1".into(), 11.into()]),
        Operation::new("Td", vec![50.into(), 700.into()]),
    ];
    for word in ["Patient", "OConnell", "Health", "Number"] {
        operations.push(Operation::new("Tj", vec![text(word)]));
        operations.push(Operation::new("Td", vec![70.into(), 0.into()]));
    }
    let kerned =
        vec![text("12"), 30.into(), text("34"), (-300).into(), text("56"), text("7"), (-300).into(), text("890")];
    operations.push(Operation::new("TJ", vec![Object::Array(kerned)]));
    operations.push(Operation::new("ET", vec![]));
    Content { operations }.encode().unwrap()
}

/// A ZIP package of these parts, compressed.
fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, part) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(part.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A DOCX of two paragraphs; the first is cut into runs in the middle of its words.
fn docx(first: &str, second: &str) -> Vec<u8> {
    let run = |text: &str| format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let runs: String = first.chars().map(|c| run(&c.to_string())).collect();
    let body = format!("<w:document><w:body><w:p>{runs}</w:p><w:p>{}</w:p></w:body></w:document>", run(second));
    package(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", &body)])
}

fn xlsx(text: &str, cell: &str) -> Vec<u8> {
    let main = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let book = format!(
        "<workbook {main} xmlns:r=\"{office}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let links = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{office}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    let styles = format!(
        "<styleSheet {main}><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
    );
    let sheet = format!(
        "<worksheet {main}><sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{text}</t></is></c>{cell}</row></sheetData></worksheet>"
    );
    let root = links
        .replace("/worksheet\"", "/officeDocument\"")
        .replace("worksheets/sheet1.xml", "xl/workbook.xml")
        .replace("Target=\"styles.xml\"", "Target=\"xl/styles.xml\"");
    package(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &root),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", &links),
        ("xl/styles.xml", &styles),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

fn odt(text: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><text:p>{text}</text:p></office:body></office:document-content>"
    );
    package(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &content)])
}

fn shown(text: &str) -> Vec<u8> {
    format!("BT /F1 11 Tf 50 700 Td ({text}) Tj ET").into_bytes()
}

fn encrypted(user: &str) -> Vec<u8> {
    let mut document = plain(shown("Health number 1234 567 890"), false);
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password: user,
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    saved(document)
}

/// The patient whom the answer to an upload says that the file names.
fn suspect(got: &Got) -> Option<&'static str> {
    assert_eq!(got.status, 200, "{}", got.text());
    let text = crate::support::html::Page::parse(&got.text());
    let found = [ZOE, JEAN].into_iter().find(|name| text.has_text(&format!("The file names {name}, born")));
    assert_eq!(found.is_some(), got.text().contains("for_this_patient"), "{}", got.text());
    found
}

async fn words_of_every_kind_are_read(app: App) {
    let (owner, patient) = clinic(&app).await;
    let utf16 = |text: &str| [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let pdf = |text: &str| saved(plain(shown(text), false));
    let cases: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        // numbers
        ("a.txt", b"HCN 1234567890, seen today".to_vec(), Some(ZOE)),
        ("a.txt", b"HCN: 1234 567 890 AB".to_vec(), Some(ZOE)),
        ("a.txt", b"1234-567-890-AB".to_vec(), Some(ZOE)),
        ("a.txt", b"1234567890AB".to_vec(), Some(ZOE)),
        ("a.txt", "cotj\u{a0}6012\u{2011}0912".into(), Some(JEAN)),
        ("a.txt", utf16("RAMQ COTJ60120912"), Some(JEAN)),
        ("a.csv", b"name;number\r\nx;\"1234 567 890\"\r\n".to_vec(), Some(ZOE)),
        ("cotj60120912_labs.txt", b"normal".to_vec(), Some(JEAN)),
        ("1234_567_890.png", samples::png(), Some(ZOE)),
        ("a.pdf", pdf("Health number 1234-567-890"), Some(ZOE)),
        ("a.pdf", drawn(&[(50.0, 50.0, "Health number"), (150.0, 50.0, "1234 567 890")]), Some(ZOE)),
        ("a.pdf", saved(plain(word_by_word(), false)), Some(ZOE)),
        ("a.pdf", saved(plain(shown("Health number 1234567890"), true)), Some(ZOE)),
        // names and dates of birth
        ("O'Connell-Ruel_Zoe_1948-08-01.png", samples::png(), Some(ZOE)),
        ("a.txt", "CÔTÉ, Jean-François, né le 9 décembre 1960".into(), Some(JEAN)),
        ("a.txt", latin("Jean-François Côté\r\nDDN 09/12/1960"), Some(JEAN)),
        ("a.txt", b"Cote Jean (12/09/1960)".to_vec(), Some(JEAN)),
        ("a.txt", b"Mr Jean Cote, December 9th, 1960".to_vec(), Some(JEAN)),
        ("a.txt", b"COTE JEAN 1960-DEC-09 M".to_vec(), Some(JEAN)),
        ("a.txt", "Zoé O’Connell Ruel, née le 1er août 1948".into(), Some(ZOE)),
        ("a.txt", b"ruel oconnell zoe 19480801".to_vec(), Some(ZOE)),
        // half of a double name, names without their punctuation, dates in other forms, and years of two figures
        ("a.txt", "Mme Zoé Ruel, 1948-08-01".into(), Some(ZOE)),
        ("a.txt", b"OConnell Zoe 01/08/48".to_vec(), Some(ZOE)),
        ("a.txt", b"COTE JeanFrancois 60-12-09".to_vec(), Some(JEAN)),
        ("a.txt", b"Cote, J. 60-12-09".to_vec(), None),
        ("a.txt", b"Zoe Connell, 1948-08-01".to_vec(), None),
        ("a.txt", b"HCN 1234.567.890".to_vec(), Some(ZOE)),
        ("a.txt", b"RAMQ COTJ.6012.0912".to_vec(), Some(JEAN)),
        // the other kinds of documents
        ("a.docx", docx("Patient C\u{f4}t\u{e9}, Jean", "1960-12-09"), Some(JEAN)),
        ("a.docx", docx("Health number 1234 567 890", "and more"), Some(ZOE)),
        ("a.docx", docx("nobody", "1960-12-09"), None),
        ("a.xlsx", xlsx("C\u{f4}t\u{e9} Jean", "<c r=\"B1\" s=\"1\"><v>22259</v></c>"), Some(JEAN)),
        ("a.xlsx", xlsx("number", "<c r=\"B1\"><v>1234567890</v></c>"), Some(ZOE)),
        ("a.xlsx", xlsx("number", "<c r=\"B1\"><v>1234567891</v></c>"), None),
        ("a.odt", odt("Zo\u{e9} O&#8217;Connell-<text:span>Ruel</text:span><text:s/>1948-08-01"), Some(ZOE)),
        (
            "a.rtf",
            br"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}C\'f4t\'e9, Jean-Fran\'e7ois\par 9 d\u233\'e9c. 1960}".to_vec(),
            Some(JEAN),
        ),
        ("a.rtf", br"{\rtf1\ansi {\*\hidden 1234567890} nothing}".to_vec(), None),
        ("a.txt", b"o'connell ruel, zoe 19480801".to_vec(), Some(ZOE)),
        (
            "a.pdf",
            drawn(&[(50.0, 50.0, "Côté"), (50.0, 90.0, "Jean-François"), (50.0, 130.0, "9 déc. 1960")]),
            Some(JEAN),
        ),
        // nobody else
        ("a.txt", "María Mejía, born 4 March 1951, 943 476 5919".into(), None),
        ("Mejia_Maria_1951-03-04_9434765919.txt", b"normal".to_vec(), None),
        ("a.pdf", drawn(&[(50.0, 50.0, "María Mejía 1951-03-04 943-476-5919")]), None),
        ("a.txt", b"Tel. (123) 456-7890, fax: 123 456 7890, or +1 123-456-7890".to_vec(), None),
        ("a.txt", b"Jean Cote was here on 10 December 1960".to_vec(), None),
        ("a.txt", b"Cote de Beaupre, 9 December 1960".to_vec(), None),
        ("a.txt", b"Jean Cote".to_vec(), None),
        ("a.txt", b"120 80 37 5 12345 67 89 2026-03-04 14:02".to_vec(), None),
        ("a.pdf", samples::pdf(), None),
        // a file that cannot be read is treated like others
        ("a.pdf", encrypted("secret"), None),
        ("a.pdf", encrypted(""), Some(ZOE)),
        ("1234567890.pdf", encrypted("secret"), Some(ZOE)),
        ("a.pdf", b"%PDF-1.7\nHealth number 1234567890 and nothing of a PDF".to_vec(), None),
        ("a.pdf", pdf("Health number 1234567890")[..300].to_vec(), None),
    ];
    for (at, (name, bytes, whom)) in cases.into_iter().enumerate() {
        let got = upload(&owner, patient, name, bytes).await;
        assert_eq!(suspect(&got), whom, "case {at}, {name}: {}", got.text());
    }
}

/// Where a file could not be searched the answer says so, and why; a picture has no words, and nothing is said.
async fn what_was_not_read_says_so(app: App) {
    let (owner, patient) = clinic(&app).await;
    for (name, bytes, said) in [
        ("a.pdf", encrypted("secret"), "opens with a password"),
        ("a.docx", samples::compound(3, &["EncryptedPackage", "EncryptionInfo"]), "opens with a password"),
        ("a.pdf", samples::pdf(), "No words could be read"),
        ("a.pdf", b"%PDF-1.7\nnothing of a PDF".to_vec(), "could not be searched"),
        ("a.docx", docx("", ""), "No words could be read"),
        ("a.doc", samples::compound(3, &["WordDocument"]), "could not be searched"),
    ] {
        let got = upload(&owner, patient, name, bytes).await;
        assert!(got.status == 200 && got.text().contains(said), "{name} {said}: {}", got.text());
    }
    for (name, bytes) in [("a.png", samples::png()), ("a.docx", docx("words", "")), ("a.txt", b"words".to_vec())] {
        let text = upload(&owner, patient, name, bytes).await.text();
        assert!(!text.contains("Check yourself"), "{name}: {text}");
    }
}

/// Ordinary texts with characters of several bytes are accepted, whomever they name, and nothing of a form is lost.
async fn any_text_is_taken(app: App) {
    let (owner, patient) = clinic(&app).await;
    let signs = ["👍👍👍", "────────────", "\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}", "，、。「」", "☐ ☑ ✓ → °C"];
    for sign in signs {
        for (name, bytes) in [
            ("note.txt", format!("Great {sign} news\n").into_bytes()),
            ("a.csv", format!("a,{sign}\r\n").into_bytes()),
            ("a.pdf", drawn(&[(50.0, 50.0, sign), (50.0, 90.0, "12"), (150.0, 90.0, sign)])),
        ] {
            assert_eq!(suspect(&upload(&owner, patient, name, bytes).await), None, "{name} {sign}");
        }
        let got = upload(&owner, patient, &format!("a{sign}b.txt"), format!("{sign} 1234 567 890 {sign}").into()).await;
        assert_eq!(suspect(&got), Some(ZOE), "{sign}");
    }
    // beside a refused file, the other files and the words of the form stay
    let form = Form::new()
        .text("title", "Kept title")
        .text("body", "kept words")
        .part("files", Part::bytes("Great 👍👍👍 news".as_bytes()).file_name("good.txt"))
        .part("files", Part::bytes(vec![0; 9]).file_name("bad.pdf"));
    let got = post_form(&owner, &format!("/patients/{patient}/messages/files"), form).await;
    let text = got.text();
    assert_eq!(got.status, 422, "{text}");
    assert!(["Kept title", "kept words", "good.txt", "bad.pdf"].iter().all(|word| text.contains(word)), "{text}");
}

/// A compressed stream of this many megabytes of zeros.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
    let mut piece = Vec::with_capacity(1 << 16);
    packer.compress_vec(&vec![0; 1 << 20], &mut piece, flate2::FlushCompress::Full).unwrap();
    [vec![0x78, 0x9c], piece.repeat(megabytes)].concat()
}

fn packed(kind: Dictionary, bytes: Vec<u8>) -> Stream {
    let mut stream = Stream::new(kind, bytes);
    stream.dict.set("Filter", "FlateDecode");
    stream
}

/// PDFs that decompress to four gigabytes: in the page, and in the other places with compressed streams.
fn bombs() -> Vec<Vec<u8>> {
    let bytes = bomb(4 << 10);
    let mut page = plain(shown("Health number 1234567890"), false);
    let content = page.objects.iter_mut().find_map(|(_, object)| object.as_stream_mut().ok()).unwrap();
    *content = packed(Dictionary::new(), bytes.clone());
    let mut form = plain(shown("x"), true);
    let shown = form.objects.iter_mut().filter_map(|(_, object)| object.as_stream_mut().ok());
    let shown = shown.filter(|stream| stream.dict.has(b"Subtype")).last().unwrap();
    *shown = packed(shown.dict.clone(), bytes.clone());
    let raw = |kind: &str| {
        let head = format!("%PDF-1.7\n1 0 obj\n<<{kind}/Length {}/Filter/FlateDecode>>stream\n", bytes.len());
        let tail = b"\nendstream endobj\nstartxref\n9\n%%EOF";
        [head.as_bytes(), &bytes, tail].concat()
    };
    let objects = raw("/Type/ObjStm/N 10/First 100");
    let table = raw("/Type/XRef/W[1 2 1]/Size 1000000000/Index[0 1000000000]/Root 1 0 R");
    vec![saved(page), saved(form), objects, table]
}

/// Files that are made to harm their reader are accepted soon, and meanwhile the clinic goes on working.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_pdf_harms_nobody() {
    // a program name of its own, to tell the reader from those of other tests
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("reads-hostile");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_postern"), &program).unwrap();
    let app = App::start_with_config(On::Sqlite, |config| config.files.reader = Some(program), Delivery::mailbox).await;
    let (owner, patient) = clinic(&app).await;
    let number = "Health number 1234567890";
    let long = [shown(number), shown(&"words and more words ".repeat(100)).repeat(1_000)].concat();
    let nested = [b"[".repeat(2_000_000), shown(number)].concat();
    // a page tree that contains itself, and forms that draw each other
    let mut circle = plain(shown(number), true);
    let forms: Vec<_> = circle.objects.iter().filter(|(_, o)| o.as_stream().is_ok()).map(|(id, _)| *id).collect();
    for id in &forms {
        let stream = circle.get_object_mut(*id).unwrap().as_stream_mut().unwrap();
        stream.set_plain_content(b"q /X1 Do Q /X1 Do /X1 Do /X1 Do /X1 Do /X1 Do".repeat(20).to_vec());
        stream.dict.set("Resources", dictionary! { "XObject" => dictionary! { "X1" => *id } });
    }
    let pages = circle.catalog().unwrap().get(b"Pages").unwrap().as_reference().unwrap();
    circle.get_dictionary_mut(pages).unwrap().set("Kids", vec![Object::Reference(pages); 50]);
    let deep = [b"%PDF-1.7\n1 0 obj\n".to_vec(), b"<</A".repeat(500_000), b"\ntrailer<</Root 1 0 R>>\n%%EOF".to_vec()]
        .concat();
    let mut all = vec![
        ("long", saved(plain(long, false)), Some(ZOE)),
        ("nested", saved(plain(nested, false)), None),
        ("circle", saved(circle), None),
        ("deep", deep, None),
    ];
    all.extend(bombs().into_iter().map(|bytes| ("bomb", bytes, None)));
    for (what, bytes, whom) in all {
        let (begun, name) = (Instant::now(), format!("{what}.pdf"));
        let mut sent = std::pin::pin!(upload(&owner, patient, &name, bytes));
        // others are served as usual
        let mut slowest = Duration::ZERO;
        let got = loop {
            tokio::select! {
                got = &mut sent => break got,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    let asked = Instant::now();
                    owner.get("/inbox").await.ok();
                    slowest = slowest.max(asked.elapsed());
                }
            }
        };
        assert_eq!(suspect(&got), whom, "{what}");
        assert!(begun.elapsed() < Duration::from_secs(40), "{what}: {:?}", begun.elapsed());
        assert!(slowest < Duration::from_secs(5), "{what}: {slowest:?}");
    }
    none_is_left("reads-hostile").await;
}

/// The reader's limits, as the kernel reports them while it waits for its file.
#[test]
fn a_reader_may_have_little() {
    let mut reader = Command::new(env!("CARGO_BIN_EXE_postern"));
    reader.arg(postern::attachments::READ_WORDS).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut reader = reader.spawn().unwrap();
    let limits = format!("/proc/{}/limits", reader.id());
    let has = |name: &str, most: &str| {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).eq([most, most])
    };
    let begun = Instant::now();
    let all = [
        ("Max address space", "536870912"),
        ("Max cpu time", "10"),
        ("Max core file size", "0"),
        ("Max open files", "3"),
    ];
    while !all.iter().all(|(name, most)| has(name, most)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", std::fs::read_to_string(&limits).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    // with a bomb it dies or says nothing, within these limits
    let mut input = reader.stdin.take().unwrap();
    let begun = Instant::now();
    // writing fails where the reader has died already
    let _ = input.write_all(&bombs()[0]);
    drop(input);
    let answer = reader.wait_with_output().unwrap();
    assert!(answer.stdout.iter().all(|b| b.is_ascii_whitespace() || *b == 0), "{} bytes", answer.stdout.len());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// Waits until this process has no child of this name, running or ended.
async fn none_is_left(name: &str) {
    let is_ours = |stat: String| {
        let (before, after) = stat.rsplit_once(") ").unwrap();
        let parent = after.split(' ').nth(1).unwrap();
        before.ends_with(&format!("({name}")) && parent == std::process::id().to_string()
    };
    let begun = Instant::now();
    loop {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let stat = entry.unwrap().path().join("stat");
            // a process that ends meanwhile does not count
            std::fs::read_to_string(stat).ok()
        });
        let left: Vec<String> = all.filter(|stat| !stat.is_empty() && is_ours(stat.clone())).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{left:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where the reader is missing, dies, hangs, or answers something else, the file is accepted, only its name is checked,
/// and no process is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_the_reader_files_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        path
    };
    let (half, stopped) = ("printf 'Health number 1234567890'", "kill -STOP $$");
    let cases = [
        ("is-away", folder.path().join("nowhere")),
        ("is-killed", program("is-killed", "kill -KILL $$")),
        ("fails", program("fails", "exit 1")),
        ("says-half", program("says-half", &format!("cat >/dev/null; {half}"))),
        ("says-no-end", program("says-no-end", "cat >/dev/null; while :; do echo words; done")),
        ("is-stopped", program("is-stopped", stopped)),
        ("is-dropped", program("is-dropped", stopped)),
    ];
    for (name, program) in cases {
        let configured =
            App::start_with_config(On::Sqlite, |config| config.files.reader = Some(program), Delivery::mailbox);
        let app = configured.await;
        let (owner, patient) = clinic(&app).await;
        let pdf = drawn(&[(50.0, 50.0, "1234567890")]);
        if name == "is-dropped" {
            // the sender ends the connection
            let form = Form::new().part("files", Part::bytes(pdf).file_name("a.pdf"));
            let request = owner.http.post(format!("{}/patients/{patient}/uploads", owner.origin)).multipart(form);
            let request = request.header("origin", &owner.origin).header("x-whose", owner.whose("/patients").await);
            let sent = request.timeout(Duration::from_secs(2)).send().await;
            assert!(sent.unwrap_err().is_timeout());
        } else {
            let got = upload(&owner, patient, "a.pdf", pdf.clone()).await;
            assert_eq!(suspect(&got), None, "{name}");
            assert!(got.text().contains("could not be searched"), "{name}: {}", got.text());
            assert_eq!(suspect(&upload(&owner, patient, "1234567890.pdf", pdf).await), Some(ZOE), "{name}");
        }
        none_is_left(name).await;
    }
}
