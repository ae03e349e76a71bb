//! The statements around a transaction on SQLite, prepared once for each connection: as text each would be parsed at each
//! use, which is much of the cost of a short one.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
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
    /// One that writes: a deferred transaction that turns into a writer fails at once with "database is locked", whatever
    /// the busy timeout.
    BeginImmediate = "BEGIN IMMEDIATE",
    /// its good end
    Commit = "COMMIT",
    /// its other end
    Rollback = "ROLLBACK",
    /// a part of it that may be taken back
    Savepoint = "SAVEPOINT part",
    /// the part stays
    Release = "RELEASE part",
    /// the part goes
    RollbackTo = "ROLLBACK TO part",
}
