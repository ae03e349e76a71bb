//! What is typed to many is kept as typed: no closed page costs a list or a word.

use super::crowd;
use crate::on_both;
use crate::support::app::{Actor, App};
use postern::access::Role;

on_both!(
    it_is_offered_again_until_it_is_checked,
    an_older_window_writes_over_nothing,
    what_was_prepared_is_no_draft,
    it_is_handed_over,
);

const NEW: &str = "/broadcasts/new";

/// What the form holds: list, title, text and version.
async fn form(user: &Actor) -> [String; 4] {
    let form = user.get(NEW).await.ok().form_with("Check who gets it");
    ["recipients", "title", "body", "draft_version"].map(|name| form.value(name).unwrap().trim().replace("\r\n", "\n"))
}

/// Saves without script.
async fn saves(user: &Actor, fields: &[(&str, &str)]) {
    let page = user.get(NEW).await.ok();
    let said = user.submit(&page, "Save draft", fields).await.says();
    assert_eq!(said, ("/broadcasts".into(), "many-draft-saved".into()));
}

async fn it_is_offered_again_until_it_is_checked(app: App) {
    let (me, other) = (app.user(Role::Clinician).await, app.user(Role::Owner).await);
    crowd(&app, 2).await;
    assert_eq!(form(&me).await, ["", "", "", "0"]);
    saves(&me, &[("recipients", "H000001\nnobody"), ("title", "Flu {{x}}"), ("body", "Come **soon")]).await;
    assert_eq!(form(&me).await, ["H000001\nnobody", "Flu {{x}}", "Come **soon", "1"], "as typed");
    let page = me.get(NEW).await.ok();
    assert!(page.has_text("Your draft from") && page.has_text("was restored"), "{}", page.text());
    assert!(page.has("form[data-autosave='/broadcasts/draft']"));
    assert_eq!(form(&other).await, ["", "", "", "0"], "nobody else sees it");
    // what is refused keeps it
    assert_eq!(me.submit(&page, "Check who gets it", &[]).await.status, 422);
    assert_eq!(form(&me).await[3], "1");
    let kept = [("title", "Flu shots"), ("body", "Come soon")];
    me.submit(&page, "Check who gets it", &kept).await.redirect();
    assert_eq!(form(&me).await, ["", "", "", "2"]);
    // a late save of the same page brings nothing back
    assert_eq!(me.submit(&page, "Save draft", &kept).await.status, 409);
    assert_eq!(form(&me).await, ["", "", "", "2"]);
    // thrown away, and emptied
    saves(&me, &[("title", "Another")]).await;
    let page = me.get(NEW).await.ok();
    let said = me.submit(&page, "Discard draft", &[]).await.says();
    assert_eq!(said, ("/broadcasts".into(), "draft-discarded".into()));
    assert_eq!(form(&me).await, ["", "", "", "4"]);
    saves(&me, &[("recipients", "H000002")]).await;
    saves(&me, &[("recipients", "")]).await;
    assert_eq!(form(&me).await, ["", "", "", "6"]);
    assert!(!me.get(NEW).await.ok().has_text("Your draft from"));
}

async fn an_older_window_writes_over_nothing(app: App) {
    let me = app.user(Role::Owner).await;
    let (one, two) = (me.get(NEW).await.ok(), me.get(NEW).await.ok());
    me.submit(&one, "Save draft", &[("title", "The first window")]).await.redirect();
    assert_eq!(me.submit(&two, "Save draft", &[]).await.status, 409, "nor does an empty one");
    let refused = me.submit(&two, "Save draft", &[("title", "The second window")]).await;
    assert_eq!(refused.status, 409);
    let page = refused.page();
    assert!(page.has_text("Written elsewhere too"), "{}", page.text());
    assert_eq!(page.form_with("Save draft").value("title").as_deref(), Some("The second window"));
    assert_eq!(form(&me).await[1], "The first window");
    // who has read that saves it all the same
    me.submit(&page, "Save draft", &[]).await.redirect();
    assert_eq!(form(&me).await[1], "The second window");
    // a script is told by a status
    let by_script = [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
    for (version, status) in [("1", 409), ("2", 200)] {
        let body = format!("title=By+script&draft_version={version}&whose={}", me.whose(NEW).await);
        let answer = me.send("POST", "/broadcasts/draft", &by_script, &body).await;
        assert_eq!(answer.status, status, "{version}: {}", answer.body);
    }
    assert_eq!(form(&me).await[3], "3");
}

async fn what_was_prepared_is_no_draft(app: App) {
    let me = app.user(Role::Owner).await;
    let all = crowd(&app, 1).await;
    let prepared = app.broadcast(&me, &all).await;
    saves(&me, &[("title", "Something else")]).await;
    // opened to be changed it does not write over the draft, and is not mistaken for it
    let page = me.get(&format!("{NEW}?from={}", prepared.rsplit('/').next().unwrap())).await.ok();
    assert!(!page.has("[data-autosave]") && !page.has_text("Your draft from"), "{}", page.text());
    me.submit(&page, "Check who gets it", &[]).await.redirect();
    assert_eq!(form(&me).await[1], "Something else");
}

async fn it_is_handed_over(app: App) {
    let (owner, leaver) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    app.user(Role::Staff).await;
    saves(&leaver, &[("recipients", "H000001"), ("body", "Come soon")]).await;
    saves(&owner, &[("title", "Mine"), ("recipients", "H000002"), ("body", "My words")]).await;
    // they have something to hand over, and only who may write to many can take it
    assert_eq!(owner.post("/settings/users/2/deactivation", &[]).await.status, 422);
    owner.post("/settings/users/2/deactivation", &[("to", "1")]).await.redirect();
    let held = form(&owner).await;
    // nobody is on the list whom its writer did not put there
    assert_eq!(held, ["H000002", "Mine", "My words\n\nCome soon\n\n{{?}} H000001", "2"]);
    // nor does the other's list, which names patients, go to those of this one
    let page = owner.get(NEW).await.ok();
    let refused = owner.submit(&page, "Check who gets it", &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("A blank in double braces is none of those that fill themselves in"));
}
