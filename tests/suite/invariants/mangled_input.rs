//! Fuzz targets: no input from outside ends the process or breaks what a parser promises. Each target mangles good
//! samples; the number of a round is its only source of randomness, so that a failure can be repeated. Each target has
//! some hundred rounds here, and more by `POSTERN_FUZZ=100000`, see docs/tests.md. HTML and Markdown have a target of
//! their own, in `composing::cleaner`.

use crate::support::app::start_of_time;
use actix_multipart::Multipart;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use futures_util::stream;
use postern::attachments::READ_WORDS;
use postern::chart::import::fhir::{ImportOptions, read_bundle};
use postern::delivery::bounce;
use postern::http::multipart::Body;
use postern::patients::csv_list::{ListOptions, read_list};
use postern::text::{Lang, placeholders};
use std::io::Write;
use std::process::{Command, Stdio};

/// Rounds of a target that takes about a millisecond for each.
const ROUNDS: u64 = 400;

fn rounds(most: u64) -> u64 {
    std::env::var("POSTERN_FUZZ").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(most)
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }

    /// One of the samples after a few changes: bytes are set, pieces are left out, doubled or moved, and signs that
    /// have a meaning in the format are inserted.
    fn mangled(&mut self, samples: &[&[u8]], signs: &[&str]) -> Vec<u8> {
        let mut bytes = samples[self.below(samples.len())].to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            let piece = at..(at + self.below(40)).min(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(piece)),
                2 => {
                    let piece = bytes[piece].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => {
                    let piece: Vec<u8> = bytes.drain(piece).collect();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                4 => bytes.truncate(at),
                _ => {
                    let sign = signs[self.below(signs.len())].as_bytes().to_vec();
                    bytes.splice(at..at, sign);
                }
            }
        }
        bytes
    }
}

#[test]
fn returned_mail() {
    let report =
        b"To: bounces+abc-_1@clinic.example\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\
        \tboundary=\"=_q/w==\"\r\n\r\n--=_q/w==\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n--=_q/w==\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nAction: failed\r\n\
        Final-Recipient: rfc822; maria@example.org\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown\r\nStatus: 5.1.1\r\n\
        --=_q/w==--\r\n";
    let plain = b"From: Mailer Daemon <MAILER-DAEMON@mail.clinic.example>\nTo: bounces+abc-_1@clinic.example\n\
        Subject: =?utf-8?Q?Undelivered?=\nContent-Transfer-Encoding: quoted-printable\n\n550 mailbox full =C3=A9\n";
    let signs =
        ["boundary=", "--", "\r\n\r\n", "=?utf-8?B?w6k=?=", ";", "\"", "base64", "message/rfc822", "\0", "(", "@"];
    let address = "bounces@clinic.example".parse().unwrap();
    for round in 0..rounds(ROUNDS) {
        let mail = Dice(round).mangled(&[report, plain], &signs);
        // reading the same mail twice gives the same
        assert_eq!(bounce::parse(&mail, &address), bounce::parse(&mail, &address), "round {round}");
    }
}

#[test]
fn charts() {
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:p","resource":{
        "resourceType":"Patient","id":"p","name":[{"family":"Mejia","given":["Maria"]}],"birthDate":"1951-03-04"}},
        {"resource":{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"urn:uuid:p"},
        "code":{"text":"Potassium"},"effectiveDateTime":"2026-02-01T10:00:00-05:00",
        "valueQuantity":{"value":4.10,"unit":"mmol/L"},"referenceRange":[{"low":{"value":3.5},"high":{"value":5}}]}},
        {"resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/p"},
        "content":[{"attachment":{"contentType":"text/plain","data":"aGVsbG8=","title":"Letter"}}]}}]}"#;
    let lines =
        b"{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Encounter\",\"id\":\"2\",\"subject\":{}}\n";
    let signs =
        ["[", "]", "{", "}", "\"", ",", ":null", "1e999", "-0", "\\u0000", "\\ud800", "\"contained\":[", "\"id\":"];
    let options = ImportOptions { default_calling_code: "1".into(), today: start_of_time().get().date(), source: None };
    for round in 0..rounds(ROUNDS) {
        let file = Dice(round).mangled(&[bundle, lines], &signs);
        // reading the same file twice gives the same
        let look = || read_bundle(&*file).map(|read| format!("{:?}", read.charts(&options)));
        assert_eq!(look().ok(), look().ok(), "round {round}");
    }
}

#[test]
fn lists_of_patients() {
    let comma = "Last Name,First Name,DOB,Cell,Email,HIN\nRoy,Ann,1980-02-29,613-555-0142,ann@example.org,1234567897\n";
    let semicolon = "sep=;\r\nnom;pr\u{e9}nom;date de naissance\r\n\"Roy; fils\";Ren\u{e9};29/02/1980\r\nTotal;1;\r\n";
    let table = "<table><tr><th>Name</th><th>Birth date</th></tr><tr><td>Roy, Ann</td><td>1980-02-29</td></tr></table>";
    let signs =
        ["\"", ",", ";", "\t", "\n", "\r", "=\"0123\"", "\u{feff}", "\0", "<td colspan=9>", "</tr>", "&#x0;", "é"];
    let language = Lang::find("fr").unwrap();
    let options = ListOptions { calling_code: "1".into(), language, now: start_of_time(), most: 5, mapping: None };
    for round in 0..rounds(ROUNDS) {
        let file = Dice(round).mangled(&[comma.as_bytes(), semicolon.as_bytes(), table.as_bytes()], &signs);
        let list = read_list(&file, &options);
        let nameless = list.patients.iter().filter(|patient| patient.demographics.given_name.contains('\0'));
        assert_eq!(nameless.count(), 0, "round {round}");
    }
}

#[test]
fn placeholders_of_templates() {
    let template = "Dear {{patient.name}}, call {{ clinic.phone }} by {{date}}. {{{{x}}}} <p>{{&nbsp;user.name}}</p>";
    for round in 0..rounds(ROUNDS) {
        let text =
            Dice(round).mangled(&[template.as_bytes()], &["{{", "}}", "{", "}", "&nbsp;", "<", "\u{a0}", "{{}}"]);
        let text = String::from_utf8_lossy(&text);
        let names = placeholders::names(&text);
        assert_eq!(placeholders::fill(&text, |_| None), text, "round {round}");
        // each name that is found is filled, and filled-in text is not searched again
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        placeholders::fill(&text, |name| {
            asked.borrow_mut().insert(name.to_owned());
            Some("{{user.name}}".to_owned())
        });
        assert_eq!(asked.into_inner().into_iter().collect::<Vec<_>>(), names, "round {round}: {text:?}");
        // in HTML the filled-in value is always text
        let elements = |value: &str| placeholders::fill_html(&text, |_| Some(value.to_owned())).matches("<b>").count();
        assert_eq!(elements("<b>"), elements("q"), "round {round}: {text:?}");
    }
}

#[tokio::test]
async fn forms_with_files() {
    let form =
        b"--x\r\nContent-Disposition: form-data; name=\"whose\"\r\n\r\nabc\r\n--x\r\nContent-Disposition: form-data; \
        name=\"files\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n";
    let signs =
        ["--x", "--x--", "\r\n\r\n", "\r\n", "filename*=UTF-8''%c3", "name=", "\"", ";", "\0", "Content-Length: 9\r\n"];
    for round in 0..rounds(ROUNDS) {
        let sent = Dice(round).mangled(&[form], &signs);
        let length = sent.len();
        let pieces = sent.chunks(Dice(!round).below(30) + 1).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=x"));
        let parts =
            Multipart::new(&headers, stream::iter(pieces.into_iter().map(Ok::<_, actix_web::error::PayloadError>)));
        let mut body = Body::within(&TestRequest::default().to_http_request(), parts, 1 << 20).unwrap();
        let mut read = 0;
        while let Ok(Some(part)) = body.next().await {
            let Ok(text) = part.into_text().await else { break };
            assert!(!text.contains('\0'), "round {round}");
            read += text.len();
        }
        // a byte that is not UTF-8 is read as U+FFFD, which takes three bytes
        assert!(read <= length * 3, "round {round}");
    }
}

/// Documents are read in a process of their own: whatever happens to it, this process goes on, and only words come out.
#[test]
fn words_of_documents() {
    let pdf =
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n\
        4 0 obj<</Length 44>>stream\nBT /F 12 Tf 72 700 Td (Maria Mejia) Tj ET\nendstream endobj\n\
        5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%EOF\n";
    let rtf = b"{\\rtf1\\ansi\\ansicpg1252 {\\fonttbl{\\f0 Arial;}}\\f0 Mar\\'eda \\u233?\\par Mej\\'eda\\par}";
    let signs =
        ["<<", ">>", "[", "(", ")", "obj", "stream", "endstream", "/Length 9", "{\\", "\\bin9 ", "\\u-1?", "}", "R"];
    for round in 0..rounds(24) {
        let mut reader = Command::new(env!("CARGO_BIN_EXE_postern"));
        reader.arg(READ_WORDS).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut reader = reader.spawn().unwrap();
        // writing fails where the process has ended already
        let _ = reader.stdin.take().unwrap().write_all(&Dice(round).mangled(&[pdf, rtf], &signs));
        let answer = reader.wait_with_output().unwrap();
        assert!(std::str::from_utf8(&answer.stdout).is_ok(), "round {round}");
        assert!(!answer.stdout.contains(&0) || answer.stdout.ends_with(&[0]), "round {round}");
    }
}
