//! The demo: a complete clinic with imported charts and conversations of its last weeks, a mailbox where the patients'
//! emails and texts arrive, and a tour of the main job. Its routes exist under `postern demo` only, which listens on
//! loopback only.

mod charts;
mod mailbox_page;
pub mod people;
mod story;
mod tour;
mod tour_page;

pub use tour::Tour;

use self::people::USERS;
use crate::access::Operator;
use crate::chart::import::fhir::ImportOptions;
use crate::clock::Clock;
use crate::db::Ts;
use crate::delivery::Mailbox;
use crate::error::AppError;
use crate::settings;
use crate::slow_hash;
use crate::state::AppState;
use actix_web::web::{self, ServiceConfig};
use time::Duration;

/// The clinic's conversations begin at most so long before the demo is filled.
pub const BEFORE: Duration = Duration::days(20);

/// What the demo shows besides the clinic and the portal.
#[derive(Clone)]
pub struct Shown {
    /// the mails and texts that have come
    pub mailbox: Mailbox,
    /// the tour
    pub tour: Tour,
}

/// The routes, below `/demo`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("", web::get().to(tour_page::show))
        .route("/removal", web::post().to(tour_page::remove))
        .route("/mailbox", web::get().to(mailbox_page::show))
        .route("/mailbox/{id}/html", web::get().to(mailbox_page::mail))
        .route("/mailbox.json", web::get().to(mailbox_page::json));
}

/// The first page of the demo: its tour, until that is over.
pub use tour_page::home;

/// Adds the clinic's name and its users.
///
/// # Errors
/// Those of the database.
pub async fn open_clinic(state: &AppState, now: Ts) -> Result<(), AppError> {
    let mut hashes = Vec::new();
    for user in USERS {
        let hash = slow_hash::hash(slow_hash::Lane::Passwords, user.password.to_owned()).await;
        hashes.push(hash.map_err(AppError::Internal)?);
    }
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        people::name_clinic(tx, now)?;
        people::add_users(tx, now, hashes)
    });
    write.await
}

/// Imports the charts, and gives their patients addresses. `until`: the moment at which the demo is filled.
///
/// # Errors
/// Those of an import.
pub async fn import_charts(state: &AppState, until: Ts) -> Result<(), AppError> {
    // the day of the clinic, on which the story ends too: in the evening UTC has the next one already
    let zone = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?.zone()) }).await?;
    let today = zone.local(until).date();
    let reading = ImportOptions { default_calling_code: "1".into(), today, source: None };
    let now = state.clock.now();
    let deliveries = charts::deliveries(today).map_err(|cause| AppError::Internal(cause.to_string()))?;
    for delivery in deliveries {
        let by = Operator::of_the_command_line();
        let imported = state.intake.import(&state.db, now, &state.random, by, delivery, &reading).await;
        imported.map_err(|cause| AppError::Internal(cause.to_string()))?;
    }
    state.db.write(people::give_addresses).await
}

/// Lets the clinic live through its last weeks. `clock` is the one of `state`; it ends at `until`.
///
/// # Errors
/// Those of the verbs.
pub async fn live(state: &AppState, clock: &Clock, mailbox: &Mailbox, until: Ts) -> Result<(), AppError> {
    story::play(state, clock, mailbox, until).await
}
