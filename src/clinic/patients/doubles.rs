//! `/patients/doubles`: charts that may be one person's.

use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::patients::{self, Doubles};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/doubles.html")]
struct DoublesPage {
    shell: Shell,
    groups: Vec<Doubles>,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let trace = Entry::of_clinic(Actor::User(user.0.id()), Event::PatientsSearched, Subject::None).with("doubles");
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        Ok(DoublesPage { shell, groups: patients::doubles(conn)? })
    });
    let page = page.await?;
    state.record(trace).await?;
    html(&page)
}
