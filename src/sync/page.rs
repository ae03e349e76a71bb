//! Reads what a server says of itself, and the frame of a page of results; what the page holds is the import's to read.

use super::KINDS;
use crate::db::Ts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashSet;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a server can be asked for, by its CapabilityStatement (R4 §2.9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// the types that can be searched, in the order of [`KINDS`]
    pub kinds: Vec<&'static str>,
    /// addresses of the histories that tell of deletions
    pub histories: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    resource_type: String,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    resource: Vec<Offered>,
    #[serde(default)]
    interaction: Vec<Interaction>,
}

#[derive(Deserialize)]
struct Offered {
    r#type: Option<String>,
    #[serde(default)]
    interaction: Vec<Interaction>,
}

#[derive(Deserialize)]
struct Interaction {
    code: Option<String>,
}

fn has(all: &[Interaction], code: &str) -> bool {
    all.iter().any(|one| one.code.as_deref() == Some(code))
}

impl Abilities {
    /// `None` where this is no CapabilityStatement.
    pub fn read(json: &[u8]) -> Option<Abilities> {
        let statement: Statement = serde_json::from_slice(json).ok()?;
        if statement.resource_type != "CapabilityStatement" {
            return None;
        }
        let mut found = Abilities::default();
        let offered = || statement.rest.iter().flat_map(|rest| &rest.resource);
        for kind in KINDS {
            let mut of_kind = offered().filter(|one| one.r#type.as_deref() == Some(kind));
            // a server that lists no interactions does not say what it cannot do
            if of_kind.any(|one| one.interaction.is_empty() || has(&one.interaction, "search-type")) {
                found.kinds.push(kind);
            }
        }
        if statement.rest.iter().any(|rest| has(&rest.interaction, "history-system")) {
            found.histories.push("_history".to_owned());
        } else {
            let with = |kind: &&str| {
                offered().any(|one| one.r#type.as_deref() == Some(*kind) && has(&one.interaction, "history-type"))
            };
            found.histories.extend(KINDS.iter().filter(|kind| with(kind)).map(|kind| format!("{kind}/_history")));
        }
        Some(found)
    }
}

/// The frame of a page of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// how many entries it has
    pub entries: i64,
    /// how many there are on all pages, where the server says so
    pub total: Option<i64>,
    /// the address of the page after it
    pub next: Option<String>,
    /// when the server made it, by the server's own clock
    pub made_at: Option<Ts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<E> {
    resource_type: String,
    meta: Option<Meta>,
    total: Option<i64>,
    #[serde(default = "Vec::new")]
    link: Vec<Link>,
    #[serde(default = "Vec::new")]
    entry: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    last_updated: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    relation: Option<String>,
    url: Option<String>,
}

impl<E> Bundle<E> {
    fn frame(self) -> Option<(Frame, Vec<E>)> {
        if self.resource_type != "Bundle" {
            return None;
        }
        let made_at = self.meta.and_then(|meta| meta.last_updated);
        let made_at = made_at.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()).map(Ts::from);
        let next = self.link.into_iter().find(|link| link.relation.as_deref() == Some("next"));
        let frame = Frame {
            entries: self.entry.len() as i64,
            total: self.total.filter(|total| *total >= 0),
            next: next.and_then(|link| link.url).filter(|url| !url.is_empty()),
            made_at,
        };
        Some((frame, self.entry))
    }
}

impl Frame {
    /// `None` where this is no page of results.
    pub fn read(json: &[u8]) -> Option<Frame> {
        let bundle: Bundle<IgnoredAny> = serde_json::from_slice(json).ok()?;
        bundle.frame().map(|(frame, _)| frame)
    }
}

#[derive(Deserialize)]
struct Version {
    request: Option<Request>,
    resource: Option<Named>,
}

#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    resource_type: Option<String>,
    id: Option<String>,
}

impl Version {
    /// `Type/id` of what it is a version of.
    fn of(&self) -> Option<String> {
        let named =
            self.resource.as_ref().and_then(|it| Some(format!("{}/{}", it.resource_type.as_ref()?, it.id.as_ref()?)));
        named.or_else(|| {
            let url = self.request.as_ref()?.url.as_deref()?;
            let url = url.split_once("/_history/").map_or(url, |(before, _)| before);
            let mut parts = url.rsplitn(3, '/');
            let (id, kind) = (parts.next()?, parts.next()?);
            (!id.is_empty() && !kind.is_empty()).then(|| format!("{kind}/{id}"))
        })
    }

    fn is_deletion(&self) -> bool {
        self.request.as_ref().and_then(|request| request.method.as_deref()) == Some("DELETE")
    }
}

/// The deletions on a page of a history, as `Type/id`. A history begins with what is newest: only the first version of each
/// record counts, because one that was deleted may have been made again. `seen` has the records of the pages before.
pub(super) fn deletions(json: &[u8], seen: &mut HashSet<String>) -> Option<(Frame, Vec<String>)> {
    let bundle: Bundle<Version> = serde_json::from_slice(json).ok()?;
    let (frame, versions) = bundle.frame()?;
    let mut gone = Vec::new();
    for version in versions {
        let Some(of) = version.of() else { continue };
        if seen.insert(of.clone()) && version.is_deletion() {
            gone.push(of);
        }
    }
    Some((frame, gone))
}

/// The same deletions as a history that the import reads.
pub(super) fn as_history(gone: &[String]) -> Vec<u8> {
    let entries: Vec<serde_json::Value> =
        gone.iter().map(|of| serde_json::json!({"request": {"method": "DELETE", "url": of}})).collect();
    serde_json::json!({"resourceType": "Bundle", "type": "history", "entry": entries}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_what_it_offers_and_is_read() {
        let statement = br#"{"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": [
            {"type": "Observation", "interaction": [{"code": "read"}, {"code": "search-type"}, {"code": "history-type"}]},
            {"type": "Account", "interaction": [{"code": "search-type"}]},
            {"type": "Patient"}, {"type": "Encounter", "interaction": [{"code": "read"}]}]}]}"#;
        let found = Abilities::read(statement).unwrap();
        assert_eq!(found.kinds, ["Patient", "Observation"]);
        assert_eq!(found.histories, ["Observation/_history"]);
        assert_eq!(Abilities::read(br#"{"resourceType": "OperationOutcome"}"#), None);
        assert_eq!(Abilities::read(b"<html>"), None);
    }

    #[test]
    fn a_page_says_how_many_and_what_comes_next() {
        let page = br#"{"resourceType": "Bundle", "type": "searchset", "total": 7, "meta": {"lastUpdated": "2026-01-02T03:04:05Z"},
            "link": [{"relation": "self", "url": "x"}, {"relation": "next", "url": "http://h/Patient?c=2"}],
            "entry": [{"resource": {"resourceType": "Patient"}}, {}]}"#;
        let frame = Frame::read(page).unwrap();
        assert_eq!((frame.entries, frame.total), (2, Some(7)));
        assert_eq!(frame.next.as_deref(), Some("http://h/Patient?c=2"));
        assert_eq!(frame.made_at, Some(time::macros::datetime!(2026-01-02 03:04:05 UTC).into()));
        let empty = Frame::read(br#"{"resourceType": "Bundle", "type": "searchset"}"#).unwrap();
        assert_eq!(empty, Frame { entries: 0, total: None, next: None, made_at: None });
        assert_eq!(Frame::read(br#"{"resourceType": "Patient"}"#), None);
    }

    #[test]
    fn only_what_is_newest_of_a_record_counts() {
        let page = br#"{"resourceType": "Bundle", "type": "history", "entry": [
            {"request": {"method": "DELETE", "url": "Observation/gone"}},
            {"request": {"method": "PUT", "url": "Observation/back"}, "resource": {"resourceType": "Observation", "id": "back"}},
            {"request": {"method": "DELETE", "url": "https://h/fhir/Observation/back/_history/2"}},
            {"request": {"method": "POST", "url": "Observation"}, "resource": {"resourceType": "Observation", "id": "gone"}}]}"#;
        let mut seen = HashSet::from(["Observation/before".to_owned()]);
        let (_, gone) = deletions(page, &mut seen).unwrap();
        assert_eq!(gone, ["Observation/gone"]);
        let again =
            br#"{"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Observation/before"}}]}"#;
        assert_eq!(deletions(again, &mut seen).unwrap().1, Vec::<String>::new());
        let history: serde_json::Value = serde_json::from_slice(&as_history(&gone)).unwrap();
        assert_eq!(history["entry"][0]["request"]["url"], "Observation/gone");
    }
}
