//! Every answer has the headers that keep a browser from doing harm; a patient never uploads.

use super::routes;
use crate::support::app::{App, On};
use crate::support::world::Like;
use postern::access::Role;
use postern::config::Config;
use postern::delivery::Delivery;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_guarded() {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    app.patient(Like::default()).await;
    let nobody = app.anyone();
    let answers = [
        ("a page", 200, owner.get("/inbox").await),
        ("a portal page", 200, nobody.get("/portal").await),
        ("a redirect", 303, nobody.get("/inbox").await),
        ("not there", 404, owner.get("/nothing").await),
        ("a dead link", 404, nobody.get("/portal/link/unknown").await),
        ("refused", 403, owner.send("POST", "/sign-out", &[("sec-fetch-site", "cross-site")], "").await),
        ("a wrong method", 404, owner.send("DELETE", "/patients/1", &[("origin", &app.origin)], "").await),
        ("a broken form", 422, owner.post("/patients", &[]).await),
        ("too large", 413, nobody.post("/sign-in", &[("email", &"x".repeat(2 << 20))]).await),
        ("too large for a user", 413, owner.post("/patients", &[("given_name", &"x".repeat(2 << 20))]).await),
        ("too large for a patient", 413, nobody.post("/portal/entry", &[("number", &"x".repeat(2 << 20))]).await),
    ];
    for (what, status, answer) in answers {
        let is = |name: &str| answer.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(
            answer.status == status || (what == "a wrong method" && answer.status == 405),
            "{what}: {}",
            answer.status
        );
        let csp = is("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(csp.contains(part), "{what}: {csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains('*'), "{what}: {csp}");
        assert_eq!(is("x-content-type-options"), "nosniff", "{what}");
        // paths of the portal contain tokens, so another site may learn the origin only
        assert!(["strict-origin", "no-referrer", "same-origin"].contains(&is("referrer-policy").as_str()), "{what}");
        assert_eq!(is("cache-control"), "no-store", "{what}");
        assert_eq!(is("cross-origin-opener-policy"), "same-origin", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_never_uploads() {
    let app = App::start(On::Sqlite).await;
    let body = "--b\r\nContent-Disposition: form-data; name=\"body\"; filename=\"a.pdf\"\r\n\r\n%PDF\r\n--b--\r\n";
    for route in routes::portal().into_iter().filter(|route| route.method == "POST") {
        let path = route.filled(&[("token", "unknown"), ("number", "1"), ("file", "1")]);
        for kind in
            ["multipart/form-data; boundary=b", "Multipart/Form-Data; boundary=b", "application/pdf", "text/plain"]
        {
            let headers = [("content-type", kind), ("origin", app.origin.as_str())];
            assert_eq!(app.anyone().send("POST", &path, &headers, body).await.status, 415, "{path} {kind}");
        }
    }
}

/// Signing out makes the browser remove cached pages; the cookie by which it is recognised stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_clears_what_the_browser_keeps() {
    let app = App::start(On::Sqlite).await;
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let (patient, _) = app.go_in(&link, "+16135550121").await;
    app.state.clock.advance(time::Duration::minutes(1));
    let (again, _) = app.go_in(&link, "+16135550121").await;
    for (who, path) in [(&staff, "/sign-out"), (&patient, "/portal/logout"), (&again, "/portal/sessions/end")] {
        let answer = who.post(path, &[]).await;
        assert_eq!(answer.status, 303, "{path}");
        assert_eq!(answer.headers["clear-site-data"], "\"cache\", \"storage\"", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_is_asked_for_where_it_is_served() {
    for (url, subdomains, wanted) in [
        ("http://127.0.0.1:1", true, None),
        ("https://messages.example.org", false, Some("max-age=31536000")),
        ("https://messages.example.org", true, Some("max-age=31536000; includeSubDomains")),
    ] {
        let set = move |config: &mut Config| {
            config.public_url = url.parse().unwrap();
            config.hsts_subdomains = subdomains;
        };
        let app = App::start_with_config(On::Sqlite, set, Delivery::mailbox).await;
        let got = app.anyone().get("/sign-in").await;
        let strict = got.headers.get("strict-transport-security").map(|value| value.to_str().unwrap());
        assert_eq!(strict, wanted, "{url} {subdomains}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_a_weakness_learns_whom_to_tell() {
    let app = App::start(On::Sqlite).await;
    assert_eq!(app.anyone().get("/.well-known/security.txt").await.status, 404, "nobody is named");
    let set = |config: &mut Config| config.security_contact = Some("mailto:security@example.org".parse().unwrap());
    let app = App::start_with_config(On::Sqlite, set, Delivery::mailbox).await;
    let answer = app.anyone().get("/.well-known/security.txt").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    // the clock of the tests begins in March 2026
    for line in ["Contact: mailto:security@example.org", "Expires: 2026-08-31T00:00:00Z", "Preferred-Languages: en, fr"]
    {
        assert!(answer.body.lines().any(|one| one == line), "{line} in {}", answer.body);
    }
}
