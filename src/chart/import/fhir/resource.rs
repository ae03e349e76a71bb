//! The resource types that the import reads, and what it reads of each. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

use time::OffsetDateTime;

use super::SkipReason;
use super::types::{CodeableConcept, HumanName, Reference, types};
use super::when::moment;
use super::{
    document::{Binary, Communication, DocumentReference},
    encounter::{Condition, Encounter, Immunization, Procedure},
    form::{Questionnaire, QuestionnaireResponse},
    invoice::Invoice,
    order::{Medication, MedicationRequest, ServiceRequest},
    patient::Patient,
    plan::{CarePlan, Goal},
    report::{DiagnosticReport, Observation},
};

types! {
    struct Practitioner { name: Vec<HumanName> }
    struct RelatedPerson { name: Vec<HumanName> }
    struct PractitionerRole { practitioner: Option<Reference>, organization: Option<Reference> }
    struct Organization { name: Option<String> }
    struct Location { name: Option<String> }
    /// What every type is asked before it is read.
    struct Header {
        resource_type: Option<String>,
        id: Option<String>,
        status: Option<serde_json::Value>,
        doc_status: Option<String>,
        verification_status: Option<CodeableConcept>,
        modifier_extension: Option<Vec<serde::de::IgnoredAny>>,
        subject: Option<Reference>,
        patient: Option<Reference>,
        text: Option<Narrative>,
        meta: Option<Meta>,
    }
    struct Narrative { div: Option<String> }
    struct Meta { last_updated: Option<String> }
}

impl Header {
    /// The record takes it back (R4: `entered-in-error` in each status value set).
    pub fn is_entered_in_error(&self) -> bool {
        let error = "entered-in-error";
        self.status.as_ref().and_then(|status| status.as_str()) == Some(error)
            || self.doc_status.as_deref() == Some(error)
            || self
                .verification_status
                .as_ref()
                .is_some_and(|status| status.coding.iter().any(|coding| coding.code.as_deref() == Some(error)))
    }

    pub fn has_modifiers(&self) -> bool {
        self.modifier_extension.as_ref().is_some_and(|extensions| !extensions.is_empty())
    }
}

/// Enough to count a resource by its type when its other fields are broken.
#[derive(Debug, Deserialize)]
struct TypeOnly {
    #[serde(rename = "resourceType")]
    resource_type: String,
}

/// What a resource contains (R4 §2.4.2.4), as it stands there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Holder<'a> {
    #[serde(borrow)]
    pub contained: Vec<&'a RawValue>,
}

impl Header {
    /// Type and header of the JSON of a resource; the type alone where the header has not its form.
    pub fn read(json: &str) -> Result<(String, Header), String> {
        match serde_json::from_str::<Header>(json) {
            Ok(header) => Ok((header.resource_type.clone().unwrap_or_default(), header)),
            Err(_) => Err(serde_json::from_str::<TypeOnly>(json).map(|only| only.resource_type).unwrap_or_default()),
        }
    }
}

/// A resource that can be read, or why it can't, and whose it is then.
type Read = Result<(Header, Resource), (SkipReason, Option<Reference>)>;

/// Reads the JSON of a resource, with its type.
pub(super) fn read_one(json: &str) -> (String, Read) {
    let (kind, header) = match Header::read(json) {
        Ok(read) => read,
        Err(kind) => return (kind, Err((SkipReason::Malformed, None))),
    };
    let flaw = (header.is_entered_in_error().then_some(SkipReason::EnteredInError))
        .or_else(|| header.has_modifiers().then_some(SkipReason::UnknownModifier));
    let read = match flaw {
        Some(reason) => Err(reason),
        None if kind.is_empty() => Err(SkipReason::Malformed),
        None => match Resource::read(&kind, json) {
            None => Err(SkipReason::NotMapped),
            Some(Err(_)) => Err(SkipReason::Malformed),
            Some(Ok(resource)) => Ok(resource),
        },
    };
    match read {
        Ok(resource) => (kind, Ok((header, resource))),
        Err(reason) => (kind, Err((reason, header.subject.or(header.patient)))),
    }
}

macro_rules! resources {
    ($($name:ident),* $(,)?) => {
        /// A resource that is read.
        #[derive(Debug)]
        pub(super) enum Resource { $($name(Box<$name>)),* }

        impl Resource {
            /// Reads a resource of that type: none where the type is not read, an error where a field has a wrong type.
            pub fn read(kind: &str, json: &str) -> Option<Result<Self, serde_json::Error>> {
                match kind {
                    $(stringify!($name) => Some(serde_json::from_str(json).map(Self::$name)),)*
                    _ => None,
                }
            }

            /// Whether resources of a type are read.
            pub fn is_read(kind: &str) -> bool {
                [$(stringify!($name)),*].contains(&kind)
            }

            /// The FHIR name of its type.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name)),* }
            }
        }
    };
}

resources! {
    Binary, CarePlan, Communication, Condition, DiagnosticReport, DocumentReference, Encounter, Goal, Immunization,
    Invoice, Location, Medication, MedicationRequest, Observation, Organization, Patient, Practitioner,
    PractitionerRole, Procedure, Questionnaire, QuestionnaireResponse, RelatedPerson, ServiceRequest,
}

impl Resource {
    /// Whose it may be where `subject` and `patient` are missing; trusted only where it comes to one patient.
    pub fn other_subjects(&self) -> Vec<&Reference> {
        match self {
            Self::Communication(message) => message.sender.iter().chain(&message.recipient).collect(),
            Self::Invoice(invoice) => invoice.recipient.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The encounter during which it was made.
    pub fn encounter(&self) -> Option<&Reference> {
        match self {
            Self::CarePlan(it) => it.encounter.as_ref(),
            Self::Communication(it) => it.encounter.as_ref(),
            Self::Condition(it) => it.encounter.as_ref(),
            Self::DiagnosticReport(it) => it.encounter.as_ref(),
            Self::DocumentReference(it) => it.context.as_ref().and_then(|context| context.encounter.first()),
            Self::Immunization(it) => it.encounter.as_ref(),
            Self::MedicationRequest(it) => it.encounter.as_ref(),
            Self::Observation(it) => it.encounter.as_ref(),
            Self::Procedure(it) => it.encounter.as_ref(),
            Self::QuestionnaireResponse(it) => it.encounter.as_ref(),
            Self::ServiceRequest(it) => it.encounter.as_ref(),
            _ => None,
        }
    }
}

/// The type of the JSON of a resource; empty where it says none.
pub fn kind_of(json: &str) -> String {
    serde_json::from_str::<TypeOnly>(json).map(|only| only.resource_type).unwrap_or_default()
}

impl Resource {
    /// How it stands.
    pub fn status(&self) -> Option<&String> {
        match self {
            Self::CarePlan(it) => it.status.as_ref(),
            Self::Communication(it) => it.status.as_ref(),
            Self::DiagnosticReport(it) => it.status.as_ref(),
            Self::DocumentReference(it) => match it.doc_status.as_deref() {
                Some("preliminary" | "amended") => it.doc_status.as_ref(),
                _ => it.status.as_ref(),
            },
            Self::Encounter(it) => it.status.as_ref(),
            Self::Immunization(it) => it.status.as_ref(),
            Self::Invoice(it) => it.status.as_ref(),
            Self::MedicationRequest(it) => it.status.as_ref(),
            Self::Observation(it) => it.status.as_ref(),
            Self::Procedure(it) => it.status.as_ref(),
            Self::QuestionnaireResponse(it) => it.status.as_ref(),
            Self::ServiceRequest(it) => it.status.as_ref(),
            _ => None,
        }
    }

    /// The date that says when it was, as written.
    fn dated(&self) -> Option<&String> {
        match self {
            Self::CarePlan(it) => it.created.as_ref(),
            Self::Communication(it) => it.sent.as_ref().or(it.received.as_ref()),
            Self::Condition(it) => it.recorded_date.as_ref().or(it.onset_date_time.as_ref()),
            Self::DiagnosticReport(it) => it.effective_date_time.as_ref().or(it.issued.as_ref()),
            Self::DocumentReference(it) => it.date.as_ref(),
            Self::Encounter(it) => it.period.as_ref().and_then(|period| period.start.as_ref()),
            Self::Immunization(it) => it.occurrence_date_time.as_ref().or(it.recorded.as_ref()),
            Self::Invoice(it) => it.date.as_ref(),
            Self::MedicationRequest(it) => it.authored_on.as_ref(),
            Self::Observation(it) => it.effective_date_time.as_ref().or(it.issued.as_ref()),
            Self::Procedure(it) => it
                .performed_date_time
                .as_ref()
                .or_else(|| it.performed_period.as_ref().and_then(|period| period.start.as_ref())),
            Self::QuestionnaireResponse(it) => it.authored.as_ref(),
            Self::ServiceRequest(it) => it.authored_on.as_ref().or(it.occurrence_date_time.as_ref()),
            _ => None,
        }
    }

    /// When it was, as far as it says it itself.
    pub fn when(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Observation(it) => it.moment().map(|moment| moment.at),
            _ => self.dated().and_then(|text| moment(text)).map(|moment| moment.at),
        }
    }

    /// How much of its date is known, where that is a year or a month only.
    pub fn date_only(&self) -> Option<&'static str> {
        let text = self.dated()?.trim();
        moment(text)?;
        match text.len() {
            4 => Some("year"),
            7 => Some("month"),
            _ => None,
        }
    }
}
