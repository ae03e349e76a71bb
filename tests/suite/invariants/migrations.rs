//! Both migration trees make the same tables, and these are what the program thinks they are.

use super::{project, read};
use crate::support::app::{App, On};
use crate::support::peers;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use postern::error::AppError;
use std::collections::BTreeSet;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    nullable: i64,
}

const SQLITE: &str = "SELECT m.name AS of, p.name AS name, \
    CASE WHEN p.\"notnull\" = 1 OR p.pk > 0 THEN 0 ELSE 1 END AS nullable \
    FROM sqlite_master m JOIN pragma_table_info(m.name) p \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%diesel%'";
const POSTGRES: &str = "SELECT table_name::text AS \"of\", column_name::text AS name, \
    (is_nullable = 'YES')::int::bigint AS nullable \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'";

async fn tables(on: On) -> BTreeSet<String> {
    let sql = if on == On::Sqlite { SQLITE } else { POSTGRES };
    let app = App::start(on).await;
    let applied = |app: &App| {
        let db = app.state.db.clone();
        async move {
            let read = db.read(|conn| -> Result<_, AppError> {
                let sql = "SELECT 'x' AS of, version AS name, 0 AS nullable FROM __diesel_schema_migrations";
                let sql = sql.replace("AS of", "AS \"of\"").replace("0 AS", "CAST(0 AS BIGINT) AS");
                let rows: Vec<Column> = diesel::sql_query(sql).load(conn)?;
                Ok(rows.into_iter().map(|row| row.name).collect::<Vec<_>>())
            });
            read.await.unwrap()
        }
    };
    let read = app.state.db.read(move |conn| -> Result<Vec<Column>, AppError> {
        Ok(diesel::sql_query(sql.replace("AS of", "AS \"of\"")).load(conn)?)
    });
    let columns: BTreeSet<String> =
        read.await.unwrap().iter().map(|c| format!("{}.{} {}", c.of, c.name, c.nullable)).collect();
    // opening it again takes no step again
    let before = applied(&app).await;
    assert!(!before.is_empty());
    postern::app::open(&app.database, &app.state.random).await.unwrap();
    assert_eq!(applied(&app).await, before);
    columns
}

/// What `src/db/schema.rs` says.
fn declared() -> BTreeSet<String> {
    let source = read(&project("src/db/schema.rs"));
    let mut columns = BTreeSet::new();
    for table in source.split("diesel::table! {").skip(1) {
        let mut lines =
            table.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("use ") && !l.starts_with("//"));
        let name = lines.next().unwrap().split_once(' ').unwrap().0.to_owned();
        for (column, kind) in lines.take_while(|line| *line != "}").filter_map(|line| line.split_once(" -> ")) {
            columns.insert(format!("{name}.{column} {}", i64::from(kind.starts_with("Nullable"))));
        }
    }
    assert!(columns.len() > 100);
    columns
}

#[test]
fn both_trees_have_the_same_steps() {
    let (sqlite, postgres) = postern::db::pending_migrations().unwrap();
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_has_the_tables_of_the_program() {
    assert_eq!(tables(On::Sqlite).await, declared());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_has_the_tables_of_the_program() {
    if peers::postgres_url().is_some() {
        assert_eq!(tables(On::Postgres).await, declared());
    }
}
