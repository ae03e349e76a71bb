//! `postern files move`: from the folder to a bucket and back while the clinic works, and nothing is served wrong.

use super::samples;
use super::uploads::{get, id_in, upload};
use crate::on_each;
use crate::support::app::{Actor, App, On};
use crate::support::program::{Program, database_url, free_port};
use crate::support::s3::{BUCKET, S3};
use crate::support::world::Like;
use postern::access::Role;
use postern::config::{Files, KeepIn};
use postern::delivery::Delivery;
use postern::storage::Storage;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

on_each!(files_move_to_the_bucket_and_back);

/// Settings of a process of this clinic.
fn settings(app: &App, s3: &S3, keep_in: &str) -> Vec<(&'static str, String)> {
    let bucket = s3.bucket();
    vec![
        ("POSTERN_STORAGE_FOLDER", app.state.config.files.folder.display().to_string()),
        ("POSTERN_STORAGE_BUCKET", BUCKET.into()),
        ("POSTERN_STORAGE_ENDPOINT", bucket.endpoint.to_string()),
        ("POSTERN_STORAGE_ACCESS_KEY", bucket.access_key),
        ("POSTERN_STORAGE_SECRET_KEY", bucket.secret_key),
        ("POSTERN_STORAGE_KEEP_IN", keep_in.into()),
    ]
}

/// Runs the command to its end.
async fn run(app: &App, arguments: &[&str], settings: Vec<(&'static str, String)>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["files", "move", "--to"]).args(arguments).envs(settings);
    command.env("POSTERN_DATABASE_URL", database_url(&app.state.config.database)).env("POSTERN_LOG", "error");
    command.env("POSTERN_PUBLIC_URL", "https://messages.example.org").env("POSTERN_SMTP_HOST", "mail.example.org");
    command.env("POSTERN_SMTP_FROM", "messages@example.org").current_dir("/");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// The same clinic with a process that keeps its files in other places.
async fn restarted(app: &App, files: Files) -> App {
    let url = app.state.config.database.clone();
    App::start_at(tempfile::tempdir().unwrap(), url, |config| config.files = files, Delivery::mailbox).await
}

/// Sends a message with this file; gives the file's address.
async fn sent(app: &App, owner: &Actor, name: &str, file: Vec<u8>) -> String {
    let patient = app.patient(Like::default()).await;
    let id = id_in(&upload(owner, patient, name, file).await);
    let key = format!("0123456789abcdef-{id}");
    let fields = [("title", "T"), ("body", "B"), ("key", &*key), ("upload", &*id)];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    format!("{}/attachments/1", sent.split('?').next().unwrap())
}

async fn served(owner: &Actor, path: &str, content: &[u8], when: &str) {
    let got = get(owner, path, &[]).await;
    assert_eq!((got.status, got.bytes == content), (200, true), "{when}");
}

/// How many files lie in the folder.
fn in_folder(folder: &Path) -> usize {
    let subfolders = std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.file_name().len() == 2);
    subfolders.map(|entry| std::fs::read_dir(entry.path()).unwrap().count()).sum()
}

fn in_bucket(s3: &S3) -> usize {
    std::fs::read_dir(s3.objects()).unwrap().flatten().filter(|entry| entry.path().is_file()).count()
}

async fn files_move_to_the_bucket_and_back(on: On) {
    let (mut s3, app) = (S3::start(), App::start(on).await);
    app.at_present();
    let owner = app.user(Role::Owner).await;
    let mut files = Vec::new();
    for number in 0..12_u8 {
        let content = [samples::pdf(), vec![number; 100_000]].concat();
        files.push((sent(&app, &owner, "a.pdf", content.clone()).await, content));
    }
    let folder = app.state.config.files.folder.clone();
    let plain = app.state.config.files.clone();
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (12, 0));

    // where the configuration says otherwise, nothing is done
    let (good, said) = run(&app, &["folder"], settings(&app, &s3, "bucket")).await;
    assert!(!good && said.contains("storage.keep_in: says bucket"), "{said}");
    let (good, said) = run(&app, &["bucket"], settings(&app, &s3, "bucket")[..1].to_vec()).await;
    assert!(!good && said.contains("storage.bucket: is missing"), "{said}");

    // the clinic starts anew with a bucket: old files are read from the folder, new ones go to the bucket
    let bucket = s3.bucket();
    let with = |keep_in| Files { bucket: Some(bucket.clone()), keep_in, ..plain.clone() };
    let second = restarted(&app, with(KeepIn::Bucket)).await;
    let user = second.user(Role::Clinician).await;
    for (path, content) in &files {
        served(&user, path, content, "before the move").await;
    }
    let new = [samples::pdf(), b"new".to_vec()].concat();
    files.push((sent(&second, &user, "new.pdf", new.clone()).await, new));
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (12, 1));

    // killed at several points, and served all the while
    for round in 0..5_u64 {
        let more = settings(&app, &s3, "bucket");
        let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let database = database_url(&app.state.config.database);
        let program = Program::start(&["files", "move", "--to", "bucket"], &database, free_port(), &more);
        tokio::time::sleep(Duration::from_millis(40 + 60 * round)).await;
        let (path, content) = &files[round as usize];
        served(&user, path, content, "during the move").await;
        program.kill();
    }
    let (good, said) = run(&app, &["bucket"], settings(&app, &s3, "bucket")).await;
    assert!(good && said.contains("12 files") && said.contains("also lie in the folder"), "{said}");
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (12, 13));

    // one that was damaged there comes once more, before the other one goes
    let name = std::fs::read_dir(s3.objects()).unwrap().flatten().map(|entry| entry.path());
    let name = name.filter(|path| path.is_file() && std::fs::metadata(path).unwrap().len() > 90_000).min().unwrap();
    std::fs::write(&name, vec![7; std::fs::metadata(&name).unwrap().len() as usize]).unwrap();
    let (good, said) = run(&app, &["bucket", "--remove"], settings(&app, &s3, "bucket")).await;
    assert!(good && said.contains("1 files were copied, 12 were there and are whole"), "{said}");
    assert!(said.contains("12 files were removed from the folder"), "{said}");
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (0, 13));
    for (path, content) in &files {
        served(&user, path, content, "from the bucket").await;
    }

    // and back
    let third = restarted(&app, with(KeepIn::Folder)).await;
    let user = third.user(Role::Staff).await;
    served(&user, &files[0].0, &files[0].1, "before it came back").await;
    // what may lie in a place that is away is not missing
    s3.stop();
    assert_eq!(get(&user, &files[0].0, &[]).await.status, 503);
    s3.go_on();
    served(&user, &files[0].0, &files[0].1, "once the bucket is back").await;
    let (good, said) = run(&app, &["folder", "--remove"], settings(&app, &s3, "folder")).await;
    assert!(good && said.contains("13 files were copied") && said.contains("may go"), "{said}");
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (13, 0));
    for (path, content) in &files {
        served(&owner, path, content, "by the process that never knew the bucket").await;
    }

    // what nothing refers to any more goes in both places
    std::fs::remove_dir_all(folder.join("incoming")).unwrap();
    let (storage, now) = (Storage::open(&with(KeepIn::Bucket)).unwrap(), app.state.clock.now());
    storage.gather(&app.state.db, false, |_| {}).await.unwrap();
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (13, 13));
    storage.sweep(&app.state.db, now.plus(time::Duration::days(2))).await.unwrap();
    assert_eq!((in_folder(&folder), in_bucket(&s3)), (13, 13), "what is referred to stays");
}
