//! ServiceRequest (R4 §12.9) and MedicationRequest (R4 §11.1): both are orders.

use super::SkipReason;
use super::body::{Body, Row};
use super::chart::{At, Chart, Draft};
use super::dosage::{Dosage, Timing, in_order};
use super::types::{
    Annotation, CodeableConcept, Decimal, Identifier, Period, Quantity, Range, Ratio, Reference, all_words,
    first_words, notes, types,
};
use super::value::ratio;
use super::when::{datum, period};
use crate::chart::item::{Caption, Datum, ItemKind, ItemSort, Label};

types! {
    struct ServiceRequest {
        status: Option<String>,
        intent: Option<String>,
        priority: Option<String>,
        do_not_perform: Option<bool>,
        category: Vec<CodeableConcept>,
        code: Option<CodeableConcept>,
        order_detail: Vec<CodeableConcept>,
        quantity_quantity: Option<Quantity>,
        quantity_ratio: Option<Ratio>,
        quantity_range: Option<Range>,
        requisition: Option<Identifier>,
        encounter: Option<Reference>,
        occurrence_date_time: Option<String>,
        occurrence_period: Option<Period>,
        occurrence_timing: Option<Timing>,
        as_needed_boolean: Option<bool>,
        as_needed_codeable_concept: Option<CodeableConcept>,
        authored_on: Option<String>,
        requester: Option<Reference>,
        performer: Vec<Reference>,
        performer_type: Option<CodeableConcept>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        body_site: Vec<CodeableConcept>,
        location_code: Vec<CodeableConcept>,
        location_reference: Vec<Reference>,
        specimen: Vec<Reference>,
        note: Vec<Annotation>,
        patient_instruction: Option<String>,
    }
    struct Medication { id: Option<String>, code: Option<CodeableConcept> }
    struct Dispense {
        number_of_repeats_allowed: Option<Decimal>,
        quantity: Option<Quantity>,
        validity_period: Option<Period>,
        expected_supply_duration: Option<Quantity>,
    }
    struct Substitution { allowed_boolean: Option<bool>, allowed_codeable_concept: Option<CodeableConcept> }
    struct MedicationRequest {
        contained: Vec<Medication>,
        status: Option<String>,
        status_reason: Option<CodeableConcept>,
        intent: Option<String>,
        priority: Option<String>,
        do_not_perform: Option<bool>,
        medication_codeable_concept: Option<CodeableConcept>,
        medication_reference: Option<Reference>,
        encounter: Option<Reference>,
        authored_on: Option<String>,
        requester: Option<Reference>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        dosage_instruction: Vec<Dosage>,
        dispense_request: Option<Dispense>,
        substitution: Option<Substitution>,
        note: Vec<Annotation>,
    }
}

/// ServiceRequest → requisition.
pub(super) fn request(chart: &mut Chart, at: At, it: &ServiceRequest) {
    let start = it.occurrence_period.as_ref().and_then(|period| period.start.as_ref());
    let dates = [it.authored_on.as_ref(), it.occurrence_date_time.as_ref(), start];
    let Some(when) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let requester = it.requester.as_ref().and_then(|requester| chart.name(at, requester));
    let performers = chart.names(at, &it.performer);
    let performers = if performers.is_empty() {
        it.performer_type.iter().filter_map(CodeableConcept::to_text).collect()
    } else {
        performers
    };
    let mut body = Body::default();
    body.fact(Label::DoNotPerform, it.do_not_perform.filter(|not| *not).map(Datum::Bool));
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.text(Label::Requester, requester.clone());
    body.texts(Label::Performer, performers);
    body.code(Label::Status, it.status.as_ref());
    body.code(Label::Intent, it.intent.as_ref());
    body.code(Label::Priority, it.priority.as_ref());
    body.texts(Label::Category, all_words(&it.category));
    body.fact(Label::Due, datum(it.occurrence_date_time.as_ref()).or_else(|| period(it.occurrence_period.as_ref())));
    if it.occurrence_timing.as_ref().is_some_and(|timing| !timing.tell(&mut body)) {
        chart.lacks(at, "ServiceRequest.occurrence", Caption::Label(Label::Due), SkipReason::Timing);
    }
    as_needed(&mut body, it.as_needed_codeable_concept.as_ref(), it.as_needed_boolean);
    let range = it.quantity_range.as_ref().and_then(Range::to_text);
    let quantity = it.quantity_quantity.as_ref().and_then(Quantity::to_text).or(range);
    body.text(Label::Quantity, quantity.or_else(|| it.quantity_ratio.as_ref().and_then(ratio)));
    body.texts(Label::Site, all_words(&it.body_site));
    body.texts(Label::Specimen, chart.needed(at, "ServiceRequest.specimen", Label::Specimen, &it.specimen));
    let places = chart.names(at, &it.location_reference);
    body.texts(Label::Location, all_words(&it.location_code).into_iter().chain(places).collect());
    body.text(Label::Number, it.requisition.as_ref().and_then(|number| first_words([number.value.as_ref()])));
    body.list(Label::Details, all_words(&it.order_detail));
    body.paragraphs(Label::Instructions, it.patient_instruction.iter().cloned().collect());
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.code.as_ref().and_then(CodeableConcept::to_text);
    let title = title.or_else(|| it.category.iter().find_map(CodeableConcept::name));
    chart.add(at, Draft { title, author: requester, body: body.finish(), ..Draft::new(ItemKind::Requisition, when) });
}

/// Adds that something is to be taken or done when needed: the reason, or else yes or no.
fn as_needed(body: &mut Body, reason: Option<&CodeableConcept>, only: Option<bool>) {
    match reason.and_then(CodeableConcept::to_text) {
        Some(reason) => body.text(Label::AsNeeded, Some(reason)),
        None => body.fact(Label::AsNeeded, only.map(Datum::Bool)),
    }
}

impl MedicationRequest {
    /// The medicine's name: coded here, in a contained Medication (R4 §2.4.2.4, `#id`), or in the bundle.
    pub fn medication(&self, chart: &mut Chart, at: At) -> Option<String> {
        let coded = |concept: &Option<CodeableConcept>| concept.as_ref().and_then(CodeableConcept::to_text);
        coded(&self.medication_codeable_concept).or_else(|| {
            let reference = self.medication_reference.as_ref()?;
            let local = reference.reference.as_deref().and_then(|url| url.strip_prefix('#'));
            let contained = local.and_then(|id| self.contained.iter().find(|inner| inner.id.as_deref() == Some(id)));
            contained.and_then(|inner| coded(&inner.code)).or_else(|| chart.name(at, reference))
        })
    }
}

impl MedicationRequest {
    /// Name and state of the medicine, for the encounter in which it was ordered: the order is an item of its own.
    pub fn rows(&self, chart: &mut Chart, at: At) -> Option<Vec<Row>> {
        let name = self.medication(chart, at)?;
        let not = self.do_not_perform.filter(|not| *not).map(|_| "do-not-perform".to_owned());
        let state = match (not, self.status.clone()) {
            (Some(not), status) => Some(Datum::Codes(std::iter::once(not).chain(status).collect())),
            (None, status) => status.map(Datum::Code),
        };
        Some(vec![(Caption::Text(name), state)])
    }
}

/// MedicationRequest → requisition, which is the chart's kind for orders.
pub(super) fn prescription(chart: &mut Chart, at: At, it: &MedicationRequest) {
    let Some(when) = chart.date(at, [it.authored_on.as_ref()]) else {
        return chart.skip(at, SkipReason::NoDate);
    };
    let requester = it.requester.as_ref().and_then(|requester| chart.name(at, requester));
    let dispense = it.dispense_request.as_ref();
    let mut body = Body::default();
    body.fact(Label::DoNotPerform, it.do_not_perform.filter(|not| *not).map(Datum::Bool));
    for (step, dosage) in in_order(&it.dosage_instruction) {
        body.text(Label::Step, step.map(|step| step.to_string()));
        if !dosage.tell(&mut body) {
            let part = Caption::Label(Label::Dosage);
            chart.lacks(at, "MedicationRequest.dosageInstruction", part, SkipReason::Timing);
        }
        as_needed(&mut body, dosage.as_needed_codeable_concept.as_ref(), dosage.as_needed_boolean);
    }
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.text(Label::Requester, requester.clone());
    body.code(Label::Status, it.status.as_ref());
    body.text(Label::StatusReason, it.status_reason.as_ref().and_then(CodeableConcept::to_text));
    body.code(Label::Intent, it.intent.as_ref());
    body.code(Label::Priority, it.priority.as_ref());
    body.text(Label::Quantity, dispense.and_then(|dispense| dispense.quantity.as_ref()).and_then(Quantity::to_text));
    let repeats = dispense.and_then(|dispense| dispense.number_of_repeats_allowed.as_ref());
    body.fact(Label::Repeats, repeats.map(|number| Datum::Number(number.0.clone())));
    let supply = dispense.and_then(|dispense| dispense.expected_supply_duration.as_ref());
    body.text(Label::Supply, supply.and_then(Quantity::to_text));
    body.fact(Label::Validity, period(dispense.and_then(|dispense| dispense.validity_period.as_ref())));
    let other = it.substitution.as_ref();
    body.fact(Label::Substitution, other.and_then(|other| other.allowed_boolean).map(Datum::Bool));
    let other = other.and_then(|other| other.allowed_codeable_concept.as_ref());
    body.text(Label::Substitution, other.and_then(CodeableConcept::to_text));
    let to_patient = it.dosage_instruction.iter().filter_map(|dosage| dosage.patient_instruction.clone());
    body.paragraphs(Label::Instructions, to_patient.collect());
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.medication(chart, at);
    let (sort, body) = (Some(ItemSort::Prescription), body.finish());
    chart.add(at, Draft { sort, title, author: requester, body, ..Draft::new(ItemKind::Requisition, when) });
}
