//! `/portal/information/views`: who has looked at the patient's messages.

use super::guard::{Visit, shell};
use super::information::shut;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::conversations::{self, Looker, View};
use crate::db;
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::settings::Settings;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "portal/views.html")]
struct ViewsPage {
    shell: Shell,
    settings: Settings,
    rows: Vec<View>,
    next: Option<i64>,
}

impl ViewsPage {
    /// Who looked: of a user the name where the clinic shows names, else the role.
    fn who(&self, row: &View) -> String {
        match &row.by {
            Looker::Caregiver(name, relation) => {
                let relation = self.shell.t_of("relation", relation.as_str());
                self.shell.t2("caregiver-named", "name", name.as_str(), "relation", relation)
            }
            Looker::User(name, role) => {
                let role = self.shell.t_of("role", role.as_str());
                if self.settings.portal_names { format!("{name}, {role}") } else { role.to_owned() }
            }
        }
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
    visit: Visit,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    if let Some(page) = shut(&state, &head, &visit).await? {
        return html(&page);
    }
    let (patient, before) = (visit.0.patient(), query.after.parse().ok());
    let who = Actor::at_portal(patient, visit.0.caregiver());
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, None)?;
        let mut rows = conversations::views(conn, &visit.0, before, PAGE + 1)?;
        let next = db::cut(&mut rows, PAGE, |row| row.id);
        Ok(ViewsPage { shell, settings, rows, next })
    });
    let page = page.await?;
    let trace = Entry::of_patient(who, Event::ViewsListed, patient, Subject::None);
    state.record(trace).await?;
    html(&page)
}
