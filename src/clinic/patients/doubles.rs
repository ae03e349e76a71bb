//! `/patients/doubles`: charts that may be one person's, and pairs that a user has marked as two people.

use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{Chart, User, shell};
use crate::db::{PatientId, UserId};
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::{self, Distinction, Doubles};
use crate::state::AppState;
use crate::users;
use actix_web::{HttpResponse, web};
use askama::Template;

/// How many pairs of two people are shown at most: the newest.
const SHOWN: i64 = 100;

#[derive(Template)]
#[template(path = "clinic/patients/doubles.html")]
struct DoublesPage {
    shell: Shell,
    groups: Vec<Doubles>,
    apart: Vec<Distinction>,
    names: Vec<(UserId, String)>,
}

impl DoublesPage {
    /// Who said that they are two people, and when.
    fn apart_line(&self, pair: &Distinction) -> String {
        let name = self.names.iter().find(|(id, _)| *id == pair.by).map_or("", |(_, name)| name);
        self.shell.t2("apart-said", "user", name, "when", self.shell.day(&pair.made_at))
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let trace = Entry::of_clinic(Actor::User(user.0.id()), Event::PatientsSearched, Subject::None).with("doubles");
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (groups, apart) = (patients::doubles(conn)?, patients::distinctions(conn, SHOWN)?);
        let who: Vec<UserId> = apart.iter().map(|pair| pair.by).collect();
        Ok(DoublesPage { shell, groups, apart, names: users::names_of(conn, &who)? })
    });
    let page = page.await?;
    state.record(trace).await?;
    html(&page)
}

fn other(form: &Form) -> Result<PatientId, AppError> {
    form.get("with").parse().map(PatientId).map_err(|_| AppError::BadRequest)
}

/// "These are two people", from the page that shows both.
pub async fn tell_apart(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, other) = (state.clock.now(), other(&form)?);
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(patients::tell_apart(tx, now, &chart.0, other)?) });
    if write.await? { Ok(see_other("/patients/doubles?notice=told-apart")) } else { Err(AppError::NotFound) }
}

/// Undoes "These are two people".
pub async fn undo(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, other) = (state.clock.now(), other(&form)?);
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(patients::may_be_one(tx, now, &chart.0, other)?) });
    if write.await? { Ok(see_other("/patients/doubles?notice=not-told-apart")) } else { Err(AppError::NotFound) }
}
