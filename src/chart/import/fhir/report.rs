//! DiagnosticReport (R4 §10.3) and Observation (R4 §10.1).

use std::collections::{BTreeMap, HashSet};

use time::{Date, OffsetDateTime};

use super::SkipReason;
use super::attachment;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::encounter::with_details;
use super::narrative;
use super::resource::{Resource, telling};
use super::types::{
    Annotation, Attachment, CodeableConcept, Period, Reference, all_words, first_words, non_empty, notes, types,
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
        specimen: Vec<Reference>,
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
        body_site: Option<CodeableConcept>,
        method: Option<CodeableConcept>,
        specimen: Option<Reference>,
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

/// The observations of a report that belong to this patient, each once, members of a group after their group.
pub(super) fn observations<'a>(chart: &Chart<'a>, at: At, report: &DiagnosticReport) -> Vec<At<'a>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    follow(chart, at, &report.result, MAX_DEPTH, &mut seen, &mut found);
    found
}

/// The date of a report: its own, its encounter's, or its earliest result's.
pub(super) fn occurred(chart: &Chart, at: At, it: &DiagnosticReport, results: &[At]) -> Option<Moment> {
    let start = it.effective_period.as_ref().and_then(|period| period.start.as_ref());
    let own = chart.date(at, [it.effective_date_time.as_ref(), start, it.issued.as_ref()]);
    own.or_else(|| results.iter().filter_map(|at| observed_at(*at)).min_by_key(|moment| moment.at))
}

fn follow<'a>(
    chart: &Chart<'a>,
    from: At,
    references: &[Reference],
    depth: usize,
    seen: &mut HashSet<usize>,
    found: &mut Vec<At<'a>>,
) {
    for at in chart.find_all(from, references) {
        if let Resource::Observation(observation) = &at.entry.resource
            && !at.entry.unseen
            && seen.insert(at.position)
        {
            found.push(at);
            if let Some(depth) = depth.checked_sub(1) {
                follow(chart, at, &observation.has_member, depth, seen, found);
            }
        }
    }
}

/// Gives each row its own time, where the times differ.
fn timed(rows: &mut [ResultRow], times: &[Option<String>]) {
    if times.iter().any(|time| Some(time) != times.first()) {
        rows.iter_mut().zip(times).for_each(|(row, time)| row.at = time.clone());
    }
}

/// When an observation was made, as the item's body shows it.
fn time_of(at: At) -> Option<String> {
    let Resource::Observation(it) = &at.entry.resource else { return None };
    let start = it.effective_period.as_ref().and_then(|period| period.start.as_ref());
    let said = it.effective_date_time.as_ref().or(it.effective_instant.as_ref()).or(start).or(it.issued.as_ref());
    match datum(said) {
        Some(Datum::When(text)) => Some(text),
        _ => None,
    }
}

/// The state of an observation, where that is not the usual one.
fn state(at: At, it: &Observation) -> Option<String> {
    match at.entry.withdrawn {
        Some(_) => Some("entered-in-error".to_owned()),
        None => telling([it.status.as_deref()]).into_iter().next(),
    }
}

/// The state of an item of several results: where it has no state of its own, one that all results share, or that not
/// all are final.
fn standing_of(own: Vec<String>, parts: &[At]) -> Vec<String> {
    let states: Vec<Option<String>> = parts
        .iter()
        .filter(|at| at.entry.withdrawn.is_none())
        .filter_map(|at| match &at.entry.resource {
            Resource::Observation(it) => Some(state(*at, it)),
            _ => None,
        })
        .collect();
    let is_usual = own.is_empty();
    match states.iter().flatten().next() {
        Some(first) if states.iter().all(|state| state.as_ref() == Some(first)) && is_usual => vec![first.clone()],
        Some(_) if is_usual => vec!["not-all-final".to_owned()],
        _ => own,
    }
}

fn absent(reason: &Option<CodeableConcept>) -> Option<(Datum, Option<String>)> {
    reason.as_ref().and_then(CodeableConcept::to_text).map(|text| (Datum::Text(text), None))
}

/// Adds a row for the observation, unless it has only components; then one for each component. Of a withdrawn one only
/// the name is shown.
fn push_rows(at: At, it: &Observation, rows: &mut Vec<ResultRow>) {
    let name = |code: &Option<CodeableConcept>| code.as_ref().and_then(CodeableConcept::to_text);
    let own_name = with_details(name(&it.code).unwrap_or_else(|| "—".to_owned()), it.body_site.clone());
    let status = state(at, it);
    if at.entry.withdrawn.is_some() {
        rows.push(ResultRow { name: own_name, status, ..ResultRow::default() });
        return;
    }
    let own_words = || at.entry.narrative.as_deref().map(narrative::paragraphs).unwrap_or_default().join("\n");
    let method = it.method.as_ref().and_then(CodeableConcept::to_text);
    let mut note = non_empty(&notes(&it.note).into_iter().chain(method).collect::<Vec<_>>().join("\n"));
    let (value, unit) = it.value().or_else(|| absent(&it.data_absent_reason)).unzip();
    let is_group = value.is_none() && (!it.component.is_empty() || !it.has_member.is_empty());
    if value.is_none() && !is_group {
        note = note.or_else(|| non_empty(&own_words()));
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

/// The rows of the observations among these entries with their times, members of a group after it; members that were
/// not sent have a row that says so.
pub(super) fn timed_rows(chart: &mut Chart, entries: &[At]) -> Vec<ResultRow> {
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for at in entries {
        let Resource::Observation(it) = &at.entry.resource else { continue };
        let mut rows = Vec::new();
        push_rows(*at, it, &mut rows);
        if at.entry.withdrawn.is_none() {
            rows.extend(elsewhere(chart, *at, "Observation.hasMember", &it.has_member));
        }
        times.extend(rows.iter().map(|_| time_of(*at)));
        all.extend(rows);
    }
    timed(&mut all, &times);
    all
}

/// Rows for results that a resource names but that are not in the bundle, with the reason.
fn elsewhere(chart: &mut Chart, at: At, what: &str, references: &[Reference]) -> Vec<ResultRow> {
    let mut rows = Vec::new();
    for reference in references {
        let found = chart.find(at, reference);
        let status = match found {
            Some(found) if found.entry.unseen => "entered-in-error",
            Some(_) => continue,
            None => "not-in-file",
        };
        if found.is_none() {
            chart.skip_part(at, what, SkipReason::ResultElsewhere);
        }
        let name = reference.display.as_deref().and_then(non_empty).unwrap_or_else(|| "—".to_owned());
        rows.push(ResultRow { name, status: Some(status.to_owned()), ..ResultRow::default() });
    }
    rows
}

/// DiagnosticReport → lab result.
pub(super) fn report(chart: &mut Chart, at: At, it: &DiagnosticReport) {
    let observations = observations(chart, at, it);
    let Some(when) = occurred(chart, at, it, &observations) else { return chart.skip(at, SkipReason::NoDate) };
    let performers = chart.names(at, it.results_interpreter.iter().chain(&it.performer));
    let mut body = Body::default();
    body.code(Label::Status, it.status.as_ref());
    body.texts(Label::Category, all_words(&it.category));
    body.texts(Label::Performer, performers.clone());
    body.fact(Label::Period, period(it.effective_period.as_ref()));
    body.fact(Label::Issued, datum(it.issued.as_ref()));
    body.texts(Label::Specimen, chart.names(at, &it.specimen));
    let mut all = timed_rows(chart, &observations);
    all.extend(elsewhere(chart, at, "DiagnosticReport.result", &it.result));
    body.results(None, all);
    chart.made_of(&observations);
    chart.stands(standing_of(telling([it.status.as_deref()]), &observations));
    let conclusion = it.conclusion.as_deref().and_then(non_empty);
    body.paragraphs(Label::Conclusion, conclusion.into_iter().chain(all_words(&it.conclusion_code)).collect());
    let title = it.code.as_ref().and_then(CodeableConcept::to_text);
    let title = title.or_else(|| it.category.iter().find_map(CodeableConcept::name));
    let author = performers.into_iter().next();
    let draft = Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::LabResult, when) };
    attachment::add_with_files(chart, at, draft, &it.presented_form);
}

fn observed_at(at: At) -> Option<Moment> {
    match &at.entry.resource {
        Resource::Observation(observation) => observation.moment(),
        _ => None,
    }
}

/// Day, day as far as it is known, category and source of results that are shown together.
type Day = (Date, String, String, Option<String>);
/// Observations without a report or an encounter: the positions and times of those that are shown together.
pub(super) type Days = BTreeMap<Day, Vec<(OffsetDateTime, usize)>>;

/// Sorts an observation to those of its day and category, unless a report or an encounter shows it.
pub(super) fn sort_loose(chart: &mut Chart, at: At, days: &mut Days) {
    let Resource::Observation(it) = &at.entry.resource else { return };
    if chart.is_reported(at) || chart.is_grouped(at) || at.entry.unseen {
        return;
    }
    let Some(moment) = it.moment() else { return chart.skip(at, SkipReason::NoDate) };
    let category = it.category.iter().find_map(CodeableConcept::code).unwrap_or_default();
    // a result of a month does not belong to the month's first day
    let key = (moment.day, moment.day_as_known(), category, chart.source(at));
    days.entry(key).or_default().push((moment.at, at.position));
}

/// The loose observations of a day and category → one lab result.
pub(super) fn loose_observations(
    chart: &mut Chart,
    (_, day, category, _): Day,
    mut found: Vec<(OffsetDateTime, usize)>,
) {
    // ordered by time; results of the same moment keep their order
    found.sort_by_key(|(at, _)| *at);
    let key = format!("Observation:{day}:{category}");
    let parts = chart.all(&found.into_iter().map(|(_, position)| position).collect::<Vec<_>>());
    let standing: Vec<(At, &Observation)> = parts
        .iter()
        .filter(|at| at.entry.withdrawn.is_none())
        .filter_map(|at| match &at.entry.resource {
            Resource::Observation(it) => Some((*at, &**it)),
            _ => None,
        })
        .collect();
    let first = standing.first().and_then(|(at, it)| Some((*at, *it, it.moment()?)));
    let Some((first, observation, when)) = first else { return chart.emptied(&parts, key) };
    let performers = chart.names(first, &observation.performer);
    let mut body = Body::default();
    body.texts(Label::Performer, performers.clone());
    let specimens: Vec<Reference> = standing.iter().filter_map(|(_, it)| it.specimen.clone()).collect();
    body.texts(Label::Specimen, chart.names(first, &specimens));
    let rows = timed_rows(chart, &parts);
    body.results(None, rows);
    // a single observation has the better title
    let own = observation.code.as_ref().and_then(CodeableConcept::to_text);
    let common = observation.category.iter().find_map(CodeableConcept::name);
    let title = if parts.len() == 1 { first_words([own.as_ref(), common.as_ref()]) } else { common };
    let author = performers.into_iter().next();
    chart.stands(standing_of(Vec::new(), &parts));
    chart.made_of(&parts);
    let draft = Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::LabResult, when) };
    chart.add_as(first, key, draft);
}
