//! Moments in UTC, to the microsecond, equal on both databases.

use super::connection::MultiBackend;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, HasSqlType, SqlType, Timestamptz};
use diesel::sqlite::Sqlite;
use time::OffsetDateTime;
use time::macros::datetime;

/// The column type: TIMESTAMPTZ on PostgreSQL, INTEGER microseconds since 1970 on SQLite.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct Utc;

impl HasSqlType<Utc> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        MultiBackend::lookup_sql_type::<Utc>(lookup)
    }
}

// diesel's `max()` and `min()` need this marker
impl diesel::sql_types::SqlOrd for Utc {}

/// A moment in UTC with a resolution of one microsecond, at least a day within the years 1 to 9999, so that every time
/// zone's wall clock and both databases can express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Utc)]
pub struct Ts(OffsetDateTime);

/// The first and the last moment that [`Ts`] can hold.
const FIRST: OffsetDateTime = datetime!(0001-01-02 0:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-30 0:00 UTC);

impl Ts {
    /// The first moment there is.
    pub const FIRST: Ts = Ts(FIRST);
    /// The last moment there is.
    pub const LAST: Ts = Ts(LAST);

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        (self.0.unix_timestamp_nanos() / 1000) as i64
    }

    /// The moment that many microseconds after 1970; `None` outside the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Option<Ts> {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
        (FIRST..=LAST).contains(&moment).then_some(Ts(moment))
    }

    /// As a value of the `time` crate, in UTC.
    pub fn get(self) -> OffsetDateTime {
        self.0
    }

    /// This moment and `span` later (or earlier, if negative), held between the first and the last moment.
    pub fn plus(self, span: time::Duration) -> Ts {
        Ts(self.0.saturating_add(span).clamp(FIRST, LAST))
    }

    /// How much later `self` is than `earlier`.
    pub fn since(self, earlier: Ts) -> time::Duration {
        self.0 - earlier.0
    }
}

impl From<OffsetDateTime> for Ts {
    /// Cuts a moment to microseconds, so that a value equals itself after a round trip through the database, and holds
    /// it between the first and the last moment.
    fn from(moment: OffsetDateTime) -> Ts {
        let utc = moment.clamp(FIRST, LAST).to_offset(time::UtcOffset::UTC);
        Ts(utc.replace_nanosecond(utc.nanosecond() / 1000 * 1000).unwrap_or(utc))
    }
}

impl FromSql<Utc, Pg> for Ts {
    fn from_sql(raw: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <OffsetDateTime as FromSql<Timestamptz, Pg>>::from_sql(raw).map(Ts::from)
    }
}

impl FromSql<Utc, Sqlite> for Ts {
    fn from_sql(raw: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(raw)?;
        Ts::from_micros(micros).ok_or_else(|| "a time out of range".into())
    }
}

impl FromSql<Utc, MultiBackend> for Ts {
    fn from_sql(raw: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        raw.from_sql::<Ts, Utc>()
    }
}

impl ToSql<Utc, Pg> for Ts {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <OffsetDateTime as ToSql<Timestamptz, Pg>>::to_sql(&self.0, out)
    }
}

impl ToSql<Utc, Sqlite> for Ts {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(IsNull::No)
    }
}

impl ToSql<Utc, MultiBackend> for Ts {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((Utc, self));
        Ok(IsNull::No)
    }
}
