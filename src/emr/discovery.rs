//! What an EMR says of itself: `.well-known/smart-configuration` (SMART App Launch 2.2), kept for an hour, and its
//! CapabilityStatement (`metadata`).

use super::why::{self, EmrError};
use crate::db::Ts;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use time::Duration;

/// The most that is read of either, in bytes: statements of large servers have some megabytes.
pub(super) const LONGEST: u64 = 16 << 20;
/// After this time the server is asked again where its tokens are given out.
const FRESH_FOR: Duration = Duration::HOUR;

/// Where tokens are given out, and when the server said so.
#[derive(Default)]
pub(super) struct Known(Option<(String, Ts)>);

impl Known {
    pub(super) fn endpoint(&self, now: Ts) -> Option<&str> {
        let fresh = self.0.as_ref().filter(|(_, at)| now.since(*at) < FRESH_FOR);
        fresh.map(|(endpoint, _)| endpoint.as_str())
    }

    pub(super) fn learn(&mut self, endpoint: String, now: Ts) {
        self.0 = Some((endpoint, now));
    }
}

#[derive(Deserialize)]
struct Smart {
    token_endpoint: Option<String>,
}

/// The token endpoint in a smart-configuration.
pub(super) fn token_endpoint(body: &[u8]) -> Result<String, EmrError> {
    let smart: Smart = serde_json::from_slice(body).map_err(|_| EmrError::Untrue(why::NO_SMART))?;
    let endpoint = smart.token_endpoint.filter(|endpoint| !endpoint.trim().is_empty());
    endpoint.ok_or(EmrError::Untrue(why::NO_TOKEN_ENDPOINT))
}

/// What a server can do, by its CapabilityStatement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// the version of FHIR, as `4.0.1`
    pub version: String,
    /// the server's software, where it says so
    pub software: Option<String>,
    /// the types of resources, and what can be done with each, in the statement's own words (`search-type`, `delete`)
    pub types: BTreeMap<String, BTreeSet<String>>,
    /// whether it says that it exports in bulk
    pub exports: bool,
    /// whether it says that the history of all resources can be asked for
    pub has_history: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    resource_type: String,
    #[serde(default)]
    fhir_version: String,
    software: Option<Software>,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize)]
struct Software {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    resource: Vec<Type>,
    #[serde(default)]
    interaction: Vec<Interaction>,
    #[serde(default)]
    operation: Vec<Operation>,
}

#[derive(Deserialize)]
struct Type {
    #[serde(rename = "type", default)]
    name: String,
    #[serde(default)]
    interaction: Vec<Interaction>,
    #[serde(default)]
    operation: Vec<Operation>,
}

#[derive(Deserialize)]
struct Interaction {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    name: String,
}

/// The longest name of a software that is kept, in characters.
const LONGEST_NAME: usize = 80;

impl Capabilities {
    /// Reads a CapabilityStatement.
    pub(super) fn read(body: &[u8]) -> Result<Capabilities, EmrError> {
        let statement: Statement = serde_json::from_slice(body).map_err(|_| EmrError::Untrue(why::NOT_FHIR))?;
        if statement.resource_type != "CapabilityStatement" {
            return Err(EmrError::Untrue(why::NOT_FHIR));
        }
        // R4 is 4.0; 4.3 is R4B, which the import reads as well
        if !["4.0", "4.3"].iter().any(|release| statement.fhir_version.starts_with(release)) {
            return Err(EmrError::Untrue(why::OTHER_VERSION));
        }
        let software = statement.software.and_then(|software| {
            let words = [software.name, software.version].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let shown: String = words.chars().filter(|sign| !sign.is_control()).take(LONGEST_NAME).collect();
            (!shown.trim().is_empty()).then_some(shown)
        });
        let mut read = Capabilities { version: statement.fhir_version, software, ..Capabilities::default() };
        let is_export =
            |operations: &[Operation]| operations.iter().any(|one| one.name.trim_start_matches('$') == "export");
        for rest in statement.rest.into_iter().filter(|rest| matches!(rest.mode.as_str(), "server" | "")) {
            read.has_history |= rest.interaction.iter().any(|one| one.code == "history-system");
            read.exports |= is_export(&rest.operation);
            for one in rest.resource {
                read.exports |= is_export(&one.operation);
                let codes = one.interaction.into_iter().map(|interaction| interaction.code);
                read.types.entry(one.name).or_default().extend(codes);
            }
        }
        Ok(read)
    }

    /// Whether the server says that it can do this with resources of a type. A type without a list of interactions is
    /// taken to be searched: some servers name none.
    pub fn can(&self, kind: &str, interaction: &str) -> bool {
        self.types.get(kind).is_some_and(|codes| codes.is_empty() || codes.contains(interaction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_says_what_can_be_done() {
        let said = br#"{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "kind": "instance",
            "software": {"name": "Some EMR", "version": "7"}, "rest": [{"mode": "server",
            "interaction": [{"code": "transaction"}, {"code": "history-system"}],
            "operation": [{"name": "$export", "definition": "x"}],
            "resource": [{"type": "Patient", "interaction": [{"code": "read"}, {"code": "search-type"}]},
            {"type": "Binary"}]}]}"#;
        let read = Capabilities::read(said).unwrap();
        assert_eq!((read.version.as_str(), read.software.as_deref()), ("4.0.1", Some("Some EMR 7")));
        assert!(read.exports && read.has_history);
        assert!(read.can("Patient", "search-type") && !read.can("Patient", "delete"));
        assert!(read.can("Binary", "read") && !read.can("Observation", "read"));
    }

    #[test]
    fn what_is_no_r4_server_is_told() {
        for (said, cause) in [
            (r#"{"resourceType": "CapabilityStatement", "fhirVersion": "5.0.0"}"#, why::OTHER_VERSION),
            (r#"{"resourceType": "CapabilityStatement"}"#, why::OTHER_VERSION),
            (r#"{"resourceType": "Patient"}"#, why::NOT_FHIR),
            ("<html>", why::NOT_FHIR),
        ] {
            assert_eq!(Capabilities::read(said.as_bytes()).unwrap_err(), EmrError::Untrue(cause), "{said}");
        }
        assert_eq!(token_endpoint(b"{}").unwrap_err(), EmrError::Untrue(why::NO_TOKEN_ENDPOINT));
        assert_eq!(token_endpoint(b"<html>").unwrap_err(), EmrError::Untrue(why::NO_SMART));
    }

    #[test]
    fn what_was_learnt_lasts_an_hour() {
        let now = Ts::from(time::macros::datetime!(2026-03-04 14:02:00 UTC));
        let mut known = Known::default();
        assert_eq!(known.endpoint(now), None);
        known.learn("https://emr.example.org/token".to_owned(), now);
        assert_eq!(known.endpoint(now.plus(Duration::minutes(59))), Some("https://emr.example.org/token"));
        assert_eq!(known.endpoint(now.plus(Duration::HOUR)), None);
    }
}
