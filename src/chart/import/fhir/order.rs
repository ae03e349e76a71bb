//! ServiceRequest (R4 §12.9) and MedicationRequest (R4 §11.1): both are orders.

use super::SkipReason;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::dosage::Dosage;
use super::types::{
    Annotation, CodeableConcept, Decimal, Identifier, Period, Quantity, Reference, all_words, first_words, notes, types,
};
use super::when::{datum, period};
use crate::chart::item::{Datum, ItemKind, Label};

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
        requisition: Option<Identifier>,
        encounter: Option<Reference>,
        occurrence_date_time: Option<String>,
        occurrence_period: Option<Period>,
        authored_on: Option<String>,
        requester: Option<Reference>,
        performer: Vec<Reference>,
        performer_type: Option<CodeableConcept>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        body_site: Vec<CodeableConcept>,
        note: Vec<Annotation>,
        patient_instruction: Option<String>,
    }
    struct Medication { id: Option<String>, code: Option<CodeableConcept> }
    struct Dispense { number_of_repeats_allowed: Option<Decimal>, quantity: Option<Quantity> }
    struct MedicationRequest {
        contained: Vec<Medication>,
        status: Option<String>,
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
        note: Vec<Annotation>,
    }
}

/// ServiceRequest → requisition.
pub(super) fn request(chart: &mut Chart, at: At, it: &ServiceRequest) {
    let start = it.occurrence_period.as_ref().and_then(|period| period.start.as_ref());
    let dates = [it.authored_on.as_ref(), it.occurrence_date_time.as_ref(), start];
    let Some(occurred_at) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let requester = it.requester.as_ref().and_then(|requester| chart.name(at, requester));
    let performers = chart.names(at, &it.performer);
    let performers = if performers.is_empty() {
        it.performer_type.iter().filter_map(CodeableConcept::words).collect()
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
    body.text(Label::Quantity, it.quantity_quantity.as_ref().and_then(Quantity::words));
    body.texts(Label::Site, all_words(&it.body_site));
    body.text(Label::Number, it.requisition.as_ref().and_then(|number| first_words([number.value.as_ref()])));
    body.list(Label::Details, all_words(&it.order_detail));
    body.paragraphs(Label::Instructions, it.patient_instruction.iter().cloned().collect());
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.code.as_ref().and_then(CodeableConcept::words);
    let title = title.or_else(|| all_words(&it.category).into_iter().next());
    let (kind, attachment) = (ItemKind::Requisition, None);
    chart.add(at, Draft { kind, occurred_at, title, author: requester, body: body.finish(), attachment });
}

impl MedicationRequest {
    /// The medicine: coded here, in a contained Medication (R4 §2.4.2.4, `#id`), or in the bundle.
    pub fn medication(&self, chart: &Chart, at: At) -> Option<String> {
        let coded = |concept: &Option<CodeableConcept>| concept.as_ref().and_then(CodeableConcept::words);
        coded(&self.medication_codeable_concept).or_else(|| {
            let reference = self.medication_reference.as_ref()?;
            let local = reference.reference.as_deref().and_then(|url| url.strip_prefix('#'));
            let contained = local.and_then(|id| self.contained.iter().find(|inner| inner.id.as_deref() == Some(id)));
            contained.and_then(|inner| coded(&inner.code)).or_else(|| chart.name(at, reference))
        })
    }
}

/// MedicationRequest → requisition: of the chart's kinds it is the one of orders.
pub(super) fn prescription(chart: &mut Chart, at: At, it: &MedicationRequest) {
    let Some(occurred_at) = chart.date(at, [it.authored_on.as_ref()]) else {
        return chart.skip(at, SkipReason::NoDate);
    };
    let requester = it.requester.as_ref().and_then(|requester| chart.name(at, requester));
    let dispense = it.dispense_request.as_ref();
    let mut body = Body::default();
    body.fact(Label::DoNotPerform, it.do_not_perform.filter(|not| *not).map(Datum::Bool));
    for dosage in &it.dosage_instruction {
        if !dosage.tell(&mut body) {
            chart.skip_part(at, "MedicationRequest.dosageInstruction", SkipReason::Timing);
        }
        match dosage.as_needed_codeable_concept.as_ref().and_then(CodeableConcept::words) {
            Some(reason) => body.text(Label::AsNeeded, Some(reason)),
            None => body.fact(Label::AsNeeded, dosage.as_needed_boolean.map(Datum::Bool)),
        }
    }
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.text(Label::Requester, requester.clone());
    body.code(Label::Status, it.status.as_ref());
    body.code(Label::Intent, it.intent.as_ref());
    body.code(Label::Priority, it.priority.as_ref());
    body.text(Label::Quantity, dispense.and_then(|dispense| dispense.quantity.as_ref()).and_then(Quantity::words));
    let repeats = dispense.and_then(|dispense| dispense.number_of_repeats_allowed.as_ref());
    body.fact(Label::Repeats, repeats.map(|number| Datum::Number(number.0.clone())));
    let to_patient = it.dosage_instruction.iter().filter_map(|dosage| dosage.patient_instruction.clone());
    body.paragraphs(Label::Instructions, to_patient.collect());
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.medication(chart, at);
    let (kind, attachment) = (ItemKind::Requisition, None);
    chart.add(at, Draft { kind, occurred_at, title, author: requester, body: body.finish(), attachment });
}
