//! The database: one code path over SQLite and PostgreSQL.
//!
//! [`Db::read`] runs queries in one read transaction, [`Db::write`] one write transaction. A write query needs a
//! [`Tx`], and only [`Db::write`] gives one; the connections that readers get refuse to write.

pub mod carry;
// the derived connection documents nothing of its own
#[allow(missing_docs)]
mod connection;
pub mod copying;
mod dialect;
pub mod erase;
mod errand;
mod hearing;
mod ids;
mod in_time;
mod keys;
mod migrate;
mod paging;
mod pool;
mod postings;
mod renewals;
// a column's meaning stands where it is made, in the migrations
#[allow(missing_docs)]
pub mod schema;
pub mod sealed;
mod times;
mod tls;
mod turns;
mod verbs;
mod writer;

pub use connection::{Conn, DatabaseUrl, MultiBackend, Tx};
pub use dialect::{
    Both, Counted, FoundPatient, add_terms, add_to_tally, change_rows, claim_lock, copy_to_participants, hold_row,
    lock_row, lock_rows, patients_by_terms, share_row,
};
pub use errand::{Errand, Lane};
pub use hearing::Heard;
pub use ids::*;
pub use in_time::in_time;
pub use keys::{Keys, SecretKey};
pub use migrate::all as all_migrations;
pub use paging::cut;
pub use pool::{Db, DbError};
pub use postings::{Narrowing, add_postings, add_words, forget_postings, hits, unread};
pub use renewals::{Renewed, renewed, to_renew};
pub use times::{Ts, Utc};
pub use tls::Tunnel;

/// Lets `?` turn the query builder's error into the variant `Db(DbError)` of a verb's own error.
#[macro_export]
macro_rules! from_database {
    ($error:ident) => {
        impl From<diesel::result::Error> for $error {
            fn from(cause: diesel::result::Error) -> $error {
                $error::Db(cause.into())
            }
        }
    };
}

/// A Rust enum kept in a TEXT column under stable words, on both databases.
///
/// Gives `as_str`, `ALL`, `FromStr` (the error is the unknown word), and diesel's `FromSql` and `ToSql`.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
                 diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The word that is stored, sent in forms and used in the names of translations.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word { $($word => Ok($name::$variant),)+ _ => Err(word.to_owned()) }
            }
        }
        impl<DB: diesel::backend::Backend> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $name
        where String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let word = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(raw)?;
                word.parse().map_err(|w: String| format!("unknown {} {w:?}", stringify!($name)).into())
            }
        }
        impl<DB: diesel::backend::Backend> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
                <str as diesel::serialize::ToSql<diesel::sql_types::Text, DB>>::to_sql(self.as_str(), out)
            }
        }
    };
}

/// The columns of a `Selectable`, for RETURNING: `as_returning()` does not compile on the combined connection.
pub fn columns<T: diesel::Selectable<MultiBackend>>() -> T::SelectExpression {
    T::construct_selection()
}
