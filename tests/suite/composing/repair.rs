//! The Alert before "New Message": its form sets what is missing.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;
use postern::patients::Method;

on_both!(what_is_missing_is_set_there, bad_addresses_are_refused, doubts_are_shown);

fn nobody_can_reach() -> Like {
    Like { email: None, phone: None, method: Method::None, portal_access: false, ..Like::default() }
}

async fn what_is_missing_is_set_there(app: App) {
    let (staff, viewer) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    let path = format!("/patients/{}/messages", app.patient(nobody_can_reach()).await);
    let page = staff.get(&format!("{path}/new")).await.ok();
    assert!(page.text().contains("This patient has no access to the patient portal."));
    assert!(page.text().contains("There is no email and no cellphone number."));
    let mut form = page.form_with("Save and go on");
    form.set("portal_access", "on").set("email", "new@example.org");
    let fields = form.fields();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    // without the mark of another user's page, which would be refused before the role is checked
    let own: Vec<(&str, &str)> = fields.iter().copied().filter(|(name, _)| *name != "whose").collect();
    assert_eq!(viewer.post(&format!("{path}/repair"), &own).await.status, 403);
    let to = staff.post(&format!("{path}/repair"), &fields).await.redirect();
    let page = staff.get(&to).await.ok();
    page.form_with("Submit");
    assert!(page.text().contains("link and passcode by email to n…@example.org"), "{}", page.text());
    assert!(page.text().contains("Only one address is on record"));
}

async fn bad_addresses_are_refused(app: App) {
    let staff = app.user(Role::Staff).await;
    app.patient(Like { email: Some("Shared@Example.org".into()), ..Like::default() }).await;
    let path = format!("/patients/{}/messages", app.patient(nobody_can_reach()).await);
    let reach = |email, phone| [("portal_access", "on"), ("email", email), ("phone", phone), ("method", "both")];
    for (email, phone) in [("nonsense", ""), ("a@b", ""), ("", "12"), ("", "+1 613 555")] {
        let answer = staff.post(&format!("{path}/repair"), &reach(email, phone)).await;
        assert_eq!(answer.status, 422, "{email}{phone}");
        let form = answer.page().form_with("Save and go on");
        assert_eq!((form.value("email").unwrap(), form.value("phone").unwrap()), (email.to_owned(), phone.to_owned()));
    }
    // an address that is another patient's too is asked about first
    let answer = staff.post(&format!("{path}/repair"), &reach("shared@example.org", "613 555 0121")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().text().contains("Another patient has this email too"));
    assert!(answer.page().text().contains("Another patient has this cellphone number too"));
    let confirmed = [&reach("shared@example.org", "613 555 0121")[..], &[("confirm", "on")]].concat();
    staff.post(&format!("{path}/repair"), &confirmed).await.redirect();
    let text = staff.get(&format!("{path}/new")).await.ok().text();
    assert!(text.contains("Another patient has this email too"), "the writer is told again");
    assert!(text.contains("passcode by text to …21"), "the number is stored in E.164: {text}");
}

async fn doubts_are_shown(app: App) {
    let staff = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let new = format!("/patients/{patient}/messages/new");
    assert!(staff.get(&new).await.ok().text().contains("Nobody has signed in by this email yet"));
    app.message(&staff, patient, true).await;
    app.drain().await;
    app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert!(!staff.get(&new).await.ok().text().contains("Nobody has signed in"));
    // nobody has signed in by a changed address yet
    let reach = [("portal_access", "on"), ("email", "m2@example.org"), ("phone", "+16135550121"), ("method", "email")];
    staff.post(&format!("/patients/{patient}/messages/repair"), &reach).await.redirect();
    assert!(staff.get(&new).await.ok().text().contains("Nobody has signed in by this email yet"));
}
