//! Files of a message to many: one content for all, a copy of their own for each, and nothing that names a patient unasked.

use super::{all_out, crowd, written_to};
use crate::files::another_patient::{details, person};
use crate::files::samples;
use crate::files::uploads::{Got, get, id_in, post_form, upload};
use crate::support::app::{Actor, App, On};
use crate::support::clamd::{Clamd, MARKER};
use crate::support::html::Page;
use crate::support::world::{Like, PASSWORD};
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{attachments, blobs, broadcasts as b, uploads, users};
use postern::db::{DbError, PatientId};
use postern::delivery::Delivery;
use reqwest::multipart::{Form, Part};

on_both!(
    one_content_is_given_to_all,
    what_names_a_patient_is_asked_about,
    only_ones_own_files_for_many_go,
    two_presses_prepare_it_once,
    files_stay_with_what_was_checked,
    what_is_stopped_lets_its_files_go,
    without_script_nothing_is_lost,
    a_session_that_ends_costs_no_file,
);

on_each!(nothing_goes_out_before_the_scanner_has_looked);

const KEY: &str = "0123456789abcdef";

/// Adds a file for many, as a script does.
pub async fn add(actor: &Actor, name: &str, bytes: Vec<u8>) -> Got {
    let form = Form::new().part("files", Part::bytes(bytes).file_name(name.to_owned()));
    post_form(actor, "/broadcasts/files/added", form).await
}

/// The fields of a message to these patients.
fn fields(patients: &[PatientId]) -> Vec<(&'static str, String)> {
    let list = patients.iter().map(|id| format!("/patients/{id}")).collect::<Vec<_>>().join("\n");
    vec![("title", "Flu shots".into()), ("body", "kept words".into()), ("recipients", list), ("key", KEY.into())]
}

async fn check(actor: &Actor, patients: &[PatientId], more: &[(&str, &str)]) -> crate::support::app::Answer {
    let fields = fields(patients);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    actor.post("/broadcasts", &[&fields[..], more].concat()).await
}

/// Prepares a message with these fields more; gives its path.
pub async fn prepared(actor: &Actor, patients: &[PatientId], more: &[(&str, &str)]) -> String {
    check(actor, patients, more).await.redirect()
}

/// How many rows refer to each content.
pub async fn contents(app: &App) -> Vec<i64> {
    let read = app.state.db.read(|conn| -> Result<Vec<i64>, DbError> {
        Ok(blobs::table.order(blobs::id).select(blobs::refs).load(conn)?)
    });
    read.await.unwrap()
}

/// How many files stand in conversations.
pub async fn copies(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, DbError> { Ok(attachments::table.count().get_result(conn)?) });
    read.await.unwrap()
}

/// Uploads that are not sent, and messages to many.
async fn kept(app: &App) -> (i64, i64) {
    let read = app.state.db.read(|conn| -> Result<(i64, i64), DbError> {
        Ok((uploads::table.count().get_result(conn)?, b::table.count().get_result(conn)?))
    });
    read.await.unwrap()
}

async fn one_content_is_given_to_all(app: App) {
    let user = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    let ada = Like { name: ("Ada", "Roy"), email: Some("ada@example.org".into()), ..Like::default() };
    let ada = app.patient(ada).await;
    let pdf = samples::pdf();
    let file = id_in(&add(&user, "Flu shots.pdf", pdf.clone()).await);
    let path = prepared(&user, &[maria, ada], &[("upload", &file)]).await;
    assert!(user.get(&path).await.ok().has_text("Flu shots.pdf"), "the check shows it");
    assert_eq!((contents(&app).await, copies(&app).await), (vec![1], 0));
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    all_out(&app).await;
    assert_eq!(written_to(&app).await, [maria, ada]);
    assert_eq!((contents(&app).await, copies(&app).await), (vec![2], 2), "one content, a row for each");
    assert_eq!(kept(&app).await, (0, 1));
    let page = user.get(&path).await.ok();
    assert!(page.has_text("All done") && page.has_text("Flu shots.pdf"), "{}", page.text());
    // what one patient reads
    let (reader, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    assert!(reader.get(&message).await.ok().has_text("Flu shots.pdf"));
    let theirs = format!("{message}/attachments/1");
    assert_eq!(get(&reader, &theirs, &[]).await.bytes, pdf);
    // taken back from the other, whose record is then deleted: it is not theirs alone
    let page = user.get("/conversations/2").await.ok();
    let sent = page.attrs_of(".msg.mine", "id").pop().unwrap().replace("message-", "");
    let page = user.get(&format!("/conversations/2/messages/{sent}/recall")).await.ok();
    user.submit(&page, "Take back", &[]).await.redirect();
    assert_eq!(get(&reader, &theirs, &[]).await.bytes, pdf);
    user.post(&format!("/patients/{ada}/archiving"), &[("reason", "left")]).await.redirect();
    user.post(&format!("/patients/{ada}/deletion"), &[("name", "Ada Roy")]).await.redirect();
    assert_eq!((contents(&app).await, copies(&app).await), (vec![1], 1));
    assert_eq!(get(&reader, &theirs, &[]).await.bytes, pdf);
    // its words are used again: the files are chosen again, and the page says so
    let again = user.get(&format!("/broadcasts/new?from={}", path.rsplit('/').next().unwrap())).await.ok();
    assert!(again.has_text("A file is no longer there") && !again.has("input[name=upload]"), "{}", again.text());
}

async fn what_names_a_patient_is_asked_about(app: App) {
    let user = app.user(Role::Clinician).await;
    let otto = person(&app, ("Otto", "Älder-Ng"), "1962-11-23", "1234-567-897-AB", 2).await;
    for (name, words, said) in [
        ("a.txt", "HIN: 1234 567 897 AB", "a patient’s health number"),
        ("b.txt", "Otto Alder Ng, 23 nov. 1962", "a patient’s name and date of birth"),
    ] {
        let line = Page::parse(&add(&user, name, words.as_bytes().to_vec()).await.text());
        assert!(line.has_text(said) && line.has_text("Otto Älder-Ng, born 23 November 1962"), "{}", line.text());
    }
    let nobody = Page::parse(&add(&user, "c.txt", b"Otto Alder Ng, 24 nov. 1962".to_vec()).await.text());
    assert!(!nobody.has(".alert"), "{}", nobody.text());
    let file = id_in(&add(&user, "d.txt", b"HIN: 1234 567 897 AB".to_vec()).await);
    // also where the list has nobody else: what goes to many is looked at for everybody
    let ticked: [&[(&str, &str)]; 2] = [&[], &[("for_this_patient", "999")]];
    for confirmed in ticked {
        let asked = check(&user, &[otto], &[&[("upload", file.as_str())][..], confirmed].concat()).await;
        assert_eq!(asked.status, 422);
        let page = asked.page();
        assert!(page.has_text("A file names a patient. Remove it") && page.has_text("kept words"), "{}", page.text());
        assert!(page.has("input[name=upload]") && page.has("input[name=for_this_patient]"));
    }
    assert!(details(&app).await.is_empty() && kept(&app).await.1 == 0);
    let path = prepared(&user, &[otto], &[("upload", &file), ("for_this_patient", &file)]).await;
    assert_eq!(details(&app).await, [Some(format!("number {otto}"))]);
    // whoever changes it finds the answer
    let page = user.get(&format!("/broadcasts/new?from={}", path.rsplit('/').next().unwrap())).await.ok();
    assert!(page.has("input[name=for_this_patient][checked]"), "{}", page.text());
}

async fn only_ones_own_files_for_many_go(app: App) {
    let (user, other, staff) =
        (app.user(Role::Clinician).await, app.user(Role::Owner).await, app.user(Role::Staff).await);
    let maria = app.patient(Like::default()).await;
    let of_patient = id_in(&upload(&user, maria, "a.pdf", samples::pdf()).await);
    let of_other = id_in(&add(&other, "b.pdf", samples::pdf()).await);
    for file in [&*of_patient, &*of_other, "999"] {
        let refused = check(&user, &[maria], &[("upload", file)]).await;
        assert_eq!(refused.status, 409, "{file}");
        let page = refused.page();
        assert!(page.has_text("A file is no longer there") && page.has_text("kept words"), "{file}: {}", page.text());
    }
    assert_eq!(kept(&app).await, (2, 0));
    assert_eq!(add(&staff, "c.pdf", samples::pdf()).await.status, 403);
    // nor the other way round: what is for many goes to no patient alone
    let mine = id_in(&add(&user, "d.pdf", samples::pdf()).await);
    let single = [("title", "T"), ("body", "kept words"), ("key", KEY), ("upload", &*mine)];
    assert_eq!(user.post(&format!("/patients/{maria}/messages/new"), &single).await.status, 409);
    assert_eq!(user.post(&format!("/patients/{maria}/uploads/{mine}/removal"), &[]).await.status, 404);
    assert_eq!(other.post(&format!("/broadcasts/files/added/{mine}/removal"), &[]).await.status, 404);
    assert_eq!(kept(&app).await.0, 3);
    assert_eq!(user.post(&format!("/broadcasts/files/added/{mine}/removal"), &[]).await.status, 204);
    assert_eq!(kept(&app).await.0, 2);
}

async fn two_presses_prepare_it_once(app: App) {
    let user = app.user(Role::Owner).await;
    let all = crowd(&app, 2).await;
    let file = id_in(&add(&user, "a.pdf", samples::pdf()).await);
    let with = [("upload", &*file)];
    let (one, two) = futures_util::future::join(check(&user, &all, &with), check(&user, &all, &with)).await;
    assert_eq!(one.redirect(), two.redirect());
    assert_eq!(prepared(&user, &all, &with).await, "/broadcasts/1");
    assert_eq!((kept(&app).await, contents(&app).await), ((1, 1), vec![1]));
}

/// How many uploads are swept two days from now.
async fn swept_later(app: &App) -> usize {
    let later = app.state.clock.now().plus(time::Duration::days(2));
    let write = app.state.db.write(move |tx| -> Result<_, DbError> { Ok(postern::attachments::sweep(tx, later)?) });
    write.await.unwrap()
}

async fn files_stay_with_what_was_checked(app: App) {
    let (user, other) = (app.user(Role::Clinician).await, app.user(Role::Owner).await);
    let all = crowd(&app, 2).await;
    let stays = id_in(&add(&user, "stays.pdf", samples::pdf()).await);
    let goes = id_in(&add(&user, "goes.png", samples::png()).await);
    prepared(&user, &all, &[("upload", &stays), ("upload", &goes)]).await;
    // longer than what is never sent, and nobody removes them from under it
    assert_eq!(swept_later(&app).await, 0);
    assert_eq!(user.post(&format!("/broadcasts/files/added/{goes}/removal"), &[]).await.status, 204);
    assert_eq!(kept(&app).await, (2, 1));
    // another user changes it: what they leave out goes, what they keep is not chosen again
    let page = other.get("/broadcasts/new?from=1").await.ok();
    assert!(page.has_text("stays.pdf") && page.has_text("goes.png"), "{}", page.text());
    let changed = prepared(&other, &all, &[("upload", &stays), ("replaces", "1")]).await;
    assert_eq!((kept(&app).await, contents(&app).await), ((1, 1), vec![1]));
    let page = other.get(&changed).await.ok();
    assert!(page.has_text("stays.pdf") && !page.has_text("goes.png"), "{}", page.text());
    other.post(&format!("{changed}/removal"), &[]).await.redirect();
    assert_eq!((kept(&app).await, contents(&app).await), ((0, 0), vec![]));
    // one that was chosen and never checked is removed after a day
    add(&user, "never.pdf", samples::pdf()).await;
    assert_eq!(swept_later(&app).await, 1);
    assert_eq!((kept(&app).await, contents(&app).await), ((0, 0), vec![]));
}

async fn what_is_stopped_lets_its_files_go(app: App) {
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 45).await;
    let file = id_in(&add(&user, "a.pdf", samples::pdf()).await);
    let path = prepared(&user, &all, &[("upload", &file)]).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    app.drain().await;
    assert_eq!((contents(&app).await, copies(&app).await), (vec![21], 20), "its own, until all have theirs");
    user.post(&format!("{path}/stopping"), &[]).await.redirect();
    all_out(&app).await;
    assert_eq!((contents(&app).await, copies(&app).await, kept(&app).await), (vec![20], 20, (0, 1)));
    assert!(user.get(&path).await.ok().has_text("a.pdf"), "what they got is told");
}

async fn without_script_nothing_is_lost(app: App) {
    let user = app.user(Role::Owner).await;
    let all = crowd(&app, 1).await;
    let typed = || Form::new().text("title", "Flu shots").text("body", "kept words").text("recipients", "H000001");
    let part = |bytes: Vec<u8>, name: &'static str| Part::bytes(bytes).file_name(name);
    // a file that is not taken, and a list that was chosen beside it and that this press does not read
    let form = typed().part("files", part(b"MZ".to_vec(), "a.exe")).part("files", part(samples::pdf(), "b.pdf"));
    let got = post_form(&user, "/broadcasts/files", form.part("file", part(b"H1\n".to_vec(), "list.csv"))).await;
    assert_eq!(got.status, 422);
    let page = Page::parse(&got.text());
    assert!(page.has_text("Files of this kind cannot be attached") && page.has_text("b.pdf"), "{}", page.text());
    assert!(page.has_text("Press “Add to the list”") && !page.has_text("list.csv"), "{}", page.text());
    let form = page.form_with("Check who gets it");
    let value = |name: &str| form.value(name).unwrap_or_default().trim().to_owned();
    assert_eq!(["title", "body", "recipients"].map(value), ["Flu shots", "kept words", "H000001"]);
    assert_eq!(kept(&app).await, (1, 0), "a list of patients is sent to nobody");
    // chosen and not added: neither the draft nor a template goes on without it
    for (name, says) in [("files", "Choose them again"), ("file", "Choose it again")] {
        let fields = [("title", "Flu shots"), ("draft_version", "0"), (name, "c.csv")];
        for path in ["/broadcasts/draft", "/broadcasts/template"] {
            let left = user.post(path, &fields).await;
            assert!(left.status == 422 && left.page().has_text(says), "{path}: {}", left.body);
        }
    }
    assert!(!user.get("/broadcasts/new").await.ok().has_text("Your draft from"));
    // kept with the draft, and offered again
    let said = user.submit(&page, "Save draft", &[]).await.says();
    assert_eq!(said.1, "many-draft-saved");
    let page = user.get("/broadcasts/new").await.ok();
    assert!(page.has_text("Your draft from") && page.has_text("b.pdf"), "{}", page.text());
    // chosen and not added: it would be lost
    let left = check(&user, &all, &[("files", "c.pdf")]).await;
    assert!(left.status == 422 && left.page().has_text("Choose them again"), "{}", left.body);
    let to = user.submit(&page, "Check who gets it", &[]).await.redirect();
    assert!(user.get(&to).await.ok().has_text("b.pdf"));
    // "Remove"
    let file = id_in(&add(&user, "d.png", samples::png()).await);
    let form = typed().text("upload", file.clone()).text("remove", file);
    let got = post_form(&user, "/broadcasts/files", form).await;
    assert!(got.status == 200 && !Page::parse(&got.text()).has("input[name=upload]"), "{}", got.text());
    assert_eq!(kept(&app).await, (1, 1));
}

async fn a_session_that_ends_costs_no_file(app: App) {
    let user = app.user(Role::Owner).await;
    let read =
        app.state.db.read(|conn| -> Result<String, DbError> { Ok(users::table.select(users::email).first(conn)?) });
    let (email, all) = (read.await.unwrap(), crowd(&app, 1).await);
    let file = id_in(&add(&user, "a.pdf", samples::pdf()).await);
    app.state.clock.advance(time::Duration::hours(2));
    let to = check(&user, &all, &[("upload", &file)]).await.redirect();
    assert!(to.starts_with("/sign-in?next="), "{to}");
    let again = app.anyone();
    let page = again.get(&to).await.ok();
    let back = again.submit(&page, "Sign in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    assert_eq!(back, "/broadcasts/new?kept=1");
    let page = again.get(&back).await.ok();
    assert!(page.has_text("What you typed is back on this page") && page.has_text("a.pdf"), "{}", page.text());
    again.submit(&page, "Check who gets it", &[]).await.redirect();
    assert!(again.get("/broadcasts/1").await.ok().has_text("a.pdf"));
}

async fn nothing_goes_out_before_the_scanner_has_looked(on: On) {
    let mut clamd = Clamd::stopped();
    let config = clamd.config();
    let app = App::start_with_config(on, |all| all.files.scanner = Some(config), Delivery::mailbox).await;
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 3).await;
    let work = async || {
        app.state.clock.advance(time::Duration::minutes(5));
        app.drain().await;
    };
    let file = id_in(&add(&user, "a.pdf", samples::pdf()).await);
    let path = prepared(&user, &all, &[("upload", &file)]).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    for _ in 0..3 {
        work().await;
    }
    assert!(written_to(&app).await.is_empty());
    assert!(user.get(&path).await.ok().has_text("Nothing goes out before"));
    clamd.go_on();
    work().await;
    all_out(&app).await;
    assert_eq!(written_to(&app).await, all);
    // what is found before it is sent, and between the press and its turn
    for is_sent in [false, true] {
        clamd.stop();
        let bytes = [&samples::pdf()[..], &[b'0' + u8::from(is_sent)], MARKER].concat();
        let file = id_in(&add(&user, "bad.pdf", bytes).await);
        let path = prepared(&user, &all, &[("upload", &file)]).await;
        if is_sent {
            user.post(&format!("{path}/sending"), &[]).await.redirect();
        }
        clamd.go_on();
        work().await;
        if !is_sent {
            let page = user.get(&path).await.ok();
            assert!(page.has_text("A virus was found in a file") && !page.has_text("Send to"), "{}", page.text());
            user.post(&format!("{path}/sending"), &[]).await.redirect();
        }
        all_out(&app).await;
        assert_eq!(written_to(&app).await.len(), 3, "nobody gets it");
        let page = user.get(&path).await.ok();
        assert_eq!(page.has_text("because a virus was found in it"), is_sent, "{}", page.text());
    }
}
