//! Extractors: they take the cookie and give a proof, or lead to the portal's first page.

use crate::access::session::Holder;
use crate::access::{self, LapsedVisit, PortalRefusal, PortalVisit};
use crate::caregivers;
use crate::db::Conn;
use crate::error::AppError;
use crate::http::{Head, Shell};
use crate::patients::{self, Patient};
use crate::settings::{self, Settings};
use crate::text::Lang;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel::QueryResult;
use std::future::{Ready, ready};

/// A patient who has proved who they are.
pub struct Visit(pub PortalVisit);

impl FromRequest for Visit {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = Head::from_request(req).holder.as_ref().and_then(access::portal_visit);
        ready(visit.map(Visit).ok_or_else(|| AppError::SignIn { to: session_over(req.path()) }))
    }
}

/// A patient who posts to their own page: signed in, or until a while ago.
pub enum Writer {
    /// signed in
    Here(PortalVisit),
    /// their session has ended: what they typed is kept for them, and nothing else is done
    Lapsed(LapsedVisit),
}

impl FromRequest for Writer {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = Head::from_request(req);
        let here = head.holder.as_ref().and_then(access::portal_visit).map(Writer::Here);
        let writer = here.or(head.lapsed.map(|lapsed| Writer::Lapsed(access::lapsed_visit(lapsed))));
        ready(writer.ok_or_else(|| AppError::SignIn { to: session_over(req.path()) }))
    }
}

/// The first page, which says that the session is over, with the way back to this path.
pub fn session_over(path: &str) -> String {
    match return_path(path) {
        Some(back) => format!("/portal?notice=session-over&back={back}"),
        None => "/portal?notice=session-over".into(),
    }
}

/// A page to return to: one of the patient's own, written so that it may stand in an address as it is; else `None`.
pub fn return_path(path: &str) -> Option<&str> {
    let number = path.strip_prefix("/portal/messages/").map(|rest| rest.split('/').next().unwrap_or_default());
    let is_number = |text: &str| (1..=9).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    match number {
        Some(number) if is_number(number) => path.get(.."/portal/messages/".len() + number.len()),
        _ => (path == "/portal/information").then_some(path),
    }
}

/// A number in the path; 404 where it is anything else.
pub fn number(req: &HttpRequest, name: &str) -> Result<i64, AppError> {
    req.match_info().get(name).and_then(|text| text.parse().ok()).ok_or(AppError::NotFound)
}

/// The shell of a portal page. `theirs` is the language of the patient whom the page is for, where that is known.
pub fn shell(conn: &mut Conn, head: &Head, theirs: Option<&str>) -> Result<(Shell, Settings), AppError> {
    let settings = settings::load(conn)?;
    let lang = theirs.and_then(Lang::find).unwrap_or(settings.lang());
    let clinic = (settings.name.as_str(), settings.phone.as_str(), lang, settings.zone());
    let mut shell = Shell::new(head, clinic, None);
    if theirs.is_some() && !head.has_chosen_language() {
        shell.lang = lang;
    }
    shell.signed_in = head.holder.is_some();
    shell.images = (settings.logo.clone(), settings.background.clone());
    shell.session = head.holder.as_ref().map(Holder::lasts);
    if let Some(visit) = head.holder.as_ref().and_then(access::portal_visit)
        && let Some(caregiver) = caregivers::of_visit(conn, &visit)?
    {
        let patient = patients::patient_by_id(conn, visit.patient())?.name();
        shell.acting = shell.t2("person-for", "name", caregiver.details.name, "patient", patient);
    }
    Ok((shell, settings))
}

/// Who wrote for the clinic, as patients read it: the user's name where the clinic shows names, else the clinic.
pub fn clinic_writer<'a>(shell: &'a Shell, settings: &Settings, user: Option<&'a str>) -> &'a str {
    user.filter(|_| settings.portal_names).unwrap_or(shell.clinic_name.as_str())
}

/// The patient whose messages are read, with the addresses, language and method of whoever reads: a caregiver learns none of the
/// patient's own.
pub fn read_as(conn: &mut Conn, visit: &PortalVisit) -> QueryResult<Patient> {
    let mut patient = patients::patient_by_id(conn, visit.patient())?;
    if let Some(caregiver) = caregivers::of_visit(conn, visit)? {
        let (own, record) = (caregiver.details, &mut patient.demographics);
        (record.email, record.phone) = (own.email, own.phone);
        (record.language, record.method) = (own.language, own.method);
    }
    Ok(patient)
}

/// Why the patient may not enter the portal, in words.
pub fn refusal_text(shell: &Shell, why: &PortalRefusal) -> String {
    let (dated, undated, since) = match why {
        PortalRefusal::PortalOff(since) => ("portal-is-off-since", "portal-is-off", since),
        PortalRefusal::NoAccess(since) => ("portal-no-access-since", "portal-no-access", since),
    };
    let clinic = shell.clinic_name.as_str();
    match since {
        Some(since) => shell.t2(dated, "clinic", clinic, "when", shell.moment(since)),
        None => shell.t1(undated, "clinic", clinic),
    }
}
