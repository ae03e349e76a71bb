//! `/outbox`: every notification of the clinic and what became of it; `/outbox.csv` the same as a table.

use crate::access::rights;
use crate::clinic::guard::{Chart, Confirmed, Conversation, User, shell};
use crate::db::{self, Conn, DbError, NotificationId, PatientId, Ts, UserId};
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::searches::{self, Sought};
use crate::http::{Form, Head, Shell, html, paging, see_other, table};
use crate::notifications::templates::Kind;
use crate::notifications::{self, NotAgain, NotCancelled, Reached, SentFilter, SentRow, State};
use crate::patients;
use crate::settings;
use crate::state::AppState;
use crate::text::{Lang, Zone};
use crate::users::{self, UserRow};
use actix_web::{HttpResponse, web};
use askama::Template;
use futures_util::stream;
use serde::Deserialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Lines on a page.
const PAGE: i64 = 50;
/// Lines that the export reads at once.
const PIECE: i64 = 500;

#[derive(Template)]
#[template(path = "clinic/conversations/outbox.html")]
struct OutboxPage {
    shell: Shell,
    rows: Vec<Line>,
    counts: Vec<(State, i64)>,
    /// the words find more patients than the list can hold
    is_cut: bool,
    users: Vec<UserRow>,
    /// the patient that the list is narrowed to: identity and name
    patient: Option<(i64, String)>,
    filter: Query,
    /// the filter without state and page, for links
    others: String,
    /// the whole filter, for the export
    all: String,
    next: Option<String>,
}

/// One notification, and by which road its passcode goes, if it leads to a message.
struct Line {
    sent: SentRow,
    passcode: Option<Channel>,
}

impl Line {
    /// What it belongs to, for links and forms: its conversation, or the chart.
    fn home(&self) -> String {
        let row = &self.sent.row;
        match row.conversation_id {
            Some(conversation) => format!("/conversations/{conversation}"),
            None => format!("/patients/{}", row.patient_id),
        }
    }

    /// Whether its message was taken back; the word of that goes without saying so.
    fn is_of_what_was_taken_back(&self) -> bool {
        self.sent.is_recalled && self.sent.row.kind != Kind::Recall
    }

    /// Where it ended badly and was not sent again since, and its message was not taken back. A passcode is the
    /// patient's to ask for: nobody else can send one. That a caregiver was added is said once: each message tells them again.
    fn may_send_again(&self) -> bool {
        let row = &self.sent.row;
        let is_once = row.kind == Kind::Passcode || (row.kind == Kind::PortalAccess && row.caregiver_id.is_some());
        row.state.ended_badly() && self.sent.is_newest && !is_once && !self.sent.is_recalled
    }

    fn may_cancel(&self) -> bool {
        matches!(self.sent.row.state, State::Queued | State::Sending) && self.sent.row.kind != Kind::Passcode
    }
}

/// What stands in the address.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
pub struct Query {
    state: String,
    kind: String,
    channel: String,
    user: String,
    patient: String,
    from: String,
    until: String,
    q: String,
    sought: String,
    after: String,
}

impl Query {
    /// What it means; a value that means nothing narrows nothing. Days are the clinic's.
    fn filter(&self, zone: Zone) -> SentFilter {
        let day = |text: &str| crate::values::BirthDate::parse(text.trim()).map(|day| day.0);
        SentFilter {
            state: self.state.parse().ok(),
            kind: self.kind.parse().ok(),
            channel: self.channel.parse().ok(),
            user: self.user.parse().ok().map(UserId),
            patient: self.patient.parse().ok().map(PatientId),
            from: day(&self.from).map(|day| zone.start_of(day)),
            until: day(&self.until).and_then(time::Date::next_day).map(|day| zone.start_of(day)),
            words: self.q.clone(),
        }
    }

    /// Without what no page may show, such as NUL.
    fn cleaned(self) -> Query {
        let clean = |text: String| crate::text::one_line(&text);
        Query {
            state: clean(self.state),
            kind: clean(self.kind),
            channel: clean(self.channel),
            user: clean(self.user),
            patient: clean(self.patient),
            from: clean(self.from),
            until: clean(self.until),
            q: clean(self.q),
            sought: self.sought,
            after: self.after,
        }
    }

    /// As part of an address; without the state where `state` is empty.
    fn address(&self, state: &str) -> String {
        let fields = [
            ("state", state),
            ("kind", &self.kind),
            ("channel", &self.channel),
            ("user", &self.user),
            ("patient", &self.patient),
            ("from", &self.from),
            ("until", &self.until),
            (searches::FIELD, &self.sought),
        ];
        let kept = fields.into_iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Notify>,
    query: Sought<Query>,
) -> Result<HttpResponse, AppError> {
    let (query, data) = (query.0.cleaned(), state.clone());
    let before = paging::parse(&query.after).map(|(at, id)| (at, NotificationId(id)));
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let filter = query.filter(settings.zone());
        let patient = filter.patient;
        let narrowed = filter.narrowed(conn)?;
        let mut rows = notifications::sent(conn, &user.0, &narrowed, before, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |one| paging::key(one.row.created_at, one.row.id.0));
        Ok(OutboxPage {
            counts: notifications::sent_counts(conn, &user.0, &narrowed)?,
            is_cut: narrowed.is_cut,
            users: users::active(conn)?,
            patient: match patient {
                Some(id) => patients::patient_if_there(conn, id)?.map(|patient| (id.0, patient.name())),
                None => None,
            },
            rows: lines(conn, shell.now, &data, rows)?,
            others: query.address(""),
            all: query.address(&query.state),
            filter: query,
            shell,
            next,
        })
    });
    html(&page.await?)
}

/// Adds to each line the road of its passcode, as it would go now.
fn lines(conn: &mut Conn, now: Ts, state: &AppState, rows: Vec<SentRow>) -> Result<Vec<Line>, AppError> {
    let mut known = HashMap::new();
    let mut lines = Vec::new();
    for sent in rows {
        if sent.row.message_id.is_none() {
            lines.push(Line { sent, passcode: None });
            continue;
        }
        let (patient, blocks) = match known.entry((sent.row.patient_id, sent.row.caregiver_id)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let to = Reached::read(conn, now, sent.row.patient_id, sent.row.caregiver_id)?;
                let blocks = notifications::blocks(conn, &to.record)?;
                free.insert((to.record, blocks))
            }
        };
        let passcode = notifications::passcode_channel(patient, blocks, &state.delivery, sent.row.channel);
        lines.push(Line { sent, passcode: Some(passcode) });
    }
    Ok(lines)
}

/// The list as a table.
pub async fn export(
    state: web::Data<AppState>,
    head: Head,
    user: Confirmed<rights::Notify>,
    query: Sought<Query>,
) -> Result<HttpResponse, AppError> {
    let (now, query, by) = (head.now, query.0.cleaned(), user.0.clone());
    let begun = state.db.write(move |tx| -> Result<_, DbError> {
        notifications::sent_exported(tx, now, &by)?;
        Ok(settings::load(tx)?)
    });
    let settings = begun.await?;
    let (lang, zone) = (head.lang(settings.lang()), settings.zone());
    let (filter, db) = (query.filter(zone), state.db.clone());
    let begin = (Some(None::<(Ts, NotificationId)>), Some(heading(lang)));
    let pieces = stream::try_unfold(begin, move |(place, heading)| {
        let (filter, by, db) = (filter.clone(), user.0.clone(), db.clone());
        async move {
            let Some(before) = place else { return Ok::<_, AppError>(None) };
            let read = db.read(move |conn| -> Result<_, DbError> {
                let narrowed = filter.narrowed(conn)?;
                Ok(notifications::sent(conn, &by, &narrowed, before, PIECE)?)
            });
            let rows = read.await?;
            let last = rows.last().filter(|_| rows.len() as i64 == PIECE).map(|one| (one.row.created_at, one.row.id));
            let lines = heading.into_iter().chain(rows.iter().map(|row| record(lang, zone, row))).collect();
            Ok(Some((lines, (last.map(Some), None))))
        }
    });
    Ok(table::csv("outbox.csv", pieces))
}

fn heading(lang: Lang) -> Vec<String> {
    let keys = [
        "when",
        "patient",
        "user",
        "channel",
        "outbox-address",
        "state",
        "reason",
        "outbox-since",
        "outbox-tries",
        "wording-kind",
    ];
    keys.into_iter().map(|key| lang.t(key).to_owned()).collect()
}

fn record(lang: Lang, zone: Zone, one: &SentRow) -> Vec<String> {
    let row = &one.row;
    let when = |at: Ts| {
        let local = zone.local(at);
        format!("{} {:02}:{:02}:{:02}", local.date(), local.hour(), local.minute(), local.second())
    };
    vec![
        when(row.created_at),
        one.recipient(&lang),
        one.user.clone().unwrap_or_default(),
        lang.t_of("channel", row.channel.as_str()).to_owned(),
        row.sent_to.clone().unwrap_or_default(),
        lang.t_of("notice-state", row.state.as_str()).to_owned(),
        row.reason.map_or("", |reason| lang.t_of("reason", reason.as_str())).to_owned(),
        when(row.state_at),
        row.attempts.to_string(),
        lang.t_of("wording-kind", row.kind.as_str()).to_owned(),
    ]
}

/// "Cancel", while a notification of a conversation waits.
pub async fn cancel(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), named(&form)?);
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(notifications::cancel(tx, now, &conversation.0, id)?) });
    cancelled(write.await?)
}

/// "Cancel", while a "portal access given" waits.
pub async fn cancel_access_notice(
    state: web::Data<AppState>,
    chart: Chart<rights::Notify>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), named(&form)?);
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(notifications::cancel_access_notice(tx, now, &chart.0, id)?) });
    cancelled(write.await?)
}

fn named(form: &Form) -> Result<NotificationId, AppError> {
    form.numbers("notification").first().copied().map(NotificationId).ok_or(AppError::BadRequest)
}

fn cancelled(result: Result<(), NotCancelled>) -> Result<HttpResponse, AppError> {
    Ok(see_other(match result {
        Ok(()) => "/outbox?notice=notification-cancelled",
        Err(NotCancelled::NotThere) => return Err(AppError::NotFound),
        Err(NotCancelled::OnItsWay) => "/outbox?notice=too-late-to-cancel",
    }))
}

/// "Send again" of a "portal access given".
pub async fn tell_of_access_again(
    state: web::Data<AppState>,
    chart: Chart<rights::Notify>,
) -> Result<HttpResponse, AppError> {
    let (now, random) = (state.clock.now(), state.random.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(notifications::tell_of_access_again(tx, now, &random, &chart.0)?)
    });
    let notice = notice_of(write.await?)?;
    state.wake.notify_one();
    Ok(see_other(&format!("/outbox?notice={notice}")))
}

/// What is said after "Send again".
pub fn notice_of(result: Result<(), NotAgain>) -> Result<&'static str, AppError> {
    match result {
        Ok(()) => Ok("sent-again"),
        Err(NotAgain::NoMessage) => Err(AppError::NotFound),
        Err(NotAgain::Obstacles) => Ok("cannot-be-told"),
        Err(NotAgain::OnItsWay) => Ok("on-its-way"),
    }
}
