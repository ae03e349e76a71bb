//! Recognises the release of FHIR that a resource is written in: a Bundle does not name it.

use serde_json::value::RawValue;

use super::slim::Members;

/// A release of FHIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// 1.0
    Dstu2,
    /// 3.0
    Stu3,
    /// 5.0 and later
    R5,
}

impl Release {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dstu2 => "DSTU2",
            Self::Stu3 => "STU3",
            Self::R5 => "R5",
        }
    }
}

/// How a field shows another release.
enum Form {
    /// the field does not exist in R4
    There,
    /// it is a text, and in R4 an object
    Text,
    /// it is an object, and in R4 something else or missing
    Object,
    /// it is a list, and in R4 something else or missing
    List,
    /// it contains a field of this name, at any depth, which it does not in R4
    Holds(&'static str),
}

/// Types that exist in this one release only.
const TYPES: [(&str, Release); 8] = [
    ("BodySite", Release::Stu3),
    ("DataElement", Release::Stu3),
    ("DiagnosticOrder", Release::Dstu2),
    ("MedicationOrder", Release::Dstu2),
    ("Order", Release::Dstu2),
    ("OrderResponse", Release::Dstu2),
    ("ProcedureRequest", Release::Stu3),
    ("ReferralRequest", Release::Stu3),
];

/// Fields that show a release. They must include every field that would be misread: `notDone` of STU3 reverses the
/// meaning of a procedure.
const TRAITS: [(&str, &str, Form, Release); 48] = [
    ("CarePlan", "context", Form::Object, Release::Stu3),
    ("CarePlan", "addresses", Form::Holds("concept"), Release::R5),
    ("Communication", "notDone", Form::There, Release::Stu3),
    ("Communication", "context", Form::Object, Release::Stu3),
    ("Communication", "reason", Form::List, Release::R5),
    ("Condition", "patient", Form::There, Release::Dstu2),
    ("Condition", "dateRecorded", Form::There, Release::Dstu2),
    ("Condition", "assertedDate", Form::There, Release::Stu3),
    ("Condition", "clinicalStatus", Form::Text, Release::Stu3),
    ("Condition", "verificationStatus", Form::Text, Release::Stu3),
    ("Condition", "context", Form::Object, Release::Stu3),
    ("DiagnosticReport", "codedDiagnosis", Form::There, Release::Stu3),
    ("DiagnosticReport", "performer", Form::Holds("actor"), Release::Stu3),
    ("DiagnosticReport", "context", Form::Object, Release::Stu3),
    ("DocumentReference", "class", Form::There, Release::Stu3),
    ("DocumentReference", "indexed", Form::There, Release::Stu3),
    ("DocumentReference", "context", Form::List, Release::R5),
    ("Encounter", "patient", Form::There, Release::Dstu2),
    ("Encounter", "class", Form::Text, Release::Dstu2),
    ("Encounter", "class", Form::List, Release::R5),
    ("Encounter", "actualPeriod", Form::There, Release::R5),
    ("Encounter", "reason", Form::Holds("value"), Release::R5),
    ("Encounter", "reason", Form::List, Release::Stu3),
    ("Goal", "status", Form::There, Release::Stu3),
    ("Immunization", "wasNotGiven", Form::There, Release::Dstu2),
    ("Immunization", "notGiven", Form::There, Release::Stu3),
    ("Immunization", "practitioner", Form::There, Release::Stu3),
    ("Immunization", "reason", Form::List, Release::R5),
    ("MedicationRequest", "context", Form::Object, Release::Stu3),
    ("MedicationRequest", "requester", Form::Holds("agent"), Release::Stu3),
    ("MedicationRequest", "medication", Form::Object, Release::R5),
    ("MedicationRequest", "reason", Form::List, Release::R5),
    ("MedicationStatement", "taken", Form::There, Release::Stu3),
    ("MedicationStatement", "wasNotTaken", Form::There, Release::Dstu2),
    ("MedicationStatement", "medication", Form::Object, Release::R5),
    ("Observation", "comments", Form::There, Release::Dstu2),
    ("Observation", "related", Form::List, Release::Stu3),
    ("Observation", "context", Form::Object, Release::Stu3),
    ("Patient", "careProvider", Form::There, Release::Dstu2),
    ("Procedure", "notPerformed", Form::There, Release::Dstu2),
    ("Procedure", "notDone", Form::There, Release::Stu3),
    ("Procedure", "context", Form::Object, Release::Stu3),
    ("Procedure", "occurrenceDateTime", Form::There, Release::R5),
    ("Procedure", "occurrencePeriod", Form::There, Release::R5),
    ("QuestionnaireResponse", "group", Form::There, Release::Dstu2),
    ("QuestionnaireResponse", "context", Form::Object, Release::Stu3),
    ("ServiceRequest", "code", Form::Holds("concept"), Release::R5),
    ("ServiceRequest", "reason", Form::List, Release::R5),
];

impl Form {
    fn is(&self, value: &RawValue) -> bool {
        let text = value.get();
        match self {
            Self::There => text != "null",
            Self::Text => text.starts_with('"'),
            Self::Object => text.starts_with('{'),
            Self::List => text.starts_with('['),
            // in JSON an unescaped quote before a colon can only end a key
            Self::Holds(name) => {
                let key = format!("\"{name}\"");
                text.match_indices(&key)
                    .any(|(at, _)| text.get(at + key.len()..).is_some_and(|rest| rest.trim_start().starts_with(':')))
            }
        }
    }
}

/// The release that a resource shows; `None` where it may be R4.
pub(super) fn other_release(json: &str) -> Option<Release> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let kind = members.iter().find(|(name, _)| name == "resourceType")?;
    let kind: String = serde_json::from_str(kind.1.get()).ok()?;
    if let Some((_, release)) = TYPES.iter().find(|(name, _)| *name == kind) {
        return Some(*release);
    }
    let of_kind = TRAITS.iter().filter(|(name, ..)| *name == kind);
    of_kind
        .filter(|(_, field, form, _)| members.iter().any(|(name, value)| name == field && form.is(value)))
        .map(|(.., release)| *release)
        .next()
}
