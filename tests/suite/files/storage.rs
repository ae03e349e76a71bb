//! The storage: what is written is read back, whole or in part, in clear or sealed; changed files are not; nothing is
//! lost or left behind.

use crate::support::app::App;
use crate::support::s3::S3;
use diesel::prelude::*;
use postern::config::Files;
use postern::db::SecretKey;
use postern::db::schema::{blobs, stray_files};
use postern::db::{BlobId, DbError};
use postern::storage::{self, Blob, Kept, Placed, Scan, Storage, StorageError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Runs a test in a folder and in a bucket of a real S3 server, on SQLite and on PostgreSQL.
macro_rules! everywhere {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::support::app::{App, On};
            use $crate::support::peers;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn folder_sqlite() {
                super::$name(super::Stand::folder(App::start(On::Sqlite).await)).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn bucket_sqlite() {
                super::$name(super::Stand::bucket(App::start(On::Sqlite).await)).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn folder_postgres() {
                if peers::postgres_url().is_some() {
                    super::$name(super::Stand::folder(App::start(On::Postgres).await)).await;
                }
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn bucket_postgres() {
                if peers::postgres_url().is_some() {
                    super::$name(super::Stand::bucket(App::start(On::Postgres).await)).await;
                }
            }
        }
    )+};
}

everywhere!(
    what_is_kept_comes_back,
    the_same_content_is_there_once,
    what_is_let_go_is_swept,
    a_new_key_seals_everything,
    what_was_changed_is_not_read,
    what_a_dead_process_left_is_swept,
    what_cannot_be_mended_holds_nothing_up,
);

/// A clinic, and where its files are stored.
struct Stand {
    app: App,
    s3: Option<S3>,
}

impl Stand {
    fn folder(app: App) -> Stand {
        Stand { app, s3: None }
    }
    fn bucket(app: App) -> Stand {
        Stand { app, s3: Some(S3::start()) }
    }

    fn open(&self, key: Option<u8>, old_keys: &[u8]) -> Storage {
        let key_of = |n: u8| SecretKey::new([n; 32]);
        let folder = self.app.state.config.files.folder.clone();
        let old_keys = old_keys.iter().map(|n| key_of(*n)).collect();
        let bucket = self.s3.as_ref().map(S3::bucket);
        Storage::open(&Files { bucket, key: key.map(key_of), old_keys, ..Files::in_folder(folder) }).unwrap()
    }

    /// Every file in the folder or bucket, without those that are still being written.
    fn lying(&self) -> Vec<PathBuf> {
        let inside = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> = match &self.s3 {
            Some(s3) => inside(&s3.objects()).collect(),
            None => {
                let folders =
                    inside(&self.app.state.config.files.folder).filter(|folder| !folder.ends_with("incoming"));
                folders.flat_map(|folder| inside(&folder).collect::<Vec<_>>()).collect()
            }
        };
        found.sort();
        found
    }
}

const PIECE: usize = 65_536;
const SIZES: [usize; 8] = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17, 300_001];

fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * 31 + at / 251 + seed * 7) % 256) as u8).collect()
}

async fn placed(app: &App, storage: &Storage, bytes: &[u8]) -> Placed {
    let mut incoming = storage.incoming(&app.state.random).await.unwrap();
    // in pieces, as a network brings it
    for chunk in bytes.chunks(10_007) {
        incoming.push(chunk).await.unwrap();
    }
    let spooled = incoming.finish().await.unwrap();
    assert_eq!(spooled.size(), bytes.len() as u64);
    storage.put(&app.state.db, app.state.clock.now(), spooled).await.unwrap()
}

async fn kept(app: &App, storage: &Storage, bytes: &[u8]) -> Kept {
    let (placed, now) = (placed(app, storage, bytes).await, app.state.clock.now());
    let keep =
        app.state.db.write(move |tx| -> Result<_, DbError> { Ok(storage::keep(tx, now, &placed, Scan::NotScanned)?) });
    keep.await.unwrap()
}

async fn blob(app: &App, id: BlobId) -> Blob {
    app.state.db.read(move |conn| -> Result<_, DbError> { Ok(storage::blob(conn, id)?) }).await.unwrap()
}

async fn released(app: &App, id: BlobId) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, DbError> { Ok(storage::release(tx, now, id)?) });
    write.await.unwrap();
}

fn all(storage: &Storage, blob: &Blob) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    storage.read_to_check(blob).map_err(|e| std::io::Error::other(e.to_string()))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn strays(app: &App) -> i64 {
    app.state
        .db
        .read(|conn| -> Result<i64, DbError> { Ok(stray_files::table.count().get_result(conn)?) })
        .await
        .unwrap()
}

async fn what_is_kept_comes_back(stand: Stand) {
    let app = &stand.app;
    for key in [None, Some(1)] {
        let storage = stand.open(key, &[]);
        for (seed, size) in SIZES.into_iter().enumerate() {
            let bytes = content(size, seed + usize::from(key.unwrap_or(0)) * 100);
            let kept = kept(app, &storage, &bytes).await;
            let blob = blob(app, kept.id).await;
            assert!((blob.size as usize, blob.key_id.is_some()) == (size, key.is_some()) || size == 0);
            assert_eq!(all(&storage, &blob).unwrap(), bytes, "{size} {key:?}");
            let served = storage.served(blob.clone()).unwrap();
            for (start, end) in [(0, 1), (size / 2, size), (PIECE - 1, PIECE + 2), (size, size), (0, size + 9), (5, 3)]
            {
                let reading = storage.read(&served, start as u64..end as u64).await.unwrap();
                let stream = reading.stream();
                let parts: Vec<_> = futures_util::StreamExt::collect(stream).await;
                let got: Vec<u8> = parts.into_iter().flat_map(|part| part.unwrap().to_vec()).collect();
                let end = end.min(size);
                assert_eq!(got, bytes[start.min(end)..end], "{size} {start}..{end} {key:?}");
            }
        }
    }
    assert_eq!(strays(app).await, 1, "the empty file was there already");
    let names: Vec<_> = stand.lying();
    for path in &names {
        use sha2::Digest;
        let hash = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(std::fs::read(path).unwrap()));
        assert!(path.file_name().unwrap().to_str().unwrap().starts_with(&hash), "{path:?} is not named by its content");
    }
}

async fn the_same_content_is_there_once(stand: Stand) {
    let app = &stand.app;
    let storage = stand.open(None, &[]);
    let bytes = content(1000, 1);
    let (one, two) = (kept(app, &storage, &bytes).await, kept(app, &storage, &bytes).await);
    assert_eq!(one, two);
    // the second file is a stray until it is swept
    assert_eq!((strays(app).await, stand.lying().len()), (1, 2));
    app.state.clock.advance(time::Duration::days(2));
    assert_eq!(storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 1);
    assert_eq!((strays(app).await, stand.lying().len()), (0, 1));
    let row = blob(app, one.id).await;
    assert_eq!(all(&storage, &row).unwrap(), bytes);
    // many at once, as from several instances
    let many: Vec<_> = (0..8).map(|_| kept(app, &storage, &bytes)).collect();
    assert!(futures_util::future::join_all(many).await.iter().all(|kept| kept.id == one.id));
    let refs: i64 = app
        .state
        .db
        .read(|conn| -> Result<_, DbError> { Ok(blobs::table.select(blobs::refs).first(conn)?) })
        .await
        .unwrap();
    assert_eq!(refs, 10);
}

async fn what_is_let_go_is_swept(stand: Stand) {
    let app = &stand.app;
    let storage = stand.open(None, &[]);
    let bytes = content(5000, 3);
    let id = kept(app, &storage, &bytes).await.id;
    kept(app, &storage, &bytes).await;
    let row = blob(app, id).await;
    released(app, id).await;
    assert_eq!(all(&storage, &row).unwrap(), bytes, "one reference is left");
    released(app, id).await;
    let gone = app.state.db.read(move |conn| -> Result<_, DbError> { Ok(storage::blob(conn, id)) }).await.unwrap();
    assert!(gone.is_err());
    // a reader who asked before the removal still gets the file
    assert_eq!(all(&storage, &row).unwrap(), bytes);
    app.state.clock.advance(time::Duration::days(1));
    storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap();
    assert!(matches!(storage.read_to_check(&row), Err(StorageError::Missing(_))));
    assert_eq!((strays(app).await, stand.lying().len()), (0, 0));
    // the same content again is a new blob
    let again = kept(app, &storage, &bytes).await;
    assert_eq!(all(&storage, &blob(app, again.id).await).unwrap(), bytes);
}

async fn a_new_key_seals_everything(stand: Stand) {
    let app = &stand.app;
    let clear = stand.open(None, &[]);
    let mut ids = Vec::new();
    for seed in 0..13 {
        ids.push((seed, kept(app, &clear, &content(70_000, seed)).await.id));
    }
    let first = stand.open(Some(1), &[]);
    rotated(app, &first).await;
    ids.push((50, kept(app, &first, &content(70_000, 50)).await.id));
    let second = stand.open(Some(2), &[1]);
    rotated(app, &second).await;
    app.state.clock.advance(time::Duration::days(2));
    let now = app.state.clock.now();
    second.sweep(&app.state.db, now).await.unwrap();
    assert_eq!((strays(app).await, stand.lying().len()), (0, 14));
    // the first key is not needed any more, and opens nothing
    let (alone, old) = (stand.open(Some(2), &[]), stand.open(Some(1), &[]));
    for (seed, id) in ids {
        let blob = blob(app, id).await;
        assert_eq!(all(&alone, &blob).unwrap(), content(70_000, seed));
        assert!(matches!(old.read_to_check(&blob), Err(StorageError::NoKey(_))));
    }
    for path in stand.lying() {
        let stored = std::fs::read(path).unwrap();
        assert!((0..51).all(|seed| stored[100..132] != content(132, seed)[100..]), "in clear");
    }
    // back to no key
    let back = stand.open(None, &[2]);
    rotated(app, &back).await;
    assert_eq!(back.rotate(&app.state.db, now, &app.state.random).await.unwrap(), 0);
}

async fn rotated(app: &App, storage: &Storage) {
    while storage.rotate(&app.state.db, app.state.clock.now(), &app.state.random).await.unwrap() > 0 {}
}

async fn what_was_changed_is_not_read(stand: Stand) {
    let app = &stand.app;
    let storage = stand.open(Some(7), &[]);
    let bytes = content(3 * PIECE + 100, 1);
    let id = kept(app, &storage, &bytes).await.id;
    let path = stand.lying().remove(0);
    let good = std::fs::read(&path).unwrap();
    let sealed = PIECE + 16;
    let other = kept(app, &storage, &content(3 * PIECE + 100, 2)).await.id;
    let other_path = stand.lying().into_iter().find(|p| *p != path).unwrap();
    let blob = blob(app, id).await;
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    let swapped = [&good[sealed..2 * sealed], &good[..sealed], &good[2 * sealed..]].concat();
    let bads = [
        ("first byte", flipped(0)),
        ("last byte", flipped(good.len() - 1)),
        ("cut at a piece", good[..3 * sealed].to_vec()),
        ("cut within a piece", good[..sealed + 5].to_vec()),
        ("empty", Vec::new()),
        ("pieces in another order", swapped),
        ("the first piece twice", [&good[..sealed], &good[..sealed], &good[2 * sealed..]].concat()),
        ("another file of the clinic", std::fs::read(other_path).unwrap()),
    ];
    for (what, bad) in bads {
        std::fs::File::create(&path).unwrap().write_all(&bad).unwrap();
        assert!(all(&storage, &blob).is_err(), "{what} was read");
        // sealing with another key must not make a good file out of a changed one
        let anew = stand.open(Some(8), &[7]);
        anew.rotate(&app.state.db, app.state.clock.now(), &app.state.random).await.unwrap();
        assert_eq!(self::blob(app, id).await.key_id, blob.key_id, "{what} was sealed anew");
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(all(&storage, &blob).unwrap(), bytes);
    assert_ne!(id, other);
}

async fn what_a_dead_process_left_is_swept(stand: Stand) {
    let app = &stand.app;
    let storage = stand.open(None, &[]);
    // a file that was never finished, and one that was stored but never referred to
    let half = storage.folder().join("incoming/half");
    std::fs::write(&half, b"half").unwrap();
    placed(app, &storage, b"placed and no more").await;
    assert_eq!((strays(app).await, stand.lying().len()), (1, 1));
    let old = std::time::SystemTime::from(app.state.clock.now().plus(time::Duration::hours(-1)).get());
    std::fs::File::options().write(true).open(&half).unwrap().set_modified(old).unwrap();
    assert_eq!(storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 0, "it may still go on");
    app.state.clock.advance(time::Duration::hours(25));
    assert_eq!(storage.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 2);
    assert!(!half.exists() && stand.lying().is_empty() && strays(app).await == 0);
    // a cancelled upload leaves nothing
    let mut incoming = storage.incoming(&app.state.random).await.unwrap();
    incoming.push(&content(500_000, 1)).await.unwrap();
    drop(incoming);
    assert_eq!(std::fs::read_dir(storage.folder().join("incoming")).unwrap().count(), 0);
}

async fn what_cannot_be_mended_holds_nothing_up(stand: Stand) {
    let app = &stand.app;
    let first = stand.open(Some(1), &[]);
    // more than the rotation takes at a time
    for seed in 0..12 {
        kept(app, &first, &content(100, seed)).await;
    }
    for path in stand.lying() {
        std::fs::File::create(path).unwrap().write_all(b"broken").unwrap();
    }
    let clear = kept(app, &stand.open(None, &[]), &content(100, 20)).await.id;
    let mut good = Vec::new();
    for seed in 30..33 {
        good.push(kept(app, &first, &content(100, seed)).await.id);
    }
    let second = stand.open(Some(2), &[1]);
    let now = app.state.clock.now();
    assert_eq!(second.rotate(&app.state.db, now, &app.state.random).await.unwrap(), 4);
    for id in good.into_iter().chain([clear]) {
        assert_eq!(blob(app, id).await.key_id, Some(SecretKey::new([2; 32]).id()));
    }
    if stand.s3.is_some() {
        return;
    }
    // a folder that is not empty stands in place of a file: not even root can remove it as one
    app.state.clock.advance(time::Duration::days(2));
    second.sweep(&app.state.db, app.state.clock.now()).await.unwrap();
    let others = stand.lying();
    placed(app, &second, b"stuck").await;
    let stuck = stand.lying().into_iter().find(|path| !others.contains(path)).unwrap();
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir_all(stuck.join("in the way")).unwrap();
    app.state.clock.advance(time::Duration::seconds(1));
    placed(app, &second, b"after it").await;
    app.state.clock.advance(time::Duration::days(2));
    assert_eq!(second.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 1);
    assert_eq!((strays(app).await, stand.lying().len()), (1, others.len() + 1));
    // the next sweep tries again
    std::fs::remove_dir_all(&stuck).unwrap();
    assert_eq!(second.sweep(&app.state.db, app.state.clock.now()).await.unwrap(), 1);
    assert_eq!(strays(app).await, 0);
}

#[test]
fn a_key_is_32_bytes_in_base64() {
    let key = data_encoding::BASE64.encode(&[9; 32]);
    assert!(SecretKey::parse(&key).is_some());
    for bad in ["", "x", &data_encoding::BASE64.encode(&[9; 31]), &data_encoding::BASE64.encode(&[9; 33])] {
        assert!(SecretKey::parse(bad).is_none(), "{bad:?}");
    }
}
