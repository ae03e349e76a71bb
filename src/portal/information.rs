//! `/portal/information`: what the clinic holds about the patient, what they may change, and their sessions.

use super::guard::{Visit, read_as, refusal_text, shell};
use crate::access::{self, session};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other, signed_out, unprocessable};
use crate::patients::{self, IdKind, Method, OwnWord, Patient};
use crate::settings;
use crate::state::AppState;
use crate::text::Lang;
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "portal/information.html")]
struct InformationPage {
    shell: Shell,
    patient: Patient,
    identifiers: Vec<(IdKind, String)>,
    /// the word that was chosen with the patient, where notifications show it
    own_word: Option<OwnWord>,
    /// as stored or as typed
    method: String,
    language: String,
    errors: FieldErrors,
    seen: Seen,
}

/// Shown instead of the page where the portal is off or access was withdrawn.
#[derive(Template)]
#[template(path = "portal/shut.html")]
pub(super) struct ShutPage {
    shell: Shell,
    why: String,
}

/// The page that says why this patient may not enter; `None` where they may.
pub(super) async fn shut(state: &AppState, head: &Head, visit: &Visit) -> Result<Option<ShutPage>, AppError> {
    let (head, visit) = (head.clone(), visit.0.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(cause) = visit.refusal(conn)? else { return Ok(None) };
        let (shell, _) = shell(conn, &head, None)?;
        let why = refusal_text(&shell, &cause);
        Ok(Some(ShutPage { shell, why }))
    });
    read.await
}

/// What the form edits, as it is stored.
fn stored(patient: &Patient) -> Stored {
    Stored::default().text("language", "language", patient.language.as_str()).choice(
        "method",
        "portal-told",
        "method",
        patient.method.as_str(),
    )
}

impl InformationPage {
    /// The methods that the patient's addresses allow, and the one that is set, whatever it is.
    fn methods(&self) -> Vec<Method> {
        let all = Method::ALL.iter().copied();
        all.filter(|way| self.patient.can_be_told_by(*way) || *way == self.patient.method).collect()
    }

    /// Whether this session lasts for days: "Stay logged in".
    fn stays(&self) -> bool {
        self.shell.session.is_some_and(|session| session.idle >= 86_400)
    }
}

async fn page(
    state: &AppState,
    head: Head,
    visit: Visit,
    typed: Option<(&Form, Seen)>,
    errors: FieldErrors,
) -> Result<InformationPage, AppError> {
    let typed = typed.map(|(form, seen)| (form.get("method").to_owned(), form.get("language").to_owned(), seen));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, None)?;
        let patient = read_as(conn, &visit.0)?;
        let identifiers = patients::identifiers(conn, patient.id)?;
        // it tells the patient which notifications are the clinic's; a caregiver would only learn it
        let own_word = match visit.0.caregiver().is_none() && settings::shows_own_word(conn)? {
            true => patients::own_word(conn, patient.id)?,
            false => None,
        };
        let fresh = || (patient.method.as_str().to_owned(), patient.language.clone(), stored(&patient).seen());
        let (method, language, seen) = typed.unwrap_or_else(fresh);
        Ok(InformationPage { shell, patient, identifiers, own_word, method, language, errors, seen })
    });
    read.await
}

pub async fn show(state: web::Data<AppState>, head: Head, visit: Visit) -> Result<HttpResponse, AppError> {
    if let Some(page) = shut(&state, &head, &visit).await? {
        return html(&page);
    }
    let patient = visit.0.patient();
    let who = Actor::at_portal(patient, visit.0.caregiver());
    let page = page(&state, head, visit, None, FieldErrors::default()).await?;
    let trace = Entry::of_patient(who, Event::InformationViewed, patient, Subject::None);
    state.record(trace).await?;
    html(&page)
}

/// Language and notification method: the two that a patient may change.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    form: Form,
) -> Result<HttpResponse, AppError> {
    if let Some(page) = shut(&state, &head, &visit).await? {
        return with_status(StatusCode::FORBIDDEN, &page);
    }
    let mut errors = FieldErrors::default();
    let language = errors.need("language", "error-language", Lang::find(form.get("language")));
    let method: Option<Method> = errors.need("method", "error-own-method", form.get("method").parse().ok());
    let (Some(language), Some(method)) = (language, method) else {
        return unprocessable(&page(&state, head, visit, Some((&form, Seen::from_form(&form))), errors).await?);
    };
    let (now, writer) = (head.now, visit.0.clone());
    let typed = form.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        if let Some(caregiver) = writer.caregiver() {
            caregivers::hold(tx, caregiver)?;
        }
        access::held(tx, writer.patient())?;
        match stored(&read_as(tx, &writer)?).newer(&typed) {
            Some(seen) => Ok(Err(seen)),
            None if writer.caregiver().is_some() => Ok(Ok(caregivers::change_own(tx, now, &writer, language, method)?)),
            None => Ok(Ok(patients::change_own(tx, now, &writer, language, method)?)),
        }
    });
    let changed = match write.await? {
        Ok(changed) => changed,
        Err(seen) => {
            let page = page(&state, head, visit, Some((&form, seen)), errors).await?;
            return with_status(StatusCode::CONFLICT, &page);
        }
    };
    if !changed {
        errors.add("method", "error-own-method");
        return unprocessable(&page(&state, head, visit, Some((&form, Seen::from_form(&form))), errors).await?);
    }
    Ok(see_other("/portal/information?notice=own-information-saved"))
}

/// "Log out everywhere": this session too.
pub async fn log_out_everywhere(
    state: web::Data<AppState>,
    head: Head,
    visit: Visit,
    session: Session,
) -> Result<HttpResponse, AppError> {
    let (now, patient) = (head.now, visit.0.patient());
    let who = Actor::at_portal(patient, visit.0.caregiver());
    let entry = Entry::of_patient(who, Event::PortalSignedOut, patient, Subject::None);
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        session::end_of_visit(tx, &visit.0)?;
        Ok(audit::append(tx, now, entry.with("everywhere"))?)
    });
    write.await?;
    session.purge();
    Ok(signed_out("/portal?notice=logged-out-everywhere"))
}
