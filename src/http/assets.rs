//! Static files, carried by the binary. Every address holds one hash over the whole tree, so relative imports between
//! modules work unchanged and everything may be cached for a year.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, PoisonError, RwLock};

#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "dist/manifest.txt"]
struct Files;

static TREE: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(Files::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    // what a layout consists of is part of its address too
    hash.update(SHEETS.iter().flat_map(|(_, sheets)| *sheets).copied().collect::<Vec<&str>>().join(" "));
    data_encoding::HEXLOWER.encode(&hash.finalize()[..8])
});

/// The style sheets of a layout go out as one: a page asks once, and what they have in common is compressed once.
const SHEETS: [(&str, &[&str]); 3] = [
    ("css/clinic.css", &["tokens", "base", "parts", "messages", "prose", "print"]),
    ("css/patients.css", &["tokens", "base", "portal", "prose", "print"]),
    ("css/plain.css", &["tokens", "base", "parts", "portal"]),
];

fn is_sheets(path: &str) -> bool {
    SHEETS.iter().any(|(name, _)| *name == path)
}

/// A static file, or the sheets of a layout in their order.
fn content(path: &str) -> Option<web::Bytes> {
    let Some((_, sheets)) = SHEETS.iter().find(|(name, _)| *name == path) else {
        return Some(web::Bytes::from(Files::get(path)?.data.into_owned()));
    };
    let mut all = Vec::new();
    for sheet in *sheets {
        all.extend_from_slice(&Files::get(&format!("css/{sheet}.css"))?.data);
    }
    Some(web::Bytes::from(all))
}

/// The address of a static file, such as `img/postern.svg`, or of the sheets of a layout.
pub fn address(path: &str) -> String {
    debug_assert!(is_sheets(path) || Files::get(path).is_some(), "no such static file: {path}");
    format!("/assets/{}/{path}", *TREE)
}

/// Every static file, for tests.
pub fn names() -> Vec<String> {
    Files::iter().map(|name| name.into_owned()).collect()
}

/// Compressed at the first request: at start it would take a second.
static PACKED: LazyLock<RwLock<HashMap<(String, Coding), web::Bytes>>> = LazyLock::new(RwLock::default);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Coding {
    Brotli,
    Gzip,
}

fn packed(path: &str, coding: Coding, raw: &[u8]) -> Option<web::Bytes> {
    let key = (path.to_owned(), coding);
    if let Some(bytes) = PACKED.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Some(bytes.clone());
    }
    let mut out = Vec::new();
    match coding {
        Coding::Brotli => {
            let params = brotli::enc::BrotliEncoderParams { quality: 9, ..Default::default() };
            brotli::BrotliCompress(&mut &raw[..], &mut out, &params).ok()?;
        }
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::best());
            encoder.write_all(raw).ok()?;
            encoder.finish().ok()?;
        }
    }
    let bytes = web::Bytes::from(out);
    PACKED.write().unwrap_or_else(PoisonError::into_inner).insert(key, bytes.clone());
    Some(bytes)
}

/// `GET /assets/{tree}/{path}`.
pub async fn serve(req: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (tree, path) = path.into_inner();
    let Some(raw) = content(&path) else { return HttpResponse::NotFound().finish() };
    let mut response = HttpResponse::Ok();
    // an address of another version of the tree still answers, but is not cached
    let keep = if tree == *TREE { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, keep)).insert_header((header::VARY, "Accept-Encoding"));
    let kind = mime_guess::from_path(&path).first_or_octet_stream();
    response.content_type(kind.as_ref());
    let wanted = req.headers().get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let text = kind.type_() == "text" || matches!(kind.subtype().as_str(), "javascript" | "svg" | "json");
    let codings = [(Coding::Brotli, "br"), (Coding::Gzip, "gzip")];
    for (coding, word) in codings.into_iter().filter(|(_, word)| text && wanted.contains(word)) {
        if let Some(bytes) = packed(&path, coding, &raw) {
            return response.insert_header((header::CONTENT_ENCODING, word)).body(bytes);
        }
    }
    response.body(raw)
}
