//! One connection type, whose database is chosen at run time by the address.

use super::keys::Keys;
use super::sealed::{Under, under};
use super::tls::Tunnel;
use super::{in_time, verbs};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A connection to either database. PostgreSQL comes first: the derived `establish` (which nothing calls) tries the
/// variants in order, and SQLite takes any text for a path.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// PostgreSQL
    Pg(PgConnection),
    /// SQLite
    Sqlite(SqliteConnection),
}

/// The address of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://…` or `postgresql://…`, as libpq reads it: on this machine, or wherever a test says.
    Postgres(String),
    /// PostgreSQL by TLS.
    Tls(Arc<Tunnel>),
    /// The path of an SQLite file.
    Sqlite(std::path::PathBuf),
}

/// Whether a connection may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

impl DatabaseUrl {
    /// Reads `postgres://…`, `sqlite:PATH` or a bare path. Any other scheme is refused: SQLite would take it for a
    /// file name and the clinic would run on an empty database without a word. `authority`: the PEM file of certificate
    /// authorities to trust in place of the public ones.
    ///
    /// # Errors
    /// What is wrong, without anything of the address that may be secret.
    pub fn parse(text: &str, authority: Option<&[u8]>) -> Result<DatabaseUrl, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let tunnel = Tunnel::wanted(text, authority)?;
            let plain = || DatabaseUrl::Postgres(text.to_owned());
            return Ok(tunnel.map_or_else(plain, |tunnel| DatabaseUrl::Tls(Arc::new(tunnel))));
        }
        let path = text.strip_prefix("sqlite://").or(text.strip_prefix("sqlite:")).unwrap_or(text);
        match path.split_once("://") {
            // only the scheme is named: the rest may hold a password
            Some((scheme, _)) => Err(format!(
                "the scheme {scheme:?} is not known: write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"
            )),
            None => Ok(DatabaseUrl::Sqlite(path.into())),
        }
    }

    /// Whether it is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        !matches!(self, DatabaseUrl::Sqlite(_))
    }
}

/// Makes the file of an SQLite database, and the two beside it, readable by their owner alone, whatever the umask.
#[cfg(unix)]
pub(super) fn make_private(url: &DatabaseUrl) -> std::io::Result<()> {
    use std::fs::{self, OpenOptions, Permissions};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let DatabaseUrl::Sqlite(path) = url else { return Ok(()) };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => drop(other?),
    }
    // SQLite creates the other two with the mode of the first
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(ending);
        match fs::metadata(&file) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn make_private(_: &DatabaseUrl) -> std::io::Result<()> {
    Ok(())
}

pub(super) fn open(url: &DatabaseUrl, purpose: Use) -> ConnectionResult<Conn> {
    match url {
        DatabaseUrl::Postgres(address) => open_postgres(address, purpose).map(Conn::Pg),
        DatabaseUrl::Tls(tunnel) => {
            let address = tunnel.address().map_err(ConnectionError::BadConnection)?;
            open_postgres(&address, purpose).map(Conn::Pg)
        }
        DatabaseUrl::Sqlite(path) => open_sqlite(&path.to_string_lossy(), purpose).map(Conn::Sqlite),
    }
}

fn open_postgres(address: &str, purpose: Use) -> ConnectionResult<PgConnection> {
    let mut conn = PgConnection::establish(address)?;
    let access = match purpose {
        Use::Read => {
            let limit = in_time::LIMIT.as_millis();
            format!("SET default_transaction_read_only = on; SET statement_timeout = {limit};")
        }
        Use::Write => "SET statement_timeout = '60s';".to_owned(),
    };
    conn.batch_execute(&format!("{access} SET TIME ZONE 'UTC'; SET lock_timeout = '10s';"))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// How long a connection to SQLite waits for another's lock.
pub(super) const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000;";

/// The busy timeout is set first, because changing the journal mode may itself meet a lock. `synchronous = FULL` costs
/// nothing when writers share commits (see `writer`), and an acknowledged message must survive a power cut.
/// `secure_delete` overwrites what is removed: without it a deleted text stays in the file until its place is used
/// again.
fn open_sqlite(path: &str, purpose: Use) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path)?;
    let access = match purpose {
        Use::Read => "PRAGMA query_only = ON;",
        Use::Write => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;",
    };
    conn.batch_execute(&format!(
        "{BUSY_TIMEOUT} {access} PRAGMA foreign_keys = ON; PRAGMA cache_size = -4000; \
         PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 268435456;"
    ))
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    in_time::register(&mut conn).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

impl Conn {
    /// Begins a transaction on a pooled connection, outside diesel's own count of transactions.
    pub(super) fn begin_read(&mut self) -> QueryResult<()> {
        match self {
            Conn::Sqlite(conn) => verbs::Begin.execute(conn).map(drop),
            Conn::Pg(conn) => AnsiTransactionManager::begin_transaction(conn),
        }
    }

    /// Ends that transaction: commits where `is_good`, else rolls back.
    pub(super) fn end_read(&mut self, is_good: bool) -> QueryResult<()> {
        match (self, is_good) {
            (Conn::Sqlite(conn), true) => verbs::Commit.execute(conn).map(drop),
            (Conn::Sqlite(conn), false) => verbs::Rollback.execute(conn).map(drop),
            (Conn::Pg(conn), true) => AnsiTransactionManager::commit_transaction(conn),
            (Conn::Pg(conn), false) => AnsiTransactionManager::rollback_transaction(conn),
        }
    }

    /// `BEGIN IMMEDIATE` on SQLite: a deferred transaction that turns into a writer fails at once with "database is
    /// locked", whatever the busy timeout. Plain `BEGIN` on PostgreSQL.
    pub(super) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE"),
            Conn::Pg(conn) => <AnsiTransactionManager as TransactionManager<PgConnection>>::begin_transaction(conn),
        }
    }

    pub(super) fn commit(&mut self) -> QueryResult<()> {
        <Conn as TransactionManager<Conn>>::commit_transaction(self)
    }

    pub(super) fn rollback(&mut self) -> QueryResult<()> {
        <Conn as TransactionManager<Conn>>::rollback_transaction(self)
    }
}

/// A write transaction: a function that changes anything asks for one. It also reads (it derefs to [`Conn`]).
pub struct Tx<'a> {
    conn: &'a mut Conn,
    keys: &'a Keys,
    told: Vec<String>,
    _under: Under,
}

impl<'a> Tx<'a> {
    pub(super) fn new(conn: &'a mut Conn, keys: &'a Keys) -> Tx<'a> {
        Tx { conn, keys, told: Vec::new(), _under: under(&keys.text) }
    }

    /// Tells these words (one line, no more than identities) to whoever hears, once the transaction is durable: see
    /// [`super::Db::hear`]. On SQLite nothing needs to be told: there whoever hears knows that something was committed.
    pub fn tell(&mut self, words: String) {
        if matches!(self.conn, Conn::Pg(_)) {
            self.told.push(words);
        }
    }

    pub(super) fn told(self) -> Vec<String> {
        self.told
    }

    /// The connection, for diesel's `execute` and `get_result`.
    pub fn conn(&mut self) -> &mut Conn {
        self.conn
    }

    /// The secrets that writing needs.
    pub fn keys(&self) -> &'a Keys {
        self.keys
    }
}

impl Deref for Tx<'_> {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        self.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
    }
}
