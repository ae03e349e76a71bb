//! Enter in a field presses the first submit button of its form. In every form that posts, this is the main button, or
//! one that does nothing.

use super::routes;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::{OnEnter, Page};
use crate::support::world::Like;
use postern::access::Role;
use postern::db::PatientId;

on_both!(the_first_button_of_each_form_is_its_main_one);

const KEY: &str = "0123456789abcdef";

/// Checks the forms of a page, and gives their number. Forms that only ask (GET, or a search) change nothing by any
/// button, and are left out.
fn check(what: &str, page: &Page) -> usize {
    let forms: Vec<_> =
        page.forms().into_iter().filter(|form| form.method == "post" && form.action != "/searches").collect();
    for form in &forms {
        assert_ne!(form.on_enter(), OnEnter::Other, "{what}: {:?} of the form to {:?}", form.buttons(), form.action);
    }
    forms.len()
}

/// A clinic in which every form with fields occurs: drafts that are offered again, waiting files, lists of the chart.
async fn world(owner: &Actor, app: &App) -> (String, String) {
    let patient = app.patient(Like::default()).await.to_string();
    let id = postern::db::PatientId(patient.parse().unwrap());
    let conversation = app.message(owner, id, true).await;
    let draft = [("key", KEY), ("draft_version", "0"), ("title", "Iron"), ("body", "Half a sentence")];
    // the message that was sent before has changed the version of the draft
    let over = [&[("draft_version", "1")], &draft[..]].concat();
    owner.post(&format!("/patients/{patient}/messages/draft"), &over).await.redirect();
    for writing in ["messages", "notes"] {
        owner.post(&format!("{conversation}/{writing}/draft"), &draft).await.redirect();
    }
    app.caregiver(owner, id, "Ana Roy", ("ana@example.org", "+1 613-555-0155")).await;
    (patient, conversation.rsplit('/').next().unwrap().to_owned())
}

async fn the_first_button_of_each_form_is_its_main_one(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    let (patient, conversation) = world(&owner, &app).await;
    owner.post("/account/views", &crate::conversations::saved_views::form("Mine")).await.redirect();
    app.broadcast(&owner, &[PatientId(patient.parse().unwrap())]).await;
    // a patient who cannot be reached: the Alert with its form
    let unreachable = Like { email: None, phone: None, portal_access: false, ..Like::default() };
    let unreachable = app.patient(unreachable).await.to_string();
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let (visitor, message) = app.go_in(&link, "+16135550121").await;
    let values = [
        ("patient", patient.as_str()),
        ("conversation", &conversation),
        ("item", "1"),
        ("scheduled", "1"),
        ("broadcast", "1"),
        ("view", "1"),
        ("caregiver", "1"),
        ("message", "1"),
        ("template", "1"),
        ("user", "1"),
        ("team", "1"),
        ("number", message.rsplit('/').next().unwrap()),
        ("token", link.rsplit('/').next().unwrap()),
        ("file", "1"),
        ("kind", "reminder"),
        ("channel", "sms"),
        ("language", "fr"),
        ("name", "x"),
    ];
    let mut forms = 0;
    let everybody = [(&owner, routes::clinic()), (&visitor, routes::portal()), (&app.anyone(), routes::portal())];
    for (someone, table) in everybody {
        for route in table.into_iter().filter(|route| route.method == "GET") {
            let path = route.filled(&values);
            let answer = someone.get(&path).await;
            let is_page = |kind: &reqwest::header::HeaderValue| kind.to_str().unwrap().starts_with("text/html");
            if answer.status == 200 && answer.headers.get("content-type").is_some_and(is_page) {
                forms += check(&path, &answer.page());
            }
        }
    }
    let alert = owner.get(&format!("/patients/{unreachable}/messages/new")).await.ok();
    forms += check("the Alert", &alert);
    forms += check("sign-in", &app.anyone().get("/sign-in").await.ok());
    let list = owner.post("/patients/import", &[("list", "nom,dob\nRoy,1980-02-29\n")]).await.ok();
    forms += check("a list that is checked", &list);
    // the forms with files, with a list of the chart, and after a refusal
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nwords\r\n--b--\r\n";
    let body = [&part("key", KEY), &part("browse", "1"), file].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*owner.origin)];
    for path in [
        format!("/patients/{patient}/messages/files"),
        format!("/conversations/{conversation}/messages/files"),
        format!("/conversations/{conversation}/notes/files"),
    ] {
        let answer = owner.send("POST", &path, &headers, &body).await;
        assert!(answer.body.contains("a.txt"), "{path}: {}", answer.status);
        forms += check(&path, &answer.page());
    }
    let refused = owner.send("POST", &format!("/patients/{patient}/files"), &headers, &body).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("a.txt"));
    forms += check("a file for the chart", &refused.page());
    assert!(forms > 80, "{forms} forms were looked at");
}
