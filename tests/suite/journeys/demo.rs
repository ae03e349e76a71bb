//! The demo lives: charts of today with every kind of item, conversations in every state, a tour that ticks itself, a
//! mailbox that shows mails and texts as their readers see them.

use crate::support::browser::Browser;
use crate::support::demo::{Demo, signed_in};
use crate::support::html::Page;
use std::time::{Duration, Instant};

const CLINICIAN: (&str, &str) = ("clinician@demo.example", "demo-clinician-1");

async fn page(client: &reqwest::Client, address: String) -> Page {
    let answer = client.get(&address).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{address}");
    Page::parse(&answer.text().await.unwrap())
}

fn facts(folder: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("demo.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_work_of_every_kind_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let client = signed_in(&demo.at(""), CLINICIAN).await;
    for filter in ["unread", "open", "waiting_for_patient", "waiting_for_us", "done", "closed", "needs_attention"] {
        let inbox = page(&client, demo.at(&format!("/inbox?scope=all&filter={filter}"))).await;
        assert!(inbox.has(".work > li, .list > li"), "nothing is {filter}");
    }
    let all = page(&client, demo.at("/inbox?scope=all&filter=any")).await.text();
    for patient in ["Margaret Sinclair", "Maëlle Tremblay-Gagnon", "秀英 王", "Нина Коваленко", "أمل حداد", "ᓯᓚ ᐱᑕ"]
    {
        assert!(all.contains(patient), "{patient}");
    }
    for (email, password) in [
        ("owner@demo.example", "demo-owner-1"),
        ("staff@demo.example", "demo-staff-1"),
        ("viewer@demo.example", "demo-viewer-1"),
    ] {
        let own = signed_in(&demo.at(""), (email, password)).await;
        let inbox = page(&own, demo.at("/inbox?scope=mine&filter=any")).await;
        assert!(inbox.has(".work > li, .list > li"), "{email} has nothing of their own");
    }
    // every chart but that of a child who died long ago
    let all = facts(folder.path());
    let patients = all["patients"].as_array().unwrap();
    assert!(patients.len() > 20, "{}", patients.len());
    for patient in patients.iter().filter(|patient| !patient["health_number"].is_null()) {
        let browser = page(&client, demo.at(&format!("/patients/{}/chart-browser?all_dates=1", patient["id"]))).await;
        let kinds = browser.texts_of(".kinds button");
        let empty: Vec<_> = kinds.iter().filter(|kind| kind.ends_with(" 0")).collect();
        assert!(kinds.len() == 10 && empty.is_empty(), "{}: {empty:?}", patient["name"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_ticks_itself_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let nobody = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let home =
        async || nobody.get(demo.at("/")).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(home().await, "/demo");
    let tour = page(&nobody, demo.at("/demo")).await;
    assert_eq!((tour.count(".tour > li"), tour.count(".tour > .done")), (9, 0), "nothing is done by itself");
    let client = signed_in(&demo.at(""), CLINICIAN).await;
    let tour = page(&nobody, demo.at("/demo")).await;
    assert_eq!(tour.texts_of(".tour > .done strong"), ["Sign in to the clinic"]);
    page(&client, demo.at("/patients/15")).await;
    let tour = page(&nobody, demo.at("/demo")).await;
    assert_eq!(
        (tour.count(".tour > .done"), tour.text_of(".tour > .next strong")),
        (2, "Send her a message".to_owned())
    );
    let form = tour.form("form[action='/demo/removal']");
    let fields = form.fields();
    // the button pressed twice, or in two windows, puts it away all the same
    for _ in 0..2 {
        let put_away = nobody.post(demo.at(&form.action)).form(&fields).send().await.unwrap();
        assert_eq!((put_away.status().as_u16(), home().await.as_str()), (303, "/inbox"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_shown_in_a_frame_that_can_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let nobody = reqwest::Client::new();
    let mailbox = page(&nobody, demo.at("/demo/mailbox?who=p15")).await;
    assert!(mailbox.has(".mailbox nav [aria-current=page]") && mailbox.has(".bubble"), "{}", mailbox.text());
    assert!(mailbox.attr("a.btn.primary", "href").unwrap().starts_with("/portal/link/"), "open as this patient");
    let frame = mailbox.attr("iframe", "src").unwrap();
    for look in ["light", "dark"] {
        let frame = frame.replace("look=", &format!("look={look}"));
        let mail = nobody.get(demo.at(&frame)).send().await.unwrap();
        let policy = mail.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"),
            "{policy}"
        );
        let html = mail.text().await.unwrap();
        assert!(html.contains("<base target=\"_blank\">") && html.contains(&format!("content=\"{look}\"")), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_demo_has_users_and_no_patients() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start_with(folder.path(), &["--empty"]);
    assert_eq!(facts(folder.path())["patients"].as_array().unwrap().len(), 0);
    let client = signed_in(&demo.at(""), CLINICIAN).await;
    assert!(!page(&client, demo.at("/inbox?scope=all&filter=any")).await.has(".work > li"));
    assert!(!page(&client, demo.at("/demo/mailbox")).await.has("iframe"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demos_own_pages_are_accessible() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let Some(browser) = Browser::start(&demo.at("")).await else { return };
    for (path, width) in [("/demo", 1280), ("/demo", 320), ("/demo/mailbox?who=p15", 1280), ("/demo/mailbox", 320)] {
        browser.size(width).await;
        browser.goto(path).await;
        browser.wait("h1").await;
        browser.axe().await;
        let wide =
            browser.js("return document.documentElement.scrollWidth > document.documentElement.clientWidth").await;
        assert_eq!(wide, false, "{path} is wider than {width}");
        browser.assert_clean().await;
    }
    // a step ticks itself on the page that is open
    browser.goto("/demo").await;
    signed_in(&demo.at(""), CLINICIAN).await;
    // the page asks now and then, and a busy machine answers late
    let begin = Instant::now();
    while browser.js("return document.querySelector('.tour > .done') !== null").await != true {
        assert!(begin.elapsed() < Duration::from_secs(30), "no step is ticked: {}", browser.text().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_was_only_half_filled_is_not_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("filling"), "").unwrap();
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(["demo", "--port", "0", "--data", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("empty it, and start again"), "{said}");
    assert!(!folder.path().join("postern.db").exists());
}

/// With opening hours and a promise of an answer the demo says on the patient's page by when there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_promises_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let owner = signed_in(&demo.at(""), ("owner@demo.example", "demo-owner-1")).await;
    let mut form = page(&owner, demo.at("/settings/hours")).await.form_with("Save");
    for day in 1..=7 {
        // also at the hour at which this runs
        form.set(&format!("from_{day}"), "00:00").set(&format!("until_{day}"), "00:00");
    }
    form.set("promise_unit", "hours").set("promise_amount", "2").press("Save");
    let saved = owner.post(demo.at(&form.action)).form(&form.fields()).send().await.unwrap();
    let to = saved.headers()["location"].to_str().unwrap();
    assert_eq!((saved.status().as_u16(), to), (303, "/settings/hours"));
    let saved = page(&owner, demo.at("/settings/hours")).await.form_with("Save");
    assert_eq!(saved.value("promise_amount").as_deref(), Some("2"));
    let mut form = page(&owner, demo.at("/patients/15/messages/new")).await.form_with("Submit");
    form.set("title", "Your results").set("body", "All is well").set("replies_allowed", "on");
    let preview = owner.post(demo.at("/patients/15/messages/preview")).form(&form.fields()).send().await.unwrap();
    assert_eq!(preview.status(), 200);
    let preview = Page::parse(&preview.text().await.unwrap());
    let says = ["If you write now, we answer by", "Si vous écrivez maintenant, nous vous répondrons"];
    assert!(says.iter().any(|words| preview.has_text(words)), "{}", preview.text());
    for filter in ["to_do", "waiting_for_us"] {
        let inbox = page(&owner, demo.at(&format!("/inbox?scope=all&filter={filter}"))).await;
        assert!(inbox.has(".work > li"), "{filter}");
    }
}
