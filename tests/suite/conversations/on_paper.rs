//! A conversation on paper: the page and the PDF say all of it, internal notes only where they are asked for.

use crate::chart::document::poppler;
use crate::files::samples;
use crate::files::uploads::{get, id_in, upload};
use crate::on_both;
use crate::support::app::{Actor, App, On};
use crate::support::browser::Browser;
use crate::support::world::{Like, PASSWORD};
use data_encoding::{BASE64, HEXLOWER};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{audit_events as a, users};
use postern::error::AppError;
use postern::text::Lang;
use sha2::{Digest, Sha256};

on_both!(
    the_page_says_everything_and_notes_by_choice,
    the_pdf_is_tagged_and_in_the_readers_language,
    what_was_taken_back_is_marked,
);

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";
const BODY: &str = "Take ~~2~~ **3** a day.\n\n3. first\n4. second\n\n| Day | Dose |\n|---|---|\n| Mon | 1 mg |\n| Tue | 2 mg |\n\n\
                    See [this page](https://info.example.org/dose).";

/// A conversation with a file, that was read and answered, and has a note.
pub async fn talk(app: &App, user: &Actor, patient: PatientId) -> String {
    let file = id_in(&upload(user, patient, "Plan é.pdf", samples::pdf()).await);
    let fields = [
        ("title", "Dose & <plan>"),
        ("body", BODY),
        ("key", "0123456789abcdef-paper"),
        ("replies_allowed", "on"),
        ("upload", &file),
    ];
    let to = user.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap().to_owned();
    app.drain().await;
    let (theirs, message) = app.go_in(&app.link_to(EMAIL), PHONE).await;
    let page = theirs.get(&message).await.ok();
    theirs.submit(&page, "Send", &[("body", "Thank you, I will.")]).await.redirect();
    let note = [("body", "for us alone"), ("key", "0123456789abcdef-note"), ("draft_version", "0")];
    user.post(&format!("{conversation}/notes"), &note).await.redirect();
    conversation
}

/// The details of the rows that tell of looking at conversations.
async fn looks(app: &App) -> Vec<Option<String>> {
    let read = app.state.db.read(|conn| -> Result<Vec<Option<String>>, AppError> {
        let rows = a::table.filter(a::action.eq("conversation_viewed")).filter(a::detail.is_not_null());
        Ok(rows.order(a::id).select(a::detail).load(conn)?)
    });
    read.await.unwrap()
}

async fn the_page_says_everything_and_notes_by_choice(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = talk(&app, &user, maria).await;
    let link = user.get(&conversation).await.ok().links().into_iter().find(|link| link.text == "Print or save as PDF");
    let print = link.unwrap().href;
    assert_eq!(print, format!("{conversation}/print"));
    user.send("HEAD", &print, &[], "").await;
    assert!(looks(&app).await.is_empty(), "nobody has looked");

    let answer = user.get(&print).await;
    let style = answer.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64.encode(&Sha256::digest(style));
    let policy = answer.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains(&format!("style-src 'sha256-{hash}'")) && policy.contains("default-src 'none'"),
        "{policy}"
    );
    let page = answer.ok();
    let sha256 = HEXLOWER.encode(&Sha256::digest(samples::pdf()));
    for words in [
        "María Mejía",
        "4 March 1951",
        "943 476 5919",
        "Dose & <plan>",
        "Patient may respond",
        "User clinician, 4 March 2026",
        "María Mejía, 4 March 2026",
        "Thank you, I will.",
        "Email: Sent",
        "read by patient, 4 March 2026",
        "Plan é.pdf",
        &sha256,
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert_eq!((page.texts_of(".body s"), page.texts_of(".body td").len() >= 2), (vec!["2".to_owned()], true));
    assert!(!page.has_text("for us alone") && !page.has_text("not for the patient"), "{}", page.text());
    let hrefs: Vec<String> = page.links().into_iter().map(|link| link.href).collect();
    for there in [conversation.clone(), format!("{conversation}/document.pdf"), format!("{print}?notes=on")] {
        assert!(hrefs.contains(&there), "{there}: {hrefs:?}");
    }

    let page = user.get(&format!("{print}?notes=on")).await.ok();
    assert!(page.has_text("for us alone") && page.has_text("Internal note"), "{}", page.text());
    assert!(page.has_text("This copy has internal notes: it is not for the patient."), "{}", page.text());
    assert!(page.links().iter().any(|link| link.href == format!("{conversation}/document.pdf?notes=on")));
    assert_eq!(looks(&app).await, [Some("print".to_owned()), Some("print with notes".to_owned())]);

    // a page of earlier messages says so
    let reply = user.get(&conversation).await.ok().attrs_of(".msg.theirs", "id").pop().unwrap();
    let earlier = format!("{print}?before={}", reply.replace("message-", ""));
    let page = user.get(&earlier).await.ok();
    assert!(page.has_text("There are later messages, which are not on this copy."), "{}", page.text());
    assert!(!page.has_text("Thank you, I will."), "{}", page.text());

    // whoever reads may print; what is not there is 404
    app.user(Role::Viewer).await.get(&print).await.ok();
    for path in ["/conversations/9999/print", "/conversations/9999/document.pdf"] {
        assert_eq!(user.get(path).await.status, 404, "{path}");
    }
}

async fn the_pdf_is_tagged_and_in_the_readers_language(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = talk(&app, &user, maria).await;
    let got = get(&user, &format!("{conversation}/document.pdf"), &[]).await;
    assert_eq!((got.status, &got.headers["content-type"]), (200, &"application/pdf".parse().unwrap()));
    let id = conversation.rsplit('/').next().unwrap();
    let name = format!("attachment; filename=\"conversation-{id}.pdf\"");
    assert_eq!(got.headers["content-disposition"], name.as_str());
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    let says =
        |info: &str, line: &str| info.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == line);
    let info = poppler("pdfinfo", &[], &got.bytes);
    assert!(says(&info, "Tagged: yes") && says(&info, "Title: Dose & <plan>"), "{info}");
    let meta = poppler("pdfinfo", &["-meta"], &got.bytes);
    assert!(meta.contains("pdfuaid:part") && meta.contains("en"), "{meta}");
    let structure = poppler("pdfinfo", &["-struct-text"], &got.bytes);
    let tags: Vec<&str> = structure.lines().map(str::trim).filter(|line| !line.starts_with('"')).collect();
    for tag in ["H1", "H2", "Table", "TR", "TD", "L", "LI", "Lbl", "LBody", "P"] {
        assert!(tags.iter().any(|line| line.split([' ', ':']).next() == Some(tag)), "no {tag} in {structure}");
    }
    let text = poppler("pdftotext", &["-layout"], &got.bytes);
    let sha256 = HEXLOWER.encode(&Sha256::digest(samples::pdf()));
    for words in [
        "[struck out: 2] 3 a day",
        "3.",
        "4.",
        "1 mg",
        "this page (https://info.example.org/dose)",
        "Plan é.pdf",
        &sha256,
        "Thank you, I will.",
        "Page 1 of",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("for us alone"), "{text}");
    let with_notes = get(&user, &format!("{conversation}/document.pdf?notes=on"), &[]).await;
    assert!(poppler("pdftotext", &["-layout"], &with_notes.bytes).contains("for us alone"));
    assert_eq!(looks(&app).await, [Some("pdf".to_owned()), Some("pdf with notes".to_owned())]);

    // the language is the reader's, and stands in the file
    let reader = app.user(Role::Clinician).await;
    reader.post("/language", &[("language", "fr")]).await.redirect();
    let got = get(&reader, &format!("{conversation}/document.pdf"), &[]).await;
    let text = poppler("pdftotext", &["-layout"], &got.bytes);
    for words in ["[biffé : 2] 3 a day", "Page 1 sur", "4 mars 1951", "lu par le patient"] {
        assert!(text.replace('\u{a0}', " ").contains(words), "{words}: {text}");
    }
    assert!(poppler("pdfinfo", &["-meta"], &got.bytes).contains("fr"));
}

async fn what_was_taken_back_is_marked(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let conversation = app.message(&user, maria, true).await;
    let page = user.get(&conversation).await.ok();
    let message = page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "");
    let page = user.get(&format!("{conversation}/messages/{message}/recall")).await.ok();
    user.submit(&page, "Take back", &[]).await.redirect();
    // what it said is on the clinic's own copy alone
    for (query, is_shown) in [("", false), ("?notes=on", true)] {
        let page = user.get(&format!("{conversation}/print{query}")).await.ok();
        assert!(page.has_text("Taken back by User clinician on 4 March 2026"), "{}", page.text());
        assert!(page.has_text("All of this conversation was taken back"), "{}", page.text());
        assert_eq!(page.has_text("All is well"), is_shown, "{}", page.text());
        assert_eq!(page.has_text("This copy has messages that were taken back"), is_shown, "{}", page.text());
    }
}

/// In real Chromium: from the conversation to the page for paper and back, with axe.
async fn the_page_is_read(width: u32, code: &'static str, scripts: bool) {
    let app = App::start(On::Sqlite).await;
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let conversation = talk(&app, &owner, maria).await;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(code)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    let (email, lang) = (write.await.unwrap(), Lang::or_english(code));
    let Some(browser) = Browser::start_in(code, &app.origin).await else { return };
    browser.size(width).await;
    if !scripts {
        browser.without_javascript().await;
    }
    browser.goto("/sign-in").await;
    browser.fill(lang.t("email"), &email).await;
    browser.fill(lang.t("password"), PASSWORD).await;
    browser.click_text(lang.t("sign-in")).await;
    browser.wait_path("/inbox").await;
    browser.goto(&conversation).await;
    browser.click_text(lang.t("paper-link")).await;
    browser.wait_path(&format!("{conversation}/print")).await;
    browser.wait_text(lang.t("paper-save")).await;
    let name = |what: &str| format!("paper-{what}-{width}-{code}{}", if scripts { "" } else { "-plain" });
    browser.inspect(&name("page")).await;
    browser.click_text(lang.t("paper-show-notes")).await;
    browser.wait_text(lang.t("paper-with-notes")).await;
    browser.inspect(&name("notes")).await;
    browser.click_text(lang.t("back-to-conversation")).await;
    browser.wait_path(&conversation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_in_a_browser_wide() {
    the_page_is_read(1280, "en", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_in_a_browser_on_the_smallest_phone_in_french() {
    the_page_is_read(320, "fr", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_in_a_browser_without_javascript() {
    the_page_is_read(800, "en", false).await;
}
