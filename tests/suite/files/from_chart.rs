//! Items of the chart on messages: chosen in its browser or in the form, frozen when the message is sent.

use super::uploads::{get, post_form, upload};
use crate::chart::items::{add, days_ago};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;
use postern::chart::{ItemKind, Stored};
use postern::db::{ChartItemId, PatientId};
use reqwest::multipart::Form;

on_both!(
    what_was_sent_stays_when_the_chart_changes,
    without_script_the_draft_waits_for_the_chart,
    a_reply_chooses_from_the_chart_in_its_own_form,
    an_item_that_is_not_there_is_told_and_the_words_stay,
);

const KEY: &str = "0123456789abcdef";

async fn item(app: &App, patient: PatientId, source: &str, title: &str, words: &str) -> ChartItemId {
    match add(app, patient, source, ItemKind::LabResult, days_ago(10), title, words).await {
        Stored::New(id) | Stored::Changed(id) | Stored::Same(id) => id,
    }
}

async fn send(user: &Actor, patient: PatientId, key: &str, item: ChartItemId) -> String {
    let id = item.to_string();
    let fields = [
        ("title", "Your results"),
        ("body", "They are fine"),
        ("key", key),
        ("replies_allowed", "on"),
        ("chart_item", &id),
    ];
    let to = user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    to.split('?').next().unwrap().to_owned()
}

async fn what_was_sent_stays_when_the_chart_changes(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let id = item(&app, patient, "1", "Lipid / panel", "Cholesterol as it was").await;
    let first = send(&owner, patient, KEY, id).await;
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let before = |base: String| {
        let (owner, visitor) = (&owner, &visitor);
        async move {
            let someone = if base.starts_with("/portal") { visitor } else { owner };
            let pdf = get(someone, &format!("{base}/attachments/1"), &[]).await;
            let page = get(someone, &format!("{base}/attachments/1?as=page"), &[]).await;
            (pdf, page)
        }
    };
    let (pdf, page) = before(message.clone()).await;
    assert!(pdf.status == 200 && pdf.bytes.starts_with(b"%PDF-"), "{}", pdf.status);
    let tagged = pdf.bytes.windows(12).any(|bytes| bytes == b"/MarkInfo <<" || bytes.starts_with(b"/MarkInfo"));
    assert!(tagged, "a tagged PDF");
    assert!(page.text().contains("Cholesterol as it was") && page.text().contains("María Mejía"));
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert!(visitor.get(&message).await.ok().has_text("Lipid - panel"));
    // the chart says something else now; what was sent does not, in either door, and a new message does
    item(&app, patient, "1", "Lipid panel, corrected", "Cholesterol as it is").await;
    for base in [message.clone(), first.clone()] {
        let (pdf_now, page_now) = before(base).await;
        assert_eq!((&pdf_now.bytes, page_now.text()), (&pdf.bytes, page.text()));
    }
    let second = send(&owner, patient, "fedcba9876543210", id).await;
    let (_, page_now) = before(second).await;
    assert!(page_now.text().contains("Cholesterol as it is") && !page_now.text().contains("as it was"));
    // a retry of the first after the change is still the first
    assert_eq!(send(&owner, patient, KEY, id).await, first);
}

async fn without_script_the_draft_waits_for_the_chart(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let (one, two) = (
        item(&app, patient, "1", "Lipid panel", "words").await,
        item(&app, patient, "2", "Renal panel", "words").await,
    );
    let file = upload(&owner, patient, "notes.txt", b"words".to_vec()).await;
    let file = Page::parse(&file.text()).attr("input[name=upload]", "value").unwrap();
    // away to the chart: the form is kept, and what is ticked goes along
    let mut form = owner.get(&format!("/patients/{patient}/messages/new")).await.ok().form("form[data-compose]");
    form.set("title", "Half a title").set("body", "Half a text");
    let fields =
        [form.fields(), vec![("upload".into(), file.clone()), ("chart_item".into(), one.to_string())]].concat();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let draft = format!("/patients/{patient}/messages/draft");
    let to = owner.post(&draft, &[&fields[..], &[("browse", "1")]].concat()).await.redirect();
    assert_eq!(to, format!("/patients/{patient}/chart-browser?chart_item={one}"));
    let page = owner.get(&to).await.ok();
    assert_eq!(page.text_of("[data-count]"), "1");
    // back with another one instead
    let select = format!("/patients/{patient}/chart-browser?chart_item={two}&select=1");
    let back = owner.get(&select).await.redirect();
    let page = owner.get(&back).await.ok();
    assert!(page.has_text("Renal panel") && !page.has_text("Lipid panel") && page.has_text("notes.txt"));
    let form = page.form("form[data-compose]");
    assert_eq!(form.value("title").as_deref(), Some("Half a title"));
    assert_eq!((form.value("chart_item"), form.value("upload")), (Some(two.to_string()), Some(file)));
    // without the address the draft has what it had
    assert!(owner.get(&format!("/patients/{patient}/messages/new")).await.ok().has_text("Lipid panel"));
    // the preview names both
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let preview = owner.post(&format!("/patients/{patient}/messages/preview"), &fields).await.ok();
    assert!(preview.has_text("notes.txt") && preview.has_text("Renal panel"));
    let to = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let page = owner.get(&to).await.ok();
    assert!(page.has_text("notes.txt") && page.has_text("Renal panel"), "{}", page.text());
    // a file that is chosen and not added stops the draft, too
    let left = [("title", "T"), ("key", KEY), ("files", "left.pdf"), ("draft_version", "2")];
    let answer = owner.post(&draft, &left).await;
    assert!(answer.status == 422 && answer.page().has_text("Press “Add files”"));
}

async fn a_reply_chooses_from_the_chart_in_its_own_form(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let id = item(&app, patient, "1", "Lipid panel", "words").await;
    item(&app, patient, "2", "Renal panel", "words").await;
    let conversation = app.message(&owner, patient, true).await;
    let step = format!("{conversation}/files");
    let typed = || Form::new().text("body", "Typed words").text("key", KEY).text("browse", "1");
    let page = Page::parse(&post_form(&owner, &step, typed()).await.text());
    assert!(page.has_text("Lipid panel") && page.has_text("Renal panel"));
    let form = typed().text("pick_words", "lip").text("pick_kind", "lab_result");
    let page = Page::parse(&post_form(&owner, &step, form).await.text());
    assert!(page.has_text("Lipid panel") && !page.has_text("Renal panel"));
    let mut form = page.form_with("Send");
    assert_eq!(form.value("body").as_deref(), Some("Typed words"));
    form.set("chart_item", &id.to_string());
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    owner.post(&format!("{conversation}/messages"), &fields).await.redirect();
    assert!(owner.get(&conversation).await.ok().has_text("Lipid panel"));
    assert_eq!(get(&owner, &format!("{conversation}/attachments/1?as=page"), &[]).await.status, 200);
}

async fn an_item_that_is_not_there_is_told_and_the_words_stay(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let other = app.patient(Like { name: ("Otto", "Other"), ..Like::default() }).await;
    let theirs = item(&app, other, "1", "Secret panel", "words").await.to_string();
    let conversation = app.message(&owner, patient, true).await;
    for path in [format!("/patients/{patient}/messages/new"), format!("{conversation}/messages")] {
        let fields = [("title", "T"), ("body", "kept words"), ("key", KEY), ("chart_item", &*theirs)];
        let answer = owner.post(&path, &fields).await;
        assert_eq!(answer.status, 409, "{path}");
        assert!(answer.body.contains("kept words") && answer.page().has_text("A file is no longer there"));
        assert!(!answer.body.contains("Secret panel"));
    }
}
