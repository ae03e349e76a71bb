//! Signing in at an identity provider, linking with it, and which of its answers are refused.

use super::{everybody, newest, noted};
use crate::on_each;
use crate::support::app::{Actor, App, On, fresh_database};
use crate::support::oidc::{FalseProvider, NAME, SECRET, come_back, finish, fresh_code, settings, sign_in};
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::Role;
use postern::config::Oidc;
use postern::db::schema::{provider_links, provider_visits};
use postern::delivery::Delivery;
use postern::error::AppError;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use time::Duration;

on_each!(
    who_is_linked_signs_in,
    an_answer_counts_once_and_in_its_browser,
    an_answer_that_is_late_is_said,
    what_a_token_says_is_checked,
    an_access_token_of_another_is_refused,
    a_key_that_was_changed_is_read_anew,
    what_the_provider_says_is_told,
    a_provider_that_is_away_is_told_and_passwords_go_on,
    an_address_in_clear_text_is_not_called,
    a_provider_that_misbehaves_is_away,
    an_address_links_nobody,
    one_person_is_one_user,
    a_link_is_ended_by_its_user,
    a_link_is_ended_by_an_owner,
    an_invitation_links_in_place_of_a_password,
    whoever_was_deactivated_stays_out,
    who_one_is_is_confirmed_there,
    two_servers_are_one_clinic,
    nothing_secret_is_kept_or_shown,
);

pub const LINK: &str = "Link my account at Harbour ID";

/// Links the signed-in user with this person.
pub async fn link(provider: &FalseProvider, app: &App, user: &Actor, subject: &str) {
    provider.is(app, subject);
    let page = user.get("/account").await.ok();
    let way = user.submit(&page, LINK, &[]).await.ok();
    let (to, notice) = finish(provider, user, &way).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/account", "provider-linked"));
}

async fn who_is_linked_signs_in(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    provider.is(&app, "person-1");
    let page = staff.get("/account").await.ok();
    let way = staff.submit(&page, LINK, &[]).await.ok();
    assert!(way.has("meta[http-equiv=refresh]"), "it goes on without a script");
    let asked = provider.visited(&way);
    let about = |name: &str| asked.get(name).map(String::as_str);
    assert_eq!(about("response_type"), Some("code"));
    assert_eq!(about("code_challenge_method"), Some("S256"));
    assert_eq!(about("scope"), Some("openid email profile"));
    assert_eq!(about("ui_locales"), Some("en"));
    assert_eq!(about("redirect_uri"), Some(format!("{}/sign-in/provider/answer", app.origin).as_str()));
    assert!(about("prompt").is_none() && asked["nonce"] != asked["state"]);
    let (to, notice) = come_back(&staff, &[("code", &fresh_code()), ("state", &asked["state"])]).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/account", "provider-linked"));
    assert!(staff.get("/account").await.ok().has_text("Linked with single sign-on since"));
    assert_eq!(noted(&app, id, "provider_linked").await, [None]);
    app.drain().await;
    let email = everybody(&app).await[0].email.to_string();
    let told = app.mailbox.newest_first().into_iter().any(|mail| mail.to == email && mail.subject.contains("sign-on"));
    assert!(told, "a new way in is told");

    let browser = app.anyone();
    let page = browser.get("/sign-in").await.ok();
    assert!(page.has_text("Sign in with Harbour ID"));
    let way = browser.submit(&page, "Sign in with Harbour ID", &[("email", "typed"), ("password", "typed")]).await.ok();
    assert_eq!(finish(&provider, &browser, &way).await.redirect(), "/inbox");
    assert!(browser.get("/inbox").await.ok().has_text("User staff"));
    // signing in leads to the page that was asked for
    let browser = app.anyone();
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
    assert_eq!(noted(&app, id, "signed_in").await.len(), 3);
    assert_eq!(provider.discovered(), 1, "what it says of itself is kept");
    // an address of another site is ignored
    let browser = app.anyone();
    let way = browser.post("/sign-in/provider", &[("next", "//evil.example")]).await.ok();
    assert_eq!(finish(&provider, &browser, &way).await.redirect(), "/inbox");
    // the page after signing out says that the user may still be signed in at the provider
    let to = browser.post("/sign-out", &[]).await.redirect();
    let page = browser.get(&to).await.ok();
    assert!(page.link("Sign out of Harbour ID").starts_with(&format!("{}/end?client_id=clinic", provider.issuer)));
    assert!(!app.anyone().get("/sign-in").await.ok().has_text("Sign out of"));
}

/// Asserts that the browser is refused, with this status and these words, and is not signed in.
async fn refused(answer: crate::support::app::Answer, browser: &Actor, status: u16, words: &str) {
    let page = answer.page();
    assert!(page.has_text(words), "{words:?}: {} {} {}", answer.status, answer.location, page.text());
    assert_eq!(answer.status, status, "{words}");
    assert!(page.has("form[action='/sign-in'] input[type=password]"), "the other ways in stay");
    assert!(browser.get("/inbox").await.redirect().starts_with("/sign-in"), "{words}");
}

async fn an_answer_counts_once_and_in_its_browser(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    let begin = async |browser: &Actor| provider.visited(&browser.post("/sign-in/provider", &[]).await.ok());
    let unknown = "was used already, or nobody here asked for it";

    // there is no such visit, or the state is another one or cut short
    let asked = begin(&browser).await;
    let code = fresh_code();
    for state in ["", "x", "0123456789abcdef0123456789abcdef", &asked["nonce"]] {
        refused(come_back(&browser, &[("code", &code), ("state", state)]).await, &browser, 400, unknown).await;
    }
    refused(come_back(&browser, &[("state", &asked["state"])]).await, &browser, 400, unknown).await;
    // an answer in another browser, with or without a visit of its own, does not use the visit up
    let other = app.anyone();
    let words = "in another browser";
    refused(come_back(&other, &[("code", &code), ("state", &asked["state"])]).await, &other, 400, words).await;
    begin(&other).await;
    refused(come_back(&other, &[("code", &code), ("state", &asked["state"])]).await, &other, 400, words).await;
    // opening the page of the answer uses nothing up
    let back = format!("/sign-in/provider/answer?code={code}&state={}", asked["state"]);
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(browser.send(method, &back, &[], "").await.status, 200);
    }
    let asked = begin(&browser).await;
    let answer = [("code", code.as_str()), ("state", &asked["state"])];
    assert_eq!(come_back(&browser, &answer).await.redirect(), "/inbox");
    let again = come_back(&browser, &answer).await;
    assert!(again.status == 400 && again.page().has_text(unknown), "{}", again.page().text());
    assert_eq!(browser.get("/inbox").await.status, 200, "who is in stays in");
    // the same code with a new state: the provider refuses it
    let browser = app.anyone();
    let asked = begin(&browser).await;
    let answer = come_back(&browser, &[("code", &code), ("state", &asked["state"])]).await;
    refused(answer, &browser, 502, "could not sign you in").await;
    // a state is used up also where its visit failed
    let answer = come_back(&browser, &[("code", &fresh_code()), ("state", &asked["state"])]).await;
    refused(answer, &browser, 400, unknown).await;
    // visits in two tabs of one browser do not end each other
    let first = browser.post("/sign-in/provider", &[]).await.ok();
    browser.post("/sign-in/provider", &[]).await.ok();
    assert_eq!(finish(&provider, &browser, &first).await.redirect(), "/inbox");
}

async fn an_answer_that_is_late_is_said(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    let asked = provider.visited(&browser.post("/sign-in/provider", &[]).await.ok());
    app.state.clock.advance(Duration::minutes(10));
    provider.is(&app, "person-1");
    let answer = come_back(&browser, &[("code", &fresh_code()), ("state", &asked["state"])]).await;
    refused(answer, &browser, 400, "took too long").await;
}

async fn what_a_token_says_is_checked(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    link(&provider, &app, &staff, "person-1").await;
    let now = app.state.clock.now().get().unix_timestamp();
    let browser = app.anyone();
    let untrue = "could not be trusted";
    for (claim, value) in [
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("aud", json!("another-client")),
        ("aud", json!([])),
        ("aud", json!(["clinic", "another-client"])),
        ("azp", json!("another-client")),
        ("iss", json!("https://id.example.org")),
        ("iss", json!(format!("{}/", provider.issuer))),
        ("exp", json!(now - 61)),
        ("iat", json!(now - 601)),
        ("iat", json!(now + 61)),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
    ] {
        provider.is(&app, "person-1");
        provider.claims(claim, value.clone());
        let answer = sign_in(&provider, &browser).await;
        assert_ne!(answer.status, 303, "{claim}: {value} leads in");
        refused(answer, &browser, 502, untrue).await;
    }
    // without one of these claims it is not an ID token
    for claim in ["exp", "iat", "aud", "iss", "sub"] {
        provider.is(&app, "person-1");
        provider.claims(claim, Value::Null);
        let answer = sign_in(&provider, &browser).await;
        assert!(answer.status >= 502, "{claim}: {}", answer.status);
        assert!(browser.get("/inbox").await.redirect().starts_with("/sign-in"));
    }
    provider.is(&app, "person-1");
    for algorithm in ["none", "HS256"] {
        provider.signs_by(algorithm);
        refused(sign_in(&provider, &browser).await, &browser, 502, untrue).await;
    }
    provider.signs_by("ES256");
    // RFC 9207: the answer comes from another provider
    let asked = provider.visited(&browser.post("/sign-in/provider", &[]).await.ok());
    let answer = [("code", "x"), ("state", &*asked["state"]), ("iss", "https://id.example.org")];
    refused(come_back(&browser, &answer).await, &browser, 502, untrue).await;
    // where the provider says that each answer names it, an answer that does not is refused
    provider.names("authorization_response_iss_parameter_supported", json!(true));
    app.state.clock.advance(Duration::hours(2));
    provider.is(&app, "person-1");
    let asked = provider.visited(&browser.post("/sign-in/provider", &[]).await.ok());
    refused(come_back(&browser, &[("code", "x"), ("state", &asked["state"])]).await, &browser, 502, untrue).await;
    let now = app.state.clock.now().get().unix_timestamp();
    // clocks may differ by less than a minute
    provider.claims("exp", json!(now - 59));
    provider.claims("iat", json!(now + 59));
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
    let failed = noted(&app, id, "sign_in_failed").await;
    assert!(failed.is_empty(), "of whom is not known");
}

async fn an_access_token_of_another_is_refused(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    provider.claims("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"));
    refused(sign_in(&provider, &browser).await, &browser, 502, "could not be trusted").await;
    // `at_hash` is the left half of the hash of the access token
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"opens-userinfo");
    provider.claims("at_hash", json!(data_encoding::BASE64URL_NOPAD.encode(&digest[..16])));
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
}

async fn a_key_that_was_changed_is_read_anew(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    // a new key under a new id, and another one under the same id
    for name in ["two", "two"] {
        provider.rotates(name);
        let before = provider.discovered();
        // keys that were read just now are not read again, so that bad tokens cannot cause calls
        refused(sign_in(&provider, &browser).await, &browser, 502, "could not be trusted").await;
        assert_eq!(provider.discovered(), before);
        app.state.clock.advance(Duration::seconds(31));
        provider.is(&app, "person-1");
        assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
        assert_eq!(provider.discovered(), before + 1);
        browser.post("/sign-out", &[]).await.redirect();
    }
    // a key that the provider does not publish signs nobody in, however often the keys are read
    provider.keeps_publishing();
    provider.rotates("three");
    for _ in 0..2 {
        app.state.clock.advance(Duration::seconds(31));
        provider.is(&app, "person-1");
        refused(sign_in(&provider, &browser).await, &browser, 502, "could not be trusted").await;
    }
}

async fn what_the_provider_says_is_told(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    app.user(Role::Staff).await;
    let browser = app.anyone();
    for (error, status, words) in [
        ("access_denied", 403, "did not let you through"),
        ("login_required", 403, "wants you to sign in there first"),
        ("interaction_required", 403, "wants you to sign in there first"),
        ("temporarily_unavailable", 503, "cannot be reached"),
        ("server_error", 502, "could not sign you in"),
        ("<script>alert(1)</script>", 502, "could not sign you in"),
    ] {
        let asked = provider.visited(&browser.post("/sign-in/provider", &[("next", "/patients")]).await.ok());
        let fields = [("error", error), ("error_description", "person-1 said no"), ("state", &asked["state"])];
        let answer = come_back(&browser, &fields).await;
        assert!(!answer.body.contains("said no") && !answer.body.contains("<script>alert"), "{error}");
        assert_eq!(
            answer.page().attr("input[name=next]", "value").as_deref(),
            Some("/patients"),
            "where they were going"
        );
        refused(answer, &browser, status, words).await;
    }
    for error in ["invalid_client", "invalid_grant", "something_else"] {
        provider.refuses(Some(error));
        refused(sign_in(&provider, &browser).await, &browser, 502, "could not sign you in").await;
    }
}

async fn a_provider_that_is_away_is_told_and_passwords_go_on(on: On) {
    let provider = FalseProvider::start();
    let port = provider.port();
    let app = provider.clinic(on, |_| ()).await;
    app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    provider.end().await;
    let browser = app.anyone();
    let page = browser.get("/sign-in").await.ok();
    let away = browser.submit(&page, "Sign in with Harbour ID", &[("email", "half@typed")]).await;
    assert_eq!(away.page().attr("#email", "value").as_deref(), Some("half@typed"), "what was typed stays");
    assert!(away.page().title().starts_with("Error:"), "{}", away.page().title());
    refused(away, &browser, 503, "Harbour ID cannot be reached at the moment").await;
    assert_eq!(browser.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect(), "/inbox");
    let provider = FalseProvider::start_on(port);
    let other = app.anyone();
    assert_eq!(other.post("/sign-in/provider", &[]).await.status, 503, "for some seconds nobody waits for it again");
    app.state.clock.advance(Duration::seconds(6));
    provider.visited(&other.post("/sign-in/provider", &[]).await.ok());
    // the provider is away when the code is to be redeemed
    let asked = provider.visited(&other.post("/sign-in/provider", &[]).await.ok());
    provider.end().await;
    let answer = come_back(&other, &[("code", "x"), ("state", &asked["state"])]).await;
    refused(answer, &other, 503, "cannot be reached").await;
}

async fn an_address_in_clear_text_is_not_called(on: On) {
    for (endpoint, at) in [
        ("authorization_endpoint", "http://id.example.org/authorize"),
        ("jwks_uri", "http://id.example.org/keys"),
        ("issuer", "https://id.example.org"),
    ] {
        let provider = FalseProvider::start();
        provider.names(endpoint, json!(at));
        let app = provider.clinic(on, |_| ()).await;
        let browser = app.anyone();
        let answer = browser.post("/sign-in/provider", &[]).await;
        assert!(!answer.body.contains("id.example.org"), "{endpoint}");
        refused(answer, &browser, 503, "cannot be reached").await;
    }
    let provider = FalseProvider::start();
    provider.names("token_endpoint", json!("http://id.example.org/token"));
    let app = provider.clinic(on, |_| ()).await;
    let browser = app.anyone();
    refused(sign_in(&provider, &browser).await, &browser, 503, "cannot be reached").await;
}

/// A server that gives this answer to every request, or with an empty text never answers; gives its address.
fn answers(with: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            match with.is_empty() {
                true => held.push(connection),
                false => drop(connection.write_all(with.as_bytes())),
            }
        }
    });
    issuer
}

async fn a_provider_that_misbehaves_is_away(on: On) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let head = "content-type: application/json\r\nconnection: close";
    let json = |body: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for answer in [
        // a redirect to another place
        format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\n{head}\r\ncontent-length: 0\r\n\r\n",
            elsewhere.local_addr().unwrap()
        ),
        format!("HTTP/1.1 500 No\r\n{head}\r\ncontent-length: 0\r\n\r\n"),
        json("{}"),
        json("[1, 2"),
        json(&format!("\"{}\"", "x".repeat(300_000))),
        json(&"[".repeat(100_000)),
        String::new(),
    ] {
        let oidc = Oidc { timeout: std::time::Duration::from_secs(1), ..settings(&answers(answer)) };
        let app = App::start_with_config(on, |config| config.oidc = Some(oidc), Delivery::mailbox).await;
        let browser = app.anyone();
        refused(browser.post("/sign-in/provider", &[]).await, &browser, 503, "cannot be reached").await;
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "no redirect is followed");
}

async fn an_address_links_nobody(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    app.user(Role::Owner).await;
    let email = everybody(&app).await[0].email.to_string();
    provider.is(&app, "person-1");
    provider.claims("email", json!(email));
    provider.claims("email_verified", json!(true));
    let browser = app.anyone();
    refused(sign_in(&provider, &browser).await, &browser, 403, "Nobody here is linked with your account").await;
}

async fn one_person_is_one_user(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let one = app.user(Role::Staff).await;
    link(&provider, &app, &one, "person-1").await;
    let other = app.user(Role::Viewer).await;
    let page = other.get("/account").await.ok();
    let way = other.submit(&page, LINK, &[]).await.ok();
    let answer = finish(&provider, &other, &way).await;
    assert_eq!(answer.status, 409);
    assert!(answer.page().has_text("linked with another user"), "{}", answer.page().text());
    assert!(other.get("/account").await.ok().has_text("Link my account"));
    // a user who signed out meanwhile, or another one who signed in after them, is not linked
    let way = other.submit(&page, LINK, &[]).await.ok();
    provider.is(&app, "person-2");
    other.post("/sign-out", &[]).await.redirect();
    refused(finish(&provider, &other, &way).await, &other, 403, "not signed in here any more").await;
    let third = app.user(Role::Viewer).await;
    let way = third.submit(&third.get("/account").await.ok(), LINK, &[]).await.ok();
    let email = everybody(&app).await[0].email.to_string();
    third.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    let answer = finish(&provider, &third, &way).await;
    assert!(answer.status == 403 && answer.page().has_text("not signed in here any more"));
    let links = app.state.db.read(|conn| Ok::<i64, AppError>(provider_links::table.count().get_result(conn)?));
    assert_eq!(links.await.unwrap(), 1);
    // linking is not allowed in a browser that was left open
    app.state.clock.advance(Duration::minutes(11));
    assert!(other.post("/account/provider", &[]).await.redirect().starts_with("/sign-in"));
    assert!(third.post("/account/provider", &[]).await.redirect().starts_with("/account/confirmation"));
}

async fn a_link_is_ended_by_its_user(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    link(&provider, &app, &staff, "person-1").await;
    let page = staff.get("/account").await.ok();
    assert_eq!(staff.submit(&page, "End the link", &[]).await.says().1, "provider-unlinked");
    assert_eq!(noted(&app, id, "provider_unlinked").await, [None]);
    let browser = app.anyone();
    refused(sign_in(&provider, &browser).await, &browser, 403, "Nobody here is linked").await;
    assert_eq!(staff.post("/account/provider/removal", &[]).await.status, 404, "nothing to end");
    // linking with another person replaces the link
    link(&provider, &app, &staff, "person-2").await;
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
}

async fn a_link_is_ended_by_an_owner(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    sign_in(&provider, &browser).await.redirect();
    let page = owner.get(&format!("/settings/users/{id}")).await.ok();
    let (to, notice) = owner.submit(&page, "End the link", &[]).await.says();
    assert_eq!((to, notice.as_str()), (format!("/settings/users/{id}"), "provider-unlinked"));
    for one in [&staff, &browser] {
        assert!(one.get("/inbox").await.redirect().starts_with("/sign-in"), "their sessions end");
    }
    refused(sign_in(&provider, &browser).await, &browser, 403, "Nobody here is linked").await;
    assert!(!owner.get(&format!("/settings/users/{id}")).await.ok().has_text("End the link"));
}

async fn an_invitation_links_in_place_of_a_password(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/users/new").await.ok();
    let who = [("name", "Noor"), ("email", "noor@clinic.example"), ("role", "staff"), ("how", "shown")];
    let shown = owner.submit(&page, "Invite somebody", &who).await.ok();
    let noor = newest(&app).await;
    let text = shown.text() + &shown.attr("input[readonly]", "value").unwrap_or_default();
    let at = text.find("/password/").expect("a link");
    let path = text[at..].split_whitespace().next().unwrap().to_owned();
    let browser = app.anyone();
    provider.is(&app, "person-noor");
    let page = browser.get(&path).await.ok();
    let way = browser.submit(&page, "Use my account at Harbour ID", &[]).await.ok();
    // a second visit with the same invitation, which the first answer uses up
    let late = app.anyone();
    let second = late.submit(&late.get(&path).await.ok(), "Use my account at Harbour ID", &[]).await.ok();
    let (to, notice) = finish(&provider, &browser, &way).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/sign-in", "provider-linked"));
    refused(finish(&provider, &late, &second).await, &late, 404, "invitation does not work any more").await;
    assert_eq!(browser.get(&path).await.status, 404, "used up");
    assert_eq!(browser.post(&format!("{path}/provider"), &[]).await.status, 404);
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
    let page = owner.get(&format!("/settings/users/{noor}")).await.ok();
    assert!(!page.has_text("Invited") && page.has_text("Linked with single sign-on since"), "{}", page.text());
    // without a password the link is the user's only way to sign in
    let answer = browser.post("/account/provider/removal", &[]).await;
    assert!(answer.status == 409 && answer.page().has_text("Without the link you could not sign in"));
    let page = browser.get("/account").await.ok();
    assert!(page.has_text("You have no password here") && !page.has("#current"), "{}", page.text());
}

async fn whoever_was_deactivated_stays_out(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    let way = browser.post("/sign-in/provider", &[]).await.ok();
    owner.post(&format!("/settings/users/{id}/deactivation"), &[]).await.redirect();
    refused(finish(&provider, &browser, &way).await, &browser, 403, "was deactivated").await;
    assert_eq!(noted(&app, id, "sign_in_failed").await.len(), 1);
    owner.post(&format!("/settings/users/{id}/reactivation"), &[]).await.redirect();
    assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
}

async fn who_one_is_is_confirmed_there(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let owner = app.user(Role::Owner).await;
    let id = newest(&app).await;
    link(&provider, &app, &owner, "person-1").await;
    app.state.clock.advance(Duration::minutes(11));
    provider.is(&app, "person-1");
    let to = owner.get("/settings/users/new").await.redirect();
    let begin = async || {
        let page = owner.get(&to).await.ok();
        let way = owner.submit(&page, "Confirm with Harbour ID", &[]).await.ok();
        let asked = provider.visited(&way);
        assert_eq!((asked["prompt"].as_str(), asked["max_age"].as_str()), ("login", "0"));
        way
    };
    let now = app.state.clock.now().get().unix_timestamp();
    // an older session at the provider, or one of unknown age, is not enough; nor is another person
    for signed_in in [Value::Null, json!(now - 120)] {
        provider.claims("auth_time", signed_in);
        let answer = finish(&provider, &owner, &begin().await).await;
        assert!(answer.status == 403 && answer.page().has_text("did not ask you again"), "{}", answer.page().text());
    }
    provider.is(&app, "person-2");
    provider.claims("auth_time", json!(now));
    let answer = finish(&provider, &owner, &begin().await).await;
    assert!(answer.status == 403 && answer.page().has_text("as somebody else"), "{}", answer.page().text());
    assert!(owner.get("/settings/users/new").await.redirect().starts_with("/account/confirmation"));
    assert_eq!(noted(&app, id, "identity_not_confirmed").await.len(), 3);
    provider.is(&app, "person-1");
    provider.claims("auth_time", json!(now));
    assert_eq!(finish(&provider, &owner, &begin().await).await.redirect(), "/settings/users/new");
    assert_eq!(owner.get("/settings/users/new").await.status, 200);
    assert_eq!(noted(&app, id, "identity_confirmed").await.len(), 1);
}

async fn two_servers_are_one_clinic(on: On) {
    let provider = FalseProvider::start();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = fresh_database(on, folder.path()).await;
    let change = |config: &mut postern::config::Config| config.oidc = Some(settings(&provider.issuer));
    let one = App::start_at(folder, database.clone(), change, Delivery::mailbox).await;
    let two = App::start_at(other, database, change, Delivery::mailbox).await;
    let staff = one.user(Role::Staff).await;
    link(&provider, &one, &staff, "person-1").await;
    let here = one.anyone();
    let there = Actor { origin: two.origin.clone(), ..here.clone() };
    let asked = provider.visited(&here.post("/sign-in/provider", &[]).await.ok());
    let answer = [("code", fresh_code()), ("state", asked["state"].clone())];
    let answer = answer.each_ref().map(|(name, value)| (*name, value.as_str()));
    // the false provider does not check for which clinic a code was requested
    assert_eq!(come_back(&there, &answer).await.redirect(), "/inbox");
    assert_eq!(come_back(&here, &answer).await.status, 400, "used up for both");
    assert_eq!(here.get("/inbox").await.status, 200);
}

async fn nothing_secret_is_kept_or_shown(on: On) {
    let provider = FalseProvider::start();
    let app = provider.clinic(on, |_| ()).await;
    let staff = app.user(Role::Staff).await;
    link(&provider, &app, &staff, "person-1").await;
    let browser = app.anyone();
    let way = browser.post("/sign-in/provider", &[]).await;
    assert!(!way.body.contains(SECRET) && way.headers["cache-control"] == "no-store");
    let asked = provider.visited(&way.page());
    let rows = app.state.db.read(|conn| {
        let columns = (provider_visits::state_hash, provider_visits::browser_hash, provider_visits::nonce_hash);
        Ok::<Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>, AppError>(provider_visits::table.select(columns).load(conn)?)
    });
    for (state, browser, nonce) in rows.await.unwrap() {
        assert!(state != asked["state"].as_bytes() && nonce != asked["nonce"].as_bytes());
        assert!(!browser.is_empty());
    }
    // the values in the address of the answer are in no link and in no form that is kept
    let code = fresh_code();
    let back = browser.get(&format!("/sign-in/provider/answer?code={code}&state={}", asked["state"])).await;
    assert_eq!(back.body.matches(&code).count(), 1);
    assert_eq!(back.headers["referrer-policy"], "strict-origin");
    assert!(back.page().has_text(NAME));
    // visits without an answer are removed
    app.state.clock.advance(Duration::minutes(21));
    let now = app.state.clock.now();
    let swept = app.state.db.write(move |tx| Ok::<_, AppError>(postern::users::sweep_visits(tx, now)?));
    assert_eq!(swept.await.unwrap(), 1);
}
