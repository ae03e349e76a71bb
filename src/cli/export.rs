//! `postern export` and `postern verify-export`.

use super::Failure;
use crate::access::Operator;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::PatientId;
use crate::export::{self, Wanted};
use crate::storage::Storage;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Options {
    /// the folder to make; it must not exist
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// only the record of this patient: the number in the address of the chart
    #[arg(long, value_name = "NUMBER")]
    patient: Option<i64>,
    /// leave internal notes out
    #[arg(long)]
    without_notes: bool,
}

#[derive(Args)]
pub(super) struct Checking {
    /// the folder that `postern export` made
    folder: PathBuf,
    /// the SHA-256 of its manifest.json, as the export told it, or as the audit log tells it
    #[arg(long, value_name = "SHA256")]
    manifest: Option<String>,
}

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let db = super::open(config).await?;
    let storage = Storage::open(&config.files)?;
    let Options { to, patient, without_notes } = options;
    let shown = to.display().to_string();
    let wanted = Wanted { to, patient: patient.map(PatientId), with_notes: !without_notes };
    let by = Operator::of_the_command_line();
    let made = export::make(&db, &storage, by, wanted, Clock::system().now()).await?;
    let counts = made.counts;
    println!("{shown}");
    println!("{} patients, {} chart items", counts.patients, counts.chart_items);
    println!(
        "{} conversations with {} messages, {} internal notes and {} attachments",
        counts.conversations, counts.messages, counts.notes, counts.attachments
    );
    println!("{} rows of the audit log", counts.audit_events);
    println!("{} files, {} bytes", made.files.0, made.files.1);
    println!("manifest.json: SHA-256 {}; the audit log has it too", made.manifest);
    println!("the export is not encrypted: keep it where only those come who may read all of it");
    if made.lacking.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines: Vec<String> =
        made.lacking.iter().map(|file| format!("not there: {} ({})", file.path, file.why)).collect();
    lines.push(format!(
        "{} files of the clinic are missing or damaged in it; manifest.json names them",
        made.lacking.len()
    ));
    Err(Failure(lines))
}

/// Needs no clinic and no configuration.
pub(super) fn verify(Checking { folder, manifest }: &Checking) -> Result<ExitCode, Failure> {
    let checked = export::verify(folder, manifest.as_deref())?;
    if !checked.flaws.is_empty() {
        let mut lines: Vec<String> = checked.flaws.iter().map(ToString::to_string).collect();
        lines.push(format!("{} differences: this is not what was exported", checked.flaws.len()));
        return Err(Failure(lines));
    }
    println!(
        "the export of {}: {} files, {} bytes, as its manifest says",
        checked.made_at, checked.files.0, checked.files.1
    );
    println!("manifest.json: SHA-256 {}", checked.manifest);
    if manifest.is_none() {
        println!("compare it with what the export told, or the audit log tells: --manifest does so");
    }
    Ok(ExitCode::SUCCESS)
}
