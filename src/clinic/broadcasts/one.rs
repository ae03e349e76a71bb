//! `/broadcasts/{id}`: who would get a message to many and who cannot, before it is sent; then how far it has come.

use super::{id, reason_in_words};
use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::broadcasts::{self, Broadcast, Counts, Fate, FileOfMany, Pressed, RecipientRow, Sample, State};
use crate::clinic::guard::{User, shell};
use crate::db::{self, RecipientId};
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::storage::Scan;
use crate::text::CleanHtml;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;
/// So many numbers of lines are named.
const MOST_TOLD: usize = 50;

#[derive(Template)]
#[template(path = "clinic/broadcasts/one.html")]
struct OnePage {
    shell: Shell,
    one: Broadcast,
    counts: Counts,
    /// as the first patient would get it
    sample: Option<Sample>,
    /// as it was written
    body: CleanHtml,
    /// what everybody gets with it
    files: Vec<FileOfMany>,
    /// a file is not looked at for viruses yet
    scanning: bool,
    /// a virus was found in a file
    infected: bool,
    /// the key of the words, and numbers of lines that name nobody to write to
    unread: Vec<(&'static str, String)>,
    shown: Fate,
    rows: Vec<RecipientRow>,
    next: Option<RecipientId>,
}

impl OnePage {
    fn reason(&self, row: &RecipientRow) -> String {
        reason_in_words(&self.shell, row.reason.as_deref().unwrap_or_default(), row.archive_reason)
    }

    fn words(&self, reason: &str) -> String {
        reason_in_words(&self.shell, reason, None)
    }

    fn of_fate(&self, fate: Fate) -> i64 {
        match fate {
            Fate::Waiting => self.counts.waiting,
            Fate::Sent => self.counts.sent,
            Fate::NotSent => self.counts.not_sent,
        }
    }

    /// The parts of the list that there are: word, name, how many, and whether it is the one that is shown.
    fn tabs(&self) -> Vec<(&'static str, &'static str, i64, bool)> {
        let prefix = match self.one.state {
            State::Prepared => "many-tab-before",
            State::Stopped => "many-tab-stopped",
            State::Sending | State::Done => "many-tab",
        };
        let there = Fate::ALL.iter().filter(|fate| self.of_fate(**fate) > 0 || **fate == self.shown);
        let tab = |fate: &Fate| {
            (fate.as_str(), self.shell.t_of(prefix, fate.as_str()), self.of_fate(*fate), *fate == self.shown)
        };
        there.map(tab).collect()
    }
}

/// The part of the page that changes while it goes out.
#[derive(Template)]
#[template(path = "clinic/broadcasts/progress.html")]
struct Progress {
    shell: Shell,
    one: Broadcast,
    counts: Counts,
    /// a file is not looked at for viruses yet
    scanning: bool,
}

/// Whether the scanner says this of one of the files.
fn any_is(files: &[FileOfMany], scan: Scan) -> bool {
    files.iter().any(|file| file.scan == Some(scan))
}

/// Which part of the list is shown, and where it begins.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    show: String,
    after: String,
}

fn several(lines: &str) -> String {
    let all: Vec<&str> = lines.split(' ').collect();
    let told = all.iter().take(MOST_TOLD).copied().collect::<Vec<_>>().join(", ");
    if all.len() > MOST_TOLD { format!("{told} …") } else { told }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (id, by) = (id(&req)?, user.0.id());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let one = broadcasts::find(conn, id)?.ok_or(AppError::NotFound)?;
        let form = broadcasts::form_of(conn, id)?.ok_or(AppError::NotFound)?;
        let files = broadcasts::files_of(conn, id, &form)?;
        let form = Form::of_pairs(form);
        let now = head.now;
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let counts = broadcasts::counts(conn, id)?;
        let likely = match one.state {
            State::Prepared | State::Sending if counts.waiting > 0 => Fate::Waiting,
            _ if counts.sent > 0 => Fate::Sent,
            _ => Fate::NotSent,
        };
        let shown = query.show.parse().unwrap_or(likely);
        let after = query.after.parse().ok().map(RecipientId);
        let mut rows = broadcasts::recipients(conn, id, shown, after, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |row| row.id);
        let sample = match one.state {
            State::Prepared => broadcasts::sample(conn, now, &user.0, &settings, id)?,
            State::Sending | State::Stopped | State::Done => None,
        };
        let unread = [("many-unknown", "unknown"), ("many-double", "double"), ("many-several", "several")];
        let unread = unread.into_iter().filter(|(_, name)| form.has(name));
        let unread = unread.map(|(key, name)| (key, several(form.get(name)))).collect();
        let body = CleanHtml::from_html(form.get("body"));
        let (scanning, infected) = (any_is(&files, Scan::Waiting), any_is(&files, Scan::Infected));
        Ok(OnePage { shell, one, counts, sample, body, files, scanning, infected, unread, shown, rows, next })
    });
    let page = read.await?;
    state.record(Entry::of_clinic(Actor::User(by), Event::BroadcastViewed, Subject::Broadcast(id))).await?;
    html(&page)
}

/// `GET /broadcasts/{id}/progress`: how far it has come, for a script. It names nobody, and leaves no row in the audit log.
pub async fn progress(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (id, is_part) = (id(&req)?, head.fragment);
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let one = broadcasts::find(conn, id)?.ok_or(AppError::NotFound)?;
        let (shell, _) = shell(conn, &head, &user.0)?;
        let form = broadcasts::form_of(conn, id)?.ok_or(AppError::NotFound)?;
        let scanning = any_is(&broadcasts::files_of(conn, id, &form)?, Scan::Waiting);
        Ok(Progress { shell, one, counts: broadcasts::counts(conn, id)?, scanning })
    });
    let part = read.await?;
    if is_part { html(&part) } else { Ok(see_other(&format!("/broadcasts/{id}"))) }
}

/// `POST /broadcasts/{id}/sending`
pub async fn send(
    state: web::Data<AppState>,
    user: User<rights::SendMany>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), id(&req)?);
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(broadcasts::send(tx, now, &user.0, id)?) });
    let pressed = write.await?.ok_or(AppError::NotFound)?;
    state.wake.notify_one();
    Ok(see_other(&match pressed {
        Pressed::Done => format!("/broadcasts/{id}?notice=many-going"),
        Pressed::Nobody => format!("/broadcasts/{id}?notice=many-nobody"),
        // the second of two presses: the page says what there is
        Pressed::Nothing => format!("/broadcasts/{id}"),
        Pressed::Deactivated => return Err(AppError::SignIn { to: "/sign-in".into() }),
    }))
}

/// `POST /broadcasts/{id}/stopping`
pub async fn stop(
    state: web::Data<AppState>,
    user: User<rights::SendMany>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), id(&req)?);
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(broadcasts::stop(tx, now, &user.0, id)?) });
    let notice = match write.await?.ok_or(AppError::NotFound)? {
        Pressed::Done => "many-stopped",
        _ => "many-nothing",
    };
    Ok(see_other(&format!("/broadcasts/{id}?notice={notice}")))
}
