//! The resource types that the import reads, and which of their fields. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

use time::OffsetDateTime;

use super::SkipReason;
use super::types::{CodeableConcept, Fields, HumanName, Reference, types};
use super::when::moment;
use super::{
    document::{Binary, Communication, DocumentReference},
    done::{Immunization, Procedure},
    encounter::{Condition, Encounter},
    form::{Questionnaire, QuestionnaireResponse},
    invoice::Invoice,
    order::{Medication, MedicationRequest, ServiceRequest},
    patient::Patient,
    plan::{CarePlan, Goal},
    report::{DiagnosticReport, Observation},
};
use crate::emr::OWN_SYSTEM;

types! {
    struct Practitioner { name: Vec<HumanName> }
    struct RelatedPerson { name: Vec<HumanName> }
    struct PractitionerRole { practitioner: Option<Reference>, organization: Option<Reference> }
    struct Organization { name: Option<String> }
    struct Location { name: Option<String> }
    /// The fields that are looked at first, in resources of every type.
    struct Header {
        resource_type: Option<String>,
        id: Option<String>,
        status: Option<serde_json::Value>,
        doc_status: Option<String>,
        lifecycle_status: Option<String>,
        implicit_rules: Option<String>,
        verification_status: Option<CodeableConcept>,
        modifier_extension: Option<Vec<serde::de::IgnoredAny>>,
        subject: Option<Reference>,
        patient: Option<Reference>,
        text: Option<Narrative>,
        meta: Option<Meta>,
        identifier: Option<serde_json::Value>,
    }
    struct Narrative { div: Option<String> }
    struct Meta { last_updated: Option<String> }
}

impl Header {
    /// Whether its source withdraws it (R4: `entered-in-error` in each status value set).
    pub fn is_entered_in_error(&self) -> bool {
        let error = "entered-in-error";
        self.status.as_ref().and_then(|status| status.as_str()) == Some(error)
            || [&self.doc_status, &self.lifecycle_status].iter().any(|status| status.as_deref() == Some(error))
            || self
                .verification_status
                .as_ref()
                .is_some_and(|status| status.coding.iter().any(|coding| coding.code.as_deref() == Some(error)))
    }

    /// Whether Postern wrote it into the record of an EMR: it is here as the message that it was made of.
    pub fn is_written_back(&self) -> bool {
        let all = self.identifier.as_ref().and_then(|identifier| identifier.as_array());
        all.is_some_and(|all| all.iter().any(|one| one["system"].as_str() == Some(OWN_SYSTEM)))
    }

    /// Whether it may mean something else than its fields say: by an extension, or by rules that a reader must know (R4
    /// §2.4.1.1, §2.4.1, `implicitRules`).
    pub fn has_modifiers(&self) -> bool {
        self.modifier_extension.as_ref().is_some_and(|extensions| !extensions.is_empty())
            || self.implicit_rules.is_some()
    }
}

/// Enough to count a resource by its type when its other fields are broken.
#[derive(Debug, Deserialize)]
struct TypeOnly {
    #[serde(rename = "resourceType")]
    resource_type: String,
}

/// The resources inside a resource (R4 §2.4.2.4), as they are written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Holder<'a> {
    #[serde(borrow)]
    pub contained: Vec<&'a RawValue>,
}

impl Header {
    /// Type and header of the JSON of a resource; the type alone where the header is malformed.
    pub fn read(json: &str) -> Result<(String, Header), String> {
        match serde_json::from_str::<Header>(json) {
            Ok(header) => Ok((header.resource_type.clone().unwrap_or_default(), header)),
            Err(_) => Err(serde_json::from_str::<TypeOnly>(json).map(|only| only.resource_type).unwrap_or_default()),
        }
    }
}

/// A resource that can be read, or why it can't, and then its patient.
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
        /// A resource of a type that the import reads.
        #[derive(Debug)]
        pub(super) enum Resource { $($name(Box<$name>)),* }

        impl Resource {
            /// Reads a resource of this type: `None` where the type is not read, an error where a field has a wrong
            /// type.
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

            /// The fields that are read of it, by their names in Rust.
            pub fn fields(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$name as Fields>::ALL),* }
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
    /// Patients it may belong to where `subject` and `patient` are missing; trusted only where they are one patient.
    pub fn other_subjects(&self) -> Vec<&Reference> {
        match self {
            Self::Communication(message) => message.sender.iter().chain(&message.recipient).collect(),
            Self::Invoice(invoice) => invoice.recipient.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The encounter during which the resource was made.
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

/// The type of the JSON of a resource; empty where it has none.
pub fn kind_of(json: &str) -> String {
    serde_json::from_str::<TypeOnly>(json).map(|only| only.resource_type).unwrap_or_default()
}

/// States that every reader expects of a record, so that they say nothing.
const USUAL: [&str; 8] = ["final", "completed", "finished", "current", "active", "issued", "balanced", "ended"];

/// The states of a record that matter to a reader, with a code of their own for `unknown`.
pub(super) fn telling<'a>(states: impl IntoIterator<Item = Option<&'a str>>) -> Vec<String> {
    let states =
        states.into_iter().flatten().map(str::trim).filter(|state| !USUAL.contains(state) && !state.is_empty());
    // a state is one code: several are stored as one text, separated by spaces
    let one_code = states.filter(|state| !state.contains(char::is_whitespace));
    one_code.map(|state| if state == "unknown" { "status-unknown" } else { state }.to_owned()).collect()
}

impl Resource {
    /// The states that matter to a reader: an unusual state, an order that says what not to do or that is no order yet,
    /// a vaccine that does not count as a dose.
    pub fn standing(&self) -> Vec<String> {
        let not_to_be_done = |not: Option<bool>| not.filter(|not| *not).map(|_| "do-not-perform");
        let no_order_yet = |intent: &'_ Option<String>| match intent.as_deref() {
            Some("proposal") => Some("proposal"),
            Some("plan") => Some("plan"),
            Some("option") => Some("option"),
            _ => None,
        };
        match self {
            Self::CarePlan(it) => telling([it.status.as_deref(), no_order_yet(&it.intent).filter(|it| *it != "plan")]),
            Self::Communication(it) => telling([it.status.as_deref()]),
            Self::DiagnosticReport(it) => telling([it.status.as_deref()]),
            Self::DocumentReference(it) => telling([it.status.as_deref(), it.doc_status.as_deref()]),
            Self::Encounter(it) => telling([it.status.as_deref()]),
            Self::Immunization(it) => {
                telling([it.status.as_deref(), it.is_subpotent.filter(|weak| *weak).map(|_| "subpotent")])
            }
            Self::Invoice(it) => telling([it.status.as_deref()]),
            Self::MedicationRequest(it) => {
                telling([not_to_be_done(it.do_not_perform), it.status.as_deref(), no_order_yet(&it.intent)])
            }
            Self::Observation(it) => telling([it.status.as_deref()]),
            Self::Procedure(it) => telling([it.status.as_deref()]),
            Self::QuestionnaireResponse(it) => telling([it.status.as_deref()]),
            Self::ServiceRequest(it) => {
                telling([not_to_be_done(it.do_not_perform), it.status.as_deref(), no_order_yet(&it.intent)])
            }
            _ => Vec::new(),
        }
    }

    /// The date of the resource, as written: stored resources are ordered by it.
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
            Self::Procedure(it) => it
                .performed_date_time
                .as_ref()
                .or_else(|| it.performed_period.as_ref().and_then(|period| period.start.as_ref())),
            Self::QuestionnaireResponse(it) => it.authored.as_ref(),
            Self::ServiceRequest(it) => it.authored_on.as_ref().or(it.occurrence_date_time.as_ref()),
            _ => None,
        }
    }

    /// When it happened, as far as the resource itself says.
    pub fn when(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Observation(it) => it.moment().map(|moment| moment.at),
            _ => self.dated().and_then(|text| moment(text)).map(|moment| moment.at),
        }
    }
}
