//! Turns for connections: no lane takes another's connections, and no person takes all of a lane's.

use super::errand::{Errand, Lane, Whom};
use super::pool::DbError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many transactions read at once in each lane.
pub(super) const FRONT: usize = 3;
pub(super) const PAGES: usize = 5;
pub(super) const BACKGROUND: usize = 3;

/// How many transactions of one person run at once; further ones wait only for that person's own.
const OF_ONE: usize = 2;

/// A request waits for this long; then it is told that the service is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests wait longer for others of the same person, who caused the wait.
const OWN_PATIENCE: Duration = Duration::from_secs(60);

/// At this many people, those who have nothing under way are forgotten.
const REMEMBERED: usize = 1_000;

#[derive(Clone)]
pub(super) struct Turns(Arc<Inner>);

struct Inner {
    front: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    background: Arc<Semaphore>,
    people: Mutex<HashMap<Whom, Arc<Semaphore>>>,
}

/// Held while a transaction runs, also where nobody waits for its answer any more.
pub(super) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _lane: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub fn new() -> Turns {
        let places = |count| Arc::new(Semaphore::new(count));
        let (front, pages, background) = (places(FRONT), places(PAGES), places(BACKGROUND));
        Turns(Arc::new(Inner { front, pages, background, people: Mutex::default() }))
    }

    /// Waits for a turn to read.
    pub async fn to_read(&self, errand: Option<&Errand>) -> Result<Turn, DbError> {
        let own = self.own(errand).await?;
        let lane = match errand.map_or(Lane::Background, Errand::lane) {
            Lane::Front => &self.0.front,
            Lane::Pages => &self.0.pages,
            Lane::Background => &self.0.background,
        };
        Ok(Turn { _own: own, _lane: Some(wait(lane, PATIENCE).await?) })
    }

    /// Waits for a turn to write.
    pub async fn to_write(&self, errand: Option<&Errand>) -> Result<Turn, DbError> {
        Ok(Turn { _own: self.own(errand).await?, _lane: None })
    }

    async fn own(&self, errand: Option<&Errand>) -> Result<Option<OwnedSemaphorePermit>, DbError> {
        let Some(whom) = errand.and_then(Errand::whom) else { return Ok(None) };
        let own = {
            let mut people = self.0.people.lock().unwrap_or_else(PoisonError::into_inner);
            if people.len() >= REMEMBERED {
                people.retain(|_, own| Arc::strong_count(own) > 1);
            }
            people.entry(whom).or_insert_with(|| Arc::new(Semaphore::new(OF_ONE))).clone()
        };
        wait(&own, OWN_PATIENCE).await.map(Some)
    }
}

async fn wait(places: &Arc<Semaphore>, patience: Duration) -> Result<OwnedSemaphorePermit, DbError> {
    match tokio::time::timeout(patience, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(_)) => Err(DbError::Gone),
        Err(_) => Err(DbError::Pool("all connections of the lane are taken".to_owned())),
    }
}
