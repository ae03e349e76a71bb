//! Encounter (R4 §8.11), and the Conditions, Procedures and Immunizations in it.

use time::OffsetDateTime;

use super::SkipReason;
use super::body::{Body, Row};
use super::chart::{At, Chart, Draft};
use super::order::MedicationRequest;
use super::report;
use super::resource::Resource;
use super::types::{Annotation, CodeableConcept, Coding, Period, Reference, all_words, first_words, notes, types};
use super::when::{datum, moment, period};
use crate::chart::item::{Datum, ItemKind, Label};

types! {
    struct Participant { individual: Option<Reference> }
    struct Diagnosis { condition: Option<Reference> }
    struct Place { location: Option<Reference> }
    struct Hospitalization { discharge_disposition: Option<CodeableConcept> }
    struct Encounter {
        status: Option<String>,
        class: Option<Coding>,
        r#type: Vec<CodeableConcept>,
        participant: Vec<Participant>,
        period: Option<Period>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        diagnosis: Vec<Diagnosis>,
        hospitalization: Option<Hospitalization>,
        location: Vec<Place>,
        service_provider: Option<Reference>,
    }
    struct Condition {
        clinical_status: Option<CodeableConcept>,
        verification_status: Option<CodeableConcept>,
        code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        recorded_date: Option<String>,
        onset_date_time: Option<String>,
    }
    struct ProcedurePerformer { actor: Option<Reference> }
    struct Procedure {
        status: Option<String>,
        code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        performed_date_time: Option<String>,
        performed_period: Option<Period>,
        performer: Vec<ProcedurePerformer>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        body_site: Vec<CodeableConcept>,
        outcome: Option<CodeableConcept>,
        note: Vec<Annotation>,
    }
    struct Immunization {
        status: Option<String>,
        vaccine_code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        occurrence_date_time: Option<String>,
        recorded: Option<String>,
        lot_number: Option<String>,
        site: Option<CodeableConcept>,
        performer: Vec<ProcedurePerformer>,
        reason_code: Vec<CodeableConcept>,
        note: Vec<Annotation>,
    }
}

fn code(status: Option<&String>) -> Option<Datum> {
    status.cloned().map(Datum::Code)
}

impl Encounter {
    /// When it began; an encounter without a readable start has no place in the chart.
    pub fn start(&self) -> Option<OffsetDateTime> {
        let period = self.period.as_ref()?;
        [&period.start, &period.end].into_iter().flatten().find_map(|text| moment(text)).map(|moment| moment.at)
    }

    pub fn diagnoses(&self) -> impl Iterator<Item = &Reference> {
        self.diagnosis.iter().filter_map(|diagnosis| diagnosis.condition.as_ref())
    }
}

impl Condition {
    /// Its words and its state: how sure it is where it isn't confirmed (a refuted condition must not look like one
    /// that the patient has), else whether it is still there.
    fn row(&self) -> Option<Row> {
        let state = |concept: &Option<CodeableConcept>| concept.as_ref().and_then(CodeableConcept::code);
        let unsure = state(&self.verification_status).filter(|code| code != "confirmed");
        let state = unsure.or_else(|| state(&self.clinical_status)).map(Datum::Code);
        Some((self.code.as_ref()?.words()?, state))
    }
}

impl Procedure {
    fn row(&self) -> Option<Row> {
        Some((self.code.as_ref()?.words()?, code(self.status.as_ref())))
    }
}

impl Immunization {
    fn row(&self) -> Option<Row> {
        Some((self.vaccine_code.as_ref()?.words()?, code(self.status.as_ref())))
    }
}

/// Encounter → encounter.
pub(super) fn encounter(chart: &mut Chart, at: At, it: &Encounter) {
    let Some(occurred_at) = it.start() else { return chart.skip(at, SkipReason::NoDate) };
    let clinicians = chart.names(at, it.participant.iter().filter_map(|participant| participant.individual.as_ref()));
    let reasons = chart.reasons(at, &it.reason_code, &it.reason_reference);
    let class = it.class.as_ref();
    let mut body = Body::default();
    body.texts(Label::Reason, reasons.clone());
    body.texts(Label::Clinician, clinicians.clone());
    match class.and_then(|class| first_words([class.display.as_ref()])) {
        Some(text) => body.text(Label::Class, Some(text)),
        None => body.code(Label::Class, class.and_then(|class| class.code.as_ref())),
    }
    body.code(Label::Status, it.status.as_ref());
    body.fact(Label::Period, period(it.period.as_ref()));
    body.texts(Label::Location, chart.names(at, it.location.iter().filter_map(|place| place.location.as_ref())));
    body.text(Label::Organization, it.service_provider.as_ref().and_then(|provider| chart.name(at, provider)));
    let discharge = it.hospitalization.as_ref().and_then(|stay| stay.discharge_disposition.as_ref());
    body.text(Label::Discharge, discharge.and_then(CodeableConcept::words));
    let during = chart.during(at);
    let rows = |pick: &dyn Fn(&Resource, At) -> Option<Row>| {
        let row = |at: &At| {
            let (name, value) = pick(&at.entry.resource, *at)?;
            // only its name is left of what its source has taken back
            let taken_back = at.entry.withdrawn.then(|| Datum::Code("entered-in-error".to_owned()));
            Some((name, taken_back.or(value)))
        };
        during.iter().filter_map(row).collect::<Vec<_>>()
    };
    body.rows(
        Label::Conditions,
        rows(&|resource, _| match resource {
            Resource::Condition(it) => it.row(),
            _ => None,
        }),
    );
    body.rows(
        Label::Procedures,
        rows(&|resource, _| match resource {
            Resource::Procedure(it) => it.row(),
            _ => None,
        }),
    );
    body.rows(
        Label::Prescriptions,
        rows(&|resource, at| match resource {
            Resource::MedicationRequest(it) => Some((prescribed(chart, at, it)?, code(it.status.as_ref()))),
            _ => None,
        }),
    );
    body.rows(
        Label::Immunizations,
        rows(&|resource, _| match resource {
            Resource::Immunization(it) => it.row(),
            _ => None,
        }),
    );
    let loose: Vec<At> = during.iter().copied().filter(|at| !chart.is_reported(*at)).collect();
    body.results(Some(Label::Results), report::rows(&loose));
    chart.made_of(&during);
    let title = all_words(&it.r#type).into_iter().next().or_else(|| reasons.into_iter().next());
    let title = title.or_else(|| class.and_then(Coding::words));
    let author = clinicians.into_iter().next();
    let (kind, attachment) = (ItemKind::Encounter, None);
    chart.add(at, Draft { kind, occurred_at, title, author, body: body.finish(), attachment });
}

fn prescribed(chart: &Chart, at: At, it: &MedicationRequest) -> Option<String> {
    it.medication(chart, at)
}

/// Procedure outside an encounter → encounter.
pub(super) fn procedure(chart: &mut Chart, at: At, it: &Procedure) {
    if chart.is_grouped(at) {
        return;
    }
    let span = it.performed_period.as_ref();
    let dates =
        [it.performed_date_time.as_ref(), span.and_then(|p| p.start.as_ref()), span.and_then(|p| p.end.as_ref())];
    let Some(occurred_at) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.performer.iter().filter_map(|performer| performer.actor.as_ref()));
    let mut body = Body::default();
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.texts(Label::Clinician, performers.clone());
    body.code(Label::Status, it.status.as_ref());
    body.fact(Label::Period, period(span));
    body.texts(Label::Site, all_words(&it.body_site));
    body.text(Label::Conclusion, it.outcome.as_ref().and_then(CodeableConcept::words));
    body.paragraphs(Label::Notes, notes(&it.note));
    add(chart, at, occurred_at, it.code.as_ref(), performers, body);
}

/// Immunization outside an encounter → encounter.
pub(super) fn immunization(chart: &mut Chart, at: At, it: &Immunization) {
    if chart.is_grouped(at) {
        return;
    }
    let dates = [it.occurrence_date_time.as_ref(), it.recorded.as_ref()];
    let Some(occurred_at) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.performer.iter().filter_map(|performer| performer.actor.as_ref()));
    let mut body = Body::default();
    body.texts(Label::Reason, all_words(&it.reason_code));
    body.texts(Label::Clinician, performers.clone());
    body.code(Label::Status, it.status.as_ref());
    body.text(Label::LotNumber, it.lot_number.clone());
    body.text(Label::Site, it.site.as_ref().and_then(CodeableConcept::words));
    body.fact(Label::Period, datum(it.occurrence_date_time.as_ref()));
    body.paragraphs(Label::Notes, notes(&it.note));
    add(chart, at, occurred_at, it.vaccine_code.as_ref(), performers, body);
}

fn add(
    chart: &mut Chart,
    at: At,
    occurred_at: OffsetDateTime,
    title: Option<&CodeableConcept>,
    authors: Vec<String>,
    body: Body,
) {
    let (title, author) = (title.and_then(CodeableConcept::words), authors.into_iter().next());
    let (kind, attachment) = (ItemKind::Encounter, None);
    chart.add(at, Draft { kind, occurred_at, title, author, body: body.finish(), attachment });
}
