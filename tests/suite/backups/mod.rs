//! Backups: what is restored is what was backed up, on either database; an incomplete backup never passes for a whole.

mod bucket;
mod killed;
mod relocate;

use crate::files::{samples, uploads};
use crate::support::app::{App, On, fresh_database};
use crate::support::peers;
use crate::support::s3::S3;
use crate::support::world::{Like, PASSWORD};
use crate::{on_both, on_each};
use postern::access::Role;
use postern::backup::{Backup, BackupError, LEFT_OUT, Made, Restored, make};
use postern::config::Files;
use postern::db::{DatabaseUrl, Db, DbError, Keys, SecretKey, Ts, copying};
use postern::delivery::Delivery;
use postern::storage::Storage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Backs up this clinic; the first key seals.
async fn back_up_with(app: &App, to: &Path, keys: &[SecretKey]) -> Result<Made, BackupError> {
    // two backups of the same moment would have the same name
    app.state.clock.advance(time::Duration::seconds(1));
    let (now, random) = (app.state.clock.now(), &app.state.random);
    make(&app.state.db, &app.state.intake.storage, to, (keys.first(), keys), now, random).await
}

async fn back_up(app: &App, to: &Path) -> Made {
    back_up_with(app, to, &[]).await.unwrap()
}

/// Restores the newest backup of a folder.
async fn restore(
    from: &Path,
    keys: &[SecretKey],
    to: &DatabaseUrl,
    files: &Files,
    now: Ts,
) -> Result<Restored, BackupError> {
    let (from, keys, to, files) = (from.to_owned(), keys.to_vec(), to.clone(), files.clone());
    let done = tokio::task::spawn_blocking(move || {
        let storage = Storage::open(&files).unwrap();
        Backup::open(&from, &keys)?.restore(&to, &Keys::default(), &storage, now)
    });
    done.await.unwrap()
}

/// Every row of every table, each as a set of named values.
async fn rows(db: &Db) -> BTreeMap<String, BTreeSet<String>> {
    let read = db.read(|conn| -> Result<_, DbError> {
        let mut all = BTreeMap::new();
        for table in copying::tables(conn)? {
            let (columns, mut rows) = (table.columns(), BTreeSet::new());
            copying::each_row(conn, &table, |line| -> Result<(), DbError> {
                let values: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
                let named: BTreeMap<&String, serde_json::Value> = columns.iter().zip(values).collect();
                rows.insert(serde_json::to_string(&named).unwrap());
                Ok(())
            })?;
            all.insert(table.name, rows);
        }
        Ok(all)
    });
    read.await.unwrap()
}

/// Fills a clinic with data of most kinds.
async fn busy(app: &App) {
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    uploads::id_in(&uploads::upload(&owner, patient, "a.pdf", samples::pdf()).await);
    uploads::id_in(&uploads::upload(&owner, patient, "b.png", samples::png()).await);
    app.message(&owner, patient, true).await;
    app.drain().await;
    app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let other = Like {
        name: ("Zoë \"Z\" \\ \u{1}", "Ünïcode 患者 🩺"),
        email: Some("zoe@example.org".into()),
        ..Like::default()
    };
    app.patient(other).await;
}

on_both!(
    everything_comes_back_on_either_database,
    a_backup_into_something_is_refused,
    a_folder_that_cannot_be_used_is_named,
    what_waited_is_not_sent_again,
    what_was_to_go_out_later_does_not_by_itself,
    a_second_backup_copies_only_what_is_new,
    a_table_that_nobody_thought_of_is_backed_up,
    a_backup_of_an_older_program_is_brought_up_to_date
);
on_each!(it_is_sealed_by_the_key, the_worker_backs_up_when_it_is_time);

async fn everything_comes_back_on_either_database(app: App) {
    busy(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let made = back_up(&app, folder.path()).await;
    assert_eq!((made.manifest.files, made.copied, made.manifest.missing.len()), (2, 2, 0));
    let before = rows(&app.state.db).await;
    let targets = if peers::postgres_url().is_some() { vec![On::Sqlite, On::Postgres] } else { vec![On::Sqlite] };
    for on in targets {
        let place = tempfile::tempdir().unwrap();
        let url = fresh_database(on, place.path()).await;
        let files =
            Files { reader: app.state.config.files.reader.clone(), ..Files::in_folder(place.path().join("files")) };
        let restored = restore(folder.path(), &[], &url, &files, app.state.clock.now()).await.unwrap();
        assert_eq!((restored.checked.files, restored.sealed), (2, None));
        let again = App::start_at(place, url, |config| config.files = files, Delivery::mailbox).await;
        let after = rows(&again.state.db).await;
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        for (table, rows) in &before {
            match table.as_str() {
                name if LEFT_OUT.contains(&name) => assert!(after[table].is_empty(), "{table}"),
                // restoring adds an audit row, and making the backup added one after its moment
                "audit_events" => assert_eq!(after[table].len(), rows.len()),
                "audit_heads" => {}
                _ => assert_eq!(&after[table], rows, "{table}"),
            }
        }
        // each clinic of a test draws the same random values, so values that are in the database already are skipped
        (0..1_000).for_each(|_| drop(again.state.random.token()));
        // the restored clinic works: new rows get new ids, and the files can be read
        let (owner, patient) = (again.user(Role::Owner).await, again.patient(Like::default()).await);
        again.message(&owner, patient, true).await;
        uploads::id_in(&uploads::upload(&owner, patient, "c.pdf", samples::pdf()).await);
        let id = again
            .state
            .db
            .read(|conn| -> Result<_, DbError> { Ok(postern::storage::after(conn, postern::db::BlobId(0), 9)?) });
        for blob in id.await.unwrap() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut again.state.intake.storage.read_to_check(&blob).unwrap(), &mut bytes)
                .unwrap();
            assert_eq!(bytes.len() as i64, blob.size);
        }
        let verified = again.state.db.read(|conn| -> Result<_, DbError> { Ok(postern::audit::verify(conn, None)) });
        verified.await.unwrap().unwrap();
    }
}

async fn a_folder_that_cannot_be_used_is_named(app: App) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    for to in [file.clone(), file.join("below")] {
        let said = back_up_with(&app, &to, &[]).await.unwrap_err().to_string();
        assert!(said.contains(&to.display().to_string()) && said.contains("may write to"), "{said}");
    }
}

async fn a_backup_into_something_is_refused(app: App) {
    app.patient(Like::default()).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    let before = rows(&app.state.db).await;
    let (url, files) = (&app.state.config.database, &app.state.config.files);
    let refused = restore(folder.path(), &[], url, files, app.state.clock.now()).await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("not empty") && said.contains("patients") && said.contains("new file or database"), "{said}");
    assert_eq!(rows(&app.state.db).await, before);
}

async fn what_waited_is_not_sent_again(app: App) {
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let path = app.message(&owner, patient, true).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    // the notification is sent after the backup
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), 1);
    let place = tempfile::tempdir().unwrap();
    let on = if app.state.db.is_postgres() { On::Postgres } else { On::Sqlite };
    let url = fresh_database(on, place.path()).await;
    let files = Files::in_folder(place.path().join("files"));
    // so long after the backup that a reminder has become due
    let now = app.state.clock.now().plus(time::Duration::days(30));
    let restored = restore(folder.path(), &[], &url, &files, now).await.unwrap();
    assert_eq!(restored.unsure, 1);
    let again = App::start_at(place, url, |_| {}, Delivery::mailbox).await;
    again.state.clock.advance(time::Duration::days(31));
    again.drain().await;
    assert_eq!(again.mailbox.newest_first().len(), 0);
    let owner = again.user(Role::Owner).await;
    let page = owner.get(&path).await.ok();
    assert!(page.has_text("May have been sent"), "{}", page.text());
    // nobody who was signed in before is signed in
    assert!(rows(&again.state.db).await["sessions"].len() == 1);
}

async fn what_was_to_go_out_later_does_not_by_itself(app: App) {
    use diesel::prelude::*;
    use postern::db::schema::users;
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    let page = owner.get(&format!("/patients/{patient}/messages/new")).await.ok();
    let mut form = page.form_with("Submit");
    form.set("title", "Your results").set("body", "All is well").forge("later", "tomorrow");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    owner.post(&format!("/patients/{patient}/messages/scheduled"), &pairs).await.redirect();
    let folder = tempfile::tempdir().unwrap();
    back_up(&app, folder.path()).await;
    let place = tempfile::tempdir().unwrap();
    let on = if app.state.db.is_postgres() { On::Postgres } else { On::Sqlite };
    let url = fresh_database(on, place.path()).await;
    let files = Files::in_folder(place.path().join("files"));
    let restored = restore(folder.path(), &[], &url, &files, app.state.clock.now()).await.unwrap();
    assert_eq!(restored.scheduled, 1);
    let again = App::start_at(place, url, |_| {}, Delivery::mailbox).await;
    // each clinic of a test draws the same random values, so values that are in the database already are skipped
    (0..1_000).for_each(|_| drop(again.state.random.token()));
    again.state.clock.advance(time::Duration::days(2));
    again.drain().await;
    assert_eq!(again.mailbox.newest_first().len(), 0);
    // its writer finds it, and sends it
    let email = again.state.db.read(|conn| -> Result<String, DbError> {
        Ok(users::table.order(users::id).select(users::email).first(conn)?)
    });
    let (email, owner) = (email.await.unwrap(), again.anyone());
    owner.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    let list = owner.get("/inbox/scheduled").await.ok();
    assert!(list.has_text("backup was restored") && list.has_text("Your results"), "{}", list.text());
    let page = owner.get(&format!("/patients/{patient}/messages/new?scheduled=1")).await.ok();
    owner.submit(&page, "Submit", &[]).await.redirect();
    again.drain().await;
    // its writer, who signed in anew, has mail too
    let mails = again.mailbox.newest_first();
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("A message is waiting")).count(), 1);
}

async fn a_second_backup_copies_only_what_is_new(app: App) {
    let (owner, patient) = (app.user(Role::Owner).await, app.patient(Like::default()).await);
    uploads::id_in(&uploads::upload(&owner, patient, "a.pdf", samples::pdf()).await);
    let folder = tempfile::tempdir().unwrap();
    let first = back_up(&app, folder.path()).await;
    uploads::id_in(&uploads::upload(&owner, patient, "b.png", samples::png()).await);
    let second = back_up(&app, folder.path()).await;
    assert_eq!((first.copied, second.copied, second.manifest.files), (1, 1, 2));
    // removing a manifest removes a backup: the next backup removes the files that only it needed
    std::fs::remove_file(folder.path().join(&first.name)).unwrap();
    std::fs::write(folder.path().join("files/incoming/half"), "half of a file").unwrap();
    let third = back_up(&app, folder.path()).await;
    assert_eq!(third.removed, first.manifest.tables.len() + 1);
    for name in [second.name, third.name] {
        Backup::open(&folder.path().join(name), &[]).unwrap().check().unwrap();
    }
    // damage makes both the check and the restore fail
    let newest = Backup::open(folder.path(), &[]).unwrap();
    let part = &newest.manifest.tables.iter().find(|table| table.table == "patients").unwrap().part.name;
    let path = folder.path().join("files").join(&part[..2]).join(part);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = newest.check().unwrap_err().to_string();
    assert!(said.contains("damaged") && said.contains("patients"), "{said}");
    let place = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(place.path().join("clinic.db"));
    let files = Files::in_folder(place.path().join("files"));
    restore(folder.path(), &[], &url, &files, app.state.clock.now()).await.unwrap_err();
    // a failed restore leaves nothing: the older backup is restored into the same database
    std::fs::remove_file(postern::backup::Manifest::all(folder.path()).unwrap().pop().unwrap()).unwrap();
    restore(folder.path(), &[], &url, &files, app.state.clock.now()).await.unwrap();
    // a file that is missing in storage is reported, and everything else is backed up
    let blobs = app
        .state
        .db
        .read(|conn| -> Result<_, DbError> { Ok(postern::storage::after(conn, postern::db::BlobId(0), 9)?) });
    for blob in blobs.await.unwrap() {
        let name = blob.name.unwrap();
        std::fs::remove_file(app.state.config.files.folder.join(&name[..2]).join(&name)).unwrap();
    }
    let fresh = tempfile::tempdir().unwrap();
    let lacking = back_up(&app, fresh.path()).await;
    assert_eq!((lacking.manifest.files, lacking.manifest.missing.len()), (2, 2));
    assert_eq!(Backup::open(fresh.path(), &[]).unwrap().check().unwrap().files, 0);
}

async fn a_table_that_nobody_thought_of_is_backed_up(app: App) {
    app.state
        .db
        .write(|tx| -> Result<_, DbError> {
            use diesel::RunQueryDsl;
            diesel::sql_query("CREATE TABLE afterthoughts (id BIGINT PRIMARY KEY, words TEXT)").execute(tx.conn())?;
            diesel::sql_query("INSERT INTO afterthoughts VALUES (1, 'x'), (2, NULL)").execute(tx.conn())?;
            Ok(())
        })
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = back_up(&app, folder.path()).await;
    let tables: BTreeSet<&str> = made.manifest.tables.iter().map(|table| table.table.as_str()).collect();
    let all = rows(&app.state.db).await;
    let expected: BTreeSet<&str> = all.keys().map(String::as_str).filter(|name| !LEFT_OUT.contains(name)).collect();
    assert_eq!(tables, expected);
    assert!(LEFT_OUT.iter().all(|name| all.contains_key(*name)));
    let extra = made.manifest.tables.iter().find(|table| table.table == "afterthoughts").unwrap();
    assert_eq!((extra.rows, extra.columns.join(" ")), (2, "id words".to_owned()));
}

/// A backup is sealed by the key. Here the files are in a bucket, and are restored into a folder.
async fn it_is_sealed_by_the_key(on: On) {
    let s3 = S3::start();
    let key = SecretKey::new([7; 32]);
    let of_storage = key.clone();
    let app = App::start_with_config(
        on,
        |config| {
            config.files.bucket = Some(s3.bucket());
            config.files.key = Some(of_storage);
        },
        Delivery::mailbox,
    )
    .await;
    busy(&app).await;
    let folder = tempfile::tempdir().unwrap();
    let made = back_up_with(&app, folder.path(), std::slice::from_ref(&key)).await.unwrap();
    assert!(made.manifest.tables.iter().all(|table| table.part.key_id == Some(key.id())));
    let said = Backup::open(folder.path(), &[]).err().unwrap().to_string();
    assert!(said.contains("is not configured") && said.contains(&key.id()), "{said}");
    // without the key nobody can write another manifest
    let path = folder.path().join(&made.name);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"files\":2", "\"files\":1", 1)).unwrap();
    assert!(matches!(Backup::open(&path, std::slice::from_ref(&key)), Err(BackupError::Damaged(_))));
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(matches!(Backup::open(&path, std::slice::from_ref(&key)), Err(BackupError::Damaged(_))));
    std::fs::write(&path, &text).unwrap();
    let place = tempfile::tempdir().unwrap();
    let url = fresh_database(on, place.path()).await;
    // where the storage lacks the key, the restore says so before anything is written
    let mut files = Files::in_folder(place.path().join("files"));
    let keys = std::slice::from_ref(&key);
    let said = restore(folder.path(), keys, &url, &files, app.state.clock.now()).await.unwrap_err().to_string();
    assert!(said.contains("storage.old_keys"), "{said}");
    files.old_keys = vec![key.clone()];
    let restored = restore(folder.path(), keys, &url, &files, app.state.clock.now()).await.unwrap();
    assert_eq!(restored.checked.files, 2);
    let again = App::start_at(place, url, |config| config.files = files, Delivery::mailbox).await;
    let signed_in = again.anyone();
    let email = again
        .state
        .db
        .read(|conn| -> Result<_, DbError> {
            use diesel::prelude::*;
            use postern::db::schema::users;
            Ok(users::table.select(users::email).first::<String>(conn)?)
        })
        .await
        .unwrap();
    signed_in.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
}

async fn the_worker_backs_up_when_it_is_time(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let backup =
        postern::config::Backup { folder: folder.path().to_owned(), every: time::Duration::hours(24), bucket: None };
    let app = App::start_with_config(on, |config| config.backup = Some(backup), Delivery::mailbox).await;
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/gateways").await.ok();
    assert!(page.has_text("Never") && page.has_text("Late: see the log"), "{}", page.text());
    let mut made = Vec::new();
    // a backup is made now, none soon after, and another one the next day
    for hours in [0, 23, 1, 23, 1] {
        app.state.clock.advance(time::Duration::hours(hours));
        postern::worker::upkeep(&app.state, app.state.clock.now()).await;
        made.push(postern::backup::Manifest::all(folder.path()).unwrap().len());
    }
    assert_eq!(made, [1, 1, 2, 2, 3]);
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/gateways").await.ok();
    assert!(!page.has_text("Late: see the log"), "{}", page.text());
    assert_eq!(Backup::open(folder.path(), &[]).unwrap().check().unwrap().files, 0);
}

async fn a_backup_of_an_older_program_is_brought_up_to_date(app: App) {
    app.patient(Like::default()).await;
    let (sqlite, _) = postern::db::all_migrations().unwrap();
    let url = app.state.config.database.clone();
    let back = tokio::task::spawn_blocking(move || -> String {
        use diesel::Connection;
        use diesel_migrations::{FileBasedMigrations, MigrationHarness};
        let tree = |name: &str| {
            FileBasedMigrations::from_path(format!("{}/migrations/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        match url {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = diesel::SqliteConnection::establish(&path.display().to_string()).unwrap();
                conn.revert_last_migration(tree("sqlite")).unwrap().to_string()
            }
            DatabaseUrl::Tls(_) => unreachable!(),
            DatabaseUrl::Postgres(url) => {
                let mut conn = diesel::PgConnection::establish(&url).unwrap();
                conn.revert_last_migration(tree("postgres")).unwrap().to_string()
            }
        }
    });
    let step = back.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = back_up(&app, folder.path()).await;
    assert_eq!(made.manifest.steps.len() + 1, sqlite.len());
    assert!(!made.manifest.steps.contains(&step));
    let place = tempfile::tempdir().unwrap();
    let on = if app.state.db.is_postgres() { On::Postgres } else { On::Sqlite };
    let url = fresh_database(on, place.path()).await;
    let files = Files::in_folder(place.path().join("files"));
    restore(folder.path(), &[], &url, &files, app.state.clock.now()).await.unwrap();
    let again = App::start_at(place, url, |_| {}, Delivery::mailbox).await;
    assert_eq!(rows(&again.state.db).await["patients"].len(), 1);
    let steps = again.state.db.read(|conn| -> Result<_, DbError> { Ok(copying::steps(conn)?) });
    assert!(steps.await.unwrap().contains(&step));
}
