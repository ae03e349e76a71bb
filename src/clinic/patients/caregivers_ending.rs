//! `/caregivers`: the caregivers whose access ends soon, or is to be looked at.

use crate::access::rights;
use crate::audit::{Entry, Event, Subject};
use crate::caregivers::{self, Outlook, Watched};
use crate::clinic::guard::{User, shell};
use crate::db::{self, CaregiverId};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::settings::{self, CaregiverAges};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/patients/caregivers_ending.html")]
struct EndingPage {
    shell: Shell,
    ages: CaregiverAges,
    rows: Vec<Watched>,
    next: Option<i64>,
}

impl EndingPage {
    /// What is to be said of one, in words.
    fn says(&self, row: &Watched) -> String {
        let clock = (self.shell.now, self.shell.zone);
        outlook(&self.shell, &Outlook::of(&row.caregiver, row.born, self.ages, clock))
    }
}

/// What is to be said of somebody's access, in words; empty where there is nothing.
pub fn outlook(shell: &Shell, of: &Outlook) -> String {
    match of.ends {
        Some((last, days)) => shell.t2("caregiver-ends-in", "when", shell.lang.date(last), "days", days),
        None if of.to_look_at => shell.t("caregiver-look-at").to_owned(),
        None => String::new(),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    after: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let after = CaregiverId(query.after.parse().unwrap_or_default());
    let trace = Entry::of_clinic(Some(user.0.id()).into(), Event::PatientsSearched, Subject::None).with("caregivers");
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut rows = caregivers::ending(conn, head.now, &user.0, after, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |row| row.caregiver.id.0);
        Ok(EndingPage { shell, ages: settings::caregiver_ages(conn)?, rows, next })
    });
    let page = page.await?;
    state.record(trace).await?;
    html(&page)
}
