//! What changes is told at once to those who may see it, and to nobody else.

mod answering;
pub mod browser;
mod memory;
mod processes;
mod sessions;
mod streams;

use crate::support::app::{Actor, App};
use postern::db::schema::audit_events;
use postern::error::AppError;
use postern::http::errand::BY_ITSELF;
use serde_json::Value;
use std::time::Duration;

/// Longer than anything here takes; a test that works does not wait for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser that listens.
pub struct Ear {
    response: reqwest::Response,
    rest: String,
    /// everything that came, as it came
    pub all: String,
}

impl Ear {
    /// Asks for the stream, as a page does that was made at this position; the status where it is refused.
    pub async fn try_open(who: &Actor, position: Option<i64>) -> Result<Ear, u16> {
        let mut request = who.http.get(format!("{}/events", who.origin));
        request = request.header("accept", "text/event-stream").header(BY_ITSELF, "1");
        if let Some(position) = position {
            request = request.header("last-event-id", position);
        }
        let response = request.send().await.unwrap();
        match response.status().as_u16() {
            200 => Ok(Ear { response, rest: String::new(), all: String::new() }),
            other => Err(other),
        }
    }

    /// Listens, and waits until what happens from now on is told.
    pub async fn open(who: &Actor) -> Ear {
        let mut ear = Ear::try_open(who, None).await.unwrap();
        ear.until("ready").await;
        // the page's position is not known, so the page is to be fetched; once more when the log begins to be followed
        ear.until("refresh").await;
        who_follows(who).await;
        ear
    }

    /// The next event; `None` where the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        let told = tokio::time::timeout(PATIENCE, self.read()).await;
        told.unwrap_or_else(|_| panic!("nothing more is told: {}", self.all))
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.map(|data| serde_json::from_str(data).unwrap());
                self.rest = rest.to_owned();
                if data.is_some() {
                    return data;
                }
                continue;
            }
            let chunk = String::from_utf8(self.response.chunk().await.ok().flatten()?.to_vec()).unwrap();
            self.all.push_str(&chunk);
            self.rest.push_str(&chunk);
        }
    }

    /// The next event of this kind.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind:?}: {}", self.all));
            if event["kind"] == kind {
                return event;
            }
        }
    }

    /// Waits for the end of the stream; gives the kind of the last event.
    pub async fn ends(&mut self) -> String {
        let mut last = String::new();
        while let Some(event) = self.next().await {
            event["kind"].as_str().unwrap().clone_into(&mut last);
        }
        last
    }
}

/// Waits until the clinic's log is followed: the pages of the actor say from where.
async fn who_follows(who: &Actor) {
    for _ in 0..400 {
        if position(who).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the log is not followed");
}

/// Waits until all that has happened is told.
pub async fn all_is_told(app: &App, who: &Actor) {
    use diesel::prelude::*;
    let last = app.state.db.read(|conn| -> Result<Option<i64>, AppError> {
        Ok(audit_events::table.select(diesel::dsl::max(audit_events::id)).first(conn)?)
    });
    let last = last.await.unwrap().unwrap_or_default();
    for _ in 0..400 {
        if position(who).await >= last {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("row {last} of the log is not told");
}

/// Where a page is made now.
pub async fn position(who: &Actor) -> i64 {
    let page = who.send("GET", "/account/notifications", &[(BY_ITSELF, "1")], "").await.ok();
    page.attr("[data-live-from]", "data-live-from").unwrap().parse().unwrap()
}

pub fn id_of(conversation: &str) -> i64 {
    conversation.rsplit('/').next().unwrap().parse().unwrap()
}

/// The patient opens the message, in a browser of their own; gives it, and the path of the message.
pub async fn patient_opens(app: &App) -> (Actor, String) {
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    patient.get(&message).await.ok();
    (patient, message)
}

/// The patient writes an answer.
pub async fn patient_writes(patient: &Actor, message: &str, words: &str) {
    let page = patient.get(message).await.ok();
    patient.submit(&page, "Send", &[("body", words)]).await.redirect();
}
