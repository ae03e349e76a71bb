//! The audit log against somebody who can write the database and knows how its hashes are made.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::audit::{self, Broken, Heads, HeadsError};
use postern::db::schema::{audit_events, audit_heads};
use postern::db::{DatabaseUrl, Db, Keys, SecretKey};
use postern::delivery::Delivery;
use postern::error::AppError;
use std::sync::Arc;

on_each!(a_forged_history_shows, an_old_state_shows, what_was_written_without_a_key_is_sealed_once);

fn key() -> SecretKey {
    SecretKey::new([7; 32])
}

/// A clinic whose log is sealed, with some history of one patient.
async fn clinic(on: On, key: Option<SecretKey>) -> App {
    let app = App::start_with_config(on, |config| config.audit_key = key, Delivery::mailbox).await;
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    app.message(&owner, patient, true).await;
    for _ in 0..3 {
        owner.get(&format!("/patients/{patient}")).await.ok();
    }
    app
}

async fn verified(db: &Db, key: Option<SecretKey>) -> Result<audit::Verified, Broken> {
    db.read(move |conn| -> Result<_, AppError> { Ok(audit::verify(conn, key.as_ref())) }).await.unwrap()
}

/// Runs statements as the database's owner, who can remove the log's protection but does not have the key.
async fn by_the_owner_of_the_database(app: &App, statements: &'static [&'static str]) {
    let unlock: &[&str] = match app.state.db.is_postgres() {
        true => &["ALTER TABLE audit_events DISABLE TRIGGER USER"],
        false => &["DROP TRIGGER audit_events_stay", "DROP TRIGGER audit_events_remain"],
    };
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        for step in unlock.iter().chain(statements) {
            diesel::sql_query(*step).execute(tx.conn())?;
        }
        Ok(())
    });
    write.await.unwrap();
}

/// Removes the last rows of the patient's chain, and sets its end back to the row that is then the last.
const CUT: &[&str] = &[
    "DELETE FROM audit_events WHERE chain > 0 AND position > 2",
    "UPDATE audit_heads SET position = 2, hash = (SELECT hash FROM audit_events e WHERE e.chain = audit_heads.chain AND \
     e.position = 2) WHERE chain > 0",
];

async fn a_forged_history_shows(on: On) {
    let app = clinic(on, Some(key())).await;
    let db = &app.state.db;
    assert!(verified(db, Some(key())).await.unwrap().rows > 5);
    // with another key the ends do not verify
    assert!(matches!(verified(db, Some(SecretKey::new([8; 32]))).await, Err(Broken::Unsealed { .. })));
    by_the_owner_of_the_database(&app, CUT).await;
    assert!(verified(db, None).await.is_ok(), "the hashes alone say nothing");
    assert!(matches!(verified(db, Some(key())).await, Err(Broken::Unsealed { chain: 1.. })));
    // new rows do not seal the changed chain
    let owner = app.user(Role::Owner).await;
    owner.get("/patients/1").await.ok();
    assert!(matches!(verified(db, Some(key())).await, Err(Broken::Unsealed { chain: 1.. })));
    // nor does the operator's command: it seals only ends without a seal
    let seal = db.write(|tx| -> Result<usize, AppError> {
        let now = postern::clock::Clock::system().now();
        Ok(audit::seal_all(tx, now, &key())?)
    });
    seal.await.unwrap();
    assert!(matches!(verified(db, Some(key())).await, Err(Broken::Unsealed { chain: 1.. })));
}

/// The next line that the worker would write.
async fn next_line(app: &App, before: Option<Heads>) -> Option<Heads> {
    let now = app.state.clock.now();
    let read =
        app.state.db.read(move |conn| -> Result<_, AppError> { Ok(Heads::next(conn, now, &key(), before.as_ref())?) });
    read.await.unwrap()
}

async fn compared(app: &App, line: &Heads, before: Option<Heads>) -> Result<(), HeadsError> {
    let line = line.clone();
    app.state.db.read(move |conn| line.verify(conn, &key(), 1, before.as_ref())).await
}

async fn an_old_state_shows(on: On) {
    let app = clinic(on, Some(key())).await;
    let owner = app.user(Role::Owner).await;
    let first = next_line(&app, None).await.unwrap();
    assert!(next_line(&app, Some(first.clone())).await.is_none(), "nothing new");
    let old: (i64, Vec<u8>, Option<Vec<u8>>) = app
        .state
        .db
        .read(|conn| -> Result<_, AppError> {
            let head = audit_heads::table.filter(audit_heads::chain.gt(0));
            Ok(head.select((audit_heads::position, audit_heads::hash, audit_heads::seal)).first(conn)?)
        })
        .await
        .unwrap();
    owner.get("/patients/1").await.ok();
    let second = next_line(&app, Some(first.clone())).await.unwrap();
    compared(&app, &first, None).await.unwrap();
    compared(&app, &second, Some(first.clone())).await.unwrap();
    // a changed line, or a line before it that is missing
    let mut forged = second.clone();
    forged.row += 1;
    assert!(matches!(compared(&app, &forged, Some(first.clone())).await, Err(HeadsError::Line(1))));
    assert!(matches!(compared(&app, &second, None).await, Err(HeadsError::Line(1))));
    // an old end with its valid seal is put back, and the later rows are removed
    by_the_owner_of_the_database(&app, &[]).await;
    let write = app.state.db.write(move |tx| -> Result<(), AppError> {
        let (position, hash, seal) = old;
        let late = audit_events::table.filter(audit_events::chain.gt(0)).filter(audit_events::position.gt(position));
        diesel::delete(late).execute(tx.conn())?;
        let put = (audit_heads::position.eq(position), audit_heads::hash.eq(hash), audit_heads::seal.eq(seal));
        diesel::update(audit_heads::table.filter(audit_heads::chain.gt(0))).set(put).execute(tx.conn())?;
        Ok(())
    });
    write.await.unwrap();
    assert!(verified(&app.state.db, Some(key())).await.is_ok(), "the seal alone says nothing");
    let found = compared(&app, &second, Some(first.clone())).await;
    assert!(matches!(found, Err(HeadsError::Log(Broken::Missing { chain: 1.., .. }))), "{found:?}");
    // a whole chain is removed
    by_the_owner_of_the_database_again(&app).await;
    assert!(verified(&app.state.db, Some(key())).await.is_ok());
    assert!(matches!(compared(&app, &first, None).await, Err(HeadsError::Log(Broken::Missing { .. }))));
}

async fn by_the_owner_of_the_database_again(app: &App) {
    let write = app.state.db.write(|tx| -> Result<(), AppError> {
        for step in ["DELETE FROM audit_events WHERE chain > 0", "DELETE FROM audit_heads WHERE chain > 0"] {
            diesel::sql_query(step).execute(tx.conn())?;
        }
        Ok(())
    });
    write.await.unwrap();
}

async fn what_was_written_without_a_key_is_sealed_once(on: On) {
    let app = clinic(on, None).await;
    let database: DatabaseUrl = app.state.config.database.clone();
    let keyed = Db::open(&database, Keys { audit: Some(Arc::new(key())), ..Keys::default() }).unwrap();
    assert!(matches!(verified(&keyed, Some(key())).await, Err(Broken::Unsealed { .. })));
    let seal = async || {
        let write = keyed.write(|tx| -> Result<usize, AppError> {
            let now = postern::clock::Clock::system().now();
            Ok(audit::seal_all(tx, now, &key())?)
        });
        write.await.unwrap()
    };
    assert_eq!(seal().await, 2, "the clinic's chain and the patient's");
    assert_eq!(seal().await, 0);
    assert!(verified(&keyed, Some(key())).await.is_ok());
    // an instance without the key leaves ends without a seal, and that is found
    let owner = app.user(Role::Owner).await;
    owner.get("/patients/1").await.ok();
    assert!(matches!(verified(&keyed, Some(key())).await, Err(Broken::Unsealed { .. })));
}
