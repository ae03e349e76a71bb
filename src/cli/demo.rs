//! `postern demo`: a complete clinic in a folder, on loopback.

use super::{Failure, serve};
use crate::app::{self, Parts};
use crate::attachments::FileIntake;
use crate::clock::{Clock, Random};
use crate::config::{Config, Files, LogFormat, Proxies};
use crate::db::{DatabaseUrl, Db, Keys};
use crate::delivery::{Delivery, Mailbox};
use crate::demo::people::{DemoPatient, USERS};
use crate::demo::{self, Shown, Tour};
use crate::error::AppError;
use crate::http::Limits;
use crate::patients;
use crate::state::AppState;
use clap::Args;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
pub(super) struct Options {
    /// keep the clinic in this folder and take it up again; without it a temporary folder, removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// port on 127.0.0.1; 0: any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// a clinic with its users, and without patients
    #[arg(long)]
    empty: bool,
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
    let filling = folder.join(FILLING);
    if filling.try_exists()? {
        let why = "the demo was ended while it filled this folder: empty it, and start again";
        return Err(format!("--data: {}: {why}", folder.display()).into());
    }
    let random = Random::system();
    let database = DatabaseUrl::Sqlite(folder.join("postern.db"));
    let db = app::open(&database, Keys::default(), &random).await?;
    let files = Files::in_folder(folder.join("files"));
    let intake = Arc::new(FileIntake::open(&files)?);
    let mails = folder.join("mailbox.jsonl");
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
        emr: Vec::new(),
    };
    let mut state = AppState {
        db,
        clock: Clock::system(),
        random,
        config: Arc::new(config),
        delivery: Arc::new(Delivery::mailbox(Mailbox::in_file(mails.clone(), Clock::system())?)),
        intake,
        wake: Arc::default(),
        limits: Arc::new(Limits::default()),
        requests: Arc::default(),
        live: Arc::default(),
        provider: None,
        emr: Vec::new(),
        launches: Vec::new(),
    };
    fill(&state, &mails, &filling, options.empty).await?;
    let mailbox = Mailbox::in_file(mails, state.clock.clone())?;
    state.delivery = Arc::new(Delivery::mailbox(mailbox.clone()));
    tell(&state.db, &origin, &folder).await?;
    let tour = Tour::in_file(folder.join("tour.json"), state.clock.now())?;
    let parts = Parts { demo: Some(Shown { mailbox, tour }), ..Parts::load(&state).await? };
    let config = state.config.clone();
    let served = serve::run_both(listener, state, parts, true).await;
    super::close(&config).await;
    served
}

/// The file that lies in the folder while the clinic is filled: where it is left, the filling was interrupted.
const FILLING: &str = "filling";

/// Fills a new clinic; a clinic that has users stays as it is. `filling`: where the file lies meanwhile.
async fn fill(state: &AppState, mails: &Path, filling: &Path, empty: bool) -> Result<(), Failure> {
    use crate::users::active;
    let there = state.db.read(|conn| -> Result<_, AppError> { Ok(!active(conn)?.is_empty()) });
    if there.await.map_err(super::line)? {
        return Ok(());
    }
    let until = state.clock.now();
    if empty {
        return demo::open_clinic(state, until).await.map_err(super::line);
    }
    println!("Filling a fresh clinic …");
    // the database does not say how far a story was played that was interrupted, and it cannot be continued
    std::fs::write(filling, "")?;
    std::fs::write(mails, "")?;
    let clock = Clock::fixed(until.plus(-demo::BEFORE));
    let mailbox = Mailbox::in_file(mails.to_owned(), clock.clone())?;
    let past =
        AppState { clock: clock.clone(), delivery: Arc::new(Delivery::mailbox(mailbox.clone())), ..state.clone() };
    demo::import_charts(&past, until).await.map_err(super::line)?;
    demo::open_clinic(&past, clock.now()).await.map_err(super::line)?;
    demo::live(&past, &clock, &mailbox, until).await.map_err(super::line)?;
    Ok(std::fs::remove_file(filling)?)
}

/// Prints the addresses and sign-ins, and writes them to `demo.json`.
async fn tell(db: &Db, origin: &str, folder: &Path) -> Result<(), Failure> {
    let patients =
        db.read(|conn| -> Result<_, AppError> { Ok(patients::every(conn, 100)?) }).await.map_err(super::line)?;
    let patients: Vec<DemoPatient> = patients.into_iter().map(DemoPatient::from).collect();
    let (clinic, portal, mailbox) =
        (format!("{origin}/"), format!("{origin}/portal"), format!("{origin}/demo/mailbox"));
    let all = serde_json::json!({
        "tour_url": format!("{origin}/demo"), "clinic_url": clinic, "portal_url": portal, "mailbox_url": mailbox, "users": USERS, "patients": patients,
    });
    // whole or not at all: somebody may be waiting for it
    let half = folder.join("demo.json.part");
    std::fs::write(&half, serde_json::to_vec_pretty(&all)?)?;
    std::fs::rename(half, folder.join("demo.json"))?;
    println!("\nStart here      {origin}/demo   (who can sign in, and a tour in nine steps)");
    println!("Clinic          {clinic}");
    println!("Patient portal  {portal}");
    println!("Mailbox         {mailbox}   (where the patients' emails and texts arrive)\n");
    println!("Sign in as");
    for user in USERS {
        println!("  {:<10} {:<24} {}", user.role, user.email, user.password);
    }
    println!("\nData in {}. Ctrl-C ends the demo.", folder.display());
    Ok(())
}
