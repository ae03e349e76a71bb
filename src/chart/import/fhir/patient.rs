//! Patient (R4 §8.1) to demographics.

use crate::patients::{IdKind, KnownSystem, known_system};
use crate::values::{EmailAddress, PhoneNumber};
use time::Date;

use super::address::Addresses;
use super::bundle::count;
use super::entry::Entry;
use super::types::{CodeableConcept, ContactPoint, HumanName, Identifier, Reference, non_empty, single_line, types};
use super::when::{full_date, is_over};
use super::{ImportOptions, ImportedPatient, SkipReason, Skipped};

types! {
    struct PatientLink { r#type: Option<String>, other: Option<Reference> }
    struct PatientLanguage { language: Option<CodeableConcept>, preferred: Option<bool> }
    struct Patient {
        identifier: Vec<Identifier>,
        name: Vec<HumanName>,
        telecom: Vec<ContactPoint>,
        address: Addresses,
        birth_date: Option<String>,
        deceased_boolean: Option<bool>,
        deceased_date_time: Option<String>,
        active: Option<bool>,
        link: Vec<PatientLink>,
        communication: Vec<PatientLanguage>,
    }
}

/// Systems of HL7 table 0203, identifier type.
const V2_0203: &[&str] = &[
    "http://terminology.hl7.org/CodeSystem/v2-0203",
    "http://hl7.org/fhir/v2/0203",
    "urn:oid:2.16.840.1.113883.18.108",
];

/// The types that are a health number, best first: jurisdictional health number (Canada), health card, national health
/// plan, national person number, Medicare. A clinic's own number (MR) is not one.
const HEALTH_NUMBERS: [&str; 5] = ["JHN", "HC", "NH", "NI", "MC"];

/// Types of v2-0203 that are not stored: social security, tax, bank accounts and payment cards.
const PRIVATE_NUMBERS: [&str; 9] = ["SS", "TAX", "BA", "BC", "AM", "DI", "DS", "MS", "VS"];

impl Patient {
    /// Demographics, or why there are none. Parts that are left out are counted.
    pub fn demographics(
        &self,
        entry: &Entry,
        options: &ImportOptions,
        skipped: &mut Skipped,
    ) -> Result<ImportedPatient, SkipReason> {
        let today = options.today;
        let source_id = entry.own_id().ok_or(SkipReason::Malformed)?;
        let birth_date = self.birth_date.as_deref().and_then(full_date).ok_or(SkipReason::BirthDate)?;
        let name = self.name(today).ok_or(SkipReason::NoName)?;
        let given = name.given().unwrap_or_default();
        let family = name.family.as_deref().and_then(non_empty);
        let family = match (family, given.is_empty()) {
            (Some(family), _) => family,
            (None, true) => name.to_text().unwrap_or_default(),
            (None, false) => String::new(),
        };
        let (health_number, other_identifiers) = self.identifiers(today, skipped);
        Ok(ImportedPatient {
            source: entry.source(options.source.as_deref()),
            source_id,
            preferred: self.preferred(&given, today),
            given: single_line(&given, 200),
            family: single_line(&family, 200),
            birth_date,
            health_number,
            email: self.email(today, skipped),
            phone: self.phone(options, skipped),
            address: self.address.best(today, skipped),
            address_ended: self.address.have_ended(today),
            language: self.language(),
            deceased: self.deceased_date_time.as_ref().map(|_| true).or(self.deceased_boolean),
            active: self.active,
            replaced: self.links("replaced-by").next().is_some(),
            replaces: self.links("replaces").filter_map(|link| link.other.as_ref()?.reference.clone()).collect(),
            other_identifiers,
        })
    }

    fn links(&self, kind: &str) -> impl Iterator<Item = &PatientLink> {
        self.link.iter().filter(move |link| link.r#type.as_deref() == Some(kind))
    }

    /// Names in force (R4 §2.24.0.13 name-use): not ended, old or maiden.
    fn names(&self, today: Date) -> impl Iterator<Item = &HumanName> {
        self.name.iter().filter(move |name| {
            !matches!(name.r#use.as_deref(), Some("old" | "maiden"))
                && !is_over(name.period.as_ref(), today)
                && name.to_text().is_some()
        })
    }

    /// The best name: official, else usual, else one that is no nickname or alias, else any.
    fn name(&self, today: Date) -> Option<&HumanName> {
        self.names(today).min_by_key(|name| match name.r#use.as_deref() {
            Some("official") => 0,
            Some("usual") => 1,
            Some("nickname" | "anonymous") => 3,
            _ => 2,
        })
    }

    fn preferred(&self, given: &str, today: Date) -> Option<String> {
        let of_use = |wanted: &str| {
            let mut names = self.names(today).filter(move |name| name.r#use.as_deref() == Some(wanted));
            names.find_map(|name| name.given().or_else(|| name.text.as_deref().and_then(non_empty)))
        };
        let name = of_use("nickname").or_else(|| of_use("usual"))?;
        (name != given).then(|| single_line(&name, 200))
    }

    /// The health number and the other identifiers that are stored, each recognised by its system or by its type.
    fn identifiers(&self, today: Date, skipped: &mut Skipped) -> (Option<String>, Vec<(String, String)>) {
        let mut found: Vec<(String, String)> = Vec::new();
        // its rank among the health numbers, and its position in `found`
        let mut best: Option<(usize, usize)> = None;
        for identifier in &self.identifier {
            let Some(value) = identifier.value.as_deref().and_then(non_empty) else { continue };
            if identifier.r#use.as_deref() == Some("old") || is_over(identifier.period.as_ref(), today) {
                continue;
            }
            let kind = identifier.r#type.as_ref();
            let code = kind.and_then(|kind| kind.code_in(V2_0203)).unwrap_or_default();
            let system = identifier.system.as_deref().unwrap_or_default();
            let known = known_system(system);
            if PRIVATE_NUMBERS.contains(&code) || known == Some(KnownSystem::Private) {
                count(skipped, "Patient.identifier", SkipReason::PrivateNumber);
                continue;
            }
            let by_type = HEALTH_NUMBERS.iter().position(|health| *health == code);
            let by_system = (known == Some(KnownSystem::Kept(IdKind::HealthNumber))).then_some(0);
            let rank = by_type.into_iter().chain(by_system).min();
            if let Some(rank) = rank.filter(|rank| best.is_none_or(|(before, _)| *rank < before)) {
                best = Some((rank, found.len()));
            }
            let name =
                non_empty(code).or_else(|| kind.and_then(CodeableConcept::to_text)).or_else(|| non_empty(system));
            found.push((single_line(&name.unwrap_or_default(), 200), single_line(&value, 200)));
        }
        let number = best.map(|(_, place)| found.remove(place).1);
        // the same number under another name adds nothing
        found.retain(|(_, value)| Some(value) != number.as_ref());
        let unplaced = found.iter().filter(|(kind, _)| IdKind::of_v2_0203(kind).is_none());
        unplaced.for_each(|_| count(skipped, "Patient.identifier", SkipReason::NotMapped));
        (number, found)
    }

    /// Contact points of these systems in force (R4 §2.24.0.14), best use and rank first.
    fn contacts(&self, systems: &[&str], today: Date, order: fn(&ContactPoint) -> u32) -> Vec<String> {
        let mut points: Vec<&ContactPoint> = (self.telecom.iter())
            .filter(|point| point.system.as_deref().is_some_and(|system| systems.contains(&system)))
            .filter(|point| point.r#use.as_deref() != Some("old") && !is_over(point.period.as_ref(), today))
            .collect();
        points.sort_by_key(|point| (order(point), point.rank.unwrap_or(u32::MAX)));
        points.into_iter().filter_map(|point| point.value.as_deref().and_then(non_empty)).collect()
    }

    fn phone(&self, options: &ImportOptions, skipped: &mut Skipped) -> Option<String> {
        let order = |point: &ContactPoint| match (point.system.as_deref(), point.r#use.as_deref()) {
            (Some("sms"), _) | (_, Some("mobile")) => 0,
            (_, Some("home")) => 1,
            (_, None) => 2,
            _ => 3,
        };
        let mut best = None;
        for number in self.contacts(&["phone", "sms"], options.today, order) {
            match PhoneNumber::parse(&number, &options.default_calling_code) {
                Some(number) => best = best.or(Some(number.to_string())),
                None => count(skipped, "Patient.telecom", SkipReason::Phone),
            }
        }
        best
    }

    fn email(&self, today: Date, skipped: &mut Skipped) -> Option<String> {
        let order = |point: &ContactPoint| match point.r#use.as_deref() {
            Some("home" | "mobile") => 0,
            None => 1,
            _ => 2,
        };
        let mut best = None;
        for address in self.contacts(&["email"], today, order) {
            match EmailAddress::parse(&address) {
                Some(address) => best = best.or_else(|| Some(address.to_string())),
                None => count(skipped, "Patient.telecom", SkipReason::Email),
            }
        }
        best
    }

    /// The primary subtag (RFC 5646 §2.2.1) of the preferred language, else of the first.
    fn language(&self) -> Option<String> {
        let mut languages: Vec<&PatientLanguage> = self.communication.iter().collect();
        languages.sort_by_key(|language| language.preferred != Some(true));
        languages.into_iter().find_map(|language| {
            let codes = language.language.iter().flat_map(|concept| &concept.coding);
            codes.filter_map(|coding| coding.code.as_deref()).find_map(|code| {
                let subtag = code.trim().split(['-', '_']).next()?.to_ascii_lowercase();
                (matches!(subtag.len(), 2..=3) && subtag.bytes().all(|byte| byte.is_ascii_lowercase()))
                    .then_some(subtag)
            })
        })
    }
}
