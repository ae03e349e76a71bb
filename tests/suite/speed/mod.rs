//! The parts of the benchmark (`cargo bench`) do what they say, on a clinic of a few conversations. No test measures
//! speed.

mod fairness;
mod packed;
mod plans;
mod two_servers;
mod writing;

#[path = "../../bench/bare.rs"]
#[allow(dead_code)]
mod bare;
#[path = "../../bench/base.rs"]
#[allow(dead_code)]
mod base;
#[path = "../../bench/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../../bench/clinic.rs"]
#[allow(dead_code)]
mod clinic;
#[path = "../../bench/measure.rs"]
#[allow(dead_code)]
mod measure;
#[path = "../../bench/operations.rs"]
#[allow(dead_code)]
mod operations;
#[path = "../../bench/report.rs"]
#[allow(dead_code)]
mod report;
#[path = "../../bench/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../../bench/stage.rs"]
#[allow(dead_code)]
mod stage;

use crate::on_each;
use crate::support::app::{On, fresh_database};
use base::Base;
use clinic::Size;
use diesel::prelude::*;
use measure::{Measured, measure};
use postern::db::Conn;
use postern::db::schema::*;
use report::{Part, Report};
use stage::Stage;
use std::collections::BTreeMap;
use std::path::Path;

on_each!(
    every_operation_is_done_on_a_filled_clinic,
    a_filled_clinic_has_the_rows_of_a_real_one,
    the_bare_write_writes_the_rows_of_a_send,
);

const SMALL: Size = Size { conversations: 120, items: 60, long: 30, many: (3, 4), answering: 3 };

async fn every_operation_is_done_on_a_filled_clinic(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let base = Base::at(fresh_database(on, folder.path()).await);
    tokio::task::spawn_blocking(move || {
        let stage = Stage::set(Path::new(server::PROGRAM), base, folder.path(), SMALL);
        for operation in operations::all(&stage) {
            let once = operations::Operation { connections: 1, ..operation };
            let measured = measure(&[&stage], &once, 0.0, 1).remove(0);
            assert!(measured.calls >= 1 && measured.p50 <= measured.worst, "{}", once.name);
        }
    })
    .await
    .unwrap();
}

async fn a_filled_clinic_has_the_rows_of_a_real_one(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let base = Base::at(fresh_database(on, folder.path()).await);
    tokio::task::spawn_blocking(move || {
        let stage = Stage::set(Path::new(server::PROGRAM), base, folder.path(), SMALL);
        let conn = &mut bare::open(&stage);
        let (all, open): (i64, i64) = (
            conversations::table.filter(conversations::id.le(100)).count().get_result(conn).unwrap(),
            conversations::table
                .filter(conversations::id.le(100))
                .filter(conversations::closed_at.is_null())
                .count()
                .get_result(conn)
                .unwrap(),
        );
        assert_eq!((all, open), (100, 3), "97 of a hundred are closed");
        for (table, count) in counts(conn) {
            let is_filled = [
                "conversations",
                "participants",
                "messages",
                "notifications",
                "notification_states",
                "portal_links",
                "plan_steps",
                "jobs",
                "audit_events",
                "audit_heads",
                "conversation_drafts",
                "reply_drafts",
                "attachments",
                "blobs",
                "chart_items",
                "chart_item_terms",
                "chart_tallies",
                "patients",
                "patient_terms",
            ];
            assert!(count > 0 || !is_filled.contains(&table.as_str()), "{table} is empty");
        }
        // each notification has a message, which is of the same conversation
        let notices: i64 = notifications::table.count().get_result(conn).unwrap();
        let whole: i64 = notifications::table
            .inner_join(messages::table.on(messages::id.nullable().eq(notifications::message_id)))
            .filter(messages::conversation_id.nullable().eq(notifications::conversation_id))
            .count()
            .get_result(conn)
            .unwrap();
        assert_eq!(whole, notices);
    })
    .await
    .unwrap();
}

async fn the_bare_write_writes_the_rows_of_a_send(on: On) {
    let folder = tempfile::tempdir().unwrap();
    let base = Base::at(fresh_database(on, folder.path()).await);
    tokio::task::spawn_blocking(move || {
        let stage = Stage::set(Path::new(server::PROGRAM), base, folder.path(), SMALL);
        let conn = &mut bare::open(&stage);
        let before = counts(conn);
        let send = &operations::all(&stage)[0];
        assert_eq!(send.name, "send");
        (send.act)(&stage, &mut stage.client(), 7);
        let sent = counts(conn);
        conn.transaction(|conn| bare::send(conn, &stage, 8)).unwrap();
        let bare = counts(conn);
        let more = |from: &BTreeMap<String, i64>, to: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
            to.iter()
                .map(|(table, count)| (table.clone(), count - from[table]))
                .filter(|(_, more)| *more != 0)
                .collect()
        };
        assert_eq!(more(&before, &sent), more(&sent, &bare));
    })
    .await
    .unwrap();
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// The number of rows of each table.
fn counts(conn: &mut Conn) -> BTreeMap<String, i64> {
    let tables = match conn {
        Conn::Pg(_) => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        Conn::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    };
    let tables: Vec<Name> = diesel::sql_query(tables).load(conn).unwrap();
    let count = |conn: &mut Conn, table: &str| {
        diesel::sql_query(format!("SELECT count(*) AS count FROM {table}")).get_result::<Count>(conn).unwrap().count
    };
    tables.into_iter().map(|table| (table.name.clone(), count(conn, &table.name))).collect()
}

#[test]
fn a_report_is_compared_with_an_earlier_one() {
    let part = |conversations, server| {
        let inbox = Measured { calls: 10, server, database: 50.0, p50: 2.0, ..Measured::default() };
        Part {
            database: "postgres".into(),
            conversations,
            program: "this".into(),
            operations: [("inbox".to_owned(), inbox)].into(),
            ..Part::default()
        }
    };
    let (was, now) =
        (Report { parts: vec![part(200, 350.0)] }, Report { parts: vec![part(200, 150.0), part(9000, 250.0)] });
    let read: Report = serde_json::from_slice(&serde_json::to_vec(&now).unwrap()).unwrap();
    assert_eq!(
        read.compared(&was),
        ["postgres 200: inbox: processor 0.50 × (400 → 200 µs), waiting 1.00 ×"],
        "of the same size alone"
    );
    assert_eq!(read.growth(), ["postgres: inbox, 9000 / 200: 1.50 ×"]);
}
