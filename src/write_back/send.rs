//! The calls to the EMR. They block their thread.

use super::Why;
use super::content::Content;
use super::prepare::{Has, ToWrite};
use super::resources::{self, COMMUNICATION, DOCUMENT, LEFT_OUT, UNNAMED};
use crate::attachments::Attachment;
use crate::emr::{Accept, Answer, Emr, EmrError, OWN_SYSTEM, Verb};
use crate::storage::{Blob, NotServed, Storage, StorageError};
use serde_json::Value;
use std::io::Read;
use std::time::{Duration, Instant};

/// No further call begins after this time: what is done is stored, and the rest follows under another claim.
const AT_MOST: Duration = Duration::from_secs(20);
/// The largest file that is written, in bytes: it is held in memory, and once more as text.
const LARGEST: i64 = 32 << 20;
/// The most that is read of a search for what was written, in bytes.
const LARGEST_FOUND: u64 = 64 << 20;
/// A file that waits for the virus scanner is looked at again after this time.
const SCANNED_BY: Duration = Duration::from_secs(30);

/// What came of asking the EMR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// it has the message
    Written,
    /// it has it as an error
    Marked,
    /// it never had what was taken back
    NeverThere,
    /// it is to be asked again, after this time where that is known
    Later(Option<Duration>, Option<Why>),
    /// the same will not succeed: why, and in the EMR's own words where it has some
    Refused(Why, String),
}

/// Why the calls ended before their time.
struct Halt(Sent);

impl From<EmrError> for Halt {
    fn from(cause: EmrError) -> Halt {
        Halt(match cause {
            EmrError::Later(wait) => Sent::Later(Some(wait), Some(Why::Busy)),
            EmrError::Refused { status: 408 | 409 | 425, .. } => Sent::Later(None, Some(Why::Busy)),
            EmrError::Refused { words, .. } => Sent::Refused(Why::Refused, words.unwrap_or_default()),
            EmrError::NotAllowed(_) => Sent::Later(None, Some(Why::NotAllowed)),
            EmrError::Away(_) | EmrError::TooLarge | EmrError::Untrue(_) => Sent::Later(None, Some(Why::Away)),
        })
    }
}

/// Writes the message, or the document whose PDF is given, or marks it as an error where something in it was taken back. Gives
/// what the EMR has of it now, also where it broke off.
pub fn send(emr: &Emr, storage: &Storage, to: &ToWrite, pdf: Option<&[u8]>) -> (Has, Sent) {
    let mut has = to.has.clone();
    let done = match (to.is_taken_back, to.about.is_paper) {
        (true, true) => mark_paper(emr, &to.content, &has),
        (true, false) => mark(emr, &to.content, &has),
        (false, true) => write_paper(emr, &to.content, pdf, &mut has),
        (false, false) => write(emr, storage, &to.content, &mut has),
    };
    (has, done.unwrap_or_else(|Halt(sent)| sent))
}

fn write(emr: &Emr, storage: &Storage, it: &Content, has: &mut Has) -> Result<Sent, Halt> {
    let begun = Instant::now();
    let in_time = || match begun.elapsed() > AT_MOST {
        true => Err(Halt(Sent::Later(Some(Duration::ZERO), None))),
        false => Ok(()),
    };
    if has.part_of.is_empty() {
        let created = create(emr, COMMUNICATION, &it.conversation_uid, &resources::conversation(it))?;
        has.part_of = created.unwrap_or_default();
    }
    for (file, blob) in it.files.iter().skip(has.documents.len()) {
        in_time()?;
        let address = match content(storage, blob)? {
            Some(bytes) => {
                let created = create(emr, DOCUMENT, &it.file_uid(file), &resources::document(it, file, Some(&bytes)))?;
                created.unwrap_or_else(|| UNNAMED.to_owned())
            }
            None => LEFT_OUT.to_owned(),
        };
        has.documents.push(address);
    }
    in_time()?;
    let created = create(emr, COMMUNICATION, &it.uid, &resources::message(it, has))?;
    has.resource = created.unwrap_or_default();
    Ok(Sent::Written)
}

fn write_paper(emr: &Emr, it: &Content, pdf: Option<&[u8]>, has: &mut Has) -> Result<Sent, Halt> {
    let Some(pdf) = pdf else { return Err(Halt(Sent::Later(None, Some(Why::File)))) };
    has.resource = create(emr, DOCUMENT, &it.uid, &resources::paper(it, Some(pdf)))?.unwrap_or_default();
    Ok(Sent::Written)
}

fn mark_paper(emr: &Emr, it: &Content, has: &Has) -> Result<Sent, Halt> {
    let is_there = mark_one(emr, (DOCUMENT, &has.resource, &it.uid), || resources::paper(it, None))?;
    Ok(if is_there { Sent::Marked } else { Sent::NeverThere })
}

/// The files first: where the message is an error already, nothing of it is left.
fn mark(emr: &Emr, it: &Content, has: &Has) -> Result<Sent, Halt> {
    let mut is_there = false;
    for (at, (file, _)) in it.files.iter().enumerate() {
        let known = match has.documents.get(at).map(String::as_str) {
            Some(LEFT_OUT) => continue,
            Some(UNNAMED) | None => "",
            Some(address) => address,
        };
        is_there |= mark_one(emr, (DOCUMENT, known, &it.file_uid(file)), || document_in_error(it, file))?;
    }
    is_there |= mark_one(emr, (COMMUNICATION, &has.resource, &it.uid), || resources::message(it, has))?;
    if it.is_gone {
        mark_one(emr, (COMMUNICATION, &has.part_of, &it.conversation_uid), || resources::conversation(it))?;
    }
    Ok(if is_there { Sent::Marked } else { Sent::NeverThere })
}

fn document_in_error(it: &Content, file: &Attachment) -> Value {
    resources::document(it, file, None)
}

/// Replaces one resource by its form as an error. Says whether it was there.
fn mark_one(emr: &Emr, (kind, known, uid): (&str, &str, &str), in_error: impl FnOnce() -> Value) -> Result<bool, Halt> {
    let address = match known {
        "" => find(emr, kind, uid)?,
        known => Some(known.to_owned()),
    };
    let Some(address) = address else { return Ok(false) };
    let mut resource = in_error();
    resource["id"] = address.rsplit('/').next().unwrap_or_default().into();
    match emr.send(Verb::Put, &address, &[("prefer", "return=minimal")], resource.to_string().as_bytes()) {
        Ok(_) => Ok(true),
        // somebody removed it there
        Err(EmrError::Refused { status: 404 | 410, .. }) => Ok(true),
        Err(cause) => Err(cause.into()),
    }
}

/// Creates a resource where none has its identifier; gives its address, where the EMR names it.
fn create(emr: &Emr, kind: &str, uid: &str, resource: &Value) -> Result<Option<String>, Halt> {
    let none_has = format!("identifier={OWN_SYSTEM}|{uid}");
    let headers = [("if-none-exist", none_has.as_str()), ("prefer", "return=minimal")];
    match emr.send(Verb::Post, kind, &headers, resource.to_string().as_bytes()) {
        Ok(answer) => Ok(address(kind, &answer)),
        // several have it: it is there
        Err(EmrError::Refused { status: 412, .. }) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// Where what was created is, from the answer's `Location` or from the resource in it.
fn address(kind: &str, answer: &Answer) -> Option<String> {
    let by_location = answer.location.as_deref().and_then(|location| {
        let path = location.split_once("/_history/").map_or(location, |(before, _)| before);
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let (id, of) = (parts.next()?, parts.next()?);
        (of == kind).then(|| id.to_owned())
    });
    let id = by_location.or_else(|| {
        let resource: Value = serde_json::from_slice(&answer.body).ok()?;
        let is_it = resource["resourceType"].as_str() == Some(kind);
        resource["id"].as_str().filter(|_| is_it).map(str::to_owned)
    });
    id.filter(|id| is_id(id)).map(|id| format!("{kind}/{id}"))
}

/// Whether this can be an id (R4 §2.24.0.1): nothing else gets into an address.
fn is_id(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '.');
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_sign)
}

/// Looks for what was perhaps written.
fn find(emr: &Emr, kind: &str, uid: &str) -> Result<Option<String>, Halt> {
    let named: String = url::form_urlencoded::byte_serialize(format!("{OWN_SYSTEM}|{uid}").as_bytes()).collect();
    let answer = emr.get(&format!("{kind}?identifier={named}"), Accept::FhirJson, LARGEST_FOUND)?;
    let bundle: Value =
        serde_json::from_slice(&answer.body).map_err(|_| EmrError::Untrue("its answer to a search is no bundle"))?;
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    // a server that does not know the parameter gives everything
    let is_it = |resource: &Value| {
        let has_it = |one: &Value| one["system"].as_str() == Some(OWN_SYSTEM) && one["value"].as_str() == Some(uid);
        resource["resourceType"].as_str() == Some(kind)
            && resource["identifier"].as_array().is_some_and(|all| all.iter().any(has_it))
    };
    let found = entries.iter().map(|entry| &entry["resource"]).find(|resource| is_it(resource));
    let id = found.and_then(|resource| resource["id"].as_str()).filter(|id| is_id(id));
    Ok(id.map(|id| format!("{kind}/{id}")))
}

/// The bytes of a file; `None` where it stays here.
fn content(storage: &Storage, blob: &Blob) -> Result<Option<Vec<u8>>, Halt> {
    if blob.size > LARGEST {
        return Err(Halt(Sent::Refused(Why::TooLarge, String::new())));
    }
    let served = match storage.served(blob.clone()) {
        Ok(served) => served,
        Err(NotServed::Waiting) => return Err(Halt(Sent::Later(Some(SCANNED_BY), Some(Why::Scanning)))),
        Err(NotServed::Infected) => return Ok(None),
    };
    let mut reading = match storage.read_now(&served, blob.all()) {
        Ok(reading) => reading,
        Err(StorageError::Missing(_)) => return Ok(None),
        Err(_) => return Err(Halt(Sent::Later(None, Some(Why::File)))),
    };
    let mut bytes = Vec::new();
    match reading.read_to_end(&mut bytes) {
        Ok(_) => Ok(Some(bytes)),
        Err(_) => Err(Halt(Sent::Later(None, Some(Why::File)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(location: Option<&str>, body: &str) -> Answer {
        Answer {
            status: 201,
            content_location: None,
            location: location.map(str::to_owned),
            retry_after: None,
            etag: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn what_was_created_is_found_again() {
        for (location, body, found) in [
            (Some("https://emr.example.org/fhir/Communication/12/_history/1"), "", Some("Communication/12")),
            (Some("Communication/a-b.c"), "", Some("Communication/a-b.c")),
            (None, r#"{"resourceType": "Communication", "id": "7"}"#, Some("Communication/7")),
            (None, r#"{"resourceType": "OperationOutcome", "id": "7"}"#, None),
            (Some("https://emr.example.org/fhir/Patient/12"), "", None),
            (Some("Communication/..%2f"), "", None),
            (None, "", None),
        ] {
            assert_eq!(address("Communication", &answer(location, body)).as_deref(), found, "{location:?} {body}");
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        let of = |cause: EmrError| Halt::from(cause).0;
        let wait = Duration::from_secs(7);
        assert_eq!(of(EmrError::Later(wait)), Sent::Later(Some(wait), Some(Why::Busy)));
        assert_eq!(of(EmrError::Away("x")), Sent::Later(None, Some(Why::Away)));
        assert_eq!(of(EmrError::NotAllowed("x")), Sent::Later(None, Some(Why::NotAllowed)));
        assert_eq!(of(EmrError::Refused { status: 409, words: None }), Sent::Later(None, Some(Why::Busy)));
        let words = Some("no such patient".to_owned());
        let refused = Sent::Refused(Why::Refused, "no such patient".to_owned());
        assert_eq!(of(EmrError::Refused { status: 422, words }), refused);
        assert_eq!(of(EmrError::Refused { status: 400, words: None }), Sent::Refused(Why::Refused, String::new()));
    }
}
