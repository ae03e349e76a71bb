//! CarePlan (R4 §9.5) and Goal (R4 §9.6).

use super::SkipReason;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::types::{Annotation, CodeableConcept, Period, Reference, all_words, first_words, notes, types, words};
use super::when::period;
use crate::chart::item::{Datum, ItemKind, Label};

types! {
    struct Goal { description: Option<CodeableConcept> }
    struct ActivityDetail {
        code: Option<CodeableConcept>,
        status: Option<String>,
        do_not_perform: Option<bool>,
        description: Option<String>,
    }
    struct Activity { reference: Option<Reference>, detail: Option<ActivityDetail> }
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

/// CarePlan → education: what the patient is to do, and to which end.
pub(super) fn care_plan(chart: &mut Chart, at: At, it: &CarePlan) {
    let start = it.period.as_ref().and_then(|period| period.start.as_ref());
    let Some(occurred_at) = chart.date(at, [it.created.as_ref(), start]) else {
        return chart.skip(at, SkipReason::NoDate);
    };
    let authors = chart.names(at, it.author.iter().chain(&it.contributor));
    let mut body = Body::default();
    body.texts(Label::Author, authors.clone());
    body.code(Label::Status, it.status.as_ref());
    body.code(Label::Intent, it.intent.as_ref());
    body.fact(Label::Period, period(it.period.as_ref()));
    body.paragraph(it.description.as_ref());
    body.list(Label::Reason, chart.names(at, &it.addresses));
    let mut forbidden = Vec::new();
    let mut activities = Vec::new();
    for activity in &it.activity {
        let detail = activity.detail.as_ref();
        let name = detail.and_then(|detail| {
            let coded = detail.code.as_ref().and_then(CodeableConcept::words);
            let parts: Vec<String> = coded.into_iter().chain(detail.description.as_deref().and_then(words)).collect();
            words(&parts.join(": "))
        });
        let Some(name) = name.or_else(|| chart.name(at, activity.reference.as_ref()?)) else { continue };
        let status = detail.and_then(|detail| first_words([detail.status.as_ref()])).map(Datum::Code);
        if detail.and_then(|detail| detail.do_not_perform) == Some(true) {
            forbidden.push(name);
        } else {
            activities.push((name, status));
        }
    }
    body.rows(Label::Activities, activities);
    body.list(Label::DoNotPerform, forbidden);
    body.list(Label::Goals, chart.names(at, &it.goal));
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = first_words([it.title.as_ref()]).or_else(|| all_words(&it.category).into_iter().next());
    let author = authors.into_iter().next();
    let (kind, attachment) = (ItemKind::Education, None);
    chart.add(at, Draft { kind, occurred_at, title, author, body: body.finish(), attachment });
}
