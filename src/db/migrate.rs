//! Two migration trees, each in its database's best types; `tests/suite/invariants` holds them equal.

use super::connection::Conn;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which PostgreSQL migrates: two instances that start together must not both do it.
const MIGRATION_LOCK: i64 = 7_305_019;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Brings the database up to date and tells the names of the steps taken, oldest first.
pub(super) fn run(conn: &mut Conn) -> Result<Vec<String>, Failure> {
    match conn {
        Conn::Sqlite(conn) => names(conn.run_pending_migrations(SQLITE)),
        Conn::Pg(conn) => {
            // a long migration must not end in the page's statement timeout
            conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0;")?;
            diesel::sql_query(format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).execute(conn)?;
            let done = names(conn.run_pending_migrations(POSTGRES));
            diesel::sql_query(format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).execute(conn)?;
            done
        }
    }
}

fn names<'a>(done: Result<Vec<diesel::migration::MigrationVersion<'a>>, Failure>) -> Result<Vec<String>, Failure> {
    Ok(done?.iter().map(ToString::to_string).collect())
}

/// The names of every step that this program knows for SQLite and for PostgreSQL, oldest first.
///
/// # Errors
/// When an embedded migration cannot be read.
pub fn all() -> Result<(Vec<String>, Vec<String>), Failure> {
    let sqlite = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE)?;
    let postgres = MigrationSource::<diesel::pg::Pg>::migrations(&POSTGRES)?;
    let mut names = (
        sqlite.iter().map(|m| m.name().to_string()).collect::<Vec<_>>(),
        postgres.iter().map(|m| m.name().to_string()).collect::<Vec<_>>(),
    );
    names.0.sort();
    names.1.sort();
    Ok(names)
}
