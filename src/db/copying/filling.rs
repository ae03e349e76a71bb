//! Fills an empty database, in one transaction.

use super::{Column, Line, Table, count, has_rows, insert, number_after, tables};
use crate::db::connection::{Conn, DatabaseUrl, Tx, Use, make_private, open};
use crate::db::keys::Keys;
use crate::db::migrate;
use crate::db::pool::DbError;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// Why a database was not filled. It is as empty as before then.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The missing migrations could not be run.
    #[error("{0}")]
    Steps(String),
    /// The database was not empty.
    #[error("the database is not empty: it has rows in {0}")]
    NotEmpty(String),
    /// A row refers to a row that does not exist.
    #[error("rows of the table {0} refer to rows that are missing")]
    Dangling(String),
    /// The database has no such table or column.
    #[error("the table {0} is not one of this database")]
    Unknown(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(FillError);

/// A database that is being filled, in one transaction.
pub struct Filling<'a> {
    conn: &'a mut Conn,
    keys: &'a Keys,
    tables: Vec<Table>,
}

/// Makes the tables of an empty database and fills them, all in one transaction: if it fails, the database is as empty
/// as it was.
///
/// # Errors
/// What `work` returns, or [`FillError`].
pub fn fill<T, E: From<FillError>>(
    url: &DatabaseUrl,
    keys: &Keys,
    work: impl FnOnce(&mut Filling) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |cause: String| FillError::Db(DbError::Pool(cause));
    make_private(url).map_err(|cause| failed(cause.to_string()))?;
    let mut conn = open(url, Use::Write).map_err(|cause| failed(cause.to_string()))?;
    conn.begin_write().map_err(FillError::from)?;
    let done = work(&mut Filling { conn: &mut conn, keys, tables: Vec::new() });
    match done {
        Ok(value) => {
            conn.commit().map_err(|cause| failed(cause.to_string()))?;
            Ok(value)
        }
        Err(cause) => {
            // a rollback that fails does no harm: the transaction ends with the connection
            let _ = conn.rollback();
            Err(cause)
        }
    }
}

impl Filling<'_> {
    /// Runs these migrations, and makes sure that no table has a row. References are checked only in [`Filling::end`].
    ///
    /// # Errors
    /// See [`FillError`].
    pub fn begin(&mut self, steps: &[String]) -> Result<(), FillError> {
        if let Conn::Pg(conn) = self.conn {
            conn.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
        }
        migrate::take(self.conn, steps).map_err(|cause| FillError::Steps(cause.to_string()))?;
        self.tables = tables(self.conn)?;
        let mut full = Vec::new();
        for table in &self.tables {
            if has_rows(self.conn, table)? {
                full.push(table.name.as_str());
            }
        }
        if !full.is_empty() {
            return Err(FillError::NotEmpty(full.join(", ")));
        }
        match self.conn {
            Conn::Sqlite(conn) => conn.batch_execute("PRAGMA defer_foreign_keys = ON")?,
            Conn::Pg(conn) => alter_references(conn, "DEFERRABLE INITIALLY DEFERRED")?,
        }
        Ok(())
    }

    /// Adds rows to a table. `lines`: a JSON array of lines.
    ///
    /// # Errors
    /// See [`FillError`].
    pub fn add(&mut self, table: &str, columns: &[String], lines: &str) -> Result<(), FillError> {
        let unknown = |name: &str| FillError::Unknown(name.to_owned());
        let to = self.tables.iter().find(|to| to.name == table).ok_or_else(|| unknown(table))?;
        let mut known: Vec<&Column> = Vec::new();
        for name in columns {
            let column = to.columns.iter().find(|column| column.name == *name);
            known.push(column.ok_or_else(|| unknown(&format!("{table} ({name})")))?);
        }
        Ok(insert(self.conn, table, &known, lines)?)
    }

    /// Gives how many rows a table has. The database goes on numbering after the table's last number, or after `last`.
    ///
    /// # Errors
    /// See [`FillError`].
    pub fn end_table(&mut self, table: &str, last: Option<i64>) -> Result<u64, FillError> {
        let rows = count(self.conn, &format!("SELECT count(*) AS number FROM \"{table}\""))?;
        if let Some(table) = self.tables.iter().find(|to| to.name == table) {
            number_after(self.conn, table, last)?;
        }
        Ok(u64::try_from(rows).unwrap_or_default())
    }

    /// Checks every reference, and runs the migrations that are newer than the rows.
    ///
    /// # Errors
    /// See [`FillError`].
    pub fn end(&mut self) -> Result<(), FillError> {
        match self.conn {
            Conn::Sqlite(conn) => {
                let dangling = "SELECT \"table\" AS line FROM pragma_foreign_key_check LIMIT 1";
                if let Some(row) = diesel::sql_query(dangling).get_result::<Line>(conn).optional()? {
                    return Err(FillError::Dangling(row.line));
                }
                conn.batch_execute("PRAGMA defer_foreign_keys = OFF")?;
            }
            Conn::Pg(conn) => {
                conn.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").map_err(|cause| match &cause {
                    diesel::result::Error::DatabaseError(_, what) => {
                        FillError::Dangling(what.table_name().unwrap_or("?").to_owned())
                    }
                    _ => cause.into(),
                })?;
                alter_references(conn, "NOT DEFERRABLE")?;
            }
        }
        migrate::take_all(self.conn).map_err(|cause| FillError::Steps(cause.to_string()))
    }

    /// The transaction.
    pub fn tx(&mut self) -> Tx<'_> {
        Tx::new(self.conn, self.keys)
    }
}

/// Sets when PostgreSQL checks every reference.
fn alter_references(conn: &mut PgConnection, when: &str) -> QueryResult<()> {
    let query = format!(
        "SELECT format('ALTER TABLE %I ALTER CONSTRAINT %I {when}', c.relname, k.conname) AS line FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace \
         ORDER BY 1"
    );
    let rows: Vec<Line> = diesel::sql_query(query).load(conn)?;
    rows.iter().try_for_each(|row| conn.batch_execute(&row.line))
}
