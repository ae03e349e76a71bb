//! The word that is chosen with a patient: whole in notifications, its first letter on the page behind the link.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use postern::patients::Method;

on_both!(the_word_is_whole_in_notifications_alone, only_a_word_is_taken, off_it_is_nowhere);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";

async fn switch(owner: &Actor, shown: &str) {
    let page = owner.get("/settings/own-word").await.ok();
    owner.submit(&page, "Save", &[("shown", shown)]).await.redirect();
}

/// An owner who has switched words on, and the chart of a patient with this word.
async fn chosen(app: &App, word: &str) -> (Actor, String) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like { method: Method::Both, ..Like::default() }).await;
    let chart = format!("/patients/{maria}");
    assert!(!owner.get(&chart).await.ok().has_text("Word in notifications"), "no chart asks for one");
    switch(&owner, "on").await;
    let page = owner.get(&owner.get(&chart).await.ok().link("Change the word")).await.ok();
    owner.submit(&page, "Save", &[("word", word)]).await.redirect();
    app.message(&owner, maria, true).await;
    app.drain().await;
    (owner, chart)
}

async fn the_word_is_whole_in_notifications_alone(app: App) {
    let (owner, chart) = chosen(&app, " Marigold ").await;
    let page = owner.get(&chart).await.ok();
    assert!(page.has_text("Chosen") && !page.has_text("Marigold"), "a chart that is open says it to nobody");
    for to in [EMAIL, PHONE] {
        let notice = app.newest_to(to);
        assert!(notice.text.contains("Your word is Marigold."), "{}", notice.text);
        assert!(to == PHONE || notice.html.contains("Your word is Marigold."), "{}", notice.html);
    }
    let (who, link) = (app.anyone(), app.link_to(EMAIL));
    let page = who.get(&link).await;
    assert!(page.page().has_text("Your word begins with M.") && !page.body.contains("Marigold"), "{}", page.body);
    who.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    assert!(app.newest_to(PHONE).text.contains("Your word is Marigold."), "in a passcode's text too");
    assert!(!who.get(&link).await.body.contains("Marigold"));
    // who says who they are without a link is told nothing of it
    let home = who.get("/portal").await.ok();
    let claim = [("number", "943 476 5919"), ("contact", EMAIL)];
    let to = who.submit(&home, "Send me my passcode", &claim).await.redirect();
    assert!(!who.get(&to).await.ok().has_text("Your word"));
    assert!(who.get("/portal/real").await.ok().has_text("Your word, if you chose one with the clinic."));
    // logged in, the patient reads it
    app.state.clock.advance(time::Duration::minutes(1));
    let (patient, _) = app.go_in(&link, PHONE).await;
    let page = patient.get("/portal/information").await.ok();
    assert!(page.has_text("Your word in our notifications Marigold"), "{}", page.text());
}

async fn only_a_word_is_taken(app: App) {
    let (owner, chart) = chosen(&app, "Marigold").await;
    let path = format!("{chart}/own-word");
    for wrong in ["two words", "ab", "abc1", "www.example.org", "{link}"] {
        let page = owner.get(&path).await.ok();
        let answer = owner.submit(&page, "Save", &[("word", wrong)]).await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert_eq!(answer.page().form_with("Save").value("word").as_deref(), Some(wrong), "what was typed stays");
    }
    assert_eq!(owner.get(&path).await.ok().form_with("Save").value("word").as_deref(), Some("Marigold"));
    // users who only read cannot see it
    assert_eq!(app.user(Role::Viewer).await.get(&path).await.status, 403);
    // an empty field takes it away
    let page = owner.get(&path).await.ok();
    owner.submit(&page, "Save", &[("word", "")]).await.redirect();
    assert!(!owner.get(&chart).await.ok().has_text("Chosen"));
    assert_eq!(owner.get(&path).await.ok().form_with("Save").value("word").as_deref(), Some(""));
}

async fn off_it_is_nowhere(app: App) {
    let (owner, chart) = chosen(&app, "Marigold").await;
    switch(&owner, "off").await;
    let page = owner.get(&format!("{chart}/messages/new")).await.ok();
    owner.submit(&page, "Submit", &[("title", "Again"), ("body", "x")]).await.redirect();
    app.drain().await;
    for to in [EMAIL, PHONE] {
        assert!(!app.newest_to(to).text.contains("Your word"), "{}", app.newest_to(to).text);
    }
    let link = app.link_to(EMAIL);
    assert!(!app.anyone().get(&link).await.ok().has_text("Your word"));
    assert!(!app.anyone().get("/portal/real").await.ok().has_text("Your word"));
    let (patient, _) = app.go_in(&link, PHONE).await;
    assert!(!patient.get("/portal/information").await.ok().has_text("Your word"));
    assert!(!owner.get(&chart).await.ok().has_text("Word in notifications"));
}
