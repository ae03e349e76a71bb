//! A notice of what was done is shown once: not after a reload, not on another page, and it is not in an address.

use super::{files_below, project, read};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(a_notice_is_said_once);

async fn a_notice_is_said_once(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&owner, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let information = format!("/patients/{maria}/information");
    for (who, page, button, field) in [
        (&owner, conversation.as_str(), "Send", ("body", "More words")),
        (&owner, information.as_str(), "Save", ("given_name", "Maria")),
        (&owner, "/account/notifications", "Save", ("told", "hourly")),
        (&patient, message.as_str(), "Send", ("body", "Thank you")),
        (&patient, "/portal/information", "Save", ("language", "fr")),
    ] {
        let shown = who.get(page).await.ok();
        let (to, key) = who.submit(&shown, button, &[field]).await.says();
        assert!(!to.contains("notice") && !key.is_empty(), "{to} {key}");
        // a request for a part of a page does not use up the notice of the page
        let part = [("x-fragment", "1")];
        assert!(!who.send("GET", &to, &part, "").await.page().has(".flash"), "{to}");
        who.send("HEAD", &to, &[], "").await;
        assert!(who.get(&to).await.ok().has(".flash"), "{to} says nothing of {key}");
        for again in [to.clone(), format!("{}?notice={key}", to.split(['?', '#']).next().unwrap())] {
            assert!(!who.get(&again).await.ok().has(".flash"), "{again} says it twice");
        }
    }
    // the same for a notice after a script's request
    let page = owner.get(&format!("/patients/{maria}/messages/new")).await.ok();
    let mut form = page.form_with("Submit");
    form.set("title", "T").set("body", "B");
    let headers = [("x-fragment", "1"), ("content-type", "application/x-www-form-urlencoded")];
    let landed = owner.send("POST", &form.action, &headers, &form.urlencoded()).await;
    let to = landed.headers["x-location"].to_str().unwrap();
    assert!(!to.contains("notice") && landed.notice().is_some(), "{to}");
    assert!(owner.get(to).await.ok().has(".flash"));
}

#[test]
fn the_portals_title_is_the_clinics_name() {
    let folder = project("templates/portal");
    for file in files_below(&folder) {
        assert!(!read(&folder.join(&file)).contains("block title"), "{file} puts words into a browser's history");
    }
    assert!(
        read(&project("templates/layouts/portal.html"))
            .contains("<title>{{ shell.if_refused() }}{{ shell.clinic_name }}</title>")
    );
}

on_both!(a_browser_keeps_nothing);

/// Nothing of a portal page stays in a cache, in the titles of the history, in an address or in what a form remembers.
async fn a_browser_keeps_nothing(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let nobody = app.anyone();
    let waiting = nobody.get(&link).await.ok();
    nobody.submit(&waiting, "Send me my passcode", &[]).await.redirect();
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let clinic = staff.get("/settings/patient-portal").await.status;
    assert_eq!(clinic, 403, "only an owner sets");
    let own = [
        message.as_str(),
        "/portal/messages",
        "/portal/information",
        "/portal/information/views",
        "/portal/messages/9",
    ];
    let pages = own
        .map(|path| (&patient, path))
        .into_iter()
        .chain(["/portal", &link, "/portal/link/x"].map(|path| (&nobody, path)));
    let mut titles = std::collections::BTreeSet::new();
    for (who, path) in pages {
        let answer = who.get(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        let page = answer.page();
        titles.insert(page.title());
        assert!(!page.title().contains("results"), "{path}: {}", page.title());
        // a browser remembers what is typed into a field, unless the field forbids it
        for field in answer.body.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("textarea")) {
            let typed = !["hidden", "radio", "checkbox"].iter().any(|kind| field.contains(&format!("type=\"{kind}\"")));
            let forgets = field.contains("autocomplete=\"off\"") || field.contains("autocomplete=\"one-time-code\"");
            assert!(!typed || forgets, "{path}: <{field}");
        }
        let scripts = answer.body.split("<script").skip(1).filter(|script| !script.contains("src=\"/assets/"));
        assert_eq!(scripts.count(), 0, "{path}");
    }
    assert_eq!(titles.len(), 1, "{titles:?}");
    for file in files_below(&project("static/js")) {
        let code = read(&project("static/js").join(&file));
        for keeps in ["localStorage", "sessionStorage", "indexedDB", "serviceWorker", "caches.", "history.pushState"] {
            assert!(!code.contains(keeps), "{file}: {keeps}");
        }
    }
}
