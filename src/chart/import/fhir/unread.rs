//! Finds fields of a resource that have no place in an item: the item names them, so that nobody takes it for complete.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::resource::Resource;

/// Fields of any type that tell a reader nothing: data for servers, and data that other fields show.
const EVERYWHERE: [&str; 18] = [
    "basedOn",
    "contained",
    "extension",
    "groupIdentifier",
    "id",
    "identifier",
    "instantiatesCanonical",
    "instantiatesUri",
    "implicitRules",
    "language",
    "meta",
    "modifierExtension",
    "partOf",
    "patient",
    "replaces",
    "resourceType",
    "subject",
    "text",
];

/// Fields of single types, likewise: how the resource came about, who typed it, who pays, what other fields show.
const OF_TYPE: [(&str, &[&str]); 13] = [
    ("CarePlan", &["careTeam", "supportingInfo"]),
    ("Communication", &["about", "inResponseTo"]),
    ("Condition", &["asserter", "category", "evidence", "recorder"]),
    ("DocumentReference", &["authenticator", "masterIdentifier"]),
    ("Encounter", &["account", "appointment", "classHistory", "episodeOfCare", "length", "statusHistory"]),
    ("Goal", &["achievementStatus", "addresses", "category", "expressedBy", "priority", "startDate", "statusDate"]),
    (
        "Immunization",
        &["education", "fundingSource", "primarySource", "programEligibility", "reportOrigin", "subpotentReason"],
    ),
    ("Invoice", &["account"]),
    ("Medication", &["amount", "batch", "form", "ingredient", "manufacturer", "status"]),
    (
        "MedicationRequest",
        &[
            "category",
            "courseOfTherapyType",
            "eventHistory",
            "insurance",
            "performer",
            "performerType",
            "priorPrescription",
            "recorder",
            "reportedBoolean",
            "reportedReference",
            "supportingInformation",
        ],
    ),
    ("Observation", &["derivedFrom"]),
    ("Procedure", &["asserter", "category", "recorder", "report", "usedCode", "usedReference"]),
    ("ServiceRequest", &["insurance", "relevantHistory", "supportingInfo"]),
];

/// Types of which the import takes only a name.
const NAMES_ONLY: [&str; 7] =
    ["Binary", "Location", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "RelatedPerson"];

/// Fields of a Patient that the clinic's record has no place for.
const OF_PATIENTS: [&str; 8] = [
    "contact",
    "gender",
    "generalPractitioner",
    "managingOrganization",
    "maritalStatus",
    "multipleBirthBoolean",
    "multipleBirthInteger",
    "photo",
];

/// Fields of R4 that have no place and that a reader may miss; the pages have words for each.
pub const MISSED: [&str; 19] = [
    "complicationDetail",
    "detectedIssue",
    "device",
    "effectiveTiming",
    "focalDevice",
    "focus",
    "imagingStudy",
    "media",
    "note",
    "onsetAge",
    "onsetPeriod",
    "onsetRange",
    "onsetString",
    "outcomeCode",
    "outcomeReference",
    "reaction",
    "relatesTo",
    "securityLabel",
    "stage",
];

/// Stands for any other field: a name that is not in the standard could be anything, and is not shown.
pub const OTHER: &str = "other";

/// The names of the members of an object.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Keys;
            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Outer)
    }
}

/// The name of a field in Rust: `value_quantity` for `valueQuantity`.
fn in_program(key: &str) -> String {
    let mut name = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The fields of a resource's JSON that have no place in an item, each once, in alphabetical order.
pub(super) fn unread(resource: &Resource, json: &str) -> Vec<&'static str> {
    let kind = resource.kind();
    if NAMES_ONLY.contains(&kind) {
        return Vec::new();
    }
    let quiet = OF_TYPE.iter().find(|(name, _)| *name == kind).map_or(&[] as &[&str], |(_, fields)| fields);
    let known: &[&'static str] = if kind == "Patient" { &OF_PATIENTS } else { &MISSED };
    let read = resource.fields();
    let is_read = |key: &str| {
        let name = in_program(key);
        read.iter().any(|field| field.trim_start_matches("r#") == name)
    };
    let Ok(Keys(keys)) = serde_json::from_str::<Keys>(json) else { return Vec::new() };
    let mut unread: Vec<&'static str> = keys
        .into_iter()
        // a field that begins with an underscore only explains another field (R4 §2.6.2)
        .filter(|key| !key.starts_with('_') && !is_read(key))
        .filter(|key| !EVERYWHERE.contains(&key.as_str()) && !quiet.contains(&key.as_str()))
        .map(|key| known.iter().copied().find(|field| *field == key).unwrap_or(OTHER))
        .collect();
    unread.sort();
    unread.dedup();
    unread
}
