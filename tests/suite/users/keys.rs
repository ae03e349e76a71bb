//! The keys of the clinic's pages: who has which, and that each user switches them off for themselves.

use super::{everybody, noted, speak};
use crate::invariants::{project, read};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use postern::http::keys::{Deed, KEYS, table};
use postern::text::Lang;

on_both!(each_user_switches_them_off, the_page_has_the_keys_that_its_reader_has);

async fn each_user_switches_them_off(app: App) {
    let (one, other) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    let (id, email) = (everybody(&app).await[0].id, everybody(&app).await[0].email.to_string());
    let elsewhere = app.anyone();
    elsewhere.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    for who in [&one, &elsewhere] {
        assert_eq!(who.get("/inbox").await.ok().attr("body", "data-keys").as_deref(), Some(table(true)));
    }
    let page = one.get("/account").await.ok();
    let says = one.submit(&page, "Turn them off", &[]).await.says();
    assert_eq!(says, ("/account".to_owned(), "keys-off".to_owned()));
    for path in ["/inbox", "/patients", "/account", "/keys"] {
        assert!(!one.get(path).await.ok().has("[data-keys]"), "{path}");
    }
    // in every browser of theirs, and in nobody else's
    assert!(!elsewhere.get("/inbox").await.ok().has("[data-keys]"));
    assert_eq!(other.get("/inbox").await.ok().attr("body", "data-keys").as_deref(), Some(table(false)));
    assert!(one.get("/keys").await.ok().has_text("Keyboard shortcuts are off"));
    assert_eq!(noted(&app, id, "user_changed").await, [Some("keys".to_owned())]);
    // a second press of the same button says the same
    assert_eq!(one.submit(&page, "Turn them off", &[]).await.says().1, "keys-off");
    assert_eq!(one.post("/account/keys", &[("keys", "perhaps")]).await.status, 400);
    let page = one.get("/account").await.ok();
    assert_eq!(one.submit(&page, "Turn them on", &[]).await.says().1, "keys-on");
    assert!(one.get("/inbox").await.ok().has("body[data-keys]"));
    // nobody has keys before signing in
    assert!(!app.anyone().get("/sign-in").await.ok().has("[data-keys]"));
    let maria = app.patient(Like::default()).await;
    app.message(&one, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert!(!patient.get(&message).await.ok().has("[data-keys]"));
}

async fn the_page_has_the_keys_that_its_reader_has(app: App) {
    let (staff, viewer) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    for code in ["en", "fr"] {
        speak(&app, code).await;
        let lang = Lang::or_english(code);
        for (who, writes) in [(&staff, true), (&viewer, false)] {
            let page = who.get("/keys").await.ok();
            assert_eq!(page.count("dl.keys > div"), if writes { KEYS.len() } else { 7 }, "{}", page.text());
            for key in &KEYS {
                let words = lang.t_of("key-does", key.deed.as_str()).replace('\u{a0}', " ");
                let has = table(writes).contains(&format!("={}", key.deed.as_str())) || key.deed == Deed::Open;
                assert_eq!(page.texts_of(".keys dd").contains(&words), has, "{words}");
            }
            assert!(page.texts_of("kbd .sr").contains(&lang.t("key-question-mark").to_owned()), "a sign has a name");
            let shown = page.texts_of(".keys dt");
            let then = lang.t("keys-then");
            assert!(
                shown.contains(&format!("g {then} i")) && shown.contains(&lang.t("key-enter").to_owned()),
                "{shown:?}"
            );
        }
    }
    // the dialog can be closed; a page has nothing to close
    let part = staff.send("GET", "/keys", &[("x-fragment", "1")], "").await.ok();
    assert!(part.has("button[data-close][autofocus]") && !part.has("body[data-keys]"));
    assert!(!staff.get("/keys").await.ok().has("[data-close]"));
    assert_eq!(staff.get("/account").await.ok().attr("[aria-labelledby=own-keys] a", "href").as_deref(), Some("/keys"));
}

/// The script has a function for all that the table says, and finds the places in the pages that it presses.
#[test]
fn the_script_can_do_what_the_table_says() {
    let script = read(&project("static/js/keys.js"));
    let deeds = script.split("const deeds = {").nth(1).unwrap().split("\n  }\n").next().unwrap();
    for deed in Deed::ALL.iter().map(|deed| deed.as_str()).filter(|deed| !["open", "send"].contains(deed)) {
        let is_there = |line: &str| line.trim().split([':', ',', '(']).next() == Some(deed);
        assert!(deeds.lines().any(is_there), "{deed} in {deeds}");
    }
    for (does, file) in [
        ("done", "conversations/inbox"),
        ("done", "conversations/side"),
        ("assign", "conversations/assigned"),
        ("send", "conversations/write"),
        ("send", "composing/new_message"),
    ] {
        assert!(script.contains(&format!("[data-does={does}]")), "{does}");
        let template = read(&project(&format!("templates/clinic/{file}.html")));
        assert_eq!(template.matches(&format!("data-does=\"{does}\"")).count(), 1, "{file}");
    }
}
