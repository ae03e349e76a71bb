//! `/patients/import`: a list of patients, as a file or pasted from a spreadsheet: checked first, with what each column was
//! taken for, then imported.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::db::PatientId;
use crate::error::AppError;
use crate::http::multipart::Body;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, table};
use crate::patients::csv_list::{
    self, Column, DateOrder, Difference, Filled, LineError, ListOptions, ListSummary, Mapping, PatientList, Problem,
};
use crate::settings;
use crate::state::AppState;
use crate::text::Lang;
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::stream;
use std::collections::BTreeMap;

/// The most patients in one import on this page; `postern import` takes more.
const MOST: usize = 2_000;
/// The most lines of one sort that the page lists.
const MOST_TOLD: usize = 50;
/// The largest file and the longest list, in bytes.
const LARGEST: usize = 5 << 20;

#[derive(Template)]
#[template(path = "clinic/patients/import.html")]
struct ImportPage {
    shell: Shell,
    list: String,
    /// names of sheets of the file that were not read, one a line
    further_sheets: String,
    /// the key by which the list's headers are recognised
    headers: String,
    /// why nothing can be imported, with its line
    problem: Option<(u64, Problem)>,
    columns: Vec<ColumnRow>,
    notes: Notes,
    /// the ways to read the dates, where there is something to choose
    orders: Vec<DateOrder>,
    dates: DateOrder,
    lines_left: Vec<(u64, Problem)>,
    fields_left: Vec<FieldRow>,
    filled: Vec<FilledRow>,
    differences: Vec<DifferenceRow>,
    /// lines about somebody who may be this patient
    doubtful: Vec<(u64, PatientId)>,
    /// lines that are not shown
    more: usize,
    /// what the import would do, where the list can be read
    checked: Option<Counts>,
    /// what it did
    done: Option<Counts>,
}

/// What a user must know about the list as a whole; empty where there is nothing.
#[derive(Default)]
struct Notes {
    ignored: String,
    empty: String,
    passed_over: String,
    has_short_years: bool,
    has_guessed_names: bool,
}

struct Counts {
    new: usize,
    known: usize,
    filled: usize,
}

struct ColumnRow {
    at: usize,
    header: String,
    samples: Vec<String>,
    meaning: &'static str,
    choices: &'static [Column],
}

/// Fields of one column that were left out for one reason.
struct FieldRow {
    header: String,
    problem: Problem,
    count: usize,
    lines: String,
}

struct FilledRow {
    line: u64,
    patient: PatientId,
    columns: String,
}

struct DifferenceRow {
    line: u64,
    patient: PatientId,
    column: Column,
    here: String,
    listed: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        Ok(page(shell, &PatientList::default(), Sent::default(), None))
    });
    html(&page.await?)
}

/// What was sent: the form, with the words of a file in place of what the text box held.
#[derive(Default)]
struct Sent {
    form: Form,
    list: String,
    further_sheets: String,
    is_unreadable: bool,
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, AppError> {
    let sent = sent(&state, &req, body).await?;
    if sent.is_unreadable {
        return checked(&state, head, user, PatientList::refused(1, Problem::Unreadable), sent).await;
    }
    let list = read(&state, &head, &sent.form, &sent.list).await?;
    if sent.form.has("rest") {
        let compare = state.db.read(move |conn| -> Result<_, AppError> {
            let doubtful = csv_list::compare(conn, &list)?.doubtful_lines();
            Ok(list.rest(&doubtful))
        });
        return Ok(table::csv("left-out.csv", stream::iter([Ok(compare.await?)])));
    }
    if !sent.form.has("confirmed") || list.problem.is_some() || list.patients.is_empty() {
        return checked(&state, head, user, list, sent).await;
    }
    let (now, by) = (state.clock.now(), user.0.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let settings = settings::load(tx)?;
        let summary = csv_list::store_list(tx, now, &by, &settings, &list)?;
        csv_list::remember(tx, now, &list)?;
        Ok((summary, list))
    });
    let (summary, list) = write.await?;
    let rest = list.rest(&summary.doubtful_lines());
    if rest.is_empty() {
        return Ok(see_other("/patients?notice=patients-imported"));
    }
    // the lines that were left out come back in the form, to be corrected and imported
    let text = csv_list::written(rest.iter().map(Vec::as_slice)).unwrap_or_default();
    let left = read(&state, &head, &sent.form, &text).await?;
    let sent = Sent { list: text, further_sheets: String::new(), ..sent };
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let again = csv_list::compare(conn, &left)?;
        let page = page(shell, &left, sent, None);
        Ok(ImportPage { done: Some(Counts::from_summary(&summary)), doubtful: again.doubtful, ..page })
    });
    html(&page.await?)
}

/// Reads the form: in parts, where it may carry a file, or plain.
async fn sent(state: &AppState, req: &HttpRequest, body: web::Payload) -> Result<Sent, AppError> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        let form = Form::from_request(req, &mut body.into_inner()).await?;
        let (list, further_sheets) = (form.get("list").to_owned(), form.get("further_sheets").to_owned());
        return Ok(Sent { form, list, further_sheets, is_unreadable: false });
    }
    let mut parts = Body::within(req, Multipart::new(req.headers(), body), 4 * LARGEST as u64)?;
    let (mut pairs, mut file, mut list) = (Vec::new(), BytesMut::new(), BytesMut::new());
    while let Some(mut part) = parts.next().await? {
        let into = match part.name.as_str() {
            "file" => &mut file,
            "list" => &mut list,
            _ => {
                pairs.push((part.name.clone(), part.into_text().await?));
                continue;
            }
        };
        while let Some(piece) = part.piece().await? {
            if into.len() + piece.len() > LARGEST {
                return Err(AppError::TooLarge);
            }
            into.extend_from_slice(&piece);
        }
    }
    let form = Form::of_pairs(pairs);
    if file.is_empty() {
        let list = String::from_utf8_lossy(&list).replace('\0', "");
        let further_sheets = form.get("further_sheets").to_owned();
        return Ok(Sent { form, list, further_sheets, is_unreadable: false });
    }
    of_file(state, form, file.freeze()).await
}

/// Puts the words of a file into the form, as if they had been pasted.
async fn of_file(state: &AppState, mut form: Form, file: Bytes) -> Result<Sent, AppError> {
    // these choices were made for the previous list
    for name in ["headers", "confirmed", "rest"] {
        form.remove(name);
    }
    let read = state.intake.list(file).await;
    let is_unreadable = read.is_none();
    let read = read.unwrap_or_default();
    if read.text.len() > LARGEST {
        return Err(AppError::TooLarge);
    }
    Ok(Sent { form, list: read.text, further_sheets: read.further_sheets.join("\n"), is_unreadable })
}

/// Reads a list by the columns chosen in this form, or else those chosen for the last list with the same headers.
async fn read(state: &AppState, head: &Head, form: &Form, typed: &str) -> Result<PatientList, AppError> {
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await?;
    let calling_code = state.config.calling_code.clone();
    let options = ListOptions { calling_code, language: settings.lang(), now: head.now, most: MOST, mapping: None };
    let list = blocking(typed.to_owned(), options.clone()).await?;
    let key = csv_list::headers_key(&list);
    let mapping = match form.get("headers") == key {
        true => Some(chosen(form, list.columns.len())),
        false => state.db.read(move |conn| -> Result<_, AppError> { Ok(csv_list::mapping(conn, &key)?) }).await?,
    };
    match mapping {
        Some(mapping) => blocking(typed.to_owned(), ListOptions { mapping: Some(mapping), ..options }).await,
        None => Ok(list),
    }
}

async fn blocking(typed: String, options: ListOptions) -> Result<PatientList, AppError> {
    let read = web::block(move || csv_list::read_list(typed.as_bytes(), &options));
    read.await.map_err(|_| AppError::Internal("no thread".into()))
}

fn chosen(form: &Form, columns: usize) -> Mapping {
    let column = |at: usize| form.get(&format!("column-{at}")).parse().ok();
    Mapping { columns: (0..columns).map(column).collect(), dates: form.get("dates").parse().ok(), dates_before: None }
}

/// The list again, with what is wrong and with what importing it would do.
async fn checked(
    state: &AppState,
    head: Head,
    user: User<rights::EditPatients>,
    list: PatientList,
    sent: Sent,
) -> Result<HttpResponse, AppError> {
    let good = list.problem.is_none() && !list.patients.is_empty();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let summary = if good { Some(csv_list::compare(conn, &list)?) } else { None };
        Ok(page(shell, &list, sent, summary))
    });
    with_status(if good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &read.await?)
}

impl Counts {
    fn from_summary(summary: &ListSummary) -> Counts {
        Counts { new: summary.new, known: summary.known, filled: summary.filled.len() }
    }
}

fn page(shell: Shell, list: &PatientList, sent: Sent, checked: Option<ListSummary>) -> ImportPage {
    let lang = shell.lang;
    let headers = if list.columns.is_empty() { String::new() } else { csv_list::headers_key(list) };
    let columns = list.columns.iter().enumerate().map(|(at, column)| ColumnRow {
        at,
        header: column.header.clone(),
        samples: column.samples.clone(),
        meaning: column.meaning.map_or("", Column::as_str),
        choices: Column::ALL,
    });
    let asked = list.dates != DateOrder::Clear;
    let orders =
        if asked { vec![DateOrder::DayFirst, DateOrder::MonthFirst, DateOrder::YearFirst] } else { Vec::new() };
    let mut more = 0;
    let (ignored, empty) = list.ignored();
    let lines_left = list.lines_left.iter().map(|error: &LineError| (error.line, error.problem)).collect();
    let summary = checked.unwrap_or_default();
    ImportPage {
        headers,
        problem: list.problem.map(|error| (error.line, error.problem)),
        columns: columns.collect(),
        notes: Notes {
            ignored: ignored.join(", "),
            empty: empty.join(", "),
            passed_over: several(list.passed_over.iter().copied()),
            has_short_years: list.has_short_years && list.problem.is_none(),
            has_guessed_names: list.has_guessed_names,
        },
        orders,
        dates: list.dates,
        lines_left: cut(lines_left, &mut more),
        fields_left: fields_left(list),
        checked: (summary != ListSummary::default()).then(|| Counts::from_summary(&summary)),
        filled: cut(summary.filled.into_iter().map(|one| filled(lang, one)).collect(), &mut more),
        differences: cut(summary.differences.into_iter().map(|one| difference(lang, one)).collect(), &mut more),
        doubtful: cut(summary.doubtful, &mut more),
        more,
        done: None,
        list: sent.list,
        further_sheets: sent.further_sheets,
        shell,
    }
}

/// The first [`MOST_TOLD`] of them; the others are counted in `more`.
fn cut<T>(mut all: Vec<T>, more: &mut usize) -> Vec<T> {
    *more += all.len().saturating_sub(MOST_TOLD);
    all.truncate(MOST_TOLD);
    all
}

fn filled(lang: Lang, one: Filled) -> FilledRow {
    let columns: Vec<&str> = one.columns.iter().map(|column| lang.t_of("list-column", column.as_str())).collect();
    FilledRow { line: one.line, patient: one.patient, columns: columns.join(", ") }
}

/// A difference as the page shows it: stored words in the user's language.
fn difference(lang: Lang, one: Difference) -> DifferenceRow {
    let word = |value: String| match one.column {
        Column::Method => lang.t_of("method", &value).to_owned(),
        Column::Language => lang.t_of("language", &value).to_owned(),
        _ => value,
    };
    let (here, listed) = (word(one.here), word(one.listed));
    DifferenceRow { line: one.line, patient: one.patient, column: one.column, here, listed }
}

fn fields_left(list: &PatientList) -> Vec<FieldRow> {
    let mut by: BTreeMap<(usize, Problem), Vec<u64>> = BTreeMap::new();
    for field in &list.fields_left {
        by.entry((field.column, field.problem)).or_default().push(field.line);
    }
    let header = |at: usize| list.columns.get(at).map_or(String::new(), |column| column.header.clone());
    by.into_iter()
        .map(|((column, problem), lines)| FieldRow {
            header: header(column),
            problem,
            count: lines.len(),
            lines: several(lines.into_iter()),
        })
        .collect()
}

/// `2, 5, 9 …`
fn several(lines: impl Iterator<Item = u64>) -> String {
    let all: Vec<String> = lines.map(|line| line.to_string()).collect();
    match all.get(..MOST_TOLD) {
        Some(shown) if all.len() > MOST_TOLD => format!("{} …", shown.join(", ")),
        _ => all.join(", "),
    }
}
