//! `/settings/hours`: when the clinic is open, on which days it is closed, and within which time it promises an answer.

use crate::access::rights;
use crate::administration;
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::{clock_minutes, clock_text};
use crate::settings::{
    self, Hours, MIDNIGHT, MOST_CLOSED, MOST_DAYS, MOST_HOURS, Promise, Span, Unit, day_text, parse_day,
};
use crate::state::AppState;
use crate::text;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use std::collections::BTreeMap;
use time::Date;

#[derive(Template)]
#[template(path = "clinic/settings/hours.html")]
struct HoursPage {
    shell: Shell,
    form: Form,
    week: &'static [Weekday; 7],
    /// days and their names, as the form has them
    closed: Vec<(String, String)>,
    errors: FieldErrors,
    seen: Seen,
}

/// A day of the week in the form.
struct Weekday {
    /// its number, as in ISO 8601
    number: &'static str,
    /// the key of its name
    label: &'static str,
    /// the fields of its two spans, each with from and until
    fields: [&'static str; 4],
    /// the key of what is wrong with it
    error: &'static str,
}

macro_rules! weekday {
    ($number:literal, $error:literal) => {
        Weekday {
            number: $number,
            label: concat!("weekday-", $number),
            fields: [
                concat!("from_", $number),
                concat!("until_", $number),
                concat!("from_again_", $number),
                concat!("until_again_", $number),
            ],
            error: $error,
        }
    };
}

const WEEK: [Weekday; 7] = [
    weekday!("1", "error-hours-1"),
    weekday!("2", "error-hours-2"),
    weekday!("3", "error-hours-3"),
    weekday!("4", "error-hours-4"),
    weekday!("5", "error-hours-5"),
    weekday!("6", "error-hours-6"),
    weekday!("7", "error-hours-7"),
];

/// The labels of the fields of a day.
const LABELS: [&str; 4] = ["hours-from", "hours-until", "hours-from-again", "hours-until-again"];

/// Empty lines for closed days below those that are stored.
const EMPTY: usize = 4;

/// The longest name of a closed day, in characters.
const LONGEST_NAME: usize = 60;

impl Weekday {
    /// The fields with their labels' keys.
    fn labelled(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.fields.into_iter().zip(LABELS)
    }
}

impl HoursPage {
    fn new(shell: Shell, form: Form, errors: FieldErrors, seen: Seen) -> HoursPage {
        let mut closed = closed_fields(&form);
        let filled = closed.iter().filter(|(day, name)| !(day.is_empty() && name.is_empty())).count();
        closed.resize(closed.len().max((filled + EMPTY).min(MOST_CLOSED)), Default::default());
        HoursPage { shell, form, week: &WEEK, closed, errors, seen }
    }

    /// Whether this is the chosen unit of the promise; none is chosen where there is no promise.
    fn promises(&self, word: &str) -> bool {
        let chosen = self.form.get("promise_unit");
        chosen == word || (word == "off" && chosen.parse::<Unit>().is_err())
    }
}

/// The days and names of the form, line by line.
fn closed_fields(form: &Form) -> Vec<(String, String)> {
    let (days, names): (Vec<&str>, Vec<&str>) = (form.all("closed_day").collect(), form.all("closed_name").collect());
    let at = |all: &[&str], line: usize| all.get(line).map_or(String::new(), |text| (*text).trim().to_owned());
    let lines = 0..days.len().max(names.len()).min(2 * MOST_CLOSED);
    lines.map(|line| (at(&days, line), at(&names, line))).collect()
}

/// The fields that show these hours.
fn filled(hours: &Hours) -> Form {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (day, spans) in WEEK.iter().zip(&hours.week) {
        let times = spans.iter().flat_map(|span| [span.opens, span.closes % MIDNIGHT]).map(clock_text);
        pairs.extend(day.fields.iter().map(|field| (*field).to_owned()).zip(times));
    }
    for (day, name) in &hours.closed {
        pairs.extend([("closed_day".to_owned(), day_text(*day)), ("closed_name".to_owned(), name.clone())]);
    }
    let (unit, amount) = match hours.promise {
        Some(promise) => (promise.unit.as_str(), promise.amount.to_string()),
        None => ("off", String::new()),
    };
    pairs.extend([("promise_unit".to_owned(), unit.to_owned()), ("promise_amount".to_owned(), amount)]);
    Form::of_pairs(pairs)
}

fn stored(hours: &Hours) -> Stored {
    let form = filled(hours);
    let mut stored = Stored::default();
    for day in &WEEK {
        for field in day.fields {
            stored = stored.text(field, day.label, form.get(field));
        }
    }
    let list = |name| form.all(name).collect::<Vec<_>>().join(" ");
    stored
        .text("closed_day", "closed-days", list("closed_day"))
        .text("closed_name", "closed-names", list("closed_name"))
        .choice("promise_unit", "promise-unit", "promise-unit", form.get("promise_unit"))
        .text("promise_amount", "promise-amount", form.get("promise_amount"))
}

/// Two fields of a form as a span: `None` where both are empty, an error where they are none.
fn span(from: &str, until: &str) -> Result<Option<Span>, ()> {
    if from.trim().is_empty() && until.trim().is_empty() {
        return Ok(None);
    }
    let (opens, closes) = clock_minutes(from).zip(clock_minutes(until)).ok_or(())?;
    // midnight is the end of the day
    let closes = if closes == 0 { MIDNIGHT } else { closes };
    if opens < closes { Ok(Some(Span { opens, closes })) } else { Err(()) }
}

/// The spans of a day in their order, if they do not overlap.
fn spans(form: &Form, day: &Weekday) -> Result<Vec<Span>, ()> {
    let [from, until, from_again, until_again] = day.fields.map(|field| form.get(field));
    let both = [span(from, until)?, span(from_again, until_again)?];
    let spans: Vec<Span> = both.into_iter().flatten().collect();
    let overlap = spans.windows(2).any(|two| matches!(two, [one, next] if next.opens < one.closes));
    if overlap { Err(()) } else { Ok(spans) }
}

/// Reads the form; a field that is wrong is left out, and named in the errors. Days that are over are not kept.
fn read(form: &Form, today: Date) -> (Hours, FieldErrors) {
    let (mut hours, mut errors) = (Hours::default(), FieldErrors::default());
    for (day, into) in WEEK.iter().zip(&mut hours.week) {
        *into = errors.need(day.fields[0], day.error, spans(form, day).ok()).unwrap_or_default();
    }
    hours.closed = closed_days(form, &mut errors);
    hours.closed.retain(|day, _| *day >= today);
    if let Ok(unit) = form.get("promise_unit").parse::<Unit>() {
        let (most, error) = match unit {
            Unit::Hours => (MOST_HOURS, "error-promise-hours"),
            Unit::Days => (MOST_DAYS, "error-promise-days"),
        };
        let amount = form.get("promise_amount").trim().parse().ok().filter(|amount| (1..=most).contains(amount));
        let amount = errors.need("promise_amount", error, amount);
        hours.promise = amount.map(|amount| Promise { unit, amount });
    }
    (hours, errors)
}

fn closed_days(form: &Form, errors: &mut FieldErrors) -> BTreeMap<Date, String> {
    let mut closed = BTreeMap::new();
    for (day, name) in closed_fields(form).into_iter().filter(|(day, name)| !(day.is_empty() && name.is_empty())) {
        let name = text::one_line(&name);
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            errors.add("closed_day", "error-closed-name");
        }
        match parse_day(&day) {
            None => errors.add("closed_day", "error-closed-day"),
            Some(day) if closed.contains_key(&day) => errors.add("closed_day", "error-closed-twice"),
            Some(day) => drop(closed.insert(day, name)),
        }
    }
    if closed.len() > MOST_CLOSED {
        errors.add("closed_day", "error-closed-many");
    }
    closed
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let hours = settings::hours(conn, settings.zone().local(head.now).date())?;
        Ok(HoursPage::new(shell, filled(&hours), FieldErrors::default(), stored(&hours).seen()))
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let zone = settings::hold(tx)?.zone();
        let today = zone.local(now).date();
        let newer = stored(&settings::hours(tx, today)?).newer(&form);
        let (hours, mut errors) = read(&form, today);
        if errors.is_empty() && hours.promise.is_some() && hours.answer_by(zone, now).is_none() {
            errors.add("promise_amount", "error-promise-never");
        }
        let (status, seen) = match newer {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                administration::save_hours(tx, now, &user.0, &hours)?;
                return Ok(None);
            }
        };
        let (shell, _) = shell(tx, &head, &user.0)?;
        Ok(Some((status, HoursPage::new(shell, form, errors, seen))))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/hours?notice=settings-saved")),
    }
}
