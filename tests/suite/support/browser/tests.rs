//! The browser of the tests finds what a person finds, and sees faults that a person does not see.

use super::driver::processes_of;
use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

const GOOD: &str = r#"<!doctype html><html lang="en"><head><title>Good</title><meta name="viewport" content="width=device-width"></head>
<body><main><h1>Good page</h1>
<form method="get" action="/sent"><p><label for="email">Email *</label> <input id="email" name="email"></p>
<p><label for="body">Message</label> <textarea id="body" name="body">old</textarea></p>
<p><label for="to">To</label> <select id="to" name="to" multiple><option value="1">Ada Byron</option><option value="2">Ben  Ode</option><option value="3" selected>Cy</option></select></p>
<p><label for="born">Date of birth</label> <input id="born" name="born" type="date"></p>
<p><label><input type="checkbox" name="reply" value="1" checked> Allow replies</label></p>
<fieldset><legend>By</legend><label><input type="radio" name="by" value="e"> By email</label> <label><input type="radio" name="by" value="t"> By text</label></fieldset>
<div id="note">Note</div> <div role="textbox" contenteditable="true" aria-labelledby="note">before</div>
<p><button name="go" value="1">Send it</button> <button hidden>Send it</button> <a href="/">Start again</a></p></form>
<p id="late"></p><script src="/late.js"></script></main></body></html>"#;
const LATE: &str = "setTimeout(() => { late.textContent = 'Now  it is here' }, 300); document.cookie = 'seen=1'";
const BAD: &str = r#"<!doctype html><html><head><title>Bad</title></head><body><p style="color: red">No language</p>
<img src="/missing.png"><script src="/bad.js"></script><p><button></button></p></body></html>"#;
const BAD_SCRIPT: &str = "Promise.reject(new Error('rejected')); console.error('said'); fetch('/assets/gone.css'); fetch('/broken'); nothing.at.all()";
const DIALOG: &str = r#"<!doctype html><html lang="en"><head><title>Dialog</title></head><body><main><h1>Dialog</h1><button>Close</button>
<dialog id="d" aria-label="New"><button>Close</button></dialog><script src="/dialog.js"></script></main></body></html>"#;

/// Serves the pages above until the tests end; gives the address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head =
                    BufReader::new(&connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let request = head.next().unwrap_or_default();
                let language = head.find(|h| h.to_lowercase().starts_with("accept-language")).unwrap_or_default();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let (status, kind, body) = match path.split('?').next().unwrap_or_default() {
                    "/" => (200, "text/html", GOOD.to_owned()),
                    "/late.js" => (200, "text/javascript", LATE.to_owned()),
                    "/sent" => (422, "text/html", GOOD.replace("Good page", &format!("<span lang=x>{path}</span>"))),
                    "/language" => (200, "text/plain", language),
                    "/bad" => (200, "text/html", BAD.to_owned()),
                    "/bad.js" => (200, "text/javascript", BAD_SCRIPT.to_owned()),
                    "/dialog" => (200, "text/html", DIALOG.to_owned()),
                    "/dialog.js" => (
                        200,
                        "text/javascript",
                        "d.showModal(); d.firstElementChild.onclick = () => d.close()".to_owned(),
                    ),
                    "/broken" => (500, "text/plain", String::new()),
                    _ => (404, "text/plain", String::new()),
                };
                let policy = "default-src 'self'; style-src 'self'";
                let _ = write!(
                    connection,
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-security-policy: {policy}\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    url
}

#[tokio::test]
async fn a_person_fills_and_presses() {
    let Some(browser) = Browser::start(&serve()).await else {
        return;
    };
    browser.goto("/").await;
    browser.fill("Email", "ada@example.org").await;
    browser.fill("Message", "new\nlines").await;
    browser.fill("To", "Ada Byron\nBen Ode").await;
    browser.fill("Date of birth", "1951-03-04").await;
    browser.fill("Allow replies", "off").await;
    browser.fill("By text", "on").await;
    browser.fill("Note", "typed here").await;
    assert_eq!(browser.value("Note").await, "typed here");
    assert_eq!(browser.value("To").await, "Ada Byron\nBen Ode");
    assert_eq!((browser.value("Allow replies").await, browser.value("By text").await), ("off".into(), "on".into()));
    browser.wait_text("Now it is here").await;
    browser.axe().await;
    browser.click_text("Send it").await;
    browser.wait_path("/sent?email=ada%40example.org&body=new%0D%0Alines&to=1&to=2&born=1951-03-04&by=t&go=1").await;
    // a 422 is a page like any other
    browser.assert_clean().await;
    browser.back().await;
    browser.reload().await;
    browser.wait("#email").await.click().await.unwrap();
    browser.keys(&format!("x{}", char::from(Key::Tab))).await;
    assert_eq!(browser.js("return document.activeElement.id").await, "body");
    assert_eq!(browser.value("Email").await, "x");

    browser.goto("/dialog").await;
    browser.click_text("Close").await;
    browser.wait_gone("dialog").await;
    browser.assert_clean().await;
}

#[tokio::test]
async fn what_is_wrong_is_reported() {
    let Some(browser) = Browser::start(&serve()).await else {
        return;
    };
    browser.goto("/bad").await;
    let violations = browser.axe_violations().await.join("\n");
    for rule in ["html-has-lang", "button-name", "image-alt", "landmark-one-main"] {
        assert!(violations.contains(rule), "{rule}: {violations}");
    }
    // faults of an earlier page are reported too
    browser.goto("/").await;
    let faults = browser.faults().await.join("\n");
    for fault in ["style-src", "rejected", "said", "/assets/gone.css", "/broken", "nothing is not defined"] {
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
    assert!(!faults.contains("missing.png"), "{faults}");
    assert!(browser.faults().await.is_empty(), "reported once");

    let missing = browser.look("clickable", "Nowhere").await.unwrap_err();
    assert_eq!(missing, r#"no buttons or links called "Nowhere"; there are: "Send it", "Start again""#);
    let missing = browser.look("control", "Emails").await.unwrap_err();
    assert!(missing.contains(r#""Email", "Message", "To", "Date of birth", "Allow replies""#), "{missing}");
}

#[tokio::test]
async fn phones_dark_pages_other_languages_and_no_scripts() {
    let Some(browser) = Browser::start_in("fr-CA", &serve()).await else {
        return;
    };
    browser.goto("/language").await;
    assert!(browser.text().await.to_lowercase().contains("fr-ca"), "{}", browser.text().await);
    browser.without_javascript().await;
    browser.size(390).await;
    browser.dark().await;
    browser.goto("/").await;
    let matches = "return ['(prefers-color-scheme: dark)', '(width: 390px)', '(pointer: coarse)'].map(q => matchMedia(q).matches)";
    assert_eq!(browser.js(matches).await, json!([true, true, true]));
    assert_eq!(browser.js("return document.cookie").await, "", "a script of the page has run");
    browser.fill("Email", "a").await;
    browser.fill("To", "Cy").await;
    browser.fill("Date of birth", "1951-03-04").await;
    browser.axe().await;
    browser.click_text("Send it").await;
    browser.wait_path("/sent?email=a&body=old&to=3&born=1951-03-04&reply=1&go=1").await;
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("page.png");
    browser.screenshot(&picture).await;
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    browser.assert_clean().await;
}

#[tokio::test]
async fn nothing_is_left_when_a_test_panics() {
    let Some(browser) = Browser::start(&serve()).await else {
        return;
    };
    browser.goto("/").await;
    let (group, profile) = (browser.driver.process_group(), browser.driver.profile().to_owned());
    let names = processes_of(group).len();
    assert!(names >= 3, "chromedriver and chromium in one group, not {names}");
    let panicked = tokio::spawn(async move {
        let _browser = browser;
        panic!("as a failing test does");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(processes_of(group), [0; 0]);
    assert!(!profile.exists());
}
