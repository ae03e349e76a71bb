//! A message as FHIR R4 (<https://hl7.org/fhir/R4/>): a Communication within that of its conversation, and a DocumentReference for
//! each file, with the file in it. The people of the clinic are named, because the EMR knows them by ids of its own.

use super::content::Content;
use super::prepare::Has;
use crate::attachments::Attachment;
use crate::db::Ts;
use crate::emr::OWN_SYSTEM;
use crate::threads::Author;
use data_encoding::BASE64;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

pub(super) const COMMUNICATION: &str = "Communication";
pub(super) const DOCUMENT: &str = "DocumentReference";
/// Stands for the address of a file that the EMR did not name.
pub(super) const UNNAMED: &str = "?";
/// Stands for a file that stays here, because there was a virus in it or it is not there any more.
pub(super) const LEFT_OUT: &str = "-";

fn instant(at: Ts) -> String {
    at.get().format(&Rfc3339).unwrap_or_default()
}

fn identifier(uid: &str) -> Value {
    json!({ "system": OWN_SYSTEM, "value": uid })
}

/// A reference to something that was written: by its address where that is known, and always by its identifier.
fn refer(kind: &str, address: &str, uid: &str) -> Value {
    match address {
        "" | UNNAMED => json!({ "type": kind, "identifier": identifier(uid) }),
        address => json!({ "reference": address, "type": kind, "identifier": identifier(uid) }),
    }
}

fn patient(of: &Content) -> Value {
    json!({ "reference": format!("Patient/{}", of.there) })
}

/// Who wrote it.
fn sender(of: &Content) -> Value {
    let by = of.by.as_deref();
    match of.author {
        // the reference stays the patient's, whose record it is; who wrote in their place is said beside it
        Author::Patient => match by {
            Some(caregiver) => json!({ "reference": format!("Patient/{}", of.there), "display": caregiver }),
            None => patient(of),
        },
        Author::User | Author::System => json!({ "display": by.unwrap_or_else(|| named(&of.clinic)) }),
    }
}

/// The clinic's name, which may not be set yet.
fn named(clinic: &str) -> &str {
    if clinic.trim().is_empty() { "Clinic" } else { clinic }
}

/// The conversation, of which its messages are parts. It has no date, so that nobody takes it for a message. Where nothing is left
/// of it, it is an error.
pub(super) fn conversation(of: &Content) -> Value {
    let mut it = json!({
        "resourceType": COMMUNICATION,
        "identifier": [identifier(&of.conversation_uid)],
        "status": if of.is_gone { "entered-in-error" } else { "completed" },
        "subject": patient(of),
    });
    if !of.is_gone {
        it["topic"] = json!({ "text": of.title });
    }
    it
}

/// The message. As an error it says nothing any more.
pub(super) fn message(of: &Content, has: &Has) -> Value {
    let is_error = of.is_taken_back;
    let recipient = match of.author {
        Author::Patient => json!({ "display": named(&of.clinic) }),
        Author::User | Author::System => patient(of),
    };
    let mut payload = Vec::new();
    if !is_error && !of.words.trim().is_empty() {
        payload.push(json!({ "contentString": of.words }));
    }
    if !is_error {
        payload.extend(of.files.iter().enumerate().map(|(at, (file, _))| {
            let address = has.documents.get(at).map_or(UNNAMED, String::as_str);
            let mut reference = match address {
                LEFT_OUT => json!({}),
                address => refer(DOCUMENT, address, &of.file_uid(file)),
            };
            reference["display"] = file.file_name.as_str().into();
            json!({ "contentReference": reference })
        }));
    }
    let mut it = json!({
        "resourceType": COMMUNICATION,
        "identifier": [identifier(&of.uid)],
        "partOf": [refer(COMMUNICATION, &has.part_of, &of.conversation_uid)],
        "status": if is_error { "entered-in-error" } else { "completed" },
        "subject": patient(of),
        "sent": instant(of.sent_at),
        "recipient": [recipient],
        "sender": sender(of),
    });
    if !is_error {
        it["topic"] = json!({ "text": of.title });
    }
    // what a patient wrote has come to the clinic as soon as it is sent
    let received = if of.author == Author::Patient { Some(of.sent_at) } else { of.read_at };
    if let Some(at) = received {
        it["received"] = instant(at).into();
    }
    if let Some((uid, address)) = &of.answers {
        it["inResponseTo"] = json!([refer(COMMUNICATION, address, uid)]);
    }
    // FHIR has no empty lists
    if !payload.is_empty() {
        it["payload"] = payload.into();
    }
    it
}

/// A file of the message; as an error it is without its content and its name.
pub(super) fn document(of: &Content, file: &Attachment, content: Option<&[u8]>) -> Value {
    let media_type = file.media_type.split(';').next().unwrap_or_default().trim();
    let mut attachment = json!({ "contentType": media_type, "size": file.size });
    let mut it = json!({
        "resourceType": DOCUMENT,
        "identifier": [identifier(&of.file_uid(file))],
        "status": if of.is_taken_back { "entered-in-error" } else { "current" },
        "subject": patient(of),
        "date": instant(of.sent_at),
        "author": [sender(of)],
        "context": { "related": [refer(COMMUNICATION, "", &of.uid)] },
    });
    if let Some(bytes) = content {
        attachment["title"] = file.file_name.as_str().into();
        attachment["data"] = BASE64.encode(bytes).into();
        it["description"] = file.file_name.as_str().into();
    }
    it["content"] = json!([{ "attachment": attachment }]);
    it
}

/// The whole of a closed conversation as a PDF; as an error it is without its content and its title. The file name tells nothing of
/// the patient.
pub(super) fn paper(of: &Content, pdf: Option<&[u8]>) -> Value {
    let mut attachment = json!({ "contentType": "application/pdf", "title": "conversation.pdf" });
    if let Some(bytes) = pdf {
        attachment["size"] = bytes.len().into();
        attachment["data"] = BASE64.encode(bytes).into();
    }
    let mut it = json!({
        "resourceType": DOCUMENT,
        "identifier": [identifier(&of.uid)],
        "status": if pdf.is_some() { "current" } else { "entered-in-error" },
        "subject": patient(of),
        "date": instant(of.closed_at.unwrap_or(of.sent_at)),
        "author": [{ "display": named(&of.clinic) }],
        "content": [{ "attachment": attachment }],
        "context": { "related": [refer(COMMUNICATION, &of.known_part_of, &of.conversation_uid)] },
    });
    if pdf.is_some() {
        it["description"] = of.title.as_str().into();
    }
    it
}
