//! The last step of a plan: a letter for an envelope with a window, which says that a message waits.

use crate::chart::document::poppler;
use crate::files::samples;
use crate::files::uploads::{id_in, upload};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::{Like, PASSWORD};
use diesel::prelude::*;
use futures_util::future::join;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{audit_events, conversations as c, letters, plan_steps, users};
use postern::error::AppError;
use time::Duration;

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";
const ADDRESS: [(&str, &str); 5] = [
    ("street", "Apt 4\n12 Elm Street"),
    ("city", "Ottawa"),
    ("region", "ON"),
    ("postal_code", "k1a0b1"),
    ("country", ""),
];

on_both!(
    a_letter_is_asked_for_and_printed,
    the_first_opening_ends_the_letter,
    opening_and_printing_at_one_moment,
    whoever_was_told_gets_no_letter,
    whoever_is_archived_gets_no_letter,
    a_letter_goes_only_where_the_user_has_seen,
    whoever_looks_leaves_a_trace,
    a_letter_promises_no_code_that_cannot_come,
    the_address_is_entered_mended_and_taken_away,
    a_letter_holds_the_whole_message_where_the_clinic_says_so,
    what_is_for_the_patient_alone_is_in_no_letter,
);

/// A clinic that phones and writes letters after these days, and a message to a patient.
async fn asked(app: &App, days: [&str; 2], like: Like) -> (Actor, String, PatientId) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", days[0]), ("letter_days", days[1])]).await.redirect();
    let patient = app.patient(like).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    (owner, conversation, patient)
}

async fn after(app: &App, user: &Actor, span: Duration) {
    app.state.clock.advance(span);
    app.drain().await;
    let read = app.state.db.read(|conn| -> Result<String, AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    let email = read.await.unwrap();
    user.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
}

/// The state of the newest step of this kind, and what the newest conversation needs attention for.
async fn stands(app: &App, kind: &'static str) -> (String, Option<String>) {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let steps = plan_steps::table.filter(plan_steps::step.eq(kind)).order(plan_steps::id.desc());
        let attention = c::table.order(c::id.desc()).select(c::attention.nullable());
        Ok((steps.select(plan_steps::state).first(conn)?, attention.first(conn)?))
    });
    read.await.unwrap()
}

async fn printed(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, AppError> { Ok(letters::table.count().get_result(conn)?) });
    read.await.unwrap()
}

async fn a_letter_is_asked_for_and_printed(app: App) {
    let (owner, conversation, patient) = asked(&app, ["0", "5"], Like { language: "fr", ..Like::default() }).await;
    assert!(owner.get(&conversation).await.ok().has_text("Letter: planned for 9 March 2026"));
    after(&app, &owner, Duration::days(5)).await;
    assert_eq!(stands(&app, "letter").await, ("to_do".into(), Some("letter".into())));
    let inbox = owner.get("/inbox").await.ok();
    assert_eq!(inbox.texts_of(".tags .tag.warn"), ["Letter to print"], "{}", inbox.text());
    let page = owner.get(&conversation).await.ok();
    assert!(page.has_text("Letter: to do, 9 March 2026"), "{}", page.text());
    // there is no address yet, and the page leads to it and back
    let path = format!("{conversation}/letter");
    let page = owner.get(&path).await.ok();
    assert!(
        page.has_text("There is no postal address on record") && !page.has("form[action$='/letter']"),
        "{}",
        page.text()
    );
    assert_eq!(owner.post(&path, &[("step", "1"), ("key", "x")]).await.status, 409, "another step");
    let to = page.links().into_iter().find(|link| link.href.contains("postal-address")).unwrap().href;
    let page = owner.get(&to).await.ok();
    let back = owner.submit(&page, "Save", &ADDRESS).await.says();
    assert_eq!(back, (path.clone(), "information-saved".to_owned()));
    let page = owner.get(&path).await.ok();
    assert!(page.text_of("address").contains("Apt 4") && page.has_text("Ottawa ON K1A 0B1"), "{}", page.text());
    // a double click makes one letter
    let (one, two) =
        join(owner.submit(&page, "Make the letter", &[]), owner.submit(&page, "Make the letter", &[])).await;
    assert_eq!((one.status, two.status, printed(&app).await), (303, 303, 1));
    assert_eq!(stands(&app, "letter").await, ("printed".into(), None));
    let shown = owner.get(&conversation).await.ok();
    assert!(
        shown.has_text("Letter: printed, 9 March 2026") && shown.has_text("User owner: letter printed"),
        "{}",
        shown.text()
    );
    // the letter: in the patient's language, with the address as printed, and no word of the message
    let late = [("street", "1 Oak"), ("city", "Hull"), ("region", "QC"), ("postal_code", "J8X 3X7"), ("country", "")];
    owner.post(&format!("/patients/{patient}/postal-address"), &late).await.redirect();
    let page = owner.get(&path).await.ok();
    let link = page.links().into_iter().find(|link| link.href.contains("/letters/")).unwrap().href;
    let answer = owner.get(&link).await;
    assert_eq!(answer.headers.get("content-type").unwrap(), "application/pdf");
    assert_eq!(owner.get(&link.replace(&conversation, "/conversations/999")).await.status, 404);
    let pdf = owner.http.get(format!("{}{link}", app.origin)).send().await.unwrap().bytes().await.unwrap();
    let words = poppler("pdftotext", &["-raw"], &pdf);
    assert!(poppler("pdfinfo", &[], &pdf).contains("Pages:           1"));
    for line in ["María Mejía", "Apt 4", "12 Elm Street", "K1A 0B1", "Un message vous attend", "9 mars 2026", "/portal"]
    {
        assert!(words.contains(line), "{line}: {words}");
    }
    for secret in ["Your results", "All is well", "Oak", "1951", "943", "@"] {
        assert!(!words.contains(secret), "{secret}: {words}");
    }
    let viewer = app.user(Role::Viewer).await;
    assert_eq!((viewer.get(&path).await.status, viewer.get(&link).await.status), (403, 403));
}

async fn the_first_opening_ends_the_letter(app: App) {
    let (owner, conversation, patient) = asked(&app, ["0", "5"], Like::default()).await;
    owner.post(&format!("/patients/{patient}/postal-address"), &ADDRESS).await.redirect();
    after(&app, &owner, Duration::days(5)).await;
    let early = owner.get(&format!("{conversation}/letter")).await.ok();
    let (reader, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    reader.get(&message).await.ok();
    assert_eq!(stands(&app, "letter").await, ("opened".into(), None));
    let answer = owner.submit(&early, "Make the letter", &[]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("No letter is needed any more"), "{}", answer.page().text());
    assert_eq!(printed(&app).await, 0);
}

/// Whoever comes first, the page tells the truth: a letter is there, or the message was opened first.
async fn opening_and_printing_at_one_moment(app: App) {
    let (owner, first, maria) = asked(&app, ["0", "5"], Like::default()).await;
    owner.post(&format!("/patients/{maria}/postal-address"), &ADDRESS).await.redirect();
    let (reader, path) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    reader.get(&path).await.ok();
    assert!(owner.get(&first).await.ok().has_text("Letter: not needed, opened"));
    let mut made = 0;
    for round in 2..8 {
        let conversation = app.message(&owner, maria, true).await;
        let page = owner.get(&format!("{conversation}/letter")).await.ok();
        let path = format!("/portal/messages/{round}");
        let (answer, opened) = join(owner.submit(&page, "Make the letter", &[]), reader.get(&path)).await;
        opened.ok();
        made += i64::from(answer.status == 303);
        let state = if answer.status == 303 { "printed" } else { "opened" };
        assert_eq!(stands(&app, "letter").await, (state.into(), None), "round {round}: {}", answer.status);
        assert_eq!(printed(&app).await, made, "round {round}");
    }
}

async fn whoever_was_told_gets_no_letter(app: App) {
    let (owner, conversation, patient) = asked(&app, ["3", "3"], Like::default()).await;
    // the letter has a day after the call
    assert!(owner.get(&conversation).await.ok().has_text("Letter: planned for 8 March 2026"));
    after(&app, &owner, Duration::days(3)).await;
    let call = async |fields: &[(&str, &str)]| {
        let page = owner.get(&format!("{conversation}/call")).await.ok();
        owner.submit(&page, "Save the call", fields).await.redirect();
    };
    call(&[("outcome", "no_answer"), ("pause", "72")]).await;
    after(&app, &owner, Duration::days(1)).await;
    assert_eq!(stands(&app, "letter").await, ("to_do".into(), Some("letter".into())));
    after(&app, &owner, Duration::days(2)).await;
    assert_eq!(stands(&app, "phone").await, ("to_do".into(), Some("letter".into())), "both are to do");
    call(&[("outcome", "voicemail"), ("pause", "24")]).await;
    assert_eq!(stands(&app, "letter").await, ("to_do".into(), Some("letter".into())), "the letter is still asked for");
    after(&app, &owner, Duration::days(1)).await;
    call(&[("outcome", "reached")]).await;
    assert_eq!(stands(&app, "letter").await, ("told".into(), None));
    assert_eq!(stands(&app, "phone").await, ("told".into(), None));
    assert_eq!(owner.get(&format!("/patients/{patient}")).await.status, 200);
}

async fn whoever_is_archived_gets_no_letter(app: App) {
    let (owner, _, patient) = asked(&app, ["0", "5"], Like::default()).await;
    after(&app, &owner, Duration::days(5)).await;
    assert_eq!(stands(&app, "letter").await, ("to_do".into(), Some("letter".into())));
    owner.post(&format!("/patients/{patient}/archiving"), &[("reason", "deceased")]).await.redirect();
    assert_eq!(stands(&app, "letter").await, ("skipped".into(), None));
    assert!(!owner.get("/inbox").await.ok().has_text("Letter to print"));
}

async fn a_letter_goes_only_where_the_user_has_seen(app: App) {
    let (owner, conversation, patient) = asked(&app, ["0", "5"], Like::default()).await;
    owner.post(&format!("/patients/{patient}/postal-address"), &ADDRESS).await.redirect();
    let page = owner.get(&format!("{conversation}/letter")).await.ok();
    let late = [("street", "1 Oak"), ("city", "Hull"), ("region", "QC"), ("postal_code", "J8X 3X7"), ("country", "")];
    owner.post(&format!("/patients/{patient}/postal-address"), &late).await.redirect();
    let answer = owner.submit(&page, "Make the letter", &[]).await;
    assert_eq!((answer.status, printed(&app).await), (409, 0));
    let page = answer.page();
    assert!(page.has_text("The name or the address has changed") && page.has_text("1 Oak"), "{}", page.text());
    owner.submit(&page, "Make the letter", &[]).await.redirect();
    let page = owner.get(&format!("{conversation}/letter")).await.ok();
    assert!(page.has_text("María Mejía, 1 Oak, Hull QC J8X 3X7"), "{}", page.text());
}

async fn whoever_looks_leaves_a_trace(app: App) {
    let (owner, conversation, patient) = asked(&app, ["3", "5"], Like::default()).await;
    for path in [
        format!("/patients/{patient}/postal-address"),
        format!("{conversation}/call"),
        format!("{conversation}/letter"),
    ] {
        owner.get(&path).await.ok();
    }
    let read = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        let viewed = audit_events::table.filter(audit_events::action.eq("chart_viewed")).order(audit_events::id.desc());
        Ok(viewed.limit(3).select(audit_events::detail).load(conn)?)
    });
    assert_eq!(read.await.unwrap(), ["letter", "call", "postal_address"].map(|word| Some(word.to_owned())));
}

async fn a_letter_promises_no_code_that_cannot_come(app: App) {
    let (owner, first, patient) = asked(&app, ["0", "5"], Like::default()).await;
    let second = app.message(&owner, patient, true).await;
    owner.post(&format!("/patients/{patient}/postal-address"), &ADDRESS).await.redirect();
    let (page, late) =
        (owner.get(&format!("{first}/letter")).await.ok(), owner.get(&format!("{second}/letter")).await.ok());
    owner.submit(&page, "Make the letter", &[]).await.redirect();
    let information = owner.get(&format!("/patients/{patient}/information")).await.ok();
    owner.submit(&information, "Save", &[("portal_access", "off")]).await.redirect();
    assert_eq!((owner.submit(&late, "Make the letter", &[]).await.status, printed(&app).await), (409, 1));
    let page = owner.get(&format!("{first}/letter")).await.ok();
    let link = page.links().into_iter().find(|link| link.href.contains("/letters/")).unwrap().href;
    let pdf = owner.http.get(format!("{}{link}", app.origin)).send().await.unwrap().bytes().await.unwrap();
    let words = poppler("pdftotext", &["-raw"], &pdf);
    assert!(words.contains("To read it, call us") && !words.contains("/portal"), "{words}");
}

async fn the_address_is_entered_mended_and_taken_away(app: App) {
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let path = format!("/patients/{patient}/postal-address");
    let page = owner.get(&path).await.ok();
    let wrong = [("street", "one\ntwo\nthree\nfour"), ("city", ""), ("postal_code", "k1a0b1")];
    let answer = owner.submit(&page, "Save", &wrong).await;
    assert_eq!(answer.status, 422);
    let shown = answer.page();
    assert!(shown.has_text("Enter up to three lines") && shown.has_text("Enter the city"), "{}", shown.text());
    assert_eq!(shown.form_with("Save").value("street").unwrap().replace("\r\n", "\n").trim(), "one\ntwo\nthree\nfour");
    // what would not show through the window is not cut off
    let wide = format!("{}\n", "WWWW ".repeat(11)).repeat(3);
    let wide = [("street", &*wide), ("city", "Ottawa"), ("postal_code", "k1a0b1"), ("country", "Canada")];
    let answer = owner.submit(&page, "Save", &wide).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("longer than the window of an envelope"), "{}", answer.page().text());
    owner.submit(&page, "Save", &ADDRESS).await.redirect();
    let chart = owner.get(&format!("/patients/{patient}")).await.ok();
    assert!(chart.has_text("12 Elm Street") && chart.has_text("Ottawa ON K1A 0B1"), "{}", chart.text());
    // a record that is merged brings its address along
    let other = app.patient(Like { email: Some("other@example.org".into()), ..Like::default() }).await;
    let theirs = format!("/patients/{other}");
    assert!(!owner.get(&theirs).await.ok().has_text("12 Elm Street"));
    let page = owner.get(&format!("{theirs}/merging?with={patient}")).await.ok();
    owner.submit(&page, "Merge the charts", &[]).await.redirect();
    assert!(owner.get(&theirs).await.ok().has_text("12 Elm Street"));
    let path = format!("{theirs}/postal-address");
    let empty = [("street", ""), ("city", ""), ("region", ""), ("postal_code", ""), ("country", "")];
    owner.submit(&owner.get(&path).await.ok(), "Save", &empty).await.redirect();
    assert!(!owner.get(&theirs).await.ok().has_text("12 Elm Street"));
}

async fn a_letter_holds_the_whole_message_where_the_clinic_says_so(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("letter_days", "5")]).await.redirect();
    let patient = app.patient(Like { language: "fr", ..Like::default() }).await;
    owner.post(&format!("/patients/{patient}/postal-address"), &ADDRESS).await.redirect();
    let file = id_in(&upload(&owner, patient, "Plan é.pdf", samples::pdf()).await);
    let body = "# Dose\n\nTake ~~2~~ **3** a day.";
    let fields = [("title", "Dose & <plan>"), ("body", body), ("key", "0123456789abcdef-whole"), ("upload", &*file)];
    let to = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap().to_owned();
    let note = [("body", "for us alone"), ("key", "0123456789abcdef-note"), ("draft_version", "0")];
    owner.post(&format!("{conversation}/notes"), &note).await.redirect();
    let path = format!("{conversation}/letter");
    let early = owner.get(&path).await.ok();
    assert!(early.has_text("The letter says that a message waits"), "{}", early.text());
    let settings = owner.get("/settings/reach").await.ok();
    assert_eq!(settings.form_with("Save").value("letter_holds").as_deref(), Some("notice"));
    owner.submit(&settings, "Save", &[("letter_holds", "whole")]).await.redirect();
    // nobody sends the whole message from a page that spoke of a notice
    let answer = owner.submit(&early, "Make the letter", &[]).await;
    assert_eq!((answer.status, printed(&app).await), (409, 0));
    let page = answer.page();
    assert!(page.has_text("has changed what its letters hold"), "{}", page.text());
    assert!(page.has_text("The letter holds the whole message"), "{}", page.text());
    owner.submit(&page, "Make the letter", &[]).await.redirect();
    // what was printed stays as it was
    owner.post("/settings/reach", &[("letter_holds", "notice")]).await.redirect();
    let page = owner.get(&path).await.ok();
    let link = page.links().into_iter().find(|link| link.href.contains("/letters/")).unwrap().href;
    let pdf = owner.http.get(format!("{}{link}", app.origin)).send().await.unwrap().bytes().await.unwrap();
    let words = poppler("pdftotext", &["-raw"], &pdf).replace('\u{a0}', " ");
    for line in [
        "María Mejía",
        "12 Elm Street",
        "Un message pour vous",
        "Dose & <plan>",
        "[biffé : 2] 3 a day.",
        "Plan é.pdf",
        "/portal",
        "Si vous avez une question",
    ] {
        assert!(words.contains(line), "{line}: {words}");
    }
    for other in ["for us alone", "ne dit rien", "User owner", "943"] {
        assert!(!words.contains(other), "{other}: {words}");
    }
    // a message that was taken back is in no letter any more
    let shown = owner.get(&conversation).await.ok();
    let message = shown.attrs_of(".msg.mine", "id").into_iter().next().unwrap().replace("message-", "");
    let page = owner.get(&format!("{conversation}/messages/{message}/recall")).await.ok();
    owner.submit(&page, "Take back", &[]).await.redirect();
    let gone = owner.get(&link).await;
    assert_eq!(gone.status, 410);
    assert!(gone.page().has_text("was taken back since") && !gone.body.contains("3 a day"), "{}", gone.page().text());
}

async fn what_is_for_the_patient_alone_is_in_no_letter(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("letter_days", "5"), ("letter_holds", "whole")]).await.redirect();
    let patient = app.patient(Like::default()).await;
    owner.post(&format!("/patients/{patient}/postal-address"), &ADDRESS).await.redirect();
    for (only_patient, says) in
        [("", "The letter holds the whole message"), ("on", "The letter says that a message waits")]
    {
        let page = owner.get(&format!("/patients/{patient}/messages/new")).await.ok();
        let mut fields = vec![("title", "Dose"), ("body", "Take 3 a day")];
        fields.extend(Some(("only_patient", only_patient)).filter(|_| !only_patient.is_empty()));
        let to = owner.submit(&page, "Submit", &fields).await.redirect();
        let page = owner.get(&format!("{}/letter", to.split('?').next().unwrap())).await.ok();
        assert!(page.has_text(says), "{}", page.text());
    }
}
