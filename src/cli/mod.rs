//! The command line: one file for each command.

mod at_rest;
mod audit;
mod backup;
mod check_config;
mod demo;
mod export;
mod files;
mod import;
mod keys;
mod lists;
mod migrate;
mod migrate_database;
mod read_words;
mod serve;
mod signals;
mod sync;
mod user;
mod worker;

use crate::app;
use crate::attachments;
use crate::clock::Random;
use crate::config::{Config, LogFormat};
use crate::db::Db;
use crate::error::AppError;
use crate::traces::{self, Collector};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Secure messages from a clinic to its patients.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Arguments {
    /// configuration file; without it `postern.toml` in this folder, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// run the web server (and, unless told otherwise, the worker)
    Serve,
    /// run only the worker that sends notifications
    Worker,
    /// try Postern with a complete clinic of synthetic patients
    Demo(demo::Options),
    /// bring the database up to date
    Migrate(migrate::Options),
    /// move the clinic from SQLite to PostgreSQL while it works
    MigrateDatabase(migrate_database::Options),
    /// import charts (FHIR R4 Bundles) and lists of patients (CSV)
    Import(import::Options),
    /// bring the charts up to date with the clinic's EMRs, as the worker does by itself
    Sync(sync::Options),
    /// manage users
    User {
        #[command(subcommand)]
        command: user::Command,
    },
    /// work with the audit log
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// look after the files in storage
    Files {
        #[command(subcommand)]
        command: files::Command,
    },
    /// look after the keys that seal text and files
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// copy the whole clinic, database and files, into a folder; it may run meanwhile
    Backup(backup::To),
    /// put a backup into an empty database, and its files into storage
    Restore(backup::From),
    /// write one patient's record, or all, as a folder that needs no Postern: HTML, FHIR R4 and hashes
    Export(export::Options),
    /// say what of an export was changed, is missing or was added since it was made
    VerifyExport(export::Checking),
    /// read the configuration and say what is wrong with it
    CheckConfig,
    /// read the words of a document; the server calls it
    #[command(name = attachments::READ_WORDS, hide = true)]
    ReadWords {
        /// a spreadsheet with a list of patients, as text
        #[arg(long)]
        list: bool,
        /// a picture, as one that browsers show
        #[arg(long)]
        picture: bool,
    },
}

/// Why a command failed: lines for the error output.
pub struct Failure(Vec<String>);

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(cause: T) -> Failure {
        Failure(vec![cause.to_string()])
    }
}

/// Opens the database that the configuration names, and brings it up to date.
async fn open(config: &Config) -> Result<Db, Failure> {
    let db = app::open(&config.database, config.keys(), &Random::system()).await;
    Ok(db.map_err(|e| format!("database_url: {e}"))?)
}

/// Writes the database's log into its main file, whatever the command did: a copy of that one file is then complete.
async fn close(config: &Config) {
    let url = config.database.clone();
    match tokio::task::spawn_blocking(move || Db::checkpoint(&url)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::warn!(%cause, "what was written last stays beside the database file, in its -wal"),
        Err(cause) => tracing::warn!(%cause, "the database was not closed"),
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // the reader runs without a server, a configuration or a runtime
    if let Command::ReadWords { list, picture } = arguments.command {
        return read_words::run(list, picture);
    }
    let file = arguments.config;
    let done = actix_web::rt::System::new().block_on(async move {
        match arguments.command {
            Command::Demo(options) => demo::run(options).await,
            Command::CheckConfig => {
                let file = found(file);
                check_config::run(&read(file.as_deref(), false)?, file.as_deref()).await
            }
            Command::VerifyExport(checking) => export::verify(&checking),
            Command::ReadWords { list, picture } => Ok(read_words::run(list, picture)),
            other => {
                let config = load(file, matches!(other, Command::Serve | Command::Worker))?;
                let done = with_database(&config, other).await;
                close(&config).await;
                done
            }
        }
    });
    traces::end();
    match done {
        Ok(code) => code,
        Err(Failure(lines)) => {
            // `eprintln!` would panic where the error output is closed
            let mut errors = std::io::stderr().lock();
            lines.iter().for_each(|line| drop(writeln!(errors, "postern: {line}")));
            ExitCode::FAILURE
        }
    }
}

async fn with_database(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve => serve::run(config).await,
        Command::Worker => worker::run(config).await,
        Command::Migrate(options) => migrate::run(config, options).await,
        Command::MigrateDatabase(options) => migrate_database::run(config, options).await,
        Command::Import(options) => import::run(config, options).await,
        Command::Sync(options) => sync::run(config, options).await,
        Command::User { command } => user::run(config, command).await,
        Command::Audit { command } => audit::run(config, command).await,
        Command::Files { command } => files::run(config, command).await,
        Command::Keys { command } => keys::run(config, command).await,
        Command::Backup(to) => backup::make(config, to).await,
        Command::Restore(from) => backup::restore(config, from).await,
        Command::Export(options) => export::run(config, options).await,
        Command::Demo(_) | Command::CheckConfig | Command::VerifyExport(_) | Command::ReadWords { .. } => {
            Err("this command has no database".into())
        }
    }
}

/// The file of the configuration, if there is one.
fn found(file: Option<PathBuf>) -> Option<PathBuf> {
    let named = file.or_else(|| std::env::var_os("POSTERN_CONFIG").map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from("postern.toml")).filter(|path| path.exists()))
}

/// Reads the configuration; every fault is one line of the failure. Only what runs for long is `traced`.
fn load(file: Option<PathBuf>, traced: bool) -> Result<Config, Failure> {
    read(found(file).as_deref(), traced)
}

fn read(file: Option<&Path>, traced: bool) -> Result<Config, Failure> {
    let config = Config::load(file, std::env::vars()).map_err(Failure)?;
    let collector = config.traces.as_ref().filter(|_| traced);
    log(&config.log, config.log_format, collector).map_err(|e| format!("traces.endpoint: {e}"))?;
    Ok(config)
}

/// Logs to the error output, so that the output of a command can be piped. A log line that cannot be written is
/// dropped. Where there is a collector of traces, it gets what is for it, and the log does not.
fn log(filter: &str, format: LogFormat, collector: Option<&Collector>) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).unwrap_or_default();
    let filter = filter.and(filter_fn(|meta| meta.target() != traces::TARGET));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
    };
    let spans = collector.map(traces::layer).transpose()?;
    // a second call, as in tests, changes nothing
    let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
    Ok(())
}

/// A database error as a line.
fn line(cause: AppError) -> Failure {
    Failure::from(cause)
}
