//! The resource types that the import reads, and what it reads of each. Unknown fields are ignored.

use serde::Deserialize;

use super::types::{CodeableConcept, HumanName, Reference, types};
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
    }
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
pub(super) struct TypeOnly {
    #[serde(rename = "resourceType")]
    pub resource_type: String,
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
