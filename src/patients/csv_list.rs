//! A list of patients as CSV ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)), or as pasted from a spreadsheet: a
//! line of headers in English or French, in any order, then a line for each patient. Separated by commas, semicolons
//! or tabs, in UTF-8.
//!
//! [`read_list`] reads and checks every line and touches no database; [`compare`] tells what an import would do;
//! [`store_list`] does it. A list with a wrong line is not imported at all, so nobody has to guess which half came.

use super::health_number::health_number_key;
use super::record::{self as patients, Demographics, Method, NewPatient};
use super::sources::{SourceId, by_source};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::patients as table;
use crate::db::{Conn, PatientId, Ts, Tx};
use crate::settings::Settings;
use crate::text::{self, Lang};
use crate::text_enum;
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use diesel::prelude::*;
use std::collections::HashMap;

text_enum! {
    /// What a column holds.
    pub enum Column {
        /// the record's number in the system that it comes from
        Id = "id",
        /// given names
        GivenName = "given_name",
        /// family name
        FamilyName = "family_name",
        /// what they like to be called
        PreferredName = "preferred_name",
        /// date of birth
        BirthDate = "birth_date",
        /// health number
        HealthNumber = "health_number",
        /// email
        Email = "email",
        /// cellphone
        Phone = "phone",
        /// language
        Language = "language",
        /// how to tell them
        Method = "method",
    }
}

/// The headers by which a column is known, folded: English, then French.
const HEADERS: [(Column, &[&str]); 10] = [
    (Column::Id, &["id", "patient id", "source id", "chart number", "record number", "numero de dossier", "dossier"]),
    (Column::GivenName, &["given name", "given names", "first name", "prenom", "prenoms", "prenom s"]),
    (Column::FamilyName, &["family name", "last name", "surname", "nom", "nom de famille"]),
    (Column::PreferredName, &["preferred name", "nickname", "nom usuel", "prenom usuel", "prenom prefere"]),
    (Column::BirthDate, &["date of birth", "birth date", "birthdate", "dob", "born", "date de naissance", "ne e le"]),
    (
        Column::HealthNumber,
        &[
            "health number",
            "health card number",
            "health card",
            "phn",
            "hcn",
            "numero d assurance maladie",
            "nam",
            "ramq",
        ],
    ),
    (Column::Email, &["email", "e mail", "email address", "courriel", "adresse courriel"]),
    (
        Column::Phone,
        &["cellphone", "cell phone", "cellphone number", "cell", "mobile", "phone", "cellulaire", "telephone", "tel"],
    ),
    (Column::Language, &["language", "langue"]),
    (Column::Method, &["notification method", "notifications", "methode de notification", "mode de notification"]),
];

const LANGUAGES: [(&str, &str); 8] = [
    ("en", "en"),
    ("english", "en"),
    ("anglais", "en"),
    ("eng", "en"),
    ("fr", "fr"),
    ("french", "fr"),
    ("francais", "fr"),
    ("fra", "fr"),
];

const METHODS: [(&str, Method); 12] = [
    ("both", Method::Both),
    ("email and text message", Method::Both),
    ("les deux", Method::Both),
    ("email", Method::Email),
    ("courriel", Method::Email),
    ("sms", Method::Sms),
    ("text", Method::Sms),
    ("text message", Method::Sms),
    ("texto", Method::Sms),
    ("none", Method::None),
    ("aucune", Method::None),
    ("aucun", Method::None),
];

text_enum! {
    /// What is wrong with a line, or with the list.
    pub enum Problem {
        /// not UTF-8
        Encoding = "encoding",
        /// no line of headers with a family name and a date of birth
        Headers = "headers",
        /// a column is there twice
        Twice = "twice",
        /// no patient below the headers
        Empty = "empty",
        /// more patients than are taken at once
        TooMany = "too_many",
        /// more or fewer fields than headers, or quotation marks that do not close
        Fields = "fields",
        /// the family name is missing
        FamilyName = "family_name",
        /// the date of birth is missing, or not written as 1951-03-04
        BirthDate = "birth_date",
        /// no email address
        Email = "email",
        /// no phone number
        Phone = "phone",
        /// a language that the pages do not have
        Language = "language",
        /// no way of telling
        Method = "method",
        /// longer than 200 characters
        TooLong = "too_long",
        /// the same patient as on a line before
        Repeated = "repeated",
    }
}

/// Something wrong, and where. Holds no word of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// from 1, the headers'
    pub line: u64,
    /// what
    pub problem: Problem,
}

/// A patient of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPatient {
    /// the line it stands on, from 1
    pub line: u64,
    /// its number where it comes from
    pub id: Option<String>,
    /// the record
    pub demographics: Demographics,
}

/// A list as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientList {
    /// what can be imported
    pub patients: Vec<ListedPatient>,
    /// what is wrong; where there is something, nothing is imported
    pub errors: Vec<LineError>,
    /// how many columns have a header that means nothing here
    pub ignored_columns: usize,
}

/// What the caller knows and the list does not.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// calling code of numbers without one, "1" for Canada
    pub calling_code: String,
    /// language of patients without one
    pub language: Lang,
    /// the moment by which everybody in the list was born
    pub now: Ts,
    /// most patients taken at once
    pub most: usize,
}

/// What an import does, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListSummary {
    /// patients that are new
    pub new: usize,
    /// patients that are there already, and stay as they are
    pub known: usize,
}

/// Reads a list and checks every line.
pub fn read_list(bytes: &[u8], options: &ListOptions) -> PatientList {
    let mut list = PatientList::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        let good = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
        let line = 1 + bytes.iter().take(good).filter(|byte| **byte == b'\n').count() as u64;
        list.errors.push(LineError { line, problem: Problem::Encoding });
        return list;
    };
    // the reader counts lines by LF
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = csv::ReaderBuilder::new();
    lines.delimiter(delimiter(&text)).flexible(true).trim(csv::Trim::All).has_headers(false);
    let mut records = lines.from_reader(text.as_bytes()).into_records();
    let header = records.next().and_then(Result::ok).unwrap_or_default();
    let columns: Vec<Option<Column>> = header.iter().map(column).collect();
    list.ignored_columns = columns.iter().filter(|column| column.is_none()).count();
    for needed in [Column::FamilyName, Column::BirthDate] {
        if !columns.contains(&Some(needed)) {
            list.errors.push(LineError { line: 1, problem: Problem::Headers });
            return list;
        }
    }
    if Column::ALL.iter().any(|one| columns.iter().filter(|column| **column == Some(*one)).count() > 1) {
        list.errors.push(LineError { line: 1, problem: Problem::Twice });
        return list;
    }
    let mut seen = HashMap::new();
    let (mut at, mut line) = (0, 1);
    for record in records {
        // the reader's own number is that of the line where the record before ended: blank ones lie between
        let start = record.as_ref().ok().and_then(|r| r.position()).map_or(at, |position| position.byte() as usize);
        let blank = text.bytes().skip(start).take_while(|byte| *byte == b'\n').count();
        line += text.bytes().take(start + blank).skip(at).filter(|byte| *byte == b'\n').count() as u64;
        at = start + blank;
        let Ok(record) = record else {
            list.errors.push(LineError { line, problem: Problem::Fields });
            continue;
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        if list.patients.len() == options.most {
            list.errors.push(LineError { line, problem: Problem::TooMany });
            break;
        }
        read_line(&mut list, &mut seen, line, &columns, &record, options);
    }
    if list.patients.is_empty() && list.errors.is_empty() {
        list.errors.push(LineError { line: 1, problem: Problem::Empty });
    }
    list
}

/// The separator of the headers: what there is most of.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    [b',', b';', b'\t'].into_iter().max_by_key(count).unwrap_or(b',')
}

fn column(header: &str) -> Option<Column> {
    let folded = text::words(header).join(" ");
    HEADERS.iter().find(|(_, names)| names.contains(&folded.as_str())).map(|(column, _)| *column)
}

fn read_line(
    list: &mut PatientList,
    seen: &mut HashMap<String, u64>,
    line: u64,
    columns: &[Option<Column>],
    record: &csv::StringRecord,
    options: &ListOptions,
) {
    let before = list.errors.len();
    let mut wrong = |problem| list.errors.push(LineError { line, problem });
    // a spreadsheet may leave out empty fields at the end of a line
    if record.len() > columns.len() {
        wrong(Problem::Fields);
    }
    let field = |column: Column| -> Option<String> {
        let at = columns.iter().position(|one| *one == Some(column))?;
        Some(text::one_line(record.get(at)?)).filter(|text| !text.is_empty())
    };
    if Column::ALL.iter().filter_map(|column| field(*column)).any(|text| text.chars().count() > 200) {
        wrong(Problem::TooLong);
    }
    let family_name = field(Column::FamilyName);
    if family_name.is_none() {
        wrong(Problem::FamilyName);
    }
    let born =
        field(Column::BirthDate).and_then(|date| BirthDate::parse(&date.replace('/', "-"))?.by(options.now.get()));
    if born.is_none() {
        wrong(Problem::BirthDate);
    }
    let email = field(Column::Email).map(|typed| EmailAddress::parse(&typed));
    if email == Some(None) {
        wrong(Problem::Email);
    }
    let phone = field(Column::Phone).map(|typed| PhoneNumber::parse(&typed, &options.calling_code));
    if phone == Some(None) {
        wrong(Problem::Phone);
    }
    let word = |column| field(column).map(|typed| text::words(&typed).join(" "));
    let language = word(Column::Language).map(|word| {
        let code = LANGUAGES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code);
        code.and_then(Lang::find)
    });
    if language == Some(None) {
        wrong(Problem::Language);
    }
    let method = word(Column::Method).map(|word| METHODS.iter().find(|(name, _)| *name == word).map(|(_, one)| *one));
    if method == Some(None) {
        wrong(Problem::Method);
    }
    let (Some(family_name), Some(birth_date)) = (family_name, born) else { return };
    let demographics = Demographics {
        given_name: field(Column::GivenName).unwrap_or_default(),
        family_name,
        preferred_name: field(Column::PreferredName),
        birth_date,
        health_number: field(Column::HealthNumber),
        email: email.flatten(),
        phone: phone.flatten(),
        language: language.flatten().unwrap_or(options.language).code().to_owned(),
        method: method.flatten().unwrap_or(Method::Both),
    };
    let patient = ListedPatient { line, id: field(Column::Id), demographics };
    for key in patient.keys() {
        if seen.insert(key, line).is_some_and(|earlier| earlier != line) {
            list.errors.push(LineError { line, problem: Problem::Repeated });
            break;
        }
    }
    if list.errors.len() == before {
        list.patients.push(patient);
    }
}

impl ListedPatient {
    fn source_key(&self) -> Option<SourceId> {
        self.id.as_deref().map(SourceId::of_list)
    }

    /// By what two lines are the same patient: the number, the health number; without either, name and birth date.
    fn keys(&self) -> Vec<String> {
        let d = &self.demographics;
        let number = d.health_number.as_deref().map(|number| format!("health:{}", health_number_key(number)));
        let mut keys: Vec<String> = self.id.iter().map(|id| format!("csv:{id}")).chain(number).collect();
        if keys.is_empty() {
            keys.push(format!("name:{}:{}", patients::name_key(d), d.birth_date.iso()));
        }
        keys
    }

    /// The patient who is there already: by the number of the source, by the health number, else by name and birth date.
    fn known(&self, conn: &mut Conn) -> QueryResult<Option<PatientId>> {
        let d = &self.demographics;
        if let Some(key) = self.source_key()
            && let Some(found) = by_source(conn, &key)?
        {
            return Ok(Some(found));
        }
        if let Some(number) = &d.health_number {
            let same = table::table.filter(table::health_number_key.eq(health_number_key(number)));
            if let Some(found) = same.select(table::id).first(conn).optional()? {
                return Ok(Some(found));
            }
        }
        let same = table::table.filter(table::name_key.eq(patients::name_key(d)));
        let same = same.filter(table::birth_date.eq(d.birth_date)).select((table::id, table::health_number_key));
        let found: Vec<(PatientId, Option<String>)> = same.load(conn)?;
        // two with another health number are two people
        let fits = |number: &Option<String>| number.is_none() || d.health_number.is_none();
        Ok(found.into_iter().find(|(_, number)| fits(number)).map(|(id, _)| id))
    }
}

/// What importing the list would do.
pub fn compare(conn: &mut Conn, list: &PatientList) -> QueryResult<ListSummary> {
    let mut summary = ListSummary::default();
    for patient in &list.patients {
        match patient.known(conn)? {
            Some(_) => summary.known += 1,
            None => summary.new += 1,
        }
    }
    Ok(summary)
}

/// Adds the patients who are not there yet. Those who are stay as the clinic has them.
///
/// # Errors
/// Those of the database; then nobody was added.
pub fn store_list(
    tx: &mut Tx,
    now: Ts,
    actor: Actor,
    settings: &Settings,
    list: &PatientList,
) -> QueryResult<ListSummary> {
    let mut summary = ListSummary::default();
    for patient in &list.patients {
        if patient.known(tx)?.is_some() {
            summary.known += 1;
            continue;
        }
        let new = NewPatient {
            source_key: patient.source_key(),
            demographics: patient.demographics.clone(),
            portal_access: settings.portal_for_new_patients,
            archived: false,
        };
        patients::add(tx, now, actor, &new)?;
        summary.new += 1;
    }
    let entry = Entry::of_clinic(actor, Event::PatientsImported, Subject::None);
    audit::append(tx, now, entry.with(format!("csv {} new {} known", summary.new, summary.known)))?;
    Ok(summary)
}
