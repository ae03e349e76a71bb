//! The tour of the main job: nine steps, each of which ticks itself when the audit log has what it asks for.

use crate::audit::{self, Event, Filter, What};
use crate::db::{Conn, Ts};
use diesel::QueryResult;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const NOTICE: &str = "notice";

/// The steps, in order: the word of each, and the events of which one is enough.
const STEPS: [(&str, &[Event]); 9] = [
    ("sign-in", &[Event::SignedIn]),
    ("chart", &[Event::ChartViewed]),
    ("send", &[Event::ConversationStarted]),
    (NOTICE, &[Event::NotificationState]),
    ("passcode", &[Event::PasscodeRequested]),
    ("enter", &[Event::PortalSignedIn]),
    ("read", &[Event::MessageRead]),
    ("answer", &[Event::ReplySent]),
    ("done", &[Event::MarkedDone, Event::ConversationClosed]),
];

/// What is kept of the tour, beside the database.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kept {
    /// since when steps count, in microseconds: what the clinic did before is no step of the visitor
    since: i64,
    /// the visitor does not want it any more
    hidden: bool,
}

/// The tour of one demo, shared by its clones.
#[derive(Clone)]
pub struct Tour {
    kept: Arc<Mutex<Kept>>,
    file: PathBuf,
}

/// A step as the page shows it.
pub struct Step {
    /// its word
    pub word: &'static str,
    /// whether it was done
    pub done: bool,
    /// whether it is the first that was not
    pub is_next: bool,
}

impl Tour {
    /// The tour that is kept in this file; a new one, which begins at `since`, where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn in_file(file: PathBuf, since: Ts) -> std::io::Result<Tour> {
        let kept = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).ok(),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(cause),
        };
        let is_new = kept.is_none();
        let kept = kept.unwrap_or(Kept { since: since.micros(), hidden: false });
        let tour = Tour { kept: Arc::new(Mutex::new(kept)), file };
        if is_new {
            tour.keep(kept)?;
        }
        Ok(tour)
    }

    fn kept(&self) -> Kept {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kept: Kept) -> std::io::Result<()> {
        std::fs::write(&self.file, serde_json::to_vec(&kept)?)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(())
    }

    /// Whether the visitor has put it away.
    pub fn is_hidden(&self) -> bool {
        self.kept().hidden
    }

    /// Puts it away, or shows it again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn hide(&self, hidden: bool) -> std::io::Result<()> {
        self.keep(Kept { hidden, ..self.kept() })
    }

    /// The steps and what was done of them.
    pub fn steps(&self, conn: &mut Conn) -> QueryResult<Vec<Step>> {
        let since = Ts::from_micros(self.kept().since);
        let (mut steps, mut before) = (Vec::new(), None);
        for (word, events) in STEPS {
            let mut at: Option<Ts> = None;
            for event in events {
                let what = Some(What::Event(*event));
                let newest = audit::newest(conn, &Filter { what, from: since, ..Filter::default() }, None, 1)?;
                at = at.max(newest.first().map(|row| row.at));
            }
            // notices of other messages go out too: one that counts comes after the visitor's own message
            let done = if word == NOTICE { before.is_some() && at > before } else { at.is_some() };
            let is_next = !done && steps.iter().all(|step: &Step| step.done);
            steps.push(Step { word, done, is_next });
            before = at;
        }
        Ok(steps)
    }
}
