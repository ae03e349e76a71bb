//! Every row of every table as lines of JSON that both databases write and read alike: a backup is made of them. The
//! tables and columns come from the database's own catalogue, so that a new one cannot be forgotten.
//!
//! A line is an array with a value for each column: numbers, truth (0 or 1) and moments (microseconds since 1970) as
//! numbers, text as text, bytes in hexadecimal.

use super::connection::{Conn, DatabaseUrl, Tx, Use, make_private, open};
use super::keys::Keys;
use super::migrate;
use super::pool::DbError;
use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// A table of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// its name
    pub name: String,
    columns: Vec<Column>,
    /// the column that the database numbers, never using a number twice
    counted: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: String,
}

impl Table {
    /// The names of its columns.
    pub fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    counted: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

const SQLITE_TABLES: &str = "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind, \
     (m.sql LIKE '%AUTOINCREMENT%' AND c.pk > 0) AS counted FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
     WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' AND m.name <> '__diesel_schema_migrations' \
     ORDER BY m.name, c.cid";
const POSTGRES_TABLES: &str = "SELECT c.relname::text AS table_name, a.attname::text AS column_name, \
     format_type(a.atttypid, NULL) AS kind, (a.attidentity <> '')::int::bigint AS counted \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 \
     AND NOT a.attisdropped AND c.relname <> '__diesel_schema_migrations' ORDER BY c.relname, a.attnum";

/// Every table, by its name.
pub fn tables(conn: &mut Conn) -> QueryResult<Vec<Table>> {
    let rows: Vec<Described> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(SQLITE_TABLES).load(conn)?,
        Conn::Pg(conn) => diesel::sql_query(POSTGRES_TABLES).load(conn)?,
    };
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        if tables.last().is_none_or(|table| table.name != row.table_name) {
            tables.push(Table { name: row.table_name, columns: Vec::new(), counted: None });
        }
        let Some(table) = tables.last_mut() else { continue };
        if row.counted != 0 {
            table.counted = Some(row.column_name.clone());
        }
        table.columns.push(Column { name: row.column_name, kind: row.kind.to_lowercase() });
    }
    Ok(tables)
}

/// Makes this read transaction, which must not have read yet, see one moment until its end, however long it takes.
/// SQLite's read transactions do so by themselves.
pub fn stand_still(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Pg(conn) => {
            conn.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0")
        }
    }
}

/// The versions of the migrations that made this database, oldest first.
pub fn steps(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let query = "SELECT version AS line FROM __diesel_schema_migrations ORDER BY version";
    let rows: Vec<Line> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(query).load(conn)?,
        Conn::Pg(conn) => diesel::sql_query(query.replace("version AS", "version::text AS")).load(conn)?,
    };
    Ok(rows.into_iter().map(|row| row.line).collect())
}

/// Hands every row of a table to `take`, one at a time, and gives their number.
pub fn each_row<E: From<diesel::result::Error>>(
    conn: &mut Conn,
    table: &Table,
    mut take: impl FnMut(&str) -> Result<(), E>,
) -> Result<u64, E> {
    let mut count = 0;
    let mut next = |row: QueryResult<Line>| {
        count += 1;
        take(&row?.line)
    };
    match conn {
        Conn::Sqlite(conn) => {
            let values = table.columns.iter().map(|Column { name, kind }| match kind.as_str() {
                // hex() gives an empty text for NULL
                "blob" => format!("iif(\"{name}\" IS NULL, NULL, lower(hex(\"{name}\")))"),
                _ => format!("\"{name}\""),
            });
            let values: Vec<String> = values.collect();
            let query = format!("SELECT json_array({}) AS line FROM \"{}\"", values.join(", "), table.name);
            diesel::sql_query(query).load_iter::<Line, DefaultLoadingMode>(conn)?.try_for_each(&mut next)?;
        }
        Conn::Pg(conn) => {
            let values = table.columns.iter().map(|Column { name, kind }| match kind.as_str() {
                "bytea" => format!("encode(\"{name}\", 'hex')"),
                "boolean" => format!("\"{name}\"::int"),
                // whole seconds and the microseconds apart: exact, whatever type extract() counts in
                "timestamp with time zone" => format!(
                    "extract(epoch FROM date_trunc('second', \"{name}\"))::bigint * 1000000 \
                     + extract(microseconds FROM \"{name}\")::bigint % 1000000"
                ),
                _ => format!("\"{name}\""),
            });
            let values: Vec<String> = values.collect();
            let query = format!("SELECT json_build_array({})::text AS line FROM \"{}\"", values.join(", "), table.name);
            diesel::sql_query(query).load_iter::<Line, PgRowByRowLoadingMode>(conn)?.try_for_each(&mut next)?;
        }
    }
    Ok(count)
}

/// The last number that the database gave in this table; `None` where the table has no numbered column or no number
/// yet.
pub fn last_number(conn: &mut Conn, table: &Table) -> QueryResult<Option<i64>> {
    let Some(counted) = &table.counted else { return Ok(None) };
    let row: Option<Number> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query("SELECT seq AS number FROM sqlite_sequence WHERE name = ?")
            .bind::<Text, _>(&table.name)
            .get_result(conn)
            .optional()?,
        Conn::Pg(conn) => {
            diesel::sql_query("SELECT pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass) AS number")
                .bind::<Text, _>(&table.name)
                .bind::<Text, _>(counted)
                .get_result(conn)
                .optional()?
        }
    };
    Ok(row.and_then(|row| row.number))
}

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
            if count(
                self.conn,
                &format!("SELECT count(*) AS number FROM (SELECT 1 FROM \"{}\" LIMIT 1) x", table.name),
            )? > 0
            {
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
        let mut kinds = Vec::new();
        for name in columns {
            let column = to.columns.iter().find(|column| column.name == *name);
            kinds.push(column.map(|column| column.kind.as_str()).ok_or_else(|| unknown(&format!("{table} ({name})")))?);
        }
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let into = format!("INSERT INTO \"{table}\" ({})", names.join(", "));
        let kinds = kinds.into_iter().enumerate();
        match self.conn {
            Conn::Sqlite(conn) => {
                let values: Vec<String> = kinds
                    .map(|(at, kind)| match kind {
                        "blob" => format!("unhex(json_extract(value, '$[{at}]'))"),
                        _ => format!("json_extract(value, '$[{at}]')"),
                    })
                    .collect();
                let query = format!("{into} SELECT {} FROM json_each(?)", values.join(", "));
                diesel::sql_query(query).bind::<Text, _>(lines).execute(conn)?;
            }
            Conn::Pg(conn) => {
                let values: Vec<String> = kinds
                    .map(|(at, kind)| match kind {
                        "bytea" => format!("decode(v->>{at}, 'hex')"),
                        "boolean" => format!("(v->>{at})::int::boolean"),
                        // days and the microseconds of a day apart: an interval multiplies in doubles, which are not
                        // exact for large numbers
                        "timestamp with time zone" => format!(
                            "'epoch'::timestamptz + interval '1 day' * ((v->>{at})::bigint / 86400000000) \
                             + interval '1 microsecond' * ((v->>{at})::bigint % 86400000000)"
                        ),
                        "text" => format!("v->>{at}"),
                        kind => format!("(v->>{at})::{kind}"),
                    })
                    .collect();
                let query =
                    format!("{into} SELECT {} FROM jsonb_array_elements($1::jsonb) AS t (v)", values.join(", "));
                diesel::sql_query(query).bind::<Text, _>(lines).execute(conn)?;
            }
        }
        Ok(())
    }

    /// Gives how many rows a table has. The database goes on numbering after the table's last number, or after `last`.
    ///
    /// # Errors
    /// See [`FillError`].
    pub fn end_table(&mut self, table: &str, last: Option<i64>) -> Result<u64, FillError> {
        let rows = count(self.conn, &format!("SELECT count(*) AS number FROM \"{table}\""))?;
        let counted = self.tables.iter().find(|to| to.name == table).and_then(|to| to.counted.clone());
        if let Some(counted) = counted {
            let most = count(self.conn, &format!("SELECT max(\"{counted}\") AS number FROM \"{table}\""))?;
            let last = most.max(last.unwrap_or_default());
            match self.conn {
                _ if last == 0 => {}
                Conn::Sqlite(conn) => {
                    diesel::sql_query("DELETE FROM sqlite_sequence WHERE name = ?")
                        .bind::<Text, _>(table)
                        .execute(conn)?;
                    diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
                        .bind::<Text, _>(table)
                        .bind::<BigInt, _>(last)
                        .execute(conn)?;
                }
                Conn::Pg(conn) => {
                    diesel::sql_query("SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)")
                        .bind::<Text, _>(table)
                        .bind::<Text, _>(counted)
                        .bind::<BigInt, _>(last)
                        .execute(conn)?;
                }
            }
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

fn count(conn: &mut Conn, query: &str) -> QueryResult<i64> {
    let row: Number = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(query).get_result(conn)?,
        Conn::Pg(conn) => diesel::sql_query(query).get_result(conn)?,
    };
    Ok(row.number.unwrap_or_default())
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
