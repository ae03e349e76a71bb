//! DiagnosticReport (R4 §10.3) and Observation (R4 §10.1).

use std::collections::{BTreeMap, HashSet};

use time::{Date, OffsetDateTime};

use super::SkipReason;
use super::attachment;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::narrative;
use super::resource::Resource;
use super::types::{
    Annotation, Attachment, CodeableConcept, Period, Reference, all_words, first_words, notes, types, words,
};
use super::value::{ReferenceRange, flag, interpretation, reference, valued};
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
        status: Option<String>,
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
    pub fn moment(&self) -> Option<Moment> {
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
            push_rows(*at, observation, &mut rows);
        }
    }
    rows
}

/// Rows of several times: each with its own where they are not all of one.
fn timed(rows: &mut [ResultRow], times: &[Option<String>]) {
    if times.iter().any(|time| Some(time) != times.first()) {
        rows.iter_mut().zip(times).for_each(|(row, time)| row.at = time.clone());
    }
}

/// When an observation was made, as its body shows it.
fn time_of(at: At) -> Option<String> {
    let Resource::Observation(it) = &at.entry.resource else { return None };
    let start = it.effective_period.as_ref().and_then(|period| period.start.as_ref());
    let said = it.effective_date_time.as_ref().or(it.effective_instant.as_ref()).or(start).or(it.issued.as_ref());
    match datum(said) {
        Some(Datum::When(text)) => Some(text),
        _ => None,
    }
}

/// The state of an observation where that is not as everybody takes for granted.
fn state(at: At, it: &Observation) -> Option<String> {
    if at.entry.withdrawn {
        return Some("entered-in-error".to_owned());
    }
    it.status.clone().filter(|status| !matches!(status.as_str(), "final" | "unknown"))
}

fn absent(reason: &Option<CodeableConcept>) -> Option<(Datum, Option<String>)> {
    reason.as_ref().and_then(CodeableConcept::words).map(|text| (Datum::Text(text), None))
}

/// A row for the observation, unless all it has is components; then one per component. Of one that its source has taken
/// back only the name is left.
fn push_rows(at: At, it: &Observation, rows: &mut Vec<ResultRow>) {
    let name = |code: &Option<CodeableConcept>| code.as_ref().and_then(CodeableConcept::words);
    let own_name = name(&it.code).unwrap_or_else(|| "—".to_owned());
    let status = state(at, it);
    if at.entry.withdrawn {
        rows.push(ResultRow { name: own_name, status, ..ResultRow::default() });
        return;
    }
    let own_words = || at.entry.narrative.as_deref().map(narrative::paragraphs).unwrap_or_default().join("\n");
    let mut note = words(&notes(&it.note).join("\n"));
    let (value, unit) = it.value().or_else(|| absent(&it.data_absent_reason)).unzip();
    let is_group = value.is_none() && (!it.component.is_empty() || !it.has_member.is_empty());
    if value.is_none() && !is_group {
        note = note.or_else(|| words(&own_words()));
    }
    if !is_group || note.is_some() {
        rows.push(ResultRow {
            name: own_name.clone(),
            value,
            unit: unit.flatten(),
            reference: reference(&it.reference_range, it.value_quantity.as_ref()),
            flag: flag(&it.interpretation, &it.reference_range, it.value_quantity.as_ref()),
            interpretation: interpretation(&it.interpretation),
            status: status.clone(),
            at: None,
            note,
        });
    }
    for part in &it.component {
        let (value, unit) = part.value().or_else(|| absent(&part.data_absent_reason)).unzip();
        rows.push(ResultRow {
            name: name(&part.code).unwrap_or_else(|| own_name.clone()),
            value,
            unit: unit.flatten(),
            reference: reference(&part.reference_range, part.value_quantity.as_ref()),
            flag: flag(&part.interpretation, &part.reference_range, part.value_quantity.as_ref()),
            interpretation: interpretation(&part.interpretation),
            status: status.clone(),
            at: None,
            note: None,
        });
    }
}

/// Rows of observations with their times, those of one day in the order of time.
fn timed_rows(entries: &[At]) -> Vec<ResultRow> {
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for at in entries {
        let rows = rows(&[*at]);
        times.extend(rows.iter().map(|_| time_of(*at)));
        all.extend(rows);
    }
    timed(&mut all, &times);
    all
}

/// Results that a report names and that are not there: the report says so.
fn elsewhere(chart: &mut Chart, at: At, it: &DiagnosticReport) -> Vec<ResultRow> {
    let mut rows = Vec::new();
    for reference in &it.result {
        let is_there =
            chart.find(at, reference).is_some_and(|found| matches!(found.entry.resource, Resource::Observation(_)));
        if !is_there {
            chart.skip_part(at, "DiagnosticReport.result", SkipReason::ResultElsewhere);
            let name = reference.display.as_deref().and_then(words).unwrap_or_else(|| "—".to_owned());
            rows.push(ResultRow { name, status: Some("not-in-file".to_owned()), ..ResultRow::default() });
        }
    }
    rows
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
    let mut all = timed_rows(&observations);
    all.extend(elsewhere(chart, at, it));
    body.results(None, all);
    chart.made_of(&observations);
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
    type Group = (Date, String, Option<String>);
    let mut days: BTreeMap<Group, Vec<Found>> = BTreeMap::new();
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
        days.entry((moment.day, category, chart.source(at))).or_default().push((at, it, moment.at));
    }
    for ((day, category, _), mut group) in days {
        // the order of time; what is of one moment keeps its place
        group.sort_by_key(|(_, _, moment)| *moment);
        let key = format!("Observation:{day}:{category}");
        let parts: Vec<At> = group.iter().map(|(at, ..)| *at).collect();
        let standing: Vec<&Found> = group.iter().filter(|(at, ..)| !at.entry.withdrawn).collect();
        let Some((first, observation, occurred_at)) = standing.first().copied().copied() else {
            if let Some(first) = parts.first() {
                chart.emptied(*first, key);
            }
            continue;
        };
        let performers = chart.names(first, &observation.performer);
        let mut body = Body::default();
        body.texts(Label::Performer, performers.clone());
        body.results(None, timed_rows(&parts));
        // one alone has the better title
        let own = observation.code.as_ref().and_then(CodeableConcept::words);
        let common = observation.category.iter().find_map(category_words);
        let title = if group.len() == 1 { first_words([own.as_ref(), common.as_ref()]) } else { common };
        let author = performers.into_iter().next();
        let (kind, attachment) = (ItemKind::LabResult, None);
        let draft = Draft { kind, occurred_at, title, author, body: body.finish(), attachment };
        let states: Vec<Option<String>> = standing.iter().map(|(at, it, _)| state(*at, it)).collect();
        let alike = states.iter().all(|state| Some(state) == states.first());
        chart.stands(states.into_iter().next().flatten().filter(|_| alike).or_else(|| Some("final".to_owned())));
        chart.made_of(&parts);
        chart.add_as(first, key, draft);
    }
}

/// A category in the record's words; a mere code is none.
fn category_words(concept: &CodeableConcept) -> Option<String> {
    first_words(
        std::iter::once(concept.text.as_ref()).chain(concept.coding.iter().map(|coding| coding.display.as_ref())),
    )
}
