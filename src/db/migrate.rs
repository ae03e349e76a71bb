//! Two migration trees, each in its database's best types; `tests/suite/invariants` holds them equal.

use super::connection::{BUSY_TIMEOUT, Conn};
use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, QueryResult, QueryableByName, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which PostgreSQL migrates: two instances that start together must not both do it.
const MIGRATION_LOCK: i64 = 7_305_019;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Brings the database up to date and gives the names of the migrations that ran, oldest first.
pub(super) fn run(conn: &mut Conn) -> Result<Vec<String>, Failure> {
    match conn {
        Conn::Sqlite(conn) => {
            // one process at a time, as on PostgreSQL below: a second one waits for the first, and finds nothing to do
            conn.batch_execute("PRAGMA busy_timeout = 600000")?;
            let done = conn.immediate_transaction(|conn| up_to_date(conn, SQLITE));
            conn.batch_execute(BUSY_TIMEOUT)?;
            done
        }
        Conn::Pg(conn) => {
            // a long migration must not end in the page's statement timeout
            conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0;")?;
            diesel::sql_query(format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).execute(conn)?;
            // a role that owns no tables may check whether there is anything to do, but not migrate
            let done = match taken(conn)? {
                Some(taken) if taken == versions::<diesel::pg::Pg>(POSTGRES)? => Ok(Vec::new()),
                _ => up_to_date(conn, POSTGRES),
            };
            diesel::sql_query(format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).execute(conn)?;
            done
        }
    }
}

/// The versions of the migrations that ran on PostgreSQL, in their order; `None` in an empty database.
fn taken(conn: &mut PgConnection) -> QueryResult<Option<Vec<String>>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let there = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS found");
    if !there.get_result::<Found>(conn)?.found {
        return Ok(None);
    }
    let steps = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    Ok(Some(steps.load::<Step>(conn)?.into_iter().map(|step| step.version).collect()))
}

/// The versions of all migrations for SQLite, in their order.
pub(super) fn sqlite_versions() -> Result<Vec<String>, Failure> {
    versions::<diesel::sqlite::Sqlite>(SQLITE)
}

fn versions<DB: Backend>(steps: EmbeddedMigrations) -> Result<Vec<String>, Failure> {
    let steps = MigrationSource::<DB>::migrations(&steps)?;
    let mut versions: Vec<String> = steps.iter().map(|step| step.name().version().to_string()).collect();
    versions.sort();
    Ok(versions)
}

/// Lets a role of PostgreSQL run the program without owning a table: it reads and writes every row, but rows of the
/// audit log it can only add and read. Whoever has this role's password can drop no trigger and rewrite no history.
///
/// # Errors
/// Where there is no such role, or the caller does not own the tables.
pub(super) fn grant(conn: &mut PgConnection, role: &str) -> QueryResult<()> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    conn.batch_execute(&format!(
        "GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role};
         REVOKE UPDATE, DELETE ON audit_events FROM {role};
         REVOKE DELETE ON audit_heads FROM {role};
         REVOKE INSERT, UPDATE, DELETE ON __diesel_schema_migrations FROM {role};"
    ))
}

/// Runs the missing migrations. A database with a migration that this program does not know was made by a newer
/// program, whose rows this one would misread: it is refused.
fn up_to_date<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    steps: EmbeddedMigrations,
) -> Result<Vec<String>, Failure> {
    let known: Vec<MigrationVersion<'static>> =
        MigrationSource::<DB>::migrations(&steps)?.iter().map(|step| step.name().version().as_owned()).collect();
    if let Some(newer) = conn.applied_migrations()?.into_iter().find(|step| !known.contains(step)) {
        return Err(format!(
            "the database was made by a newer Postern (it has the step {newer}): install that version, or restore a backup"
        )
        .into());
    }
    names(conn.run_pending_migrations(steps))
}

/// Runs those of these migrations (by version) that are missing, in the caller's transaction.
pub(super) fn take(conn: &mut Conn, versions: &[String]) -> Result<(), Failure> {
    match conn {
        Conn::Sqlite(conn) => take_some(conn, SQLITE, versions),
        Conn::Pg(conn) => take_some(conn, POSTGRES, versions),
    }
}

fn take_some<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    steps: EmbeddedMigrations,
    versions: &[String],
) -> Result<(), Failure> {
    let known = MigrationSource::<DB>::migrations(&steps)?;
    if let Some(newer) = versions.iter().find(|version| known.iter().all(|step| !is_version(step.as_ref(), version))) {
        return Err(format!("it was made by a newer Postern (it has the step {newer}): install that version").into());
    }
    let taken = conn.applied_migrations()?;
    if taken.iter().any(|step| !versions.contains(&step.to_string())) {
        return Err("the database is not empty: it has newer tables".into());
    }
    let mut missing: Vec<_> = known
        .iter()
        .filter(|step| versions.iter().any(|version| is_version(step.as_ref(), version)))
        .filter(|step| !taken.contains(&step.name().version()))
        .collect();
    missing.sort_by_key(|step| step.name().version().as_owned());
    missing.into_iter().try_for_each(|step| conn.run_migration(step).map(drop))
}

fn is_version<DB: Backend>(step: &dyn Migration<DB>, version: &str) -> bool {
    step.name().version().to_string() == version
}

/// Runs every missing migration, in the caller's transaction.
pub(super) fn take_all(conn: &mut Conn) -> Result<(), Failure> {
    match conn {
        Conn::Sqlite(conn) => up_to_date(conn, SQLITE).map(drop),
        Conn::Pg(conn) => up_to_date(conn, POSTGRES).map(drop),
    }
}

/// Empties SQLite's write-ahead log into the database file.
pub(super) fn checkpoint(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(conn) => conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"),
        Conn::Pg(_) => Ok(()),
    }
}

/// Rewrites SQLite's database file, and empties its write-ahead log.
pub(super) fn compact(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(conn) => conn.batch_execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"),
        Conn::Pg(_) => Ok(()),
    }
}

fn names<'a>(done: Result<Vec<MigrationVersion<'a>>, Failure>) -> Result<Vec<String>, Failure> {
    Ok(done?.iter().map(ToString::to_string).collect())
}

/// The names of all migrations that this program has for SQLite and for PostgreSQL, oldest first.
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
