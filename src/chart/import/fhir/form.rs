//! QuestionnaireResponse (R4 §8.28).

use super::SkipReason;
use super::attachment::add_with_files;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::resource::Resource;
use super::types::{Attachment, Reference, first_words, types};
use super::value::valued;
use crate::chart::item::{Caption, Datum, ItemKind, Label};

/// How deep groups and answers are followed; HL7's own examples use 4.
const MAX_DEPTH: usize = 24;

types! {
    struct Questionnaire { url: Option<String>, title: Option<String>, name: Option<String> }
    struct Extension { url: Option<String>, value_string: Option<String> }
    struct Element { extension: Vec<Extension> }
    struct Item { link_id: Option<String>, text: Option<String>, answer: Vec<Answer>, item: Vec<Item> }
    struct QuestionnaireResponse {
        questionnaire: Option<String>,
        #[serde(rename = "_questionnaire")]
        questionnaire_element: Option<Element>,
        status: Option<String>,
        encounter: Option<Reference>,
        authored: Option<String>,
        author: Option<Reference>,
        source: Option<Reference>,
        item: Vec<Item>,
    }
}

valued! {
    struct Answer { value_attachment: Option<Attachment>, item: Vec<Item> }
}

/// QuestionnaireResponse → form.
pub(super) fn form(chart: &mut Chart, at: At, it: &QuestionnaireResponse) {
    let Some(when) = chart.date(at, [it.authored.as_ref()]) else { return chart.skip(at, SkipReason::NoDate) };
    let author = it.author.as_ref().or(it.source.as_ref()).and_then(|author| chart.name(at, author));
    let mut body = Body::default();
    body.text(Label::Author, author.clone());
    body.code(Label::Status, it.status.as_ref());
    let mut files = Vec::new();
    let mut lost = Lost::default();
    items(&it.item, MAX_DEPTH, &mut body, &mut files, &mut lost);
    if lost.too_deep {
        chart.lacks(at, "QuestionnaireResponse", Caption::Label(Label::Details), SkipReason::TooDeep);
    }
    for question in lost.answers {
        chart.lacks(at, "QuestionnaireResponse.item", Caption::Text(question), SkipReason::NotMapped);
    }
    let title = title(chart, at, it);
    let draft = Draft { title, author, body: body.finish(), ..Draft::new(ItemKind::Form, when) };
    add_with_files(chart, at, draft, &files);
}

/// The title of the Questionnaire in the bundle (by canonical address, R4 §2.24.0.1; a version after `|` is ignored),
/// else the display extension of the address.
fn title(chart: &Chart, at: At, it: &QuestionnaireResponse) -> Option<String> {
    let address = it.questionnaire.as_deref()?;
    let address = address.split_once('|').map_or(address, |(url, _)| url);
    let by_url = chart.shared("Questionnaire").find_map(|resource| match resource {
        Resource::Questionnaire(found) if found.url.as_deref() == Some(address) => Some(found),
        _ => None,
    });
    let referred =
        || match &chart.find(at, &Reference { reference: Some(address.to_owned()), display: None })?.entry.resource {
            Resource::Questionnaire(found) => Some(found),
            _ => None,
        };
    let found = by_url.or_else(referred);
    found.and_then(|found| first_words([found.title.as_ref(), found.name.as_ref()])).or_else(|| {
        let display = "http://hl7.org/fhir/StructureDefinition/display";
        let extensions = it.questionnaire_element.iter().flat_map(|element| &element.extension);
        first_words(extensions.filter(|it| it.url.as_deref() == Some(display)).map(|it| it.value_string.as_ref()))
    })
}

/// Parts of a form that its item does not show.
#[derive(Default)]
struct Lost {
    too_deep: bool,
    /// questions with an answer of a type that is not read
    answers: Vec<String>,
}

/// Questions with their answers as rows, groups as headings.
fn items(list: &[Item], depth: usize, body: &mut Body, files: &mut Vec<Attachment>, lost: &mut Lost) {
    let Some(deeper) = depth.checked_sub(1) else {
        lost.too_deep |= !list.is_empty();
        return;
    };
    for item in list {
        let question = first_words([item.text.as_ref(), item.link_id.as_ref()]).unwrap_or_default();
        if item.answer.is_empty() && !item.item.is_empty() {
            body.heading(&question);
        } else {
            let told: Vec<Datum> = item.answer.iter().filter_map(answer).collect();
            // an answer that holds further questions may have no value of its own
            let needs_value = |answer: &&Answer| answer.item.is_empty() && answer.value_attachment.is_none();
            if told.len() < item.answer.iter().filter(needs_value).count() {
                lost.answers.push(question.clone());
            }
            body.row(Caption::Text(question), Datum::all(told));
        }
        items(&item.item, deeper, body, files, lost);
        for answer in &item.answer {
            files.extend(answer.value_attachment.clone());
            items(&answer.item, deeper, body, files, lost);
        }
    }
}

/// An answer's value with its unit; for a file, its title.
fn answer(answer: &Answer) -> Option<Datum> {
    let (value, unit) = answer.value().or_else(|| {
        let title = answer.value_attachment.as_ref().and_then(|file| first_words([file.title.as_ref()]))?;
        Some((Datum::Text(title), None))
    })?;
    Some(match (value, unit) {
        (Datum::Number(amount) | Datum::Text(amount), Some(unit)) => Datum::Text(format!("{amount} {unit}")),
        (value, _) => value,
    })
}
