//! From the chart to the patient and back, only over HTTP.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(from_the_chart_to_the_patient_and_back);

async fn from_the_chart_to_the_patient_and_back(app: App) {
    let clinician = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;

    let chart = clinician.get(&format!("/patients/{maria}")).await.ok();
    let new = clinician.get(&chart.link("Message Patient")).await.ok();
    assert!(new.has_text("link by email to m…@example.org, passcode by text to …21"), "{}", new.text());
    let sent = clinician.submit(&new, "Submit", &[("title", "Your results"), ("body", "All is **well**")]).await;
    let conversation = sent.redirect().split('?').next().unwrap().to_owned();
    assert!(clinician.get(&conversation).await.ok().has_text("Queued"));

    app.drain().await;
    assert!(clinician.get(&conversation).await.ok().has_text("Sent"));
    let mail = app.newest_to("maria@example.org");
    assert!(!mail.text.contains("results") && !mail.html.contains("well"));

    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let page = patient.get(&message).await.ok();
    assert_eq!(page.text_of("h1"), "Your results");
    assert_eq!(page.text_of(".prose strong"), "well");
    patient.submit(&page, "Send", &[("body", "Thank you! <b>M</b>")]).await.redirect();
    assert!(patient.get(&message).await.ok().has_text("Thank you! <b>M</b>"));

    let inbox = clinician.get("/inbox?filter=any").await.ok();
    assert_eq!(inbox.count("li.unread"), 1);
    let thread = clinician.get(&conversation).await.ok();
    assert!(thread.has_text("Thank you! <b>M</b>") && thread.has_text("read by patient"));
    assert_eq!(clinician.get("/inbox?filter=any").await.ok().count("li.unread"), 0);

    let ask = clinician.get(&thread.link("Close conversation")).await.ok();
    clinician.submit(&ask, "Close conversation", &[]).await.redirect();
    let closed = patient.get(&message).await.ok();
    assert!(closed.has_text("This conversation was closed"), "{}", closed.text());
    assert!(!closed.has("textarea"));
    let late = patient.submit(&page, "Send", &[("body", "One more thing")]).await;
    assert_eq!(late.status, 409);
    assert!(late.page().has_text("One more thing") && late.page().has_text("This conversation was closed"));

    let held =
        app.state.db.read(|conn| Ok::<_, postern::error::AppError>(postern::audit::verify(conn, None))).await.unwrap();
    assert!(held.unwrap().rows > 8);
}
