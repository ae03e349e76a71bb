//! Files and folders on the disk are open to their owner alone, whatever the umask; `postern check-config` names what
//! is weak.

use crate::files::samples;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// The program with umask 0, which takes no permission away.
fn program(folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_postern")])
        .args(arguments)
        .current_dir(folder)
        .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
        .env("POSTERN_SMTP_HOST", "mail.example.org")
        .env("POSTERN_SMTP_FROM", "messages@example.org")
        .env("POSTERN_LISTEN", "127.0.0.1:0")
        .env("POSTERN_LOG", "error")
        .envs(more.iter().copied());
    command
}

fn said(folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> (String, bool) {
    let done = program(folder, arguments, more).stdin(Stdio::null()).output().unwrap();
    (String::from_utf8([done.stdout, done.stderr].concat()).unwrap(), done.status.success())
}

/// Adds to `found` the folder and everything below it that somebody else than the owner could read.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    if mode & 0o077 != 0 {
        found.push(format!("{} {mode:o}", path.display()));
    }
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| open_to_others(&entry.unwrap().path(), found));
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn what_lies_on_the_disk_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let file = data_encoding::BASE64.encode(&samples::png());
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Patient", "id": "p", "name": [{"family": "Roy", "given": ["Ida"]}],
            "birthDate": "1980-01-01"}},
        {"resource": {"resourceType": "DocumentReference", "id": "d", "status": "current",
            "subject": {"reference": "Patient/p"}, "date": "2026-02-02T09:00:00Z",
            "content": [{"attachment": {"contentType": "image/png", "title": "a.png", "data": file}}]}}]});
    let outside = tempfile::tempdir().unwrap();
    let json = outside.path().join("bundle.json");
    std::fs::write(&json, bundle.to_string()).unwrap();
    let (words, good) = said(here, &["import", json.to_str().unwrap()], &[]);
    assert!(good, "{words}");
    let serving = Running(program(here, &["serve"], &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begin = Instant::now();
    while !here.join("postern.db-wal").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    for time in 0..2 {
        let (words, good) = said(here, &["backup", "backups"], &[]);
        assert!(good && words.contains("1 files"), "{time}: {words}");
    }
    assert!(here.join("backups/.lock").exists() && here.join("postern.db-shm").exists());
    let mut open = Vec::new();
    // the folder itself belongs to the test
    std::fs::set_permissions(here, std::fs::Permissions::from_mode(0o700)).unwrap();
    open_to_others(here, &mut open);
    assert_eq!(open, [""; 0]);
    drop(serving);
}

#[test]
fn what_is_weak_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // a missing database is not created
    let (words, good) = said(here, &["check-config"], &[]);
    assert!(good && !here.join("postern.db").exists(), "{words}");
    for weak in ["weak: text of patients lies in clear", "weak: the key that signs cookies"] {
        assert!(words.contains(weak), "{words}");
    }
    let mode =
        |name: &str, mode| std::fs::set_permissions(here.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::write(here.join("key"), KEY).unwrap();
    std::fs::create_dir(here.join("postern-files")).unwrap();
    std::fs::create_dir(here.join("backups")).unwrap();
    for (name, bits) in [("key", 0o640), ("postern-files", 0o755), ("backups", 0o701)] {
        mode(name, bits);
    }
    let keyed = [("POSTERN_STORAGE_KEY_FILE", "key"), ("POSTERN_BACKUP_FOLDER", "backups")];
    let (words, _) = said(here, &["check-config"], &keyed);
    for weak in ["can read key: chmod 600", "look into postern-files: chmod 700", "look into backups: chmod 700"] {
        assert!(words.contains(weak), "{words}");
    }
    assert!(words.contains("text: will be sealed with the key") && !words.contains(KEY), "{words}");
    for (name, bits) in [("key", 0o600), ("postern-files", 0o700), ("backups", 0o700)] {
        mode(name, bits);
    }
    // a key for a clinic that had none
    assert!(said(here, &["migrate"], &[]).1);
    assert!(said(here, &["migrate"], &keyed).1);
    let (words, _) = said(here, &["check-config"], &keyed);
    assert!(words.contains("weak: text is sealed") && words.contains("postern keys rotate"), "{words}");
    let (words, good) = said(here, &["keys", "rotate"], &keyed);
    assert!(good && words.contains("texts were written anew"), "{words}");
    let (words, _) = said(here, &["check-config"], &keyed);
    assert!(words.contains("text: all of it is sealed with the key") && !words.contains("weak: "), "{words}");
    // the key as a credential of systemd
    let credential = [("POSTERN_STORAGE_KEY_FILE", "key"), ("CREDENTIALS_DIRECTORY", here.to_str().unwrap())];
    let (words, good) = said(
        Path::new("/"),
        &["check-config"],
        &[&credential[..], &[("POSTERN_DATABASE_URL", "sqlite:/nowhere.db")]].concat(),
    );
    assert!(good && words.contains("will be sealed"), "{words}");
    // without the key nothing starts
    let (words, good) = said(here, &["migrate"], &[]);
    assert!(!good && words.contains("is not configured"), "{words}");
    let both = [keyed[0], ("POSTERN_STORAGE_KEY", KEY)];
    let (words, good) = said(here, &["check-config"], &both);
    assert!(!good && words.contains("storage.key_file: storage.key is there too"), "{words}");
}
