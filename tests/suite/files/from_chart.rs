//! Items of the chart on messages: chosen in the chart browser or in the form, frozen when the message is sent.

use super::samples;
use super::uploads::{get, post_form, upload};
use crate::chart::items::{add, days_ago};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use postern::access::Role;
use postern::chart::import::Summary;
use postern::chart::{ItemKind, Stored};
use postern::db::{ChartItemId, PatientId};
use reqwest::multipart::{Form, Part};

on_both!(
    what_was_sent_stays_when_the_chart_changes,
    without_script_the_draft_waits_for_the_chart,
    a_reply_chooses_from_the_chart_in_its_own_form,
    an_item_that_is_not_there_is_told_and_the_words_stay,
    the_file_of_an_item_is_what_is_sent,
    users_add_files_to_the_chart,
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
    // the item has changed in the chart: the sent copy stays in both doors, and a new message has the new state
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
    // to the chart: the form is saved, and what is ticked goes along
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
    // back with another item instead
    let select = format!("/patients/{patient}/chart-browser?chart_item={two}&select=1");
    let back = owner.get(&select).await.redirect();
    let page = owner.get(&back).await.ok();
    assert!(page.has_text("Renal panel") && !page.has_text("Lipid panel") && page.has_text("notes.txt"));
    let form = page.form("form[data-compose]");
    assert_eq!(form.value("title").as_deref(), Some("Half a title"));
    assert_eq!((form.value("chart_item"), form.value("upload")), (Some(two.to_string()), Some(file)));
    // without the choice in the address the draft still has its earlier item
    assert!(owner.get(&format!("/patients/{patient}/messages/new")).await.ok().has_text("Lipid panel"));
    // the preview names the file and the item
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let preview = owner.post(&format!("/patients/{patient}/messages/preview"), &fields).await.ok();
    assert!(preview.has_text("notes.txt") && preview.has_text("Renal panel"));
    let to = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let page = owner.get(&to).await.ok();
    assert!(page.has_text("notes.txt") && page.has_text("Renal panel"), "{}", page.text());
    // a file that is chosen but not added keeps the draft from being saved, too
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
    let step = format!("{conversation}/messages/files");
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

/// A bundle with one letter, whose file has these bytes.
fn bundle(bytes: &[u8], title: &str) -> Vec<u8> {
    let data = data_encoding::BASE64.encode(bytes);
    let entry = |resource: serde_json::Value| serde_json::json!({"resource": resource});
    serde_json::json!({"resourceType": "Bundle", "type": "collection", "entry": [
        entry(serde_json::json!({"resourceType": "Patient", "id": "p1", "birthDate": "1951-03-04",
            "name": [{"given": ["María"], "family": "Mejía"}],
            "telecom": [{"system": "email", "value": "maria@example.org"}, {"system": "phone", "use": "mobile", "value": "+16135550121"}]})),
        entry(serde_json::json!({"resourceType": "DocumentReference", "id": "d1", "status": "current",
            "subject": {"reference": "Patient/p1"}, "date": "2026-02-01T10:00:00Z", "type": {"text": title},
            "content": [{"attachment": {"contentType": "application/pdf", "title": "referral.pdf", "data": data}}]})),
    ]})
    .to_string()
    .into_bytes()
}

async fn import(app: &App, bytes: &[u8], title: &str) -> Summary {
    app.import(bundle(bytes, title), None).await
}

async fn the_file_of_an_item_is_what_is_sent(app: App) {
    let owner = app.user(Role::Owner).await;
    let first = samples::pdf();
    let second = [&samples::pdf()[..], b"% another\n"].concat();
    assert_eq!(import(&app, &first, "Referral").await.written(), 1);
    assert_eq!(import(&app, &first, "Referral").await.written(), 0, "the same again");
    let patient = PatientId(1);
    let chart = owner.get(&format!("/patients/{patient}")).await.ok();
    let item = chart.attr("a.item", "href").unwrap();
    let id = ChartItemId(item.rsplit('/').next().unwrap().parse().unwrap());
    assert!(owner.get(&item).await.ok().has_text("referral.pdf"));
    let browser = owner.get(&format!("/patients/{patient}/chart-browser?all_dates=1")).await.ok();
    assert!(browser.texts_of(".item .meta").iter().any(|line| line.ends_with("kB")), "the list says no size");
    let whole = get(&owner, &format!("{item}/file"), &[]).await;
    assert_eq!((whole.status, &whole.bytes), (200, &first));
    assert!(whole.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(get(&owner, &format!("{item}/file"), &[("range", "bytes=1-3")]).await.bytes, b"PDF");
    let other = app.patient(Like { name: ("Otto", "Other"), ..Like::default() }).await;
    assert_eq!(get(&owner, &format!("/patients/{other}/items/{id}/file"), &[]).await.status, 404);
    let conversation = send(&owner, patient, KEY, id).await;
    // the chart gets another file: the sent copy and its content stay
    assert_eq!(import(&app, &second, "Referral").await.changed["file"], 1);
    app.state.clock.advance(time::Duration::days(2));
    app.state.intake.storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap();
    let owner = app.user(Role::Owner).await;
    assert_eq!(get(&owner, &format!("{conversation}/attachments/1"), &[]).await.bytes, first);
    assert_eq!(get(&owner, &format!("{item}/file"), &[]).await.bytes, second);
    assert_eq!(get(&owner, &format!("{conversation}/attachments/1?as=page"), &[]).await.status, 404);
    // a file that is not what its type says is saved, and never shown
    import(&app, b"<!DOCTYPE html><script>alert(1)</script>", "Referral").await;
    let lie = get(&owner, &format!("{item}/file?as=show"), &[]).await;
    assert_eq!(lie.headers["content-type"], "application/octet-stream");
    assert!(lie.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
}

async fn users_add_files_to_the_chart(app: App) {
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let page = staff.get(&format!("/patients/{patient}")).await.ok().link("Add a file");
    assert_eq!(staff.get(&page).await.ok().form_with("Add to the chart").value("date").as_deref(), Some("2026-03-04"));
    let path = format!("/patients/{patient}/files");
    let form = |title: &'static str| Form::new().text("title", title).text("date", "2026-01-02").text("kind", "letter");
    let part = |name: &'static str, bytes: Vec<u8>| Part::bytes(bytes).file_name(name);
    // no file, a false file, no title: each is explained, and the rest of the form stays
    let none = post_form(&staff, &path, form("Old letter")).await;
    assert!(none.status == 422 && none.text().contains("Choose a file"));
    let lie = post_form(&staff, &path, form("Old letter").part("files", part("a.pdf", b"MZ\x90\0\x03".to_vec()))).await;
    assert!(lie.status == 422 && lie.text().contains("not what its name says"), "{}", lie.text());
    let untitled = post_form(&staff, &path, form("").part("files", part("letter.pdf", samples::pdf()))).await;
    assert_eq!(untitled.status, 422);
    let waiting = Page::parse(&untitled.text()).form_with("Add to the chart").value("upload").unwrap();
    let added = post_form(&staff, &path, form("Old letter").text("upload", waiting.clone())).await;
    assert_eq!(added.status, 303, "{}", added.text());
    let item = added.headers["location"].to_str().unwrap().split('?').next().unwrap().to_owned();
    let page = staff.get(&item).await.ok();
    assert!(page.has_text("letter.pdf") && page.has_text("Letter · 2 January 2026 · User staff"), "{}", page.text());
    assert_eq!(get(&staff, &format!("{item}/file"), &[]).await.bytes, samples::pdf());
    // the same form again: its file has been used, and is not there any more
    assert_eq!(post_form(&staff, &path, form("Old letter").text("upload", waiting)).await.status, 409);
    // it can be sent with a message like any item
    let id = ChartItemId(item.rsplit('/').next().unwrap().parse().unwrap());
    let conversation = send(&staff, patient, KEY, id).await;
    assert_eq!(get(&staff, &format!("{conversation}/attachments/1"), &[]).await.bytes, samples::pdf());
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(post_form(&viewer, &path, form("T").part("files", part("a.pdf", samples::pdf()))).await.status, 403);
    assert_eq!(get(&viewer, &format!("{item}/file"), &[]).await.status, 200);
}
