//! [`Db`]: the one way to read and the one way to write.

use super::connection::{Conn, DatabaseUrl, Tx, Use, make_private, open};
use super::keys::Keys;
use super::migrate;
use super::writer::Writer;
use diesel::connection::Connection;
use diesel::r2d2::{ManageConnection, Pool, R2D2Connection};
use std::time::Duration;

/// Why the database gave no answer. The text may name tables, never a value.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A statement failed.
    #[error("the database refused a statement: {0}")]
    Query(#[from] diesel::result::Error),
    /// No connection could be had in time.
    #[error("no database connection: {0}")]
    Pool(String),
    /// The transaction could not be made durable: nothing of it is kept.
    #[error("the database could not commit: {0}")]
    Commit(String),
    /// The code inside the transaction panicked, or the writer is gone; nothing of it is kept.
    #[error("the database writer gave up")]
    Gone,
}

impl DbError {
    /// Whether there was no room left on the database's disk. Neither database has a kind of its own for it in diesel:
    /// SQLITE_FULL, and ENOSPC as PostgreSQL (53100) passes it on.
    pub fn is_full(&self) -> bool {
        let words = self.to_string();
        ["database or disk is full", "No space left on device"].iter().any(|full| words.contains(full))
    }
}

struct Manager {
    url: DatabaseUrl,
    purpose: Use,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        open(&self.url, self.purpose).map_err(diesel::r2d2::Error::ConnectionError)
    }
    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        conn.ping().map_err(diesel::r2d2::Error::QueryError)
    }
    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

type Connections = Pool<Manager>;

fn connections(url: &DatabaseUrl, purpose: Use, size: u32) -> Result<Connections, DbError> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(Duration::from_secs(10))
        // a ping for each request is pointless on a file
        .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
        .build(Manager { url: url.clone(), purpose })
        .map_err(|e| DbError::Pool(e.to_string()))
}

#[derive(Clone)]
enum Writers {
    /// SQLite has one writer at a time: a thread of its own, whose callers share commits.
    Shared(Writer),
    Pooled(Connections),
}

/// The database, cheap to clone.
#[derive(Clone)]
pub struct Db {
    readers: Connections,
    writers: Writers,
    keys: Keys,
}

/// How many connections a process opens for reading, and on PostgreSQL for writing.
const CONNECTIONS: u32 = 8;

impl Db {
    /// Opens the database and brings it up to date.
    ///
    /// # Errors
    /// When it cannot be opened or migrated; the text says which.
    pub fn open(url: &DatabaseUrl, keys: Keys) -> Result<Db, DbError> {
        make_private(url).map_err(|e| DbError::Pool(e.to_string()))?;
        let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
        migrate::run(&mut conn).map_err(|e| DbError::Pool(format!("migration failed: {e}")))?;
        let readers = connections(url, Use::Read, CONNECTIONS)?;
        let writers = match conn {
            Conn::Sqlite(_) => Writers::Shared(Writer::start(conn).map_err(|e| DbError::Pool(e.to_string()))?),
            Conn::Pg(_) => Writers::Pooled(connections(url, Use::Write, CONNECTIONS)?),
        };
        Ok(Db { readers, writers, keys })
    }

    /// Writes what lies in SQLite's write-ahead log into the database file, so that a copy of that file is whole; where there
    /// is no such file, or on PostgreSQL, nothing is to be done.
    ///
    /// # Errors
    /// Where somebody reads or writes for longer than the busy timeout.
    pub fn checkpoint(url: &DatabaseUrl) -> Result<(), DbError> {
        if matches!(url, DatabaseUrl::Sqlite(path) if path.is_file()) {
            let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
            migrate::checkpoint(&mut conn)?;
        }
        Ok(())
    }

    /// Only migrates, and tells the names of the steps taken.
    ///
    /// # Errors
    /// When the database cannot be opened or a step fails.
    pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, DbError> {
        make_private(url).map_err(|e| DbError::Pool(e.to_string()))?;
        let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
        migrate::run(&mut conn).map_err(|e| DbError::Pool(format!("migration failed: {e}")))
    }

    /// Runs queries in one read transaction, off the caller's thread. The connection refuses to write.
    ///
    /// # Errors
    /// What `work` returns, or [`DbError`] where no connection can be had.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    {
        let readers = self.readers.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut conn = readers.get().map_err(|e| DbError::Pool(e.to_string()))?;
            let conn: &mut Conn = &mut conn;
            conn.transaction(work)
        });
        answer.await.unwrap_or(Err(DbError::Gone.into()))
    }

    /// Runs `work` as one transaction, off the caller's thread, and answers when it is durable. It may share its
    /// commit with others, so it must be short: no network and no password hashing inside.
    ///
    /// # Errors
    /// What `work` returns, and then nothing is kept; or [`DbError`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let keys = self.keys.clone();
        match &self.writers {
            Writers::Shared(writer) => writer.run(keys, work).await,
            Writers::Pooled(pool) => {
                let pool = pool.clone();
                let answer = tokio::task::spawn_blocking(move || {
                    let mut conn = pool.get().map_err(|e| DbError::Pool(e.to_string()))?;
                    let conn: &mut Conn = &mut conn;
                    conn.transaction(|conn| work(&mut Tx::new(conn, &keys)))
                });
                answer.await.unwrap_or(Err(DbError::Gone.into()))
            }
        }
    }

    /// The secrets that writing needs.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether this is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.writers, Writers::Pooled(_))
    }
}
