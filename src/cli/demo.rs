//! `postern demo`: a complete clinic in a folder, on loopback.

use super::{Failure, import, serve};
use crate::app::{self, Parts};
use crate::attachments::{FileIntake, Together};
use crate::chart::import::fhir::ImportOptions;
use crate::clock::{Clock, Random};
use crate::config::{Config, Files, LogFormat, Proxies};
use crate::db::{DatabaseUrl, Db, Keys};
use crate::delivery::{Delivery, Mailbox};
use crate::demo::people::{self, DemoPatient, USERS};
use crate::error::AppError;
use crate::http::Limits;
use crate::patients;
use crate::slow_hash;
use crate::state::AppState;
use clap::Args;
use rust_embed::RustEmbed;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(RustEmbed)]
#[folder = "src/demo/fhir/"]
#[include = "*.json"]
struct Bundles;

#[derive(Args)]
pub(super) struct Options {
    /// keep the clinic in this folder and take it up again; without it a temporary folder, removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// port on 127.0.0.1; 0: any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    super::log("warn,postern=info,postern::http::requests=off", LogFormat::Text, None)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .map_err(|e| format!("--port: {} cannot be used: {e}: try --port 0", options.port))?;
    let origin = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    // dropped, and so removed, when the server has stopped
    let (folder, _temporary) = match options.data {
        Some(folder) => {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|e| format!("--data: {e}"))?;
            (folder, None)
        }
        None => {
            let temporary = tempfile::Builder::new().prefix("postern-demo-").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let (clock, random) = (Clock::system(), Random::system());
    let database = DatabaseUrl::Sqlite(folder.join("postern.db"));
    let db = app::open(&database, Keys::default(), &random).await?;
    let files = Files::in_folder(folder.join("files"));
    let intake = Arc::new(FileIntake::open(&files)?);
    fill(&db, &intake, &clock).await?;
    let mailbox = Mailbox::in_file(folder.join("mailbox.jsonl"), clock.clone())?;
    let config = Config {
        public_url: origin.parse()?,
        listen: listener.local_addr()?,
        database,
        proxies: Proxies::default(),
        hsts_subdomains: false,
        security_contact: None,
        run_worker: true,
        calling_code: "1".into(),
        log: String::new(),
        log_format: LogFormat::Text,
        traces: None,
        smtp: None,
        files,
        texts: None,
        bounces: None,
        metrics_listen: None,
        audit_key: None,
        audit_heads: None,
        audit_seals_in_log: false,
        audit_seals_by_mail: false,
        backup: None,
        oidc: None,
    };
    let state = AppState {
        db,
        clock,
        random,
        config: Arc::new(config),
        delivery: Arc::new(Delivery::mailbox(mailbox.clone())),
        intake,
        wake: Arc::default(),
        limits: Arc::new(Limits::default()),
        requests: Arc::default(),
        live: Arc::default(),
        provider: None,
    };
    tell(&state.db, &origin, &folder).await?;
    let parts = Parts { mailbox: Some(mailbox), ..Parts::load(&state).await? };
    let config = state.config.clone();
    let served = serve::run_both(listener, state, parts, true).await;
    super::close(&config).await;
    served
}

/// Fills a new clinic; a clinic that has users stays as it is.
async fn fill(db: &Db, intake: &FileIntake, clock: &Clock) -> Result<(), Failure> {
    use crate::users::active;
    let there = db.read(|conn| -> Result<_, AppError> { Ok(!active(conn)?.is_empty()) }).await.map_err(super::line)?;
    if there {
        return Ok(());
    }
    println!("Filling a fresh clinic …");
    let reading = ImportOptions { default_calling_code: "1".into(), today: clock.now().get().date(), source: None };
    for name in Bundles::iter() {
        let Some(file) = Bundles::get(&name) else { continue };
        let delivery: Together = Arc::new(vec![Box::new(file.data.into_owned())]);
        import::import(db, intake, &delivery, &reading).await?;
    }
    let mut hashes = Vec::new();
    for user in USERS {
        hashes.push(slow_hash::hash(slow_hash::Lane::Passwords, user.password.to_owned()).await?);
    }
    let now = clock.now();
    // the users come last, so that a folder that was only half filled is filled again
    let write = db.write(move |tx| -> Result<_, AppError> {
        people::name_clinic(tx, now)?;
        people::give_addresses(tx)?;
        people::add_users(tx, now, hashes)
    });
    write.await.map_err(super::line)
}

/// Prints the addresses and sign-ins, and writes them to `demo.json`.
async fn tell(db: &Db, origin: &str, folder: &Path) -> Result<(), Failure> {
    let patients =
        db.read(|conn| -> Result<_, AppError> { Ok(patients::every(conn, 100)?) }).await.map_err(super::line)?;
    let patients: Vec<DemoPatient> = patients.into_iter().map(DemoPatient::from).collect();
    let (clinic, portal, mailbox) =
        (format!("{origin}/"), format!("{origin}/portal"), format!("{origin}/demo/mailbox"));
    let all = serde_json::json!({
        "clinic_url": clinic, "portal_url": portal, "mailbox_url": mailbox, "users": USERS, "patients": patients,
    });
    // whole or not at all: somebody may be waiting for it
    let half = folder.join("demo.json.part");
    std::fs::write(&half, serde_json::to_vec_pretty(&all)?)?;
    std::fs::rename(half, folder.join("demo.json"))?;
    println!("\nClinic          {clinic}");
    println!("Patient portal  {portal}");
    println!("Mailbox         {mailbox}   (where the patients' emails and texts arrive)\n");
    println!("Sign in as");
    for user in USERS {
        println!("  {:<10} {:<24} {}", user.role, user.email, user.password);
    }
    println!("\nData in {}. Ctrl-C ends the demo.", folder.display());
    Ok(())
}
