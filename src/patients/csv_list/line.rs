//! One line of a list as a patient.

use super::lines::Line;
use super::names::{self, Whole};
use super::{Column, DateOrder, FieldLeft, ListColumn, ListOptions, ListedPatient, Problem, words};
use crate::patients::record::{Demographics, Method};
use crate::text::dates;
use crate::values::{BirthDate, EmailAddress, EmailProblem, PhoneNumber, PhoneProblem};

/// The longest field, in characters.
const LONGEST: usize = 200;

struct Fields<'a> {
    line: &'a Line,
    columns: &'a [ListColumn],
    left: Vec<FieldLeft>,
    said: Vec<Column>,
}

impl<'a> Fields<'a> {
    fn position(&self, column: Column) -> Option<usize> {
        self.columns.iter().position(|one| one.meaning == Some(column))
    }

    /// The text of a field; `None` where it is empty.
    fn get(&self, column: Column) -> Option<&'a str> {
        let text = self.line.cell(self.position(column)?);
        (!words::is_blank(text) && !words::is_error(text)).then_some(text)
    }

    /// The value of a field; a field that cannot be read is left out and named.
    fn read<T>(&mut self, column: Column, read: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        let text = self.line.cell(self.position(column)?);
        if words::is_blank(text) {
            return None;
        }
        let says_nothing = words::is_error(text) || (column != Column::Method && words::is_nothing(text));
        let read = match says_nothing {
            true => Err(Problem::Nothing),
            false => read(text),
        };
        let told = read.map_err(|problem| self.leave(column, problem)).ok()?;
        self.said.push(column);
        Some(told)
    }

    /// Notes that a field is left out, and why.
    fn leave(&mut self, column: Column, problem: Problem) {
        let column = self.position(column).unwrap_or_default();
        self.left.push(FieldLeft { line: self.line.at, column, problem });
    }
}

/// How the lines of a list are read.
pub(super) struct How<'a> {
    pub columns: &'a [ListColumn],
    pub dates: DateOrder,
    /// in a column of whole names the family name comes first
    pub family_first: bool,
    pub options: &'a ListOptions,
}

/// What was read from a line.
pub(super) struct Taken {
    pub patient: ListedPatient,
    /// fields that had to be left out
    pub left: Vec<FieldLeft>,
    /// nothing shows which word of the name is the family name
    pub is_guess: bool,
}

/// The patient of a line; or why the line cannot be taken.
pub(super) fn read(line: &Line, how: &How) -> Result<Taken, Vec<Problem>> {
    let How { columns, dates, options, .. } = *how;
    let mut fields = Fields { line, columns, left: Vec::new(), said: Vec::new() };
    let mut wrong = Vec::new();
    let beyond = line.cells.iter().skip(columns.len()).any(|cell| !cell.is_empty());
    if line.is_broken || beyond {
        wrong.push(Problem::Fields);
    }
    let taken = columns.iter().enumerate().filter(|(_, column)| column.meaning.is_some()).map(|(at, _)| line.cell(at));
    if taken.clone().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
        wrong.push(Problem::Letters);
    }
    if taken.clone().any(|text| text.chars().count() > LONGEST) {
        wrong.push(Problem::TooLong);
    }
    if fields.get(Column::GivenName).is_some_and(words::is_no_name) {
        fields.leave(Column::GivenName, Problem::Nothing);
    }
    let name = name(&fields, how.family_first);
    if name.family.is_empty() {
        wrong.push(Problem::FamilyName);
    }
    let birth_date = birth_date(&fields, dates, options);
    let (Some(birth_date), true) = (birth_date, wrong.is_empty()) else {
        if birth_date.is_none() {
            wrong.push(Problem::BirthDate);
        }
        return Err(wrong);
    };
    let email = fields.read(Column::Email, |text| EmailAddress::read(text).map_err(email_problem));
    let phone = fields
        .read(Column::Phone, |text| PhoneNumber::read(number(text)?, &options.calling_code).map_err(phone_problem));
    let language = fields.read(Column::Language, |text| words::language(text).ok_or(Problem::Language));
    let method: Option<Method> = fields.read(Column::Method, |text| words::method(text).ok_or(Problem::Method));
    let id = fields.read(Column::Id, |text| number(text).map(str::to_owned));
    let preferred_name = fields.read(Column::PreferredName, |text| Ok(text.to_owned()));
    let demographics = Demographics {
        given_name: name.given,
        family_name: name.family,
        preferred_name: preferred_name.or(name.preferred),
        birth_date,
        health_number: health_number(&mut fields),
        email,
        phone,
        language: language.unwrap_or(options.language).code().to_owned(),
        method: method.unwrap_or(Method::Both),
    };
    let Fields { mut left, said, .. } = fields;
    left.sort_by_key(|field| field.column);
    Ok(Taken { patient: ListedPatient { line: line.at, id, demographics, said }, left, is_guess: name.is_guess })
}

/// The names, from separate columns or from one.
fn name(fields: &Fields, family_first: bool) -> Whole {
    let text = |column| fields.get(column).filter(|text| !words::is_no_name(text)).unwrap_or_default().to_owned();
    let (given, family, whole) = (text(Column::GivenName), text(Column::FamilyName), text(Column::FullName));
    match (given.is_empty(), family.is_empty()) {
        // "Smith, Jane" where a family name is expected
        (true, false) if family.contains(',') => names::of_whole(&family, true),
        (_, false) => Whole { given, family, ..Whole::default() },
        _ if !whole.is_empty() => names::of_whole(&whole, family_first),
        // a single name counts as the family name
        _ => Whole { family: given, ..Whole::default() },
    }
}

fn birth_date(fields: &Fields, dates: DateOrder, options: &ListOptions) -> Option<BirthDate> {
    let now = options.now.get();
    let date = match fields.get(Column::BirthDate) {
        Some(text) => {
            let text = words::date(text);
            let newest = now.to_offset(time::macros::offset!(+14)).date();
            // a date that lost its format in a spreadsheet: a number of days
            let days = text.parse().ok().filter(|_| text.len() == 5);
            let of_days = days.and_then(|days| dates::of_spreadsheet(days, newest));
            of_days.or_else(|| dates::read(text, dates.order(), newest)).map(BirthDate)?
        }
        None => {
            let part = |column| fields.get(column).map(|text| whole_number(text).to_owned()).unwrap_or_default();
            let month = part(Column::BirthMonth);
            let month = dates::month_named(&crate::text::fold(&month)).map_or(month, |month| month.to_string());
            BirthDate::from_parts(&part(Column::BirthDay), &month, &part(Column::BirthYear))?
        }
    };
    BirthDate::parse(&date.iso())?.by(now)
}

/// `4.0` is how some programs write 4.
fn whole_number(text: &str) -> &str {
    text.strip_suffix(".0").unwrap_or(text)
}

/// A number of digits and letters; an error where a spreadsheet has rounded it (`1.23457E+09`).
fn number(text: &str) -> Result<&str, Problem> {
    let rounded = text.split_once(['E', 'e']).is_some_and(|(mantissa, exponent)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        exponent.strip_prefix('+').is_some_and(digits) && digits(&mantissa.replacen(['.', ','], "", 1))
    });
    if rounded { Err(Problem::Rounded) } else { Ok(whole_number(text)) }
}

/// A health number, with the version code where that has a column of its own. It must have digits.
fn health_number(fields: &mut Fields) -> Option<String> {
    let read = |text: &str| {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if digits >= 4 { number(without_province(text)).map(str::to_owned) } else { Err(Problem::HealthNumber) }
    };
    let is_version = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let version = fields.read(Column::VersionCode, |text| match is_version(text) {
        true => Ok(text.to_ascii_uppercase()),
        false => Err(Problem::HealthNumber),
    });
    let bare = fields.read(Column::HealthNumber, read);
    match (bare, version) {
        (Some(bare), Some(version)) if bare.ends_with(|c: char| c.is_ascii_digit()) => {
            Some(format!("{bare} {version}"))
        }
        (None, Some(_)) => {
            fields.leave(Column::VersionCode, Problem::HealthNumber);
            None
        }
        (bare, _) => bare,
    }
}

/// "ON 1234567897" without the province, which is no part of the number.
fn without_province(text: &str) -> &str {
    const PROVINCES: [&str; 13] = ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];
    let rest = PROVINCES.iter().find_map(|province| text.strip_prefix(province));
    let rest = rest.map(|rest| rest.trim_start_matches([' ', '-', ':'])).filter(|rest| rest.len() + 2 < text.len());
    rest.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text)
}

fn email_problem(problem: EmailProblem) -> Problem {
    match problem {
        EmailProblem::NotOne => Problem::Email,
        EmailProblem::Several => Problem::EmailSeveral,
        EmailProblem::Mailbox => Problem::EmailMailbox,
    }
}

fn phone_problem(problem: PhoneProblem) -> Problem {
    match problem {
        PhoneProblem::NotANumber => Problem::Phone,
        PhoneProblem::Impossible => Problem::PhoneImpossible,
        PhoneProblem::Several => Problem::PhoneSeveral,
        PhoneProblem::Extension => Problem::PhoneExtension,
    }
}
