//! Values that are always valid: parsed once at the edge, trusted from there on.

mod email;
mod phone;

pub use email::EmailProblem;
pub use phone::{Line, PhoneProblem, WrittenPhone};

use crate::db::sealed::Opened;
use crate::text;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use time::macros::{format_description, offset};
use time::{Date, OffsetDateTime};

/// Newtypes over a text column; only `parse` and the database make one.
macro_rules! text_value {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub struct $name(String);

        impl $name {
            /// The text as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
                String::from_sql(raw).map($name)
            }
        }
        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                <str as ToSql<Text, DB>>::to_sql(&self.0, out)
            }
        }
    )+};
}

text_value! {
    /// One email address, as RFC 5321 writes a mailbox.
    EmailAddress,
    /// A telephone number in the form of ITU-T E.164: a plus and 8 to 15 digits.
    PhoneNumber,
    /// The name of a user as colleagues see it: one line of 1 to 100 characters.
    UserName,
}

/// The title of a conversation: one line of 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Title(String);

impl Title {
    /// The longest title, in characters.
    pub const LONGEST: usize = 200;

    /// Reads one line, trimmed; `None` if it is empty or too long.
    pub fn parse(text: &str) -> Option<Title> {
        let line = text::one_line(text);
        (!line.is_empty() && line.chars().count() <= Title::LONGEST).then_some(Title(line))
    }

    /// The text as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Title {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Opened> for Title {
    fn from(Opened(text): Opened) -> Title {
        Title(text)
    }
}

impl UserName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 100;

    /// Reads one line, trimmed; `None` if it is empty or too long.
    pub fn parse(text: &str) -> Option<UserName> {
        let line = text::one_line(text);
        (!line.is_empty() && line.chars().count() <= UserName::LONGEST).then_some(UserName(line))
    }
}

/// A date of birth, stored as ISO 8601 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct BirthDate(pub Date);

impl BirthDate {
    /// The years that a date of birth can have.
    const YEARS: std::ops::RangeInclusive<i32> = 1800..=9999;

    /// Reads `YYYY-MM-DD`; `None` for any other text or year.
    pub fn parse(text: &str) -> Option<BirthDate> {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        BirthDate::YEARS.contains(&date.year()).then_some(BirthDate(date))
    }

    /// Reads the three fields of a form, digits with or without leading zeros.
    pub fn from_parts(day: &str, month: &str, year: &str) -> Option<BirthDate> {
        let month: u8 = month.trim().parse().ok()?;
        let year: i32 = year.trim().parse().ok().filter(|year| BirthDate::YEARS.contains(year))?;
        let day: u8 = day.trim().parse().ok()?;
        Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok().map(BirthDate)
    }

    /// Reads the three fields of a form as people fill them in: `4`, `04` or `4th`; `7`, `07`, `July` or `juil.`. Day and month
    /// may have changed places where the month is a name; of two numbers each is what its label says.
    pub fn typed(day: &str, month: &str, year: &str) -> Option<BirthDate> {
        let [day, month, year] = [day, month, year].map(|part| text::fold(part.trim()));
        let read = |day: &str, month: &str| BirthDate::from_parts(day_of(day), &month_of(month), &year);
        match text::dates::month_named(day.trim_end_matches('.')) {
            Some(_) => read(&month, &day),
            None => read(&day, &month),
        }
    }

    /// The date, if somebody can have been born on it by `now`: the day has begun at UTC+14, where days begin first.
    pub fn by(self, now: OffsetDateTime) -> Option<BirthDate> {
        let newest = now.to_offset(offset!(+14)).date();
        (self.0 <= newest).then_some(self)
    }

    /// The date as `YYYY-MM-DD`.
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

/// The number of a folded day: `1er` and `4th` are 1 and 4.
fn day_of(day: &str) -> &str {
    let number = day.trim_end_matches(|c: char| !c.is_ascii_digit());
    match day.get(number.len()..) {
        Some("." | "st" | "nd" | "rd" | "th" | "er") => number,
        _ => day,
    }
}

/// The number of a folded month, which may be a name or its beginning.
fn month_of(month: &str) -> String {
    let named = text::dates::month_named(month.trim_end_matches('.'));
    named.map_or_else(|| month.to_owned(), |number| number.to_string())
}

impl<DB: Backend> FromSql<Text, DB> for BirthDate
where
    String: FromSql<Text, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        BirthDate::parse(&String::from_sql(raw)?).ok_or_else(|| "not a date".into())
    }
}

impl ToSql<Text, diesel::pg::Pg> for BirthDate {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
        <String as ToSql<Text, diesel::pg::Pg>>::to_sql(&self.iso(), &mut out.reborrow())
    }
}

impl ToSql<Text, diesel::sqlite::Sqlite> for BirthDate {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::sqlite::Sqlite>) -> serialize::Result {
        out.set_value(self.iso());
        Ok(serialize::IsNull::No)
    }
}

impl ToSql<Text, crate::db::MultiBackend> for BirthDate {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, crate::db::MultiBackend>) -> serialize::Result {
        out.set_value((Text, self));
        Ok(serialize::IsNull::No)
    }
}
