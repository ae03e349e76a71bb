//! Values that can only be made valid: parsed once at the edge, trusted from there on.

use crate::text;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use time::macros::{format_description, offset};
use time::{Date, OffsetDateTime};

/// A newtype over a text column; `parse` is the only way in besides the database.
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
    /// The title of a conversation: one line of 1 to 200 characters.
    Title,
}

impl EmailAddress {
    /// The address without spaces around it; `None` if it is none, or longer than RFC 5321 allows (254 bytes).
    pub fn parse(text: &str) -> Option<EmailAddress> {
        let trimmed = text.trim();
        let address: lettre::Address = trimmed.parse().ok()?;
        // a domain without a dot reaches nobody outside this machine
        let whole = trimmed.len() <= 254 && address.domain().contains('.');
        whole.then(|| EmailAddress(trimmed.to_owned()))
    }

    /// What two spellings of one address have in common: domains ignore case, and so do mailboxes in practice.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// For showing: `j…@example.org`.
    pub fn masked(&self) -> String {
        let (mailbox, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        format!("{}…@{domain}", mailbox.chars().next().unwrap_or_default())
    }
}

impl PhoneNumber {
    /// Reads a number with or without its country; punctuation is ignored. `calling_code` (digits) is put before a
    /// number without one, and a national trunk zero goes.
    pub fn parse(text: &str, calling_code: &str) -> Option<PhoneNumber> {
        let trimmed = text.trim();
        let punctuation = |c: char| c.is_whitespace() || "-.()/+\u{a0}\u{202f}".contains(c);
        if trimmed.chars().any(|c| !c.is_ascii_digit() && !punctuation(c))
            || trimmed.rfind('+').is_some_and(|at| at > 0)
        {
            return None;
        }
        let digits: String = trimmed.chars().filter(char::is_ascii_digit).collect();
        let whole = if trimmed.starts_with('+') {
            digits
        } else if let Some(international) = digits.strip_prefix("00") {
            international.to_owned()
        } else if calling_code == "1" && digits.len() == 11 && digits.starts_with('1') {
            digits
        } else {
            format!("{calling_code}{}", digits.trim_start_matches('0'))
        };
        // the North American plan has exactly ten digits after the 1
        let fits = if whole.starts_with('1') { whole.len() == 11 } else { (8..=15).contains(&whole.len()) };
        (fits && !whole.starts_with('0')).then(|| PhoneNumber(format!("+{whole}")))
    }

    /// For showing: `…21`.
    pub fn masked(&self) -> String {
        format!("…{}", self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default())
    }
}

impl Title {
    /// The longest title, in characters.
    pub const LONGEST: usize = 200;

    /// One line, trimmed; `None` if it is empty or too long.
    pub fn parse(text: &str) -> Option<Title> {
        let line = text::one_line(text);
        (!line.is_empty() && line.chars().count() <= Title::LONGEST).then_some(Title(line))
    }
}

/// A date of birth, stored as ISO 8601 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct BirthDate(pub Date);

impl BirthDate {
    /// The years that a person, or a record, can be of.
    const YEARS: std::ops::RangeInclusive<i32> = 1800..=9999;

    /// Reads `YYYY-MM-DD`.
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

    /// The same, if somebody can have been born on that day by `now`: the day has begun where days begin first, at
    /// UTC+14.
    pub fn by(self, now: OffsetDateTime) -> Option<BirthDate> {
        let newest = now.to_offset(offset!(+14)).date();
        (self.0 <= newest).then_some(self)
    }

    /// `YYYY-MM-DD`.
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
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
