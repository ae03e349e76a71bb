//! Fetches the files that documents and reports name and do not hold: most EMRs keep them as Binary resources of their own
//! (R4 §2.41). One file is in memory at a time; one that came with this round already is not asked for again.

use super::progress;
use super::round::{NOT_READABLE, Stop, Work};
use crate::chart::import::stored_keys;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The types whose attachments may name files.
const WITH_FILES: [&str; 2] = ["DocumentReference", "DiagnosticReport"];
/// The type of a file.
const BINARY: &str = "Binary";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Page {
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Holder {
    content: Vec<Content>,
    presented_form: Vec<Attachment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    attachment: Attachment,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attachment {
    url: Option<String>,
    data: Option<serde::de::IgnoredAny>,
}

/// The key and the address of each Binary that the records of a page, or of lines, name without holding it, each once.
pub(super) fn named(kind: &str, page: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if !WITH_FILES.contains(&kind) {
        return found;
    }
    for raw in serde_json::Deserializer::from_slice(page).into_iter::<&RawValue>() {
        // what has another form is the import's to tell
        let Ok(raw) = raw else { break };
        let page: Page = serde_json::from_str(raw.get()).unwrap_or_default();
        let inner = page.entry.iter().filter_map(|entry| entry.resource.as_deref());
        for json in inner.chain([raw]).map(RawValue::get) {
            let holder: Holder = serde_json::from_str(json).unwrap_or_default();
            let contents = holder.content.into_iter().map(|content| content.attachment);
            for attachment in contents.chain(holder.presented_form).filter(|one| one.data.is_none()) {
                if let Some((key, url)) = attachment.url.and_then(|url| Some((key_of(&url)?, url))) {
                    found.insert(key, url);
                }
            }
        }
    }
    found
}

/// `Binary/id`, where an address is one of a Binary.
fn key_of(url: &str) -> Option<String> {
    let url = url.split_once("/_history/").map_or(url, |(before, _)| before);
    let mut parts = url.rsplitn(3, '/');
    let (id, kind) = (parts.next()?, parts.next()?);
    let is_id = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    (kind == BINARY && is_id).then(|| format!("{BINARY}/{id}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    resource_type: String,
}

/// The answer for a Binary as a page that the import reads, under the address by which it is named.
fn as_page(url: &str, json: &[u8]) -> Option<Vec<u8>> {
    let kind: Kind = serde_json::from_slice(json).ok()?;
    if kind.resource_type != BINARY {
        return None;
    }
    if !url.contains("://") {
        return Some(json.to_vec());
    }
    let address = serde_json::to_string(url).ok()?;
    let begin = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{{\"fullUrl\":{address},\"resource\":"
    );
    Some([begin.as_bytes(), json, b"}]}"].concat())
}

impl Work<'_> {
    /// Fetches and stores these files, see [`named`].
    pub async fn fetch_files(&self, mut wanted: BTreeMap<String, String>) -> Result<(), Stop> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (source, keys) = (self.claim.source.clone(), wanted.keys().cloned().collect::<Vec<_>>());
        let delivery = self.claim.delivery();
        // one of an earlier round may have been corrected since
        let read =
            self.parts.db.read(move |conn| -> Result<_, Stop> { Ok(stored_keys(conn, &source, delivery, &keys)?) });
        for key in read.await? {
            wanted.remove(&key);
        }
        for url in wanted.into_values() {
            let page = match self.ask(url.clone()).await {
                Ok(json) => as_page(&url, &json),
                // it may not be read, or is on another server, to which no token goes
                Err(Stop::Asked(refusal)) if refusal.is_gone() => None,
                Err(stop) => return Err(stop),
            };
            let Some(page) = page else {
                self.write(|tx, claim| progress::add_left_out(tx, &claim.source, BINARY, NOT_READABLE, 1)).await?;
                continue;
            };
            let stretch = self.store(page).await?;
            self.write(move |tx, claim| progress::count_left_out(tx, &claim.source, &stretch.summary)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_elsewhere_are_found() {
        let page = br#"{"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "DocumentReference", "content": [{"attachment": {"url": "Binary/a"}},
                {"attachment": {"url": "Binary/held", "data": "QQ=="}}, {"attachment": {"url": "https://else.example/x.pdf"}}]}},
            {"resource": {"resourceType": "DiagnosticReport", "presentedForm": [{"url": "https://h/fhir/Binary/b/_history/2"}]}},
            {"fullUrl": "nothing"}]}"#;
        let found = named(WITH_FILES[0], page);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["Binary/a", "Binary/b"]);
        assert_eq!(found["Binary/b"], "https://h/fhir/Binary/b/_history/2");
        let lines = b"{\"resourceType\": \"DocumentReference\", \"content\": [{\"attachment\": {\"url\": \"Binary/c\"}}]}\n{}\n";
        assert_eq!(named(WITH_FILES[0], lines).into_keys().collect::<Vec<_>>(), ["Binary/c"]);
        assert_eq!(named(WITH_FILES[1], b"no JSON").len() + named("Observation", page).len(), 0);
    }

    #[test]
    fn a_file_has_the_address_by_which_it_is_named() {
        let json = br#"{"resourceType": "Binary", "id": "b"}"#;
        assert_eq!(as_page("Binary/b", json).as_deref(), Some(json.as_slice()));
        let page: serde_json::Value = serde_json::from_slice(&as_page("https://h/Binary/b", json).unwrap()).unwrap();
        assert_eq!(page["entry"][0]["fullUrl"], "https://h/Binary/b");
        assert_eq!(page["entry"][0]["resource"]["id"], "b");
        assert_eq!(as_page("Binary/b", b"%PDF-1.7"), None);
        assert_eq!(as_page("Binary/b", br#"{"resourceType": "OperationOutcome"}"#), None);
    }
}
