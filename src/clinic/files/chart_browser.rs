//! `/patients/{id}/chart-browser`: choosing items of the chart for a message. All buttons belong to one form, so that
//! what is ticked goes along to every kind, search and page; "Select" takes the ids to the New Message.

use super::chart_filter::Narrowed;
use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document::{self, Part};
use crate::chart::{self, Counts, ItemFilter, ItemKind, ItemRow};
use crate::clinic::composing::new_message::CHOSEN;
use crate::clinic::guard::{AskedChart, shell};
use crate::db::{self, ChartItemId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::searches::with_text;
use crate::http::{Form, Head, Shell, html, paging, see_other};
use crate::patients::{self, Patient};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::HashMap;
use time::Duration;
use url::form_urlencoded::{Serializer, parse};

/// Items on a page.
const PAGE: i64 = 50;
/// How far back a button's list goes, by its word; `None`: as far as there are items.
const SPANS: [(&str, Option<Duration>); 3] =
    [("quarter", Some(Duration::days(91))), (YEAR, Some(Duration::days(365))), (ALL, None)];
/// The span with which the list begins.
const YEAR: &str = "year";
const ALL: &str = "all";

#[derive(Template)]
#[template(path = "clinic/files/chart_browser.html")]
struct BrowserPage {
    shell: Shell,
    patient: Patient,
    narrowed: Narrowed,
    errors: FieldErrors,
    counts: Counts,
    /// the word of the span that is shown; empty where the dates are others
    span: &'static str,
    /// nothing lies within the dates with which the list begins: it shows those of all dates
    widened: bool,
    items: Vec<ItemRow>,
    /// size of each item's file, in bytes
    sizes: HashMap<ChartItemId, i64>,
    next: Option<String>,
    /// the items that are ticked, on this page and on others
    ticked: Vec<ItemRow>,
    shown: Option<(ItemRow, Vec<Part>)>,
}

impl BrowserPage {
    /// The characters that the PDF of the shown item cannot draw.
    fn not_drawn(&self) -> String {
        self.shown.as_ref().map(|(row, parts)| document::not_drawn(&row.title, parts)).unwrap_or_default()
    }

    /// The words of the spans, for their buttons.
    fn spans(&self) -> impl Iterator<Item = &'static str> {
        SPANS.into_iter().map(|(word, _)| word)
    }

    fn is_ticked(&self, item: &ItemRow) -> bool {
        self.ticked.iter().any(|row| row.id == item.id)
    }

    /// The ticked items that are not in the list: they stay in the form all the same.
    fn elsewhere(&self) -> Vec<&ItemRow> {
        self.ticked.iter().filter(|row| self.items.iter().all(|item| item.id != row.id)).collect()
    }
}

/// What the address or the form of the browser asks for.
struct Asked {
    narrowed: Narrowed,
    /// the span whose button was pressed, or with which the list begins; `None`: the dates are typed
    span: Option<&'static str>,
    /// nobody has chosen any dates
    begins: bool,
    ticked: Vec<ChartItemId>,
    show: Option<ChartItemId>,
    select: bool,
}

impl Asked {
    fn read(req: &HttpRequest) -> Asked {
        let fields: Vec<(String, String)> = parse(req.query_string().as_bytes()).into_owned().collect();
        let form = Form::of_pairs(with_text(req, fields));
        // a pressed button comes after the hidden field of the same name
        let last = |name: &str| form.all(name).last().unwrap_or_default().to_owned();
        let word = if form.has("all_dates") { ALL.to_owned() } else { last("span") };
        let pressed = SPANS.into_iter().map(|(span, _)| span).find(|span| *span == word);
        let begins = pressed.is_none() && !form.has("from");
        let span = pressed.or(begins.then_some(YEAR));
        let date = |name: &str| if span.is_some() { String::new() } else { last(name) };
        let show = last("show").parse().ok().map(ChartItemId);
        let after = if show.is_some() { last("at") } else { last("after") };
        let narrowed = Narrowed {
            kind: last("kind"),
            q: last("q"),
            sought: String::new(),
            from: date("from"),
            until: date("until"),
            after,
        }
        .clean();
        let ticked = form.numbers("chart_item").into_iter().map(ChartItemId).collect();
        Asked { narrowed, span, begins, ticked, show, select: form.has("select") }
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: AskedChart<rights::Send>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let mut asked = Asked::read(&req);
    if asked.select {
        return select(&state, chart, asked.ticked).await;
    }
    let now = head.now;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = chart.proof(conn)?;
        let trace = Entry::of_patient(
            Actor::User(chart.user().id()),
            if asked.show.is_some() { Event::ChartItemViewed } else { Event::ChartViewed },
            chart.patient(),
            asked.show.map_or(Subject::None, |id| Subject::ChartItem(id.0)),
        );
        let (shell, settings) = shell(conn, &head, chart.user())?;
        let patient = patients::patient(conn, &chart)?;
        let zone = settings.zone();
        let first_day = |back: Duration| zone.local(now.plus(-back)).date().to_string();
        if let Some((_, back)) = SPANS.into_iter().find(|(span, _)| asked.span == Some(*span)) {
            asked.narrowed.from = back.map(first_day).unwrap_or_default();
        }
        let (mut narrowed, mut errors) = (asked.narrowed, FieldErrors::default());
        let mut filter = ItemFilter { offered: true, ..narrowed.filter(zone, &mut errors) };
        let before = paging::parse(&narrowed.after).map(|(at, id)| (at, ChartItemId(id)));
        let mut counts = chart::counts(conn, &chart, &filter)?;
        let widened = asked.begins && counts.count(filter.kind.as_ref()) == 0 && counts.hidden > 0;
        if widened {
            narrowed.from = String::new();
            filter.from = None;
            counts = chart::counts(conn, &chart, &filter)?;
        }
        let is_shown = |back: Option<Duration>| narrowed.from == back.map(first_day).unwrap_or_default();
        let span = SPANS.into_iter().find(|(_, back)| narrowed.until.is_empty() && is_shown(*back));
        let span = span.map(|(word, _)| word).unwrap_or_default();
        let mut items = chart::items(conn, &chart, &filter, before, PAGE + 1)?;
        let next = db::cut(&mut items, PAGE, |item| paging::key(item.occurred_at, item.id.0));
        let sizes = chart::file_sizes(conn, &chart, &items)?;
        let ticked = chart::chosen(conn, &chart, &asked.ticked)?;
        let shown = match asked.show {
            Some(id) => Some(chart::item(conn, &chart, id)?.ok_or(AppError::NotFound)?),
            None => None,
        };
        let shown = shown.map(|item| {
            let parts = document::parts_for(&item, shell.lang, &settings);
            (item.row, parts)
        });
        Ok((
            BrowserPage { shell, patient, narrowed, errors, counts, span, widened, items, sizes, next, ticked, shown },
            trace,
        ))
    });
    let (page, trace) = read.await?;
    state.record(trace).await?;
    html(&page)
}

/// Leads to the message with what is ticked: ids only, and only those of this chart.
async fn select(
    state: &AppState,
    asked: AskedChart<rights::Send>,
    ticked: Vec<ChartItemId>,
) -> Result<HttpResponse, AppError> {
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let chart = asked.proof(conn)?;
        Ok((chart.patient(), chart::chosen(conn, &chart, &ticked)?))
    });
    let (patient, chosen) = read.await?;
    let mut query = Serializer::new(String::new());
    query.append_pair(CHOSEN, "1");
    for row in chosen {
        query.append_pair("chart_item", &row.id.to_string());
    }
    Ok(see_other(&format!("/patients/{patient}/messages/new?{}", query.finish())))
}
