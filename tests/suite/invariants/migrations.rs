//! Both migration trees make the same tables, keys, indexes and checks, which equal the program's schema; and every
//! migration runs down and up again over rows.

use super::{project, read};
use crate::on_both;
use crate::support::app::{App, On};
use crate::support::peers;
use crate::support::world::Like;
use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use postern::access::Role;
use postern::db::{DatabaseUrl, Keys};
use std::collections::BTreeSet;

/// A connection of the test's own.
enum Direct {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Direct {
    fn to(url: &DatabaseUrl) -> Direct {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(&path.display().to_string()).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;").unwrap();
                Direct::Sqlite(conn)
            }
            DatabaseUrl::Tls(_) => unreachable!(),
            DatabaseUrl::Postgres(url) => Direct::Postgres(PgConnection::establish(url).unwrap()),
        }
    }

    /// The values of column `line` in the rows of the query for this database.
    fn lines(&mut self, sqlite: &str, postgres: &str) -> BTreeSet<String> {
        let rows: Vec<Line> = match self {
            Direct::Sqlite(conn) => diesel::sql_query(sqlite).load(conn).unwrap(),
            Direct::Postgres(conn) => diesel::sql_query(postgres).load(conn).unwrap(),
        };
        rows.into_iter().map(|row| row.line).collect()
    }

    fn count(&mut self, table: &str) -> i64 {
        let query = format!("SELECT count(*) AS number FROM {table}");
        let row: Number = match self {
            Direct::Sqlite(conn) => diesel::sql_query(query).get_result(conn).unwrap(),
            Direct::Postgres(conn) => diesel::sql_query(query).get_result(conn).unwrap(),
        };
        row.number
    }

    fn tree(&self) -> FileBasedMigrations {
        let name = if matches!(self, Direct::Sqlite(_)) { "migrations/sqlite" } else { "migrations/postgres" };
        FileBasedMigrations::from_path(project(name)).unwrap()
    }

    /// Reverts the newest migration.
    fn down(&mut self) {
        let tree = self.tree();
        let step = match self {
            Direct::Sqlite(conn) => conn.revert_last_migration(tree).map(|step| step.to_string()),
            Direct::Postgres(conn) => conn.revert_last_migration(tree).map(|step| step.to_string()),
        };
        step.unwrap_or_else(|e| panic!("down: {e}"));
    }

    fn up(&mut self) -> usize {
        let tree = self.tree();
        let steps = match self {
            Direct::Sqlite(conn) => conn.run_pending_migrations(tree).map(|steps| steps.len()),
            Direct::Postgres(conn) => conn.run_pending_migrations(tree).map(|steps| steps.len()),
        };
        steps.unwrap_or_else(|e| panic!("up: {e}"))
    }

    fn steps(&self) -> usize {
        MigrationSource::<diesel::pg::Pg>::migrations(&self.tree()).unwrap().len()
    }

    /// Columns with type and nullability, by table.
    fn columns(&mut self) -> BTreeSet<String> {
        self.lines(
            "SELECT m.name || '.' || p.name || ' ' || p.type || ' ' || (p.\"notnull\" = 0 AND p.pk = 0) AS line \
             FROM sqlite_master m JOIN pragma_table_info(m.name) p \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%diesel%'",
            "SELECT table_name || '.' || column_name || ' ' || udt_name || ' ' || (is_nullable = 'YES')::int AS line \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'",
        )
    }

    /// Primary keys, indexes and UNIQUE: table, columns in order, whether unique, and the condition of a partial one.
    fn indexes(&mut self) -> BTreeSet<String> {
        let keys = self.lines(
            "SELECT of || ' key ' || group_concat(name, ',') AS line FROM \
             (SELECT m.name AS of, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' \
               AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%diesel%' AND p.pk > 0 ORDER BY m.name, p.pk) \
             GROUP BY of",
            "SELECT c.conrelid::regclass || ' key ' || string_agg(a.attname, ',' ORDER BY k.place) AS line \
             FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY AS k(number, place), pg_attribute a \
             WHERE c.contype = 'p' AND a.attrelid = c.conrelid AND a.attnum = k.number \
               AND c.connamespace = 'public'::regnamespace AND c.conrelid::regclass::text NOT LIKE '%diesel%' \
             GROUP BY c.oid, c.conrelid",
        );
        let others = self.lines(
            "SELECT of || ' ' || unique_one || ' ' || group_concat(coalesce(name, '?'), ',') || ' ' || condition AS line \
             FROM (SELECT m.name AS of, l.name AS index_name, l.\"unique\" AS unique_one, i.name, \
               CASE WHEN l.partial THEN (SELECT substr(sql, instr(sql, ' WHERE ') + 7) FROM sqlite_master x \
                 WHERE x.name = l.name) ELSE '' END AS condition \
               FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i \
               WHERE m.type = 'table' AND l.origin <> 'pk' AND m.name NOT LIKE '%diesel%' ORDER BY l.name, i.seqno) \
             GROUP BY index_name",
            "SELECT i.indrelid::regclass || ' ' || i.indisunique::int || ' ' || \
               string_agg(coalesce(a.attname, '?'), ',' ORDER BY k.place) || ' ' || \
               coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS line \
             FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
               JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, place) ON true \
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE NOT i.indisprimary AND t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE '%diesel%' \
             GROUP BY i.indexrelid, i.indrelid, i.indisunique, i.indpred",
        );
        keys.into_iter().chain(others).map(|line| plain(&line)).collect()
    }

    /// Foreign keys, and what happens when the referenced row is deleted.
    fn references(&mut self) -> BTreeSet<String> {
        self.lines(
            "SELECT m.name || '.' || f.\"from\" || ' ' || f.\"table\" || ' ' || \
               CASE f.on_delete WHEN 'CASCADE' THEN 'c' WHEN 'SET NULL' THEN 'n' ELSE 'a' END AS line \
             FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
            "SELECT c.conrelid::regclass || '.' || a.attname || ' ' || c.confrelid::regclass || ' ' || c.confdeltype::text AS line \
             FROM pg_constraint c, unnest(c.conkey) AS k(number), pg_attribute a WHERE c.contype = 'f' \
               AND a.attrelid = c.conrelid AND a.attnum = k.number AND c.connamespace = 'public'::regnamespace",
        )
    }

    /// The checks of each table, by the columns in them, because each database writes the expression in its own way.
    fn checks(&mut self) -> BTreeSet<String> {
        let found = self.lines(
            "SELECT name || ' ' || sql AS line FROM sqlite_master \
             WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '%diesel%'",
            "SELECT c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid) AS line FROM pg_constraint c \
             WHERE c.contype = 'c' AND c.connamespace = 'public'::regnamespace",
        );
        let columns = self.columns();
        let mut checks = BTreeSet::new();
        for line in &found {
            let (table, sql) = line.split_once(' ').unwrap();
            for text in parenthesised(sql, "CHECK") {
                // SQLite has no boolean type, so this check stands for PostgreSQL's type
                if text.replace(' ', "").ends_with("IN(0,1)") {
                    continue;
                }
                let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
                let about = columns.iter().filter_map(|column| column.split_once(' ')?.0.split_once('.'));
                let about: Vec<&str> =
                    about.filter(|(t, name)| *t == table && words.contains(name)).map(|(_, name)| name).collect();
                checks.insert(format!("{table} {}", about.join(",")));
            }
        }
        checks
    }
}

/// A condition without the marks that only one of the databases writes.
fn plain(line: &str) -> String {
    let line = line.to_lowercase().replace("::text", "").replace(['(', ')', '"'], "").replace(" = true", "");
    line.split_whitespace().collect::<Vec<_>>().join(" ").replace(" = 1", "")
}

/// The texts in parentheses after each occurrence of `word`.
fn parenthesised<'a>(sql: &'a str, word: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in sql.match_indices(word) {
        let Some(open) = sql[at..].find('(').map(|n| at + n) else { continue };
        let mut depth = 0;
        for (n, c) in sql[open..].char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                found.push(&sql[open + 1..open + n]);
                break;
            }
        }
    }
    found
}

/// The columns that `src/db/schema.rs` declares, in the types of one database.
fn declared(on: On) -> BTreeSet<String> {
    let source = read(&project("src/db/schema.rs"));
    let mut columns = BTreeSet::new();
    for table in source.split("diesel::table! {").skip(1) {
        let mut lines =
            table.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("use ") && !l.starts_with("//"));
        let name = lines.next().unwrap().split_once(' ').unwrap().0.to_owned();
        for (column, kind) in lines.take_while(|line| *line != "}").filter_map(|line| line.split_once(" -> ")) {
            let kind = kind.trim_end_matches(',');
            let (kind, nullable) = match kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>')) {
                Some(kind) => (kind, 1),
                None => (kind, 0),
            };
            let kind = if kind.starts_with("Sealed<") { "Text" } else { kind };
            let kind = match (kind, on) {
                ("BigInt", On::Sqlite) | ("Bool", On::Sqlite) | ("Utc", On::Sqlite) => "INTEGER",
                ("Text", On::Sqlite) => "TEXT",
                ("Binary", On::Sqlite) => "BLOB",
                ("BigInt", On::Postgres) => "int8",
                ("Bool", On::Postgres) => "bool",
                ("Utc", On::Postgres) => "timestamptz",
                ("Text", On::Postgres) => "text",
                ("Binary", On::Postgres) => "bytea",
                (other, _) => panic!("{name}.{column}: {other} has no type in this test"),
            };
            columns.insert(format!("{name}.{column} {kind} {nullable}"));
        }
    }
    assert!(columns.len() > 100);
    columns
}

#[test]
fn both_trees_have_the_same_steps() {
    let (sqlite, postgres) = postern::db::all_migrations().unwrap();
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

on_both!(the_tables_are_those_of_the_program, every_step_goes_down_and_up_again_over_rows);

fn which(app: &App) -> On {
    if matches!(app.state.config.database, DatabaseUrl::Sqlite(_)) { On::Sqlite } else { On::Postgres }
}

async fn the_tables_are_those_of_the_program(app: App) {
    let mut direct = Direct::to(&app.state.config.database);
    assert_eq!(direct.columns(), declared(which(&app)));
    // opening the database again runs no migration again
    postern::app::open(&app.state.config.database, Keys::default(), &app.state.random).await.unwrap();
    assert_eq!(direct.up(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_trees_have_the_same_keys_indexes_references_and_checks() {
    if peers::postgres_url().is_none() {
        return; // left out by a flag of tests/run, which says so
    }
    let (one, other) = (App::start(On::Sqlite).await, App::start(On::Postgres).await);
    let (mut sqlite, mut postgres) = (Direct::to(&one.state.config.database), Direct::to(&other.state.config.database));
    let same = |what: &str, sqlite: BTreeSet<String>, postgres: BTreeSet<String>| {
        let only =
            |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n  ");
        assert!(!sqlite.is_empty(), "no {what}");
        assert!(
            sqlite == postgres,
            "{what}\nonly in SQLite:\n  {}\nonly in PostgreSQL:\n  {}",
            only(&sqlite, &postgres),
            only(&postgres, &sqlite)
        );
    };
    same("indexes", sqlite.indexes(), postgres.indexes());
    same("references", sqlite.references(), postgres.references());
    same("checks", sqlite.checks(), postgres.checks());
}

/// Tables of the first migration, which keep their rows all the way down.
const OF_THE_FIRST_STEP: [&str; 5] = ["users", "patients", "conversations", "messages", "audit_events"];

async fn every_step_goes_down_and_up_again_over_rows(app: App) {
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    let (_, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let mut direct = Direct::to(&app.state.config.database);
    let everything = |direct: &mut Direct| [direct.columns(), direct.indexes(), direct.references(), direct.checks()];
    let (before, steps) = (everything(&mut direct), direct.steps());
    let rows: Vec<i64> = OF_THE_FIRST_STEP.iter().map(|table| direct.count(table)).collect();
    assert!(rows.iter().all(|rows| *rows > 0), "{rows:?}");
    for _ in 1..steps {
        direct.down();
    }
    for (table, rows) in OF_THE_FIRST_STEP.iter().zip(&rows) {
        assert_eq!(direct.count(table), *rows, "{table} after going down");
    }
    assert_eq!(direct.up(), steps - 1);
    assert_eq!(everything(&mut direct), before);
    for (table, rows) in OF_THE_FIRST_STEP.iter().zip(&rows) {
        assert_eq!(direct.count(table), *rows, "{table} after coming up again");
    }
}
