//! [`Db`]: the one way to read and the one way to write.

use super::connection::{Conn, DatabaseUrl, Tx, Use, make_private, open};
use super::copying;
use super::errand::Errand;
use super::hearing::{Heard, Hearing};
use super::in_time;
use super::keys::Keys;
use super::migrate;
use super::sealed;
use super::turns::{self, Turns};
use super::writer::Writer;
use crate::traces;
use diesel::QueryResult;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection};
use diesel::result::{DatabaseErrorKind, Error};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Instrument;

/// Why the database gave no answer. The text may name tables, never a value.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A statement failed.
    #[error("the database refused a statement: {0}")]
    Query(#[from] diesel::result::Error),
    /// No connection became free in time.
    #[error("no database connection: {0}")]
    Pool(String),
    /// The transaction could not be made durable: nothing of it is kept.
    #[error("the database could not commit: {0}")]
    Commit(String),
    /// The database holds text that is sealed with keys that are not configured.
    #[error("the database was not opened: {0}")]
    Refused(String),
    /// The code inside the transaction panicked, or the writer is gone; nothing of it is kept.
    #[error("the database writer gave up")]
    Gone,
    /// What the request relied on does not hold any more: nothing was done, and the request is served again. See
    /// [`Errand`].
    #[error("the request is stale")]
    Stale,
}

impl DbError {
    /// Whether the database's disk is full. diesel has no error kind for it: the text is that of SQLITE_FULL, or of
    /// ENOSPC as PostgreSQL (53100) passes it on.
    pub fn is_full(&self) -> bool {
        let words = self.to_string();
        ["database or disk is full", "No space left on device"].iter().any(|full| words.contains(full))
    }

    /// Whether the database stopped a query that took longer than a page may. diesel has no error kind for it.
    pub fn is_late(&self) -> bool {
        let words = self.to_string();
        [super::in_time::TOO_LATE, "statement timeout"].iter().any(|late| words.contains(late))
    }
}

struct Manager {
    url: DatabaseUrl,
    purpose: Use,
}

/// A connection that waits for its next use.
struct Kept {
    conn: Conn,
    used_at: Instant,
    is_dead: bool,
}

/// A connection to PostgreSQL that was used within this time is not tested before its next use: the next statement
/// shows whether it still works.
const FRESH: Duration = Duration::from_secs(1);

impl ManageConnection for Manager {
    type Connection = Kept;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Kept, Self::Error> {
        let conn = open(&self.url, self.purpose).map_err(diesel::r2d2::Error::ConnectionError)?;
        Ok(Kept { conn, used_at: Instant::now(), is_dead: false })
    }
    fn is_valid(&self, kept: &mut Kept) -> Result<(), Self::Error> {
        match kept.used_at.elapsed() < FRESH {
            true => Ok(()),
            false => kept.conn.ping().map_err(diesel::r2d2::Error::QueryError),
        }
    }
    fn has_broken(&self, kept: &mut Kept) -> bool {
        std::thread::panicking() || kept.is_dead || kept.conn.is_broken()
    }
}

type Connections = Pool<Manager>;

fn connections(url: &DatabaseUrl, purpose: Use, size: usize) -> Result<Connections, DbError> {
    Pool::builder()
        .max_size(u32::try_from(size).unwrap_or(u32::MAX))
        .min_idle(Some(1))
        .connection_timeout(Duration::from_secs(10))
        // a ping for each request is pointless on a file
        .test_on_check_out(url.is_postgres())
        .build(Manager { url: url.clone(), purpose })
        .map_err(|e| DbError::Pool(e.to_string()))
}

/// A connection of the pool on which a transaction has begun. A connection that was lost since its last use is dropped,
/// and the next one is tried.
fn begun(pool: &Connections) -> Result<PooledConnection<Manager>, DbError> {
    for _ in 0..=pool.max_size() {
        let mut kept = pool.get().map_err(|e| DbError::Pool(e.to_string()))?;
        match kept.conn.begin_read() {
            Ok(()) => return Ok(kept),
            Err(Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            )) => kept.is_dead = true,
            Err(cause) => return Err(cause.into()),
        }
    }
    Err(DbError::Pool("the database has closed every connection".to_owned()))
}

/// Runs `work` as one transaction on a connection of the pool.
fn in_transaction<T, E>(pool: &Connections, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E>
where
    E: From<DbError> + From<Error>,
{
    let mut kept = begun(pool)?;
    let done = work(&mut kept.conn);
    let end = match &done {
        Ok(_) => kept.conn.end_read(true),
        Err(_) => kept.conn.end_read(false),
    };
    kept.used_at = Instant::now();
    match (done, end) {
        (Err(why), Ok(())) => Err(why),
        (Err(why), Err(_)) => {
            kept.is_dead = true;
            Err(why)
        }
        (Ok(value), Ok(())) => Ok(value),
        (Ok(_), Err(cause)) => {
            kept.is_dead = true;
            Err(cause.into())
        }
    }
}

/// Checks what the request relies on; an error where the request is stale.
fn look_first(conn: &mut Conn, errand: Option<&Errand>) -> Result<(), DbError> {
    match errand {
        Some(errand) if !errand.holds(conn)? => Err(DbError::Stale),
        _ => Ok(()),
    }
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
    turns: Turns,
    keys: Keys,
    hearing: Arc<Hearing>,
}

/// How many connections a process opens at most for reading, and on PostgreSQL for writing. A reader waits for its turn
/// before it takes one.
const READERS: usize = turns::FRONT + turns::PAGES + turns::BACKGROUND;
const WRITERS: usize = 8;

impl Db {
    /// Opens the database and brings it up to date.
    ///
    /// # Errors
    /// When it cannot be opened or migrated; the text says which.
    pub fn open(url: &DatabaseUrl, keys: Keys) -> Result<Db, DbError> {
        make_private(url).map_err(|e| DbError::Pool(e.to_string()))?;
        let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
        copying::admit(&mut conn)?;
        if let Err(cause) = migrate::run(&mut conn) {
            // it may have waited for the last pass of a move
            copying::admit(&mut conn)?;
            return Err(DbError::Pool(format!("migration failed: {cause}")));
        }
        sealed::admit(&mut conn, &keys.text).map_err(DbError::Refused)?;
        let readers = connections(url, Use::Read, READERS)?;
        let writers = match conn {
            Conn::Sqlite(_) => Writers::Shared(Writer::start(conn).map_err(|e| DbError::Pool(e.to_string()))?),
            Conn::Pg(_) => Writers::Pooled(connections(url, Use::Write, WRITERS)?),
        };
        Ok(Db { readers, writers, turns: Turns::new(), keys, hearing: Arc::new(Hearing::new(url)) })
    }

    /// Writes the content of SQLite's write-ahead log into the database file, so that a copy of that file is whole;
    /// does nothing where there is no such file, or on PostgreSQL.
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

    /// Rewrites the file of an SQLite database, so that nothing is left in it of what was removed or replaced, and
    /// empties its write-ahead log.
    ///
    /// # Errors
    /// Where somebody reads or writes for longer than the busy timeout.
    pub fn compact(url: &DatabaseUrl) -> Result<(), DbError> {
        let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
        Ok(migrate::compact(&mut conn)?)
    }

    /// Reads from a database without changing or making anything; `None` where there is no database yet, or it is older
    /// than what is read.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn look<T>(url: &DatabaseUrl, work: impl FnOnce(&mut Conn) -> QueryResult<T>) -> Result<Option<T>, DbError> {
        if matches!(url, DatabaseUrl::Sqlite(path) if !path.is_file()) {
            return Ok(None);
        }
        let mut conn = open(url, Use::Read).map_err(|e| DbError::Pool(e.to_string()))?;
        Ok(work(&mut conn).ok())
    }

    /// Only migrates, and gives the names of the migrations that ran.
    ///
    /// # Errors
    /// When the database cannot be opened or a migration fails.
    pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, DbError> {
        make_private(url).map_err(|e| DbError::Pool(e.to_string()))?;
        let mut conn = open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))?;
        copying::admit(&mut conn)?;
        migrate::run(&mut conn).map_err(|e| DbError::Pool(format!("migration failed: {e}")))
    }

    /// Lets a role of PostgreSQL run the program without owning its tables: it can add to the audit log and read it,
    /// and change nothing there. The caller connects as the owner, and repeats this after each upgrade, for new tables.
    ///
    /// # Errors
    /// When the database cannot be opened, is not PostgreSQL, or has no such role.
    pub fn grant(url: &DatabaseUrl, role: &str) -> Result<(), DbError> {
        match open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()))? {
            Conn::Pg(mut conn) => Ok(migrate::grant(&mut conn, role)?),
            Conn::Sqlite(_) => Err(DbError::Pool("SQLite has no roles: --grant-to is for PostgreSQL".into())),
        }
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
        self.read_now(work).instrument(traces::transaction(false)).await
    }

    async fn read_now<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    {
        let (readers, errand, text) = (self.readers.clone(), Errand::current(), self.keys.text.clone());
        let turn = self.turns.to_read(errand.as_deref()).await?;
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _under = sealed::under(&text);
            in_time::begins(errand.as_deref().map(Errand::limit));
            in_transaction(&readers, |conn| {
                look_first(conn, errand.as_deref())?;
                work(conn)
            })
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
        self.write_now(work).instrument(traces::transaction(true)).await
    }

    async fn write_now<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let (keys, errand) = (self.keys.clone(), Errand::current());
        let turn = self.turns.to_write(errand.as_deref()).await?;
        let work = move |tx: &mut Tx| {
            look_first(tx, errand.as_deref())?;
            work(tx)
        };
        match &self.writers {
            Writers::Shared(writer) => {
                let _turn = turn;
                writer.run(keys, work).await
            }
            Writers::Pooled(pool) => {
                let (pool, hearing) = (pool.clone(), Arc::clone(&self.hearing));
                let answer = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    let done = in_transaction(&pool, |conn| {
                        let mut tx = Tx::new(conn, &keys);
                        let done = work(&mut tx)?;
                        Ok((done, tx.told()))
                    });
                    // told also where nobody waits for the answer any more
                    done.map(|(done, told)| {
                        told.into_iter().for_each(|words| hearing.tell(words));
                        done
                    })
                });
                answer.await.unwrap_or(Err(DbError::Gone.into()))
            }
        }
    }

    /// Hears from now on of what is committed, in this process and in others. Who heard before hears no more.
    pub fn hear(&self) -> UnboundedReceiver<Heard> {
        self.hearing.hear()
    }

    /// Tells these words (one line, no more than identities) to whoever hears: on PostgreSQL in every process.
    pub fn tell(&self, words: String) {
        self.hearing.tell(words);
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
