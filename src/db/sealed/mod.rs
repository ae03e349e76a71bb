//! Text of patients at rest. A column of [`columns`] has the SQL type [`Sealed`], which takes and gives a text in clear
//! and stores it sealed: there is no other way to read or write one with the query builder.
//!
//! Diesel turns values into SQL without access to the connection, so the keys cannot be kept there. Each transaction
//! runs under the keys of its database instead ([`under`]); outside of one a sealed column can be neither read nor
//! written.
//!
//! Where no key is configured, text is stored as it is. What a column holds says itself whether it is sealed and by
//! which key, so that a key can be set, changed and taken away at any time; [`anew`] seals what is stored already.

mod anew;
mod columns;
mod ring;
mod secret;
mod terms;

pub(super) use anew::admit;
pub use anew::{Anew, count_others, is_to_do, keys_of_text, seal_anew};
pub use columns::*;
pub use ring::{Ring, Unreadable};
pub use secret::{Secret, secret};
pub use terms::{Term, digest, forms, ranges, term, word};

use super::connection::MultiBackend;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::pg::Pg;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{HasSqlType, Nullable, SingleValue, SqlType, Text, is_nullable};
use diesel::sqlite::Sqlite;
use ring::Spot;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

thread_local! {
    static RING: RefCell<Option<Arc<Ring>>> = const { RefCell::new(None) };
}

/// Until it is dropped, this thread's transaction reads and writes with these keys.
pub(super) struct Under {
    before: Option<Arc<Ring>>,
    // not `Send`: it must be dropped on its own thread
    _here: PhantomData<*const ()>,
}

impl Drop for Under {
    fn drop(&mut self) {
        RING.with_borrow_mut(|ring| *ring = self.before.take());
    }
}

pub(super) fn under(keys: &Arc<Ring>) -> Under {
    let before = RING.with_borrow_mut(|ring| ring.replace(keys.clone()));
    Under { before, _here: PhantomData }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn with_ring<T>(work: impl FnOnce(&Ring) -> Result<T, Unreadable>) -> Result<T, Failure> {
    RING.with_borrow(|ring| match ring {
        Some(ring) => Ok(work(ring)?),
        None => Err("a sealed column outside of a transaction".into()),
    })
}

/// The type of a sealed column of text: TEXT on both databases.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<C: Column>(PhantomData<C>);

impl<C: Column> QueryId for Sealed<C> {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C: Column> SqlType for Sealed<C> {
    type IsNull = is_nullable::NotNull;
}
impl<C: Column> SingleValue for Sealed<C> {}

impl<C: Column> HasSqlType<Sealed<C>> for Pg {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        <Pg as HasSqlType<Text>>::metadata(lookup)
    }
}
impl<C: Column> HasSqlType<Sealed<C>> for Sqlite {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        <Sqlite as HasSqlType<Text>>::metadata(lookup)
    }
}
impl<C: Column> HasSqlType<Sealed<C>> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        MultiBackend::lookup_sql_type::<Sealed<C>>(lookup)
    }
}

/// The text as the column stores it.
#[derive(Debug, Clone)]
struct Stored(String);

impl<C: Column> FromSql<Sealed<C>, Pg> for Stored {
    fn from_sql(raw: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Pg>>::from_sql(raw).map(Stored)
    }
}
impl<C: Column> FromSql<Sealed<C>, Sqlite> for Stored {
    fn from_sql(raw: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Sqlite>>::from_sql(raw).map(Stored)
    }
}
impl<C: Column> FromSql<Sealed<C>, MultiBackend> for Stored {
    fn from_sql(raw: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        raw.from_sql::<Stored, Sealed<C>>()
    }
}

/// A text in clear that came out of a sealed column.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub struct Opened(pub String);

impl From<Opened> for String {
    fn from(Opened(text): Opened) -> String {
        text
    }
}

impl<C: Free, DB: Backend> FromSql<Sealed<C>, DB> for Opened
where
    Stored: FromSql<Sealed<C>, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let Stored(stored) = Stored::from_sql(raw)?;
        with_ring(|ring| ring.open(Spot { column: C::NAME, owner: None }, stored)).map(Opened)
    }
}

/// The same for a column that may be NULL.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub struct OpenedIfAny(Option<String>);

impl From<OpenedIfAny> for Option<String> {
    fn from(OpenedIfAny(text): OpenedIfAny) -> Option<String> {
        text
    }
}

impl<C: Free, DB: Backend> FromSql<Nullable<Sealed<C>>, DB> for OpenedIfAny
where
    Opened: FromSql<Sealed<C>, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(OpenedIfAny(Some(<Opened as FromSql<Sealed<C>, DB>>::from_sql(raw)?.0)))
    }
    fn from_nullable_sql(raw: Option<DB::RawValue<'_>>) -> deserialize::Result<Self> {
        raw.map_or(Ok(OpenedIfAny(None)), <Self as FromSql<Nullable<Sealed<C>>, DB>>::from_sql)
    }
}

/// A text that came out of an `Owned` column, still sealed.
#[derive(Debug, Clone, FromSqlRow)]
pub struct Held<C: Owned> {
    stored: String,
    column: PhantomData<C>,
}

impl<C: Owned> Held<C> {
    /// Opens the text with its owner's identity.
    ///
    /// # Errors
    /// Where the text is another owner's, or was changed.
    pub fn of(self, owner: impl Into<i64>) -> diesel::QueryResult<String> {
        let spot = Spot { column: C::NAME, owner: Some(owner.into()) };
        with_ring(|ring| ring.open(spot, self.stored)).map_err(diesel::result::Error::DeserializationError)
    }
}

impl<C: Owned, DB: Backend> FromSql<Sealed<C>, DB> for Held<C>
where
    Stored: FromSql<Sealed<C>, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let Stored(stored) = Stored::from_sql(raw)?;
        Ok(Held { stored, column: PhantomData })
    }
}

/// A text for a sealed column.
#[derive(Debug, Clone)]
pub struct Clear(String);

/// A text for an `Owned` column.
#[derive(Debug, Clone)]
pub struct Of(i64, String);

/// This text, to be sealed.
pub fn text(text: &str) -> Clear {
    Clear(text.to_owned())
}

/// This owner's text, to be sealed.
pub fn of(owner: impl Into<i64>, text: &str) -> Of {
    Of(owner.into(), text.to_owned())
}

trait IntoSealed<C: Column> {
    fn sealed(&self) -> Result<String, Failure>;
}

impl<C: Free> IntoSealed<C> for Clear {
    fn sealed(&self) -> Result<String, Failure> {
        with_ring(|ring| ring.seal(Spot { column: C::NAME, owner: None }, &self.0))
    }
}

impl<C: Owned> IntoSealed<C> for Of {
    fn sealed(&self) -> Result<String, Failure> {
        with_ring(|ring| ring.seal(Spot { column: C::NAME, owner: Some(self.0) }, &self.1))
    }
}

macro_rules! into_sealed {
    ($($kind:ident: $type:ident),+) => {$(
        impl<C: $kind> ToSql<Sealed<C>, Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                let sealed = IntoSealed::<C>::sealed(self)?;
                <str as ToSql<Text, Pg>>::to_sql(&sealed, &mut out.reborrow())
            }
        }
        impl<C: $kind> ToSql<Sealed<C>, Sqlite> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(IntoSealed::<C>::sealed(self)?);
                Ok(IsNull::No)
            }
        }
        impl<C: $kind> ToSql<Sealed<C>, MultiBackend> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
                out.set_value((Sealed::<C>(PhantomData), self));
                Ok(IsNull::No)
            }
        }
        impl<C: $kind> AsExpression<Sealed<C>> for $type {
            type Expression = Bound<Sealed<C>, $type>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
    )+};
}

into_sealed!(Free: Clear, Owned: Of);
