//! `/settings/caregivers`: the patient's ages at which a parent's access is looked at, and ends by itself.

use crate::access::rights;
use crate::administration;
use crate::clinic::guard::{User, shell};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings::{self, CaregiverAges};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The oldest age that can be set: that of nobody's parent's charge.
const OLDEST: i64 = 30;

#[derive(Template)]
#[template(path = "clinic/settings/caregivers.html")]
struct AgesPage {
    shell: Shell,
    /// as typed, or as stored; empty: at no age
    look_age: String,
    end_age: String,
    errors: FieldErrors,
    seen: Seen,
}

/// An age as its field has it.
fn text(age: i64) -> String {
    if age == 0 { String::new() } else { age.to_string() }
}

/// What the form edits, as it is stored.
fn stored(ages: CaregiverAges) -> Stored {
    Stored::default().text("look_age", "caregiver-look-age", text(ages.look_age)).text(
        "end_age",
        "caregiver-end-age",
        text(ages.end_age),
    )
}

fn page(
    conn: &mut Conn,
    head: &Head,
    user: &User<rights::Settings>,
    typed: Option<(&Form, FieldErrors, Seen)>,
) -> Result<AgesPage, AppError> {
    let (shell, _) = shell(conn, head, &user.0)?;
    Ok(match typed {
        Some((form, errors, seen)) => {
            let (look_age, end_age) = (form.get("look_age").to_owned(), form.get("end_age").to_owned());
            AgesPage { shell, look_age, end_age, errors, seen }
        }
        None => {
            let held = settings::caregiver_ages(conn)?;
            let (look_age, end_age) = (text(held.look_age), text(held.end_age));
            AgesPage { shell, look_age, end_age, errors: FieldErrors::default(), seen: stored(held).seen() }
        }
    })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    html(&state.db.read(move |conn| page(conn, &head, &user, None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // of two owners who save at the same moment the second waits here
        settings::hold(tx)?;
        let held = settings::caregiver_ages(tx)?;
        let mut errors = FieldErrors::default();
        let mut age = |name| match form.get(name).trim() {
            "" => Some(0),
            typed => {
                let age = typed.parse::<i64>().ok().filter(|age| (1..=OLDEST).contains(age));
                errors.need(name, "caregiver-error-ages", age)
            }
        };
        let (look_age, end_age) = (age("look_age"), age("end_age"));
        let (status, seen) = match (look_age.zip(end_age), stored(held).newer(&form)) {
            (None, _) => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            (Some(_), Some(newer)) => (StatusCode::CONFLICT, newer),
            (Some((look_age, end_age)), None) => {
                administration::save_caregiver_ages(tx, now, &user.0, CaregiverAges { look_age, end_age })?;
                return Ok(None);
            }
        };
        Ok(Some((status, page(tx, &head, &user, Some((&form, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/caregivers?notice=settings-saved")),
    }
}
