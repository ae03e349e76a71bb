//! A new message begins by choosing the patient.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(a_patient_is_chosen_to_be_written_to);

async fn a_patient_is_chosen_to_be_written_to(app: App) {
    let (staff, viewer) = (app.user(Role::Staff).await, app.user(Role::Viewer).await);
    let maria = app.patient(Like::default()).await;
    for number in 0..55 {
        let like = Like {
            name: ("Zoe", "Young"),
            email: Some(format!("z{number}@example.org")),
            phone: None,
            ..Like::default()
        };
        app.patient(like).await;
    }
    let write = format!("/patients/{maria}/messages/new");
    let inbox = staff.get("/inbox").await.ok();
    let page = staff.get(&inbox.link("New Message")).await.ok();
    assert!(page.title().starts_with("New message: choose the patient"), "{}", page.title());
    assert_eq!(page.text_of("h1"), "New message: choose the patient");
    assert!(page.attrs_of("a.item", "href").contains(&write), "{}", page.text());
    // also on the next page, and after a search
    let next = staff.get(&page.link("More")).await.ok();
    assert!(next.attrs_of("a.item", "href").iter().all(|to| to.ends_with("/messages/new")) && next.has("a.item"));
    let to = staff.submit(&page, "Search", &[("q", "Mej")]).await.redirect();
    assert!(to.contains("for=message") && !to.contains("Mej"), "{to}");
    let found = staff.get(&to).await.ok();
    assert_eq!(found.attrs_of("a.item", "href").join(" "), write);
    assert_eq!(found.text_of("h1"), "New message: choose the patient");
    assert!(staff.get(&write).await.ok().has("form#compose"));
    // who only reads has no such link, and the address is the list as ever
    assert!(!viewer.get("/inbox").await.ok().has("a[href^='/patients?for']"));
    let list = viewer.get("/patients?for=message").await.ok();
    assert_eq!(list.text_of("h1"), "Patients");
    assert!(list.attrs_of("a.item", "href").iter().all(|to| !to.contains("messages")));
    assert_eq!(staff.get("/patients?for=x").await.ok().text_of("h1"), "Patients");
}
