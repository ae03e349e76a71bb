//! What is asked of an EMR, and what it answers.

use std::time::Duration;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// resources, as `application/fhir+json`
    FhirJson,
    /// one resource on each line: a file of a bulk export
    Ndjson,
}

impl Accept {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Accept::FhirJson => "application/fhir+json, application/json;q=0.9",
            Accept::Ndjson => "application/fhir+ndjson, application/ndjson;q=0.9, */*;q=0.1",
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// reads
    Get,
    /// creates
    Post,
    /// replaces
    Put,
    /// removes
    Delete,
}

impl Verb {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// What an EMR answered: a status from 200 to 299, or 304.
#[derive(Clone)]
pub struct Answer {
    /// the status
    pub status: u16,
    /// where a bulk export tells of its progress
    pub content_location: Option<String>,
    /// where a created resource is
    pub location: Option<String>,
    /// how long to wait until the next look at a bulk export
    pub retry_after: Option<Duration>,
    /// the resource's version
    pub etag: Option<String>,
    /// the content
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    /// Without the content, which is a patient's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}
