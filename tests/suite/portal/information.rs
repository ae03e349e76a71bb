//! What patients see and change of their own information.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::audit_events;
use postern::error::AppError;
use std::io::Read;

on_both!(
    language_and_method_are_theirs,
    who_has_looked_is_told,
    everything_is_in_one_file,
    nothing_is_shown_or_changed_where_the_portal_is_off,
    whoever_only_probes_has_not_read
);

const EMAIL: &str = "maria@example.org";

async fn inside(app: &App, like: Like) -> (Actor, Actor, String) {
    let owner = app.user(Role::Owner).await;
    let at = like.phone.clone().or(like.email.clone()).unwrap();
    let maria = app.patient(like).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, _) = app.go_in(&app.link_to(EMAIL), &at).await;
    (owner, patient, conversation)
}

async fn language_and_method_are_theirs(app: App) {
    let (owner, patient, _) = inside(&app, Like { phone: None, ..Like::default() }).await;
    let page = patient.get("/portal/information").await.ok();
    assert!(page.has_text("… 5919") && !page.has_text("943 476 5919"), "{}", page.text());
    assert!(page.has_text(EMAIL) && !page.has("input[value=sms]"), "no phone, so no texts");
    patient.submit(&page, "Save", &[("language", "fr"), ("method", "none")]).await.redirect();
    let page = patient.get("/portal/information").await.ok();
    assert!(page.has("html[lang=fr]") && page.has("input[value=none][checked]") && page.has_text("Renseignements"));
    let chart = owner.get("/patients/1").await.ok();
    assert!(chart.has_text("French") && chart.has_text("None"), "{}", chart.text());
    for (language, method) in [("xx", "email"), ("en", "sms"), ("en", "both"), ("en", "pigeon")] {
        let wrong = patient.post("/portal/information", &[("language", language), ("method", method)]).await;
        assert_eq!(wrong.status, 422, "{language} {method}");
        assert!(wrong.page().has(".error-summary"));
    }
}

async fn who_has_looked_is_told(app: App) {
    let (owner, patient, conversation) = inside(&app, Like::default()).await;
    let viewer = app.user(Role::Viewer).await;
    viewer.get(&conversation).await.ok();
    patient.get("/portal/messages").await.ok();
    let page = patient.get("/portal/information/views").await.ok();
    assert_eq!(page.count("ul.list li"), 1, "{}", page.text());
    assert!(page.has_text("Your results") && page.has_text("Viewer") && !page.has_text("User viewer"));
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("portal_names", "on")]).await.redirect();
    owner.get(&conversation).await.ok();
    let page = patient.get("/portal/information/views").await.ok();
    assert_eq!(page.count("ul.list li"), 2);
    assert!(page.has_text("User viewer") && page.has_text("User owner"));
    assert!(patient.get("/portal/messages/1").await.ok().has_text("It will be read by User owner"));
    // looks at another patient's record are listed for that patient only
    let other = app.patient(Like { email: Some("b@example.org".into()), phone: None, ..Like::default() }).await;
    app.message(&owner, other, true).await;
    app.drain().await;
    let (stranger, _) = app.go_in(&app.link_to("b@example.org"), "b@example.org").await;
    assert!(stranger.get("/portal/information/views").await.ok().has_text("Nobody has yet"));
}

async fn everything_is_in_one_file(app: App) {
    let (owner, patient, conversation) = inside(&app, Like::default()).await;
    let note = [("key", "0123456789abcdef"), ("body", "for colleagues only")];
    owner.post(&format!("{conversation}/notes"), &note).await.redirect();
    patient.post("/portal/messages/1/replies", &[("key", "0123456789abcdef"), ("body", "Thank you")]).await.redirect();
    let address = format!("{}/portal/information/download", app.origin);
    let response = patient.http.get(address).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/zip");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"messages.zip\"");
    let bytes = response.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut all = String::new();
    for name in ["index.html", "conversation-1.html"] {
        let mut text = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("<html lang=\"en\">") && !text.contains("src=") && !text.contains("http-equiv"));
        all.push_str(&text);
    }
    for words in ["Your results", "conversation-1.html", "Thank you", "<strong>well</strong>", "943 476 5919", EMAIL] {
        assert!(all.contains(words), "{words}");
    }
    assert!(!all.contains("for colleagues only"), "a note went out");
    // no download without a session, and none after access was withdrawn
    assert_eq!(app.anyone().get("/portal/information/download").await.status, 303);
    let form = owner.get("/patients/1/information").await.ok();
    owner.submit(&form, "Save", &[("portal_access", "off")]).await.redirect();
    assert_eq!(patient.get("/portal/information/download").await.status, 303);
}

async fn nothing_is_shown_or_changed_where_the_portal_is_off(app: App) {
    let (owner, patient, _) = inside(&app, Like::default()).await;
    let open = patient.get("/portal/information").await.ok();
    let set = async |on: &str| {
        let settings = owner.get("/settings/patient-portal").await.ok();
        owner.submit(&settings, "Save", &[("portal_on", on)]).await.redirect();
    };
    set("off").await;
    for path in ["/portal/information", "/portal/information/views"] {
        let page = patient.get(path).await.ok();
        assert!(page.has_text("is turned off") && !page.has_text("Mejía") && !page.has_text(EMAIL), "{}", page.text());
    }
    assert_eq!(patient.submit(&open, "Save", &[("language", "fr")]).await.status, 403);
    assert_eq!(patient.get("/portal/information/download").await.status, 404);
    assert!(owner.get("/patients/1").await.ok().has_text("English"), "nothing was changed");
    set("on").await;
    assert!(patient.get("/portal/information").await.ok().has_text("Mejía"));
    // where only this patient's access was withdrawn, their session ends
    let record = owner.get("/patients/1/information").await.ok();
    owner.submit(&record, "Save", &[("portal_access", "off")]).await.redirect();
    assert!(patient.get("/portal/information").await.redirect().starts_with("/portal?"));
}

/// A HEAD request, as link checkers send, counts as no reading: it shows no word.
async fn whoever_only_probes_has_not_read(app: App) {
    let (owner, patient, conversation) = inside(&app, Like::default()).await;
    let viewer = app.user(Role::Viewer).await;
    let views = async || {
        let read = app.state.db.read(|conn| -> Result<_, AppError> {
            let viewed = audit_events::table.filter(audit_events::action.eq("conversation_viewed"));
            Ok(viewed.count().get_result::<i64>(conn)?)
        });
        read.await.unwrap()
    };
    let before = views().await;
    let probe = async |who: &Actor, path: &str| {
        let answer = who.send("HEAD", path, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    };
    probe(&patient, "/portal/messages/1").await;
    probe(&viewer, &conversation).await;
    assert_eq!(views().await, before);
    assert!(!owner.get(&conversation).await.ok().has_text("Read "), "the patient has not read");
    patient.get("/portal/messages/1").await.ok();
    assert!(views().await > before || owner.get(&conversation).await.ok().has_text("Read"));
}
