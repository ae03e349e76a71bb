//! A page of another site can change nothing.

use super::routes;
use crate::support::app::{App, On};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_post_from_another_site_gets_through() {
    let app = App::start(On::Sqlite).await;
    let own = app.origin.clone();
    let foreign: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        // Sec-Fetch-Site counts more than an Origin that is allowed
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[("origin", "https://elsewhere.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1")],
    ];
    let posts = routes::clinic().into_iter().chain(routes::portal()).filter(|route| route.method == "POST");
    let mut seen = 0;
    for route in posts {
        seen += 1;
        let names = [
            "patient",
            "conversation",
            "item",
            "token",
            "number",
            "kind",
            "channel",
            "language",
            "template",
            "scheduled",
            "upload",
            "message",
            "user",
            "team",
            "passkey",
            "broadcast",
            "view",
            "caregiver",
        ];
        let path = route.filled(&names.map(|name| (name, "1")));
        let form = ("content-type", "application/x-www-form-urlencoded");
        for headers in foreign {
            let answer = app.anyone().send("POST", &path, &[*headers, &[form]].concat(), "a=b").await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        }
        for headers in [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", own.as_str())] {
            let answer = app.anyone().send("POST", &path, &[headers, form], "a=b").await;
            assert!(answer.status != 403 && answer.status < 500, "{path} {headers:?}: {}", answer.status);
        }
    }
    assert!(seen > 15);
}
