//! A form that arrives after a user's session ended is kept for that user alone. The sign-in page says why, and leads
//! back to the page with the words still there. This holds for every form of the clinic's door, also without scripts or
//! cookies.

use super::routes;
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::users;
use postern::error::AppError;

on_both!(words_survive_the_end_of_a_session, another_user_sees_nothing, every_form_has_a_page_to_come_back_to);

const WORDS: &str = "Many <precious> \"words\" & more";

/// A page, the button of its form, and what is typed into the form.
type Typed = (String, &'static str, Vec<(&'static str, &'static str)>);

async fn newest_email(app: &App) -> String {
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        Ok(users::table.select(users::email).order(users::id.desc()).first(conn)?)
    });
    read.await.unwrap()
}

/// Sends the form with this button and these words from `by`, whose session has ended: the cookie is old or missing.
/// Gives the address to which the answer leads.
async fn send(from: &Actor, by: &Actor, page: &str, button: &str, fields: &[(&str, &str)]) -> String {
    let mut form = from.get(page).await.ok().form_with(button);
    for (name, value) in fields {
        form.set(name, value);
    }
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let action = if form.action.is_empty() { page } else { &form.action };
    by.post(action, &pairs).await.redirect()
}

async fn sign_in(someone: &Actor, at: &str, email: &str) -> String {
    let page = someone.get(at).await.ok();
    someone.submit(&page, "Sign in", &[("email", email), ("password", PASSWORD)]).await.redirect()
}

async fn words_survive_the_end_of_a_session(app: App) {
    let user = app.user(Role::Owner).await;
    let email = newest_email(&app).await;
    let patient = app.patient(Like::default()).await;
    user.post("/settings/reach", &[("phone_days", "14")]).await.redirect();
    let conversation = app.message(&user, patient, true).await;
    let caregiver = app.caregiver(&user, patient, "Ana Roy", ("ana@example.org", "")).await;
    let patient = format!("/patients/{patient}");
    let forms: Vec<Typed> = vec![
        (conversation.clone(), "Send", vec![("body", WORDS)]),
        (format!("{conversation}/notes"), "Add note", vec![("body", WORDS)]),
        (
            format!("{conversation}/call"),
            "Save the call",
            vec![("outcome", "no_answer"), ("pause", "72"), ("note", WORDS)],
        ),
        (format!("{patient}/messages/new"), "Submit", vec![("title", WORDS), ("body", WORDS)]),
        (format!("{patient}/information"), "Save", vec![("preferred_name", WORDS), ("language", "fr")]),
        (format!("{patient}/postal-address"), "Save", vec![("street", WORDS), ("city", "Ottawa")]),
        (format!("{patient}/caregivers"), "Add a caregiver", vec![("name", WORDS), ("starts", "2026-05-01")]),
        (caregiver, "Save", vec![("name", WORDS), ("ends", "2027-05-01")]),
        ("/patients/new".into(), "Save", vec![("family_name", WORDS), ("day", "4"), ("method", "sms")]),
        ("/patients/import".into(), "Check the list", vec![("list", WORDS)]),
        ("/broadcasts/new".into(), "Check who gets it", vec![("title", WORDS), ("body", WORDS), ("recipients", WORDS)]),
        ("/settings/clinic".into(), "Save", vec![("address", WORDS), ("time_zone", "America/Regina")]),
        ("/settings/patient-portal".into(), "Save", vec![("closing_text", WORDS), ("portal_stay_days", "7")]),
        ("/settings/hours".into(), "Save", vec![("closed_name", WORDS), ("from_1", "09:00")]),
        ("/settings/teams/new".into(), "Save", vec![("name", WORDS)]),
        ("/settings/users/1".into(), "Save", vec![("name", WORDS), ("role", "viewer")]),
        ("/settings/gateways".into(), "Save", vec![("quiet_from", "21:00")]),
        ("/settings/message-templates/new".into(), "Save", vec![("name", WORDS), ("body", WORDS)]),
        ("/settings/message-templates/1".into(), "Save", vec![("name", WORDS), ("body", WORDS)]),
        ("/settings/notification-templates/reminder/email/en".into(), "Save", vec![("body", WORDS)]),
    ];
    for (page, button, fields) in forms {
        // each form by another user, because one user may not sign in so often
        app.user(Role::Owner).await;
        let email = newest_email(&app).await;
        for with_cookie in [true, false] {
            let someone = app.anyone();
            sign_in(&someone, "/sign-in", &email).await;
            let to = match with_cookie {
                true => {
                    app.state.clock.advance(time::Duration::hours(2));
                    let opened = app.anyone();
                    sign_in(&opened, "/sign-in", &email).await;
                    send(&opened, &someone, &page, button, &fields).await
                }
                false => send(&someone, &app.anyone(), &page, button, &fields).await,
            };
            assert!(to.starts_with("/sign-in?next="), "{page}: {to}");
            let again = app.anyone();
            assert!(!again.get(&to).await.body.contains("precious"), "{page}: shown before signing in");
            let back = sign_in(&again, &to, &email).await;
            assert_eq!(back, format!("{page}?kept=1"));
            let shown = again.get(&back).await.ok();
            assert!(shown.has_text("What you typed is back on this page"), "{page}");
            let form = shown.form_with(button);
            for (name, value) in &fields {
                let shown = form.value(name).unwrap_or_default();
                assert_eq!(shown.trim(), *value, "{page}: {name}");
            }
        }
    }
    // the page to which it leads says why
    let someone = app.anyone();
    sign_in(&someone, "/sign-in", &email).await;
    let nobody = app.anyone();
    let to = send(&someone, &nobody, &conversation, "Send", &[("body", WORDS)]).await;
    assert!(nobody.get(&to).await.ok().has_text("What you typed is kept: sign in again"));
    // nothing was sent
    assert!(!someone.get(&conversation).await.body.contains("precious"));
    app.drain().await;
}

async fn another_user_sees_nothing(app: App) {
    let user = app.user(Role::Staff).await;
    let theirs = newest_email(&app).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    let to = send(&user, &app.anyone(), &conversation, "Send", &[("body", WORDS)]).await;
    app.user(Role::Clinician).await;
    let (other, email) = (app.anyone(), newest_email(&app).await);
    let back = sign_in(&other, &to, &email).await;
    let page = other.get(&back).await;
    assert!(!page.body.contains("precious") && !page.body.contains("is back"), "{back}");
    // with a mark that is no user's nothing is kept
    let kept_at = to;
    let forged = [("whose", "0123456789abcdef01234567"), ("body", WORDS)];
    let to = app.anyone().post(&format!("{conversation}/messages"), &forged).await.redirect();
    assert!(!to.contains("kept"), "{to}");
    // after a day the form is not offered any more
    app.state.clock.advance(time::Duration::hours(25));
    let late = app.anyone();
    let back = sign_in(&late, &kept_at, &theirs).await;
    assert!(!late.get(&back).await.body.contains("precious"), "{back}: after a day");
    app.drain().await;
}

/// Every POST of the clinic's door that needs a session leads back to a page that exists.
async fn every_form_has_a_page_to_come_back_to(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&owner, patient, true).await;
    app.broadcast(&owner, &[patient]).await;
    app.caregiver(&owner, patient, "Ana Roy", ("ana@example.org", "")).await;
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    owner.post("/account/views", &crate::conversations::saved_views::form("Mine")).await.redirect();
    let mark = owner.whose("/inbox").await;
    let patient = patient.to_string();
    let values = [
        ("patient", patient.as_str()),
        ("conversation", conversation.rsplit('/').next().unwrap()),
        ("upload", "1"),
        ("scheduled", "1"),
        ("broadcast", "1"),
        ("view", "1"),
        ("message", "1"),
        ("template", "1"),
        ("user", "1"),
        ("team", "1"),
        ("passkey", "1"),
        ("caregiver", "1"),
        ("number", "1"),
        ("kind", "reminder"),
        ("channel", "sms"),
        ("language", "fr"),
    ];
    for route in routes::clinic().into_iter().filter(|route| route.method == "POST") {
        if [
            "/sign-in",
            "/sign-in/second-step",
            "/sign-in/second-step/challenge",
            "/sign-in/passkey",
            "/sign-in/passkey/challenge",
            "/sign-in/provider",
            "/sign-in/provider/answer",
            "/sign-in/emr",
            "/sign-in/emr/answer",
            "/sign-out",
            "/language",
            "/password/{token}",
            "/password/{token}/provider",
            "/forgotten-password",
            "/account/session",
            "/account/sessions",
            "/account/confirmation",
            "/account/confirmation/challenge",
            "/account/confirmation/provider",
            // it has no words: a sign that somebody is typing
            "/conversations/{conversation}/answering",
        ]
        .contains(&route.path.as_str())
        {
            continue;
        }
        let path = route.filled(&values).replace("/images/reminder", "/images/logo");
        let to = app.anyone().post(&path, &[("whose", &*mark), ("body", WORDS)]).await.redirect();
        assert!(to.contains("kept"), "{}: {to}", route.name());
        let query = to.split_once('?').unwrap().1;
        let back = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next").unwrap().1;
        assert_eq!(owner.get(&back).await.status, 200, "{} leads back to {back}", route.name());
    }
    app.drain().await;
}
