//! The records as FHIR R4 (<https://hl7.org/fhir/R4/>), a line of JSON for each resource. What R4 has no field for stands in
//! extensions named `urn:postern:…`, which others ignore.

mod related_person;

pub(super) use related_person::related_person;

use crate::attachments::Attachment;
use crate::audit::{ActorKind, Row};
use crate::chart::{Item, ItemState};
use crate::conversations::{Author, MessageRow, Thread};
use crate::db::{ConversationId, MessageId, PatientId, PlanStepId, Ts};
use crate::notifications::Outcome;
use crate::patients::{IdKind, Patient, PostalAddress};
use crate::storage::Blob;
use crate::text::Lang;
use crate::users::UserRow;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use time::format_description::well_known::Rfc3339;

const V2_0203: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const MODES: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// The clinic's own resource.
const CLINIC: &str = "Organization/clinic";

/// A moment as an `instant`.
fn instant(at: Ts) -> String {
    at.get().format(&Rfc3339).unwrap_or_default()
}

fn refer(to: impl std::fmt::Display) -> Value {
    json!({ "reference": to.to_string() })
}

fn extension(name: &str, kind: &str, value: impl Into<Value>) -> Value {
    let mut members = Map::new();
    members.insert("url".to_owned(), format!("urn:postern:{name}").into());
    members.insert(format!("value{kind}"), value.into());
    Value::Object(members)
}

/// A resource, without the members that have no value: FHIR has neither null nor empty lists.
fn resource(members: Value) -> Value {
    let is_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    match members {
        Value::Object(members) => {
            members.into_iter().filter(|(_, value)| is_something(value)).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

pub(super) fn organization(name: &str) -> Value {
    let name = if name.trim().is_empty() { "Clinic" } else { name };
    json!({ "resourceType": "Organization", "id": "clinic", "name": name })
}

pub(super) fn practitioner(user: &UserRow) -> Value {
    json!({ "resourceType": "Practitioner", "id": format!("user-{}", user.id), "name": [{ "text": user.name }] })
}

pub(super) fn patient(patient: &Patient, identifiers: &[(IdKind, String)], address: Option<&PostalAddress>) -> Value {
    let identifier = |code: &str, value: &str| json!({ "type": { "coding": [{ "system": V2_0203, "code": code }] }, "value": value });
    let mut numbers: Vec<Value> = patient.health_number.iter().map(|number| identifier("JHN", number)).collect();
    for (kind, number) in identifiers {
        numbers.extend(kind.v2_0203().map(|code| identifier(code, number)));
    }
    let part = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let given = if patient.given_name.is_empty() { Value::Null } else { json!([patient.given_name]) };
    let official = resource(json!({ "use": "official", "family": part(&patient.family_name), "given": given }));
    let mut names = vec![official];
    names.extend(patient.preferred_name.iter().map(|name| json!({ "use": "nickname", "given": [name] })));
    let email = patient.email.iter().map(|at| json!({ "system": "email", "value": at.to_string(), "use": "home" }));
    let phone = patient.phone.iter().map(|at| json!({ "system": "phone", "value": at.to_string(), "use": "mobile" }));
    let home = address.map(|at| {
        let street: Vec<&str> = at.street.lines().collect();
        resource(json!({
            "use": "home",
            "line": street,
            "city": at.city,
            "state": at.region,
            "postalCode": at.postal_code,
            "country": at.country,
        }))
    });
    let has_died = patient.archive_reason.is_some_and(|reason| reason.as_str() == "deceased");
    resource(json!({
        "resourceType": "Patient",
        "id": format!("patient-{}", patient.id),
        "extension": [
            extension("notification-method", "Code", patient.method.as_str()),
            extension("portal-access", "Boolean", patient.portal_access),
        ],
        "identifier": numbers,
        "active": patient.archived_at.is_none() || has_died,
        "name": names,
        "telecom": email.chain(phone).collect::<Vec<_>>(),
        "birthDate": patient.birth_date.0.to_string(),
        "deceasedBoolean": if has_died { true.into() } else { Value::Null },
        "address": home.into_iter().collect::<Vec<_>>(),
        "communication": [{
            "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": patient.language }] },
            "preferred": true,
        }],
    }))
}

/// The conversation, of which its messages are parts. It has no date, so that nobody takes it for a message.
pub(super) fn conversation(id: ConversationId, thread: &Thread, patient: PatientId) -> Value {
    let status = match (thread.recalled_at, &thread.closed) {
        (Some(_), _) => "stopped",
        (None, Some(_)) => "completed",
        (None, None) => "in-progress",
    };
    let users = thread.participants.iter().map(|(user, ..)| refer(format!("Practitioner/user-{user}")));
    let mut extensions = vec![extension("replies-allowed", "Boolean", thread.replies_allowed)];
    if thread.only_patient {
        extensions.push(extension("only-patient", "Boolean", true));
    }
    resource(json!({
        "resourceType": "Communication",
        "id": format!("conversation-{id}"),
        "extension": extensions,
        "status": status,
        "subject": refer(format!("Patient/patient-{patient}")),
        "topic": { "text": thread.title },
        "recipient": users.collect::<Vec<_>>(),
    }))
}

/// The message that a message answers: for the patient the clinic's last one, for the clinic the patient's, and for a
/// correction the corrected one.
pub(super) fn answered(message: &MessageRow, last: (Option<MessageId>, Option<MessageId>)) -> Option<MessageId> {
    let (of_clinic, of_patient) = last;
    match message.author {
        _ if message.internal => None,
        Author::Patient => of_clinic,
        _ => message.corrects.map(|(original, _)| original).or(of_patient),
    }
}

/// What says that something belongs to an internal note.
fn note_category(message: &MessageRow, lang: Lang) -> Value {
    if message.internal { json!([{ "text": lang.t("internal-note") }]) } else { Value::Null }
}

fn sender(message: &MessageRow, patient: PatientId) -> Value {
    match (message.author, message.user) {
        // the reference stays the patient's, whose record it is; who wrote in their place is said beside it
        (Author::Patient, _) => match &message.caregiver {
            Some(who) => json!({ "reference": format!("Patient/patient-{patient}"), "display": who.name }),
            None => refer(format!("Patient/patient-{patient}")),
        },
        (_, Some(user)) => refer(format!("Practitioner/user-{user}")),
        _ => refer(CLINIC),
    }
}

pub(super) fn message(
    message: &MessageRow,
    (conversation, title, patient): (ConversationId, &str, PatientId),
    answers: Option<MessageId>,
    lang: Lang,
) -> Value {
    let (status, reason) = match &message.recalled {
        Some((at, by)) => {
            ("stopped", json!({ "text": lang.t2("recalled-by", "name", by.as_str(), "when", instant(*at)) }))
        }
        None => ("completed", Value::Null),
    };
    let recipient = match message.author {
        _ if message.internal => refer(CLINIC),
        Author::Patient => refer(CLINIC),
        _ => refer(format!("Patient/patient-{patient}")),
    };
    let struck = |words: &str| lang.t1("paper-struck", "words", words);
    let words = message.body.plain_lines(&struck);
    let mut payload = Vec::new();
    if !words.trim().is_empty() {
        payload.push(json!({ "contentString": words }));
    }
    payload.extend(message.files.iter().map(|file| {
        let reference = format!("DocumentReference/attachment-{}", file.id);
        json!({ "contentReference": { "reference": reference, "display": file.file_name } })
    }));
    let html = Some(message.body.as_str()).filter(|html| !html.is_empty());
    let mut extensions: Vec<Value> = html.map(|html| extension("html", "String", html)).into_iter().collect();
    extensions.extend(
        message
            .corrects
            .map(|(id, _)| extension("corrects", "Reference", refer(format!("Communication/message-{id}")))),
    );
    extensions.extend(
        message
            .answers
            .iter()
            .map(|(answer, at)| extension("answer", "String", format!("{} {}", answer.as_str(), instant(*at)))),
    );
    resource(json!({
        "resourceType": "Communication",
        "id": format!("message-{}", message.id),
        "extension": extensions,
        "partOf": [refer(format!("Communication/conversation-{conversation}"))],
        "inResponseTo": answers.map(|id| refer(format!("Communication/message-{id}"))).into_iter().collect::<Vec<_>>(),
        "status": status,
        "statusReason": reason,
        "category": note_category(message, lang),
        "subject": refer(format!("Patient/patient-{patient}")),
        "topic": { "text": title },
        "sent": instant(message.created_at),
        "received": message.read_by_patient_at.map(instant),
        "recipient": [recipient],
        "sender": sender(message, patient),
        "payload": payload,
    }))
}

/// What was done beside the messages of a conversation to reach the patient: telephone calls, each with what became of it, and
/// letters as they were printed.
pub(super) fn beside(thread: &Thread, (conversation, patient): (ConversationId, PatientId), lang: Lang) -> Vec<Value> {
    let message = |step: PlanStepId| thread.plan.iter().find(|one| one.id == step).map(|one| one.message_id);
    let way =
        |kind: &str, id: i64, (mode, status): (&str, &str), (step, by, at): (PlanStepId, &str, Ts), words: String| {
            let about = message(step).map(|id| refer(format!("Communication/message-{id}")));
            resource(json!({
                "resourceType": "Communication",
                "id": format!("{}-{id}", if kind == "phone" { "call" } else { kind }),
                "partOf": [refer(format!("Communication/conversation-{conversation}"))],
                "status": status,
                "medium": [{ "coding": [{ "system": MODES, "code": mode }] }],
                "subject": refer(format!("Patient/patient-{patient}")),
                "topic": { "text": lang.t_of("plan-step", kind) },
                "about": about.into_iter().collect::<Vec<_>>(),
                "sent": instant(at),
                "recipient": [refer(format!("Patient/patient-{patient}"))],
                "sender": { "display": by },
                "payload": [{ "contentString": words }],
            }))
        };
    let calls = thread.calls.iter().map(|call| {
        let status = match call.outcome {
            Outcome::Reached | Outcome::Voicemail => "completed",
            Outcome::NoAnswer | Outcome::WrongNumber => "not-done",
        };
        let outcome = lang.t_of("call-outcome", call.outcome.as_str());
        let words = if call.note.is_empty() { outcome.to_owned() } else { format!("{outcome}\n{}", call.note) };
        way("phone", call.id, ("PHONE", status), (call.step, call.by.as_str(), call.at), words)
    });
    let letters = thread.letters.iter().map(|letter| {
        let holds = lang.t_of("letter-holds", if letter.whole { "whole" } else { "notice" });
        let words = format!("{}: {holds}", lang.t("letter-printed"));
        way("letter", letter.id.0, ("MAILWRIT", "completed"), (letter.step, letter.by.as_str(), letter.at), words)
    });
    calls.chain(letters).collect()
}

/// The address of a file's bytes: `None` where they are not in the export.
fn attachment(name: &str, media_type: &str, size: i64, binary: Option<&str>) -> Value {
    resource(json!({
        "contentType": media_type.split(';').next().unwrap_or_default().trim(),
        "url": binary.map(|id| format!("Binary/{id}")),
        "size": size,
        "title": name,
    }))
}

/// The file of a message. One of a message that was taken back is in error, so that nobody takes it for a document of the chart.
pub(super) fn attached(
    (file, blob, is_there): (&Attachment, &Blob, bool),
    of: &MessageRow,
    patient: PatientId,
    lang: Lang,
) -> Value {
    let id = format!("attachment-{}", file.id);
    resource(json!({
        "resourceType": "DocumentReference",
        "id": id,
        "extension": [extension("sha256", "String", HEXLOWER.encode(&blob.sha256))],
        "status": if of.recalled.is_some() { "entered-in-error" } else { "current" },
        "category": note_category(of, lang),
        "subject": refer(format!("Patient/patient-{patient}")),
        "date": instant(of.created_at),
        "author": [sender(of, patient)],
        "description": file.file_name,
        "content": [{ "attachment": attachment(&file.file_name, &file.media_type, file.size, is_there.then_some(&id)) }],
        "context": { "related": [refer(format!("Communication/message-{}", of.id))] },
    }))
}

/// The file of a chart item: name, media type, size, and whether it is in the export.
pub(super) type ItemFile<'a> = (&'a str, &'a str, i64, bool);

/// A chart item: its file, or else its words as a page. Postern reads the whole of it back from an extension.
pub(super) fn chart_item(
    item: &Item,
    patient: PatientId,
    (file, page_size): (Option<ItemFile>, u64),
    lang: Lang,
) -> Result<Value, serde_json::Error> {
    let row = &item.row;
    let id = format!("item-{}", row.id);
    let content = match file {
        Some((name, media_type, size, is_there)) => attachment(name, media_type, size, is_there.then_some(&id)),
        None => attachment(&format!("{}.html", row.title), "text/html", page_size as i64, Some(&id)),
    };
    let own = json!({
        "kind": row.kind.as_str(),
        "sort": row.sort.map(|sort| sort.as_str()),
        "status": row.status,
        "has_file": file.is_some(),
        "body": serde_json::to_value(&item.body)?,
    });
    let date = match row.date_only {
        // `date` is an instant: what is known of a day only stands in `context`
        Some(_) => (Value::Null, json!({ "period": { "start": row.day_in_name() } })),
        None => (instant(row.occurred_at).into(), Value::Null),
    };
    let withdrawn = row.state == ItemState::Withdrawn;
    Ok(resource(json!({
        "resourceType": "DocumentReference",
        "id": id,
        "extension": [extension("chart-item", "String", serde_json::to_string(&own)?)],
        "status": if withdrawn { "entered-in-error" } else { "current" },
        "type": { "text": row.kind_words(&lang) },
        "subject": refer(format!("Patient/patient-{patient}")),
        "date": date.0,
        "author": row.author.iter().map(|name| json!({ "display": name })).collect::<Vec<_>>(),
        "description": row.title,
        "content": [{ "attachment": content }],
        "context": date.1,
    })))
}

/// A row of the audit log. `there`: the patients who are in the export, for whom a reference leads somewhere.
pub(super) fn audit_event(row: &Row, there: &HashSet<PatientId>) -> Value {
    let patient = |id: i64| match there.contains(&PatientId(id)) {
        true => refer(format!("Patient/patient-{id}")),
        false => json!({ "identifier": { "system": "urn:postern:patient", "value": id.to_string() } }),
    };
    let who = match (row.actor, row.actor_id) {
        (ActorKind::User, Some(id)) => refer(format!("Practitioner/user-{id}")),
        (ActorKind::Patient, Some(id)) => patient(id),
        (ActorKind::Caregiver, Some(id)) => {
            json!({ "identifier": { "system": "urn:postern:caregiver", "value": id.to_string() } })
        }
        _ => json!({ "display": "Postern" }),
    };
    let mut entities = Vec::new();
    entities.extend(row.patient_id.map(|id| json!({ "what": patient(id.0) })));
    if let (Some(kind), Some(id)) = (&row.subject, row.subject_id) {
        let what = json!({ "identifier": { "system": format!("urn:postern:{kind}"), "value": id.to_string() } });
        entities.push(json!({ "what": what }));
    }
    if let Some(detail) = row.detail.as_deref().filter(|detail| !detail.is_empty()) {
        entities.push(json!({ "detail": [{ "type": "detail", "valueString": detail }] }));
    }
    let (code, display) =
        if row.patient_id.is_some() { ("110110", "Patient Record") } else { ("110100", "Application Activity") };
    let place = format!("{} {} {}", row.chain, row.position, HEXLOWER.encode(&row.hash));
    resource(json!({
        "resourceType": "AuditEvent",
        "id": format!("audit-{}", row.id),
        "extension": [extension("audit-chain", "String", place)],
        "type": { "system": DCM, "code": code, "display": display },
        "subtype": [{ "system": "urn:postern:event", "code": row.action }],
        "recorded": instant(row.at),
        "agent": [{ "who": who, "requestor": true }],
        "source": { "observer": refer(CLINIC) },
        "entity": entities,
    }))
}
