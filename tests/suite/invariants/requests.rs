//! What is refused before any page, and the headers that every answer has.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use postern::access::Role;

on_both!(cross_site_requests_are_refused, every_answer_has_the_headers, a_patient_never_uploads);

async fn cross_site_requests_are_refused(app: App) {
    let owner = app.user(Role::Owner).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    for path in ["/sign-out", "/settings/clinic", "/patients", "/portal/logout", "/portal/link/x/passcode"] {
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            assert_eq!(owner.send("POST", path, &[form, header], "").await.status, 403, "{path} {header:?}");
        }
    }
    let fine = owner.send("POST", "/sign-out", &[form, ("sec-fetch-site", "same-origin")], "").await;
    assert_eq!(fine.status, 303);
}

async fn every_answer_has_the_headers(app: App) {
    let somebody = app.anyone();
    for path in ["/sign-in", "/inbox", "/nothing-here", "/portal", "/portal/link/nope", "/healthz"] {
        let headers = somebody.get(path).await.headers;
        let get = |name: &str| headers.get(name).unwrap_or_else(|| panic!("{path} lacks {name}")).to_str().unwrap();
        assert!(get("content-security-policy").starts_with("default-src 'none'; script-src 'self'"), "{path}");
        assert_eq!(get("x-content-type-options"), "nosniff");
        assert_eq!(get("referrer-policy"), "strict-origin");
        assert_eq!(get("cross-origin-opener-policy"), "same-origin");
        assert_eq!(get("cache-control"), "no-store", "{path}");
        assert!(headers.get("set-cookie").is_none(), "{path} sets a cookie before it is needed");
    }
    // the demo's mailbox is the demo's alone
    assert_eq!(somebody.get("/demo/mailbox").await.status, 404);
    assert_eq!(somebody.get("/demo/mailbox.json").await.status, 404);
}

async fn a_patient_never_uploads(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let body = "--x\r\ncontent-disposition: form-data; name=\"body\"; filename=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n";
    for path in [format!("{message}/replies"), "/portal/logout".into(), "/portal/language".into()] {
        let headers = [("content-type", "multipart/form-data; boundary=x")];
        assert_eq!(patient.send("POST", &path, &headers, body).await.status, 415, "{path}");
    }
    assert_eq!(patient.get(&message).await.ok().count(".thread li"), 1);
}
