//! `postern import PATH…` for lists of patients: CSV as programs write it, and spreadsheets.

use super::Failure;
use super::import::Options;
use crate::access::Operator;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::AppError;
use crate::http::table;
use crate::patients::csv_list::{self, ListOptions, ListSummary, Mapping, PatientList, Problem};
use crate::settings;
use crate::text::Lang;
use std::path::Path;

/// The most patients in one list.
const MOST: usize = 200_000;

/// Endings of the lists that are imported from folders.
const ENDINGS: [&str; 5] = ["csv", "tsv", "xlsx", "xls", "ods"];

/// Whether a file that the command line names is a list of patients.
pub(super) fn is_one(file: &Path) -> bool {
    may_be_one(file) || has_ending(file, "txt")
}

/// Whether a file in a folder is a list of patients.
pub(super) fn may_be_one(file: &Path) -> bool {
    ENDINGS.iter().any(|ending| has_ending(file, ending))
}

fn has_ending(file: &Path, wanted: &str) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}

/// The result of importing a list.
pub(super) struct ListReport {
    /// messages for the user, one for each line
    pub lines: Vec<String>,
    /// patients who were added, or who would be in a dry run
    pub new: usize,
    /// patients whom the clinic had already
    pub known: usize,
}

/// Imports a list, or in a dry run reports what would change, one line for each thing that a user must know. What is
/// left out is reported by line and column, never with a word from the list.
///
/// # Errors
/// Where nothing of the list can be imported.
pub(super) async fn import(db: &Db, file: &Path, config: &Config, how: &Options) -> Result<ListReport, Failure> {
    let (bytes, now) = (std::fs::read(file)?, Clock::system().now());
    let settings = db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await.map_err(super::line)?;
    let calling_code = config.calling_code.clone();
    let options = ListOptions { calling_code, language: settings.lang(), now, most: MOST, mapping: None };
    let list = read_as_before(db, bytes, options, how).await?;
    if let Some(error) = list.problem {
        let why = match error.problem {
            Problem::Headers if !list.has_headers() && !list.columns.is_empty() => {
                "there is no line of headers; add one with the name and the date of birth, or import the list on the page \
                 \"Import patients\""
            }
            other => problem_line(other),
        };
        return Err(Failure(vec![format!("line {}: {why}", error.line), "nothing was imported".to_owned()]));
    }
    let mut told = left_out(&list);
    let dry_run = how.dry_run;
    let (summary, list) = match dry_run {
        true => db
            .read(move |conn| -> Result<_, AppError> { Ok((csv_list::compare(conn, &list)?, list)) })
            .await
            .map_err(super::line)?,
        false => {
            let write = db.write(move |tx| -> Result<_, AppError> {
                Ok((csv_list::store_list(tx, now, &Operator::of_the_command_line(), &settings, &list)?, list))
            });
            write.await.map_err(super::line)?
        }
    };
    let rest = list.rest(&summary.doubtful_lines());
    told.extend(what_came_of_it(&summary, rest.len().saturating_sub(usize::from(list.has_headers())), dry_run));
    if let Some(folder) = &how.left_out {
        told.extend(write_rest(&rest, file, folder)?);
    }
    Ok(ListReport { lines: told, new: summary.new, known: summary.known })
}

/// Reads a list; its columns mean what somebody chose on the page "Import patients" for a list with the same headers.
async fn read_as_before(
    db: &Db,
    bytes: Vec<u8>,
    mut options: ListOptions,
    how: &Options,
) -> Result<PatientList, Failure> {
    let (bytes, first) = read(bytes, options.clone()).await?;
    let key = csv_list::headers_key(&first);
    let mapping = db.read(move |conn| -> Result<_, AppError> { Ok(csv_list::mapping(conn, &key)?) }).await;
    options.mapping = mapping.map_err(super::line)?;
    if how.dates.is_some() {
        options.mapping = Some(Mapping { dates: how.dates, ..options.mapping.take().unwrap_or_default() });
    }
    Ok(if options.mapping.is_some() { read(bytes, options).await?.1 } else { first })
}

async fn read(bytes: Vec<u8>, options: ListOptions) -> Result<(Vec<u8>, PatientList), Failure> {
    let read = move || {
        let list = csv_list::read_list(&bytes, &options);
        (bytes, list)
    };
    Ok(tokio::task::spawn_blocking(read).await?)
}

fn problem_line(problem: Problem) -> &'static str {
    match problem {
        Problem::Headers => {
            "there must be columns for the name and the date of birth; import a list with these headers once on the page \
             \"Import patients\" and say there which they are"
        }
        Problem::DateOrder => "03/04 can be in March or in April; say what comes first by --dates",
        other => Lang::or_english("en").t_of("csv", other.as_str()),
    }
}

/// The lines and columns that are left out, before the list is compared with the clinic's patients.
fn left_out(list: &PatientList) -> Vec<String> {
    let (filled, empty) = list.ignored();
    let header = |at: usize| list.columns.get(at).map_or("", |column| column.header.as_str());
    let columns = filled.iter().map(|header| format!("column {header:?} is left out"));
    let empty = empty.iter().map(|header| format!("column {header:?} is empty and left out"));
    let lines = list.passed_over.iter().map(|line| format!("line {line} holds no patient and is passed over"));
    let left = list.lines_left.iter().map(|e| format!("line {} is left out: {}", e.line, problem_line(e.problem)));
    let fields = list
        .fields_left
        .iter()
        .map(|f| format!("line {}, column {:?} is left out: {}", f.line, header(f.column), problem_line(f.problem)));
    let years = list.has_short_years.then(|| "years of two figures are read as those of the last hundred years".into());
    let guess =
        "names in one column have no comma: one word of each was taken for the family name; compare some of them";
    let names = list.has_guessed_names.then(|| guess.to_owned());
    let sheets = list.further_sheets.iter().map(|name| format!("sheet {name:?} is not read"));
    sheets.chain(columns).chain(empty).chain(lines).chain(left).chain(fields).chain(years).chain(names).collect()
}

fn what_came_of_it(summary: &ListSummary, left: usize, dry_run: bool) -> Vec<String> {
    let differences = summary.differences.iter();
    let mut told: Vec<String> =
        differences.map(|one| format!("line {}: {} differs and stays", one.line, one.column.as_str())).collect();
    told.extend(summary.filled.iter().map(|one| {
        let columns: Vec<&str> = one.columns.iter().map(|column| column.as_str()).collect();
        format!("line {}: what was empty is filled in: {}", one.line, columns.join(", "))
    }));
    told.extend(summary.doubtful.iter().map(|(line, _)| {
        format!("line {line} is left out: it may be a patient who is here already; add or correct them by hand")
    }));
    let would = if dry_run { "would add" } else { "added" };
    let (new, known, filled) = (summary.new, summary.known, summary.filled.len());
    told.push(format!(
        "{would} {new} patients, {known} known already, {filled} of them filled in, {left} lines left out"
    ));
    told
}

/// Writes the lines that were left out into a folder, as a list of their own. Gives the line that says so.
fn write_rest(rest: &[Vec<String>], list: &Path, folder: &Path) -> Result<Option<String>, Failure> {
    if rest.is_empty() {
        return Ok(None);
    }
    let name = list.file_stem().unwrap_or_default().to_string_lossy();
    let path = folder.join(format!("{name}.left-out.csv"));
    let bytes = table::bytes(rest.to_vec()).map_err(super::line)?;
    std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Some(format!("the lines that were left out are in {}", path.display())))
}
