//! Encounter (R4 §8.11), with the findings, procedures, prescriptions and measurements of it.

use super::SkipReason;
use super::body::{Body, Row};
use super::chart::{At, Chart, Draft};
use super::report;
use super::resource::Resource;
use super::types::{
    Annotation, CodeableConcept, Coding, Period, Reference, all_words, first_words, non_empty, notes, types,
};
use super::when::{Moment, datum, moment, period};
use crate::chart::item::{Caption, Datum, ItemKind, Label};

types! {
    struct Participant { individual: Option<Reference> }
    struct Diagnosis { condition: Option<Reference> }
    struct EncounterLocation { location: Option<Reference> }
    struct Hospitalization { discharge_disposition: Option<CodeableConcept> }
    struct Encounter {
        status: Option<String>,
        class: Option<Coding>,
        r#type: Vec<CodeableConcept>,
        service_type: Option<CodeableConcept>,
        priority: Option<CodeableConcept>,
        participant: Vec<Participant>,
        period: Option<Period>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        diagnosis: Vec<Diagnosis>,
        hospitalization: Option<Hospitalization>,
        location: Vec<EncounterLocation>,
        service_provider: Option<Reference>,
    }
    struct Condition {
        clinical_status: Option<CodeableConcept>,
        verification_status: Option<CodeableConcept>,
        severity: Option<CodeableConcept>,
        code: Option<CodeableConcept>,
        body_site: Vec<CodeableConcept>,
        encounter: Option<Reference>,
        recorded_date: Option<String>,
        onset_date_time: Option<String>,
        abatement_date_time: Option<String>,
        abatement_string: Option<String>,
        note: Vec<Annotation>,
    }
}

impl Encounter {
    /// When it began, else when it ended; an encounter without a readable date has no place in the chart.
    pub fn start(&self) -> Option<Moment> {
        let period = self.period.as_ref()?;
        [&period.start, &period.end].into_iter().flatten().find_map(|text| moment(text))
    }

    pub fn diagnoses(&self) -> impl Iterator<Item = &Reference> {
        self.diagnosis.iter().filter_map(|diagnosis| diagnosis.condition.as_ref())
    }
}

/// A name with its place or severity: `Fracture (left radius; severe)`.
pub(super) fn with_details(name: String, details: impl IntoIterator<Item = CodeableConcept>) -> String {
    let details: Vec<String> = details.into_iter().filter_map(|concept| concept.to_text()).collect();
    if details.is_empty() { name } else { format!("{name} ({})", details.join("; ")) }
}

/// Rows below a main row, without those that have no value.
pub(super) fn details(rows: impl IntoIterator<Item = (Label, Option<Datum>)>) -> Vec<Row> {
    let rows = rows.into_iter().filter(|(_, value)| value.is_some());
    rows.map(|(label, value)| (Caption::Label(label), value)).collect()
}

/// Several texts as one value.
pub(super) fn joined(texts: Vec<String>) -> Option<Datum> {
    non_empty(&texts.join("; ")).map(Datum::Text)
}

impl Condition {
    /// Name and state of the condition: how sure it is where it isn't confirmed (a refuted condition must not look like
    /// one that the patient has), else whether it still exists; then its start, its end, and remarks.
    fn rows(&self) -> Option<Vec<Row>> {
        let state = |concept: &Option<CodeableConcept>| concept.as_ref().and_then(CodeableConcept::code);
        let unsure = state(&self.verification_status).filter(|code| code != "confirmed");
        let state = unsure.or_else(|| state(&self.clinical_status)).map(Datum::Code);
        let sites = self.body_site.iter().cloned().chain(self.severity.clone());
        let name = with_details(self.code.as_ref()?.to_text()?, sites);
        let ended = datum(self.abatement_date_time.as_ref());
        let mut rows = vec![(Caption::Text(name), state)];
        rows.extend(details([
            (Label::Onset, datum(self.onset_date_time.as_ref())),
            (Label::Abatement, ended.or_else(|| first_words([self.abatement_string.as_ref()]).map(Datum::Text))),
            (Label::Notes, joined(notes(&self.note))),
        ]));
        Some(rows)
    }
}

/// Encounter → encounter.
pub(super) fn encounter(chart: &mut Chart, at: At, it: &Encounter) {
    let Some(when) = it.start() else { return chart.skip(at, SkipReason::NoDate) };
    let clinicians = chart.names(at, it.participant.iter().filter_map(|participant| participant.individual.as_ref()));
    let reasons = chart.reasons(at, &it.reason_code, &it.reason_reference);
    let class = it.class.as_ref();
    let mut body = Body::default();
    body.texts(Label::Reason, reasons.clone());
    body.texts(Label::Clinician, clinicians.clone());
    let class_name = class.and_then(|class| first_words([class.display.as_ref()]));
    match &class_name {
        Some(name) => body.text(Label::Class, Some(name.clone())),
        None => body.code(Label::Class, class.and_then(|class| class.code.as_ref())),
    }
    let service = it.service_type.as_ref().and_then(CodeableConcept::to_text);
    body.text(Label::Category, service.clone());
    body.text(Label::Priority, it.priority.as_ref().and_then(CodeableConcept::to_text));
    body.code(Label::Status, it.status.as_ref());
    body.fact(Label::Period, period(it.period.as_ref()));
    body.texts(Label::Location, chart.names(at, it.location.iter().filter_map(|place| place.location.as_ref())));
    body.text(Label::Organization, it.service_provider.as_ref().and_then(|provider| chart.name(at, provider)));
    let discharge = it.hospitalization.as_ref().and_then(|stay| stay.discharge_disposition.as_ref());
    body.text(Label::Discharge, discharge.and_then(CodeableConcept::to_text));
    let during = chart.during(at);
    let [mut conditions, mut procedures, mut orders, mut vaccines] = [const { Vec::new() }; 4];
    for found in &during {
        let (list, rows) = match &found.entry.resource {
            Resource::Condition(it) => (&mut conditions, it.rows()),
            Resource::Procedure(it) => (&mut procedures, it.rows()),
            Resource::MedicationRequest(it) => (&mut orders, it.rows(chart, *found)),
            Resource::Immunization(it) => (&mut vaccines, it.rows()),
            _ => continue,
        };
        let mut rows = rows.unwrap_or_default();
        // only the name is shown of a withdrawn resource
        if found.entry.withdrawn.is_some() {
            rows.truncate(1);
            rows.iter_mut().for_each(|(_, value)| *value = Some(Datum::Code("entered-in-error".to_owned())));
        }
        list.extend(rows);
    }
    body.rows(Label::Conditions, conditions);
    body.rows(Label::Procedures, procedures);
    body.rows(Label::Prescriptions, orders);
    body.rows(Label::Immunizations, vaccines);
    let loose: Vec<At> = during.iter().copied().filter(|at| !chart.is_reported(*at)).collect();
    let results = report::timed_rows(chart, &loose);
    body.results(Some(Label::Results), results);
    chart.made_of(&during);
    let title = all_words(&it.r#type).into_iter().next().or(service).or_else(|| reasons.into_iter().next());
    let title = title.or(class_name);
    let author = clinicians.into_iter().next();
    chart.add(at, Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::Encounter, when) });
}
