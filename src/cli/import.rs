//! `postern import PATH…`: FHIR R4 as servers write it (Bundles, single resources, NDJSON, each also packed by gzip),
//! and lists of patients as CSV; resource by resource, so memory does not grow with the number or the size of files.

use super::{Failure, line, lists};
use crate::access::Operator;
use crate::attachments::{FileIntake, Together};
use crate::chart::import::Summary;
use crate::chart::import::fhir::{FhirError, ImportOptions, Reopen, SkipReason, read_files};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::Db;
use crate::error::AppError;
use crate::export;
use crate::patients::csv_list::DateOrder;
use crate::text;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeSet, HashMap};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
pub(super) struct Options {
    /// files, or folders with `.json` and `.ndjson` files (FHIR R4; also `.gz`) and lists of patients (`.csv`, `.tsv`,
    /// `.xlsx`, `.xls`, `.ods`)
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// read and check everything, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// the system that the FHIR files come from, for files that do not say: an id is valid within one source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// what comes first in the dates of lists where 03/04 leaves it open: day_first or month_first
    #[arg(long, value_name = "ORDER")]
    pub(super) dates: Option<DateOrder>,
    /// a folder into which the lines of lists that are left out are written, as lists of their own
    #[arg(long, value_name = "FOLDER")]
    pub(super) left_out: Option<PathBuf>,
}

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let files = files(&options.paths)?;
    let db = super::open(config).await?;
    let intake = FileIntake::open(&config.files)?;
    let reading = ImportOptions {
        default_calling_code: config.calling_code.clone(),
        today: Clock::system().now().get().date(),
        source: options.source.as_deref().map(text::one_line).filter(|name| !name.is_empty()),
    };
    let count = files.len();
    let bar = std::io::stderr().is_terminal().then(|| progress(count));
    let (mut all, mut failed) = (Summary::default(), 0);
    let exports = exports(&db, &files, reading.source.is_some()).await?;
    for group in together(files) {
        let (Some(file), count) = (group.first(), group.len()) else { continue };
        if lists::is_one(file) {
            match lists::import(&db, file, config, &options).await {
                Ok(told) => {
                    told.lines.iter().for_each(|line| println!("{}: {line}", file.display()));
                    all.patients += told.new;
                    all.known_patients += told.known;
                }
                Err(Failure(why)) => {
                    failed += 1;
                    why.iter().for_each(|line| eprintln!("{}: {line}", file.display()));
                }
            }
            continue;
        }
        let folder = file.parent().map(Path::to_owned);
        let name = match (count, file.parent()) {
            (2.., Some(folder)) => format!("{} ({count} files)", folder.display()),
            _ => file.display().to_string(),
        };
        let delivery: Together =
            Arc::new(group.into_iter().map(|file| Box::new(file) as Box<dyn Reopen + Send + Sync>).collect());
        // an export says itself which clinic its ids are of
        let source = folder.as_deref().and_then(|folder| exports.get(folder)).cloned();
        let reading = ImportOptions { source: source.or_else(|| reading.source.clone()), ..reading.clone() };
        let imported = match options.dry_run {
            true => check(&delivery, &reading).await,
            false => import(&db, &intake, &delivery, &reading).await,
        };
        let told = match imported {
            Ok(summary) => {
                let told = summary_line(&name, &summary);
                all.merge(summary);
                told
            }
            Err(Failure(why)) => {
                failed += count;
                format!("{name}: FAILED: {}", why.join("; "))
            }
        };
        match &bar {
            Some(bar) if !told.contains("FAILED") => bar.inc(count as u64),
            Some(bar) => bar.suspend(|| eprintln!("{told}")),
            None => println!("{told}"),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    print_summary(&all, count, failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders of these files that hold the resources of exports, each with the name of the clinic that made it. An export of
/// which something was changed is refused: nothing of it is to come into a chart. So is one that does not say which clinic its ids
/// are of, unless the source is named: ids of two clinics are the same numbers.
async fn exports(db: &Db, files: &[PathBuf], is_named: bool) -> Result<HashMap<PathBuf, String>, Failure> {
    let own = db.read(|conn| -> Result<_, AppError> { Ok(export::source_of(conn)?) }).await.map_err(line)?;
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let mut found = HashMap::new();
    for of_files in folders {
        let here = if of_files.as_os_str().is_empty() { Path::new(".") } else { of_files };
        let Ok(fhir) = here.canonicalize() else { continue };
        let holder = fhir.parent().filter(|holder| export::fhir_of(holder).as_ref() == Some(&fhir));
        let Some(folder) = holder.map(Path::to_owned) else {
            if !is_named && export::is_of_export(&fhir) {
                let shown = fhir.display();
                return Err(format!(
                    "{shown} is of an export, and its manifest.json is not beside it: import the whole export, or name the \
                     clinic that it comes from by --source"
                )
                .into());
            }
            continue;
        };
        let shown = folder.display().to_string();
        let checked = tokio::task::spawn_blocking(move || export::verify(&folder, None)).await??;
        if let Some(flaw) = checked.flaws.first() {
            let count = checked.flaws.len();
            return Err(format!("{shown}: {flaw} ({count} differences): this is not what was exported").into());
        }
        if checked.source == own {
            return Err(format!("{shown} is an export of this clinic: its records are here already").into());
        }
        println!(
            "{shown}: conversations come as items of the chart, one for each message, and the audit log does not come"
        );
        found.insert(of_files.to_owned(), checked.source);
    }
    Ok(found)
}

/// The summary of a file in one line, and a further line for each thing that a user must know.
fn summary_line(name: &str, summary: &Summary) -> String {
    let (new, changed): (usize, usize) = (summary.items.values().sum(), summary.changed.values().sum());
    let mut told = format!("{name}: {} patients, {new} new items, {changed} changed items", summary.patients);
    let withdrawn: usize = summary.withdrawn.values().sum();
    if withdrawn > 0 {
        told.push_str(&format!(", {withdrawn} withdrawn by the source"));
    }
    if summary.further_pages > 0 {
        told.push_str(&format!("\n{name}: this is one page of several: the source has more (link \"next\")"));
    }
    let refused = |why: &str| summary.skipped.get(&("Patient".to_owned(), why_known(why))).copied().unwrap_or(0);
    if refused("other_person") > 0 {
        told.push_str(&format!(
            "\n{name}: nothing was taken of {} patients: their id is another person's here, with another name and \
             another birth date. Name the source by --source if it is another one.",
            refused("other_person")
        ));
    }
    if refused("unsure_person") > 0 {
        told.push_str(&format!(
            "\n{name}: nothing was taken of {} patients: they may be patients whom the clinic has, but not all agrees. \
             Compare name, birth date and health number in their records, and import again.",
            refused("unsure_person")
        ));
    }
    told
}

/// The static text of a reason, as summaries have it.
fn why_known(why: &str) -> &'static str {
    SkipReason::ALL.iter().find(|reason| reason.as_str() == why).map_or("", |reason| reason.as_str())
}

/// Reads files that come together and changes nothing: gives the summary as if all of it were new.
async fn check(files: &Together, reading: &ImportOptions) -> Result<Summary, Failure> {
    let (files, reading) = (files.clone(), reading.clone());
    let read = move || {
        let all: Vec<&dyn Reopen> = files.iter().map(|file| file.as_ref() as &dyn Reopen).collect();
        Ok::<_, FhirError>(Summary::from_bundle(&read_files(&all)?.charts(&reading)))
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Imports files that come together.
pub(super) async fn import(
    db: &Db,
    intake: &FileIntake,
    files: &Together,
    reading: &ImportOptions,
) -> Result<Summary, Failure> {
    let by = Operator::of_the_command_line();
    let imported = intake.import(db, Clock::system().now(), &Random::system(), by, files.clone(), reading).await;
    Ok(imported.map_err(|e| std::error::Error::source(&e).map_or(e.to_string(), |cause| format!("{e}: {cause}")))?)
}

/// Groups files that are read as one: the files with one resource on each line that stand in one folder, because an
/// export writes such a file for each type of resource. Every other file is a group of its own.
fn together(files: Vec<PathBuf>) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<Vec<PathBuf>> = Vec::new();
    for file in files {
        let joins = |group: &Vec<PathBuf>| {
            group.first().is_some_and(|first| {
                has_ending(first, &LINES) && has_ending(&file, &LINES) && first.parent() == file.parent()
            })
        };
        match groups.last_mut() {
            Some(group) if joins(group) => group.push(file),
            _ => groups.push(vec![file]),
        }
    }
    groups
}

/// Endings of files with one resource on each line.
const LINES: [&str; 2] = [".ndjson", ".ndjson.gz"];
/// Endings of the FHIR files that are imported from folders.
const ENDINGS: [&str; 4] = [".json", ".json.gz", ".ndjson", ".ndjson.gz"];

fn has_ending(file: &Path, endings: &[&str]) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    endings.iter().any(|ending| name.ends_with(ending))
}

/// The named files, and from the named folders the files that may be importable, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        // of an export, the resources alone: its pages and files hold the same once more
        if let Some(fhir) = export::fhir_of(path) {
            files.extend(self::files(&[fhir])?);
            continue;
        }
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))? {
            let file = entry?.path();
            if file.is_dir() {
                inside.extend(self::files(&[file])?);
            } else if has_ending(&file, &ENDINGS) || lists::may_be_one(&file) {
                inside.push(file);
            }
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn progress(files: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left");
    ProgressBar::new(files as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print_summary(all: &Summary, files: usize, failed: usize) {
    println!("{} of {files} files imported", files - failed);
    println!("patients: {} new, {} known", all.patients, all.known_patients);
    for (kind, count) in &all.items {
        println!("{kind}: {count} new");
    }
    for (kind, count) in &all.changed {
        println!("{kind}: {count} changed");
    }
    for (kind, count) in &all.withdrawn {
        println!("{kind}: {count} withdrawn by the source");
    }
    println!("items known already: {}", all.known_items);
    if all.archived + all.brought_back > 0 {
        println!("records archived: {}, brought back: {}", all.archived, all.brought_back);
    }
    for ((what, why), count) in &all.skipped {
        println!("skipped {what}: {count} ({why})");
    }
    if failed > 0 {
        println!("failed: {failed} files, named above");
    }
}
