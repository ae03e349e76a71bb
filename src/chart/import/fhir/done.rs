//! Procedure (R4 §9.3) and Immunization (R4 §11.5): a part of an encounter, or an item of their own.

use super::SkipReason;
use super::body::{Body, Row};
use super::chart::{At, Chart, Draft};
use super::encounter::{details, joined, with_details};
use super::types::{
    Annotation, CodeableConcept, Decimal, Period, Quantity, Range, Reference, all_words, first_words, notes, types,
};
use super::when::{Moment, datum, period};
use crate::chart::item::{Caption, Datum, ItemKind, ItemSort, Label};

types! {
    struct ProcedurePerformer { actor: Option<Reference> }
    struct Procedure {
        status: Option<String>,
        status_reason: Option<CodeableConcept>,
        code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        performed_date_time: Option<String>,
        performed_period: Option<Period>,
        performed_string: Option<String>,
        performed_age: Option<Quantity>,
        performed_range: Option<Range>,
        performer: Vec<ProcedurePerformer>,
        location: Option<Reference>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        body_site: Vec<CodeableConcept>,
        outcome: Option<CodeableConcept>,
        complication: Vec<CodeableConcept>,
        follow_up: Vec<CodeableConcept>,
        note: Vec<Annotation>,
    }
    struct Protocol {
        series: Option<String>,
        dose_number_positive_int: Option<Decimal>,
        dose_number_string: Option<String>,
        series_doses_positive_int: Option<Decimal>,
        series_doses_string: Option<String>,
    }
    struct Immunization {
        status: Option<String>,
        status_reason: Option<CodeableConcept>,
        vaccine_code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        occurrence_date_time: Option<String>,
        occurrence_string: Option<String>,
        recorded: Option<String>,
        location: Option<Reference>,
        manufacturer: Option<Reference>,
        lot_number: Option<String>,
        expiration_date: Option<String>,
        site: Option<CodeableConcept>,
        route: Option<CodeableConcept>,
        dose_quantity: Option<Quantity>,
        performer: Vec<ProcedurePerformer>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        is_subpotent: Option<bool>,
        protocol_applied: Vec<Protocol>,
        note: Vec<Annotation>,
    }
}

fn concept(concept: &Option<CodeableConcept>) -> Option<Datum> {
    concept.as_ref().and_then(CodeableConcept::to_text).map(Datum::Text)
}

type Details = Vec<(Label, Option<Datum>)>;

impl Procedure {
    fn performed(&self) -> Option<Datum> {
        let text = first_words([self.performed_string.as_ref()]);
        let text = text.or_else(|| self.performed_age.as_ref().and_then(Quantity::to_text));
        let text = text.or_else(|| self.performed_range.as_ref().and_then(Range::to_text));
        period(self.performed_period.as_ref()).or_else(|| text.map(Datum::Text))
    }

    fn details(&self) -> Details {
        vec![
            (Label::StatusReason, concept(&self.status_reason)),
            (Label::Period, self.performed()),
            (Label::Conclusion, concept(&self.outcome)),
            (Label::Complications, joined(all_words(&self.complication))),
            (Label::FollowUp, joined(all_words(&self.follow_up))),
        ]
    }

    /// Name and state of the procedure, then its details and remarks.
    pub fn rows(&self) -> Option<Vec<Row>> {
        let name = with_details(self.code.as_ref()?.to_text()?, self.body_site.iter().cloned());
        let mut rows = vec![(Caption::Text(name), self.status.clone().map(Datum::Code))];
        rows.extend(details(self.details()));
        rows.extend(details([(Label::Notes, joined(notes(&self.note)))]));
        Some(rows)
    }
}

impl Protocol {
    /// The dose's number in its series, as `2 / 3`, with the name of the series before it.
    fn to_text(&self) -> Option<String> {
        let number = |number: &Option<Decimal>, text: &Option<String>| {
            number.as_ref().map(|number| number.0.clone()).or_else(|| first_words([text.as_ref()]))
        };
        let dose = number(&self.dose_number_positive_int, &self.dose_number_string);
        let of = number(&self.series_doses_positive_int, &self.series_doses_string);
        let number = match (dose, of) {
            (Some(dose), Some(of)) => Some(format!("{dose} / {of}")),
            (dose, _) => dose,
        };
        let series = first_words([self.series.as_ref()]);
        let parts: Vec<String> = series.into_iter().chain(number).collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    }
}

impl Immunization {
    fn details(&self) -> Details {
        let number: Vec<String> = self.protocol_applied.iter().filter_map(Protocol::to_text).collect();
        vec![
            (Label::StatusReason, concept(&self.status_reason)),
            (Label::NotFullStrength, self.is_subpotent.filter(|weak| *weak).map(Datum::Bool)),
            (Label::DoseNumber, joined(number)),
            (Label::Dose, self.dose_quantity.as_ref().and_then(Quantity::to_text).map(Datum::Text)),
            (Label::LotNumber, first_words([self.lot_number.as_ref()]).map(Datum::Text)),
            (Label::Expires, datum(self.expiration_date.as_ref())),
            (Label::Route, concept(&self.route)),
            (Label::Site, concept(&self.site)),
        ]
    }

    /// Name and state of the vaccine, then its details and remarks.
    pub fn rows(&self) -> Option<Vec<Row>> {
        let name = self.vaccine_code.as_ref()?.to_text()?;
        let mut rows = vec![(Caption::Text(name), self.status.clone().map(Datum::Code))];
        rows.extend(details(self.details()));
        rows.extend(details([(Label::Notes, joined(notes(&self.note)))]));
        Some(rows)
    }
}

/// Procedure outside an encounter → encounter.
pub(super) fn procedure(chart: &mut Chart, at: At, it: &Procedure) {
    if chart.is_grouped(at) {
        return;
    }
    let span = it.performed_period.as_ref();
    let dates =
        [it.performed_date_time.as_ref(), span.and_then(|p| p.start.as_ref()), span.and_then(|p| p.end.as_ref())];
    let Some(when) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.performer.iter().filter_map(|performer| performer.actor.as_ref()));
    let mut body = Body::default();
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.texts(Label::Clinician, performers.clone());
    body.code(Label::Status, it.status.as_ref());
    it.details().into_iter().for_each(|(label, value)| body.fact(label, value));
    body.texts(Label::Site, all_words(&it.body_site));
    body.text(Label::Location, it.location.as_ref().and_then(|place| chart.name(at, place)));
    body.paragraphs(Label::Notes, notes(&it.note));
    add(chart, at, (when, ItemSort::Procedure), it.code.as_ref(), performers, body);
}

/// Immunization outside an encounter → encounter.
pub(super) fn immunization(chart: &mut Chart, at: At, it: &Immunization) {
    if chart.is_grouped(at) {
        return;
    }
    let dates = [it.occurrence_date_time.as_ref(), it.recorded.as_ref()];
    let Some(when) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.performer.iter().filter_map(|performer| performer.actor.as_ref()));
    let mut body = Body::default();
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.texts(Label::Clinician, performers.clone());
    body.code(Label::Status, it.status.as_ref());
    it.details().into_iter().for_each(|(label, value)| body.fact(label, value));
    let given = datum(it.occurrence_date_time.as_ref());
    body.fact(Label::Period, given.or_else(|| first_words([it.occurrence_string.as_ref()]).map(Datum::Text)));
    body.text(Label::Manufacturer, it.manufacturer.as_ref().and_then(|maker| chart.name(at, maker)));
    body.text(Label::Location, it.location.as_ref().and_then(|place| chart.name(at, place)));
    body.paragraphs(Label::Notes, notes(&it.note));
    add(chart, at, (when, ItemSort::Immunization), it.vaccine_code.as_ref(), performers, body);
}

fn add(
    chart: &mut Chart,
    at: At,
    (when, sort): (Moment, ItemSort),
    title: Option<&CodeableConcept>,
    authors: Vec<String>,
    body: Body,
) {
    let (title, author) = (title.and_then(CodeableConcept::to_text), authors.into_iter().next());
    let (sort, body) = (Some(sort), body.finish());
    chart.add(at, Draft { sort, title, author, body, ..Draft::new(ItemKind::Encounter, when) });
}
