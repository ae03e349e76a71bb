//! What the clinic sets is set in one place.

use crate::on_both;
use crate::support::app::App;
use postern::access::Role;

on_both!(the_words_for_emergencies_are_edited_in_one_place);

async fn the_words_for_emergencies_are_edited_in_one_place(app: App) {
    let owner = app.user(Role::Owner).await;
    let mut there = 0;
    for path in
        ["clinic", "patient-portal", "hours", "reach", "records", "sign-in", "gateways", "notification-templates"]
    {
        there += owner.get(&format!("/settings/{path}")).await.ok().count("[name=emergency_text]");
    }
    assert_eq!(there, 1);
    let clinic = owner.get("/settings/clinic").await.ok();
    owner.submit(&clinic, "Save", &[("emergency_text", "Call 911 instead")]).await.redirect();
    let portal = owner.get("/settings/patient-portal").await.ok();
    let way = portal.link("The “Not for emergencies” text is with the clinic’s name and phone");
    assert_eq!(way, "/settings/clinic#emergency_text");
    // the page that had them once does not touch them
    owner.submit(&portal, "Save", &[("closing_text", "Phone us")]).await.redirect();
    let clinic = owner.get("/settings/clinic").await.ok();
    assert_eq!(clinic.form_with("Save").value("emergency_text").as_deref(), Some("Call 911 instead"));
}
