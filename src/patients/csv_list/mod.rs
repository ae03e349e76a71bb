//! A list of patients as clinics' systems write it: CSV ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)) of any
//! separator and encoding, cells pasted from a spreadsheet, or a spreadsheet itself. A line of headers in English or
//! French, then a line for each patient.
//!
//! [`read_list`] reads and checks every line and touches no database; [`compare`] says what an import would do;
//! [`store_list`] imports. Every line, field or column that cannot be taken is named, never dropped in silence.

mod columns;
mod encoding;
mod entities;
mod header;
mod headers;
mod line;
mod lines;
mod mappings;
mod markup;
mod names;
mod sheet;
mod store;
mod words;

pub use columns::{DateOrder, ListColumn};
pub use lines::{Text, cells_of, is_spreadsheet, text_of, written};
pub use mappings::{Mapping, headers_key, mapping, remember};
pub use store::{Difference, Filled, ListSummary, compare, store_list};

use super::record::Demographics;
use crate::db::Ts;
use crate::text::Lang;
use crate::text_enum;
use lines::Line;
use std::collections::BTreeSet;

text_enum! {
    /// What a column holds.
    pub enum Column {
        /// the record's number in the system that it comes from
        Id = "id",
        /// given names
        GivenName = "given_name",
        /// family name
        FamilyName = "family_name",
        /// both names, as "SMITH, Jane" or "Jane Smith"
        FullName = "full_name",
        /// what they like to be called
        PreferredName = "preferred_name",
        /// date of birth
        BirthDate = "birth_date",
        /// year of birth, where year, month and day have columns of their own
        BirthYear = "birth_year",
        /// month of birth
        BirthMonth = "birth_month",
        /// day of birth
        BirthDay = "birth_day",
        /// health number
        HealthNumber = "health_number",
        /// the version code of an Ontario health card
        VersionCode = "version_code",
        /// email
        Email = "email",
        /// cellphone
        Phone = "phone",
        /// language
        Language = "language",
        /// how the patient is notified
        Method = "method",
    }
}

text_enum! {
    /// What is wrong with a list, a line or a field.
    pub enum Problem {
        /// neither a file nor text was sent
        NoList = "no_list",
        /// neither a spreadsheet nor text: a broken or protected file
        Unreadable = "unreadable",
        /// no line of headers with a name and a date of birth
        Headers = "headers",
        /// no patient below the headers
        Empty = "empty",
        /// more patients than are taken at once
        TooMany = "too_many",
        /// no date shows which part is the day and which the month
        DateOrder = "date_order",
        /// more fields than headers, or quotation marks that do not close
        Fields = "fields",
        /// the name is missing
        FamilyName = "family_name",
        /// the date of birth is missing or cannot be read
        BirthDate = "birth_date",
        /// a health number without digits, or no valid version code
        HealthNumber = "health_number",
        /// 1.23E+09: a spreadsheet has rounded it
        Rounded = "rounded",
        /// words that say that there is no value
        Nothing = "nothing",
        /// no email address
        Email = "email",
        /// several email addresses
        EmailSeveral = "email_several",
        /// characters before the @ that mail servers do not accept
        EmailMailbox = "email_mailbox",
        /// no phone number
        Phone = "phone",
        /// a number that no phone can have
        PhoneImpossible = "phone_impossible",
        /// several phone numbers
        PhoneSeveral = "phone_several",
        /// a phone number with an extension
        PhoneExtension = "phone_extension",
        /// a language that the pages do not have
        Language = "language",
        /// no known way to notify a patient
        Method = "method",
        /// letters that could not be read
        Letters = "letters",
        /// longer than 200 characters
        TooLong = "too_long",
        /// the same patient as on an earlier line
        Repeated = "repeated",
    }
}

/// What is wrong, and where. Holds no word of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineError {
    /// the line of the file, from 1
    pub line: u64,
    /// what is wrong
    pub problem: Problem,
}

/// A field that was left empty because its text cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldLeft {
    /// the line of the file, from 1
    pub line: u64,
    /// the column's place, from 0
    pub column: usize,
    /// why it cannot be taken
    pub problem: Problem,
}

/// A patient of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPatient {
    /// the line of the file, from 1
    pub line: u64,
    /// the patient's number in the system that the list comes from
    pub id: Option<String>,
    /// the record
    pub demographics: Demographics,
    /// the columns with a value; the record has defaults for the others
    pub said: Vec<Column>,
}

/// A list as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientList {
    /// why nothing of the list can be imported
    pub problem: Option<LineError>,
    /// its columns and their meanings
    pub columns: Vec<ListColumn>,
    /// whether the columns' meanings are as guessed, with no user's choice
    pub is_as_guessed: bool,
    /// how its dates were read
    pub dates: DateOrder,
    /// the patients that can be imported
    pub patients: Vec<ListedPatient>,
    /// lines that were left out
    pub lines_left: Vec<LineError>,
    /// fields that were left out of lines that were taken
    pub fields_left: Vec<FieldLeft>,
    /// lines above the headers and below the patients that hold no patient: a title, a total
    pub passed_over: Vec<u64>,
    /// whether years of two digits were read as those of the last hundred years
    pub has_short_years: bool,
    /// whether the family name was guessed, in names of one column without a comma or capitals
    pub has_guessed_names: bool,
    /// names of further sheets of a spreadsheet that hold something; they are not read
    pub further_sheets: Vec<String>,
    /// its headers; `None` where the first line is a patient
    header: Option<Line>,
    body: Vec<Line>,
}

impl PatientList {
    /// The headers of the columns that are left out: first those with values, then the empty ones.
    pub fn ignored(&self) -> (Vec<&str>, Vec<&str>) {
        let ignored = self.columns.iter().filter(|column| column.meaning.is_none());
        let (empty, filled): (Vec<&ListColumn>, Vec<&ListColumn>) =
            ignored.partition(|column| column.samples.is_empty());
        fn headers(columns: Vec<&ListColumn>) -> Vec<&str> {
            columns.into_iter().map(|column| column.header.as_str()).collect()
        }
        (headers(filled), headers(empty))
    }

    /// Whether its first line says what the columns are.
    pub fn has_headers(&self) -> bool {
        self.header.is_some()
    }

    /// The lines that were left out, and the lines `besides`, under the same headers: a list that can be corrected and
    /// imported. Empty where there are none.
    pub fn rest(&self, besides: &[u64]) -> Vec<Vec<String>> {
        let left: BTreeSet<u64> =
            self.lines_left.iter().map(|error| error.line).chain(besides.iter().copied()).collect();
        if left.is_empty() {
            return Vec::new();
        }
        let lines = self.body.iter().filter(|line| left.contains(&line.at));
        self.header.iter().chain(lines).map(|line| line.cells.clone()).collect()
    }

    /// A list of which nothing can be imported.
    pub fn refused(line: u64, problem: Problem) -> PatientList {
        PatientList { problem: Some(LineError { line, problem }), ..PatientList::default() }
    }
}

/// What the caller knows and the list does not say.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// calling code for numbers without one: "1" for Canada
    pub calling_code: String,
    /// language of patients without one
    pub language: Lang,
    /// the present moment: everybody in the list was born before it
    pub now: Ts,
    /// most patients taken at once
    pub most: usize,
    /// the meanings that a user chose for the columns, where they did
    pub mapping: Option<Mapping>,
}

/// Reads a list and checks every line.
pub fn read_list(bytes: &[u8], options: &ListOptions) -> PatientList {
    let Some((mut lines, further_sheets)) = lines::read(bytes) else {
        return PatientList::refused(1, Problem::Unreadable);
    };
    if lines.iter().all(Line::is_blank) {
        return PatientList::refused(1, Problem::NoList);
    }
    let newest = options.now.get().date();
    let Some((at, is_of_headers)) = headers::beginning(&lines, newest) else {
        return PatientList::refused(1, Problem::Headers);
    };
    let mut body = lines.split_off(at);
    let above = lines;
    let header = if is_of_headers { Some(body.remove(0)) } else { None };
    let (mut columns, is_as_guessed) = columns::recognise(header.as_ref(), &body, options.mapping.as_ref());
    let (between, body) = lines::without_patients(body, header.as_ref(), &columns);
    columns::take_samples(&mut columns, &body);
    let dates = columns::date_order(&columns, &body, options.mapping.as_ref(), newest);
    let has_short_years = columns::has_short_years(&columns, &body);
    let passed_over = above.iter().chain(&between).filter(|line| !line.is_blank()).map(|line| line.at).collect();
    let first = header.as_ref().or(body.first()).map_or(1, |line| line.at);
    let mut list = PatientList {
        columns,
        is_as_guessed,
        dates,
        has_short_years,
        passed_over,
        further_sheets,
        header,
        body,
        ..PatientList::default()
    };
    let refused = |problem| Some(LineError { line: first, problem });
    if !columns::are_enough(&list.columns) {
        list.problem = refused(Problem::Headers);
    } else if dates == DateOrder::Open {
        list.problem = refused(Problem::DateOrder);
    } else {
        read_body(&mut list, options);
        if list.patients.is_empty() && list.lines_left.is_empty() && list.problem.is_none() {
            list.problem = refused(Problem::Empty);
        }
    }
    list
}

fn read_body(list: &mut PatientList, options: &ListOptions) {
    let mut seen = BTreeSet::new();
    let how = line::How {
        columns: &list.columns,
        dates: list.dates,
        family_first: columns::family_comes_first(&list.columns),
        options,
    };
    for line in list.body.iter().filter(|line| !line.is_blank()) {
        if list.patients.len() == options.most {
            list.problem = Some(LineError { line: line.at, problem: Problem::TooMany });
            return;
        }
        match line::read(line, &how) {
            Ok(line::Taken { patient, left, is_guess }) => {
                let keys = patient.keys();
                if keys.iter().any(|key| seen.contains(key)) {
                    list.lines_left.push(LineError { line: line.at, problem: Problem::Repeated });
                    continue;
                }
                seen.extend(keys);
                list.has_guessed_names |= is_guess;
                list.fields_left.extend(left);
                list.patients.push(patient);
            }
            Err(problems) => {
                list.lines_left.extend(problems.into_iter().map(|problem| LineError { line: line.at, problem }));
            }
        }
    }
}
