//! Message templates: the clinic's and the user's own, versions, filling in, and gaps that keep a message from leaving.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(
    a_clinic_starts_with_good_ones,
    whose_a_template_is,
    every_change_keeps_the_version_before,
    a_template_is_filled_in_for_the_patient,
    gaps_are_not_sent,
    without_a_script
);

const LIST: &str = "/settings/message-templates";

fn content<'a>(name: &'a str, body: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("category", "Tests"),
        ("language", "en"),
        ("title", "For {{patient.given_name}}"),
        ("body", body),
        ("replies", "off"),
    ]
}

async fn a_clinic_starts_with_good_ones(app: App) {
    let staff = app.user(Role::Staff).await;
    let text = staff.get(LIST).await.ok().text();
    for name in ["Normal result", "Result to discuss", "Vaccination due", "Résultat normal", "Visite manquée"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let found = staff.get(&format!("{LIST}?q=resultat")).await.ok().text();
    assert!(found.contains("Résultat normal") && !found.contains("Vaccin"));
}

async fn whose_a_template_is(app: App) {
    let (clinician, staff, other) =
        (app.user(Role::Clinician).await, app.user(Role::Staff).await, app.user(Role::Staff).await);
    staff.post(LIST, &content("Mine", "Body")).await.redirect();
    let link = staff.get(LIST).await.ok().links().into_iter().find(|l| l.text.contains("Mine")).unwrap().href;
    assert_eq!(other.get(&link).await.status, 404);
    assert_eq!(other.post(&link, &[&content("Theirs", "x")[..], &[("version", "1")]].concat()).await.status, 404);
    assert_eq!(other.post(&format!("{link}/copies"), &[]).await.status, 404);
    assert_eq!(other.post(&format!("{link}/retirement"), &[]).await.status, 404);
    // only users with the right may make a template of the clinic
    let clinics = [&content("Ours", "Body")[..], &[("scope", "clinic")]].concat();
    assert_eq!(staff.post(LIST, &clinics).await.status, 404);
    clinician.post(LIST, &clinics).await.redirect();
    let link = staff.get(LIST).await.ok().links().into_iter().find(|l| l.text.contains("Ours")).unwrap().href;
    assert!(staff.get(&link).await.ok().text().contains("belongs to the clinic"));
    assert_eq!(staff.post(&link, &[&clinics[..], &[("version", "1")]].concat()).await.status, 404);
    assert_eq!(staff.post(&format!("{link}/retirement"), &[]).await.status, 404);
    let copy = staff.post(&format!("{link}/copies"), &[]).await.redirect();
    assert!(staff.get(&copy).await.ok().text().contains("Copy of Ours"));
    assert!(!other.get(LIST).await.ok().text().contains("Copy of Ours"));
    // retired and brought back
    clinician.post(&format!("{link}/retirement"), &[("retired", "on")]).await.redirect();
    assert!(!other.get(LIST).await.ok().text().contains("Ours"));
    assert!(other.get(&format!("{LIST}?retired=true")).await.ok().text().contains("Ours"));
    clinician.post(&format!("{link}/retirement"), &[("retired", "off")]).await.redirect();
    assert!(other.get(LIST).await.ok().text().contains("Ours"));
}

async fn every_change_keeps_the_version_before(app: App) {
    let staff = app.user(Role::Staff).await;
    staff.post(LIST, &content("Mine", "The first text")).await.redirect();
    let link = staff.get(LIST).await.ok().links().into_iter().find(|l| l.text.contains("Mine")).unwrap().href;
    let second = [&content("Mine", "The second text")[..], &[("version", "1")]].concat();
    staff.post(&link, &second).await.redirect();
    let text = staff.get(&link).await.ok().text();
    assert!(text.contains("version 2") && text.contains("version 1") && text.contains("The first text"));
    // from a page that was loaded before the last change
    let late = staff.post(&link, &[&content("Mine", "A third text")[..], &[("version", "1")]].concat()).await;
    assert_eq!(late.status, 409);
    assert!(late.page().form_with("Save").value("body").unwrap().contains("A third text"));
    for (field, wrong) in [("name", ""), ("title", ""), ("body", "  "), ("language", "xx")] {
        let form: Vec<_> = second.iter().map(|(n, v)| (*n, if *n == field { wrong } else { v })).collect();
        assert_eq!(staff.post(LIST, &form).await.status, 422, "{field}");
    }
}

async fn a_template_is_filled_in_for_the_patient(app: App) {
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like { name: ("María <b>", "Mejía"), ..Like::default() }).await;
    let body = "Dear {{ patient.given_name }}, call {{clinic.phone}} about {{the test}}. {{user.name}}";
    staff.post(LIST, &content("Zz", body)).await.redirect();
    let json = staff.get(&format!("/patients/{patient}/message-templates")).await;
    let all: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    let one = all.as_array().unwrap().iter().find(|one| one["title"] == "Zz").unwrap();
    assert_eq!(one["subject"], "For María <b>");
    let html = one["body_html"].as_str().unwrap();
    assert!(html.contains("María &lt;b&gt;"), "{html}");
    // the clinic of the tests has no phone number: a placeholder without a value stays visible
    assert!(html.contains("{{clinic.phone}}") && html.contains("{{the test}}"), "{html}");
    assert!(html.contains("User staff"), "{html}");
    assert_eq!(one["replies_allowed"], false);
    assert_eq!(all[0]["language"], "en", "the patient's language first");
}

async fn gaps_are_not_sent(app: App) {
    let staff = app.user(Role::Staff).await;
    let path = format!("/patients/{}/messages/new", app.patient(Like::default()).await);
    let form = |title, body| [("title", title), ("body", body), ("key", "0123456789abcdef")];
    for (title, body) in
        [("A", "Your {{name of the test}} is normal"), ("Your {{test}}", "x"), ("A", "{{clinic.phone}}")]
    {
        let answer = staff.post(&path, &form(title, body)).await;
        assert_eq!(answer.status, 422, "{body}");
        let page = answer.page();
        assert!(page.text().contains("double braces"), "{}", page.text());
        assert_eq!(page.form_with("Submit").value("body").unwrap(), body);
    }
    staff.post(&path, &form("A", "Braces { like { these } }")).await.redirect();
    app.drain().await;
}

async fn without_a_script(app: App) {
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    staff.post(LIST, &content("Zz", "Dear {{patient.given_name}}, **all well**.")).await.redirect();
    let link = staff.get(LIST).await.ok().links().into_iter().find(|l| l.text.contains("Zz")).unwrap().href;
    let id = link.rsplit('/').next().unwrap().to_owned();
    let page = staff.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let mut form = page.form_with("Submit");
    form.set("title", "Typed").set("body", "Typed text").set("template", &id);
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let fill = format!("/patients/{patient}/messages/template");
    let used = staff.post(&fill, &fields).await.ok().form_with("Submit");
    assert_eq!(used.value("title").unwrap(), "For María");
    assert_eq!(used.value("body").unwrap().replace("\r\n", "\n").trim(), "Dear María, **all well**.");
    assert!(!used.fields().iter().any(|(name, _)| name == "replies_allowed"), "the template says no replies");
    let added = staff.post(&fill, &[&fields[..], &[("append", "on")]].concat()).await.ok().form_with("Submit");
    assert_eq!(added.value("title").unwrap(), "Typed");
    assert_eq!(added.value("body").unwrap().replace("\r\n", "\n").trim(), "Typed text\n\nDear María, **all well**.");
}
