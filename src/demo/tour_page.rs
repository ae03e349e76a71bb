//! `/demo`: the first page: who can sign in, and the tour.

use super::people::{DemoUser, USERS};
use super::tour::{Step, Tour};
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::text::{Lang, Zone};
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "demo/tour.html")]
struct TourPage {
    shell: Shell,
    users: &'static [DemoUser],
    progress: Progress,
    hidden: bool,
}

/// Only the steps, for the script that asks whether one was done.
#[derive(Template)]
#[template(path = "demo/tour_steps.html")]
struct Steps {
    shell: Shell,
    progress: Progress,
}

/// How far the visitor has come.
struct Progress {
    steps: Vec<Step>,
    done: usize,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.done == self.steps.len()
    }
}

/// What the program's own pages say of the clinic: nothing, as they are not the clinic's.
pub(super) fn shell(head: &Head, zone: Zone) -> Shell {
    Shell::new(head, ("Postern", "", Lang::or_english("en"), zone), None)
}

async fn progress(state: &AppState, tour: &Tour) -> Result<Progress, AppError> {
    let tour = tour.clone();
    let steps = state.db.read(move |conn| -> Result<_, AppError> { Ok(tour.steps(conn)?) }).await?;
    let done = steps.iter().filter(|step| step.done).count();
    Ok(Progress { steps, done })
}

/// `/`: the tour, until all of it was done or it was put away; then the clinic.
pub async fn home(state: web::Data<AppState>, tour: web::Data<Tour>) -> Result<HttpResponse, AppError> {
    let is_over = tour.is_hidden() || progress(&state, &tour).await?.is_over();
    Ok(see_other(if is_over { "/inbox" } else { "/demo" }))
}

pub(super) async fn show(
    state: web::Data<AppState>,
    head: Head,
    tour: web::Data<Tour>,
) -> Result<HttpResponse, AppError> {
    let progress = progress(&state, &tour).await?;
    let shell = shell(&head, Zone::or_utc("UTC"));
    match head.fragment {
        true => html(&Steps { shell, progress }),
        false => html(&TourPage { shell, users: USERS, progress, hidden: tour.is_hidden() }),
    }
}

/// Puts the tour away, or takes it up again, as the button said: sent twice, it does the same.
pub(super) async fn remove(tour: web::Data<Tour>, form: Form) -> Result<HttpResponse, AppError> {
    let hidden = form.get("hidden") == "1";
    tour.hide(hidden).map_err(|cause| AppError::Internal(cause.to_string()))?;
    Ok(see_other(if hidden { "/inbox" } else { "/demo" }))
}
