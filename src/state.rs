//! What every request and job can reach: made once by `app`, cloned into each worker thread.

use crate::attachments::FileIntake;
use crate::audit::{self, Entry};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::conversations::PatientThread;
use crate::db::Db;
use crate::delivery::Delivery;
use crate::emr::Emr;
use crate::error::AppError;
use crate::http::files::Sent;
use crate::http::{Limits, Requests, Shell};
use crate::live::Live;
use crate::provider::Provider;
use crate::settings::Settings;
use crate::users::WaysIn;
use std::sync::Arc;
use tokio::sync::Notify;

/// Whoever asks for a part of a file so long after they opened it is opening it again.
const ONE_OPENING: time::Duration = time::Duration::minutes(30);

/// The parts of a running clinic.
#[derive(Clone)]
pub struct AppState {
    /// the database
    pub db: Db,
    /// the time
    pub clock: Clock,
    /// chance
    pub random: Random,
    /// the configuration
    pub config: Arc<Config>,
    /// the roads out
    pub delivery: Arc<Delivery>,
    /// where files are accepted and kept
    pub intake: Arc<FileIntake>,
    /// wakes the worker of this process
    pub wake: Arc<Notify>,
    /// how often somebody may try
    pub limits: Arc<Limits>,
    /// what is told of requests
    pub requests: Arc<Requests>,
    /// who is told of what changes
    pub live: Arc<Live>,
    /// the identity provider at which users may sign in; `None`: there is none
    pub provider: Option<Arc<Provider>>,
    /// the EMRs that charts come from, in the order of the configuration
    pub emr: Vec<Emr>,
    /// those of them that open Postern and sign its users in
    pub launches: Vec<Arc<Provider>>,
}

impl AppState {
    /// Whether users sign in at the provider only: passwords and passkeys open nothing.
    pub fn only_provider(&self) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.config().only)
    }

    /// By what users sign in.
    pub fn ways_in(&self) -> WaysIn {
        WaysIn::of(self.provider.as_ref().map(|provider| provider.config()))
    }

    /// Writes the one audit row of a request that changes nothing else: somebody looked, or left.
    pub async fn record(&self, entry: Entry) -> Result<(), AppError> {
        let now = self.clock.now();
        self.db.write(move |tx| -> Result<_, AppError> { Ok(audit::append(tx, now, entry)?) }).await
    }

    /// Writes the one audit row of somebody's opening a file: none where nothing of it goes out, and for a part from
    /// further on only where there is none of late, as whoever looks through a long PDF opens it once.
    pub async fn record_opening(&self, entry: Entry, sent: Sent) -> Result<(), AppError> {
        match sent {
            Sent::Nothing => Ok(()),
            Sent::FromStart => self.record(entry).await,
            Sent::Later => {
                let now = self.clock.now();
                let write = self.db.write(move |tx| -> Result<_, AppError> {
                    if !audit::was_lately(tx, &entry, now.plus(-ONE_OPENING))? {
                        audit::append(tx, now, entry)?;
                    }
                    Ok(())
                });
                write.await
            }
        }
    }
}

/// How the portal shows a conversation to its patient. The builder hands it to the clinic's preview, as the doors do not
/// know each other.
pub struct PatientPage(pub fn(Shell, Settings, PatientThread) -> askama::Result<String>);
