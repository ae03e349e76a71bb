//! The list of a message to many, and what is found out before anything is sent.

use super::{all_out, in_state, numbered, rows, written_to};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use futures_util::future::join;
use postern::access::Role;
use postern::patients::Method;

on_both!(
    who_can_be_told_is_found_out_first,
    lines_that_name_nobody_are_told_by_number,
    what_is_wrong_keeps_the_words,
    a_file_gives_the_list,
    ticked_patients_are_the_list,
    a_template_keeps_its_blanks,
    it_is_changed_and_removed_before_it_is_sent,
    two_presses_at_one_moment_keep_one,
    owners_and_clinicians_write_to_many,
);

/// Fills in the form with this list, and checks it; gives the path.
async fn check(user: &Actor, list: &str) -> String {
    let page = user.get("/broadcasts/new").await.ok();
    let fields = [("recipients", list), ("title", "Flu shots"), ("body", "Come **any day**.")];
    user.submit(&page, "Check who gets it", &fields).await.redirect()
}

async fn who_can_be_told_is_found_out_first(app: App) {
    let user = app.user(Role::Clinician).await;
    let none = |name| Like { name: (name, "Roy"), email: None, phone: None, ..Like::default() };
    numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    numbered(&app, "A2", Like { name: ("Bea", "Roy"), method: Method::Both, ..Like::default() }).await;
    numbered(&app, "A3", Like { name: ("Cyd", "Roy"), method: Method::Sms, ..Like::default() }).await;
    numbered(&app, "B1", Like { name: ("Dan", "Roy"), portal_access: false, ..Like::default() }).await;
    numbered(&app, "B2", none("Eve")).await;
    numbered(&app, "B3", Like { name: ("Fay", "Roy"), method: Method::None, ..Like::default() }).await;
    let gone = numbered(&app, "B4", Like { name: ("Gus", "Roy"), ..Like::default() }).await;
    user.post(&format!("/patients/{gone}/archiving"), &[("reason", "deceased")]).await.redirect();
    let path = check(&user, "A1\nA2\nA3\nB1\nB2\nB3\nB4").await;
    let page = user.get(&path).await.ok();
    for words in [
        "Nothing has been sent yet",
        "3 patients will be told.",
        "By email: 1",
        "By text message: 1",
        "By email and by text message: 1",
        "4 patients cannot be told:",
        "This patient has no access to the patient portal.",
        "There is no email and no cellphone number.",
        "The notification method is None.",
        "The record is archived.",
        "As Ada Roy gets it",
        "Send to 3 patients",
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    assert!(page.has_text("Bea Roy") && !page.has_text("Dan Roy"), "{}", page.text());
    let page = user.get(&format!("{path}?show=not_sent")).await.ok();
    assert!(page.has_text("Dan Roy") && page.has_text("The patient has died"), "{}", page.text());
    assert!(!page.has_text("Bea Roy"), "{}", page.text());
    app.drain().await;
    assert!(written_to(&app).await.is_empty() && app.mailbox.newest_first().is_empty(), "nothing goes out by itself");
    // with nobody who can be told there is no button, and a press does nothing
    let nobody = check(&user, "B1").await;
    assert!(!user.get(&nobody).await.ok().has_text("Send to"));
    let (_, notice) = user.post(&format!("{nobody}/sending"), &[]).await.says();
    assert_eq!(notice, "many-nobody");
}

async fn lines_that_name_nobody_are_told_by_number(app: App) {
    let user = app.user(Role::Owner).await;
    let ada = numbered(&app, "943 476 5919 AB", Like::default()).await;
    numbered(&app, "X7", Like::default()).await;
    numbered(&app, "X7", Like::default()).await;
    let bea = numbered(&app, "B1", Like::default()).await;
    let list =
        format!("9434765919\n\n nobody \n943-476-5919 zz, Ada Roy\nX-7\nhttps://clinic.example/patients/{bea}?x\nb1");
    let path = check(&user, &list).await;
    let page = user.get(&path).await.ok();
    for words in [
        "Lines whose number is nobody’s: 3",
        "Lines with a patient who is on an earlier line: 4, 7",
        "Lines whose number several patients have: 5",
        "2 patients will be told.",
    ] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    let listed: Vec<_> = rows(&app).await.into_iter().map(|row| row.0).collect();
    assert_eq!(listed, [ada, bea]);
}

async fn what_is_wrong_keeps_the_words(app: App) {
    let user = app.user(Role::Owner).await;
    numbered(&app, "A1", Like::default()).await;
    let page = user.get("/broadcasts/new").await.ok();
    for (field, value, said) in [
        ("recipients", "A7", "No patient is known by any of these numbers"),
        ("recipients", " \n", "Give at least one patient"),
        ("title", "", "title"),
        ("title", "Hello {{patient.shoe_size}}", "is none of those that fill themselves in"),
        ("body", "Hello {{name}}", "is none of those that fill themselves in"),
    ] {
        let mut fields = vec![("recipients", "A1"), ("title", "Flu shots"), ("body", "Precious words")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let answer = user.submit(&page, "Check who gets it", &fields).await;
        assert_eq!(answer.status, 422, "{field}");
        let again = answer.page();
        assert!(again.has_text(said), "{said}: {}", again.text());
        let form = again.form_with("Check who gets it");
        for (name, value) in fields {
            assert_eq!(form.value(name).unwrap_or_default().trim(), value.trim(), "{field}: {name}");
        }
    }
    let long: String = (0..10_001).map(|n| format!("{n}\n")).collect();
    let answer =
        user.submit(&page, "Check who gets it", &[("recipients", &*long), ("title", "T"), ("body", "B")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("at most 10,000 lines"));
    assert!(rows(&app).await.is_empty());
}

async fn a_file_gives_the_list(app: App) {
    let user = app.user(Role::Owner).await;
    numbered(&app, "A1", Like::default()).await;
    numbered(&app, "A2", Like::default()).await;
    let whose = user.whose("/broadcasts/new").await;
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = |content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"list.csv\"\r\n\r\n{content}\r\n--b--\r\n"
        )
    };
    let fields =
        [part("whose", &whose), part("recipients", "A9"), part("title", "Kept"), part("body", "Words")].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &*user.origin)];
    let body = format!("{fields}{}", file("Name;Health number\nRoy, Ada;A 1\nRoy, Bea;A 2"));
    let answer = user.send("POST", "/broadcasts/recipients", &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let form = answer.page().form_with("Check who gets it");
    let list = form.value("recipients").unwrap();
    assert_eq!(list.split_whitespace().collect::<Vec<_>>().join(" "), "A9 A 1 A 2");
    assert_eq!(form.value("title").as_deref(), Some("Kept"));
    assert!(answer.page().has_text("Read from this column of the file: Health number."), "{}", answer.page().text());
    // numbers of lines that are other patients' numbers too: nobody can tell which column is meant
    numbered(&app, "1", Like::default()).await;
    let body = format!("{fields}{}", file("No.;Health number\n1;A 1\n2;A 2"));
    let answer = user.send("POST", "/broadcasts/recipients", &headers, &body).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("Several columns of this file name patients"), "{}", page.text());
    assert_eq!(page.form_with("Check who gets it").value("recipients").unwrap_or_default().trim(), "A9");
    // what is no list is refused, and the words stay
    let answer =
        user.send("POST", "/broadcasts/recipients", &headers, &format!("{fields}{}", file("PK\u{3}\u{4}x"))).await;
    assert!(answer.body.contains("A9") && answer.body.contains("Kept"), "{}", answer.body);
    assert_eq!(answer.status, 422);
    // so they do behind a file that is too large
    let large = "A1\n".repeat(2 << 20);
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"list.csv\"\r\n\r\n";
    let answer =
        user.send("POST", "/broadcasts/recipients", &headers, &format!("{head}{large}\r\n{fields}--b--\r\n")).await;
    assert_eq!(answer.status, 422);
    let form = answer.page().form_with("Check who gets it");
    assert_eq!(form.value("title").as_deref(), Some("Kept"));
    assert!(answer.page().has_text("larger than 5 MB"));
}

async fn ticked_patients_are_the_list(app: App) {
    let user = app.user(Role::Owner).await;
    let ada = numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    numbered(&app, "A2", Like { name: ("Bea", "Roy"), ..Like::default() }).await;
    let page = user.get("/patients").await.ok();
    assert!(page.has_text("Write to those ticked"));
    let form = user.post("/broadcasts/recipients", &[("patient", &*ada.to_string())]).await.ok();
    let fields = [("title", "Flu shots"), ("body", "Come.")];
    let path = user.submit(&form, "Check who gets it", &fields).await.redirect();
    assert!(user.get(&path).await.ok().has_text("1 patient will be told."));
    let viewer = app.user(Role::Viewer).await;
    assert!(!viewer.get("/patients").await.ok().has_text("Write to those ticked"));
}

async fn a_template_keeps_its_blanks(app: App) {
    let user = app.user(Role::Owner).await;
    numbered(&app, "A1", Like { name: ("Ada", "Roy"), ..Like::default() }).await;
    let template = [
        ("name", "Flu"),
        ("language", "fr"),
        ("title", "Vaccin, {{patient.given_name}}"),
        ("body", "Le {{today}}"),
        ("scope", "clinic"),
    ];
    user.post("/settings/message-templates", &template).await.redirect();
    let page = user.get("/broadcasts/new").await.ok();
    let words = page.texts_of("#template option");
    let at = words.iter().position(|words| words.trim() == "Flu").unwrap();
    let chosen = page.attrs_of("#template option", "value").swap_remove(at);
    let filled = user.submit(&page, "Use template", &[("template", &*chosen), ("recipients", "A1")]).await.ok();
    let form = filled.form_with("Check who gets it");
    assert_eq!(form.value("title").as_deref(), Some("Vaccin, {{patient.given_name}}"));
    let path = user.submit(&filled, "Check who gets it", &[]).await.redirect();
    let page = user.get(&path).await.ok();
    assert!(page.has_text("Vaccin, Ada") && page.has_text("Le 4 mars 2026"), "{}", page.text());
}

async fn it_is_changed_and_removed_before_it_is_sent(app: App) {
    let (user, other) = (app.user(Role::Owner).await, app.user(Role::Clinician).await);
    numbered(&app, "A1", Like::default()).await;
    numbered(&app, "A2", Like::default()).await;
    let path = check(&user, "A1\nA2").await;
    let edit = format!("/broadcasts/new?from={}", path.rsplit('/').next().unwrap());
    let (page, late) = (user.get(&edit).await.ok(), other.get(&edit).await.ok());
    assert_eq!(page.form_with("Check who gets it").value("title").as_deref(), Some("Flu shots"));
    // the same press twice makes one
    let changed = user.submit(&page, "Check who gets it", &[("recipients", "A2")]).await.redirect();
    assert_eq!(user.submit(&page, "Check who gets it", &[("recipients", "A2")]).await.redirect(), changed);
    assert_eq!(rows(&app).await.len(), 1);
    // whoever changes what is gone is told, and keeps the words
    let answer = other.submit(&late, "Check who gets it", &[("title", "Others")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.page().has_text("sent or removed in the meantime"), "{}", answer.page().text());
    let again = other.submit(&answer.page(), "Check who gets it", &[]).await.redirect();
    assert_ne!(again, changed);
    let page = user.get(&changed).await.ok();
    user.submit(&page, "Remove", &[]).await.redirect();
    assert_eq!(user.get(&changed).await.status, 404);
    // one that is never sent goes by itself after 30 days
    app.state.clock.advance(time::Duration::days(31));
    let now = app.state.clock.now();
    let write = app
        .state
        .db
        .write(move |tx| -> Result<_, postern::error::AppError> { Ok(postern::broadcasts::sweep(tx, now)?) });
    write.await.unwrap();
    assert!(rows(&app).await.is_empty());
}

async fn two_presses_at_one_moment_keep_one(app: App) {
    let user = app.user(Role::Owner).await;
    numbered(&app, "A1", Like::default()).await;
    let first = check(&user, "A1").await;
    // in the place of none, and of the first
    for at in ["/broadcasts/new".to_owned(), format!("/broadcasts/new?from={}", first.rsplit('/').next().unwrap())] {
        let page = user.get(&at).await.ok();
        let fields = [("recipients", "A1"), ("title", "Twice"), ("body", "Come.")];
        let one = user.submit(&page, "Check who gets it", &fields);
        let (one, two) = join(one, user.submit(&page, "Check who gets it", &fields)).await;
        assert_eq!(one.redirect(), two.redirect(), "{at}");
    }
    assert_eq!(rows(&app).await.len(), 2);
}

async fn owners_and_clinicians_write_to_many(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let (clinician, viewer) = (app.user(Role::Clinician).await, app.user(Role::Viewer).await);
    numbered(&app, "A1", Like::default()).await;
    let path = check(&clinician, "A1").await;
    for nobody in [&staff, &viewer] {
        for page in ["/broadcasts", "/broadcasts/new", &path, &format!("{path}/progress")] {
            assert_eq!(nobody.get(page).await.status, 403, "{page}");
        }
        for press in ["sending", "stopping", "removal"] {
            assert_eq!(nobody.post(&format!("{path}/{press}"), &[]).await.status, 403, "{press}");
        }
        assert!(!nobody.get("/patients").await.ok().has_text("Messages to many"));
    }
    // a colleague with the right finds it, and it goes out in their name
    assert!(owner.get("/broadcasts").await.ok().has_text("Flu shots"));
    owner.post(&format!("{path}/sending"), &[]).await.redirect();
    all_out(&app).await;
    assert_eq!(in_state(&app, "sent").await, 1);
    let page = staff.get("/conversations/1").await.ok();
    assert!(page.has_text("Sent as part of one message to many by User owner"), "{}", page.text());
    assert!(
        !page.has(&format!("a[href='{path}']"))
            && owner.get("/conversations/1").await.ok().has(&format!("a[href='{path}']"))
    );
}
