//! CarePlan (R4 §9.5) and Goal (R4 §9.6).

use super::SkipReason;
use super::body::{Body, Row};
use super::chart::{At, Chart, Draft};
use super::dosage::Timing;
use super::encounter::{details, joined};
use super::resource::Resource;
use super::types::{
    Annotation, CodeableConcept, Period, Quantity, Range, Ratio, Reference, all_words, first_words, non_empty, notes,
    types,
};
use super::value::ratio;
use super::when::{datum, period};
use crate::chart::item::{Block, Caption, Datum, ItemKind, Label};

types! {
    struct Target {
        measure: Option<CodeableConcept>,
        detail_quantity: Option<Quantity>,
        detail_range: Option<Range>,
        detail_codeable_concept: Option<CodeableConcept>,
        detail_string: Option<String>,
        detail_ratio: Option<Ratio>,
        due_date: Option<String>,
        due_duration: Option<Quantity>,
    }
    struct Goal { lifecycle_status: Option<String>, description: Option<CodeableConcept>, target: Vec<Target> }
    struct ActivityDetail {
        code: Option<CodeableConcept>,
        status: Option<String>,
        do_not_perform: Option<bool>,
        scheduled_timing: Option<Timing>,
        scheduled_period: Option<Period>,
        scheduled_string: Option<String>,
        product_codeable_concept: Option<CodeableConcept>,
        product_reference: Option<Reference>,
        daily_amount: Option<Quantity>,
        quantity: Option<Quantity>,
        description: Option<String>,
    }
    struct Activity { reference: Option<Reference>, detail: Option<ActivityDetail>, progress: Vec<Annotation> }
    struct CarePlan {
        status: Option<String>,
        intent: Option<String>,
        category: Vec<CodeableConcept>,
        title: Option<String>,
        description: Option<String>,
        encounter: Option<Reference>,
        period: Option<Period>,
        created: Option<String>,
        author: Option<Reference>,
        contributor: Vec<Reference>,
        addresses: Vec<Reference>,
        goal: Vec<Reference>,
        activity: Vec<Activity>,
        note: Vec<Annotation>,
    }
}

impl Target {
    /// The measure with its target value, and the date by which to reach it.
    fn rows(&self) -> Vec<(Label, Option<Datum>)> {
        let amount = self.detail_quantity.as_ref().and_then(Quantity::to_text);
        let amount = amount.or_else(|| self.detail_range.as_ref().and_then(Range::to_text));
        let amount = amount.or_else(|| self.detail_codeable_concept.as_ref().and_then(CodeableConcept::to_text));
        let amount = amount.or_else(|| self.detail_ratio.as_ref().and_then(ratio));
        let amount = amount.or_else(|| first_words([self.detail_string.as_ref()]));
        let measure = self.measure.as_ref().and_then(CodeableConcept::to_text);
        let parts: Vec<String> = measure.into_iter().chain(amount).collect();
        let within = self.due_duration.as_ref().and_then(Quantity::to_text).map(Datum::Text);
        vec![
            (Label::Target, non_empty(&parts.join(": ")).map(Datum::Text)),
            (Label::Due, datum(self.due_date.as_ref()).or(within)),
        ]
    }
}

/// The goals of a plan, each with its state and its targets.
fn goals(chart: &mut Chart, at: At, references: &[Reference]) -> Vec<Row> {
    let mut rows = Vec::new();
    for reference in references {
        let found = chart.find(at, reference);
        let goal = found.and_then(|found| match &found.entry.resource {
            Resource::Goal(goal) => Some((found, goal)),
            _ => None,
        });
        let Some((found, goal)) = goal else {
            let named = chart.needed(at, "CarePlan.goal", Label::Goals, [reference]);
            rows.extend(named.into_iter().map(|name| (Caption::Text(name), None)));
            continue;
        };
        let name = goal.description.as_ref().and_then(CodeableConcept::to_text).unwrap_or_else(|| "—".to_owned());
        chart.made_of(&[found]);
        if found.entry.withdrawn.is_some() {
            rows.push((Caption::Text(name), Some(Datum::Code("entered-in-error".to_owned()))));
            continue;
        }
        rows.push((Caption::Text(name), goal.lifecycle_status.clone().map(Datum::Code)));
        goal.target.iter().for_each(|target| rows.extend(details(target.rows())));
    }
    rows
}

impl ActivityDetail {
    fn name(&self) -> Option<String> {
        let coded = self.code.as_ref().or(self.product_codeable_concept.as_ref()).and_then(CodeableConcept::to_text);
        let parts: Vec<String> = coded.into_iter().chain(self.description.as_deref().and_then(non_empty)).collect();
        non_empty(&parts.join(": "))
    }

    /// When and how much; `false` where a timing is not fully understood.
    fn schedule_rows(&self) -> (Vec<Row>, bool) {
        let mut body = Body::default();
        let is_whole = self.scheduled_timing.as_ref().is_none_or(|timing| timing.tell(&mut body));
        let text = first_words([self.scheduled_string.as_ref()]).map(Datum::Text);
        body.fact(Label::Due, period(self.scheduled_period.as_ref()).or(text));
        body.text(Label::DailyAmount, self.daily_amount.as_ref().and_then(Quantity::to_text));
        body.text(Label::Quantity, self.quantity.as_ref().and_then(Quantity::to_text));
        let rows = body.finish().blocks.into_iter().flat_map(|block| match block {
            Block::Facts { rows } => rows.into_iter().map(|row| (row.label, Some(row.value))).collect(),
            _ => Vec::new(),
        });
        (rows.collect(), is_whole)
    }
}

/// CarePlan → education: what the patient is to do, and to what end.
pub(super) fn care_plan(chart: &mut Chart, at: At, it: &CarePlan) {
    let start = it.period.as_ref().and_then(|period| period.start.as_ref());
    let Some(when) = chart.date(at, [it.created.as_ref(), start]) else {
        return chart.skip(at, SkipReason::NoDate);
    };
    let authors = chart.names(at, it.author.iter().chain(&it.contributor));
    let mut body = Body::default();
    body.texts(Label::Author, authors.clone());
    body.code(Label::Status, it.status.as_ref());
    body.code(Label::Intent, it.intent.as_ref());
    body.texts(Label::Category, all_words(&it.category));
    body.fact(Label::Period, period(it.period.as_ref()));
    body.paragraph(it.description.as_ref());
    body.list(Label::Reason, chart.needed(at, "CarePlan.addresses", Label::Reason, &it.addresses));
    let mut forbidden = Vec::new();
    let mut activities: Vec<Row> = Vec::new();
    for activity in &it.activity {
        let detail = activity.detail.as_ref();
        let product = detail.and_then(|detail| detail.product_reference.as_ref());
        let referred = activity.reference.as_ref().or(product);
        let name = detail.and_then(ActivityDetail::name);
        let name =
            name.or_else(|| chart.needed(at, "CarePlan.activity", Label::Activities, referred).into_iter().next());
        let Some(name) = name else { continue };
        if detail.and_then(|detail| detail.do_not_perform) == Some(true) {
            forbidden.push(name);
            continue;
        }
        let status = detail.and_then(|detail| first_words([detail.status.as_ref()])).map(Datum::Code);
        let (rows, is_whole) = detail.map_or((Vec::new(), true), ActivityDetail::schedule_rows);
        if !is_whole {
            let part = Caption::Text(name.clone());
            chart.lacks(at, "CarePlan.activity", part, SkipReason::Timing);
        }
        activities.push((Caption::Text(name), status));
        activities.extend(rows);
        activities.extend(details([(Label::Notes, joined(notes(&activity.progress)))]));
    }
    body.rows(Label::Activities, activities);
    body.list(Label::DoNotPerform, forbidden);
    let goals = goals(chart, at, &it.goal);
    body.rows(Label::Goals, goals);
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = first_words([it.title.as_ref()]).or_else(|| it.category.iter().find_map(CodeableConcept::name));
    let author = authors.into_iter().next();
    chart.add(at, Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::Education, when) });
}
