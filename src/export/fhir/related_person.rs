//! A caregiver as a `RelatedPerson`. That they may read is the clinic's own decision: no import gives anybody access.

use super::{extension, instant, refer, resource};
use crate::caregivers::{Caregiver, Relation};
use crate::db::Ts;
use crate::text::Lang;
use serde_json::{Value, json};

const ROLES: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";

/// Somebody who reads and answers for a patient, or did. Rows of the audit log name them by the same identifier.
pub(in crate::export) fn related_person(caregiver: &Caregiver, now: Ts, lang: Lang) -> Value {
    let own = &caregiver.details;
    let code = match own.relation {
        Relation::Parent => Some("PRN"),
        Relation::Guardian => Some("GUARD"),
        Relation::Proxy | Relation::Other => None,
    };
    let coding: Vec<Value> = code.into_iter().map(|code| json!({ "system": ROLES, "code": code })).collect();
    let relation = json!({ "coding": coding, "text": lang.t_of("relation", own.relation.as_str()) });
    let email = own.email.iter().map(|at| json!({ "system": "email", "value": at.to_string(), "use": "home" }));
    let phone = own.phone.iter().map(|at| json!({ "system": "phone", "value": at.to_string(), "use": "mobile" }));
    resource(json!({
        "resourceType": "RelatedPerson",
        "id": format!("caregiver-{}", caregiver.id),
        "extension": [extension("notification-method", "Code", own.method.as_str())],
        "identifier": [{ "system": "urn:postern:caregiver", "value": caregiver.id.to_string() }],
        "active": caregiver.is_current(now),
        "patient": refer(format!("Patient/patient-{}", caregiver.patient_id)),
        "relationship": [resource(relation)],
        "name": [{ "text": own.name }],
        "telecom": email.chain(phone).collect::<Vec<_>>(),
        "birthDate": own.birth_date.0.to_string(),
        "period": resource(json!({ "start": instant(own.starts_at), "end": caregiver.ends_at().map(instant) })),
        "communication": [{
            "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": own.language }] },
            "preferred": true,
        }],
    }))
}
