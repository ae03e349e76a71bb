//! `postern import PATH…`: FHIR R4 Bundles, and lists of patients as CSV; one file at a time, so memory does not grow
//! with their number.

use super::Failure;
use crate::app;
use crate::attachments::Desk;
use crate::audit::Actor;
use crate::chart::import::fhir::{ImportOptions, ImportedBundle, read_bundle};
use crate::chart::import::{Summary, store};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::Db;
use crate::error::AppError;
use crate::patients::csv_list as csv;
use crate::settings;
use crate::text::{self, Lang};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Patients in one list.
const MOST_LISTED: usize = 200_000;

#[derive(Args)]
pub(super) struct Options {
    /// files, or folders with `.json` files (FHIR R4 Bundles) and `.csv` files (lists of patients)
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// read and check everything, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// the system that the FHIR files come from, for files that do not say: an id is valid within one source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let files = files(&options.paths)?;
    let db = app::open(&config.database, &Random::system()).await.map_err(|e| format!("database_url: {e}"))?;
    let desk = Desk::open(&config.files)?;
    let reading = ImportOptions {
        default_calling_code: config.calling_code.clone(),
        today: Clock::system().now().get().date(),
        source: options.source.as_deref().map(text::one_line).filter(|name| !name.is_empty()),
    };
    let bar = std::io::stderr().is_terminal().then(|| progress(files.len()));
    let (mut all, mut failed) = (Summary::default(), 0);
    for file in &files {
        if is_csv(file) {
            match import_list(&db, file, config, options.dry_run).await {
                Ok(told) => println!("{}: {told}", file.display()),
                Err(Failure(why)) => {
                    failed += 1;
                    why.iter().for_each(|line| eprintln!("{}: {line}", file.display()));
                }
            }
            continue;
        }
        let imported = match options.dry_run {
            true => check(file, &reading).await,
            false => import(&db, &desk, file, &reading).await,
        };
        let told = match imported {
            Ok(summary) => {
                let (new, changed): (usize, usize) = (summary.items.values().sum(), summary.changed.values().sum());
                let told = format!(
                    "{}: {} patients, {new} new items, {changed} changed items",
                    file.display(),
                    summary.patients
                );
                all.merge(summary);
                told
            }
            Err(Failure(why)) => {
                failed += 1;
                format!("{}: FAILED: {}", file.display(), why.join("; "))
            }
        };
        match &bar {
            Some(bar) if !told.contains("FAILED") => bar.inc(1),
            Some(bar) => bar.suspend(|| eprintln!("{told}")),
            None => println!("{told}"),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    print_summary(&all, files.len(), failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_csv(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

/// Imports a list of patients, or tells what that would do. What is wrong is told by line.
async fn import_list(db: &Db, file: &Path, config: &Config, dry_run: bool) -> Result<String, Failure> {
    let (bytes, now) = (std::fs::read(file)?, Clock::system().now());
    let settings = db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await.map_err(super::line)?;
    let calling_code = config.calling_code.clone();
    let options = csv::ListOptions { calling_code, language: settings.lang(), now, most: MOST_LISTED };
    let list = tokio::task::spawn_blocking(move || csv::read_list(&bytes, &options)).await?;
    if !list.errors.is_empty() {
        let english = Lang::or_english("en");
        let line = |e: &csv::LineError| format!("line {}: {}", e.line, english.t_of("csv", e.problem.as_str()));
        let mut lines: Vec<String> = list.errors.iter().map(line).collect();
        lines.push("nothing was imported".to_owned());
        return Err(Failure(lines));
    }
    let ignored = list.ignored_columns;
    let summary = match dry_run {
        true => db.read(move |conn| -> Result<_, AppError> { Ok(csv::compare(conn, &list)?) }).await,
        false => {
            let write = db.write(move |tx| -> Result<_, AppError> {
                Ok(csv::store_list(tx, now, Actor::System, &settings, &list)?)
            });
            write.await
        }
    };
    let csv::ListSummary { new, known } = summary.map_err(super::line)?;
    let would = if dry_run { "would add" } else { "added" };
    Ok(format!("{would} {new} patients, {known} known already; {ignored} columns ignored"))
}

/// Reads one bundle and changes nothing: what it holds, all taken for new.
async fn check(file: &Path, reading: &ImportOptions) -> Result<Summary, Failure> {
    let reader = std::fs::File::open(file)?;
    let bundle = read(reader, reading).await?;
    Ok(Summary::of(&bundle))
}

/// Imports one file.
async fn import(db: &Db, desk: &Desk, file: &Path, reading: &ImportOptions) -> Result<Summary, Failure> {
    let reader = std::fs::File::open(file)?;
    import_from(db, desk, reader, reading).await
}

/// Imports one bundle from any reader.
pub(super) async fn import_from(
    db: &Db,
    desk: &Desk,
    reader: impl std::io::Read + Send + 'static,
    reading: &ImportOptions,
) -> Result<Summary, Failure> {
    let now = Clock::system().now();
    let mut bundle = read(reader, reading).await?;
    let files = desk.place_files(db, now, &Random::system(), &mut bundle).await.map_err(|e| e.to_string())?;
    let write = db.write(move |tx| -> Result<_, AppError> { Ok(store(tx, now, &bundle, &files)?) });
    write.await.map_err(super::line)
}

async fn read(reader: impl std::io::Read + Send + 'static, reading: &ImportOptions) -> Result<ImportedBundle, Failure> {
    let reading = reading.clone();
    let read = move || read_bundle(std::io::BufReader::new(reader)).map(|bundle| bundle.charts(&reading));
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// The files that are named, and the `.json` and `.csv` files of the folders that are named, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))? {
            let file = entry?.path();
            if file.is_dir() {
                inside.extend(self::files(&[file])?);
            } else if file.extension().is_some_and(|ending| ending == "json" || ending == "csv") {
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
    println!("items known already: {}", all.known_items);
    for ((what, why), count) in &all.skipped {
        println!("skipped {what}: {count} ({why})");
    }
    if failed > 0 {
        println!("failed: {failed} files, named above");
    }
}
