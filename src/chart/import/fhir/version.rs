//! Which release of FHIR a resource is written in, where it shows: a Bundle does not say it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A release of FHIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// 1.0
    Dstu2,
    /// 3.0
    Stu3,
    /// 4.0, and 4.3 where they are the same
    R4,
    /// 5.0 and later
    R5,
}

impl Release {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dstu2 => "DSTU2",
            Self::Stu3 => "STU3",
            Self::R4 => "R4",
            Self::R5 => "R5",
        }
    }
}

/// Fields by which a release shows: each exists in that release only, or has another form there.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Traits<'a> {
    resource_type: String,
    #[serde(borrow)]
    class: Option<&'a RawValue>,
    #[serde(borrow)]
    medication: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    indexed: Option<&'a RawValue>,
    #[serde(borrow)]
    actual_period: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

/// The release that a resource shows; none where it could be of several.
pub(super) fn release_of(json: &str) -> Option<Release> {
    let it: Traits = serde_json::from_str(json).ok()?;
    let is = |value: Option<&RawValue>, first: char| value.is_some_and(|raw| raw.get().starts_with(first));
    Some(match it.resource_type.as_str() {
        "MedicationOrder" | "DiagnosticOrder" | "Order" | "OrderResponse" => Release::Dstu2,
        "ProcedureRequest" | "ReferralRequest" | "DataElement" | "BodySite" | "Sequence" => Release::Stu3,
        "Encounter" if is(it.class, '"') => Release::Dstu2,
        "Encounter" if is(it.class, '[') || it.actual_period.is_some() => Release::R5,
        "Encounter" if is(it.reason, '[') && !holds(it.reason, "\"value\"") && holds(it.reason, "\"coding\"") => {
            Release::Stu3
        }
        "MedicationRequest" | "MedicationStatement" if is(it.medication, '{') => Release::R5,
        "MedicationRequest" | "Observation" | "DiagnosticReport" | "Condition" | "Procedure" if is(it.context, '{') => {
            Release::Stu3
        }
        "DocumentReference" if it.indexed.is_some() => Release::Stu3,
        "DocumentReference" if is(it.context, '[') => Release::R5,
        _ => return None,
    })
}

fn holds(value: Option<&RawValue>, word: &str) -> bool {
    value.is_some_and(|raw| raw.get().contains(word))
}
