//! A page that posts says for whom it was made; a post from a page that was made for somebody else changes and shows
//! nothing.

use super::routes::{self, Route};
use super::{files_below, project, read};
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{audit_events, conversations, messages, patients, sessions, uploads, users};
use postern::error::AppError;
use postern::http::whose::SECRETS;

const MARK: &str = "{% include \"components/whose.html\" %}";
/// Posts that act for anyone who holds a link or knows a password: they may come from a page that was made for nobody.
const FOR_NOBODY: [&str; 16] = [
    "/sign-in",
    "/sign-in/second-step",
    "/sign-in/second-step/challenge",
    "/sign-in/passkey",
    "/sign-in/passkey/challenge",
    "/sign-in/provider",
    "/sign-in/provider/answer",
    "/sign-in/emr",
    "/sign-in/emr/answer",
    "/password/{token}",
    "/password/{token}/provider",
    "/forgotten-password",
    "/portal/entry",
    "/portal/link/{token}/passcode",
    "/portal/link/{token}/session",
    "/portal/language",
];

#[test]
fn every_form_that_posts_says_whose_it_is() {
    let (templates, mut forms) = (project("templates"), 0);
    for file in files_below(&templates) {
        let text = read(&templates.join(&file));
        for form in text.split("<form").skip(1) {
            let tag = form.split_once(MARK).map_or(form, |(tag, _)| tag);
            if !form.split("</form>").next().unwrap().contains("method=\"post\"") {
                continue;
            }
            forms += 1;
            // it must be the first field, because only the beginning of a multipart body is read for it
            assert!(
                tag.trim_end().ends_with('>') && !tag.contains("<input"),
                "{file}: a form without {MARK} first: <form{tag}"
            );
        }
        for field in text.split("<input").skip(1).map(|field| field.split('>').next().unwrap()) {
            let name = field.split(" name=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
            let secret = field.contains("type=\"password\"") || field.contains("one-time-code");
            assert!(!secret || SECRETS.contains(&name.unwrap()), "{file}: {field} would be shown again");
        }
        let by_macro = text.split("fields::input(").chain(text.split("form::input(")).skip(1);
        for call in by_macro.filter(|call| call.split('%').next().unwrap().contains("\"password\", \"")) {
            let name = call.split('"').nth(1).unwrap();
            assert!(name == "given_name" || SECRETS.contains(&name), "{file}: {name} would be shown again");
        }
    }
    assert!(forms > 40, "{forms} forms");
}

#[test]
fn scripts_ask_in_one_way() {
    let folder = project("static/js");
    for file in files_below(&folder).into_iter().filter(|file| !file.starts_with("request")) {
        let code: String = read(&folder.join(&file)).lines().filter(|line| !line.starts_with("//")).collect();
        let call = code.match_indices("fetch(").find(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric()));
        assert!(call.is_none() && !code.contains(".send("), "{file} asks without saying whose the page is");
    }
}

on_both!(no_route_takes_the_page_of_another, a_family_shares_a_browser, a_desk_is_shared, a_lapsed_session_is_of_one);

/// Numbers that change with everything that a post could change.
async fn traces(app: &App) -> Vec<i64> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(vec![
            audit_events::table.count().get_result(conn)?,
            conversations::table.count().get_result(conn)?,
            messages::table.count().get_result(conn)?,
            patients::table.count().get_result(conn)?,
            sessions::table.count().get_result(conn)?,
            uploads::table.count().get_result(conn)?,
            users::table.count().get_result(conn)?,
        ])
    });
    read.await.unwrap()
}

struct World {
    owner: Actor,
    other: Actor,
    maria: Actor,
    paula: Actor,
    patient: String,
    conversation: String,
    message: String,
}

impl World {
    async fn of(app: &App) -> World {
        let (owner, other) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
        let maria = app.patient(Like::default()).await;
        let paula = Like { name: ("Paula", "Roy"), email: Some("paula@example.org".into()), ..Like::default() };
        let paula = app.patient(paula).await;
        let conversation = app.message(&owner, maria, true).await;
        app.message(&owner, paula, true).await;
        app.drain().await;
        let (maria_browser, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
        app.state.clock.advance(time::Duration::minutes(1));
        let (paula, _) = app.go_in(&app.link_to("paula@example.org"), "+16135550121").await;
        World {
            owner,
            other,
            maria: maria_browser,
            paula,
            patient: maria.to_string(),
            conversation: conversation.rsplit('/').next().unwrap().to_owned(),
            message: message.rsplit('/').next().unwrap().to_owned(),
        }
    }

    fn path(&self, route: &Route) -> String {
        route.filled(&[
            ("patient", &self.patient),
            ("conversation", &self.conversation),
            ("number", &self.message),
            ("item", "1"),
            ("scheduled", "1"),
            ("message", "1"),
            ("file", "1"),
            ("template", "1"),
            ("user", "1"),
            ("team", "1"),
            ("passkey", "1"),
            ("broadcast", "1"),
            ("view", "1"),
            ("caregiver", "1"),
            ("upload", "1"),
            ("token", "unknown"),
            ("kind", "message_waiting"),
            ("channel", "email"),
            ("language", "en"),
            ("name", "x"),
        ])
    }
}

/// Asserts that the answer refuses the post, says why and who is signed in, and shows nothing of a conversation.
fn refused(what: &str, answer: &Answer, name: &str) {
    assert_eq!(answer.status, 409, "{what}");
    assert_eq!(answer.headers["x-not-yours"], "1", "{what}");
    let page = answer.page();
    assert!(page.has_text("This page was made for somebody else"), "{what}: {}", page.text());
    assert!(page.has_text(&format!("{name} is signed in now")), "{what}: {}", page.text());
    assert!(!answer.body.contains("Your results"), "{what}");
}

async fn no_route_takes_the_page_of_another(app: App) {
    let world = World::of(&app).await;
    let typed = [("title", "My title"), ("body", "precious words"), ("password", "correct horse"), ("method", "none")];
    let doors = [
        (routes::clinic(), &world.owner, "User owner", world.other.whose("/").await),
        (routes::portal(), &world.maria, "María Mejía", world.paula.whose("/portal").await),
    ];
    let nobody = app.anyone().whose("/").await;
    let mut seen = 0;
    for (table, who, name, of_other) in doors {
        for route in table {
            let (path, what) = (world.path(&route), route.name());
            let before = traces(&app).await;
            if route.method == "GET" {
                refused(&what, &who.send("GET", &path, &[("x-whose", &of_other)], "").await, name);
                refused(&what, &who.get(&format!("{path}?whose={of_other}")).await, name);
                assert_eq!(traces(&app).await, before, "{what}");
                continue;
            }
            seen += 1;
            let open = FOR_NOBODY.contains(&route.path.as_str());
            for mark in [of_other.as_str(), nobody.as_str(), "", "x"] {
                if open && mark == nobody {
                    continue;
                }
                let answer = who.post(&path, &[&[("whose", mark)], &typed[..]].concat()).await;
                refused(&what, &answer, name);
                let page = answer.page();
                assert!(page.has_text("precious words") && page.has_text("My title"), "{what}: {}", page.text());
                assert!(!answer.body.contains("correct horse"), "{what} shows a password");
                let script = [("x-whose", mark), ("content-type", "application/x-www-form-urlencoded")];
                refused(&what, &who.send("POST", &path, &script, "body=precious").await, name);
                if !path.starts_with("/portal") {
                    let parts = [("x-whose", ""), ("content-type", "multipart/form-data; boundary=b")];
                    let part = |name: &str, more: &str, value: &str| {
                        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
                    };
                    let file = part("files", "; filename=\"a.txt\"", &"words ".repeat(20_000));
                    let body = part("whose", "", mark) + &part("body", "", "precious words") + &file + "--b--\r\n";
                    let answer = who.send("POST", &path, &parts, &body).await;
                    refused(&what, &answer, name);
                    assert!(answer.page().has_text("precious words") && answer.page().has_text("Choose them again"));
                }
            }
            assert_eq!(traces(&app).await, before, "{what}");
        }
    }
    assert!(seen > 40, "{seen} routes");
    for path in FOR_NOBODY {
        let table = if path.starts_with("/portal") { routes::portal() } else { routes::clinic() };
        let route = table.into_iter().find(|route| route.path == path && route.method == "POST").expect(path);
        let who = if path.starts_with("/portal") { &world.maria } else { &world.owner };
        let answer = who.post(&world.path(&route), &[("whose", &nobody), ("language", "fr")]).await;
        assert_ne!(answer.status, 409, "{path}");
    }
    // a post without a mark is refused too, in every kind of body
    let form = ("content-type", "application/x-www-form-urlencoded");
    for headers in [&[("x-whose", ""), form][..], &[("x-whose", ""), ("content-type", "text/plain")]] {
        assert_eq!(world.owner.send("POST", "/sign-out", headers, "a=b").await.status, 409);
    }
    assert_eq!(world.owner.get("/inbox").await.status, 200);
}

async fn a_family_shares_a_browser(app: App) {
    let world = World::of(&app).await;
    let browser = &world.maria;
    let (message, information) = (
        browser.get(&format!("/portal/messages/{}", world.message)).await.ok(),
        browser.get("/portal/information").await.ok(),
    );
    app.state.clock.advance(time::Duration::minutes(1));
    app.go_in_with(browser, &app.link_to("paula@example.org"), "+16135550121").await;
    let before = traces(&app).await;
    let sent = browser.submit(&message, "Send", &[("body", "only for María and her doctor")]).await;
    refused("a reply", &sent, "Paula Roy");
    assert!(sent.page().has_text("only for María and her doctor"), "{}", sent.page().text());
    refused("information", &browser.submit(&information, "Save", &[("method", "none")]).await, "Paula Roy");
    let everywhere = browser.submit(&information, "Log out everywhere", &[]).await;
    refused("all devices", &everywhere, "Paula Roy");
    refused("staying", &browser.submit(&message, "Give me more time", &[]).await, "Paula Roy");
    refused("leaving", &browser.submit(&message, "Logout", &[]).await, "Paula Roy");
    let marked = message.form_with("Send").value("whose").unwrap();
    let draft = format!("/portal/messages/{}/draft", world.message);
    let script =
        [("x-whose", &*marked), ("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
    refused("a draft", &browser.send("POST", &draft, &script, "body=only+for").await, "Paula Roy");
    assert_eq!(traces(&app).await, before);
    assert!(!browser.get("/portal/messages/1").await.ok().has_text("only for"));
    // her own page is unchanged, and she may log out by the page that refused
    browser.submit(&sent.page(), "Logout", &[]).await.redirect();
    assert_eq!(browser.get("/portal/messages").await.status, 303);
}

async fn a_desk_is_shared(app: App) {
    let world = World::of(&app).await;
    let (path, desk) = (format!("/conversations/{}", world.conversation), app.anyone());
    let signed_out = desk.get("/sign-in").await.ok();
    let old = world.other.get(&path).await.ok();
    let information = world.other.get(&format!("/patients/{}/information", world.patient)).await.ok();
    let before = traces(&app).await;
    for (page, button, field) in
        [(&old, "Send", ("body", "precious words")), (&information, "Save", ("email", "new@example.org"))]
    {
        let sent = world.owner.submit(page, button, &[field]).await;
        refused(button, &sent, "User owner");
        assert!(sent.page().has_text(field.1), "{}", sent.page().text());
    }
    // a sign-in page that was left open works for anyone who signs in there
    let wrong = world.owner.submit(&signed_out, "Sign in", &[("email", "a@example.org"), ("password", "x")]).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(traces(&app).await[1..], before[1..]);
    // its other forms do nothing for the user who is signed in
    refused("a language", &world.owner.submit(&signed_out, "Français", &[]).await, "User owner");
    // a user's own old page works after signing in again
    world.other.submit(&old, "Send", &[("body", "precious words")]).await.redirect();
}

async fn a_lapsed_session_is_of_one(app: App) {
    let world = World::of(&app).await;
    let path = format!("/portal/messages/{}", world.message);
    let (of_maria, of_paula) = (world.maria.get(&path).await.ok(), world.paula.get(&path).await.ok());
    app.state.clock.advance(time::Duration::hours(1));
    let before = traces(&app).await;
    let sent = world.maria.submit(&of_paula, "Send", &[("body", "words of Paula")]).await;
    assert_eq!(sent.status, 409);
    assert!(sent.page().has_text("Nobody is signed in now") && sent.page().has_text("words of Paula"));
    assert_eq!(traces(&app).await, before);
    let kept = world.maria.submit(&of_maria, "Send", &[("body", "words of María")]).await.redirect();
    assert!(kept.starts_with("/portal?") || kept == "/portal", "{kept}");
    app.go_in_with(&world.maria, &app.link_to("maria@example.org"), "+16135550121").await;
    let page = world.maria.get(&path).await.ok();
    assert_eq!(page.form_with("Send").value("body").unwrap(), "words of María");
}
