//! What keeps programs out of a database that does not hold the clinic: not yet, or not any more.

use crate::db::connection::Conn;
use crate::db::pool::DbError;
use crate::db::verbs::UserVersion;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::{Deserialize, Serialize};

/// SQLite's `user_version` of a database whose clinic lives elsewhere now: "gone".
pub(super) const GONE: i32 = 0x676f_6e65;

/// Why a database is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The clinic lives in another database now.
    #[error("the clinic was moved out of this database by `postern migrate-database`: set database_url to the new one")]
    Gone,
    /// Not all rows have come yet.
    #[error("the database is being filled by `postern migrate-database`: run that to its end first")]
    Unfinished,
}

/// What stands on a PostgreSQL database that is or was filled: a comment on the table of migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// the clinic, by the hash of the first row of its audit log
    pub clinic: String,
    /// whether all rows are here
    pub whole: bool,
    /// whether the old database was left: until then nobody may open this one
    #[serde(default)]
    pub confirmed: bool,
    /// the statements that add the references again
    pub references: Vec<String>,
}

impl Mark {
    /// Reads it; `None` where the database has none.
    pub fn of(conn: &mut PgConnection) -> QueryResult<Option<Mark>> {
        #[derive(QueryableByName)]
        struct Comment {
            #[diesel(sql_type = Nullable<Text>)]
            line: Option<String>,
        }
        let query = "SELECT obj_description(to_regclass('__diesel_schema_migrations'), 'pg_class') AS line";
        let comment: Comment = diesel::sql_query(query).get_result(conn)?;
        Ok(comment.line.and_then(|line| serde_json::from_str(&line).ok()))
    }

    pub fn put(mark: Option<&Mark>, conn: &mut PgConnection) -> QueryResult<()> {
        let comment = match mark {
            None => "NULL".to_owned(),
            Some(mark) => {
                let line =
                    serde_json::to_string(mark).map_err(|e| diesel::result::Error::SerializationError(e.into()))?;
                format!("'{}'", line.replace('\'', "''"))
            }
        };
        conn.batch_execute(&format!("COMMENT ON TABLE __diesel_schema_migrations IS {comment}"))
    }
}

/// Refuses a database that does not hold the clinic: not yet, or not any more. One that was filled and is opened now is
/// in use from now on, and is not filled again.
pub fn admit(conn: &mut Conn) -> Result<(), DbError> {
    let refused = |why: Refused| DbError::Refused(why.to_string());
    match conn {
        Conn::Sqlite(_) => match is_gone(conn)? {
            true => Err(refused(Refused::Gone)),
            false => Ok(()),
        },
        Conn::Pg(conn) => match Mark::of(conn)? {
            None => Ok(()),
            Some(mark) if !mark.confirmed => Err(refused(Refused::Unfinished)),
            Some(_) => {
                // a role that does not own the tables may not remove the mark; the old database has one too
                if let Err(cause) = Mark::put(None, conn) {
                    tracing::info!(%cause, "the mark of the move stays");
                }
                Ok(())
            }
        },
    }
}

/// Whether an SQLite database has been left.
pub fn is_gone(conn: &mut Conn) -> QueryResult<bool> {
    match conn {
        Conn::Sqlite(conn) => Ok(UserVersion.get_result::<i32>(conn)? == GONE),
        Conn::Pg(_) => Ok(false),
    }
}
