//! How an EMR is asked: what happens to tokens, and what trouble is told as.

use crate::support::app::{App, On};
use crate::support::emr::{READS, RealEmr, Trouble, ask, clinic};
use data_encoding::BASE64;
use postern::access::Role;
use postern::clock::Random;
use postern::config::{Config, EmrSignIn, EmrSource};
use postern::delivery::Delivery;
use postern::emr::{Accept, Answer, Emr, EmrError, Fault, Verb};
use postern::emr_sources::key_source;
use serde_json::json;
use std::io::Read;
use std::time::Duration;

/// A search that finds few.
fn search(emr: &Emr) -> Result<Answer, EmrError> {
    emr.get("Patient?_count=1", Accept::FhirJson, 1 << 20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_serves_many_calls_and_is_renewed_where_it_ends_early() {
    let Some((app, emr)) = clinic(On::Sqlite, READS, |_| ()).await else { return };
    for _ in 0..3 {
        assert_eq!(ask(&app, search).await.unwrap().status, 200);
    }
    assert_eq!((emr.asked("GET /Patient?"), emr.asked("smart-configuration")), (3, 1));
    assert_eq!(emr.tokens(), 1);
    emr.trouble("Patient?", Trouble::Status(401));
    assert_eq!(ask(&app, search).await.unwrap().status, 200);
    assert_eq!((emr.asked("GET /Patient?"), emr.tokens()), (5, 2));
    // where a new token is not accepted either, that is told, and not tried for ever
    emr.trouble("Patient?", Trouble::Status(401));
    emr.trouble("Patient?", Trouble::Status(401));
    assert_eq!(ask(&app, search).await.unwrap_err().fault(), Fault::NotSignedIn);
    assert_eq!((emr.asked("GET /Patient?"), emr.tokens()), (7, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_told_apart() {
    let Some((app, emr)) = clinic(On::Sqlite, READS, |_| ()).await else { return };
    let elsewhere = "http://127.0.0.1:9/Patient".to_owned();
    for (trouble, fault) in [
        (Trouble::Wait(429, 7), Fault::Busy),
        (Trouble::Wait(503, 9), Fault::Busy),
        (Trouble::Status(429), Fault::Busy),
        (Trouble::Status(503), Fault::Away),
        (Trouble::Status(500), Fault::Away),
        (Trouble::Cut, Fault::Away),
        (Trouble::Status(403), Fault::Forbidden),
        (Trouble::Status(400), Fault::Refused),
        (Trouble::Redirect(elsewhere), Fault::Elsewhere),
    ] {
        let told = format!("{trouble:?}");
        emr.trouble("Patient?", trouble);
        assert_eq!(ask(&app, search).await.unwrap_err().fault(), fault, "{told}");
        assert_eq!(ask(&app, search).await.unwrap().status, 200, "after {told}");
    }
    emr.trouble("Patient?", Trouble::Wait(429, 7));
    assert_eq!(ask(&app, search).await.unwrap_err(), EmrError::Later(Duration::from_secs(7)));
    // one that is silent is not waited for
    let source = EmrSource { timeout: Duration::from_secs(1), ..emr.source() };
    let keys = key_source(app.state.db.clone(), app.state.clock.clone());
    let hasty = Emr::new(&source, app.state.clock.clone(), Random::seeded(3), keys);
    emr.trouble("metadata", Trouble::Late(Duration::from_secs(3)));
    let said = tokio::task::spawn_blocking(move || hasty.capabilities()).await.unwrap();
    assert_eq!(said.unwrap_err().fault(), Fault::Late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_elsewhere_and_nothing_is_read_without_end() {
    let Some((app, emr)) = clinic(On::Sqlite, READS, |_| ()).await else { return };
    let get = |target: &'static str, limit| move |emr: &Emr| emr.get(target, Accept::FhirJson, limit);
    let elsewhere = ask(&app, get("http://127.0.0.1:9/Patient?page=2", 100)).await;
    assert_eq!(elsewhere.unwrap_err().fault(), Fault::Elsewhere);
    assert_eq!(emr.asked("GET"), 0, "not even a token was asked for");
    assert_eq!(ask(&app, get("Patient?_count=1", 10)).await.unwrap_err(), EmrError::TooLarge);
    let nobody = ask(&app, get("Patient/nobody", 1 << 20)).await.unwrap_err();
    assert!(matches!(nobody, EmrError::Refused { status: 404, .. }), "{nobody:?}");
    let whole = |emr: &Emr| {
        let (mut read, mut bytes) = (emr.open("metadata", Accept::FhirJson)?, Vec::new());
        Ok::<_, EmrError>((read.read_to_end(&mut bytes).is_ok(), bytes.len()))
    };
    let (is_whole, length) = ask(&app, whole).await.unwrap();
    assert!(is_whole && length > 1_000, "{length}");
    emr.trouble("metadata", Trouble::Cut);
    assert!(!ask(&app, whole).await.unwrap().0, "half a file is no file");
    // writing is not allowed by the right to read
    let body = json!({"resourceType": "Patient", "name": [{"family": "Nobody"}]}).to_string();
    let write = ask(&app, move |emr| emr.send(Verb::Post, "Patient", &[], body.as_bytes())).await;
    assert_eq!(write.unwrap_err().fault(), Fault::Forbidden);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_there() {
    let all = "system/*.cruds";
    let Some((app, emr)) = clinic(On::Sqlite, all, |source| source.scopes = all.to_owned()).await else { return };
    let body = json!({"resourceType": "Patient", "name": [{"family": "Tremblay"}]}).to_string();
    let made = ask(&app, move |emr| emr.send(Verb::Post, "Patient", &[("prefer", "return=minimal")], body.as_bytes()));
    let made = made.await.unwrap();
    assert_eq!(made.status, 201);
    let at = made.location.unwrap();
    let id = at.rsplit("Patient/").next().unwrap().split('/').next().unwrap().to_owned();
    let target = format!("Patient/{id}");
    let read = target.clone();
    let got = ask(&app, move |emr| emr.get(&read, Accept::FhirJson, 1 << 20)).await.unwrap();
    assert!(String::from_utf8(got.body).unwrap().contains("Tremblay"));
    emr.remove(&target).await;
    let gone = ask(&app, move |emr| emr.get(&target, Accept::FhirJson, 1 << 20)).await.unwrap_err();
    assert!(matches!(gone, EmrError::Refused { status: 404 | 410, .. }), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emr_without_smart_takes_a_token_or_a_password() {
    let Some(emr) = RealEmr::start(READS, 300) else { return };
    let start = async |sign_in: EmrSignIn| {
        let source = EmrSource { sign_in, ..emr.source() };
        App::start_with_config(On::Sqlite, |config: &mut Config| config.emr = vec![source], Delivery::mailbox).await
    };
    let token = emr.token().await;
    let app = start(EmrSignIn::Bearer(token.clone())).await;
    assert_eq!(ask(&app, search).await.unwrap().status, 200);
    assert!(emr.was_signed(&format!("Bearer {token}")));
    // such a token cannot be renewed: nothing is tried again with it
    emr.trouble("Patient?", Trouble::Status(401));
    assert_eq!(ask(&app, search).await.unwrap_err().fault(), Fault::NotSignedIn);
    assert_eq!(emr.asked("GET /Patient?"), 2);
    let page = app.user(Role::Owner).await.get("/settings/emr").await.ok();
    assert!(page.has_text("by a token of the EMR") && !page.has_text("Make a new key"), "{}", page.text());
    assert!(!page.text().contains(&token));
    let app = start(EmrSignIn::Basic("clinic".to_owned(), "very secret".to_owned())).await;
    // this one takes no passwords, and says so
    assert_eq!(ask(&app, search).await.unwrap_err().fault(), Fault::NotSignedIn);
    assert!(emr.was_signed(&format!("Basic {}", BASE64.encode(b"clinic:very secret"))));
    assert_eq!(emr.asked("smart-configuration"), 0);
    let page = app.user(Role::Owner).await.get("/settings/emr").await.ok();
    assert!(page.has_text("by name and password · clinic") && !page.has_text("very secret"), "{}", page.text());
}
