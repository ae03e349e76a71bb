//! The commands that look after files, and the configuration keys that say where files are stored.

use super::samples;
use super::uploads::{id_in, upload};
use crate::support::app::{App, On};
use crate::support::clamd::Clamd;
use crate::support::s3::S3;
use crate::support::world::Like;
use postern::access::Role;
use postern::config::{ClamdAddress, Config};
use postern::db::DatabaseUrl;
use std::process::Command;

const KEYS: [&str; 2] =
    ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="];

const BASE: [(&str, &str); 4] = [
    ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
    ("POSTERN_SMTP_HOST", "mail.example.org"),
    ("POSTERN_SMTP_FROM", "messages@example.org"),
    ("POSTERN_LOG", "error"),
];
const BUCKET: [(&str, &str); 4] = [
    ("POSTERN_STORAGE_BUCKET", "clinic-files"),
    ("POSTERN_STORAGE_ENDPOINT", "https://s3.example.org"),
    ("POSTERN_STORAGE_ACCESS_KEY", "clinic"),
    ("POSTERN_STORAGE_SECRET_KEY", "very-secret"),
];

fn load(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::load(None, BASE.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn what_is_written_well_is_read() {
    let plain = load(&[]).unwrap().files;
    assert!(plain.bucket.is_none() && plain.scanner.is_none() && plain.key.is_none());
    let bucket = load(&BUCKET).unwrap().files.bucket.unwrap();
    assert_eq!((bucket.region.as_str(), bucket.path_style, bucket.name.as_str()), ("us-east-1", true, "clinic-files"));
    for (written, read) in [
        ("127.0.0.1:3310", ClamdAddress::Tcp("127.0.0.1".into(), 3310)),
        ("[::1]:3310", ClamdAddress::Tcp("::1".into(), 3310)),
        ("clamd.example.org:3310", ClamdAddress::Tcp("clamd.example.org".into(), 3310)),
        ("/run/clamav/clamd.ctl", ClamdAddress::Unix("/run/clamav/clamd.ctl".into())),
    ] {
        let scanner = load(&[("POSTERN_CLAMD_ADDRESS", written)]).unwrap().files.scanner.unwrap();
        assert_eq!((scanner.address, scanner.largest), (read, 25 << 20));
    }
}

#[test]
fn each_fault_names_its_key() {
    for (changed, value, key) in [
        ("POSTERN_STORAGE_ENDPOINT", "http://s3.example.org", "storage.endpoint"),
        ("POSTERN_STORAGE_ENDPOINT", "", "storage.endpoint"),
        ("POSTERN_STORAGE_BUCKET", "Clinic/../files", "storage.bucket"),
        ("POSTERN_STORAGE_SECRET_KEY", "", "storage.secret_key"),
        ("POSTERN_STORAGE_PATH_STYLE", "maybe", "storage.path_style"),
        ("POSTERN_STORAGE_KEY", "very-secret", "storage.key"),
        ("POSTERN_STORAGE_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "storage.ca_file"),
        ("POSTERN_STORAGE_CA_FILE", "/nowhere/ca.pem", "storage.ca_file"),
        ("POSTERN_STORAGE_OLD_KEYS", "very-secret", "storage.old_keys"),
        ("POSTERN_STORAGE_KEY_FILE", "/nowhere/key", "storage.key_file"),
        ("POSTERN_STORAGE_KEY_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "storage.key_file"),
        ("POSTERN_DATABASE_CA_FILE", "/nowhere/ca.pem", "database_ca_file"),
        ("POSTERN_DATABASE_URL", "postgres://u:very-secret@db.example.org/d?sslmode=disable", "database_url"),
        ("POSTERN_DATABASE_URL", "postgres://u:very-secret@/d", "database_url"),
        ("POSTERN_DATABASE_URL", "mysql://u:very-secret@db.example.org/d", "database_url"),
        ("POSTERN_CLAMD_ADDRESS", "3310", "clamd.address"),
        ("POSTERN_CLAMD_ADDRESS", "tcp://127.0.0.1:3310", "clamd.address"),
        ("POSTERN_CLAMD_LARGEST_MB", "0", "clamd.largest_mb"),
        ("POSTERN_CLAMD_TIMEOUT_SECONDS", "60", "clamd.timeout_seconds"),
        ("POSTERN_ATTACHMENTS_LARGEST_FILE_MB", "x", "attachments.largest_file_mb"),
    ] {
        let faults = load(&[&BUCKET[..], &[(changed, value)]].concat()).err().unwrap_or_default();
        assert!(faults.len() == 1 && faults[0].starts_with(&format!("{key}: ")), "{changed}={value}: {faults:?}");
        assert!(!faults[0].contains("very-secret"), "{faults:?}");
    }
    // a bucket of which only some keys are set
    let faults = load(&BUCKET[1..]).err().unwrap();
    assert!(faults.len() == 3 && faults.iter().all(|fault| fault.contains("needs storage.bucket")), "{faults:?}");
}

/// Runs the program on this clinic; gives what it printed, and whether it succeeded.
fn run(app: &App, arguments: &[&str], more: &[(&str, String)]) -> (String, bool) {
    let DatabaseUrl::Sqlite(path) = &app.state.config.database else { unreachable!() };
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(arguments).envs(BASE).env("POSTERN_DATABASE_URL", format!("sqlite:{}", path.display()));
    command.env("POSTERN_STORAGE_FOLDER", &app.state.config.files.folder);
    let output = command.envs(more.iter().map(|(name, value)| (name, value))).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_by_a_command_that_says_what_can_go() {
    let app = App::start(On::Sqlite).await;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    for (name, bytes) in [("a.pdf", samples::pdf()), ("b.png", samples::png())] {
        id_in(&upload(&owner, patient, name, bytes).await);
    }
    let key = |name: &'static str, n: usize| (name, KEYS[n].to_owned());
    let (said, good) = run(&app, &["files", "rotate"], &[key("POSTERN_STORAGE_KEY", 0)]);
    assert!(good && said.contains("2 files were written anew"), "{said}");
    let both = [key("POSTERN_STORAGE_KEY", 1), key("POSTERN_STORAGE_OLD_KEYS", 0)];
    let (said, good) = run(&app, &["files", "rotate"], &both);
    assert!(
        good && said.contains("2 files were written anew") && said.contains("no file needs it, it can go"),
        "{said}"
    );
    let (said, good) = run(&app, &["files", "verify"], &both[..1]);
    assert!(good && said.contains("2 files are whole, 0 are not"), "{said}");
    // without the key, and then with a file that was changed
    let (said, good) = run(&app, &["files", "verify"], &[key("POSTERN_STORAGE_KEY", 0)]);
    assert!(!good && said.contains("is not configured"), "{said}");
    let now = app.state.clock.now().plus(time::Duration::days(9_999));
    app.state.intake.storage.sweep(&app.state.db, now).await.unwrap();
    let folders = std::fs::read_dir(&app.state.config.files.folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    let mut bytes = std::fs::read(files.next().unwrap()).unwrap();
    let path = files.next().unwrap();
    bytes[5] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let (said, good) = run(&app, &["files", "verify"], &both[..1]);
    assert!(!good && said.contains("1 files are whole, 1 are not") && said.contains("was changed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_says_where_files_lie_and_who_looks_at_them() {
    let app = App::start(On::Sqlite).await;
    let (said, good) = run(&app, &["check-config"], &[]);
    assert!(good && said.contains("in the folder") && said.contains("not encrypted") && said.contains("nothing looks"));
    let (mut s3, mut clamd) = (S3::start(), Clamd::start());
    let ClamdAddress::Tcp(host, port) = clamd.config().address else { unreachable!() };
    let bucket = s3.bucket();
    let mut more = vec![
        ("POSTERN_STORAGE_BUCKET", bucket.name),
        ("POSTERN_STORAGE_ENDPOINT", bucket.endpoint.to_string()),
        ("POSTERN_STORAGE_ACCESS_KEY", bucket.access_key),
        ("POSTERN_STORAGE_SECRET_KEY", bucket.secret_key),
        ("POSTERN_STORAGE_KEY", KEYS[0].to_owned()),
        ("POSTERN_CLAMD_ADDRESS", format!("{host}:{port}")),
        ("POSTERN_CLAMD_LARGEST_MB", "10".to_owned()),
    ];
    let (said, good) = run(&app, &["check-config"], &more);
    assert!(good && said.contains("which answers") && said.contains("encrypted with the key"), "{said}");
    assert!(said.contains("looked for by ClamAV") && said.contains("raise it together with StreamMaxLength"), "{said}");
    assert!(!said.contains(KEYS[0]) && !said.contains("secret of the clinic"), "{said}");
    s3.stop();
    clamd.stop();
    let (said, good) = run(&app, &["check-config"], &more);
    assert!(good && said.contains("BUT the bucket's server") && said.contains("attachments will wait"), "{said}");
    s3.go_on();
    more[3].1 = "another".to_owned();
    let (said, _) = run(&app, &["check-config"], &more);
    assert!(said.contains("the bucket's server answered 403"), "{said}");
}
