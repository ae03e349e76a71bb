//! How long archived records are kept. The four numbers share one column, because the query builder limits the columns
//! of a row.

use crate::db::MultiBackend;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;

/// The periods, in years. 0: there is none, and records are kept permanently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Retention {
    /// after archiving, of somebody who has died
    pub deceased: i64,
    /// after archiving, of somebody who has left
    pub left: i64,
    /// after archiving, of a record that was made by mistake
    pub mistake: i64,
    /// no record of a patient younger than this is due
    pub until_age: i64,
}

impl Retention {
    fn to_stored(self) -> String {
        format!("{} {} {} {}", self.deceased, self.left, self.mistake, self.until_age)
    }

    fn from_stored(text: &str) -> Option<Retention> {
        let numbers: Vec<i64> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [deceased, left, mistake, until_age] = numbers.try_into().ok()?;
        Some(Retention { deceased, left, mistake, until_age })
    }
}

impl<DB: Backend> FromSql<Text, DB> for Retention
where
    String: FromSql<Text, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Retention::from_stored(&String::from_sql(raw)?).ok_or_else(|| "not four numbers".into())
    }
}

impl ToSql<Text, diesel::pg::Pg> for Retention {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
        <String as ToSql<Text, diesel::pg::Pg>>::to_sql(&self.to_stored(), &mut out.reborrow())
    }
}

impl ToSql<Text, diesel::sqlite::Sqlite> for Retention {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::sqlite::Sqlite>) -> serialize::Result {
        out.set_value(self.to_stored());
        Ok(IsNull::No)
    }
}

impl ToSql<Text, MultiBackend> for Retention {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((Text, self));
        Ok(IsNull::No)
    }
}
