//! What caregivers and the patient have apart: no route leads a caregiver to what is not theirs, neither uses up what the other has,
//! and a merge that is undone takes each back to whom they read for.

use super::caregivers::{ANA, ANAS_PHONE, KEY, MARIA, MARIAS_PHONE, alone, alone_title, ana, ana_in};
use crate::files::samples;
use crate::files::uploads::{id_in, upload};
use crate::invariants::routes;
use crate::on_both;
use crate::support::app::{Actor, App, start_of_time};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{answers, audit_events, caregiver_drafts, messages, notifications};
use postern::error::AppError;
use postern::notifications::{Incoming, State, receive};
use postern::values::PhoneNumber;
use time::Duration;

on_both!(
    no_route_leads_to_what_is_not_theirs,
    a_merge_that_is_undone_takes_caregivers_back,
    the_word_of_the_patient_is_not_theirs,
    passcodes_of_one_use_up_none_of_the_other,
    stop_from_a_caregivers_phone_is_theirs,
    of_one_address_each_link_says_whose_birth_date_it_asks_for,
    what_was_asked_for_is_not_sent_after_the_end,
    paper_says_what_is_for_the_patient_alone,
    who_is_added_is_told_of_it,
);

/// Sends a message with a file and an answer to tap; gives the identity of the message.
async fn send(user: &Actor, patient: PatientId, title: &str, more: &[(&str, &str)]) -> String {
    let file = id_in(&upload(user, patient, "a.pdf", samples::pdf()).await);
    let key = format!("{KEY}-{}", title.replace(' ', "-"));
    let fixed = [("title", title), ("body", "Words"), ("replies_allowed", "on"), ("offer", "read")];
    let own = [("key", key.as_str()), ("upload", file.as_str())];
    let fields = [&fixed[..], &own[..], more].concat();
    let to = user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let page = user.get(to.split('?').next().unwrap()).await.ok();
    page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "")
}

/// What a caregiver has opened, answered and begun to write, in numbers.
async fn traces(app: &App) -> (i64, i64, i64) {
    let read = app.state.db.read(|conn| -> Result<(i64, i64, i64), AppError> {
        let opened = messages::table.filter(messages::reader_id.is_not_null()).count().get_result(conn)?;
        let answered = answers::table.count().get_result(conn)?;
        Ok((opened, answered, caregiver_drafts::table.count().get_result(conn)?))
    });
    read.await.unwrap()
}

async fn no_route_leads_to_what_is_not_theirs(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let leo = Like { name: ("Léo", "Roy"), email: Some("leo@example.org".into()), phone: None, ..Like::default() };
    let leo = app.patient(leo).await;
    let path = ana(&staff, maria).await;
    let page = staff.get(&path).await.ok();
    staff.submit(&page, "Save", &[("starts", "2026-03-06")]).await.redirect();
    let early = send(&staff, maria, "Quagga", &[]).await;
    app.state.clock.advance(Duration::days(3));
    let staff = app.user(Role::Clinician).await;
    let private = send(&staff, maria, "Zebra", &[("only_patient", "on")]).await;
    send(&staff, maria, "Results", &[]).await;
    // the fourth has a number that the patient has not
    let mut others = Vec::new();
    for title in ["Okapi one", "Okapi two", "Okapi three", "Okapi four"] {
        others.push(send(&staff, leo, title, &[]).await);
    }
    let anothers = others.pop().unwrap();
    app.drain().await;
    let browser = ana_in(&app).await;
    let numbered: Vec<_> = routes::portal().into_iter().filter(|route| route.path.contains("{number}")).collect();
    assert!(numbered.len() > 4, "{numbered:?}");
    let hidden = [("1", early), ("2", private), ("4", anothers)];
    for (number, message) in &hidden {
        let fields = [("key", KEY), ("body", "mine"), ("message", message.as_str()), ("answer", "read")];
        for route in &numbered {
            let path = route.filled(&[("number", *number), ("file", "1")]);
            let answer =
                if route.method == "GET" { browser.get(&path).await } else { browser.post(&path, &fields).await };
            assert_eq!(answer.status, 404, "{} of {number}", route.name());
        }
        // nor by way of a conversation that is theirs
        assert_eq!(browser.post("/portal/messages/3/answers", &fields).await.status, 404, "{number}");
    }
    assert_eq!(browser.get("/portal/messages/3/attachments/2").await.status, 404);
    assert_eq!(traces(&app).await, (0, 0, 0));
    for route in routes::portal().into_iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let answer = browser.get(&route.path).await;
        assert!(matches!(answer.status, 200 | 303), "{}: {}", route.name(), answer.status);
        for title in ["Quagga", "Zebra", "Okapi", "conversation-1.", "conversation-2.", "conversation-4."] {
            assert!(!answer.body.contains(title), "{}: {title}", route.name());
        }
    }
    // what is theirs opens, by the same routes
    for route in &numbered {
        let path = route.filled(&[("number", "3"), ("file", "1")]);
        let page = browser.get("/portal/messages/3").await.ok();
        assert!(page.has_text("Results"), "{}", page.text());
        let message = page.attrs_of(".msg.theirs", "id").remove(0).replace("message-", "");
        let fields = [("key", KEY), ("body", "mine"), ("message", message.as_str()), ("answer", "read")];
        let answer = if route.method == "GET" { browser.get(&path).await } else { browser.post(&path, &fields).await };
        assert!(matches!(answer.status, 200 | 303), "{}: {}", route.name(), answer.status);
    }
    let (opened, answered, _) = traces(&app).await;
    assert_eq!((opened, answered), (1, 1));
}

async fn a_merge_that_is_undone_takes_caregivers_back(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let twin =
        Like { name: ("Maria", "Mejía"), email: Some("m.mejia@example.org".into()), phone: None, ..Like::default() };
    let twin = app.patient(twin).await;
    ana(&staff, twin).await;
    alone_title(&staff, twin, "Zebra").await;
    app.drain().await;
    let page = staff.get(&format!("/patients/{maria}/merging?with={twin}")).await.ok();
    staff.submit(&page, "Merge the charts", &[]).await.redirect();
    alone_title(&staff, maria, "Quagga").await;
    app.drain().await;
    let link = app.link_to(ANA);
    let browser = ana_in(&app).await;
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("Zebra") && list.has_text("Quagga"), "{}", list.text());
    browser.post("/portal/messages/2/draft", &[("body", "Her own worry")]).await.redirect();
    // what waits for her when the merge is undone is not sent
    alone_title(&staff, maria, "Okapi").await;
    let chart = staff.get(&format!("/patients/{maria}")).await.ok();
    staff.submit(&chart, "Undo the merge", &[]).await.redirect();
    let told = || app.mailbox.newest_first().iter().filter(|mail| mail.to == ANA).count();
    let before = told();
    app.drain().await;
    alone_title(&staff, maria, "Gnu").await;
    app.drain().await;
    assert_eq!(told(), before, "she is told of what is no patient's of hers");
    // neither session nor link shows the other chart any more
    for path in ["/portal/messages", "/portal/messages/1", "/portal/messages/2", "/portal/information"] {
        let answer = browser.get(path).await;
        let to = answer.location.split('?').next();
        assert!(answer.status == 303 && to == Some("/portal"), "{path}: {} {}", answer.status, answer.location);
    }
    assert_eq!(app.anyone().get(&link).await.status, 404);
    let list = |patient: PatientId| format!("/patients/{patient}/caregivers");
    assert!(!staff.get(&list(maria)).await.ok().has_text("Ana Roy"));
    let hers = staff.get(&list(twin)).await.ok();
    assert!(hers.has_text("Ana Roy") && hers.has_text("reads now"), "{}", hers.text());
    // and she reads for whom she was entered
    app.state.clock.advance(Duration::minutes(1));
    alone_title(&staff, twin, "Lemur").await;
    app.drain().await;
    let browser = ana_in(&app).await;
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("Zebra") && list.has_text("Lemur"), "{}", list.text());
    assert!(!list.has_text("Quagga") && !list.has_text("Okapi") && !list.has_text("Gnu"), "{}", list.text());
}

async fn the_word_of_the_patient_is_not_theirs(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let page = owner.get("/settings/own-word").await.ok();
    owner.submit(&page, "Save", &[("shown", "on")]).await.redirect();
    let page = owner.get(&format!("/patients/{maria}/own-word")).await.ok();
    owner.submit(&page, "Save", &[("word", "Marigold")]).await.redirect();
    ana(&owner, maria).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    assert!(app.newest_to(MARIA).text.contains("Marigold") && !app.newest_to(ANA).text.contains("Marigold"));
    let link = app.link_to(MARIA);
    let browser = ana_in(&app).await;
    assert!(!app.newest_to(ANAS_PHONE).text.contains("Marigold"));
    let information = browser.get("/portal/information").await;
    assert!(information.status == 200 && !information.body.contains("Marigold"), "{}", information.page().text());
    app.state.clock.advance(Duration::minutes(1));
    let (patient, _) = app.go_in(&link, MARIAS_PHONE).await;
    assert!(patient.get("/portal/information").await.ok().has_text("Marigold"));
}

async fn passcodes_of_one_use_up_none_of_the_other(app: App) {
    let owner = app.user(Role::Owner).await;
    let settings = owner.get("/settings/patient-portal").await.ok();
    owner.submit(&settings, "Save", &[("passcodes_a_day", "3")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    app.message(&owner, maria, true).await;
    app.drain().await;
    let (hers, marias) = (app.link_to(ANA), app.link_to(MARIA));
    let browser = app.anyone();
    for (asked, status) in [303, 303, 303, 429].into_iter().enumerate() {
        app.state.clock.advance(Duration::seconds(30));
        assert_eq!(browser.post(&format!("{hers}/passcode"), &[]).await.status, status, "{asked}");
        app.drain().await;
    }
    app.go_in(&marias, MARIAS_PHONE).await;
}

async fn stop_from_a_caregivers_phone_is_theirs(app: App) {
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    app.message(&owner, maria, true).await;
    let write = app.state.db.write(|tx| -> Result<_, AppError> {
        let from = PhoneNumber::parse(ANAS_PHONE, "1").unwrap();
        let text = Incoming { from, body: "STOP", gateway_id: "text-1", answered: false };
        Ok(receive(tx, start_of_time(), &text)?)
    });
    assert!(write.await.unwrap().is_some(), "she gets an answer");
    // what waits for that phone is stopped at once, and only that
    let read = app.state.db.read(|conn| -> Result<(Vec<State>, Vec<String>), AppError> {
        let texts = notifications::table.filter(notifications::channel.eq("sms"));
        let states = texts.filter(notifications::caregiver_id.is_not_null()).select(notifications::state).load(conn)?;
        let rows = audit_events::table.filter(audit_events::action.eq("text_received"));
        Ok((states, rows.select(audit_events::actor).load(conn)?))
    });
    let (states, actors) = read.await.unwrap();
    assert_eq!(states, [State::Stopped]);
    assert_eq!(actors, ["caregiver"]);
    let log = owner.get("/settings/audit-log").await.ok();
    assert!(log.has_text("Ana Roy (Caregiver)"), "{}", log.text());
    app.drain().await;
    let told = |at: &str| app.mailbox.newest_first().iter().filter(|mail| mail.to == at).count();
    assert_eq!((told(ANAS_PHONE), told(ANA), told(MARIA)), (0, 1, 1));
}

/// The links in all mail to an address.
pub(super) fn links_to(app: &App, at: &str) -> Vec<String> {
    let mails = app.mailbox.newest_first().into_iter().filter(|mail| mail.to == at);
    let link = |text: String| {
        let from = text.find("/portal/link/")?;
        text[from..].split_whitespace().next().map(str::to_owned)
    };
    mails.filter_map(|mail| link(mail.text)).collect()
}

/// The patient's email becomes the caregiver's later: two links come to one address, and each page says whom it asks.
async fn of_one_address_each_link_says_whose_birth_date_it_asks_for(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    let record = staff.get(&format!("/patients/{maria}/information")).await.ok();
    staff.submit(&record, "Save", &[("email", ANA)]).await.redirect();
    app.message(&staff, maria, true).await;
    app.drain().await;
    let links = links_to(&app, ANA);
    assert_eq!(links.len(), 2, "{links:?}");
    let mut asked = [0, 0];
    for link in &links {
        let page = app.anyone().get(link).await.ok();
        asked[0] += usize::from(page.has_text("We ask for the date of birth of María"));
        asked[1] += usize::from(page.has_text("We ask for the date of birth of Ana Roy"));
    }
    assert_eq!(asked, [1, 1]);
    // who says who they are at that address is the patient, and no other date of birth opens anything
    let browser = app.anyone();
    let page = browser.get("/portal").await.ok();
    let claim = [("number", "943-476-5919"), ("contact", ANA)];
    let link = browser.submit(&page, "Send me my passcode", &claim).await.redirect();
    app.drain().await;
    let passcode = app.passcode_to(ANA);
    let page = browser.get(&link).await.ok();
    let anas = [("passcode", passcode.as_str()), ("day", "1"), ("month", "2"), ("year", "1980")];
    assert_eq!(browser.submit(&page, "Login", &anas).await.status, 422);
    let marias = [("passcode", passcode.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
    browser.submit(&page, "Login", &marias).await.redirect();
    let list = browser.get("/portal/messages").await.ok();
    assert!(list.has_text("Your results") && !list.has_text("Ana Roy"), "{}", list.text());
}

/// A passcode that she has asked for, and her session and link, when her access ends or the patient's chart is archived.
async fn what_was_asked_for_is_not_sent_after_the_end(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let path = ana(&staff, maria).await;
    let texts = || app.mailbox.newest_first().iter().filter(|mail| mail.to == ANAS_PHONE).count();
    app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to(ANA);
    app.anyone().post(&format!("{link}/passcode"), &[]).await.redirect();
    let before = texts();
    let page = staff.get(&path).await.ok();
    staff.submit(&page, "End now", &[]).await.redirect();
    app.drain().await;
    assert_eq!((texts(), app.anyone().get(&link).await.status), (before, 404));
    // of a chart that is archived neither the patient nor a caregiver sees anything
    let page = staff.get(&format!("/patients/{maria}/caregivers")).await.ok();
    let born = [("day", "1"), ("month", "2"), ("year", "1980"), ("relation", "proxy"), ("name", "Ana Roy")];
    let contact = [("email", ANA), ("phone", "613-555-0155")];
    staff.submit(&page, "Add a caregiver", &[&born[..], &contact[..]].concat()).await.redirect();
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (browser, link) = (ana_in(&app).await, app.link_to(ANA));
    staff.post(&format!("/patients/{maria}/archiving"), &[("reason", "deceased")]).await.redirect();
    assert_eq!(browser.get("/portal/messages").await.status, 303);
    assert_eq!(app.anyone().get(&link).await.status, 404);
    let (stranger, before) = (app.anyone(), app.mailbox.newest_first().len());
    let page = stranger.get("/portal").await.ok();
    let claim = [("number", "943-476-5919"), ("contact", ANA)];
    stranger.submit(&page, "Send me my passcode", &claim).await.redirect();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), before);
}

async fn paper_says_what_is_for_the_patient_alone(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    ana(&staff, maria).await;
    let usual = app.message(&staff, maria, true).await;
    let private = alone(&staff, maria, "A private matter").await;
    for (conversation, says) in [(usual, false), (private, true)] {
        let paper = staff.get(&format!("{conversation}/print")).await.ok();
        assert_eq!(paper.has_text("Only for the patient"), says, "{}", paper.text());
    }
}

async fn who_is_added_is_told_of_it(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/notification-templates", &[("tell_of_access", "on")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    ana(&owner, maria).await;
    app.drain().await;
    for at in [ANA, ANAS_PHONE] {
        let text = app.newest_to(at).text;
        assert!(text.contains(&format!("{}/portal", app.origin)) && !text.contains("/portal/link/"), "{text}");
        assert!(!text.contains("María"), "an address of one patient names nobody: {text}");
    }
    let told = || app.mailbox.newest_first().len();
    assert_eq!(told(), 2, "the patient is told of nothing");
    let record = owner.get(&format!("/patients/{maria}/information")).await.ok();
    assert!(!record.has_text("Told of their access by"), "{}", record.text());
    assert!(owner.get("/outbox").await.ok().has_text("Ana Roy, for María Mejía"));
    // nobody is told of an access that there is not
    let email = Some("leo@example.org".into());
    let shut = Like { name: ("Léo", "Roy"), email, phone: None, portal_access: false, ..Like::default() };
    let leo = app.patient(shut).await;
    ana(&owner, leo).await;
    app.drain().await;
    assert_eq!(told(), 2);
    // when it begins, both are
    let record = owner.get(&format!("/patients/{leo}/information")).await.ok();
    owner.submit(&record, "Save", &[("portal_access", "on")]).await.redirect();
    app.drain().await;
    assert_eq!(told(), 5);
    assert!(app.newest_to("leo@example.org").text.contains(&format!("{}/portal", app.origin)));
}
