//! Every answer carries the headers that keep a browser from doing harm; a patient never uploads.

use super::routes;
use crate::support::app::{App, On};
use crate::support::world::Like;
use postern::access::Role;

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
        ("too large", 400, nobody.post("/sign-in", &[("email", &"x".repeat(2 << 20))]).await),
    ];
    for (what, status, answer) in answers {
        let is = |name: &str| answer.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(
            answer.status == status
                || (what == "a wrong method" && answer.status == 405)
                || (what == "too large" && answer.status == 413),
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
        // tokens are in the paths of the portal: another site is told our origin at the most
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
