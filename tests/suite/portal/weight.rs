//! The patient's pages are small, load nothing from other servers, and set no cookie before it is needed.

use crate::support::app::{Actor, App, On};
use crate::support::world::Like;
use postern::access::Role;
use std::collections::BTreeSet;

/// The most bytes of page, styles and scripts together, as they are transferred.
const MOST: usize = 30_000;

/// The size of an asset as it is transferred, and its text.
async fn sent(who: &Actor, path: &str) -> (usize, String) {
    let plain = who.get(path).await;
    assert_eq!(plain.status, 200, "{path}");
    let request = who.http.get(format!("{}{path}", who.origin)).header("accept-encoding", "br, gzip");
    (request.send().await.unwrap().bytes().await.unwrap().len(), plain.body)
}

/// The bytes of a page with its styles, its scripts, and what those import.
async fn weight(who: &Actor, path: &str) -> usize {
    let page = who.get(path).await;
    let mut all = page.body.len();
    let mut waiting: Vec<String> =
        page.body.split(['"', '\'']).filter(|word| word.starts_with("/assets/")).map(|word| word.to_owned()).collect();
    assert!(waiting.iter().any(|asset| asset.ends_with(".css")), "styles are not seen here");
    let elsewhere = page.page().count("[src^=http], link[href^=http], [src^='//'], link[href^='//'], iframe, object");
    assert_eq!(elsewhere, 0, "{path} asks somebody else");
    let mut seen = BTreeSet::new();
    while let Some(asset) = waiting.pop() {
        if !seen.insert(asset.clone()) {
            continue;
        }
        let (bytes, text) = sent(who, &asset).await;
        all += bytes;
        let folder = asset.rsplit_once('/').unwrap().0;
        if asset.ends_with(".js") {
            let imports = text.split(['"', '\'']).filter(|word| word.starts_with("./") && word.ends_with(".js"));
            waiting.extend(imports.map(|word| format!("{folder}/{}", &word[2..])));
        }
    }
    println!("{path}: {all} bytes in {} answers", seen.len() + 1);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_and_message_are_light() {
    let app = App::start(On::Sqlite).await;
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let nobody = app.anyone();
    for path in ["/portal", "/portal/real", link.as_str()] {
        assert!(!nobody.get(path).await.headers.contains_key("set-cookie"), "{path} sets a cookie");
        let bytes = weight(&nobody, path).await;
        assert!(bytes <= MOST, "{path} weighs {bytes} bytes");
    }
    let (patient, message) = app.go_in(&link, "+16135550121").await;
    for path in ["/portal/messages", &message, "/portal/information"] {
        let bytes = weight(&patient, path).await;
        assert!(bytes <= MOST, "{path} weighs {bytes} bytes");
    }
}
