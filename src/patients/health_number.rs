//! Health numbers: how two spellings of one are compared, and which numbers an identifier's system has.

use super::identifiers::IdKind;
use unicode_normalization::UnicodeNormalization;

/// Digits of an Ontario health number; one or two letters after them are the version of the card.
const ONTARIO: usize = 10;

/// A number for comparing: letters and digits only, upper case.
pub(super) fn number_key(number: &str) -> String {
    number.nfkc().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// A health number for comparing, however it is grouped. Ontario's version code is not compared: it changes with each
/// card, is often left out and says nothing about the person.
pub(super) fn health_number_key(number: &str) -> String {
    let key = number_key(number);
    let bare = key.trim_end_matches(|c: char| c.is_ascii_uppercase()).len();
    let is_version = bare == ONTARIO && (1..=2).contains(&(key.len() - bare));
    if is_version && key.bytes().take(bare).all(|byte| byte.is_ascii_digit()) {
        return key.chars().take(bare).collect();
    }
    key
}

/// What kind of numbers an identifier's system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownSystem {
    /// a kind of number that is stored
    Kept(IdKind),
    /// social security and tax numbers: never stored
    Private,
}

/// Systems whose numbers are health numbers, besides Canada's provinces: as FHIR identifiers name them, with the OID
/// where there is one.
const HEALTH_NUMBERS: [&str; 30] = [
    // Ontario, as HL7 version 2 and OLIS name it
    "urn:oid:2.16.840.1.113883.4.59",
    "urn:oid:2.16.840.1.113883.4.595",
    // Canada's provinces in the guides of HL7 Canada
    "http://ehealthontario.ca/fhir/NamingSystem/id-ontario-health-card-number",
    "http://ehealthontario.ca/fhir/NamingSystem/ca-on-patient-hcn",
    "http://sharedhealth.exchange/fhir/NamingSystem/ca-bc-patient-phn",
    // United Kingdom: NHS number, Scotland's CHI, Northern Ireland's H&C
    "https://fhir.nhs.uk/Id/nhs-number",
    "http://fhir.nhs.net/Id/nhs-number",
    "urn:oid:2.16.840.1.113883.2.1.4.1",
    "urn:oid:2.16.840.1.113883.2.1.3.2.4.16.53",
    "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.24",
    "https://fhir.hscni.net/Id/hcn",
    // Germany: the lifelong health insurance number
    "http://fhir.de/sid/gkv/kvid-10",
    "http://fhir.de/NamingSystem/gkv/kvid-10",
    "http://fhir.de/sid/pkv/kvid-10",
    "urn:oid:1.2.276.0.76.4.8",
    // France: INS, as NIR, NIA and their test numbers
    "urn:oid:1.2.250.1.213.1.4.8",
    "urn:oid:1.2.250.1.213.1.4.9",
    "urn:oid:1.2.250.1.213.1.4.10",
    "urn:oid:1.2.250.1.213.1.4.11",
    "urn:oid:1.2.250.1.213.1.4.2",
    // United States: Medicare, old and new
    "http://hl7.org/fhir/sid/us-mbi",
    "http://hl7.org/fhir/sid/us-medicare",
    "http://terminology.hl7.org/NamingSystem/cmsMBI",
    "http://terminology.hl7.org/NamingSystem/MBI",
    "urn:oid:2.16.840.1.113883.4.927",
    "urn:oid:2.16.840.1.113883.4.572",
    // Australia, New Zealand, Ireland
    "http://ns.electronichealth.net.au/id/hi/ihi/1.0",
    "http://ns.electronichealth.net.au/id/medicare-number",
    "https://standards.digital.health.nz/ns/nhi-id",
    "https://fhir.hse.ie/Id/ihi",
];

/// Numbers for taxes and social security, not for health.
const PRIVATE: [&str; 4] = [
    "http://hl7.org/fhir/sid/us-ssn",
    "urn:oid:2.16.840.1.113883.4.1",
    "http://hl7.org/fhir/sid/ca-sin",
    "http://fhir.de/NamingSystem/bzst/steuer-id",
];

/// The kind of numbers that the system of a FHIR identifier (R4, Identifier.system) has, without a look at its type;
/// `None` for an unknown system.
pub fn known_system(system: &str) -> Option<KnownSystem> {
    let system = system.trim().trim_end_matches('/');
    let same = |known: &str| known.eq_ignore_ascii_case(system);
    if PRIVATE.iter().any(|known| same(known)) {
        return Some(KnownSystem::Private);
    }
    let health = HEALTH_NUMBERS.iter().any(|known| same(known)) || is_of_province(system);
    health.then_some(KnownSystem::Kept(IdKind::HealthNumber))
}

/// Canada Health Infoway's registry has one pattern for all provinces and territories: `…/ca-bc-patient-healthcare-id`,
/// and `…/ca-on-patient-hcn`.
fn is_of_province(system: &str) -> bool {
    let system = system.to_ascii_lowercase();
    let Some((registry, name)) = system.rsplit_once('/') else { return false };
    let province = name.strip_prefix("ca-").and_then(|rest| rest.split_once("-patient-"));
    let ours = registry.ends_with("fhir.infoway-inforoute.ca/namingsystem");
    ours && province.is_some_and(|(code, number)| {
        code.len() == 2 && matches!(number, "healthcare-id" | "hcn" | "phn" | "health-number" | "healthcard-number")
    })
}
