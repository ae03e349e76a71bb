//! `/patients/{id}/caregivers`: who reads and answers for a patient: adding, changing and ending a caregiver.

use super::caregivers_ending::outlook;
use super::demographics::read_addresses;
use crate::access::{ChartAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::caregivers::{self, Caregiver, Details, NewCaregiver, Outlook, Refused, Relation};
use crate::clinic::guard::{Chart, number, shell};
use crate::db::{CaregiverId, Conn, Ts};
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::{self, BlockKind};
use crate::patients::{self, Method, Patient};
use crate::settings::{self, CaregiverAges};
use crate::state::AppState;
use crate::text::{self, Lang, Zone};
use crate::values::{BirthDate, EmailAddress, PhoneNumber};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use time::{Date, Duration};

/// The longest name, in characters.
const LONGEST: usize = 200;

#[derive(Template)]
#[template(path = "clinic/patients/caregivers.html")]
struct CaregiversPage {
    shell: Shell,
    patient: Patient,
    rows: Vec<Caregiver>,
    ages: CaregiverAges,
    form: CaregiverForm,
    /// the form's idempotency key
    key: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "clinic/patients/caregiver.html")]
struct CaregiverPage {
    shell: Shell,
    patient: Patient,
    caregiver: Caregiver,
    /// why nothing is sent to an address: the channel, and whether its holder asked for that
    shut: Vec<(Channel, bool)>,
    form: CaregiverForm,
    errors: FieldErrors,
    seen: Seen,
}

/// What a form shows: as stored, or as typed.
struct CaregiverForm {
    name: String,
    relation: String,
    day: String,
    month: String,
    year: String,
    email: String,
    phone: String,
    language: String,
    method: String,
    starts: String,
    ends: String,
}

/// A day as a date field has it.
fn iso(day: Date) -> String {
    BirthDate(day).iso()
}

/// The first day of a caregiver, and the last, where an end is set.
fn days(details: &Details, zone: Zone) -> (Date, Option<Date>) {
    let last = Some(details.ends_at).filter(|end| *end < Ts::LAST);
    // the end is the moment after the last day
    let last = last.map(|end| zone.local(end.plus(-Duration::MICROSECOND)).date());
    (zone.local(details.starts_at).date(), last)
}

impl CaregiverForm {
    fn stored(details: &Details, zone: Zone) -> CaregiverForm {
        let (first, last) = days(details, zone);
        CaregiverForm {
            name: details.name.clone(),
            relation: details.relation.as_str().to_owned(),
            day: details.birth_date.0.day().to_string(),
            month: u8::from(details.birth_date.0.month()).to_string(),
            year: details.birth_date.0.year().to_string(),
            email: details.email.as_ref().map(|email| EmailAddress::as_str(email).to_owned()).unwrap_or_default(),
            phone: details.phone.as_ref().map(PhoneNumber::shown).unwrap_or_default(),
            language: details.language.clone(),
            method: details.method.as_str().to_owned(),
            starts: iso(first),
            ends: last.map(iso).unwrap_or_default(),
        }
    }

    fn typed(form: &Form) -> CaregiverForm {
        let text = |name| form.get(name).to_owned();
        CaregiverForm {
            name: text("name"),
            relation: text("relation"),
            day: text("day"),
            month: text("month"),
            year: text("year"),
            email: text("email"),
            phone: text("phone"),
            language: text("language"),
            method: text("method"),
            starts: text("starts"),
            ends: text("ends"),
        }
    }

    /// What the form edits, as it is stored.
    fn version(self) -> Stored {
        Stored::default()
            .text("name", "name", self.name)
            .choice("relation", "caregiver-relation", "relation", self.relation)
            .text("day", "day", self.day)
            .text("month", "month", self.month)
            .text("year", "year", self.year)
            .text("email", "email", self.email)
            .text("phone", "cellphone", self.phone)
            .choice("method", "notification-method", "method", self.method)
            .text("language", "language", self.language)
            .text("starts", "caregiver-starts", self.starts)
            .text("ends", "caregiver-ends", self.ends)
    }
}

/// Reads the form; `None` where something is wrong, noted in `errors`. A day that is the stored one leaves its moment as it is, and
/// today begins now: what was written earlier today was written without them.
fn read(
    form: &Form,
    (calling_code, now, zone): (&str, Ts, Zone),
    before: Option<&Details>,
    errors: &mut FieldErrors,
) -> Option<Details> {
    let name = Some(text::one_line(form.get("name"))).filter(|name| !name.is_empty());
    let name = errors.need("name", "caregiver-error-name", name);
    if name.as_ref().is_some_and(|name| name.chars().count() > LONGEST) {
        errors.add("name", "error-too-long");
    }
    let relation: Option<Relation> =
        errors.need("relation", "caregiver-error-relation", form.get("relation").parse().ok());
    let born = BirthDate::from_parts(form.get("day"), form.get("month"), form.get("year"));
    let born = errors.need("birth_date", "error-birth-date", born.and_then(|day| day.by(now.get())));
    let (email, phone) = read_addresses(form, calling_code, errors);
    if email.is_none() && phone.is_none() && errors.key_for("email").is_empty() && errors.key_for("phone").is_empty() {
        errors.add("email", "caregiver-error-contact");
    }
    let language = errors.need("language", "error-language", Lang::find(form.get("language")));
    let method: Option<Method> = errors.need("method", "error-method", form.get("method").parse().ok());
    let day = |name| BirthDate::parse(form.get(name).trim()).map(|day| day.0);
    let starts = errors.need("starts", "caregiver-error-day", day("starts"));
    let ends = match form.get("ends").trim() {
        "" => Some(None),
        _ => errors.need("ends", "caregiver-error-day", day("ends")).map(Some),
    };
    if let (Some(first), Some(Some(last))) = (starts, ends)
        && last < first
    {
        errors.add("ends", "caregiver-error-order");
    }
    if !errors.is_empty() {
        return None;
    }
    let (starts, ends) = (starts?, ends?);
    let held = before.map(|before| (days(before, zone), before));
    let starts_at = match held {
        Some(((first, _), before)) if first == starts => before.starts_at,
        _ if starts == zone.local(now).date() => now,
        _ => zone.start_of(starts),
    };
    let ends_at = match (held, ends) {
        (Some(((_, last), before)), _) if last == ends => before.ends_at,
        (_, Some(last)) => last.next_day().map_or(Ts::LAST, |after| zone.start_of(after)),
        (_, None) => Ts::LAST,
    };
    Some(Details {
        name: name?,
        relation: relation?,
        birth_date: born?,
        email,
        phone,
        language: language?.code().to_owned(),
        method: method?,
        starts_at,
        ends_at,
    })
}

/// Says why a caregiver was not stored.
fn refuse(why: Refused, errors: &mut FieldErrors) {
    match why {
        Refused::PatientsEmail => errors.add("email", "caregiver-error-email"),
        Refused::PatientsPhone => errors.add("phone", "caregiver-error-phone"),
        Refused::TooMany => errors.add("name", "caregiver-error-many"),
        Refused::OfAge => errors.add("relation", "caregiver-error-age"),
    }
}

impl CaregiversPage {
    /// Whether a caregiver reads for the patient now, will, or did: a word.
    fn standing(&self, row: &Caregiver) -> &'static str {
        match () {
            () if row.is_current(self.shell.now) => "now",
            () if row.details.ends_at <= self.shell.now => "over",
            () => "later",
        }
    }

    /// What is to be said of somebody's access before it ends, in words; empty where there is nothing.
    fn warning(&self, row: &Caregiver) -> String {
        if !row.is_current(self.shell.now) {
            return String::new();
        }
        let clock = (self.shell.now, self.shell.zone);
        outlook(&self.shell, &Outlook::of(row, self.patient.birth_date, self.ages, clock))
    }

    /// From when until when, in words.
    fn span(&self, row: &Caregiver) -> String {
        let (first, last) = days(&row.details, self.shell.zone);
        let day = |date: Date| self.shell.lang.date(date);
        match last {
            Some(last) => self.shell.t2("caregiver-from-to", "from", day(first), "until", day(last)),
            None => self.shell.t1("caregiver-from", "from", day(first)),
        }
    }
}

impl CaregiverPage {
    /// The addresses to which nothing is sent, and whether their holder asked for that.
    fn addresses(&self) -> Vec<(Channel, bool)> {
        self.shut.clone()
    }

    /// Whether there is something to end.
    fn may_end(&self) -> bool {
        self.caregiver.details.ends_at > self.shell.now
    }
}

fn list_page(
    conn: &mut Conn,
    head: &Head,
    chart: &ChartAccess<rights::EditPatients>,
    key: String,
    typed: Option<(&Form, FieldErrors)>,
) -> Result<CaregiversPage, AppError> {
    let (shell, settings) = shell(conn, head, chart.user())?;
    let patient = patients::patient(conn, chart)?;
    let rows = caregivers::of_chart(conn, chart)?;
    let (form, errors) = match typed {
        Some((form, errors)) => (CaregiverForm::typed(form), errors),
        None => {
            let today = iso(settings.zone().local(head.now).date());
            let blank = Form::filled(&[("method", "both"), ("language", &settings.language), ("starts", &today)]);
            (CaregiverForm::typed(&blank), FieldErrors::default())
        }
    };
    let ages = settings::caregiver_ages(conn)?;
    Ok(CaregiversPage { shell, patient, rows, ages, form, key, errors })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
) -> Result<HttpResponse, AppError> {
    let (reader, patient) = (Actor::User(chart.0.user().id()), chart.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::None).with("caregivers");
    let key = state.random.token().reveal().to_owned();
    let page = state.db.read(move |conn| list_page(conn, &head, &chart.0, key, None)).await?;
    state.record(trace).await?;
    html(&page)
}

/// Adds one.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, patient, calling_code) = (state.clock.now(), chart.0.patient(), state.config.calling_code.clone());
    let random = state.random.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let held = chart.0.held(tx)?;
        let zone = settings::load(tx)?.zone();
        let (mut errors, key) = (FieldErrors::default(), form.get("key").to_owned());
        if !(16..=64).contains(&key.len()) {
            errors.add("name", "error-form-old");
        }
        if let Some(details) = read(&form, (&calling_code, now, zone), None, &mut errors) {
            let new = NewCaregiver { details, key: key.clone() };
            match caregivers::add(tx, now, &held, &new)? {
                Ok(id) => {
                    notifications::tell_caregiver(tx, now, &random, &held, id)?;
                    return Ok(None);
                }
                Err(why) => refuse(why, &mut errors),
            }
        }
        Ok(Some(list_page(tx, &head, &held, key, Some((&form, errors)))?))
    });
    match write.await? {
        Some(page) => with_status(StatusCode::UNPROCESSABLE_ENTITY, &page),
        None => {
            state.wake.notify_one();
            Ok(see_other(&format!("/patients/{patient}/caregivers?notice=caregiver-added")))
        }
    }
}

/// The page of one of them; 404 where this chart has none of that number.
fn page(
    conn: &mut Conn,
    head: &Head,
    chart: &ChartAccess<rights::EditPatients>,
    id: CaregiverId,
    typed: Option<(&Form, FieldErrors, Seen)>,
) -> Result<CaregiverPage, AppError> {
    let (shell, settings) = shell(conn, head, chart.user())?;
    let patient = patients::patient(conn, chart)?;
    let caregiver = caregivers::one_of_chart(conn, chart, id)?.ok_or(AppError::NotFound)?;
    let blocks = notifications::blocks(conn, &caregiver.stands_for(&patient))?;
    let shut = |channel: Channel| Some((channel, blocks.on(channel)?.kind == BlockKind::Stopped));
    let shut = [Channel::Email, Channel::Sms].into_iter().filter_map(shut).collect();
    let stored = || CaregiverForm::stored(&caregiver.details, settings.zone());
    let (form, errors, seen) = match typed {
        Some((form, errors, seen)) => (CaregiverForm::typed(form), errors, seen),
        None => (stored(), FieldErrors::default(), stored().version().seen()),
    };
    Ok(CaregiverPage { shell, patient, caregiver, shut, form, errors, seen })
}

pub async fn show_one(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = CaregiverId(number(&req, "caregiver")?);
    let (reader, patient) = (Actor::User(chart.0.user().id()), chart.0.patient());
    let trace = Entry::of_patient(reader, Event::ChartViewed, patient, Subject::Caregiver(id)).with("caregivers");
    let page = state.db.read(move |conn| page(conn, &head, &chart.0, id, None)).await?;
    state.record(trace).await?;
    html(&page)
}

/// Changes one.
pub async fn change(
    state: web::Data<AppState>,
    head: Head,
    chart: Chart<rights::EditPatients>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let id = CaregiverId(number(&req, "caregiver")?);
    let (now, patient, calling_code) = (state.clock.now(), chart.0.patient(), state.config.calling_code.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        caregivers::hold(tx, id)?;
        let held = chart.0.held(tx)?;
        let zone = settings::load(tx)?.zone();
        let before = caregivers::one_of_chart(tx, &held, id)?.ok_or(AppError::NotFound)?.details;
        let mut errors = FieldErrors::default();
        let details = read(&form, (&calling_code, now, zone), Some(&before), &mut errors);
        let (status, seen) = match (details, CaregiverForm::stored(&before, zone).version().newer(&form)) {
            (None, _) => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            (Some(_), Some(newer)) => (StatusCode::CONFLICT, newer),
            (Some(details), None) => match caregivers::change(tx, now, &held, id, &details)? {
                None => return Err(AppError::NotFound),
                Some(Ok(())) => return Ok(None),
                Some(Err(why)) => {
                    refuse(why, &mut errors);
                    (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form))
                }
            },
        };
        Ok(Some((status, page(tx, &head, &held, id, Some((&form, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other(&format!("/patients/{patient}/caregivers?notice=information-saved"))),
    }
}

/// Ends one now.
pub async fn end(
    state: web::Data<AppState>,
    chart: Chart<rights::EditPatients>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = CaregiverId(number(&req, "caregiver")?);
    let (now, patient) = (state.clock.now(), chart.0.patient());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(caregivers::end(tx, now, &chart.0, id)?) });
    match write.await? {
        true => Ok(see_other(&format!("/patients/{patient}/caregivers?notice=caregiver-ended"))),
        false => Err(AppError::NotFound),
    }
}
