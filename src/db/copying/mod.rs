//! Every row of every table as lines of JSON that both databases write and read alike: a backup is made of them. The
//! tables and columns come from the database's own catalogue, so that a new one cannot be forgotten.
//!
//! A line is an array with a value for each column: numbers, truth (0 or 1) and moments (microseconds since 1970) as
//! numbers, text as text, bytes in hexadecimal.

mod filling;
mod mark;
mod moving;
mod sides;

pub use filling::{FillError, Filling, fill};
pub use mark::Refused;
pub(super) use mark::{admit, is_gone};
pub use moving::{MoveError, Moved, Moving};

use super::connection::Conn;
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
    /// the places of the columns of its primary key, in the order of the key
    key: Vec<usize>,
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
    /// the column's number in the primary key; 0: it is not in it
    #[diesel(sql_type = BigInt)]
    key: i64,
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
     (m.sql LIKE '%AUTOINCREMENT%' AND c.pk > 0) AS counted, c.pk AS key FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
     WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' AND m.name <> '__diesel_schema_migrations' \
     ORDER BY m.name, c.cid";
const POSTGRES_TABLES: &str = "SELECT c.relname::text AS table_name, a.attname::text AS column_name, \
     format_type(a.atttypid, NULL) AS kind, (a.attidentity <> '')::int::bigint AS counted, \
     coalesce(array_position((SELECT indkey FROM pg_index WHERE indrelid = c.oid AND indisprimary)::int2[], a.attnum) + 1, 0)\
     ::bigint AS key FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 \
     AND NOT a.attisdropped AND c.relname <> '__diesel_schema_migrations' ORDER BY c.relname, a.attnum";

/// Every table, by its name.
pub fn tables(conn: &mut Conn) -> QueryResult<Vec<Table>> {
    let rows: Vec<Described> = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(SQLITE_TABLES).load(conn)?,
        Conn::Pg(conn) => diesel::sql_query(POSTGRES_TABLES).load(conn)?,
    };
    let mut tables: Vec<Table> = Vec::new();
    let mut keys: Vec<Vec<(i64, usize)>> = Vec::new();
    for row in rows {
        if tables.last().is_none_or(|table| table.name != row.table_name) {
            tables.push(Table { name: row.table_name, columns: Vec::new(), key: Vec::new(), counted: None });
            keys.push(Vec::new());
        }
        let Some(table) = tables.last_mut() else { continue };
        if row.counted != 0 {
            table.counted = Some(row.column_name.clone());
        }
        if let Some(key) = keys.last_mut().filter(|_| row.key > 0) {
            key.push((row.key, table.columns.len()));
        }
        table.columns.push(Column { name: row.column_name, kind: row.kind.to_lowercase() });
    }
    for (table, mut key) in tables.iter_mut().zip(keys) {
        key.sort_unstable();
        table.key = key.into_iter().map(|(_, place)| place).collect();
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

/// The order of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// whatever is quickest
    Any,
    /// that of the primary key, text by its bytes: the same on both databases
    Key,
}

/// Hands every row of a table to `take`, one at a time, and gives their number.
pub fn each_row<E: From<diesel::result::Error>>(
    conn: &mut Conn,
    table: &Table,
    take: impl FnMut(&str) -> Result<(), E>,
) -> Result<u64, E> {
    each_row_in(conn, table, Order::Any, take)
}

fn each_row_in<E: From<diesel::result::Error>>(
    conn: &mut Conn,
    table: &Table,
    order: Order,
    mut take: impl FnMut(&str) -> Result<(), E>,
) -> Result<u64, E> {
    let mut count = 0;
    let mut next = |row: QueryResult<Line>| {
        count += 1;
        take(&row?.line)
    };
    let order = match order {
        Order::Any => String::new(),
        Order::Key => table.by_key(matches!(conn, Conn::Pg(_))),
    };
    match conn {
        Conn::Sqlite(conn) => {
            let values = table.columns.iter().map(|Column { name, kind }| match kind.as_str() {
                // hex() gives an empty text for NULL
                "blob" => format!("iif(\"{name}\" IS NULL, NULL, lower(hex(\"{name}\")))"),
                _ => format!("\"{name}\""),
            });
            let values: Vec<String> = values.collect();
            let query = format!("SELECT json_array({}) AS line FROM \"{}\"{order}", values.join(", "), table.name);
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
            let (values, name): (Vec<String>, _) = (values.collect(), &table.name);
            let query = format!("SELECT json_build_array({})::text AS line FROM \"{name}\"{order}", values.join(", "));
            diesel::sql_query(query).load_iter::<Line, PgRowByRowLoadingMode>(conn)?.try_for_each(&mut next)?;
        }
    }
    Ok(count)
}

impl Table {
    fn by_key(&self, is_postgres: bool) -> String {
        let key = self.key.iter().filter_map(|place| self.columns.get(*place));
        let key = key.map(|Column { name, kind }| match kind.as_str() {
            "text" if is_postgres => format!("\"{name}\" COLLATE \"C\""),
            _ => format!("\"{name}\""),
        });
        format!(" ORDER BY {}", key.collect::<Vec<_>>().join(", "))
    }
}

/// How a database reads the value at a place of a line.
fn read_value(kind: &str, at: usize, is_postgres: bool) -> String {
    match (is_postgres, kind) {
        (false, "blob") => format!("unhex(json_extract(value, '$[{at}]'))"),
        (false, _) => format!("json_extract(value, '$[{at}]')"),
        (true, "bytea") => format!("decode(v->>{at}, 'hex')"),
        (true, "boolean") => format!("(v->>{at})::int::boolean"),
        // days and the microseconds of a day apart: an interval multiplies in doubles, which are not exact for large
        // numbers
        (true, "timestamp with time zone") => format!(
            "'epoch'::timestamptz + interval '1 day' * ((v->>{at})::bigint / 86400000000) \
             + interval '1 microsecond' * ((v->>{at})::bigint % 86400000000)"
        ),
        (true, "text") => format!("v->>{at}"),
        (true, kind) => format!("(v->>{at})::{kind}"),
    }
}

/// Adds rows to a table. `lines`: a JSON array of lines, whose values belong to these columns of it.
fn insert(conn: &mut Conn, table: &str, columns: &[&Column], lines: &str) -> QueryResult<()> {
    let is_postgres = matches!(conn, Conn::Pg(_));
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let values: Vec<String> =
        columns.iter().enumerate().map(|(at, column)| read_value(&column.kind, at, is_postgres)).collect();
    let into = format!("INSERT INTO \"{table}\" ({}) SELECT {} FROM", names.join(", "), values.join(", "));
    match conn {
        Conn::Sqlite(conn) => {
            diesel::sql_query(format!("{into} json_each(?)")).bind::<Text, _>(lines).execute(conn).map(drop)
        }
        Conn::Pg(conn) => diesel::sql_query(format!("{into} jsonb_array_elements($1::jsonb) AS t (v)"))
            .bind::<Text, _>(lines)
            .execute(conn)
            .map(drop),
    }
}

/// Makes the database go on numbering after the table's last number, or after `last`.
fn number_after(conn: &mut Conn, table: &Table, last: Option<i64>) -> QueryResult<()> {
    let Some(counted) = &table.counted else { return Ok(()) };
    let most = count(conn, &format!("SELECT max(\"{counted}\") AS number FROM \"{}\"", table.name))?;
    let last = most.max(last.unwrap_or_default());
    match conn {
        _ if last == 0 => Ok(()),
        Conn::Sqlite(conn) => {
            diesel::sql_query("DELETE FROM sqlite_sequence WHERE name = ?")
                .bind::<Text, _>(&table.name)
                .execute(conn)?;
            diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
                .bind::<Text, _>(&table.name)
                .bind::<BigInt, _>(last)
                .execute(conn)
                .map(drop)
        }
        Conn::Pg(conn) => diesel::sql_query("SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)")
            .bind::<Text, _>(&table.name)
            .bind::<Text, _>(counted)
            .bind::<BigInt, _>(last)
            .execute(conn)
            .map(drop),
    }
}

fn count(conn: &mut Conn, query: &str) -> QueryResult<i64> {
    let row: Number = match conn {
        Conn::Sqlite(conn) => diesel::sql_query(query).get_result(conn)?,
        Conn::Pg(conn) => diesel::sql_query(query).get_result(conn)?,
    };
    Ok(row.number.unwrap_or_default())
}

/// Whether a table has a row.
fn has_rows(conn: &mut Conn, table: &Table) -> QueryResult<bool> {
    Ok(count(conn, &format!("SELECT count(*) AS number FROM (SELECT 1 FROM \"{}\" LIMIT 1) x", table.name))? > 0)
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
