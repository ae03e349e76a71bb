//! Fields of a resource for which there is no place: the item names them, so that nobody takes it for the whole.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::resource::Resource;

/// Fields that say nothing to a reader, of any type: what a server needs, or what is told by other fields.
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

/// And of these types: how it came about, who typed it, who pays, what is told in other words.
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

/// Types of which only a name is taken.
const NAMES_ONLY: [&str; 7] =
    ["Binary", "Location", "Organization", "Practitioner", "PractitionerRole", "Questionnaire", "RelatedPerson"];

/// What a patient's record here has no place for.
const OF_PATIENTS: [&str; 9] = [
    "address",
    "contact",
    "gender",
    "generalPractitioner",
    "managingOrganization",
    "maritalStatus",
    "multipleBirthBoolean",
    "multipleBirthInteger",
    "photo",
];

/// Fields of R4 for which there is no place and that a reader would miss; the pages have words for them.
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

/// What stands for any other: a name that is none of the standard's might be anything.
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

/// `valueQuantity` as the program calls it: `value_quantity`.
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

/// The fields of the JSON of a resource for which there is no place, in alphabetical order.
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
        // what begins with a line only explains another field (R4 §2.6.2)
        .filter(|key| !key.starts_with('_') && !is_read(key))
        .filter(|key| !EVERYWHERE.contains(&key.as_str()) && !quiet.contains(&key.as_str()))
        .map(|key| known.iter().copied().find(|field| *field == key).unwrap_or(OTHER))
        .collect();
    unread.sort();
    unread.dedup();
    unread
}
