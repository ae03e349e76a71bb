//! The statements around a transaction on SQLite, prepared once for each connection: otherwise each use would parse the
//! text, which is much of the cost of a short transaction.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Integer;
use diesel::sqlite::Sqlite;

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $sql:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, QueryId)]
        pub(super) struct $name;

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                pass.push_sql($sql);
                Ok(())
            }
        }
        impl RunQueryDsl<SqliteConnection> for $name {}
    )+};
}

verbs! {
    /// a transaction that reads
    Begin = "BEGIN",
    /// a transaction that writes: a deferred one that turns into a writer fails at once with "database is locked",
    /// whatever the busy timeout
    BeginImmediate = "BEGIN IMMEDIATE",
    /// ends a transaction and keeps what it did
    Commit = "COMMIT",
    /// ends a transaction and undoes what it did
    Rollback = "ROLLBACK",
    /// begins a part that can be undone alone
    Savepoint = "SAVEPOINT part",
    /// ends the part and keeps what it did
    Release = "RELEASE part",
    /// undoes what the part did
    RollbackTo = "ROLLBACK TO part",
}

/// A number that the database's header keeps for the program.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct UserVersion;

impl QueryFragment<Sqlite> for UserVersion {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql("PRAGMA user_version");
        Ok(())
    }
}
impl Query for UserVersion {
    type SqlType = Integer;
}
impl RunQueryDsl<SqliteConnection> for UserVersion {}
