//! `/settings/audit-log`: who did what, newest first; `/settings/audit-log.csv`: the same as a table.

use crate::access::rights;
use crate::administration::{self, AuditLog};
use crate::audit::{ActorKind, Event, Filter, Place, Row, What};
use crate::clinic::guard::{Confirmed, User, shell};
use crate::db::{self, DbError, PatientId, UserId};
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging, table};
use crate::settings;
use crate::state::AppState;
use crate::text::{self, Lang, Zone};
use crate::users::{self, Account};
use crate::values::BirthDate;
use actix_web::{HttpResponse, web};
use askama::Template;
use futures_util::stream;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 100;
/// Lines that the export reads at once.
const PIECE: i64 = 500;
/// In the address: all events of only looking at a record.
const LOOKS: &str = "looks";

#[derive(Template)]
#[template(path = "clinic/settings/audit_log.html")]
struct AuditPage {
    shell: Shell,
    log: AuditLog,
    /// every user, also the deactivated ones: what they did is in the log too
    users: Vec<Account>,
    /// the events that can be chosen: word and full text
    events: Vec<(&'static str, &'static str)>,
    query: Query,
    /// the filter as part of an address, for links
    kept: String,
    /// the name of the patient whose rows are selected
    patient: Option<String>,
    next: Option<String>,
}

impl AuditPage {
    fn actor(&self, row: &Row) -> String {
        actor(&self.log, self.shell.lang, row)
    }

    fn whose(&self, id: PatientId) -> String {
        whose(&self.log, self.shell.lang, id)
    }

    /// The address of what the event was done to, where that has a page.
    fn link(&self, row: &Row) -> Option<String> {
        let id = row.subject_id?;
        if row.patient_id.is_some_and(|patient| self.log.patient(patient).is_none()) {
            // a deleted record has no pages any more
            return None;
        }
        match (row.subject.as_deref()?, row.patient_id) {
            ("conversation", _) => Some(format!("/conversations/{id}")),
            ("chart_item", Some(patient)) => Some(format!("/patients/{patient}/items/{id}")),
            _ => None,
        }
    }
}

/// The name of the patient; for a deleted record its number.
fn whose(log: &AuditLog, lang: Lang, id: PatientId) -> String {
    log.patient(id).map_or_else(|| lang.t1("record-number", "number", id.0), str::to_owned)
}

/// Who acted, in words.
fn actor(log: &AuditLog, lang: Lang, row: &Row) -> String {
    let kind = lang.t_of("actor", row.actor.as_str());
    match (row.actor, log.actor(row)) {
        (ActorKind::Patient | ActorKind::Caregiver, Some(name)) => format!("{name} ({kind})"),
        (_, Some(name)) => name.to_owned(),
        (_, None) => kind.to_owned(),
    }
}

/// The filter and the place in the list, as the address has them.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
pub struct Query {
    user: String,
    patient: String,
    what: String,
    from: String,
    until: String,
    before: String,
}

impl Query {
    /// The filter; a value that cannot be read selects all. Days are in the clinic's time zone.
    fn filter(&self, zone: Zone) -> Filter {
        let day = |text: &str| BirthDate::parse(text.trim()).map(|day| day.0);
        Filter {
            user: self.user.parse().ok().map(UserId),
            patient: self.patient.parse().ok().map(PatientId),
            what: match self.what.as_str() {
                LOOKS => Some(What::Looks),
                word => word.parse().ok().map(What::Event),
            },
            from: day(&self.from).map(|day| zone.start_of(day)),
            until: day(&self.until).and_then(time::Date::next_day).map(|day| zone.start_of(day)),
        }
    }

    /// The query without characters that no page may show, such as NUL.
    fn cleaned(self) -> Query {
        let clean = |typed: String| text::one_line(&typed);
        Query {
            user: clean(self.user),
            patient: clean(self.patient),
            what: clean(self.what),
            from: clean(self.from),
            until: clean(self.until),
            before: clean(self.before),
        }
    }

    /// The query as part of an address, without the place in the list.
    fn address(&self) -> String {
        let fields = [
            ("user", &self.user),
            ("patient", &self.patient),
            ("what", &self.what),
            ("from", &self.from),
            ("until", &self.until),
        ];
        let kept = fields.into_iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }
}

/// The events that can be chosen, in the order of their full text.
fn events(lang: Lang) -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = Event::ALL.iter().map(|event| (event.as_str(), lang.t_of("event", event.as_str()))).collect();
    all.sort_by_cached_key(|(_, words)| text::fold(words));
    all
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Audit>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (now, query, by) = (head.now, query.into_inner().cleaned(), user.0.clone());
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let filter = query.filter(settings.zone());
        let before = paging::parse(&query.before);
        let mut log = administration::audit_log(conn, &user.0, &filter, before, PAGE + 1)?;
        let next = db::cut(&mut log.rows, PAGE, |row| paging::key(row.at, row.id));
        let patient = filter.patient.and_then(|id| log.patient(id).map(str::to_owned));
        let (users, events, kept) = (users::accounts(conn)?, events(shell.lang), query.address());
        Ok((filter, AuditPage { shell, log, users, events, query, kept, patient, next }))
    });
    let (filter, page) = page.await?;
    let trace = state
        .db
        .write(move |tx| -> Result<_, DbError> { Ok(administration::audit_log_viewed(tx, now, &by, &filter)?) });
    trace.await?;
    html(&page)
}

/// The selected rows as CSV.
pub async fn export(
    state: web::Data<AppState>,
    head: Head,
    user: Confirmed<rights::Audit>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (now, query, by) = (head.now, query.into_inner().cleaned(), user.0.clone());
    let begun = state.db.write(move |tx| -> Result<_, DbError> {
        let settings = settings::load(tx)?;
        let filter = query.filter(settings.zone());
        administration::audit_log_exported(tx, now, &by, &filter)?;
        Ok((settings, filter))
    });
    let (settings, filter) = begun.await?;
    let (lang, zone, db) = (head.lang(settings.lang()), settings.zone(), state.db.clone());
    let begin = (Some(None::<Place>), Some(heading(lang)));
    let pieces = stream::try_unfold(begin, move |(place, heading)| {
        let (filter, by, db) = (filter.clone(), user.0.clone(), db.clone());
        async move {
            let Some(before) = place else { return Ok::<_, AppError>(None) };
            let read = db.read(move |conn| -> Result<_, DbError> {
                Ok(administration::audit_log(conn, &by, &filter, before, PIECE)?)
            });
            let log = read.await?;
            let last = log.rows.last().filter(|_| log.rows.len() as i64 == PIECE).map(|row| Some((row.at, row.id)));
            let lines = heading.into_iter().chain(log.rows.iter().map(|row| record(&log, lang, zone, row))).collect();
            Ok(Some((lines, (last, None))))
        }
    });
    Ok(table::csv("audit-log.csv", pieces))
}

fn heading(lang: Lang) -> Vec<String> {
    let keys = [
        "when",
        "audit-who",
        "audit-what",
        "audit-whose",
        "audit-detail",
        "audit-subject",
        "audit-chain",
        "audit-hash",
    ];
    keys.into_iter().map(|key| lang.t(key).to_owned()).collect()
}

fn record(log: &AuditLog, lang: Lang, zone: Zone, row: &Row) -> Vec<String> {
    let local = zone.local(row.at);
    let subject = row.subject.as_deref().map(|kind| format!("{kind} {}", row.subject_id.unwrap_or_default()));
    vec![
        format!("{} {:02}:{:02}:{:02}", local.date(), local.hour(), local.minute(), local.second()),
        actor(log, lang, row),
        lang.t_of("event", &row.action).to_owned(),
        row.patient_id.map(|id| whose(log, lang, id)).unwrap_or_default(),
        row.detail.clone().unwrap_or_default(),
        subject.unwrap_or_default(),
        format!("{}/{}", row.chain, row.position),
        data_encoding::HEXLOWER.encode(&row.hash),
    ]
}
