//! `postern migrate-database`: from SQLite to PostgreSQL, while the clinic works.

use super::Failure;
use crate::backup::{self, Step};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::DatabaseUrl;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Args)]
pub(super) struct Options {
    /// the empty database: postgres://USER@HOST/DATABASE; its password may stand in PGPASSWORD or ~/.pgpass instead
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// the PEM file of the certificate authorities to trust for it, in place of the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) async fn run(config: &Config, Options { to, ca_file }: Options) -> Result<ExitCode, Failure> {
    let read = |path: PathBuf| std::fs::read(&path).map_err(|e| format!("--ca-file: {}: {e}", path.display()));
    let authority = ca_file.map(read).transpose()?;
    let to = DatabaseUrl::parse(&to, authority.as_deref()).map_err(|fault| format!("--to: {fault}"))?;
    let (from, keys, clock) = (config.database.clone(), config.keys(), Clock::system());
    let began = Instant::now();
    let mut still = None;
    let moved = tokio::task::spawn_blocking(move || {
        let done = backup::relocate(
            &from,
            &to,
            &keys,
            || clock.now(),
            |step| match step {
                Step::Passed(number, rows) => println!("pass {number}: {rows} rows differed"),
                Step::Still => {
                    still = Some(Instant::now());
                    println!(
                        "from now on nobody can write; what the clinic does meanwhile waits or is asked for again"
                    );
                }
            },
        );
        done.map(|done| (done, still))
    });
    let (moved, still) = moved.await??;
    for table in &moved.tables {
        println!("{}: {} rows, SHA-256 {}", table.table, table.rows, table.sha256);
    }
    let rows: u64 = moved.tables.iter().map(|table| table.rows).sum();
    println!("{rows} rows of {} tables are the same in both databases", moved.tables.len());
    println!("the audit log holds: {} rows", moved.audit_rows);
    let seconds = |from: Option<Instant>| from.map_or(0.0, |from| from.elapsed().as_secs_f64());
    println!("{:.1} s in all, of which {:.1} s without writing", seconds(Some(began)), seconds(still));
    println!(
        "now set database_url to the new database and restart every process; the old one takes no writes any more"
    );
    Ok(ExitCode::SUCCESS)
}
