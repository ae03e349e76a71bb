//! Backups away from the machine: in a bucket of a real S3 server, which may not answer.

use super::{back_up, busy, restore, rows};
use crate::on_each;
use crate::support::app::{App, On, fresh_database};
use crate::support::program::{Program, database_url, free_port};
use crate::support::s3::S3;
use postern::access::Role;
use postern::backup::{self, Backup, BackupError, Manifest};
use postern::config::Files;
use postern::delivery::Delivery;
use postern::storage::Mirror;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

on_each!(
    what_is_lost_here_comes_back_from_there,
    a_damaged_folder_harms_nothing_there,
    the_worker_copies_and_tries_again,
    what_nobody_needs_goes_there_too,
    the_commands_copy_and_fetch
);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn mirrored(folder: &Path, bucket: &Mirror) -> Result<backup::Mirrored, BackupError> {
    backup::mirror(folder, bucket, &[], postern::clock::Clock::system().now()).await
}

/// The names and sizes of the bucket's files.
async fn listed(bucket: &Mirror) -> HashMap<String, u64> {
    let bucket = bucket.clone();
    blocking(move || bucket.list().unwrap()).await.into_iter().map(|(name, object)| (name, object.size)).collect()
}

async fn fetched(bucket: &Mirror, folder: &Path) -> backup::Fetched {
    let (bucket, folder) = (bucket.clone(), folder.to_owned());
    blocking(move || backup::fetch(&bucket, &folder).unwrap()).await
}

/// A file of a folder of backups that is not a part of the newest backup.
fn some_file(folder: &Path) -> PathBuf {
    let folders = std::fs::read_dir(folder.join("files")).unwrap().flatten();
    let folders = folders.filter(|entry| entry.file_name().len() == 2);
    folders.flat_map(|entry| std::fs::read_dir(entry.path()).unwrap().flatten()).next().unwrap().path()
}

fn newest(folder: &Path) -> PathBuf {
    Manifest::all(folder).unwrap().pop().unwrap()
}

async fn what_is_lost_here_comes_back_from_there(on: On) {
    let (app, s3) = (App::start(on).await, S3::start());
    let bucket = Mirror::new(&s3.bucket()).unwrap();
    busy(&app).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    let first = mirrored(folder.path(), &bucket).await.unwrap();
    assert_eq!(listed(&bucket).await.len(), first.copied);
    assert_eq!(mirrored(folder.path(), &bucket).await.unwrap().copied, 0, "all of it is there");
    // the next backup brings new rows, and copies no file again
    let before = rows(&app.state.db).await;
    back_up(&app, folder.path()).await;
    assert!(mirrored(folder.path(), &bucket).await.unwrap().copied < first.copied);
    // the machine is lost: everything comes back from the bucket
    let elsewhere = tempfile::tempdir().unwrap();
    let all = listed(&bucket).await.len();
    assert_eq!(fetched(&bucket, elsewhere.path()).await, backup::Fetched { came: all, damaged: 0 });
    // whole files are not fetched again, but damaged ones are
    let damaged = some_file(elsewhere.path());
    let size = std::fs::metadata(&damaged).unwrap().len() as usize;
    std::fs::write(&damaged, vec![7; size]).unwrap();
    assert_eq!(fetched(&bucket, elsewhere.path()).await, backup::Fetched { came: 1, damaged: 0 });
    assert_eq!(fetched(&bucket, elsewhere.path()).await, backup::Fetched::default());
    let place = tempfile::tempdir().unwrap();
    let url = fresh_database(on, place.path()).await;
    let files = Files::in_folder(place.path().join("files"));
    let restored = restore(elsewhere.path(), &[], &url, &files, app.state.clock.now()).await.unwrap();
    assert_eq!(restored.checked.files, 2);
    let again = App::start_at(place, url, |config| config.files = files, Delivery::mailbox).await;
    let after = rows(&again.state.db).await;
    assert_eq!(after["messages"], before["messages"]);
}

/// Files of the folder are lost or damaged: the bucket keeps its files, and accepts whole ones only.
async fn a_damaged_folder_harms_nothing_there(on: On) {
    let (app, s3) = (App::start(on).await, S3::start());
    let bucket = Mirror::new(&s3.bucket()).unwrap();
    busy(&app).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    mirrored(folder.path(), &bucket).await.unwrap();
    let all = listed(&bucket).await;
    // a file that was cut short in the folder is fetched whole from the bucket
    let cut = some_file(folder.path());
    std::fs::write(&cut, "short").unwrap();
    assert_eq!(mirrored(folder.path(), &bucket).await.unwrap(), backup::Mirrored::default());
    assert_ne!(std::fs::read(&cut).unwrap(), b"short");
    // a manifest that was changed in the folder does not replace the bucket's
    let manifest = newest(folder.path());
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text} ")).unwrap();
    mirrored(folder.path(), &bucket).await.unwrap();
    std::fs::write(&manifest, text).unwrap();
    assert_eq!(listed(&bucket).await, all);
    // all files are lost, and the next backup is made: the bucket keeps what the earlier backup needs, whatever its age
    std::fs::remove_dir_all(folder.path().join("files")).unwrap();
    s3.make_old();
    back_up(&app, folder.path()).await;
    let done = mirrored(folder.path(), &bucket).await.unwrap();
    assert_eq!(done.removed, 0);
    let now = listed(&bucket).await;
    assert!(all.iter().all(|(name, size)| now.get(name) == Some(size)), "nothing that was there is gone");
    // a file that was damaged before it was copied keeps only its own backup out of the bucket
    back_up(&app, folder.path()).await;
    let there = listed(&bucket).await;
    let damaged = std::fs::read_dir(folder.path().join("files")).unwrap().flatten();
    let damaged = damaged.filter(|entry| entry.file_name().len() == 2);
    let mut damaged = damaged.flat_map(|entry| std::fs::read_dir(entry.path()).unwrap().flatten());
    let damaged = damaged.find(|entry| !there.contains_key(entry.file_name().to_str().unwrap())).unwrap().path();
    std::fs::write(&damaged, "something else").unwrap();
    let done = mirrored(folder.path(), &bucket).await.unwrap();
    assert_eq!(done.damaged, 1, "{done:?}");
    let after = listed(&bucket).await;
    assert!(!after.contains_key(newest(folder.path()).file_name().unwrap().to_str().unwrap()));
    // files of others are neither fetched nor removed
    s3.put_stray("notes.txt");
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(fetched(&bucket, elsewhere.path()).await.damaged, 0);
    assert!(!elsewhere.path().join("notes.txt").exists());
}

async fn the_worker_copies_and_tries_again(on: On) {
    let (folder, mut s3) = (tempfile::tempdir().unwrap(), S3::start());
    let backup = postern::config::Backup {
        folder: folder.path().to_owned(),
        every: time::Duration::hours(24),
        bucket: Some(s3.bucket()),
    };
    let app = App::start_with_config(on, |config| config.backup = Some(backup), Delivery::mailbox).await;
    let bucket = Mirror::new(&s3.bucket()).unwrap();
    let hour = async || {
        app.state.clock.advance(time::Duration::hours(1));
        postern::worker::upkeep(&app.state, app.state.clock.now()).await;
    };
    s3.stop();
    hour().await;
    assert_eq!(Manifest::all(folder.path()).unwrap().len(), 1, "the folder has it all the same");
    let page = app.user(Role::Owner).await.get("/settings/gateways").await.ok();
    assert!(page.has_text("copied into the bucket Never Late: see the log"), "{}", page.text());
    s3.go_on();
    hour().await;
    let there = listed(&bucket).await;
    assert!(there.contains_key(newest(folder.path()).file_name().unwrap().to_str().unwrap()), "{there:?}");
    let page = app.user(Role::Owner).await.get("/settings/gateways").await.ok();
    assert!(!page.has_text("Late: see the log"), "{}", page.text());
    hour().await;
    assert_eq!(listed(&bucket).await, there);
}

async fn what_nobody_needs_goes_there_too(on: On) {
    let (app, s3) = (App::start(on).await, S3::start());
    let bucket = Mirror::new(&s3.bucket()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    let old = newest(folder.path());
    app.user(Role::Owner).await;
    back_up(&app, folder.path()).await;
    mirrored(folder.path(), &bucket).await.unwrap();
    let all = listed(&bucket).await.len();
    // a manifest is removed in the folder only: nothing is removed from the bucket, because the backup may be wanted
    std::fs::remove_file(&old).unwrap();
    back_up(&app, folder.path()).await;
    let done = mirrored(folder.path(), &bucket).await.unwrap();
    assert_eq!((done.removed, done.only_there), (0, 1));
    assert!(listed(&bucket).await.len() > all);
    // removed from the bucket too: the files that only it needed are removed there
    let (name, there) = (old.file_name().unwrap().to_str().unwrap().to_owned(), bucket.clone());
    blocking(move || there.remove(&name).unwrap()).await;
    let done = mirrored(folder.path(), &bucket).await.unwrap();
    assert_eq!((done.removed, done.only_there), (0, 0), "what came today may be another machine's");
    s3.make_old();
    let done = mirrored(folder.path(), &bucket).await.unwrap();
    assert!(done.removed > 0 && done.only_there == 0, "{done:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    fetched(&bucket, elsewhere.path()).await;
    for manifest in Manifest::all(elsewhere.path()).unwrap() {
        blocking(move || Backup::open(&manifest, &[]).unwrap().check().unwrap()).await;
    }
}

async fn the_commands_copy_and_fetch(on: On) {
    let (app, s3) = (App::start(on).await, S3::start());
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (url, bucket) = (database_url(&app.state.config.database), s3.bucket());
    let (to, from) = (folder.path().to_str().unwrap(), elsewhere.path().to_str().unwrap());
    let endpoint = bucket.endpoint.to_string();
    let settings = [
        ("POSTERN_BACKUP_FOLDER", to),
        ("POSTERN_BACKUP_BUCKET", bucket.name.as_str()),
        ("POSTERN_BACKUP_ENDPOINT", endpoint.as_str()),
        ("POSTERN_BACKUP_ACCESS_KEY", bucket.access_key.as_str()),
        ("POSTERN_BACKUP_SECRET_KEY", bucket.secret_key.as_str()),
    ];
    let run = |arguments: &[&str], settings: &[(&str, &str)]| {
        let mut program = Program::start(arguments, &url, free_port(), settings);
        let ended = program.ends_within(Duration::from_secs(60)).expect("it ends");
        (ended.success(), program.log())
    };
    let (done, log) = run(&["backup", to, "--bucket"], &settings);
    assert!(done, "{log}");
    let (done, log) = run(&["restore", from, "--bucket", "--check"], &settings);
    assert!(done, "{log}");
    assert_eq!(Manifest::all(elsewhere.path()).unwrap().len(), 1);
    let (done, log) = run(&["backup", to, "--bucket"], &settings[..1]);
    assert!(!done && log.contains("backup.bucket: is missing"), "{log}");
    let (done, log) = run(&["backup", to], &settings[1..]);
    assert!(!done && log.contains("backup.bucket: needs backup.folder"), "{log}");
}
