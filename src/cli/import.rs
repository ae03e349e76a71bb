//! `postern import PATH…`: FHIR R4 Bundles, one file at a time, so memory does not grow with their number.

use super::Failure;
use crate::app;
use crate::chart::import::fhir::{ImportOptions, read_bundle};
use crate::chart::import::{Summary, store};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::Db;
use crate::error::AppError;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Options {
    /// files, or folders with `.json` files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let files = files(&options.paths)?;
    let db = app::open(&config.database, &Random::system()).await.map_err(|e| format!("database_url: {e}"))?;
    let bar = std::io::stderr().is_terminal().then(|| progress(files.len()));
    let (mut all, mut failed) = (Summary::default(), 0);
    for file in &files {
        let told = match import(&db, file, &config.calling_code).await {
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

/// Imports one file.
pub(super) async fn import(db: &Db, file: &Path, calling_code: &str) -> Result<Summary, Failure> {
    let reader = std::fs::File::open(file)?;
    import_from(db, reader, calling_code).await
}

/// Imports one bundle from any reader.
pub(super) async fn import_from(
    db: &Db,
    reader: impl std::io::Read + Send + 'static,
    calling_code: &str,
) -> Result<Summary, Failure> {
    let now = Clock::system().now();
    let options = ImportOptions { default_calling_code: calling_code.to_owned(), today: now.get().date() };
    let read = move || read_bundle(std::io::BufReader::new(reader)).map(|bundle| bundle.charts(&options));
    let bundle = tokio::task::spawn_blocking(read).await??;
    let write = db.write(move |tx| -> Result<_, AppError> { Ok(store(tx, now, &bundle)?) });
    write.await.map_err(super::line)
}

/// The files that are named, and the `.json` files of the folders that are named, in order.
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
            } else if file.extension().is_some_and(|ending| ending == "json") {
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
