//! Texts by a Twilio that remembers, defers, refuses, reports and obeys STOP.

use crate::support::app::{Actor, App, On};
use crate::support::gateways::{AUTH_TOKEN, Twilio};
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::config::{Texts, TextsVia, TwilioSender};
use postern::db::schema::{notification_states, notifications};
use postern::delivery::{ReportKey, twilio};
use postern::error::AppError;
use postern::patients::Method;
use serde_json::json;

fn like(phone: &str) -> Like {
    Like { phone: Some(phone.into()), method: Method::Sms, ..Like::default() }
}

/// A clinic with one message whose notification is a text to this phone; also gives the user and the path of the
/// conversation.
async fn clinic(on: On, twilio: &Twilio, phone: &str) -> (App, Actor, String) {
    let app = App::start_texts(on, twilio.texts()).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(like(phone)).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    (app, user, conversation)
}

async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let columns = (notifications::state, notifications::reason);
        Ok(notifications::table.order(notifications::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

async fn state(app: &App) -> (String, Option<String>) {
    states(app).await.pop().unwrap()
}

async fn steps(app: &App) -> Vec<String> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        Ok(notification_states::table.order(notification_states::id).select(notification_states::state).load(conn)?)
    });
    read.await.unwrap()
}

fn is(state: &str, reason: Option<&str>) -> (String, Option<String>) {
    (state.into(), reason.map(str::to_owned))
}

/// The address for incoming texts, as the owner reads it on the gateway page.
async fn incoming(app: &App) -> String {
    let page = app.user(Role::Owner).await.get("/settings/gateways").await.ok();
    let text = page.text();
    let from = text.find(&format!("{}/hooks/", app.origin)).expect("an address for incoming texts");
    text[from..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_arrives_and_its_way_is_known() {
    let peer = Twilio::start();
    let (app, user, conversation) = clinic(On::Sqlite, &peer, "+16135550121").await;
    assert_eq!(peer.settled().await, [204, 204]);
    let taken = peer.taken().await;
    assert_eq!(
        (taken.len(), taken[0].to.as_str(), taken[0].from.as_deref()),
        (1, "+16135550121", Some("+16135550100"))
    );
    assert!(taken[0].body.contains("/portal/link/") && !taken[0].body.contains("results"));
    assert!(taken[0].callback.as_ref().unwrap().starts_with(&app.origin));
    assert_eq!(state(&app).await, is("delivered", None));
    assert_eq!(steps(&app).await, ["sending", "sent", "delivered"]);
    assert!(user.get(&conversation).await.ok().has_text("Delivered"));
    // the passcode is sent by the other channel
    let link = taken[0].body.split_whitespace().find(|word| word.contains("/portal/link/")).unwrap();
    let link = link.strip_prefix(app.origin.as_str()).unwrap();
    app.go_in(link, "maria@example.org").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_email_link_the_passcode_goes_by_text() {
    let peer = Twilio::start();
    let service = "MG0123456789abcdef0123456789abcdef".to_owned();
    let mut texts = peer.texts();
    let TextsVia::Twilio(account) = &mut texts.via else { unreachable!() };
    account.sender = TwilioSender::Service(service.clone());
    let app = App::start_texts(On::Sqlite, texts).await;
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    assert!(page.has_text("link by email to m…@example.org, passcode by text to …21"), "{}", page.text());
    app.message(&user, patient, true).await;
    app.drain().await;
    let patient = app.anyone();
    let link = app.link_to("maria@example.org");
    let page = patient.get(&link).await.ok();
    patient.submit(&page, "Send me my passcode", &[]).await.redirect();
    app.drain().await;
    let taken = peer.taken().await;
    assert_eq!((taken.len(), taken[0].messaging_service_sid.as_ref()), (1, Some(&service)));
    assert!(taken[0].callback.as_ref().unwrap().starts_with(&app.origin));
    let digits = taken[0].body.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).unwrap().to_owned();
    let page = patient.get(&link).await.ok();
    let fields = [("passcode", digits.as_str()), ("day", "4"), ("month", "3"), ("year", "1951")];
    patient.submit(&page, "Login", &fields).await.redirect();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_twilio_refuses_says_why() {
    for (phone, first, then) in [
        ("+16135550101", is("failed", Some("no_such_number")), None),
        ("+16135550102", is("sending", Some("gateway_busy")), Some("delivered")),
        ("+16135550104", is("sending", Some("gateway_down")), Some("delivered")),
        ("+16135550105", is("sending", Some("timed_out")), None),
    ] {
        let peer = Twilio::start();
        let (app, user, conversation) = clinic(On::Sqlite, &peer, phone).await;
        assert!([first.clone(), is("delivered", None)].contains(&state(&app).await), "{phone} {:?}", state(&app).await);
        user.get(&conversation).await.ok();
        if let Some(then) = then {
            assert_eq!(state(&app).await, first);
            for _ in 0..3 {
                app.state.clock.advance(time::Duration::seconds(60));
                app.drain().await;
            }
            peer.settled().await;
            assert_eq!(state(&app).await, is(then, None), "{phone}");
        }
        if phone.ends_with("05") {
            // the answer never came, but the reports do: the text is not sent again
            peer.settled().await;
            app.state.clock.advance(time::Duration::minutes(5));
            app.drain().await;
            assert_eq!((state(&app).await, peer.taken().await.len()), (is("delivered", None), 1));
        }
        if phone.ends_with("01") {
            let page = user.get("/inbox?filter=needs_attention").await.ok();
            assert!(page.has_text("Needs attention") && page.has_text("Your results"));
            let page = user.get(&conversation).await.ok();
            assert!(page.has_text("the patient could not be told"));
            user.submit(&page, "Dealt with", &[]).await.redirect();
            assert!(!user.get("/inbox?filter=needs_attention").await.ok().has_text("Your results"));
        }
    }
    let peer = Twilio::start();
    let mut texts = peer.texts();
    let TextsVia::Twilio(account) = &mut texts.via else { unreachable!() };
    account.auth_token = "another".into();
    let app = App::start_texts(On::Sqlite, texts).await;
    let user = app.user(Role::Owner).await;
    let patient = app.patient(like("+16135550121")).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    assert_eq!(state(&app).await, is("sending", Some("gateway_login")), "the clinic's fault, not the patient's");
    assert!(user.get("/settings/gateways").await.ok().has_text("the text gateway refused our account"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_may_come_twice_and_in_any_order() {
    let peer = Twilio::start();
    let (app, ..) = clinic(On::Sqlite, &peer, "+16135550106").await;
    assert_eq!(peer.settled().await, [204; 4]);
    assert_eq!(state(&app).await, is("delivered", None));
    assert_eq!(steps(&app).await.last().unwrap(), "delivered");

    let peer = Twilio::start();
    let (app, user, conversation) = clinic(On::Sqlite, &peer, "+16135550103").await;
    peer.settled().await;
    assert_eq!(state(&app).await, is("failed", Some("no_such_number")));
    user.get(&conversation).await.ok().form_with("Send again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_without_its_signature_changes_nothing() {
    let peer = Twilio::start();
    let (app, ..) = clinic(On::Sqlite, &peer, "+16135550121").await;
    peer.settled().await;
    let callback = peer.taken().await[0].callback.clone().unwrap();
    let path = callback.strip_prefix(app.origin.as_str()).unwrap().to_owned();
    let someone = app.anyone();
    let fields = [("MessageStatus".to_owned(), "failed".to_owned()), ("From".into(), "+1 é&=".into())];
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let signed = |token: &str, address: &str| twilio::signature(token, address, &fields).unwrap();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = |path: String, signature: String| {
        let (someone, body) = (someone.clone(), body.clone());
        async move {
            let headers = [form, ("x-twilio-signature", signature.as_str())];
            someone.send("POST", &path, &headers, &body).await.status
        }
    };
    assert_eq!(post(path.clone(), signed(AUTH_TOKEN, &callback)).await, 204);
    assert_eq!(post(path.clone(), String::new()).await, 403);
    assert_eq!(post(path.clone(), signed("another", &callback)).await, 403);
    assert_eq!(post(path.clone(), signed(AUTH_TOKEN, &format!("{callback}?x"))).await, 403);
    // signed, but with the code of another notification
    let other = path.replace("/receipts/1/", "/receipts/2/");
    assert_eq!(post(other.clone(), signed(AUTH_TOKEN, &format!("{}{other}", app.origin))).await, 404);
    for path in ["/hooks/kannel/receipts/1/x?report=2", "/hooks/kannel/texts/x?from=1&text=STOP&id=1", &path] {
        assert_eq!(someone.get(path).await.status, 404, "{path}");
    }
    assert_eq!(state(&app).await, is("delivered", None));
}

on_both!(stop_start_and_help);

async fn stop_start_and_help(app: App) {
    let on = if matches!(app.state.config.database, postern::db::DatabaseUrl::Sqlite(_)) {
        On::Sqlite
    } else {
        On::Postgres
    };
    drop(app);
    let peer = Twilio::start();
    let (app, user, _) = clinic(on, &peer, "+16135550121").await;
    peer.settled().await;
    let patient = user.get("/patients").await.ok();
    assert!(patient.has_text("Mejía"));
    let url = incoming(&app).await;
    // a waiting text is stopped at once
    app.message(&user, postern::db::PatientId(1), true).await;
    let stop = json!({"sid": "SM0123456789abcdef0123456789abcdef"});
    let (status, answer) = peer.come_in(&url, "+16135550121", " Stop ", stop.clone()).await;
    assert!(status == 200 && answer.contains("Text START to get them again"), "{status} {answer}");
    assert_eq!(state(&app).await, is("stopped", Some("stopped_by_patient")));
    assert!(user.get("/inbox?filter=needs_attention").await.ok().has_text("Your results"));
    assert!(user.get("/patients/1").await.ok().has_text("Texts stopped on 4 March 2026"));
    app.drain().await;
    assert_eq!(peer.taken().await.len(), 1);
    // the composer offers the other channel
    let page = user.get("/patients/1/messages/new").await.ok();
    assert!(page.has_text("The patient texted STOP"), "{}", page.text());
    let to = user.submit(&page, "Tell them by email instead", &[]).await.redirect();
    let page = user.get(&to).await.ok();
    assert!(page.has_text("link and passcode by email") && page.has_text("the patient texted STOP"), "{}", page.text());
    app.message(&user, postern::db::PatientId(1), true).await;
    app.drain().await;
    app.link_to("maria@example.org");
    // the same text delivered again after START changes nothing
    let (_, answer) = peer.come_in(&url, "+16135550121", "unstop", json!({})).await;
    assert!(answer.contains("you will get texts from us again"), "{answer}");
    let (_, answer) = peer.come_in(&url, "+16135550121", "stop", stop).await;
    assert!(!answer.contains("<Message>") && !user.get("/patients/1").await.ok().has_text("Texts stopped"), "{answer}");
    // Twilio has answered this text itself
    let (_, answer) = peer.come_in(&url, "+16135550121", "HELP", json!({"more": {"OptOutType": "HELP"}})).await;
    assert!(!answer.contains("<Message>"), "{answer}");
    let (_, answer) = peer.come_in(&url, "+16135559999", "Aide", json!({})).await;
    assert!(answer.contains("Envoyez STOP pour ne plus rien recevoir"), "{answer}");
    let (_, answer) = peer.come_in(&url, "+16135550121", "my chest <hurts>", json!({})).await;
    assert!(answer.contains("nobody reads texts to this number") && answer.contains("911"), "{answer}");
    let (_, answer) = peer.come_in(&url, "+16135550121", "really", json!({})).await;
    assert!(!answer.contains("<Message>"), "machines do not talk to each other: {answer}");
    for word in ["STOP", "Unsubscribe", "cancel", "END", "quit", "STOPALL", "stop all", "opt-out", "revoke", "Arrêt!"]
    {
        assert_eq!(postern::notifications::Word::parse(word), postern::notifications::Word::Stop, "{word}");
    }
    for word in ["", "don't stop", "stop it now please", "yes"] {
        assert_eq!(postern::notifications::Word::parse(word), postern::notifications::Word::Other, "{word}");
    }
    assert_eq!(peer.come_in(&format!("{url}x"), "+16135550121", "STOP", json!({})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_only_the_gateway_knew_is_learned() {
    let peer = Twilio::start();
    let (app, user, _) = clinic(On::Sqlite, &peer, "+16135550108").await;
    peer.settled().await;
    assert_eq!(state(&app).await, is("stopped", Some("stopped_by_patient")));
    assert!(user.get("/patients/1").await.ok().has_text("Texts stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_hold_texts_but_no_passcode() {
    let peer = Twilio::start();
    let app = App::start_texts(On::Sqlite, peer.texts()).await;
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/gateways").await.ok();
    let wrong = [("quiet", "on"), ("quiet_from", "25:00"), ("quiet_until", "")];
    let answer = owner.submit(&page, "Save", &wrong).await;
    assert!(answer.status == 422 && answer.page().has_text("Enter a time, such as 21:00"));
    // 14:02 UTC is 09:02 in Toronto
    let quiet = [("quiet", "on"), ("quiet_from", "09:00"), ("quiet_until", "09:30")];
    owner.submit(&page, "Save", &quiet).await.redirect();
    let patient = app.patient(like("+16135550121")).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    assert_eq!((state(&app).await, peer.taken().await.len()), (is("queued", Some("quiet_hours")), 0));
    assert!(owner.get(&conversation).await.ok().has_text("held until the quiet hours are over"));
    app.state.clock.advance(time::Duration::minutes(27));
    assert_eq!(app.drain().await, 0);
    app.state.clock.advance(time::Duration::minutes(1));
    app.drain().await;
    assert_eq!(peer.taken().await.len(), 1);
    peer.settled().await;
    // the link by email is sent at once, and so is its passcode by text
    owner.post("/account/confirmation", &[("password", crate::support::world::PASSWORD)]).await.redirect();
    let page = owner.get("/settings/gateways").await.ok();
    owner.submit(&page, "Save", &[("quiet", "on"), ("quiet_from", "09:00"), ("quiet_until", "08:59")]).await.redirect();
    owner.post("/patients/1/notification-method", &[("method", "email")]).await.redirect();
    app.message(&owner, patient, true).await;
    app.drain().await;
    let browser = app.anyone();
    let link = app.link_to("maria@example.org");
    browser.post(&format!("{link}/passcode"), &[]).await.redirect();
    app.drain().await;
    assert_eq!(peer.taken().await.len(), 2);
}

#[test]
fn the_quiet_hours_end_where_the_clock_shows_it() {
    let zone = postern::text::Zone::find("America/Toronto").unwrap();
    use time::macros::datetime;
    for (from, until, now, end) in [
        (21, 8, datetime!(2026-03-04 01:59 UTC), None),
        (21, 8, datetime!(2026-03-04 02:00 UTC), Some(datetime!(2026-03-04 13:00 UTC))),
        (21, 8, datetime!(2026-03-04 12:59:59 UTC), Some(datetime!(2026-03-04 13:00 UTC))),
        (21, 8, datetime!(2026-03-04 13:00 UTC), None),
        (0, 6, datetime!(2026-03-04 05:00 UTC), Some(datetime!(2026-03-04 11:00 UTC))),
        (0, 0, datetime!(2026-03-04 05:00 UTC), None),
        // summer time begins on 8 March at 2:00, and ends on 1 November
        (21, 8, datetime!(2026-03-08 04:00 UTC), Some(datetime!(2026-03-08 12:00 UTC))),
        (21, 8, datetime!(2026-11-01 04:00 UTC), Some(datetime!(2026-11-01 13:00 UTC))),
    ] {
        let found = postern::notifications::quiet_until((from * 60, until * 60), zone, now.into());
        assert_eq!(found, end.map(Into::into), "{from} to {until} at {now}");
    }
}

#[test]
fn signatures_are_twilios_own() {
    let call = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    let twice = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")];
    for (address, fields, expected) in [
        // examples of Twilio's documentation and of its libraries' tests
        ("https://mycompany.com/myapp.php?foo=1&bar=2", &call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2", &twice, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ("https://MyCompany.com/myapp.php?foo=1&bar=2", &call, "g9IN/x4Cft2g517EjYvEvM/W7LU="),
    ] {
        let fields: Vec<(String, String)> = fields.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        assert_eq!(twilio::signature("12345", address, &fields).as_deref(), Some(expected));
        assert!(twilio::is_signed("12345", address, &fields, expected));
        assert!(
            !twilio::is_signed("12346", address, &fields, expected)
                && !twilio::is_signed("12345", address, &fields, "")
        );
    }
}

#[test]
fn codes_of_addresses_hold_for_one_thing() {
    let (one, other) = (ReportKey::derive(b"key"), ReportKey::derive(b"other"));
    let id = postern::db::NotificationId(7);
    let path = one.receipts(postern::delivery::GatewayKind::Kannel, id, "uid");
    let code = path.rsplit('/').next().unwrap();
    assert!(code.len() == 32 && one.is_receipt(id, "uid", code));
    assert!(!one.is_receipt(postern::db::NotificationId(8), "uid", code) && !other.is_receipt(id, "uid", code));
    // the code of another notification that has the same id later
    assert!(!one.is_receipt(id, "another", code));
    assert!(!one.is_path("kannel/texts", code) && !one.is_receipt(id, "uid", ""));
}

on_each!(a_gateway_that_was_away_loses_and_doubles_nothing);

async fn a_gateway_that_was_away_loses_and_doubles_nothing(on: On) {
    let peer = Twilio::start();
    let texts: Texts = peer.texts();
    let port = peer.port;
    drop(peer);
    let app = App::start_texts(on, texts).await;
    let user = app.user(Role::Clinician).await;
    for n in 10..18 {
        let patient = app.patient(like(&format!("+161355503{n}"))).await;
        app.message(&user, patient, true).await;
    }
    app.drain().await;
    assert!(states(&app).await.iter().all(|s| *s == is("sending", Some("unreachable"))), "{:?}", states(&app).await);
    let peer = Twilio::start_on(port);
    for _ in 0..4 {
        app.state.clock.advance(time::Duration::minutes(2));
        app.drain().await;
    }
    peer.settled().await;
    let mut to: Vec<String> = peer.taken().await.into_iter().map(|text| text.to).collect();
    to.sort();
    assert_eq!(to, (10..18).map(|n| format!("+161355503{n}")).collect::<Vec<_>>());
    assert!(states(&app).await.iter().all(|s| *s == is("delivered", None)));
}
