//! FHIR R4 bundles become charts: no database, no network, nothing read but the given reader.
//!
//! [`read_bundle`] takes one [Bundle](https://hl7.org/fhir/R4/bundle.html), [`Bundle::charts`] gives a chart per patient:
//!
//! | resources | become |
//! |---|---|
//! | Encounter, with the Conditions, Procedures, Immunizations, MedicationRequests and unreported Observations of it | encounter |
//! | Procedure and Immunization outside an encounter | encounter: something that was done to the patient on a day |
//! | DiagnosticReport with its Observations; other Observations outside an encounter, by day and category | lab result |
//! | ServiceRequest, MedicationRequest | requisition: both are orders (R4 request pattern, §12.15) |
//! | QuestionnaireResponse | form |
//! | DocumentReference with its Binary | letter, if type or category say so, else file |
//! | Communication | inbox item |
//! | Invoice | invoice |
//! | CarePlan with its Goals | education |
//! | Practitioner, PractitionerRole, Organization, Location, RelatedPerson, Medication, Goal, Questionnaire | words in the above |
//!
//! Everything else is counted in `skipped` with its reason, and is never an error. A resource is attached to a patient
//! only by a reference that resolves inside the bundle without doubt; what another patient's resource refers to is
//! never shown. A part that cannot be shown, and a field for which there is no place, are counted and named on the item.

mod address;
mod attachment;
mod body;
mod bundle;
mod chart;
mod document;
mod done;
mod dosage;
mod encounter;
mod entry;
mod form;
mod invoice;
mod narrative;
mod order;
mod patient;
mod plan;
mod prepare;
mod read;
mod report;
mod resource;
mod shelf;
mod slim;
mod types;
mod unread;
mod value;
mod version;
mod when;

use std::collections::BTreeMap;

use time::{Date, OffsetDateTime};

use crate::chart::item::{ItemBody, ItemKind, ItemSort};
use crate::db::Ts;
use crate::patients::PostalAddress;

pub use bundle::{Bundle, Gathered, Part, read_bundle, read_files};
pub use prepare::{Prepared, Survey, Taken};
pub use read::{Outline, Reopen, check};
pub(super) use resource::kind_of;
pub use shelf::{Kept, KeptFile, Shelf, at_once};
pub use unread::{MISSED, OTHER};

/// Why a whole file can't be read. The text names places in the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum FhirError {
    /// The reader failed.
    #[error("the file could not be read")]
    Read(#[source] std::io::Error),
    /// Not JSON, or cut off.
    #[error("not valid JSON: line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; in bytes.
        column: usize,
    },
    /// JSON, but its outer form is not that of a bundle, such as an `entry` that is not a list.
    #[error("not the form of a FHIR bundle: line {line}, column {column}")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1; in bytes.
        column: usize,
    },
    /// JSON that is not FHIR.
    #[error("not FHIR: it has no resourceType")]
    NotFhir,
    /// Messages of HL7 version 2.
    #[error("these are HL7 version 2 messages: ask the source for FHIR R4 as JSON")]
    Hl7V2,
    /// FHIR as XML.
    #[error("this is XML: ask the source for FHIR as JSON")]
    Xml,
    /// Written in another release of FHIR, whose fields may mean something else.
    #[error("this is FHIR {0}: ask the source for FHIR R4")]
    OtherRelease(&'static str),
    /// No resource of type Patient is in it.
    #[error("the bundle holds no patient")]
    NoPatient,
}

/// Why a resource, or a part of one, is not in the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// Postern has no place for this type.
    NotMapped,
    /// `status`, `docStatus` or `verificationStatus` is entered-in-error.
    EnteredInError,
    /// A field has another type than FHIR says, or `resourceType` is missing.
    Malformed,
    /// It has a `modifierExtension`, which may reverse its meaning (R4 §2.4.1.1).
    UnknownModifier,
    /// The same `fullUrl`, or type and id, came before.
    Duplicate,
    /// It names no patient of this bundle, or not one without doubt.
    NoPatient,
    /// A patient without name.
    NoName,
    /// A patient whose date of birth is missing, partial or not a date: the portal asks for it.
    BirthDate,
    /// It has no date.
    NoDate,
    /// A Condition outside any encounter.
    NoEncounter,
    /// A phone number that can't be made valid.
    Phone,
    /// An email address that can't be one.
    Email,
    /// A postal address without street, town or postal code, or longer than an envelope.
    PostalAddress,
    /// The clinic has another value, which stays.
    ClinicsOwn,
    /// A social security, tax, bank or card number, which a chart does not need.
    PrivateNumber,
    /// A file that is not in the bundle.
    FileElsewhere,
    /// A file that is not base64, or empty.
    FileBroken,
    /// A file in which a virus was found, or that the scanner does not take.
    FileUnsafe,
    /// Nested deeper than the import reads.
    TooDeep,
    /// The source's id is another person's in the clinic: name and birth date both differ.
    OtherPerson,
    /// Perhaps a patient whom the clinic has: a user must decide.
    UnsurePerson,
    /// The clinic has a newer version, by the source's own dates.
    Outdated,
    /// A file that a computer would run.
    FileProgram,
    /// A result that a report names, but that the source has not sent.
    ResultElsewhere,
    /// Only the page that the source made of it (its narrative) could be read.
    NarrativeOnly,
    /// A timing that is not fully understood: the item refers to the prescription.
    Timing,
    /// A resource that another one names, but that the source has not sent.
    Elsewhere,
    /// A record that its source has deleted.
    Deleted,
    /// A patient whose record here was deleted: only an import that a user starts brings it back.
    RecordDeleted,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::NotMapped,
        Self::EnteredInError,
        Self::Malformed,
        Self::UnknownModifier,
        Self::Duplicate,
        Self::NoPatient,
        Self::NoName,
        Self::BirthDate,
        Self::NoDate,
        Self::NoEncounter,
        Self::Phone,
        Self::Email,
        Self::PostalAddress,
        Self::ClinicsOwn,
        Self::PrivateNumber,
        Self::FileElsewhere,
        Self::FileBroken,
        Self::FileUnsafe,
        Self::TooDeep,
        Self::OtherPerson,
        Self::UnsurePerson,
        Self::Outdated,
        Self::FileProgram,
        Self::ResultElsewhere,
        Self::NarrativeOnly,
        Self::Timing,
        Self::Elsewhere,
        Self::Deleted,
        Self::RecordDeleted,
    ];

    /// A stable name, for reports and translation keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMapped => "not_mapped",
            Self::EnteredInError => "entered_in_error",
            Self::Malformed => "malformed",
            Self::UnknownModifier => "unknown_modifier",
            Self::Duplicate => "duplicate",
            Self::NoPatient => "no_patient",
            Self::NoName => "no_name",
            Self::BirthDate => "birth_date",
            Self::NoDate => "no_date",
            Self::NoEncounter => "no_encounter",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::PostalAddress => "postal_address",
            Self::ClinicsOwn => "clinics_own",
            Self::PrivateNumber => "private_number",
            Self::FileElsewhere => "file_elsewhere",
            Self::FileBroken => "file_broken",
            Self::FileUnsafe => "file_unsafe",
            Self::TooDeep => "too_deep",
            Self::OtherPerson => "other_person",
            Self::UnsurePerson => "unsure_person",
            Self::Outdated => "outdated",
            Self::FileProgram => "file_program",
            Self::ResultElsewhere => "result_elsewhere",
            Self::NarrativeOnly => "narrative_only",
            Self::Timing => "timing",
            Self::Elsewhere => "elsewhere",
            Self::Deleted => "deleted",
            Self::RecordDeleted => "record_deleted",
        }
    }
}

/// How many were left out, by resource type, or `Type.field` for a part of a resource, and by reason.
pub type Skipped = BTreeMap<(String, SkipReason), usize>;

/// What the caller knows and the file does not say.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The calling code of numbers without one: "1" for Canada (ITU-T E.164).
    pub default_calling_code: String,
    /// Names, numbers and identifiers whose period ended before this day are ignored.
    pub today: Date,
    /// The user's name for the source; `None`: the base of `fullUrl` names it.
    pub source: Option<String>,
}

/// All that a bundle contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedBundle {
    /// One per patient, in the order of the file.
    pub charts: Vec<ImportedChart>,
    /// What belongs to none of the charts, such as the patients that could not be imported.
    pub skipped: Skipped,
}

/// One patient with the items of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedChart {
    /// Demographics.
    pub patient: ImportedPatient,
    /// Oldest first; at the same moment in the order of the file.
    pub items: Vec<ImportedItem>,
    /// Parts of this patient's record that are not in `items`.
    pub skipped: Skipped,
    /// Items of several resources of which nothing is left, because their source withdrew the last of them.
    pub emptied: Vec<Emptied>,
}

/// An item of which nothing is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// As in [`ImportedItem`].
    pub source: Option<String>,
    /// As in [`ImportedItem`].
    pub source_id: String,
    /// When the last resource was withdrawn.
    pub since: Ts,
}

/// Demographics (R4 §8.1 Patient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPatient {
    /// The source within which `source_id` is valid: the name that was given, the base of `fullUrl`, or none.
    pub source: Option<String>,
    /// The resource's id, else the entry's fullUrl: the same in each import of the same source.
    pub source_id: String,
    /// Given names; empty where the record has only a family name or one text.
    pub given: String,
    /// Family name, or the whole name where the record has only its text; may be empty.
    pub family: String,
    /// Nickname, or the usual given name where it differs from `given`.
    pub preferred: Option<String>,
    /// A complete date.
    pub birth_date: Date,
    /// Found by its system, or by its HL7 v2-0203 type: JHN, else HC, NH, NI, MC; no other number counts.
    pub health_number: Option<String>,
    /// With one `@` and no white space; not checked further.
    pub email: Option<String>,
    /// E.164; mobile before home before work.
    pub phone: Option<String>,
    /// Where a letter reaches them: in force, home before work, for the post before for visitors.
    pub address: Option<PostalAddress>,
    /// Whether the record names addresses, and says of each that it is not used any more.
    pub address_ended: bool,
    /// The primary subtag of the BCP 47 tag, in lower case.
    pub language: Option<String>,
    /// Whether the patient has died; `None` where the record does not say.
    pub deceased: Option<bool>,
    /// Whether the record is in use; `None` where the record does not say.
    pub active: Option<bool>,
    /// Whether another record replaces this one (`link`, `replaced-by`).
    pub replaced: bool,
    /// References to the records that this one replaces (`link`, `replaces`).
    pub replaces: Vec<String>,
    /// Type (v2-0203 code, else text, else system) and value of the other identifiers, in the order of the file;
    /// without private numbers and without the health number under another name.
    pub other_identifiers: Vec<(String, String)>,
}

/// An entry of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedItem {
    /// The source within which `source_id` is valid, as for patients.
    pub source: Option<String>,
    /// `Type/id`, else the fullUrl, else `Type#position`; with a suffix where a resource gives several items. Unique
    /// within a chart.
    pub source_id: String,
    /// Its kind.
    pub kind: ItemKind,
    /// A more precise word than the kind, where there is one.
    pub sort: Option<ItemSort>,
    /// UTC, whole microseconds; noon where the record has only a date.
    pub occurred_at: OffsetDateTime,
    /// One line, at most 200 characters; empty where the record has no words for it.
    pub title: String,
    /// The author's name.
    pub author: Option<String>,
    /// The content.
    pub body: ItemBody,
    /// Its file.
    pub attachment: Option<ImportedFile>,
    /// Whether a part of it has come with this import, and was not stored before.
    pub fresh: bool,
    /// Since when a part of it is withdrawn by its source.
    pub partly_withdrawn: Option<Ts>,
    /// Its state at the source, where that is not the usual one: codes, separated by spaces.
    pub status: Option<String>,
    /// "year" or "month" where no more of its date is known.
    pub date_only: Option<&'static str>,
}

/// A file, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// At most 120 characters, without path separators and control characters; an ending (`.pdf`), or nothing, where
    /// neither it nor its record has a name.
    pub name: String,
    /// As the record says, in the form `type/subtype`; "application/octet-stream" where it says nothing usable. Not
    /// checked against the data.
    pub content_type: String,
    /// The bytes; empty where storage holds them.
    pub data: Vec<u8>,
    /// Where storage holds it: the row of the stored resource, and the file's number in that resource.
    pub stored: Option<(i64, usize)>,
}
