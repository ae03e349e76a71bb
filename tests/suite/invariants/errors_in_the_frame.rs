//! An error page of a signed-in user has the head, the menu and the ways on of every other page, in their language. Where
//! nobody is signed in, and in the portal, it has nothing of the clinic.

use crate::on_both;
use crate::support::app::{Answer, App};
use crate::support::html::Page;
use crate::support::world::Like;
use diesel::RunQueryDsl;
use postern::access::Role;
use postern::error::AppError;

on_both!(errors_of_a_user_stand_in_the_frame, a_fault_of_ours_asks_the_database_for_nothing, nobody_sees_the_frame);

/// The page of an error in the frame.
fn framed(answer: &Answer, status: u16, heading: &str) -> Page {
    assert_eq!(answer.status, status, "{}", answer.body);
    let page = answer.page();
    assert_eq!(page.text_of("h1"), heading);
    assert_eq!((page.count("header nav"), page.count("details.me"), page.count("main")), (1, 1, 1), "{heading}");
    assert!(answer.headers.contains_key("content-security-policy"), "{heading}");
    page
}

async fn errors_of_a_user_stand_in_the_frame(app: App) {
    let (owner, viewer) = (app.user(Role::Owner).await, app.user(Role::Viewer).await);
    let inbox = owner.get("/inbox").await.ok().title();
    let clinic = inbox.rsplit(" - ").next().unwrap().to_owned();

    let missing = framed(&owner.get("/patients/999999").await, 404, "This page is not there");
    assert_eq!(missing.title(), format!("This page is not there - {clinic}"));
    assert_eq!(missing.link("Find a patient"), "/patients");
    assert_eq!(missing.link("Go to the inbox"), "/inbox");
    assert!(!missing.links().iter().any(|link| link.text == "Try again"), "it would not be there then either");
    let nothing = framed(&owner.get("/nothing").await, 404, "This page is not there");
    assert!(!nothing.links().iter().any(|link| link.text == "Find a patient"));

    let refused = framed(&viewer.get("/settings/clinic").await, 403, "Your role does not include this");
    assert!(refused.has_text("Ask an owner of the clinic"), "{}", refused.text());
    assert!(refused.text_of(".me").contains("Viewer"), "{}", refused.text_of(".me"));

    // the answer to a form: its address is no page to come back to
    let wrong =
        framed(&owner.post("/account/keys", &[("keys", "perhaps")]).await, 400, "This request could not be read");
    assert_eq!(wrong.form_with("Français").value("back").as_deref(), Some(""));
    assert_eq!(owner.submit(&wrong, "Français", &[]).await.redirect(), "/inbox");
    let french = framed(&owner.get("/patients/999999").await, 404, "Cette page n’existe pas");
    assert_eq!(french.link("Trouver un patient"), "/patients");
    // a part of a page is no page
    let part = owner.send("GET", "/patients/999999", &[("x-fragment", "1")], "").await;
    assert!(part.status == 404 && !part.page().has("header"), "{}", part.body);
}

async fn a_fault_of_ours_asks_the_database_for_nothing(app: App) {
    let owner = app.user(Role::Owner).await;
    let (path, title) = ("/settings/message-templates", "Something went wrong on our side");
    owner.get(path).await.ok();
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        Ok(diesel::sql_query("ALTER TABLE message_templates RENAME TO gone").execute(tx.conn())?)
    });
    write.await.unwrap();
    let answer = owner.get(path).await;
    let page = framed(&answer, 500, title);
    // the clinic's name is read for every other page, and its table is there
    assert_eq!(page.title(), format!("{title} - Postern"));
    assert_eq!(page.link("Try again"), path);
    assert!(page.text_of(".me").contains("User owner"), "{}", page.text_of(".me"));
    assert!(page.has_text(answer.headers["x-request-id"].to_str().unwrap()), "{}", page.text());
    assert!(owner.get("/inbox").await.ok().has("details.me"));
}

async fn nobody_sees_the_frame(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    for (who, path) in
        [(&app.anyone(), "/nothing"), (&app.anyone(), "/portal/link/unknown"), (&patient, "/portal/messages/9")]
    {
        let answer = who.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        let page = answer.page();
        assert!(!page.has("details.me") && !page.has("header nav a[href='/patients']"), "{path}");
    }
}
