//! `/patients/{id}`: the chart.

use super::guard::{Chart, number, shell};
use crate::access::{Action, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::{self, Block, Caption, Datum, Item, ItemFilter, ItemKind, ItemRow, Patient};
use crate::conversations::{self, InboxRow};
use crate::db::ChartItemId;
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging};
use crate::notifications::{self, BlockKind, Blocks};
use crate::state::AppState;
use crate::values::BirthDate;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Chart items on a page.
const PAGE: i64 = 25;
/// Conversations on the chart; the rest is in the inbox.
const CONVERSATIONS: i64 = 20;

#[derive(Template)]
#[template(path = "clinic/chart.html")]
struct ChartPage {
    shell: Shell,
    patient: Patient,
    conversations: Vec<InboxRow>,
    kind: Option<ItemKind>,
    items: Vec<ItemRow>,
    next: Option<String>,
    may_send: bool,
    may_edit: bool,
    /// what stands against the addresses
    blocks: Blocks,
}

#[derive(Template)]
#[template(path = "clinic/chart_item.html")]
struct ItemPage {
    shell: Shell,
    patient: Patient,
    item: Item,
}

impl ItemPage {
    /// Our words translated, the record's as written.
    fn caption<'a>(&'a self, caption: &'a Caption) -> &'a str {
        match caption {
            Caption::Label(label) => self.shell.of("label", label.as_str()),
            Caption::Text(text) => text,
        }
    }

    /// A value in the reader's language. Decimals keep the digits of the record, up to four after the point: more
    /// are a generator's, not a laboratory's.
    fn datum(&self, datum: &Datum) -> String {
        match datum {
            Datum::Text(text) | Datum::Code(text) => text.clone(),
            Datum::Number(number) => match number.split_once('.') {
                Some((whole, part)) => format!("{whole}.{}", part.chars().take(4).collect::<String>()),
                None => number.clone(),
            },
            Datum::Bool(yes) => self.shell.t(if *yes { "yes" } else { "no" }).to_owned(),
            Datum::When(text) => self.when(text),
            Datum::Period(from, to) => {
                let shown = |end: &Option<String>| end.as_deref().map(|text| self.when(text)).unwrap_or_default();
                format!("{} – {}", shown(from), shown(to))
            }
        }
    }

    /// An instant or a whole date in the reader's words; a year or a month as it is.
    fn when(&self, text: &str) -> String {
        use time::format_description::well_known::Rfc3339;
        match (time::OffsetDateTime::parse(text, &Rfc3339), BirthDate::parse(text)) {
            (Ok(instant), _) => self.shell.moment(&instant.into()),
            (_, Some(date)) => self.shell.born(&date),
            _ => text.to_owned(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    kind: String,
    after: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (kind, before) = (query.kind.parse().ok(), paging::parse(&query.after));
    let (now, trace) = (head.now, trace(&chart, Event::ChartViewed, Subject::None));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, chart.0.user())?;
        let patient = chart::patient(conn, &chart.0)?;
        let blocks = notifications::blocks(conn, &patient)?;
        let conversations = conversations::of_patient(conn, &chart.0, CONVERSATIONS)?;
        let filter = ItemFilter { kind, before: before.map(|(at, id)| (at, ChartItemId(id))) };
        let mut items = chart::items(conn, &chart.0, &filter, PAGE + 1)?;
        let more = items.len() as i64 > PAGE;
        items.truncate(PAGE as usize);
        let next = items.last().filter(|_| more).map(|item| paging::key(item.occurred_at, item.id.0));
        let role = chart.0.user().role();
        let (may_send, may_edit) = (role.may(Action::Send), role.may(Action::EditPatients));
        Ok(ChartPage { shell, patient, conversations, kind, items, next, may_send, may_edit, blocks })
    });
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(audit::append(tx, now, trace)?) });
    let (page, ()) = tokio::try_join!(read, write)?;
    html(&page)
}

pub async fn show_item(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = ChartItemId(number(&req, "item")?);
    let (now, trace) = (head.now, trace(&chart, Event::ChartItemViewed, Subject::ChartItem(id.0)));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let item = chart::item(conn, &chart.0, id)?.ok_or(AppError::NotFound)?;
        let (shell, _) = shell(conn, &head, chart.0.user())?;
        Ok(ItemPage { shell, patient: chart::patient(conn, &chart.0)?, item })
    });
    let page = read.await?;
    state.db.write(move |tx| -> Result<_, AppError> { Ok(audit::append(tx, now, trace)?) }).await?;
    html(&page)
}

fn trace(chart: &Chart<rights::Read>, event: Event, subject: Subject) -> Entry {
    Entry::of_patient(Actor::User(chart.0.user().id()), event, chart.0.patient(), subject)
}
