//! `/patients/{id}/postal-address`: where a letter reaches the patient.

use crate::access::{ChartAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::chart::document::Letter;
use crate::clinic::guard::{Chart, shell};
use crate::db::{Conn, ConversationId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::patients::{self, Patient, PostalAddress};
use crate::state::AppState;
use crate::text;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/patients/postal_address.html")]
struct AddressPage {
    shell: Shell,
    patient: Patient,
    /// as typed, or as stored
    address: PostalAddress,
    /// the conversation whose letter waits for the address
    letter: Option<ConversationId>,
    errors: FieldErrors,
    seen: Seen,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    letter: Option<i64>,
}

/// What the form edits, as it is stored.
fn stored(address: Option<&PostalAddress>) -> Stored {
    let address = address.cloned().unwrap_or_default();
    Stored::default()
        .text("street", "postal-street", address.street)
        .text("city", "postal-city", address.city)
        .text("region", "postal-region", address.region)
        .text("postal_code", "postal-code", address.postal_code)
        .text("country", "postal-country", address.country)
}

/// Reads the form as typed, each line without needless space.
fn read(form: &Form) -> PostalAddress {
    let line = |name| text::one_line(form.get(name));
    let street: Vec<String> = form.get("street").lines().map(text::one_line).filter(|line| !line.is_empty()).collect();
    PostalAddress {
        street: street.join("\n"),
        city: line("city"),
        region: line("region"),
        postal_code: patients::postal_code(&line("postal_code")),
        country: line("country"),
    }
}

/// What is wrong with an address of somebody of this name. An empty form is right: it takes the address away.
fn check(name: String, address: &PostalAddress) -> FieldErrors {
    let mut errors = FieldErrors::default();
    if *address == PostalAddress::default() {
        return errors;
    }
    let is_long = |text: &str| text.chars().count() > PostalAddress::LONGEST;
    if address.street.is_empty() {
        errors.add("street", "error-postal-street");
    }
    if address.street.lines().count() > PostalAddress::MOST_LINES || address.street.lines().any(is_long) {
        errors.add("street", "error-postal-lines");
    }
    let needed =
        [("city", &address.city, "error-postal-city"), ("postal_code", &address.postal_code, "error-postal-code")];
    for (field, _, error) in needed.into_iter().filter(|(_, value, _)| value.is_empty()) {
        errors.add(field, error);
    }
    let lines = [("region", &address.region), ("country", &address.country), ("city", &address.city)];
    for (field, _) in
        lines.into_iter().chain([("postal_code", &address.postal_code)]).filter(|(_, value)| is_long(value))
    {
        errors.add(field, "error-postal-long");
    }
    if errors.is_empty() && !Letter::fits(&address.recipient(name)) {
        errors.add("street", "error-postal-window");
    }
    errors
}

fn page(
    conn: &mut Conn,
    head: &Head,
    chart: &ChartAccess<rights::EditPatients>,
    letter: Option<ConversationId>,
    typed: Option<(PostalAddress, FieldErrors, Seen)>,
) -> Result<AddressPage, AppError> {
    let (shell, _) = shell(conn, head, chart.user())?;
    let patient = patients::patient(conn, chart)?;
    let held = patients::postal_address(conn, patient.id)?;
    let (address, errors, seen) = typed.unwrap_or_else(|| {
        let seen = stored(held.as_ref()).seen();
        (held.unwrap_or_default(), FieldErrors::default(), seen)
    });
    Ok(AddressPage { shell, patient, address, letter, errors, seen })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let letter = query.letter.map(ConversationId);
    let (reader, patient) = (Actor::User(chart.0.user().id()), chart.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::None).with("postal_address");
    let page = state.db.read(move |conn| page(conn, &head, &chart.0, letter, None)).await?;
    state.record(trace).await?;
    html(&page)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, letter) = (state.clock.now(), form.numbers("letter").first().copied().map(ConversationId));
    let patient = chart.0.patient();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let held = chart.0.held(tx)?;
        let (address, before) = (read(&form), patients::postal_address(tx, held.patient())?);
        let errors = check(patients::patient(tx, &held)?.name(), &address);
        let (status, seen) = match stored(before.as_ref()).newer(&form) {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                let is_there = address != PostalAddress::default();
                patients::set_postal_address(tx, now, &held, is_there.then_some(&address))?;
                return Ok(None);
            }
        };
        Ok(Some((status, page(tx, &head, &held, letter, Some((address, errors, seen)))?)))
    });
    match (write.await?, letter) {
        (Some((status, page)), _) => with_status(status, &page),
        (None, Some(letter)) => Ok(see_other(&format!("/conversations/{letter}/letter?notice=information-saved"))),
        (None, None) => Ok(see_other(&format!("/patients/{patient}?notice=information-saved"))),
    }
}
