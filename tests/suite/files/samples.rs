//! Small real files of each kind that may be attached, and files that are not what their name says.

pub fn pdf() -> Vec<u8> {
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
      3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
        .to_vec()
}

pub fn png() -> Vec<u8> {
    let text = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    data_encoding::BASE64.decode(text.as_bytes()).unwrap()
}

fn gif() -> Vec<u8> {
    data_encoding::BASE64.decode(b"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7").unwrap()
}

/// A ZIP archive of stored files, by PKWARE's APPNOTE.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let at = out.len() as u32;
        let size = (content.len() as u32).to_le_bytes();
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        list.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, at) = ((files.len() as u16).to_le_bytes(), out.len() as u32);
    let end =
        [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &(list.len() as u32).to_le_bytes(), &at.to_le_bytes(), &[0, 0]];
    out.extend(list);
    out.extend(end.concat());
    out
}

fn office(folder: &str) -> Vec<u8> {
    zip(&[("[Content_Types].xml", b"<Types/>"), (&format!("{folder}/document.xml"), b"<x/>")])
}

fn open_document(kind: &str) -> Vec<u8> {
    let kind = format!("application/vnd.oasis.opendocument.{kind}");
    zip(&[("mimetype", kind.as_bytes()), ("content.xml", b"<x/>")])
}

/// An OpenDocument file from a program that puts the type last and compresses it.
fn open_document_packed(kind: &str) -> Vec<u8> {
    let kind = format!("application/vnd.oasis.opendocument.{kind}");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("content.xml", "<x/>"), ("META-INF/manifest.xml", "<x/>"), ("mimetype", &kind)] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A compound file ([MS-CFB]) with these streams in its directory, which begins after `before` sectors.
pub fn compound(before: u32, streams: &[&str]) -> Vec<u8> {
    let mut file = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    file.resize(512, 0);
    file[30] = 9;
    file[48..52].copy_from_slice(&before.to_le_bytes());
    file.resize(512 * (before as usize + 1), 0);
    for name in [&["Root Entry"], streams].concat() {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = entry.len() as u8 + 2;
        entry.resize(128, 0);
        entry[64] = length;
        file.extend(entry);
    }
    file.resize(file.len() + 4096, 0);
    file
}

/// Frames of MPEG-2 layer III, 22.05 kHz and 64 kbit/s.
fn low_mp3() -> Vec<u8> {
    let mut frame = vec![0xff, 0xf3, 0x80, 0xc4];
    frame.resize(208, 0);
    frame.repeat(3)
}

fn riff(kind: &[u8]) -> Vec<u8> {
    [b"RIFF\x24\0\0\0", kind, b"fmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0"].concat()
}

fn iso(brand: &[u8]) -> Vec<u8> {
    [b"\0\0\0\x18ftyp", brand, b"\0\0\0\0", brand, b"mp42", b"\0\0\0\x08free"].concat()
}

pub fn good() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.pdf", pdf()),
        ("A.PDF", pdf()),
        ("a.png", png()),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9".to_vec()),
        ("a.gif", gif()),
        ("a.webp", riff(b"WEBP")),
        ("a.tif", b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        ("a.bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".to_vec()),
        ("a.heic", iso(b"heic")),
        ("b.heic", iso(b"mif1")),
        ("a.heif", iso(b"heix")),
        ("a.jfif", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9".to_vec()),
        // libtiff writes the list of fields after the picture
        ("b.tif", b"II*\0\x43\x52\0\0\x43\x52\x02\0".to_vec()),
        ("c.tiff", b"MM\0*\0\0\0\x08\0\0".to_vec()),
        ("d.tiff", b"II+\0\x08\0\0\0\x10\0\0\0".to_vec()),
        ("b.odt", open_document_packed("text")),
        ("b.ods", open_document_packed("spreadsheet")),
        ("b.doc", compound(40, &["1Table", "\u{5}SummaryInformation", "WordDocument"])),
        ("b.xls", compound(9, &["Workbook"])),
        ("b.ppt", compound(2_000, &["PowerPoint Document"])),
        ("low.mp3", low_mp3()),
        ("a.m4a", iso(b"M4A ")),
        ("b.m4a", iso(b"iso5")),
        ("b.mp4", iso(b"iso6")),
        ("c.mp4", iso(b"3gp5")),
        ("d.mp4", iso(b"M4V ")),
        ("a.docx", office("word")),
        ("a.xlsx", office("xl")),
        ("a.pptx", office("ppt")),
        ("a.odt", open_document("text")),
        ("a.ods", open_document("spreadsheet")),
        ("a.doc", [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..], &[0; 600]].concat()),
        ("a.rtf", b"{\\rtf1\\ansi words}".to_vec()),
        ("a.txt", "Résultats : normaux\n".as_bytes().to_vec()),
        ("b.txt", [&[0xff, 0xfe][..], &"words".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat()),
        ("a.csv", b"name,value\r\nHb,140\r\n".to_vec()),
        // text files that begin like pictures, songs, programs or markup
        ("bmi.csv", b"BMI,weight\r\n22,70\r\n".to_vec()),
        ("id3.txt", b"ID3 panel pending".to_vec()),
        ("mz.txt", b"MZ is a code".to_vec()),
        ("low.txt", b"<18.5 is low, <a fifth of it is not".to_vec()),
        ("mail.txt", b"<ann@example.org> wrote".to_vec()),
        ("memo.txt", b"BM\xe9moire, ant\xe9c\xe9dents".to_vec()),
        ("cut.txt", [&b"x".repeat(16 * 1024 - 1)[..], "é et plus".as_bytes()].concat()),
        ("a.mp3", b"ID3\x04\0\0\0\0\0\0".to_vec()),
        ("a.wav", riff(b"WAVE")),
        ("a.ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0".to_vec()),
        ("a.flac", b"fLaC\0\0\0\x22".to_vec()),
        ("a.mp4", iso(b"isom")),
    ]
}

/// Files that are refused: name, content, and words of the reason.
pub fn bad() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (kind, content) = ("Files of this kind", "not what its name says");
    let html = b"<!DOCTYPE html><script>alert(1)</script>".to_vec();
    vec![
        ("page.pdf", html.clone(), content),
        ("page.txt", html.clone(), content),
        ("later.txt", [b"hello\n\n", &html[..]].concat(), content),
        ("page.html", html, kind),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(), kind),
        ("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(), content),
        ("a.exe", b"MZ\x90\0".to_vec(), kind),
        ("a.pdf.exe", pdf(), kind),
        ("exe.pdf", b"MZ\x90\0\x03".to_vec(), content),
        ("exe.txt", b"MZ\x90\0\x03".to_vec(), content),
        ("packed.txt", b"\x1f\x8b\x08\x08\x01\x02\x03".to_vec(), content),
        ("jpeg.txt", b"\xff\xd8\xff\xe1\x05\x06Exif".to_vec(), content),
        ("shell.txt", b"#!/bin/sh\necho".to_vec(), content),
        ("print.txt", b"%!PS-Adobe-3.0\n".to_vec(), content),
        ("pdf.txt", pdf(), content),
        ("rtf.txt", b"{\\rtf1\\ansi words}".to_vec(), content),
        ("xml.csv", b" <?xml version='1.0'?><a/>".to_vec(), content),
        ("comment.txt", b"\n<!-- --><p>words".to_vec(), content),
        ("bold.csv", b"<B>words".to_vec(), content),
        (
            "wide.txt",
            [&[0xff, 0xfe][..], &"<script>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat(),
            content,
        ),
        ("bomb.zip", zip(&[("a", b"b")]), kind),
        ("zip.docx", zip(&[("a.txt", b"b")]), content),
        ("macro.docx", zip(&[("[Content_Types].xml", b"<x/>"), ("word/vbaProject.bin", b"x")]), content),
        ("xlsx.docx", office("xl"), content),
        ("xls.doc", compound(40, &["Workbook"]), content),
        ("mail.doc", compound(3, &["__properties_version1.0", "__substg1.0_0037001F"]), content),
        ("doc.docx", compound(3, &["WordDocument"]), content),
        ("ods.odt", open_document_packed("spreadsheet"), content),
        ("picture.mp4", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08meta".to_vec(), content),
        ("film.heic", iso(b"avc1"), content),
        ("adts.mp3", vec![0xff, 0xf1, 0x50, 0x80, 0, 0, 0, 0], content),
        ("a.dcm", [&[0; 128][..], b"DICM"].concat(), kind),
        ("png.jpg", png(), content),
        ("noending", pdf(), kind),
        (".pdf", pdf(), kind),
        ("empty.pdf", Vec::new(), "is empty"),
        ("empty.txt", Vec::new(), "is empty"),
    ]
}
