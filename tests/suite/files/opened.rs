//! The audit log has one row for each time that a file was opened, and none where nothing was sent.

use super::samples;
use super::uploads::{get, upload};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::{audit_events, blobs};
use postern::db::{BlobId, DbError};
use postern::storage::{self, Scan};

on_both!(an_opening_leaves_one_row);

async fn rows(app: &App) -> i64 {
    let read = app.state.db.read(|conn| -> Result<i64, DbError> {
        Ok(audit_events::table.filter(audit_events::action.eq("attachment_opened")).count().get_result(conn)?)
    });
    read.await.unwrap()
}

/// Sets the scanner's verdict on every stored file.
pub async fn scanned(app: &App, scan: Scan) {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<_, DbError> {
        let all: Vec<BlobId> = blobs::table.select(blobs::id).load(tx.conn())?;
        all.into_iter().try_for_each(|id| storage::set_scan(tx, now, id, scan))?;
        Ok(())
    });
    write.await.unwrap();
}

async fn an_opening_leaves_one_row(app: App) {
    let (owner, staff) = (app.user(Role::Owner).await, app.user(Role::Staff).await);
    let patient = app.patient(Like::default()).await;
    let added = upload(&owner, patient, "a.pdf", samples::pdf()).await.text();
    let file = added.split("name=\"upload\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields =
        [("title", "T"), ("body", "B"), ("key", "0123456789abcdef"), ("replies_allowed", "on"), ("upload", &*file)];
    let sent = owner.post(&format!("/patients/{patient}/messages/new"), &fields).await.redirect();
    let conversation = sent.split('?').next().unwrap().to_owned();
    app.drain().await;
    let (visitor, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let (here, there) = (format!("{conversation}/attachments/1"), format!("{message}/attachments/1"));
    let mut total = 0;
    for (someone, path) in [(&owner, &here), (&visitor, &there)] {
        let whole = get(someone, path, &[]).await;
        let tag = whole.headers["etag"].to_str().unwrap().to_owned();
        total += 1;
        assert_eq!((whole.status, rows(&app).await), (200, total));
        // a viewer that reads the file in parts
        for range in ["bytes=5-9", "bytes=10-20", "bytes=-4", "bytes=1-"] {
            assert_eq!(get(someone, path, &[("range", range)]).await.status, 206);
        }
        assert_eq!(rows(&app).await, total, "one opening");
        // nothing is sent
        assert_eq!(get(someone, path, &[("if-none-match", &tag)]).await.status, 304);
        assert_eq!(get(someone, path, &[("range", "bytes=99999-")]).await.status, 416);
        assert_eq!(get(someone, &path.replace("/1", "/7"), &[]).await.status, 404);
        assert_eq!(rows(&app).await, total, "nothing was opened");
        // reading from the beginning again is another opening
        assert_eq!(get(someone, path, &[("range", "bytes=0-3")]).await.status, 206);
        total += 1;
        assert_eq!(rows(&app).await, total);
    }
    // reading from the middle opens the file too, and so does coming back later
    later(&app, &staff, &here, &mut total).await;
    for _ in 0..4 {
        app.state.clock.advance(time::Duration::minutes(9));
        staff.get("/inbox").await.ok();
    }
    later(&app, &staff, &here, &mut total).await;
    for (scan, status) in [(Scan::Waiting, 409), (Scan::Infected, 410)] {
        scanned(&app, scan).await;
        let owner = app.user(Role::Owner).await;
        assert_eq!(get(&owner, &here, &[]).await.status, status);
        assert_eq!(rows(&app).await, total, "it was not served");
    }
}

async fn later(app: &App, someone: &Actor, path: &str, total: &mut i64) {
    for _ in 0..3 {
        assert_eq!(get(someone, path, &[("range", "bytes=7-")]).await.status, 206);
    }
    *total += 1;
    assert_eq!(rows(app).await, *total);
}
