//! `/inbox/scheduled`: what a user has to go out later, and what did not go out: change, send now, cancel, remove. Who may not send
//! any more reads it, and changes nothing.

use crate::access::{Action, rights};
use crate::clinic::composing::later;
use crate::clinic::guard::{User, number, shell};
use crate::conversations::{self, Part, Planned, Pressed, ScheduledRow};
use crate::db::{self, ScheduledId};
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, paging, see_other};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines of each part on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/conversations/scheduled.html")]
struct ScheduledPage {
    shell: Shell,
    zone: String,
    may_send: bool,
    rows: Vec<ScheduledRow>,
    /// the address of what comes after this page
    next: Option<String>,
    /// it is not the first page
    is_later: bool,
}

impl ScheduledPage {
    /// Where its words are changed.
    fn editor(&self, row: &ScheduledRow) -> String {
        match row.conversation_id {
            Some(conversation) => format!("/conversations/{conversation}?scheduled={}#write", row.id),
            None => format!("/patients/{}/messages/new?scheduled={}", row.patient_id, row.id),
        }
    }
}

/// Where the page begins: among what waits, or after it among the rest.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
    rest: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let begin = |text: &str| paging::parse(text).map(|(at, id)| (at, ScheduledId(id)));
    let (after, rest) = (begin(&query.after), begin(&query.rest));
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let key = |row: &ScheduledRow| paging::key(row.send_at, row.id.0);
        let (mut rows, mut next) = (Vec::new(), None);
        if rest.is_none() {
            rows = conversations::scheduled(conn, &user.0, Part::Waiting, after, PAGE + 1)?;
            next = db::cut(&mut rows, PAGE, key).map(|key| format!("/inbox/scheduled?after={key}"));
        }
        // the rest follows where all that waits was shown
        if next.is_none() {
            let mut more = conversations::scheduled(conn, &user.0, Part::Rest, rest, PAGE + 1)?;
            next = db::cut(&mut more, PAGE, key).map(|key| format!("/inbox/scheduled?rest={key}"));
            rows.append(&mut more);
        }
        let may_send = user.0.role().may(Action::Send);
        let is_later = after.is_some() || rest.is_some();
        Ok(ScheduledPage { shell, zone: settings.time_zone, may_send, rows, next, is_later })
    });
    html(&page.await?)
}

/// A change of one, and what is said after it.
macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident: $verb:path, $done:literal;)+) => {$(
        $(#[$doc])*
        pub async fn $name(
            state: web::Data<AppState>,
            req: HttpRequest,
            user: User<rights::Send>,
            form: Form,
        ) -> Result<HttpResponse, AppError> {
            let now = state.clock.now();
            // the one that the page showed, as the page showed it
            let version: i64 = form.get("version").parse().unwrap_or_default();
            let one = (ScheduledId(number(&req, "scheduled")?), version);
            let write = state.db.write(move |tx| -> Result<_, AppError> { Ok($verb(tx, now, &user.0, one)?) });
            let pressed = write.await?.ok_or(AppError::NotFound)?;
            state.wake.notify_one();
            Ok(see_other(&match pressed {
                Pressed::Done => format!("/inbox/scheduled?notice={}", $done),
                Pressed::WentOut(conversation) => later::went_out(conversation),
                Pressed::Changed => later::CHANGED.to_owned(),
            }))
        }
    )+};
}

changes! {
    /// `POST /scheduled/{scheduled}/cancellation`
    cancel: conversations::cancel_scheduled, "scheduled-cancelled";
    /// `POST /scheduled/{scheduled}/sending`
    send_now: conversations::send_scheduled_now, "scheduled-going";
    /// `POST /scheduled/{scheduled}/removal`
    remove: conversations::remove_scheduled, "scheduled-removed";
}
