//! DiagnosticReport (R4 §10.3) and Observation (R4 §10.1).

use std::collections::{BTreeMap, HashSet};

use time::{Date, OffsetDateTime};

use super::SkipReason;
use super::attachment;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::resource::Resource;
use super::types::{
    Annotation, Attachment, CodeableConcept, Period, Reference, all_words, first_words, notes, types, words,
};
use super::value::{ReferenceRange, flag, reference, valued};
use super::when::{Moment, datum, first_moment, period};
use crate::chart::item::{Datum, ItemKind, Label, ResultRow};

/// How deep groups of observations (`hasMember`) are followed.
const MAX_DEPTH: usize = 4;

types! {
    struct DiagnosticReport {
        status: Option<String>,
        category: Vec<CodeableConcept>,
        code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        effective_date_time: Option<String>,
        effective_period: Option<Period>,
        issued: Option<String>,
        performer: Vec<Reference>,
        results_interpreter: Vec<Reference>,
        result: Vec<Reference>,
        conclusion: Option<String>,
        conclusion_code: Vec<CodeableConcept>,
        presented_form: Vec<Attachment>,
    }
}

valued! {
    struct Observation {
        category: Vec<CodeableConcept>,
        code: Option<CodeableConcept>,
        encounter: Option<Reference>,
        effective_date_time: Option<String>,
        effective_period: Option<Period>,
        effective_instant: Option<String>,
        issued: Option<String>,
        performer: Vec<Reference>,
        data_absent_reason: Option<CodeableConcept>,
        interpretation: Vec<CodeableConcept>,
        reference_range: Vec<ReferenceRange>,
        note: Vec<Annotation>,
        has_member: Vec<Reference>,
        component: Vec<Component>,
    }
    struct Component {
        code: Option<CodeableConcept>,
        data_absent_reason: Option<CodeableConcept>,
        interpretation: Vec<CodeableConcept>,
        reference_range: Vec<ReferenceRange>,
    }
}

impl Observation {
    fn moment(&self) -> Option<Moment> {
        let start = self.effective_period.as_ref().and_then(|period| period.start.as_ref());
        first_moment([self.effective_date_time.as_ref(), self.effective_instant.as_ref(), start, self.issued.as_ref()])
    }
}

/// The observations of a report that are this patient's, each once, members of groups behind their group.
pub(super) fn observations<'a>(chart: &Chart<'a>, at: At, report: &DiagnosticReport) -> Vec<At<'a>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    follow(chart, at, &report.result, MAX_DEPTH, &mut seen, &mut found);
    found
}

/// When a report was: by its own dates, its encounter, or its earliest result.
pub(super) fn occurred(chart: &Chart, at: At, it: &DiagnosticReport, results: &[At]) -> Option<OffsetDateTime> {
    let start = it.effective_period.as_ref().and_then(|period| period.start.as_ref());
    let own = chart.date(at, [it.effective_date_time.as_ref(), start, it.issued.as_ref()]);
    own.or_else(|| results.iter().filter_map(|at| observed_at(*at)).min())
}

fn follow<'a>(
    chart: &Chart<'a>,
    from: At,
    references: &[Reference],
    depth: usize,
    seen: &mut HashSet<usize>,
    found: &mut Vec<At<'a>>,
) {
    for at in references.iter().filter_map(|reference| chart.find(from, reference)) {
        if let Resource::Observation(observation) = &at.entry.resource
            && seen.insert(at.position)
        {
            found.push(at);
            if let Some(depth) = depth.checked_sub(1) {
                follow(chart, at, &observation.has_member, depth, seen, found);
            }
        }
    }
}

/// The rows of the observations among these entries.
pub(super) fn rows(entries: &[At]) -> Vec<ResultRow> {
    let mut rows = Vec::new();
    for at in entries {
        if let Resource::Observation(observation) = &at.entry.resource {
            push_rows(observation, &mut rows);
        }
    }
    rows
}

fn absent(reason: &Option<CodeableConcept>) -> Option<(Datum, Option<String>)> {
    reason.as_ref().and_then(CodeableConcept::words).map(|text| (Datum::Text(text), None))
}

/// A row for the observation, unless all it has is components; then one per component.
fn push_rows(it: &Observation, rows: &mut Vec<ResultRow>) {
    let name = |code: &Option<CodeableConcept>| code.as_ref().and_then(CodeableConcept::words);
    let note = words(&notes(&it.note).join("\n"));
    let (value, unit) = it.value().or_else(|| absent(&it.data_absent_reason)).unzip();
    let is_group = value.is_none() && (!it.component.is_empty() || !it.has_member.is_empty());
    if !is_group || note.is_some() {
        rows.push(ResultRow {
            name: name(&it.code).unwrap_or_else(|| "Observation".to_owned()),
            value,
            unit: unit.flatten(),
            reference: reference(&it.reference_range),
            flag: flag(&it.interpretation, &it.reference_range, it.value_quantity.as_ref()),
            note,
        });
    }
    for part in &it.component {
        let (value, unit) = part.value().or_else(|| absent(&part.data_absent_reason)).unzip();
        rows.push(ResultRow {
            name: name(&part.code).or_else(|| name(&it.code)).unwrap_or_else(|| "Observation".to_owned()),
            value,
            unit: unit.flatten(),
            reference: reference(&part.reference_range),
            flag: flag(&part.interpretation, &part.reference_range, part.value_quantity.as_ref()),
            note: None,
        });
    }
}

/// DiagnosticReport → lab result.
pub(super) fn report(chart: &mut Chart, at: At, it: &DiagnosticReport) {
    let observations = observations(chart, at, it);
    let Some(occurred_at) = occurred(chart, at, it, &observations) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.results_interpreter.iter().chain(&it.performer));
    let mut body = Body::default();
    body.code(Label::Status, it.status.as_ref());
    body.texts(Label::Category, all_words(&it.category));
    body.texts(Label::Performer, performers.clone());
    body.fact(Label::Period, period(it.effective_period.as_ref()));
    body.fact(Label::Issued, datum(it.issued.as_ref()));
    body.results(None, rows(&observations));
    let conclusion = it.conclusion.as_deref().and_then(words);
    body.paragraphs(Label::Conclusion, conclusion.into_iter().chain(all_words(&it.conclusion_code)).collect());
    let title = it.code.as_ref().and_then(CodeableConcept::words);
    let title = title.or_else(|| all_words(&it.category).into_iter().next());
    let author = performers.into_iter().next();
    let draft = Draft { kind: ItemKind::LabResult, occurred_at, title, author, body: body.finish(), attachment: None };
    attachment::add_with_files(chart, at, draft, &it.presented_form);
}

fn observed_at(at: At) -> Option<OffsetDateTime> {
    match &at.entry.resource {
        Resource::Observation(observation) => observation.moment().map(|moment| moment.at),
        _ => None,
    }
}

/// Observations of no report and no encounter → one lab result per day and category.
pub(super) fn loose_observations(chart: &mut Chart) {
    type Found<'a> = (At<'a>, &'a Observation, OffsetDateTime);
    let mut days: BTreeMap<(Date, String), Vec<Found>> = BTreeMap::new();
    for at in chart.mine() {
        let Resource::Observation(it) = &at.entry.resource else { continue };
        if chart.is_reported(at) || chart.is_grouped(at) {
            continue;
        }
        let Some(moment) = it.moment() else {
            chart.skip(at, SkipReason::NoDate);
            continue;
        };
        let category = it.category.iter().find_map(CodeableConcept::code).unwrap_or_default();
        days.entry((moment.day, category)).or_default().push((at, it, moment.at));
    }
    for ((day, category), group) in days {
        let Some((first, observation, _)) = group.first().copied() else { continue };
        let Some(occurred_at) = group.iter().map(|(_, _, at)| *at).min() else { continue };
        let performers = chart.names(first, &observation.performer);
        let mut body = Body::default();
        body.texts(Label::Performer, performers.clone());
        body.results(None, rows(&group.iter().map(|(at, ..)| *at).collect::<Vec<_>>()));
        // one alone has the better title
        let own = observation.code.as_ref().and_then(CodeableConcept::words);
        let common = all_words(&observation.category).into_iter().next();
        let title = if group.len() == 1 { first_words([own.as_ref(), common.as_ref()]) } else { common.or(own) };
        let author = performers.into_iter().next();
        let (kind, attachment) = (ItemKind::LabResult, None);
        let draft = Draft { kind, occurred_at, title, author, body: body.finish(), attachment };
        chart.add_as(first, format!("Observation:{day}:{category}"), draft);
    }
}
