//! `/settings/records`: how long records are kept, and the records that are due for deletion; `/deleted`: the proofs of
//! deleted records.

use super::form::{Asked, SettingsForm, Typed};
use crate::access::rights;
use crate::administration::Part;
use crate::clinic::guard::{User, shell};
use crate::db::{self, Conn, PatientId, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, paging};
use crate::records::{self, DeletedRecord, DueRecord, MOST_DUE};
use crate::settings::Settings;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/settings/records.html")]
pub struct RecordsPage {
    shell: Shell,
    deceased: String,
    left: String,
    mistake: String,
    age: String,
    due: Vec<DueRecord>,
    /// whether more records are due than are listed
    more: bool,
    errors: FieldErrors,
    seen: Seen,
}

impl SettingsForm for RecordsPage {
    type By = User<rights::Settings>;
    const PART: Part = Part::Records;
    const PATH: &'static str = "/settings/records";

    fn stored(settings: &Settings) -> Stored {
        Stored::default()
            .text("keep_deceased_years", "keep-deceased", settings.retention.deceased.to_string())
            .text("keep_left_years", "keep-left", settings.retention.left.to_string())
            .text("keep_mistake_years", "keep-mistake", settings.retention.mistake.to_string())
            .text("keep_until_age", "keep-age", settings.retention.until_age.to_string())
    }

    fn read(form: &Form, settings: &mut Settings, _: Ts) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let mut years = |name, error, into: &mut i64| {
            let typed = form.get(name).trim().parse().ok().filter(|years| (0..=100).contains(years));
            *into = errors.need(name, error, typed).unwrap_or(*into);
        };
        years("keep_deceased_years", "error-keep-deceased", &mut settings.retention.deceased);
        years("keep_left_years", "error-keep-left", &mut settings.retention.left);
        years("keep_mistake_years", "error-keep-mistake", &mut settings.retention.mistake);
        years("keep_until_age", "error-keep-age", &mut settings.retention.until_age);
        errors
    }

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<RecordsPage, AppError> {
        let (shell, stored) = shell(conn, &asked.head, &asked.user.0)?;
        let mut due = records::due(conn, asked.head.now, stored.retention, MOST_DUE as i64 + 1)?;
        let more = due.len() > MOST_DUE;
        due.truncate(MOST_DUE);
        let as_stored = [
            ("keep_deceased_years", stored.retention.deceased),
            ("keep_left_years", stored.retention.left),
            ("keep_mistake_years", stored.retention.mistake),
            ("keep_until_age", stored.retention.until_age),
        ];
        let [deceased, left, mistake, age] =
            as_stored.map(|(name, years)| typed.as_ref().map_or_else(|| years.to_string(), |typed| typed.text(name)));
        let (errors, seen) = match typed {
            Some(typed) => (typed.errors, typed.seen),
            None => (FieldErrors::default(), RecordsPage::stored(&stored).seen()),
        };
        Ok(RecordsPage { shell, deceased, left, mistake, age, due, more, errors, seen })
    }
}

/// Proofs of deletion on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/settings/deleted_records.html")]
struct DeletedPage {
    shell: Shell,
    deleted: Vec<DeletedRecord>,
    next: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

pub async fn deleted(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let before = paging::parse(&query.after).map(|(at, id)| (at, PatientId(id)));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut deleted = records::deleted(conn, before, PAGE + 1)?;
        let next = db::cut(&mut deleted, PAGE, |one| paging::key(one.at, one.patient.0));
        Ok(DeletedPage { shell, deleted, next })
    });
    html(&read.await?)
}
