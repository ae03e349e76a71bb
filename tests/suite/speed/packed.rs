//! Compression: pages of patients are compressed, but no page with a secret beside words of an outsider is.

use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use postern::access::Role;
use std::io::Read;

on_both!(pages_of_patients_go_out_compressed_and_no_others);

/// The content coding and the body of the answer.
async fn asked(who: &Actor, path: &str, accepts: &str) -> (String, Vec<u8>) {
    let request = who.http.get(format!("{}{path}", who.origin)).header("accept-encoding", accepts);
    let answer = request.send().await.unwrap();
    let coding = answer.headers().get("content-encoding").map(|coding| coding.to_str().unwrap().to_owned());
    (coding.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
}

/// The page without what differs at each view.
fn page(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (before, rest) = text.split_once("name=\"key\" value=\"").unwrap_or((&text, ""));
    format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after))
}

async fn pages_of_patients_go_out_compressed_and_no_others(app: App) {
    let staff = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&staff, patient, true).await;
    app.drain().await;
    let link = app.link_to("maria@example.org");
    let (here, _) = app.go_in(&link, "+16135550121").await;
    for path in ["/portal/messages", "/portal/messages/1", "/portal/information", "/portal/information/views"] {
        // the first request leaves its read marks before the answers that are compared
        asked(&here, path, "identity").await;
        let (coding, plain) = asked(&here, path, "identity").await;
        assert_eq!(coding, "", "{path}");
        let (coding, packed) = asked(&here, path, "br, gzip").await;
        assert_eq!(coding, "gzip", "{path}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert!(packed.len() * 2 < unpacked.len(), "{path}: {} of {}", packed.len(), unpacked.len());
        assert_eq!(page(&unpacked).len(), page(&plain).len(), "{path} says the same");
        // a parameter of the address may come from an outsider
        assert_eq!(asked(&here, &format!("{path}?before=9999"), "gzip").await.0, "", "{path}");
    }
    let link = link.split("/portal").nth(1).map(|rest| format!("/portal{rest}")).unwrap();
    for (who, path) in [
        (&app.anyone(), link.as_str()),
        (&app.anyone(), "/portal"),
        (&app.anyone(), "/sign-in"),
        (&staff, "/inbox"),
        (&staff, conversation.as_str()),
        (&staff, "/patients"),
        (&staff, "/patients?q=Mej"),
        (&staff, &format!("/patients/{patient}")),
        (&staff, &format!("/patients/{patient}/messages/new")),
    ] {
        assert_eq!(asked(who, path, "gzip, br").await.0, "", "{path}");
    }
}
