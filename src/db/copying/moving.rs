//! Brings the rows of a running SQLite database over to PostgreSQL.
//!
//! Both databases are read side by side in the order of the primary keys; what differs is deleted there, and what is
//! lacking is added. So a pass may be broken off anywhere, and the next one goes on with what still differs: the first
//! passes run while the clinic works, the last one under the lock of SQLite's writers. References and triggers are set
//! aside in between, because rows come in no order that they would allow.
//!
//! Each database carries a mark: the new one refuses to be opened until it is whole, the old one from then on.

use super::mark::{GONE, Mark, Refused, is_gone};
use super::sides::{Found, Wanted, side_by_side};
use super::{Column, Line, Table, has_rows, last_number, number_after, steps, tables};
use crate::db::connection::{Conn, DatabaseUrl, Tx, Use, open};
use crate::db::keys::Keys;
use crate::db::migrate;
use crate::db::pool::DbError;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Bool;

/// How often a table is compared again after what differed was written.
const ROUNDS: usize = 3;
/// Keeps every program out of the old database, also one that runs and is too old to know the mark: it writes to no table,
/// and opens no database that a newer program has changed.
fn closed(tables: impl Iterator<Item = String>) -> String {
    let refuse = "BEGIN SELECT RAISE(ABORT, 'the clinic was moved out of this database'); END;";
    let of_table = |table: String| {
        ["INSERT", "UPDATE", "DELETE"]
            .map(|verb| format!("CREATE TRIGGER \"moved_{table}_{verb}\" BEFORE {verb} ON \"{table}\" {refuse}"))
            .concat()
    };
    let step = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000');";
    tables.map(of_table).chain([step.to_owned()]).collect()
}

/// The advisory lock under which rows are brought over: one process at a time.
const LOCK: i64 = 7_305_020;

/// Why the rows were not brought over. What was brought over so far stays, and need not be again.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The old database is none.
    #[error("database_url: {0} is not there: name the SQLite database of the clinic")]
    NoSource(String),
    /// The wrong kinds of databases.
    #[error("only from SQLite to PostgreSQL: database_url names the SQLite database, --to the other")]
    Kinds,
    /// The old database was left already.
    #[error(transparent)]
    Gone(#[from] Refused),
    /// The tables are not those of this program.
    #[error("{0}: its tables are of another version of Postern: run `postern migrate` of this version first")]
    Version(&'static str),
    /// A move of another version was broken off.
    #[error(
        "--to: another version of Postern began to fill the database: empty it (DROP SCHEMA public CASCADE; CREATE SCHEMA \
         public) and run the command again"
    )]
    Half,
    /// The clinic was moved before; only the mark of its end was lacking, and is there now.
    #[error("the clinic was moved already: set database_url to the new database and restart every process")]
    Done,
    /// The old database was left, and the new one does not open yet.
    #[error("the clinic has moved, and one step is lacking before the new database opens: run the command once more")]
    Unconfirmed,
    /// The new database belongs to somebody else.
    #[error("--to: the database is not empty, it has rows in {0}: name an empty one")]
    NotEmpty(String),
    /// The new database was being filled from another one.
    #[error("--to: the database holds another clinic: name an empty one")]
    OtherClinic,
    /// Another process does the same.
    #[error("another process brings rows into this database: wait for its end")]
    Busy,
    /// Both do not agree.
    #[error("the rows of {0} are not the same in both databases: nothing was switched; run the command again")]
    Differs(String),
    /// A row cannot be read as what was written.
    #[error("a row of {0} cannot be read")]
    Broken(String),
    /// The tables could not be made.
    #[error("--to: {0}")]
    Steps(String),
    /// A database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(MoveError);

/// What both databases hold of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// the table
    pub table: String,
    /// how many rows it has
    pub rows: u64,
    /// how many of them came with this pass
    pub came: u64,
    /// SHA-256 of its rows in the order of their keys, in hexadecimal; the same on both sides
    pub sha256: String,
}

/// A move that goes on.
pub struct Moving {
    from: Conn,
    to: Conn,
    /// the new database once more, to be read while it is written
    reader: Conn,
    /// each table as SQLite has it and as PostgreSQL has it, with the columns in the same order
    tables: Vec<(Table, Table)>,
    mark: Mark,
}

impl Table {
    /// The same table with its columns in the order of another database's; `None` where they are not the same.
    fn like(&self, other: &Table) -> Option<Table> {
        let same = |name: &String| self.columns.iter().find(|column| column.name == *name).cloned();
        let columns: Option<Vec<Column>> = other.columns().iter().map(same).collect();
        let columns = columns.filter(|columns| columns.len() == self.columns.len())?;
        Some(Table { name: self.name.clone(), columns, key: other.key.clone(), counted: self.counted.clone() })
    }
}

impl Moving {
    /// Opens both databases, and makes the tables of the new one where it is empty.
    ///
    /// # Errors
    /// See [`MoveError`]. Nothing was changed then.
    pub fn begin(from: &DatabaseUrl, to: &DatabaseUrl) -> Result<Moving, MoveError> {
        let DatabaseUrl::Sqlite(path) = from else { return Err(MoveError::Kinds) };
        if !to.is_postgres() {
            return Err(MoveError::Kinds);
        }
        if !path.is_file() {
            return Err(MoveError::NoSource(path.display().to_string()));
        }
        let opened = |url| open(url, Use::Write).map_err(|e| DbError::Pool(e.to_string()));
        let (mut from, mut to, mut reader) = (opened(from)?, opened(to)?, opened(to)?);
        if is_gone(&mut from)? {
            return Err(match confirm(&mut to, &clinic_of(&mut from)?, &newest_of(&mut from)?)? {
                true => MoveError::Done,
                false => Refused::Gone.into(),
            });
        }
        for conn in [&mut to, &mut reader] {
            if let Conn::Pg(conn) = conn {
                conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
            }
        }
        let steps = steps(&mut from)?;
        let known = migrate::sqlite_versions().map_err(|e| MoveError::Steps(e.to_string()))?;
        if steps != known {
            return Err(MoveError::Version("database_url"));
        }
        let here = tables(&mut from)?;
        let (mark, tables) = prepare(&mut to, &clinic_of(&mut from)?, &steps, &here)?;
        Ok(Moving { from, to, reader, tables, mark })
    }

    /// Brings over what differs, as of this moment, and gives how many rows that were. The old database may be written
    /// meanwhile.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn pass(&mut self) -> Result<u64, MoveError> {
        self.from.begin_read()?;
        let mut differed = 0;
        let tables = self.tables.clone();
        let done = tables.iter().try_for_each(|(here, there)| {
            differed += self.bring(here, there)?;
            Ok(())
        });
        self.from.end_read(true)?;
        done.map(|()| differed)
    }

    /// Makes a table of the new database like that of the old one; gives how many rows differed.
    fn bring(&mut self, here: &Table, there: &Table) -> Result<u64, MoveError> {
        if !has_rows(&mut self.to, there)? {
            return Ok(self.side_by_side(here, there, Wanted::Lacking)?.lacking);
        }
        let found = self.side_by_side(here, there, Wanted::Other)?;
        if found.lacking > 0 {
            self.side_by_side(here, there, Wanted::Lacking)?;
        }
        Ok(found.other + found.lacking)
    }

    /// Makes all tables alike, and compares all of both.
    fn compare(&mut self) -> Result<Vec<Moved>, MoveError> {
        let tables = self.tables.clone();
        tables.iter().map(|(here, there)| self.compare_one(here, there)).collect()
    }

    fn compare_one(&mut self, here: &Table, there: &Table) -> Result<Moved, MoveError> {
        let mut came = 0;
        for _ in 0..ROUNDS {
            let found = self.side_by_side(here, there, Wanted::Other)?;
            if found.other == 0 && found.lacking == 0 && found.here == found.there {
                return Ok(Moved { table: here.name.clone(), rows: found.rows, came, sha256: found.here });
            }
            came += found.lacking;
            if found.lacking > 0 {
                self.side_by_side(here, there, Wanted::Lacking)?;
            }
        }
        Err(MoveError::Differs(here.name.clone()))
    }

    fn side_by_side(&mut self, here: &Table, there: &Table, wanted: Wanted) -> Result<Found, MoveError> {
        side_by_side(&mut self.from, (&mut self.to, &mut self.reader), (here, there), wanted)
    }

    /// The last pass, during which nobody writes. `tell` writes to the old database what the new one is to know of the
    /// move; `check` looks at the new one before it counts. Then the old one is left for good.
    ///
    /// # Errors
    /// See [`MoveError`]. But for [`MoveError::Unconfirmed`] the old database is as before then, and still in use.
    pub fn finish<E: From<MoveError> + From<diesel::result::Error>>(
        mut self,
        keys: &Keys,
        tell: impl FnOnce(&mut Tx) -> QueryResult<()>,
        check: impl FnOnce(&mut Tx) -> Result<(), E>,
    ) -> Result<Vec<Moved>, E> {
        let failed = |cause: diesel::result::Error| E::from(MoveError::from(cause));
        if let Conn::Sqlite(conn) = &mut self.from {
            // a long write, such as an import, ends first
            conn.batch_execute("PRAGMA busy_timeout = 600000").map_err(failed)?;
        }
        self.from.begin_write().map_err(failed)?;
        let done = match self.is_as_before() {
            Ok(true) => self.last_pass(keys, tell, check),
            Ok(false) => Err(MoveError::Version("database_url").into()),
            Err(cause) => Err(failed(cause)),
        };
        match done {
            Ok(moved) => {
                // from here on nobody writes to the old database any more
                self.from.commit().map_err(failed)?;
                // if this is not reached, the command is run again, and does only this
                let Conn::Pg(conn) = &mut self.to else { return Ok(moved) };
                self.mark.confirmed = true;
                Mark::put(Some(&self.mark), conn).map_err(|_| MoveError::Unconfirmed)?;
                Ok(moved)
            }
            Err(cause) => {
                // the transaction ends with the connection, if not now
                let _ = self.from.rollback();
                Err(cause)
            }
        }
    }

    /// Whether no newer program has changed the tables of the old database since the move began.
    fn is_as_before(&mut self) -> QueryResult<bool> {
        let known = steps(&mut self.to)?;
        let here = tables(&mut self.from)?;
        Ok(steps(&mut self.from)? == known && here.iter().eq(self.tables.iter().map(|(here, _)| here)))
    }

    fn last_pass<E: From<MoveError> + From<diesel::result::Error>>(
        &mut self,
        keys: &Keys,
        tell: impl FnOnce(&mut Tx) -> QueryResult<()>,
        check: impl FnOnce(&mut Tx) -> Result<(), E>,
    ) -> Result<Vec<Moved>, E> {
        tell(&mut Tx::new(&mut self.from, keys))?;
        if let Conn::Sqlite(conn) = &mut self.from {
            conn.batch_execute(&format!("PRAGMA user_version = {GONE}"))?;
            conn.batch_execute(&closed(self.tables.iter().map(|(here, _)| here.name.clone())))?;
        }
        let moved = self.compare()?;
        self.to.begin_write()?;
        let ended = self.end_there(keys, check);
        match ended {
            Ok(()) => self.to.commit()?,
            Err(cause) => {
                let _ = self.to.rollback();
                return Err(cause);
            }
        }
        Ok(moved)
    }

    fn end_there<E: From<MoveError> + From<diesel::result::Error>>(
        &mut self,
        keys: &Keys,
        check: impl FnOnce(&mut Tx) -> Result<(), E>,
    ) -> Result<(), E> {
        for (here, there) in &self.tables {
            let last = last_number(&mut self.from, here)?;
            number_after(&mut self.to, there, last)?;
        }
        if let Conn::Pg(conn) = &mut self.to {
            self.mark.references.iter().try_for_each(|line| conn.batch_execute(line))?;
            set_triggers(conn, self.tables.iter().map(|(_, there)| there), "ENABLE")?;
            (self.mark.whole, self.mark.references) = (true, Vec::new());
            Mark::put(Some(&self.mark), conn)?;
        }
        check(&mut Tx::new(&mut self.to, keys))
    }
}

/// Each table as SQLite has it and as PostgreSQL has it, with the columns in the same order.
type Pairs = Vec<(Table, Table)>;

fn paired(here: &[Table], there: &[Table]) -> Result<Pairs, MoveError> {
    let pair = |here: &Table| {
        let there = there.iter().find(|there| there.name == here.name)?.like(here)?;
        Some((here.clone(), there))
    };
    let pairs: Pairs = here.iter().filter_map(pair).collect();
    let all = pairs.len() == here.len() && pairs.len() == there.len();
    if all { Ok(pairs) } else { Err(MoveError::Version("--to")) }
}

/// Opens the new database to programs where only that was lacking, because the old one was left and the command then broken
/// off; says whether the clinic lives there.
fn confirm(to: &mut Conn, clinic: &str, newest: &str) -> QueryResult<bool> {
    // an earlier try may have filled another database, which is old now
    let is_newest = newest_of(to)? == newest;
    let Conn::Pg(conn) = to else { return Ok(false) };
    match Mark::of(conn)? {
        Some(mark) if is_newest && mark.whole && mark.clinic == clinic => {
            Mark::put(Some(&Mark { confirmed: true, ..mark }), conn)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Makes the new database ready to take rows, in one transaction, or finds that it is.
fn prepare(to: &mut Conn, clinic: &str, versions: &[String], here: &[Table]) -> Result<(Mark, Pairs), MoveError> {
    to.begin_write()?;
    let made = prepare_now(to, clinic, versions, here);
    match made {
        Ok(made) => {
            to.commit()?;
            Ok(made)
        }
        Err(cause) => {
            let _ = to.rollback();
            Err(cause)
        }
    }
}

fn prepare_now(to: &mut Conn, clinic: &str, versions: &[String], here: &[Table]) -> Result<(Mark, Pairs), MoveError> {
    #[derive(QueryableByName)]
    struct Held {
        #[diesel(sql_type = Bool)]
        held: bool,
    }
    let Conn::Pg(conn) = to else { return Err(MoveError::Kinds) };
    let held: Held = diesel::sql_query(format!("SELECT pg_try_advisory_lock({LOCK}) AS held")).get_result(conn)?;
    if !held.held {
        return Err(MoveError::Busy);
    }
    match Mark::of(conn)? {
        Some(mark) if mark.clinic != clinic => return Err(MoveError::OtherClinic),
        // both are in use, as after an old copy of SQLite's file came back
        Some(mark) if mark.confirmed => return Err(MoveError::NotEmpty("audit_events".into())),
        Some(_) if steps(to)? != versions => return Err(MoveError::Half),
        Some(mark) if !mark.whole => {
            let there = tables(to)?;
            return Ok((mark, paired(here, &there)?));
        }
        // it was whole, but the old database was not left: nobody could open it, and it goes on from here
        Some(_) => {}
        None => {
            migrate::take(to, versions).map_err(|cause| MoveError::Steps(cause.to_string()))?;
            let mut full = Vec::new();
            for table in tables(to)? {
                if has_rows(to, &table)? {
                    full.push(table.name);
                }
            }
            if !full.is_empty() {
                return Err(MoveError::NotEmpty(full.join(", ")));
            }
        }
    }
    let there = tables(to)?;
    let pairs = paired(here, &there)?;
    let Conn::Pg(conn) = to else { return Err(MoveError::Kinds) };
    set_triggers(conn, &there, "DISABLE")?;
    let references = set_references_aside(conn)?;
    let mark = Mark { clinic: clinic.to_owned(), whole: false, confirmed: false, references };
    Mark::put(Some(&mark), conn)?;
    Ok((mark, pairs))
}

fn set_triggers<'a>(
    conn: &mut PgConnection,
    tables: impl IntoIterator<Item = &'a Table>,
    how: &str,
) -> QueryResult<()> {
    let query = |table: &Table| format!("ALTER TABLE \"{}\" {how} TRIGGER USER", table.name);
    tables.into_iter().try_for_each(|table| conn.batch_execute(&query(table)))
}

/// Drops every reference; gives the statements that add them again.
fn set_references_aside(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    let select = |line: &str| {
        format!(
            "SELECT {line} AS line FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' \
             AND c.relnamespace = current_schema()::regnamespace ORDER BY k.conname, c.relname"
        )
    };
    let add =
        select("format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, k.conname, pg_get_constraintdef(k.oid))");
    let drop = select("format('ALTER TABLE %I DROP CONSTRAINT %I', c.relname, k.conname)");
    let added: Vec<Line> = diesel::sql_query(add).load(conn)?;
    let dropped: Vec<Line> = diesel::sql_query(drop).load(conn)?;
    dropped.iter().try_for_each(|row| conn.batch_execute(&row.line))?;
    Ok(added.into_iter().map(|row| row.line).collect())
}

/// A name of the clinic that two clinics never share: the hash of the first row of its audit log.
fn clinic_of(conn: &mut Conn) -> QueryResult<String> {
    hash_of(conn, "")
}

/// The hash of the newest row of the audit log.
fn newest_of(conn: &mut Conn) -> QueryResult<String> {
    hash_of(conn, "DESC")
}

fn hash_of(conn: &mut Conn, order: &str) -> QueryResult<String> {
    let query = |hash: &str| format!("SELECT {hash} AS line FROM audit_events ORDER BY id {order} LIMIT 1");
    let row: Option<Line> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(query("lower(hex(hash))")).get_result(conn).optional()?,
        Conn::Pg(conn) => diesel::sql_query(query("encode(hash, 'hex')")).get_result(conn).optional()?,
    };
    Ok(row.map(|row| row.line).unwrap_or_default())
}
