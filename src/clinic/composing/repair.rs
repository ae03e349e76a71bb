//! The Alert before "New Message": `/patients/{id}/messages/repair` saves what it asks for, in the Alert itself. Its other forms change
//! the patient as they do elsewhere. From each of them what was typed over a message that goes out later comes back: no draft has it.

use super::new_message::{self, Showing};
use crate::access::rights;
use crate::clinic::guard::Chart;
use crate::clinic::patients::demographics::read_addresses;
use crate::clinic::patients::{archiving, reach};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, html, see_other};
use crate::patients::{self, Change, Demographics, Method, Patient};
use crate::state::AppState;
use crate::values::PhoneNumber;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

/// The fields of the Alert's own form. The others are those of a message that goes out later and is being changed.
pub const OWN: [&str; 5] = ["portal_access", "email", "phone", "method", "confirm"];

/// How a patient is reached, as stored or as typed.
pub struct Repair {
    pub portal_access: bool,
    pub email: String,
    pub phone: String,
    pub method: String,
    /// another patient has the address too: it is saved once the user confirms that
    pub shared: bool,
}

impl Repair {
    /// As stored. A patient without a method gets `Both`, so that any address that they have is used.
    pub fn from_patient(patient: &Patient) -> Repair {
        let method = match patient.method {
            Method::None => Method::Both,
            method => method,
        };
        Repair {
            portal_access: patient.portal_access,
            email: patient.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            phone: patient.phone.as_ref().map(PhoneNumber::shown).unwrap_or_default(),
            method: method.as_str().to_owned(),
            shared: false,
        }
    }

    fn typed(form: &Form) -> Repair {
        Repair {
            portal_access: form.get("portal_access") == "on",
            email: form.get("email").to_owned(),
            phone: form.get("phone").to_owned(),
            method: form.get("method").to_owned(),
            shared: false,
        }
    }
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    editor: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, editor, calling_code) = (state.clock.now(), editor.0, state.config.calling_code.clone());
    let mut repair = Repair::typed(&form);
    let typed = brought_along(&form);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        let patient = patients::patient(tx, &editor)?;
        let Some(change) = read_form(&form, &patient, &calling_code, &mut errors) else {
            return Ok(Some((repair, errors)));
        };
        let (email, phone) = (change.demographics.email.as_ref(), change.demographics.phone.as_ref());
        let new_email = email.filter(|_| patient.email.as_ref() != email);
        let new_phone = phone.filter(|_| patient.phone.as_ref() != phone);
        if let Some(email) = new_email.filter(|_| !form.has("confirm"))
            && patients::email_is_shared(tx, patient.id, email)?
        {
            errors.add("email", "warn-shared-email");
        }
        if let Some(phone) = new_phone.filter(|_| !form.has("confirm"))
            && patients::phone_is_shared(tx, patient.id, phone)?
        {
            errors.add("phone", "warn-shared-phone");
        }
        if !errors.is_empty() {
            repair.shared = true;
            return Ok(Some((repair, errors)));
        }
        patients::update(tx, now, &editor, &change)?;
        Ok(None)
    });
    let refused = write.await?;
    let goes_on = refused.is_none() && !head.fragment && typed.is_none();
    if goes_on {
        return Ok(see_other(&format!("/patients/{}/messages/new?notice=contact-saved", chart.0.patient())));
    }
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let mut showing = Showing { typed, ..Showing::default() };
    if let Some((repair, errors)) = refused {
        showing = Showing { repair: Some(repair), errors, ..showing };
    }
    let page = new_message::page(&state, head, chart.0, showing).await?;
    if status == StatusCode::OK { html(&page) } else { with_status(status, &page) }
}

/// `POST /patients/{id}/notification-method`: tells the patient by the other channel.
pub async fn set_method(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    editor: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let typed = brought_along(&form);
    let done = reach::set_method(state.clone(), editor, form).await?;
    go_on(state, head, chart, typed, done).await
}

/// `POST /patients/{id}/bringing-back`.
pub async fn bring_back(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    editor: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let done = archiving::bring_back(state.clone(), editor).await?;
    go_on(state, head, chart, brought_along(&form), done).await
}

/// What is typed over a message that goes out later, where the form brings it along.
fn brought_along(form: &Form) -> Option<Form> {
    let others = form.pairs().iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    form.has("scheduled").then(|| Form::of_pairs(others.cloned().collect()))
}

async fn go_on(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::Send>,
    typed: Option<Form>,
    done: HttpResponse,
) -> Result<HttpResponse, AppError> {
    match typed {
        Some(form) => html(&new_message::page(&state, head, chart.0, Showing::typed(form)).await?),
        None => Ok(done),
    }
}

fn read_form(form: &Form, patient: &Patient, calling_code: &str, errors: &mut FieldErrors) -> Option<Change> {
    let (email, phone) = read_addresses(form, calling_code, errors);
    let method: Option<Method> = errors.need("method", "error-method", form.get("method").parse().ok());
    if !errors.is_empty() {
        return None;
    }
    let demographics = Demographics { email, phone, method: method?, ..patient.demographics.clone() };
    Some(Change { demographics, portal_access: form.get("portal_access") == "on" })
}
