//! Exports: all of it is there, in pages, in FHIR R4 and in hashes; what was changed since is named; import reads it back.

use crate::chart::items::{add, days_ago};
use crate::conversations::on_paper::talk;
use crate::files::samples;
use crate::files::uploads::{id_in, post_form, upload};
use crate::support::app::{App, On, fresh_database};
use crate::support::html::Page;
use crate::support::peers;
use crate::support::program::database_url;
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::chart::{self, ItemKind};
use postern::db::schema::audit_events;
use postern::db::{DatabaseUrl, PatientId};
use postern::delivery::Delivery;
use postern::error::AppError;
use postern::export::{self, ExportError, Flaw, Made, Wanted, make, verify};
use postern::patients::{self, Demographics, Method};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

on_both!(
    all_of_it_is_there,
    it_is_fhir_r4,
    one_patients_record_stands_alone,
    what_was_changed_is_named,
    what_cannot_be_written_is_said,
    a_killed_export_goes_on_with_its_files,
    a_file_that_may_not_go_out_is_named,
    what_was_taken_back_is_no_document,
    what_was_taken_back_whole_has_no_title,
    calls_and_letters_are_told,
    caregivers_are_in_it_and_come_back_as_nobody,
);
on_each!(it_comes_back_by_import);

async fn export_as(app: &App, to: &Path, patient: Option<PatientId>, with_notes: bool) -> Result<Made, ExportError> {
    let wanted = Wanted { to: to.to_owned(), patient, with_notes };
    let by = Operator::of_the_command_line();
    make(&app.state.db, &app.state.intake.storage, by, wanted, app.state.clock.now()).await
}

/// A clinic with two patients: one has a conversation with a file, answers and notes, and a chart; the other has little.
async fn busy(app: &App) -> (PatientId, PatientId) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let person = [
        ("given_name", "Otto"),
        ("family_name", "Ünïcode 患者"),
        ("preferred_name", "Ott"),
        ("day", "5"),
        ("month", "6"),
        ("year", "1987"),
        ("health_number", "8765 432 109"),
        ("email", "otto@example.org"),
        ("phone", "+16135550133"),
        ("language", "fr"),
        ("method", "email"),
        ("portal_access", "on"),
    ];
    let otto = user.post("/patients", &person).await.redirect();
    let otto = PatientId(otto.split('?').next().unwrap().rsplit('/').next().unwrap().parse().unwrap());
    let address = [("street", "12 Elm Street"), ("city", "Ottawa"), ("region", "ON"), ("postal_code", "k1a0b1")];
    let page = user.get(&format!("/patients/{maria}/postal-address")).await.ok();
    user.submit(&page, "Save", &address).await.redirect();
    talk(app, &user, maria).await;
    add(app, maria, "a", ItemKind::LabResult, days_ago(10), "Lipid panel", "LDL 4.8 <high> & \"rising\"").await;
    add(app, otto, "b", ItemKind::Letter, days_ago(40), "Referral", "to the clinic").await;
    let form = Form::new().text("title", "A scan").text("date", "2026-02-01").text("kind", "letter");
    let form = form.part("files", Part::bytes(samples::png()).file_name("scan.png"));
    assert_eq!(post_form(&user, &format!("/patients/{maria}/files"), form).await.status, 303);
    (maria, otto)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn resources(export: &Path, kind: &str) -> Vec<Value> {
    let text = read(&export.join(format!("fhir/{kind}.ndjson")));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.extend([path]),
        }
    }
    found
}

/// Whether `sha256sum`, which knows nothing of Postern, finds everything unchanged.
fn sha256sum(export: &Path) -> bool {
    let output = Command::new("sha256sum").args(["-c", "--strict", "SHA256SUMS"]).current_dir(export).output().unwrap();
    output.status.success()
}

async fn all_of_it_is_there(app: App) {
    let (maria, otto) = busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    let made = export_as(&app, &to, None, true).await.unwrap();
    let counts = made.counts;
    assert_eq!((counts.patients, counts.conversations, counts.messages, counts.notes), (2, 1, 2, 1));
    assert_eq!((counts.attachments, counts.chart_items, made.lacking.len()), (1, 3, 0));
    assert!(sha256sum(&to), "{}", read(&to.join("SHA256SUMS")));
    let checked = verify(&to, Some(&made.manifest)).unwrap();
    assert_eq!((checked.flaws, checked.files, checked.manifest), (vec![], made.files, made.manifest.clone()));
    // nothing but what is told, and only for its owner
    assert_eq!(files(&to).len() as u64, made.files.0 + 2);
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777;
    assert_eq!((mode(&to), mode(&to.join("manifest.json"))), (0o700, 0o600));
    // the log has the hash of the manifest
    let read_log = app.state.db.read(|conn| -> Result<Option<String>, AppError> {
        let rows = audit_events::table.filter(audit_events::action.eq("record_exported"));
        Ok(rows.select(audit_events::detail).first(conn)?)
    });
    assert_eq!(read_log.await.unwrap(), Some(format!("manifest {}", made.manifest)));

    // every page leads to pages and files that are there, and loads nothing from elsewhere
    let (mut seen, mut next) = (HashSet::new(), vec![to.join("index.html")]);
    while let Some(path) = next.pop() {
        if !seen.insert(path.clone()) || path.extension().is_none_or(|ending| ending != "html") {
            continue;
        }
        let html = read(&path);
        assert!(!html.contains("src=") && !html.contains("<script") && !html.contains("url("), "{}", path.display());
        for link in Page::parse(&html).links().into_iter().filter(|link| !link.href.starts_with("https://")) {
            let target = path.parent().unwrap().join(&link.href);
            assert!(target.is_file(), "{} -> {}", path.display(), link.href);
            next.push(target.canonicalize().unwrap());
        }
    }
    let page = Page::parse(&read(&to.join(format!("patients/{maria}/conversation-1.html"))));
    for words in ["Dose & <plan>", "Thank you, I will.", "for us alone", "Plan é.pdf"] {
        assert!(page.has_text(words), "{words}: {}", page.text());
    }
    let page = Page::parse(&read(&to.join(format!("patients/{maria}/index.html"))));
    assert!(page.has_text("12 Elm Street, Ottawa ON K1A 0B1"), "{}", page.text());
    assert!(page.has_text("Lipid panel") && page.has_text("A scan") && !page.has_text("Referral"), "{}", page.text());
    assert!(Page::parse(&read(&to.join("index.html"))).has_text("Ünïcode 患者"));
    assert!(to.join(format!("patients/{otto}/index.html")).is_file());
    assert_eq!(std::fs::read(to.join(format!("patients/{maria}/files/1-1.pdf"))).unwrap(), samples::pdf());

    // without notes nothing of them is anywhere
    let bare = place.path().join("bare");
    let made = export_as(&app, &bare, None, false).await.unwrap();
    assert_eq!((made.counts.notes, made.counts.messages), (0, 2));
    for path in files(&bare) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("for us alone"), "{}", path.display());
    }
}

/// The fields that R4 demands, by type.
const REQUIRED: [(&str, &[&str]); 7] = [
    ("Organization", &["name"]),
    ("Practitioner", &["name"]),
    ("Patient", &["name", "birthDate"]),
    ("Communication", &["status", "subject"]),
    ("DocumentReference", &["status", "content"]),
    ("Binary", &["contentType", "data"]),
    ("AuditEvent", &["type", "recorded", "agent", "source"]),
];

/// FHIR JSON has neither null nor empty objects, lists or texts.
fn assert_no_gap(value: &Value, place: &str) {
    match value {
        Value::Null => panic!("{place} is null"),
        Value::String(text) => assert!(!text.is_empty(), "{place} is empty"),
        Value::Array(list) => {
            assert!(!list.is_empty(), "{place} is empty");
            list.iter().for_each(|one| assert_no_gap(one, place));
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "{place} is empty");
            members.iter().for_each(|(name, one)| assert_no_gap(one, &format!("{place}.{name}")));
        }
        _ => {}
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| references(one, found)),
        Value::Object(members) => {
            for (name, one) in members {
                match one.as_str() {
                    Some(to) if name == "reference" || name == "url" && to.starts_with("Binary/") => {
                        found.push(to.into())
                    }
                    _ => references(one, found),
                }
            }
        }
        _ => {}
    }
}

async fn it_is_fhir_r4(app: App) {
    let (maria, _) = busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    export_as(&app, &to, None, true).await.unwrap();
    let (mut all, mut named) = (BTreeMap::new(), Vec::new());
    let is_id =
        |id: &str| (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    for (kind, required) in REQUIRED {
        for resource in resources(&to, kind) {
            assert_eq!(resource["resourceType"], kind);
            let id = resource["id"].as_str().unwrap().to_owned();
            assert!(is_id(&id), "{id}");
            assert_no_gap(&resource, kind);
            for field in required {
                assert!(!resource[field].is_null(), "{kind}.{field}");
            }
            references(&resource, &mut named);
            assert!(all.insert(format!("{kind}/{id}"), resource).is_none(), "{kind}/{id} twice");
        }
    }
    for reference in &named {
        assert!(all.contains_key(reference), "{reference} leads nowhere");
    }
    let events =
        ["preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"];
    let talks: Vec<&Value> = all.values().filter(|it| it["resourceType"] == "Communication").collect();
    assert!(talks.iter().all(|it| events.contains(&it["status"].as_str().unwrap())));
    // the head, the message, the answer to it, the note
    let sent: Vec<&&Value> = talks.iter().filter(|it| !it["sent"].is_null()).collect();
    assert_eq!((talks.len(), sent.len()), (4, 3));
    let patient = format!("Patient/patient-{maria}");
    let home = &all[patient.as_str()]["address"][0];
    assert_eq!(home["line"][0], "12 Elm Street");
    assert_eq!(home["postalCode"], "K1A 0B1");
    let reply = sent.iter().find(|it| it["sender"]["reference"] == patient.as_str()).unwrap();
    assert_eq!(reply["payload"][0]["contentString"], "Thank you, I will.");
    let asked = &all[reply["inResponseTo"][0]["reference"].as_str().unwrap()];
    assert!(
        asked["payload"][0]["contentString"].as_str().unwrap().starts_with("Take [struck out: 2] 3 a day."),
        "{asked}"
    );
    assert!(!asked["received"].is_null() && asked["partOf"] == reply["partOf"], "{asked}");
    // a file: document, bytes and hash
    let document = &all[asked["payload"][1]["contentReference"]["reference"].as_str().unwrap()];
    let attachment = &document["content"][0]["attachment"];
    let binary = &all[attachment["url"].as_str().unwrap()];
    let bytes = data_encoding::BASE64.decode(binary["data"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(
        (bytes.len() as u64, &binary["contentType"]),
        (attachment["size"].as_u64().unwrap(), &attachment["contentType"])
    );
    assert_eq!(bytes, samples::pdf());
    for event in all.values().filter(|it| it["resourceType"] == "AuditEvent") {
        let agent = &event["agent"][0];
        assert!(agent["requestor"].is_boolean() && event["source"]["observer"].is_object(), "{event}");
        assert!(event["type"]["system"].is_string() && event["type"]["code"].is_string(), "{event}");
        assert!(event["recorded"].as_str().unwrap().ends_with('Z'), "{event}");
    }
    // each leads to its patient
    for kind in ["Communication", "DocumentReference"] {
        assert!(
            resources(&to, kind).iter().all(|it| it["subject"]["reference"].as_str().unwrap().starts_with("Patient/"))
        );
    }
}

async fn one_patients_record_stands_alone(app: App) {
    let (maria, _) = busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("maria");
    let made = export_as(&app, &to, Some(maria), true).await.unwrap();
    assert_eq!((made.counts.patients, made.counts.conversations, made.counts.chart_items), (1, 1, 2));
    assert!(sha256sum(&to) && verify(&to, None).unwrap().flaws.is_empty());
    for path in files(&to) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("Otto") && !text.contains("Referral"), "{} has another patient", path.display());
    }
    let log = resources(&to, "AuditEvent");
    let patient = format!("Patient/patient-{maria}");
    assert!(
        !log.is_empty() && log.iter().all(|it| it["entity"][0]["what"]["reference"] == patient.as_str()),
        "{log:?}"
    );
    let nobody = export_as(&app, &place.path().join("nobody"), Some(PatientId(9_999)), true).await.unwrap_err();
    assert!(matches!(nobody, ExportError::NoPatient(9_999)), "{nobody}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left of it");
}

async fn what_was_changed_is_named(app: App) {
    let (maria, otto) = busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    let made = export_as(&app, &to, None, true).await.unwrap();
    let page = format!("patients/{maria}/conversation-1.html");
    let (gone, more) = (format!("patients/{otto}/index.html"), format!("patients/{otto}/more.html"));
    // one byte, a file less, a file more
    let whole = std::fs::read(to.join(&page)).unwrap();
    let mut bytes = whole.clone();
    let at = bytes.iter().position(|byte| *byte == b'3').unwrap();
    bytes[at] = b'8';
    std::fs::write(to.join(&page), bytes).unwrap();
    let kept = std::fs::read(to.join(&gone)).unwrap();
    std::fs::remove_file(to.join(&gone)).unwrap();
    std::fs::write(to.join(&more), "x").unwrap();
    let checked = verify(&to, Some(&made.manifest)).unwrap();
    assert_eq!(
        checked.flaws,
        [Flaw::Missing(gone.clone()), Flaw::Changed(page.clone()), Flaw::Additional(more.clone())]
    );
    assert!(!sha256sum(&to));
    // the command names each, and fails
    let command = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_postern")).arg("verify-export").args(arguments).output().unwrap();
        (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.success())
    };
    let folder = to.display().to_string();
    let (said, good) = command(&[&folder]);
    assert!(!good, "{said}");
    for words in
        [format!("missing: {gone}"), format!("changed: {page}"), format!("additional: {more}"), "3 differences".into()]
    {
        assert!(said.contains(&words), "{words}: {said}");
    }
    std::fs::write(to.join(&page), &whole).unwrap();
    std::fs::write(to.join(&gone), kept).unwrap();
    std::fs::remove_file(to.join(&more)).unwrap();
    let (said, good) = command(&[&folder, "--manifest", &made.manifest]);
    assert!(good && said.contains(&made.manifest), "{said}");
    // the lock of an export that was killed in its last moment is nothing, but only where it is empty
    std::fs::write(to.join(".lock"), "").unwrap();
    assert!(verify(&to, None).unwrap().flaws.is_empty());
    std::fs::write(to.join(".lock"), "x").unwrap();
    assert_eq!(verify(&to, None).unwrap().flaws, [Flaw::Additional(".lock".into())]);
    std::fs::remove_file(to.join(".lock")).unwrap();

    // a line of the manifest, with the file it tells of: the chain does not hold
    let manifest = read(&to.join("manifest.json"));
    let other = [&whole[..], b" "].concat();
    let hash = |bytes: &[u8]| data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
    let size = |bytes: &[u8]| format!("\"path\":\"{page}\",\"size\":{}", bytes.len());
    let changed = manifest.replace(&size(&whole), &size(&other)).replace(&hash(&whole), &hash(&other));
    assert_ne!(changed, manifest);
    std::fs::write(to.join(&page), &other).unwrap();
    std::fs::write(to.join("manifest.json"), &changed).unwrap();
    let checked = verify(&to, Some(&made.manifest)).unwrap();
    assert!(checked.flaws.contains(&Flaw::Chain(page.clone())), "{:?}", checked.flaws);
    assert!(checked.flaws.contains(&Flaw::Other(hash(changed.as_bytes()))), "{:?}", checked.flaws);
    assert!(checked.flaws.contains(&Flaw::Changed("SHA256SUMS".into())), "{:?}", checked.flaws);
    // a path that leads out of the folder is not followed
    std::fs::write(to.join("manifest.json"), manifest.replace(&page, "../outside")).unwrap();
    let checked = verify(&to, None).unwrap();
    assert!(checked.flaws.contains(&Flaw::Chain("../outside".into())), "{:?}", checked.flaws);
    // and what is none is said to be none
    for text in ["{}", "[", "{\"format\":\"postern-export\",\"version\":99}"] {
        std::fs::write(to.join("manifest.json"), text).unwrap();
        assert!(verify(&to, None).is_err(), "{text}");
    }
    assert!(verify(place.path(), None).unwrap_err().to_string().contains("holds no export"));
}

async fn what_cannot_be_written_is_said(app: App) {
    busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    let said = export_as(&app, &file, None, true).await.unwrap_err().to_string();
    assert!(said.contains("is there already"), "{said}");
    let said = export_as(&app, &file.join("below"), None, true).await.unwrap_err().to_string();
    assert!(said.contains("may write to") && said.contains("a-file"), "{said}");
    // what stands in the way is not removed, what a killed export left is
    let (part, to) = (place.path().join("all.part"), place.path().join("all"));
    std::fs::create_dir(&part).unwrap();
    std::fs::write(part.join("mine"), "x").unwrap();
    let said = export_as(&app, &to, None, true).await.unwrap_err().to_string();
    assert!(said.contains("is no unfinished export") && part.join("mine").is_file(), "{said}");
    let lock = std::fs::File::create(part.join(".lock")).unwrap();
    lock.lock().unwrap();
    let said = export_as(&app, &to, None, true).await.unwrap_err().to_string();
    assert!(said.contains("under way") && part.join("mine").is_file(), "{said}");
    drop(lock);
    export_as(&app, &to, None, true).await.unwrap();
    assert!(!part.exists() && verify(&to, None).unwrap().flaws.is_empty());
}

async fn a_killed_export_goes_on_with_its_files(app: App) {
    let (maria, _) = busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let (part, to, again) = (place.path().join("all.part"), place.path().join("all"), place.path().join("again"));
    export_as(&app, &to, None, true).await.unwrap();
    // what one leaves that was killed twice: of its first time a file, of its second another, and much that is not whole
    std::fs::rename(&to, &part).unwrap();
    std::fs::write(part.join(".lock"), "").unwrap();
    let (pdf, kept) = (part.join(format!("patients/{maria}/files/1-1.pdf")), part.join(format!(".before/{maria}")));
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::rename(&pdf, kept.join("1-1.pdf")).unwrap();
    std::fs::write(part.join("fhir/Patient.ndjson"), "{").unwrap();
    // nothing but what it had copied is left of the files
    for path in files(&app.state.config.files.folder) {
        std::fs::remove_file(path).unwrap();
    }
    let made = export_as(&app, &to, None, true).await.unwrap();
    assert!(made.lacking.is_empty(), "both files are taken over: {:?}", made.lacking);
    assert_eq!(std::fs::read(to.join(format!("patients/{maria}/files/1-1.pdf"))).unwrap(), samples::pdf());
    assert!(sha256sum(&to) && verify(&to, Some(&made.manifest)).unwrap().flaws.is_empty() && !part.exists());
    assert_eq!(files(&to).len() as u64, made.files.0 + 2);
    // one that was cut off is not taken
    let cut = place.path().join(format!("again.part/patients/{maria}/files"));
    std::fs::create_dir_all(&cut).unwrap();
    std::fs::write(place.path().join("again.part/.lock"), "").unwrap();
    std::fs::write(cut.join("1-1.pdf"), &samples::pdf()[..20]).unwrap();
    let made = export_as(&app, &again, None, true).await.unwrap();
    assert_eq!(made.lacking.len(), 2, "{:?}", made.lacking);
    assert!(verify(&again, None).unwrap().flaws.is_empty());
}

async fn a_file_that_may_not_go_out_is_named(app: App) {
    let (maria, _) = busy(&app).await;
    let storage = &app.state.config.files.folder;
    for path in files(storage) {
        std::fs::remove_file(path).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    let made = export_as(&app, &to, None, true).await.unwrap();
    let paths: Vec<&str> = made.lacking.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.contains(&format!("patients/{maria}/files/1-1.pdf").as_str()) && paths.len() == 2, "{paths:?}");
    assert!(made.lacking.iter().all(|file| file.why == "missing"), "{:?}", made.lacking);
    let page = Page::parse(&read(&to.join(format!("patients/{maria}/conversation-1.html"))));
    assert!(page.has_text("The file is not in the export."), "{}", page.text());
    assert!(
        read(&to.join("manifest.json")).contains("\"why\":\"missing\"") && verify(&to, None).unwrap().flaws.is_empty()
    );
}

async fn what_was_taken_back_is_no_document(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let file = id_in(&upload(&user, maria, "wrong.pdf", samples::pdf()).await);
    let fields = [("title", "Results"), ("body", "zebra"), ("key", "0123456789abcdef-back"), ("upload", &*file)];
    let to = user.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap();
    let secret = id_in(&upload(&user, maria, "secret.pdf", samples::pdf()).await);
    let note = [("body", "for us"), ("key", "0123456789abcdef-note"), ("upload", &*secret)];
    user.post(&format!("{conversation}/notes"), &note).await.redirect();
    let message = user.get(conversation).await.ok().attrs_of(".msg.mine", "id").pop().unwrap();
    let ask = format!("{conversation}/messages/{}/recall", message.replace("message-", ""));
    let page = user.get(&ask).await.ok();
    user.submit(&page, "Take back", &[]).await.redirect();
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    export_as(&app, &to, None, true).await.unwrap();
    let documents = resources(&to, "DocumentReference");
    let of = |name: &str| documents.iter().find(|it| it["description"] == name).unwrap();
    assert_eq!(of("wrong.pdf")["status"], "entered-in-error");
    assert_eq!(of("secret.pdf")["status"], "current");
    assert_eq!(of("secret.pdf")["category"][0]["text"], "Internal note");
    assert!(of("wrong.pdf")["category"].is_null());
    // without notes nothing of it is anywhere, but that there was a message
    let bare = place.path().join("bare");
    let made = export_as(&app, &bare, None, false).await.unwrap();
    assert_eq!((made.counts.messages, made.counts.attachments, made.counts.notes), (1, 0, 0));
    for path in files(&bare) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("zebra") && !text.contains("wrong.pdf"), "{}", path.display());
    }
    assert_eq!(resources(&bare, "Communication").iter().filter(|it| !it["sent"].is_null()).count(), 1);
}

async fn what_was_taken_back_whole_has_no_title(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let fields = [("title", "Quagga results"), ("body", "zebra"), ("key", "0123456789abcdef-whole")];
    let to = user.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let conversation = to.split('?').next().unwrap();
    let message = user.get(conversation).await.ok().attrs_of(".msg.mine", "id").pop().unwrap();
    let page = user.get(&format!("{conversation}/messages/{}/recall", message.replace("message-", ""))).await.ok();
    user.submit(&page, "Take back", &[]).await.redirect();
    let place = tempfile::tempdir().unwrap();
    for (name, with_notes) in [("all", true), ("bare", false)] {
        let to = place.path().join(name);
        export_as(&app, &to, None, with_notes).await.unwrap();
        let with_title = |path: &PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("Quagga");
        assert_eq!(files(&to).iter().any(with_title), with_notes, "{name}");
        let page = user.get(&format!("{conversation}/print{}", if with_notes { "?notes=on" } else { "" })).await.ok();
        assert_eq!(page.has_text("Quagga results"), with_notes, "{}", page.text());
    }
    let index = Page::parse(&read(&place.path().join(format!("bare/patients/{maria}/index.html"))));
    assert!(index.has_text("Taken back"), "{}", index.text());
}

async fn calls_and_letters_are_told(app: App) {
    let owner = app.user(Role::Owner).await;
    owner.post("/settings/reach", &[("phone_days", "3"), ("letter_days", "5")]).await.redirect();
    let maria = app.patient(Like::default()).await;
    let address = [("street", "12 Elm Street"), ("city", "Ottawa"), ("region", "ON"), ("postal_code", "k1a0b1")];
    let page = owner.get(&format!("/patients/{maria}/postal-address")).await.ok();
    owner.submit(&page, "Save", &address).await.redirect();
    let conversation = app.message(&owner, maria, true).await;
    let page = owner.get(&format!("{conversation}/call")).await.ok();
    let called = [("outcome", "no_answer"), ("note", "rang twice"), ("pause", "24")];
    owner.submit(&page, "Save the call", &called).await.redirect();
    let page = owner.get(&format!("{conversation}/letter")).await.ok();
    owner.submit(&page, "Make the letter", &[]).await.redirect();
    let place = tempfile::tempdir().unwrap();
    for (name, with_notes) in [("all", true), ("bare", false)] {
        let to = place.path().join(name);
        export_as(&app, &to, None, with_notes).await.unwrap();
        let all = resources(&to, "Communication");
        let by = |mode: &str| all.iter().find(|it| it["medium"][0]["coding"][0]["code"] == mode).unwrap();
        let (call, letter) = (by("PHONE"), by("MAILWRIT"));
        assert_eq!(call["status"], "not-done");
        assert_eq!(letter["status"], "completed");
        let message = all.iter().find(|it| it["id"].as_str().unwrap().starts_with("message-")).unwrap();
        for it in [call, letter] {
            assert_no_gap(it, "Communication");
            let about = format!("Communication/{}", message["id"].as_str().unwrap());
            assert_eq!(it["about"][0]["reference"], about.as_str());
            assert_eq!(it["partOf"], message["partOf"]);
            assert_eq!(it["sender"]["display"], "User owner");
        }
        let words = call["payload"][0]["contentString"].as_str().unwrap();
        assert!(words.starts_with("No answer") && words.contains("rang twice") == with_notes, "{words}");
        assert_eq!(letter["payload"][0]["contentString"], "letter printed: The notice only");
        let page = read(&to.join(format!("patients/{maria}/conversation-1.html")));
        assert_eq!(page.contains("rang twice"), with_notes);
    }
}

async fn caregivers_are_in_it_and_come_back_as_nobody(app: App) {
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let place = tempfile::tempdir().unwrap();
    let without = place.path().join("without");
    export_as(&app, &without, None, true).await.unwrap();
    assert!(!without.join("fhir/RelatedPerson.ndjson").exists(), "a file without a line is no FHIR");
    let page = app.caregiver(&user, maria, "Ana Roy", ("ana@example.org", "613-555-0155")).await;
    let id = page.rsplit('/').next().unwrap();
    let private = [("title", "Alone"), ("body", "Nobody else"), ("key", "0123456789abcdef-alone")];
    let private = [&private[..], &[("only_patient", "on")]].concat();
    user.post(&format!("/patients/{maria}/messages/new"), &private).await.redirect();
    app.message(&user, maria, true).await;
    let shown = user.get(&page).await.ok();
    user.submit(&shown, "Save", &[("ends", "2026-03-05")]).await.redirect();
    let to = place.path().join("all");
    let made = export_as(&app, &to, None, true).await.unwrap();
    assert!(sha256sum(&to) && verify(&to, Some(&made.manifest)).unwrap().flaws.is_empty());
    let people = resources(&to, "RelatedPerson");
    assert_eq!(people.len(), 1);
    let ana = &people[0];
    assert_no_gap(ana, "RelatedPerson");
    assert_eq!(ana["patient"]["reference"], format!("Patient/patient-{maria}").as_str());
    assert_eq!((&ana["name"][0]["text"], &ana["active"]), (&Value::from("Ana Roy"), &Value::from(true)));
    assert_eq!(ana["relationship"][0]["coding"][0]["code"], "PRN");
    assert_eq!(
        (&ana["telecom"][0]["value"], &ana["birthDate"]),
        (&Value::from("ana@example.org"), &Value::from("1951-03-04"))
    );
    assert!(ana["period"]["start"].is_string() && ana["period"]["end"].is_string(), "{ana}");
    // the log names her by the same identifier
    let named = serde_json::json!({ "system": "urn:postern:caregiver", "value": id });
    assert_eq!(ana["identifier"][0], named);
    let log = resources(&to, "AuditEvent");
    assert!(log.iter().any(|row| row["entity"].to_string().contains(&named.to_string())), "{log:?}");
    let page = Page::parse(&read(&to.join(format!("patients/{maria}/index.html"))));
    assert!(page.has_text("Ana Roy (parent), ana@example.org"), "{}", page.text());
    // what is only for the patient says so, and nothing else does
    for (number, says) in [(1, true), (2, false)] {
        let page = Page::parse(&read(&to.join(format!("patients/{maria}/conversation-{number}.html"))));
        assert_eq!(page.has_text("Only for the patient"), says, "{}", page.text());
    }
    let marked = resources(&to, "Communication").into_iter().filter(|it| it.to_string().contains("only-patient"));
    let topics: Vec<Value> = marked.map(|it| it["topic"]["text"].clone()).collect();
    assert_eq!(topics, ["Alone"]);
    // by import she is counted, and reads for nobody
    let file = |kind: &str| std::fs::read(to.join(format!("fhir/{kind}.ndjson"))).unwrap();
    let summary = app.import_files(vec![file("Patient"), file("RelatedPerson")], Some("elsewhere")).await.unwrap();
    assert_eq!(summary.skipped[&("RelatedPerson".to_owned(), "not_mapped")], 1, "{:?}", summary.skipped);
    let read = app
        .state
        .db
        .read(|conn| -> Result<i64, AppError> { Ok(postern::db::schema::caregivers::table.count().get_result(conn)?) });
    assert_eq!(read.await.unwrap(), 1);
}

/// Runs the program on a clinic; gives what it said, and whether it succeeded.
fn program(app: &App, arguments: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(arguments)
        .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
        .env("POSTERN_SMTP_HOST", "mail.example.org")
        .env("POSTERN_SMTP_FROM", "messages@example.org")
        .env("POSTERN_LOG", "error")
        .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
        .env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder)
        .output()
        .unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.success())
}

/// The patients, and the items of their charts with their files; without what messages became.
async fn charts(app: &App) -> (BTreeSet<String>, BTreeSet<String>) {
    let by = Operator::of_the_command_line();
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let (mut people, mut items) = (BTreeSet::new(), BTreeSet::new());
        for patient in patients::in_order(conn, &by, PatientId(0), 100)? {
            for item in chart::in_order(conn, &by, patient.id, None, 100)? {
                let files = chart::contents(conn, &[item.row.id])?;
                let files: Vec<_> = files.into_iter().map(|(_, file, blob)| (file.media_type, blob.sha256)).collect();
                let row = item.row;
                if row.kind != ItemKind::InboxItem {
                    let head = (row.kind, row.sort, row.title, row.author, row.occurred_at, row.date_only);
                    items.insert(format!("{} {head:?} {:?} {files:?}", patient.name(), item.body));
                }
            }
            // how a patient is notified is no part of FHIR
            people.insert(format!("{:?}", Demographics { method: Method::None, ..patient.demographics }));
        }
        Ok((people, items))
    });
    read.await.unwrap()
}

async fn it_comes_back_by_import(on: On) {
    let app = App::start(on).await;
    busy(&app).await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("all");
    let folder = to.display().to_string();
    let (said, good) = program(&app, &["export", "--to", &folder]);
    assert!(good && said.contains("2 patients, 3 chart items") && said.contains("is not encrypted"), "{said}");
    // the clinic that made it has all of it already
    let (said, good) = program(&app, &["import", &folder]);
    assert!(!good && said.contains("is an export of this clinic"), "{said}");
    // however it is named
    for path in [place.path().to_owned(), to.join("fhir"), to.join("fhir/Patient.ndjson")] {
        let (said, good) = program(&app, &["import", &path.display().to_string()]);
        assert!(!good && said.contains("is an export of this clinic"), "{}: {said}", path.display());
    }
    // without the manifest nobody knows which clinic its ids are of
    let alone = place.path().join("alone");
    let copied = Command::new("cp").arg("-r").arg(to.join("fhir")).arg(&alone).status().unwrap();
    assert!(copied.success());
    let alone = alone.display().to_string();
    let (said, good) = program(&app, &["import", &alone]);
    assert!(!good && said.contains("name the clinic that it comes from by --source"), "{said}");
    let (said, good) = program(&app, &["import", &alone, "--source", "elsewhere", "--dry-run"]);
    assert!(good, "{said}");
    let (people, items) = charts(&app).await;
    assert_eq!((people.len(), items.len()), (2, 3));
    let others = if peers::postgres_url().is_some() { vec![On::Sqlite, On::Postgres] } else { vec![On::Sqlite] };
    for other in others {
        let home = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = fresh_database(other, home.path()).await;
        let empty = App::start_at(home, url, |_| {}, Delivery::mailbox).await;
        let cookie = app.state.random.token();
        let renewed = empty.state.db.write(move |tx| -> Result<_, AppError> {
            // each clinic of a test draws the same random values, and so has the same key
            use postern::db::schema::clinic;
            let key = cookie.reveal().repeat(4).into_bytes();
            Ok(diesel::update(clinic::table).set(clinic::cookie_key.eq(&key[..64])).execute(tx.conn())?)
        });
        renewed.await.unwrap();
        let (said, good) = program(&empty, &["import", &folder]);
        assert!(good && said.contains("conversations come as items of the chart"), "{said}");
        let (came, came_items) = charts(&empty).await;
        assert_eq!(came, people, "{said}");
        // the file of the message is an item of the chart now, beside the others
        let missing: Vec<&String> = items.difference(&came_items).collect();
        assert!(missing.is_empty(), "{missing:?} of {came_items:?}: {said}");
        assert_eq!(came_items.len(), items.len() + 1, "{came_items:?}");
        // once more, and nothing is doubled
        let (said, good) = program(&empty, &["import", &folder]);
        assert!(good, "{said}");
        assert_eq!(charts(&empty).await, (came, came_items));
        // what was changed does not come in
        let bad = place.path().join(format!("bad-{}", other == On::Sqlite));
        let copied = Command::new("cp").arg("-r").arg(&to).arg(&bad).status().unwrap();
        assert!(copied.success());
        let people = bad.join("fhir/Patient.ndjson");
        std::fs::write(&people, read(&people).replace("Otto", "Ottо")).unwrap();
        let (said, good) = program(&empty, &["import", &bad.display().to_string()]);
        assert!(!good && said.contains("changed: fhir/Patient.ndjson"), "{said}");
    }
    assert!(export::fhir_of(&to).is_some() && export::fhir_of(place.path()).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_says_so_and_nothing_is_left() {
    let app = App::start(On::Sqlite).await;
    let user = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let large = [samples::pdf(), vec![b'x'; 2 << 20]].concat();
    let file = id_in(&upload(&user, maria, "large.pdf", large).await);
    let fields = [("title", "Large"), ("body", "See it"), ("key", "0123456789abcdef-large"), ("upload", &file)];
    user.post(&format!("/patients/{maria}/messages/new"), &fields).await.redirect();
    let place = tempfile::tempdir().unwrap();
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let script = "mount -t tmpfs -o size=1m none \"$1\" && { \"$2\" export --to \"$1/all\"; echo \"status $?\"; ls -A \"$1\"; echo end; }";
    let output = Command::new("unshare")
        .args(if root { &[][..] } else { &["--user", "--map-root-user"] })
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(place.path())
        .arg(env!("CARGO_BIN_EXE_postern"))
        .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
        .env("POSTERN_SMTP_HOST", "mail.example.org")
        .env("POSTERN_SMTP_FROM", "messages@example.org")
        .env("POSTERN_LOG", "error")
        .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
        .env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("the disk of the folder is full") && said.contains("status 1\nend\n"), "{said}");
}
