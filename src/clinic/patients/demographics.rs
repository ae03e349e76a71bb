//! `/patients/{id}/information`: "Update Information", with "Access to patient portal".

use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{Chart, shell};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::notifications::{self, NotificationRow};
use crate::patients::{self, Change, Demographics, IdKind, Method, Patient};
use crate::settings::Settings;
use crate::state::AppState;
use crate::text::{self, Lang};
use crate::values::{BirthDate, EmailAddress, EmailProblem, PhoneNumber, PhoneProblem};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/patients/demographics.html")]
struct DemographicsPage {
    shell: Shell,
    patient: Patient,
    form: DemographicsForm,
    /// kinds of identifiers and their numbers, as stored or as typed
    identifiers: Vec<(IdKind, String)>,
    errors: FieldErrors,
    seen: Seen,
    notices: Vec<NotificationRow>,
}

/// What the form edits, as it is stored.
fn stored(patient: &Patient, kept: &[(IdKind, String)]) -> Stored {
    let form = DemographicsForm::from_patient(patient);
    let stored = Stored::default()
        .switch("portal_access", "portal-access", form.portal_access)
        .text("given_name", "given-name", form.given_name)
        .text("family_name", "family-name", form.family_name)
        .text("preferred_name", "preferred-name", form.preferred_name)
        .text("day", "day", form.day)
        .text("month", "month", form.month)
        .text("year", "year", form.year)
        .text("health_number", "health-number", form.health_number)
        .text("email", "email", form.email)
        .text("phone", "cellphone", form.phone)
        .choice("method", "notification-method", "method", form.method)
        .text("language", "language", form.language);
    every_kind(|kind| number_of(kept, kind)).into_iter().fold(stored, |stored, (kind, number)| {
        let label = match kind {
            IdKind::HealthNumber => "id-kind-health_number",
            IdKind::RecordNumber => "id-kind-record_number",
            IdKind::DriversLicence => "id-kind-drivers_licence",
            IdKind::Passport => "id-kind-passport",
        };
        stored.text(kind.as_str(), label, number)
    })
}

fn number_of(kept: &[(IdKind, String)], kind: IdKind) -> &str {
    kept.iter().find(|(k, _)| *k == kind).map_or("", |(_, number)| number)
}

/// What the form shows: as stored, or as typed.
pub struct DemographicsForm {
    pub given_name: String,
    pub family_name: String,
    pub preferred_name: String,
    pub day: String,
    pub month: String,
    pub year: String,
    pub health_number: String,
    pub email: String,
    pub phone: String,
    pub language: String,
    pub method: String,
    pub portal_access: bool,
}

impl DemographicsForm {
    fn from_patient(patient: &Patient) -> DemographicsForm {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        DemographicsForm {
            given_name: patient.given_name.clone(),
            family_name: patient.family_name.clone(),
            preferred_name: text(patient.preferred_name.as_deref()),
            day: patient.birth_date.0.day().to_string(),
            month: u8::from(patient.birth_date.0.month()).to_string(),
            year: patient.birth_date.0.year().to_string(),
            health_number: text(patient.health_number.as_deref()),
            email: text(patient.email.as_ref().map(EmailAddress::as_str)),
            phone: patient.phone.as_ref().map(PhoneNumber::shown).unwrap_or_default(),
            language: patient.language.clone(),
            method: patient.method.as_str().to_owned(),
            portal_access: patient.portal_access,
        }
    }

    /// For a new patient.
    pub fn blank(settings: &Settings) -> DemographicsForm {
        let mut form = DemographicsForm::typed(&Form::filled(&[("method", "both"), ("language", &settings.language)]));
        form.portal_access = settings.portal_for_new_patients;
        form
    }

    /// As typed.
    pub fn typed(form: &Form) -> DemographicsForm {
        let text = |name| form.get(name).to_owned();
        DemographicsForm {
            given_name: text("given_name"),
            family_name: text("family_name"),
            preferred_name: text("preferred_name"),
            day: text("day"),
            month: text("month"),
            year: text("year"),
            health_number: text("health_number"),
            email: text("email"),
            phone: text("phone"),
            language: text("language"),
            method: text("method"),
            portal_access: form.get("portal_access") == "on",
        }
    }
}

/// Reads email and cellphone number; what is wrong is noted in `errors`.
pub fn read_addresses(
    form: &Form,
    calling_code: &str,
    errors: &mut FieldErrors,
) -> (Option<EmailAddress>, Option<PhoneNumber>) {
    let typed = |name| Some(text::one_line(form.get(name))).filter(|text| !text.is_empty());
    let email = typed("email").map(|text| EmailAddress::read(&text)).transpose().unwrap_or_else(|problem| {
        errors.add("email", email_error(problem));
        None
    });
    let phone =
        typed("phone").map(|text| PhoneNumber::read(&text, calling_code)).transpose().unwrap_or_else(|problem| {
            errors.add("phone", phone_error(problem));
            None
        });
    (email, phone)
}

/// The key of the words that say what is wrong with an email address.
pub fn email_error(problem: EmailProblem) -> &'static str {
    match problem {
        EmailProblem::NotOne => "error-email",
        EmailProblem::Several => "error-email-several",
        EmailProblem::Mailbox => "error-email-mailbox",
    }
}

/// The same for a telephone number.
pub fn phone_error(problem: PhoneProblem) -> &'static str {
    match problem {
        PhoneProblem::NotANumber => "error-phone",
        PhoneProblem::Impossible => "error-phone-impossible",
        PhoneProblem::Several => "error-phone-several",
        PhoneProblem::Extension => "error-phone-extension",
    }
}

/// Parses the form; `None` where something is wrong, noted in `errors`.
pub fn read_form(form: &Form, calling_code: &str, now: Ts, errors: &mut FieldErrors) -> Option<Demographics> {
    let line = |name| text::one_line(form.get(name));
    let optional = |name| Some(line(name)).filter(|text| !text.is_empty());
    let family_name = errors.need("family_name", "error-family-name", optional("family_name"));
    let birth_date = BirthDate::typed(form.get("day"), form.get("month"), form.get("year"));
    let birth_date = errors.need("birth_date", "error-birth-date", birth_date.and_then(|day| day.by(now.get())));
    let (email, phone) = read_addresses(form, calling_code, errors);
    let language = errors.need("language", "error-language", Lang::find(form.get("language")));
    let method: Option<Method> = errors.need("method", "error-method", form.get("method").parse().ok());
    let names = [line("given_name"), line("family_name"), line("preferred_name"), line("health_number")];
    if names.iter().any(|name| name.chars().count() > 200) {
        errors.add("family_name", "error-too-long");
    }
    if !errors.is_empty() {
        return None;
    }
    Some(Demographics {
        given_name: line("given_name"),
        family_name: family_name?,
        preferred_name: optional("preferred_name"),
        birth_date: birth_date?,
        health_number: optional("health_number"),
        email,
        phone,
        language: language?.code().to_owned(),
        method: method?,
    })
}

fn every_kind<'a>(number: impl Fn(IdKind) -> &'a str) -> Vec<(IdKind, String)> {
    IdKind::BESIDE.into_iter().map(|kind| (kind, number(kind).to_owned())).collect()
}

fn typed_identifiers(form: &Form) -> Vec<(IdKind, String)> {
    let line = |kind: IdKind| text::one_line(form.get(kind.as_str())).chars().take(60).collect();
    IdKind::BESIDE.into_iter().map(|kind| (kind, line(kind))).collect()
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let (reader, patient) = (Actor::User(chart.0.user().id()), chart.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::None).with("information");
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, chart.0.user())?;
        let patient = patients::patient(conn, &chart.0)?;
        let form = DemographicsForm::from_patient(&patient);
        let notices = notifications::access_notices(conn, patient.id, 2)?;
        let kept = patients::identifiers(conn, patient.id)?;
        let (seen, errors) = (stored(&patient, &kept).seen(), FieldErrors::default());
        let identifiers = every_kind(|kind| number_of(&kept, kind));
        Ok(DemographicsPage { shell, patient, form, identifiers, errors, seen, notices })
    });
    let page = page.await?;
    state.record(trace).await?;
    html(&page)
}

/// The page with what was typed.
fn typed(
    conn: &mut Conn,
    head: &Head,
    chart: &Chart<rights::EditPatients>,
    form: &Form,
    errors: FieldErrors,
    seen: Seen,
) -> Result<DemographicsPage, AppError> {
    let (shell, _) = shell(conn, head, chart.0.user())?;
    let patient = patients::patient(conn, &chart.0)?;
    let notices = notifications::access_notices(conn, patient.id, 2)?;
    let (identifiers, form) = (typed_identifiers(form), DemographicsForm::typed(form));
    Ok(DemographicsPage { shell, patient, form, identifiers, errors, seen, notices })
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    let Some(demographics) = read_form(&form, &state.config.calling_code, head.now, &mut errors) else {
        let seen = Seen::from_form(&form);
        let page = state.db.read(move |conn| typed(conn, &head, &chart, &form, errors, seen));
        return unprocessable(&page.await?);
    };
    let (now, id) = (state.clock.now(), chart.0.patient());
    let change = Change { demographics, portal_access: form.get("portal_access") == "on" };
    let random = state.random.clone();
    let numbers: Vec<_> = typed_identifiers(&form).into_iter().filter(|(_, number)| !number.is_empty()).collect();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let held = chart.0.held(tx)?;
        let before = patients::patient(tx, &held)?;
        let kept = patients::identifiers(tx, before.id)?;
        if let Some(seen) = stored(&before, &kept).newer(&form) {
            return Ok(Err(typed(tx, &head, &chart, &form, FieldErrors::default(), seen)?));
        }
        patients::update(tx, now, &chart.0, &change)?;
        patients::set_identifiers(tx, now, &chart.0, &numbers)?;
        Ok(Ok(notifications::tell_of_access(tx, now, &random, &chart.0, &before)?))
    });
    match write.await? {
        Ok(true) => state.wake.notify_one(),
        Ok(false) => {}
        Err(page) => return with_status(StatusCode::CONFLICT, &page),
    }
    Ok(see_other(&format!("/patients/{id}?notice=information-saved")))
}
