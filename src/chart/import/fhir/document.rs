//! DocumentReference (R4 §2.43), Binary (R4 §2.41) and Communication (R4 §8.22).

use super::SkipReason;
use super::attachment::add_with_files;
use super::body::Body;
use super::chart::{At, Chart, Draft};
use super::types::{
    Annotation, Attachment, CodeableConcept, Coding, Period, Reference, all_words, first_words, notes, single_line,
    types,
};
use super::when::period;
use crate::chart::item::{ItemBody, ItemKind, ItemSort, Label};
use serde::Deserialize;

types! {
    struct Binary { content_type: Option<String>, data: Option<String> }
    struct DocumentContent { attachment: Option<Attachment> }
    struct DocumentContext { encounter: Vec<Reference>, period: Option<Period> }
    struct Extension { url: Option<String>, value_string: Option<String> }
    struct DocumentReference {
        extension: Vec<Extension>,
        status: Option<String>,
        doc_status: Option<String>,
        r#type: Option<CodeableConcept>,
        category: Vec<CodeableConcept>,
        date: Option<String>,
        author: Vec<Reference>,
        custodian: Option<Reference>,
        description: Option<String>,
        content: Vec<DocumentContent>,
        context: Option<DocumentContext>,
    }
    struct Payload {
        content_string: Option<String>,
        content_attachment: Option<Attachment>,
        content_reference: Option<Reference>,
    }
    struct Communication {
        status: Option<String>,
        status_reason: Option<CodeableConcept>,
        category: Vec<CodeableConcept>,
        priority: Option<String>,
        medium: Vec<CodeableConcept>,
        topic: Option<CodeableConcept>,
        encounter: Option<Reference>,
        sent: Option<String>,
        received: Option<String>,
        recipient: Vec<Reference>,
        sender: Option<Reference>,
        reason_code: Vec<CodeableConcept>,
        reason_reference: Vec<Reference>,
        payload: Vec<Payload>,
        note: Vec<Annotation>,
    }
}

const LOINC: &[&str] = &["http://loinc.org"];

/// LOINC document types that are written to someone: letter, referral note, consultation note, discharge and transfer
/// summary, summary of episode, patient summary.
const LETTERS: [&str; 8] = ["51852-2", "57133-1", "11488-4", "18842-5", "18761-7", "34133-9", "60591-5", "28616-1"];

/// Words that mark a local type or category as a letter (English, French).
const LETTER_WORDS: [&str; 7] =
    ["letter", "correspondence", "summary", "lettre", "correspondance", "sommaire", "résumé"];

fn is_letter(concept: &CodeableConcept) -> bool {
    let by_words = |text: &str| {
        let text = text.to_lowercase();
        LETTER_WORDS.iter().any(|word| text.contains(word))
    };
    let by_code = |coding: &Coding| {
        coding.is_in(LOINC) && coding.code.as_deref().is_some_and(|code| LETTERS.contains(&code))
            || coding.display.as_deref().is_some_and(by_words)
    };
    concept.coding.iter().any(by_code) || concept.text.as_deref().is_some_and(by_words)
}

/// What an export of Postern adds to the DocumentReference of a chart item, so that the item comes back as it was.
#[derive(Deserialize)]
struct OwnItem {
    kind: String,
    sort: Option<String>,
    status: Option<String>,
    /// else the document is only the item's words as a page
    has_file: bool,
    body: ItemBody,
}

impl DocumentReference {
    /// The chart item that another Postern wrote as this document; `None` where it is any other document, or of a later version.
    fn own_item(&self) -> Option<(OwnItem, ItemKind, Option<ItemSort>)> {
        let of_item = |extension: &&Extension| extension.url.as_deref() == Some(OWN_ITEM);
        let json = self.extension.iter().find(of_item)?.value_string.as_deref()?;
        let item: OwnItem = serde_json::from_str(json).ok()?;
        let kind = item.kind.parse().ok()?;
        let sort = item.sort.as_deref().map(str::parse).transpose().ok()?;
        Some((item, kind, sort))
    }
}

/// The address of that extension.
const OWN_ITEM: &str = "urn:postern:chart-item";

/// DocumentReference → letter or file; each content (R4: the same document in several forms) gives an item.
pub(super) fn document(chart: &mut Chart, at: At, it: &DocumentReference) {
    let files: Vec<Attachment> = it.content.iter().filter_map(|content| content.attachment.clone()).collect();
    let span = it.context.as_ref().and_then(|context| context.period.as_ref());
    let made = files.iter().map(|file| file.creation.as_ref());
    let dates = [it.date.as_ref(), span.and_then(|period| period.start.as_ref())].into_iter().chain(made);
    let Some(when) = chart.date(at, dates) else { return chart.skip(at, SkipReason::NoDate) };
    let kind = if it.r#type.iter().chain(&it.category).any(is_letter) { ItemKind::Letter } else { ItemKind::File };
    let kind_words = it.r#type.as_ref().and_then(CodeableConcept::to_text);
    let authors = chart.names(at, &it.author);
    let kind_name = it.r#type.as_ref().and_then(CodeableConcept::name);
    let title = first_words([it.description.as_ref(), kind_name.as_ref()])
        .or_else(|| first_words(files.iter().map(|file| file.title.as_ref())))
        .or_else(|| it.category.iter().find_map(CodeableConcept::name));
    if let Some((own, kind, sort)) = it.own_item() {
        if let Some(status) = &own.status {
            chart.stands(status.split(' ').map(|word| single_line(word, 40)).collect());
        }
        let author = authors.into_iter().next();
        // the words are not taken from the names of files: an item without a title stays so
        let (title, files) = (it.description.clone(), if own.has_file { files } else { Vec::new() });
        let draft = Draft { title, author, body: own.body, sort, ..Draft::new(kind, when) };
        return add_with_files(chart, at, draft, &files);
    }
    let mut body = Body::default();
    body.texts(Label::Category, kind_words.into_iter().chain(all_words(&it.category)).collect());
    body.code(Label::Status, it.status.as_ref());
    body.texts(Label::Author, authors.clone());
    body.code(Label::Status, it.doc_status.as_ref());
    body.text(Label::Organization, it.custodian.as_ref().and_then(|custodian| chart.name(at, custodian)));
    body.fact(Label::Period, period(span));
    let author = authors.into_iter().next();
    let draft = Draft { title, author, body: body.finish(), ..Draft::new(kind, when) };
    add_with_files(chart, at, draft, &files);
}

/// Communication → inbox item.
pub(super) fn communication(chart: &mut Chart, at: At, it: &Communication) {
    let Some(when) = chart.date(at, [it.sent.as_ref(), it.received.as_ref()]) else {
        return chart.skip(at, SkipReason::NoDate);
    };
    let sender = it.sender.as_ref().and_then(|sender| chart.name(at, sender));
    let mut body = Body::default();
    body.text(Label::Sender, sender.clone());
    body.texts(Label::Recipients, chart.names(at, &it.recipient));
    body.code(Label::Status, it.status.as_ref());
    body.code(Label::Priority, it.priority.as_ref());
    body.texts(Label::Medium, all_words(&it.medium));
    body.texts(Label::Category, all_words(&it.category));
    body.texts(Label::Reason, chart.reasons(at, &it.reason_code, &it.reason_reference));
    body.text(Label::StatusReason, it.status_reason.as_ref().and_then(CodeableConcept::to_text));
    for payload in &it.payload {
        body.paragraph(payload.content_string.as_ref());
        let named = chart.needed(at, "Communication.payload", Label::Details, &payload.content_reference);
        named.iter().for_each(|name| body.paragraph(Some(name)));
    }
    body.paragraphs(Label::Notes, notes(&it.note));
    let title = it.topic.as_ref().and_then(CodeableConcept::to_text);
    let title = title.or_else(|| it.category.iter().find_map(CodeableConcept::name));
    let files: Vec<Attachment> = it.payload.iter().filter_map(|payload| payload.content_attachment.clone()).collect();
    let draft = Draft { title, author: sender, body: body.finish(), ..Draft::new(ItemKind::InboxItem, when) };
    add_with_files(chart, at, draft, &files);
}
