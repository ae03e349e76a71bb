//! Kill -9 during uploads and sends, and a disk that is full: the real program on a real folder.

use super::samples;
use super::uploads::id_of;
use crate::support::demo::Demo;
use diesel::prelude::*;
use postern::config::Files;
use postern::db::schema::{attachments, blobs, chart_files, conversations, source_files, stray_files, uploads};
use postern::db::sealed::Opened;
use postern::db::{BlobId, DatabaseUrl, Db, DbError, Keys};
use postern::storage::{Blob, Storage};
use reqwest::multipart::{Form, Part};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 8;
const SENDERS: u64 = 5;
/// The least number of sends in a round.
const EACH: usize = 4;

/// What was acknowledged: uploads by the hash of their content, and sends by their title with the hash of their file.
#[derive(Default)]
struct Acknowledged {
    uploads: Vec<Vec<u8>>,
    sends: Vec<(String, Vec<u8>)>,
}

/// A PDF of 50 kB to 2 MB, different for each name and number.
fn content(name: &str, number: u64) -> Vec<u8> {
    let size = 50_000 + (number * 7_919 + name.len() as u64 * 131) % 2_000_000;
    let mut bytes = samples::pdf();
    bytes.extend_from_slice(name.as_bytes());
    bytes.resize(size as usize, b'x');
    bytes
}

async fn upload(client: &reqwest::Client, at: &str, bytes: Vec<u8>) -> Result<(u16, String), reqwest::Error> {
    let form = Form::new().part("files", Part::bytes(bytes).file_name("file.pdf"));
    let answer = client.post(at).multipart(form).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Uploads files and sends messages until the server is gone.
async fn sender(client: reqwest::Client, base: String, name: String, done: Arc<Mutex<Acknowledged>>) {
    for number in 0.. {
        let title = format!("{name}-{number}");
        let (bytes, patient) = (content(&title, number), 1 + number % 2);
        let hash = Sha256::digest(&bytes).to_vec();
        let Ok((status, text)) = upload(&client, &format!("{base}/patients/{patient}/uploads"), bytes).await else {
            return;
        };
        assert_eq!(status, 200, "{text}");
        done.lock().unwrap().uploads.push(hash.clone());
        let (key, id) = (format!("{title}-key-key-key"), id_of(&text));
        let form = [("key", key.as_str()), ("title", &title), ("body", "x"), ("upload", &id)];
        let sent = client.post(format!("{base}/patients/{patient}/messages/new")).form(&form).send().await;
        let Ok(sent) = sent else { return };
        assert_eq!(sent.status(), 303);
        done.lock().unwrap().sends.push((title, hash));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_file_and_doubles_none() {
    let folder = tempfile::tempdir().unwrap();
    let done: Arc<Mutex<Acknowledged>> = Arc::default();
    for round in 0..ROUNDS {
        let demo = Demo::start(folder.path());
        let (client, base) = (demo.signed_in().await, demo.at(""));
        let start = |n| sender(client.clone(), base.clone(), format!("crash-{round}-{n}"), done.clone());
        let senders: Vec<_> = (0..SENDERS).map(start).map(tokio::spawn).collect();
        // killed when enough was sent, on a slow machine too, and at a different point of the work in each round
        let sent = || done.lock().unwrap().sends.len();
        let (before, begin) = (sent(), Instant::now());
        while sent() < before + EACH {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing is sent");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(round * 131 % 300)).await;
        demo.kill();
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let done = std::mem::take(&mut *done.lock().unwrap());
    check(folder.path(), &done).await;
}

struct Rows {
    blobs: Vec<(Blob, i64)>,
    /// those of the demo's charts, and the pages of items that were sent
    charts: Vec<BlobId>,
    uploads: Vec<BlobId>,
    sent: Vec<(String, i64, BlobId)>,
    titles: Vec<String>,
    strays: HashSet<String>,
}

async fn rows(db: &Db) -> Rows {
    let read = db.read(|conn| -> Result<_, DbError> {
        Ok(Rows {
            blobs: blobs::table.select((Blob::as_select(), blobs::refs)).load(conn)?,
            charts: {
                let sources: Vec<Option<BlobId>> = source_files::table.select(source_files::blob_id).load(conn)?;
                let charts: Vec<BlobId> = chart_files::table.select(chart_files::blob_id).load(conn)?;
                let pages: Vec<Option<BlobId>> = attachments::table.select(attachments::page_blob_id).load(conn)?;
                charts.into_iter().chain(sources.into_iter().chain(pages).flatten()).collect()
            },
            uploads: uploads::table.select(uploads::blob_id).load(conn)?,
            sent: attachments::table
                .inner_join(conversations::table.on(conversations::id.eq(attachments::conversation_id)))
                .select((conversations::title, attachments::id, attachments::blob_id))
                .load::<(Opened, i64, BlobId)>(conn)?
                .into_iter()
                .map(|(title, id, blob)| (title.into(), id, blob))
                .collect(),
            titles: conversations::table
                .select(conversations::title)
                .load::<Opened>(conn)?
                .into_iter()
                .map(String::from)
                // the demo has conversations of its own
                .filter(|title| title.starts_with("crash-"))
                .collect(),
            strays: stray_files::table.select(stray_files::name).load::<String>(conn)?.into_iter().collect(),
        })
    });
    read.await.unwrap()
}

/// The names of all stored files in the folder, and the number of those that are still being written.
fn lying(folder: &Path) -> (HashSet<String>, usize) {
    let inside = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let (mut names, mut incoming) = (HashSet::new(), 0);
    for entry in inside(folder.to_owned()) {
        let files = inside(entry.path()).map(|file| file.file_name().into_string().unwrap());
        match entry.file_name() == "incoming" {
            true => incoming = files.count(),
            false => names.extend(files),
        }
    }
    (names, incoming)
}

async fn check(folder: &Path, done: &Acknowledged) {
    let db = Db::open(&DatabaseUrl::Sqlite(folder.join("postern.db")), Keys::default()).unwrap();
    let storage = Storage::open(&Files::in_folder(folder.join("files"))).unwrap();
    let rows = rows(&db).await;
    // each row has its file, and the file is what the row says
    let mut by_hash = HashMap::new();
    let mut references: HashMap<BlobId, i64> = HashMap::new();
    for id in rows.uploads.iter().chain(&rows.charts).chain(rows.sent.iter().map(|(.., id)| id)) {
        *references.entry(*id).or_default() += 1;
    }
    for (blob, refs) in &rows.blobs {
        let mut bytes = Vec::new();
        storage.read_to_check(blob).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(Sha256::digest(&bytes).to_vec(), blob.sha256);
        assert_eq!(references.get(&blob.id), Some(refs), "references to a file are miscounted");
        by_hash.insert(blob.sha256.clone(), blob.id);
    }
    // nothing acknowledged is lost
    for hash in &done.uploads {
        assert!(by_hash.contains_key(hash), "an upload is lost");
    }
    // no message was sent twice, and each has its own file
    let once: HashSet<&String> = rows.titles.iter().collect();
    assert_eq!(once.len(), rows.titles.len(), "a message was sent twice");
    for (title, hash) in &done.sends {
        let files: Vec<_> = rows.sent.iter().filter(|(of, ..)| of == title).collect();
        assert!(files.len() == 1 && files[0].2 == by_hash[hash], "{title} has {} files", files.len());
    }
    // files without a row are known as strays, and are removed
    let (there, _) = lying(&folder.join("files"));
    let owned: HashSet<String> = rows.blobs.iter().filter_map(|(blob, _)| blob.name.clone()).collect();
    for name in there.difference(&owned) {
        assert!(rows.strays.contains(name), "{name} would lie there for ever");
    }
    let later = postern::clock::Clock::system().now().plus(time::Duration::days(2));
    storage.sweep(&db, later).await.unwrap();
    assert_eq!(lying(&folder.join("files")), (owned, 0));
}

/// A demo whose files are on a disk of six megabytes, which ends with it.
fn on_a_small_disk(folder: &Path) -> Demo {
    let files = folder.join("files");
    std::fs::create_dir_all(&files).unwrap();
    let mut command = Command::new("unshare");
    // a user who is not root is root in a namespace of their own
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    command.args(if root { &[][..] } else { &["--user", "--map-root-user"] });
    let script = "mount -t tmpfs -o size=6m none \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(&files).arg(env!("CARGO_BIN_EXE_postern"));
    Demo::start_by(folder, command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let demo = on_a_small_disk(folder.path());
    let client = demo.signed_in().await;
    // the same folder as the demo sees it
    let files = PathBuf::from(format!("/proc/{}/root{}", demo.id(), folder.path().join("files").display()));
    let at = demo.at("/patients/1/uploads");
    let (status, text) = upload(&client, &at, content("before", 1)).await.unwrap();
    assert_eq!(status, 200, "{text}");
    let before = id_of(&text);
    let (there, _) = lying(&files);
    std::fs::write(files.join("incoming/ballast"), vec![0; 5 << 20]).unwrap();
    let large = [content("large", 1), vec![b'y'; 1 << 20]].concat();
    let (status, text) = upload(&client, &at, large.clone()).await.unwrap();
    assert!(status == 507 && text.contains("There is no room left for files"), "{status} {text}");
    // in a browser without scripts the words and the earlier file stay
    let form = Form::new().text("title", "Typed title").text("body", "Typed words").text("upload", before.clone());
    let form = form.text("key", "0123456789abcdef").part("files", Part::bytes(large.clone()).file_name("large.pdf"));
    let page = client.post(demo.at("/patients/1/messages/files")).multipart(form).send().await.unwrap();
    assert_eq!(page.status(), 507);
    let page = page.text().await.unwrap();
    assert!(page.contains("Typed words") && page.contains("There is no room left") && page.contains("file.pdf"));
    assert_eq!(lying(&files), (there.clone(), 1), "a half file was left");
    std::fs::remove_file(files.join("incoming/ballast")).unwrap();
    let (status, text) = upload(&client, &at, large).await.unwrap();
    assert_eq!(status, 200, "{text}");
    for id in [before, id_of(&text)] {
        let key = format!("0123456789abcdef-{id}");
        let form = [("key", key.as_str()), ("title", "T"), ("body", "x"), ("upload", &id)];
        let sent = client.post(demo.at("/patients/1/messages/new")).form(&form).send().await.unwrap();
        assert_eq!(sent.status(), 303);
        let conversation = sent.headers()["location"].to_str().unwrap().split('?').next().unwrap().to_owned();
        let file = client.get(demo.at(&format!("{conversation}/attachments/1"))).send().await.unwrap();
        assert_eq!(file.status(), 200);
    }
}
