//! After every refused form, in both doors: the title begins with "Error:", the summary takes the focus and links to
//! each wrong field, and each of these is marked and linked to the words that say what to do.

use super::routes;
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::html::Page;
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use postern::access::Role;
use postern::clock::Token;
use postern::db::UserId;
use postern::db::schema::{patients, users as user_table};
use postern::error::AppError;
use std::collections::BTreeSet;

on_both!(a_refused_form_says_so);

/// Posts without fields to correct, or that no form of a page sends: those of scripts, or of a button alone.
const NOTHING_TO_MEND: &[&str] = &[
    "POST /sign-out",
    "POST /searches",
    "POST /language",
    "POST /account/notifications",
    "POST /account/keys",
    "POST /account/session",
    "POST /account/views/{view}/removal",
    "POST /account/sessions",
    "POST /account/confirmation/challenge",
    "POST /account/second-factor/app",
    // browsers have no passkeys for an IP address: see the tests of users
    "POST /account/second-factor/passkeys",
    "POST /account/second-factor/passkeys/challenge",
    "POST /account/second-factor/passkeys/{passkey}/removal",
    // a device's answer is not a field: a notice says that it was refused
    "POST /sign-in/passkey",
    "POST /sign-in/passkey/challenge",
    "POST /sign-in/second-step/challenge",
    // the provider's answer is not a field either: see the tests of users
    "POST /sign-in/provider",
    "POST /sign-in/provider/answer",
    "POST /sign-in/emr",
    "POST /sign-in/emr/answer",
    "POST /account/emr",
    "POST /settings/users/{user}/emr/removal",
    "POST /password/{token}/provider",
    "POST /account/confirmation/provider",
    "POST /account/provider",
    "POST /account/provider/removal",
    "POST /settings/users/{user}/provider/removal",
    "POST /account/second-factor/app/removal",
    "POST /account/second-factor/recovery-codes",
    "POST /settings/sign-in",
    "POST /settings/own-word",
    // switches and buttons: what a newer version changes is asked, see the tests of emr
    "POST /settings/emr/{number}",
    "POST /settings/emr/{number}/test",
    "POST /settings/emr/keys",
    "POST /settings/sync",
    "POST /patients/{patient}/differences",
    "POST /settings/users/{user}/second-factor",
    "POST /settings/users/{user}/sessions",
    "POST /patients/{patient}/notification-method",
    "POST /patients/{patient}/addresses",
    "POST /patients/{patient}/notifications",
    "POST /patients/{patient}/cancellations",
    "POST /patients/{patient}/portal-unlocking",
    // what they refuse is asked on a page of its own: see the tests of patients
    "POST /patients/{patient}/archiving",
    "POST /patients/{patient}/bringing-back",
    "POST /patients/{patient}/hold/removal",
    "POST /patients/{patient}/caregivers/{caregiver}/ending",
    "POST /patients/{patient}/caregivers/{caregiver}/addresses",
    "POST /settings/records/deletion",
    "POST /patients/{patient}/merging",
    "POST /patients/{patient}/unmerging",
    "POST /patients/{patient}/distinctions",
    "POST /patients/{patient}/distinctions/removal",
    "POST /patients/{patient}/messages/draft/removal",
    "POST /patients/{patient}/messages/preview",
    "POST /patients/{patient}/messages/template",
    "POST /conversations/{conversation}/messages/template",
    "POST /patients/{patient}/uploads",
    "POST /patients/{patient}/uploads/{upload}/removal",
    "POST /conversations/{conversation}/messages/draft/removal",
    "POST /conversations/{conversation}/notes/draft/removal",
    "POST /conversations/{conversation}/replies",
    "POST /conversations/{conversation}/participants",
    // a notice says why the last one cannot leave
    "POST /conversations/{conversation}/participants/removal",
    "POST /conversations/{conversation}/done",
    "POST /conversations/{conversation}/done/removal",
    "POST /conversations/{conversation}/unread",
    // what another window has changed is said above the form: see the tests of broadcasts
    "POST /broadcasts/draft",
    "POST /broadcasts/draft/removal",
    "POST /broadcasts/template",
    "POST /broadcasts/recipients",
    // why a file is refused stands beside it
    "POST /broadcasts/files/added",
    "POST /broadcasts/files/added/{upload}/removal",
    "POST /broadcasts/{broadcast}/sending",
    "POST /broadcasts/{broadcast}/stopping",
    "POST /broadcasts/{broadcast}/removal",
    "POST /scheduled/{scheduled}/cancellation",
    "POST /scheduled/{scheduled}/sending",
    "POST /scheduled/{scheduled}/removal",
    "POST /conversations/{conversation}/answering",
    "POST /inbox/done",
    "POST /inbox/done/removal",
    "POST /inbox/unread",
    // what it cannot take back is named
    "POST /inbox/assignment/removal",
    "POST /settings/teams/{team}/archiving",
    "POST /conversations/{conversation}/notifications",
    "POST /conversations/{conversation}/record",
    "POST /conversations/{conversation}/cancellations",
    "POST /conversations/{conversation}/attention",
    // what it refuses is said on a page of its own; see the tests of letters
    "POST /conversations/{conversation}/letter",
    // what it refuses is said on a page of its own; see the tests of conversations
    "POST /conversations/{conversation}/messages/{message}/recall",
    "POST /conversations/{conversation}/closure",
    "POST /conversations/{conversation}/reopening",
    // a notice says that a picture cannot be read
    "POST /settings/images/{kind}",
    "POST /settings/users/{user}/reactivation",
    "POST /settings/users/{user}/password-links",
    "POST /settings/message-templates/{template}/copies",
    "POST /settings/message-templates/{template}/retirement",
    "POST /settings/notification-templates",
    "POST /settings/notification-templates/{kind}/{channel}/{language}/default",
    "POST /portal/link/{token}/passcode",
    "POST /portal/messages/{number}/draft",
    "POST /portal/messages/{number}/answers",
    "POST /portal/session",
    "POST /portal/sessions/end",
    "POST /portal/language",
    "POST /portal/logout",
];

/// A form that is refused: its route, its address, and its fields.
type Refused<'a> = (&'static str, String, Vec<(&'a str, &'a str)>);

fn check(what: &str, answer: &Answer, error: &str) {
    assert!(matches!(answer.status, 409 | 422), "{what}: {}", answer.status);
    let page: Page = answer.page();
    // in the title every kind of space counts as a space
    assert!(page.title().starts_with(&error.replace('\u{a0}', " ")), "{what}: {}", page.title());
    assert_eq!(page.count(".error-summary[autofocus][tabindex=\"-1\"]"), 1, "{what}: {}", page.text());
    let places: Vec<String> = page.attrs_of(".error-summary a", "href");
    assert!(!places.is_empty(), "{what}: no link in {}", page.text_of(".error-summary"));
    for place in places {
        let id = place.strip_prefix('#').unwrap_or_else(|| panic!("{what}: {place}"));
        let field = format!("[id=\"{id}\"]");
        assert_eq!(page.count(&field), 1, "{what}: {place}");
        let marked = [format!("{field}[aria-invalid=true]"), format!("{field} [aria-invalid=true]")].join(",");
        let described = page.attrs_of(&marked, "aria-describedby");
        assert!(!described.is_empty(), "{what}: {place} is not marked");
        for ids in described {
            let words = |id: &str| page.texts_of(&format!("[id=\"{id}\"]")).join("");
            let all: String = ids.split_whitespace().map(words).collect();
            assert!(!all.is_empty(), "{what}: {place} is described by {ids}, where nothing stands");
        }
    }
}

async fn speak(app: &App, language: &'static str) {
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        diesel::update(user_table::table).set(user_table::language.eq(language)).execute(tx.conn())?;
        diesel::update(patients::table).set(patients::language.eq(language)).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
}

/// Posts a form with files, as a browser without scripts does.
async fn with_files(actor: &Actor, path: &str) -> Answer {
    let body = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.exe\"\r\n\r\nMZ\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*actor.origin)];
    actor.send("POST", path, &headers, body).await
}

async fn a_refused_form_says_so(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", "14")]).await.redirect();
    owner.post("/settings/teams", &[("name", "Reception"), ("member", "1")]).await.redirect();
    owner.post("/account/views", &crate::conversations::saved_views::form("Mine")).await.redirect();
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&owner, patient, true).await;
    let caregiver = app.caregiver(&owner, patient, "Ana Roy", ("ana@example.org", "")).await;
    let unreachable = Like { email: None, phone: None, portal_access: false, ..Like::default() };
    let unreachable = format!("/patients/{}", app.patient(unreachable).await);
    let archived = format!("/patients/{}", app.patient(Like { email: None, ..Like::default() }).await);
    owner.post(&format!("{archived}/archiving"), &[("reason", "left")]).await.redirect();
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let (visitor, message) = app.go_in(&link, "+16135550121").await;
    // the passcode was used, so another one is requested, whose form can be refused
    app.state.clock.advance(time::Duration::seconds(30));
    app.anyone().post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    let (now, token) = (app.state.clock.now(), Token::received("a-token-of-a-test-0123456789"));
    let (made, stranger) = (token.clone(), app.user(Role::Staff).await);
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        let id: UserId = user_table::table.order(user_table::id.desc()).select(user_table::id).first(tx.conn())?;
        postern::users::make_password_link(tx, now, id, postern::users::Purpose::Invitation, &made)?;
        Ok(id)
    });
    let leaver = write.await.unwrap();
    drop(stranger);
    let patient = format!("/patients/{patient}");
    let wordings = "/settings/notification-templates/reminder/sms/en".to_owned();
    let left = vec![("files", "left.pdf"), ("body", "words"), ("draft_version", "0")];
    let long = "long ".repeat(300);
    let slot = "POST /settings/notification-templates/{kind}/{channel}/{language}";
    let preview = "POST /settings/notification-templates/{kind}/{channel}/{language}/preview";
    let test = "POST /settings/notification-templates/{kind}/{channel}/{language}/test";
    let clinic: Vec<Refused> = vec![
        ("POST /patients", "/patients".into(), vec![]),
        ("POST /patients/import", "/patients/import".into(), vec![("list", "nonsense")]),
        ("POST /broadcasts", "/broadcasts".into(), vec![("title", "{{nobody}}")]),
        (
            "POST /patients/{patient}/information",
            format!("{patient}/information"),
            vec![("email", "x"), ("phone", "1")],
        ),
        ("POST /patients/{patient}/messages/new", format!("{patient}/messages/new"), vec![("files", "left.pdf")]),
        (
            "POST /patients/{patient}/messages/scheduled",
            format!("{patient}/messages/scheduled"),
            vec![("files", "left.pdf")],
        ),
        (
            "POST /conversations/{conversation}/messages/scheduled",
            format!("{conversation}/messages/scheduled"),
            vec![("later", "at"), ("later_date", "x")],
        ),
        ("POST /patients/{patient}/messages/draft", format!("{patient}/messages/draft"), left.clone()),
        (
            "POST /patients/{patient}/messages/repair",
            format!("{unreachable}/messages/repair"),
            vec![("email", "x"), ("phone", "1")],
        ),
        (
            "POST /conversations/{conversation}/messages",
            format!("{conversation}/messages"),
            vec![("files", "left.pdf")],
        ),
        ("POST /conversations/{conversation}/messages/draft", format!("{conversation}/messages/draft"), left.clone()),
        (
            "POST /conversations/{conversation}/assignment",
            format!("{conversation}/assignment"),
            vec![("user", "x"), ("due_date", "x")],
        ),
        (
            "POST /inbox/assignment",
            "/inbox/assignment".into(),
            vec![("conversation", "1"), ("shown", "-"), ("user", "x"), ("due_date", "x")],
        ),
        ("POST /settings/teams", "/settings/teams".into(), vec![("name", &*long)]),
        ("POST /settings/teams/{team}", "/settings/teams/1".into(), vec![("name", "Reception")]),
        ("POST /conversations/{conversation}/notes", format!("{conversation}/notes"), vec![]),
        ("POST /conversations/{conversation}/notes/draft", format!("{conversation}/notes/draft"), left),
        ("POST /conversations/{conversation}/call", format!("{conversation}/call"), vec![("note", &*long)]),
        ("POST /patients/{patient}/postal-address", format!("{patient}/postal-address"), vec![("region", &*long)]),
        ("POST /settings/reach", "/settings/reach".into(), vec![("phone_days", "x"), ("letter_holds", "x")]),
        ("POST /patients/{patient}/own-word", format!("{patient}/own-word"), vec![("word", "two words")]),
        ("POST /settings/sync/rules", "/settings/sync/rules".into(), vec![("email", "x"), ("language", "x")]),
        (
            "POST /patients/{patient}/caregivers",
            format!("{patient}/caregivers"),
            vec![("email", "x"), ("starts", "x"), ("relation", "x")],
        ),
        (
            "POST /patients/{patient}/caregivers/{caregiver}",
            caregiver,
            vec![("email", "x"), ("starts", "2026-03-04"), ("ends", "2026-03-03")],
        ),
        ("POST /settings/caregivers", "/settings/caregivers".into(), vec![("look_age", "x"), ("end_age", "99")]),
        ("POST /patients/{patient}/hold", format!("{patient}/hold"), vec![("note", " ")]),
        ("POST /patients/{patient}/deletion", format!("{archived}/deletion"), vec![("name", "x")]),
        (
            "POST /settings/records",
            "/settings/records".into(),
            vec![("keep_left_years", "x"), ("keep_until_age", "-1")],
        ),
        (
            "POST /settings/hours",
            "/settings/hours".into(),
            vec![("from_1", "x"), ("closed_day", "x"), ("promise_unit", "days"), ("promise_amount", "x")],
        ),
        (
            "POST /settings/clinic",
            "/settings/clinic".into(),
            vec![("phone", &*long), ("time_zone", "x"), ("language", "x"), ("emergency_text", &*long)],
        ),
        (
            "POST /settings/patient-portal",
            "/settings/patient-portal".into(),
            vec![("passcodes_a_day", "x"), ("closing_text", &*long)],
        ),
        ("POST /settings/gateways", "/settings/gateways".into(), vec![("quiet", "on")]),
        (
            "POST /settings/message-templates",
            "/settings/message-templates".into(),
            vec![("category", &*long), ("language", "x")],
        ),
        (
            "POST /settings/message-templates/{template}",
            "/settings/message-templates/1".into(),
            vec![("category", &*long), ("language", "x"), ("version", "1")],
        ),
        ("POST /account/views", "/account/views".into(), crate::conversations::saved_views::form(" ").to_vec()),
        ("POST /account/views/{view}", "/account/views/1".into(), vec![("name", &*long)]),
        ("POST /account/away", "/account/away".into(), vec![("away_from", "x"), ("cover", "x")]),
        ("POST /settings/users/{user}/away", "/settings/users/1/away".into(), vec![("away_until", "x")]),
        ("POST /settings/users/{user}", "/settings/users/1".into(), vec![("email", "x"), ("role", "x")]),
        (
            "POST /settings/users/{user}/deactivation",
            format!("/settings/users/{leaver}/deactivation"),
            vec![("to", "1234")],
        ),
        ("POST /settings/users", "/settings/users".into(), vec![("name", "x"), ("language", "xx")]),
        ("POST /account/second-factor/app/code", "/account/second-factor/app/code".into(), vec![("code", "x")]),
        ("POST /account/confirmation", "/account/confirmation".into(), vec![("password", "x")]),
        ("POST /account/email", "/account/email".into(), vec![("email", "x")]),
        ("POST /account/password", "/account/password".into(), vec![("current", "x"), ("new", "y"), ("again", "y")]),
        (slot, wordings.clone(), vec![]),
        (slot, wordings.replace("sms", "email"), vec![]),
        (preview, format!("{wordings}/preview"), vec![]),
        (test, format!("{wordings}/test"), vec![("body", "{link}"), ("phone", "x")]),
    ];
    let portal: Vec<Refused> = vec![
        ("POST /portal/information", "/portal/information".into(), vec![("method", "x")]),
        ("POST /portal/messages/{number}/replies", format!("{message}/replies"), vec![]),
    ];
    let open: Vec<Refused> = vec![
        ("POST /sign-in", "/sign-in".into(), vec![("email", "nobody@example.org")]),
        (
            "POST /password/{token}",
            format!("/password/{}", token.reveal()),
            vec![("password", "one"), ("again", "other")],
        ),
        ("POST /forgotten-password", "/forgotten-password".into(), vec![("email", "x")]),
        ("POST /portal/entry", "/portal/entry".into(), vec![]),
        ("POST /portal/link/{token}/session", format!("{link}/session"), vec![("passcode", "1")]),
    ];
    let files = [
        ("POST /patients/{patient}/files", format!("{patient}/files")),
        ("POST /patients/{patient}/messages/files", format!("{patient}/messages/files")),
        ("POST /broadcasts/files", "/broadcasts/files".to_owned()),
        ("POST /conversations/{conversation}/messages/files", format!("{conversation}/messages/files")),
        ("POST /conversations/{conversation}/notes/files", format!("{conversation}/notes/files")),
    ];
    owner.post("/account/second-factor/app", &[]).await.redirect();
    let mut seen = BTreeSet::new();
    for (language, error) in [("en", "Error:"), ("fr", "Erreur\u{a0}:")] {
        speak(&app, language).await;
        for (someone, list) in [(&owner, &clinic), (&visitor, &portal)] {
            for (route, path, fields) in list {
                check(&format!("{language} {path}"), &someone.post(path, fields).await, error);
                seen.insert((*route).to_owned());
            }
        }
        for (route, path) in &files {
            check(&format!("{language} {path}"), &with_files(&owner, path).await, error);
            seen.insert((*route).to_owned());
        }
    }
    for (route, path, fields) in &open {
        let answer = app.anyone().post(path, fields).await;
        let error = if answer.page().has("html[lang=fr]") { "Erreur\u{a0}:" } else { "Error:" };
        check(path, &answer, error);
        seen.insert((*route).to_owned());
    }
    // the second step, by somebody who has typed the password
    let staff = app.user(Role::Staff).await;
    crate::users::second_factor::set_up(&app, &staff).await;
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        Ok(user_table::table.order(user_table::id.desc()).select(user_table::email).first(conn)?)
    });
    let (email, half_in) = (read.await.unwrap(), app.anyone());
    half_in.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    for field in ["code", "recovery"] {
        let answer = half_in.post("/sign-in/second-step", &[(field, "x")]).await;
        check("/sign-in/second-step", &answer, "Error:");
        let answer = staff.post("/account/confirmation", &[(field, "x")]).await;
        check("/account/confirmation", &answer, "Error:");
    }
    seen.insert("POST /sign-in/second-step".to_owned());
    // where the patient cannot reply any more, what was typed stays, below the words that say so
    owner.post(&format!("{conversation}/closure"), &[]).await.redirect();
    let late = [("key", "0123456789abcdef"), ("body", "Too late")];
    check("closed", &visitor.post(&format!("{message}/replies"), &late).await, "Erreur\u{a0}:");
    // a page without an error has none in its title
    assert!(!owner.get(&conversation).await.ok().title().starts_with("Err"));
    let all = routes::clinic().into_iter().chain(routes::portal()).filter(|r| r.method == "POST").map(|r| r.name());
    let missed: Vec<_> = all.filter(|n| !seen.contains(n) && !NOTHING_TO_MEND.contains(&n.as_str())).collect();
    assert!(missed.is_empty(), "not in this test: {missed:?}");
}
