//! The person whom a page was made for. Two people may share a browser, and a page that was made for the first would
//! act with the session of whoever signed in last. So each page carries a mark of its person, and what it sends is
//! taken only while that person is the one who is signed in.
//!
//! The mark is in each form that posts ([`FIELD`]), in each request of a script ([`HEADER`]), and in the addresses of
//! downloads. It does not tell who somebody is, and gives no access: it need not be secret.

use super::body::Body;
use super::form::Form;
use super::page::Head;
use crate::access::Carer;
use crate::access::session::{Holder, Lapsed};
use crate::db::{CaregiverId, PatientId, UserId};
use crate::error::AppError;
use crate::text::CleanHtml;
use actix_multipart::{Field, Multipart};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::Key;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::{StreamExt, stream};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

/// The field of a form, and the parameter of a download's address, that holds the mark.
pub const FIELD: &str = "whose";
/// The header of a script's request that holds the mark.
pub const HEADER: &str = "x-whose";
/// The header on the answer to a request from somebody else's page: the script says so on its page and stops.
pub const REFUSED: HeaderName = HeaderName::from_static("x-not-yours");

/// The most bytes of a multipart body that are searched for the mark, which is the first field of a form.
const BEGINNING: usize = 4096;
/// The most bytes of a multipart form's words that are kept.
const MOST_WORDS: usize = 1 << 20;
/// Each part counts for this many bytes besides its content, so that a body of nothing but empty parts ends too.
const HEAD_OF_A_PART: u64 = 100;
/// A sender that sends nothing for this long counts as gone.
const SILENCE: Duration = Duration::from_secs(60);

/// The person whom a page is made for, or who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// nobody is signed in
    Nobody,
    /// a user of the clinic
    User(UserId),
    /// a patient
    Patient(PatientId),
    /// a caregiver of one patient
    Caregiver(CaregiverId),
}

impl Person {
    /// The holder of a session.
    pub fn from_holder(holder: Option<&Holder>) -> Person {
        match holder {
            Some(Holder::User { id, .. }) => Person::User(*id),
            Some(Holder::Patient { id, carer, .. }) => Person::at_portal(*id, *carer),
            None => Person::Nobody,
        }
    }

    /// The person of a session that ended a short while ago.
    pub fn before(lapsed: &Lapsed) -> Person {
        Person::at_portal(lapsed.patient(), lapsed.carer())
    }

    fn at_portal(patient: PatientId, carer: Option<Carer>) -> Person {
        carer.map_or(Person::Patient(patient), |carer| Person::Caregiver(carer.id()))
    }
}

/// Makes the marks: a keyed hash, so that all instances of a clinic make the same ones and nobody reads an identity
/// from them.
#[derive(Clone)]
pub struct Marks(Hmac<Sha256>);

impl Marks {
    /// Derives the key of the marks from the key that signs cookies.
    pub fn derive(key: &Key) -> Marks {
        Marks(derived(key, b"whose page"))
    }

    /// The mark of a person: 24 hexadecimal digits.
    pub fn mark(&self, person: Person) -> String {
        let (kind, id) = match person {
            Person::Nobody => (0, 0),
            Person::User(id) => (1, id.0),
            Person::Patient(id) => (2, id.0),
            Person::Caregiver(id) => (3, id.0),
        };
        let mut hmac = self.0.clone();
        hmac.update(&[kind]);
        hmac.update(&id.to_be_bytes());
        hmac.finalize().into_bytes().iter().take(12).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// A keyed hash for one purpose, by the key that signs cookies.
pub(super) fn derived(key: &Key, purpose: &[u8]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key.signing()) {
        *to = *from;
    }
    let mut hmac = <Hmac<Sha256> as KeyInit>::new(&block);
    hmac.update(purpose);
    hmac
}

/// The mark of a person, as this application makes it.
pub fn mark(req: &HttpRequest, person: Person) -> String {
    req.app_data::<web::Data<Marks>>().map_or_else(String::new, |marks| marks.mark(person))
}

/// A request that was refused because its page is of somebody else.
pub struct Refusal {
    /// who is signed in now, and the language
    pub head: Head,
    /// what was typed: the key of the field's label, and the words
    pub kept: Vec<(&'static str, String)>,
    /// whether there were files, which have to be chosen again
    pub files: bool,
}

/// Lets a request through where its page is of the person who is signed in; else answers with `refuse` and 409, and
/// changes or shows nothing.
///
/// A page that was made for nobody may send to the routes of `open` (patterns), which act by what is typed there, not
/// by a session. Where nobody is signed in, every request passes: the routes ask for a session themselves. Of a session
/// that has lapsed the person is still known. GET changes nothing, so its mark is checked only where there is one: in
/// requests of scripts and in the addresses of downloads.
///
/// # Errors
/// Those of the page.
pub async fn check<F: Future<Output = Result<HttpResponse, AppError>>>(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    (open, longest): (&[&str], u64),
    refuse: impl FnOnce(HttpRequest, Refusal) -> F,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let head = Head::from_request(req.request());
    let now = match (&head.holder, &head.lapsed) {
        (None, Some(lapsed)) => Person::before(lapsed),
        (holder, _) => Person::from_holder(holder.as_ref()),
    };
    let changes = !matches!(*req.method(), Method::GET | Method::HEAD);
    let said = match in_head(req.request()) {
        None if changes && now != Person::Nobody => in_body(&mut req).await?,
        said => said,
    };
    let acts_for_nobody = || req.match_pattern().is_some_and(|pattern| open.contains(&pattern.as_str()));
    let fits = match said.as_deref() {
        _ if now == Person::Nobody => true,
        Some(said) if said == mark(req.request(), now) => true,
        Some(said) => said == mark(req.request(), Person::Nobody) && acts_for_nobody(),
        None => !changes,
    };
    if fits {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let (kept, files) = if changes { typed_fields(&mut req, longest).await } else { (Vec::new(), false) };
    let answer = refuse(req.request().clone(), Refusal { head, kept, files }).await;
    let mut answer = answer.unwrap_or_else(|cause| cause.error_response());
    answer.headers_mut().insert(REFUSED, HeaderValue::from_static("1"));
    Ok(req.into_response(answer))
}

/// The mark that a request carries. Its body can be read once more afterwards.
///
/// # Errors
/// Where the body cannot be read.
pub async fn stated_mark(req: &mut ServiceRequest) -> Result<Option<String>, Error> {
    match in_head(req.request()) {
        None => in_body(req).await,
        said => Ok(said),
    }
}

/// The form that a request carries; `None` for a form with files. Its body can be read once more afterwards.
///
/// # Errors
/// Where the body cannot be read.
pub async fn short_form(req: &mut ServiceRequest) -> Result<Option<Form>, Error> {
    if kind(req).starts_with("multipart/form-data") {
        return Ok(None);
    }
    let Body(bytes) = req.extract::<Body>().await?;
    let form = Form::of_pairs(url::form_urlencoded::parse(&bytes).into_owned().collect());
    req.set_payload(payload(stream::iter([Ok(bytes)])));
    Ok(Some(form))
}

/// The mark that a script or a download's address names.
fn in_head(req: &HttpRequest) -> Option<String> {
    if let Some(said) = req.headers().get(HEADER) {
        return Some(said.to_str().unwrap_or_default().to_owned());
    }
    let mut query = url::form_urlencoded::parse(req.query_string().as_bytes());
    query.find(|(name, _)| name == FIELD).map(|(_, said)| said.into_owned())
}

fn kind(req: &ServiceRequest) -> String {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.to_ascii_lowercase()
}

/// The mark in a form. The body can be read once more afterwards.
async fn in_body(req: &mut ServiceRequest) -> Result<Option<String>, Error> {
    if kind(req).starts_with("multipart/form-data") {
        return Ok(in_parts(req).await);
    }
    let Body(bytes) = req.extract::<Body>().await?;
    let said = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == FIELD).map(|(_, said)| said.into_owned());
    req.set_payload(payload(stream::iter([Ok(bytes)])));
    Ok(said)
}

fn payload(bytes: impl futures_util::Stream<Item = Result<web::Bytes, PayloadError>> + 'static) -> Payload {
    Payload::Stream { payload: Box::pin(bytes) }
}

/// The mark at the beginning of a multipart body, of which no more than that is held in memory.
async fn in_parts(req: &mut ServiceRequest) -> Option<String> {
    let mut rest = req.take_payload();
    let (mut beginning, mut said, mut over) = (web::BytesMut::new(), None, None);
    while said.is_none() && over.is_none() && beginning.len() < BEGINNING {
        match tokio::time::timeout(SILENCE, rest.next()).await {
            Ok(Some(Ok(bytes))) => beginning.extend_from_slice(&bytes),
            Ok(Some(Err(cause))) => over = Some(Err(cause)),
            Ok(None) => break,
            Err(_) => over = Some(Err(PayloadError::Incomplete(None))),
        }
        let so_far = stream::iter([Ok::<_, PayloadError>(web::Bytes::copy_from_slice(&beginning))]);
        said = first_field(Multipart::new(req.headers(), so_far)).await;
    }
    let read = [Ok(beginning.freeze())].into_iter().chain(over);
    req.set_payload(payload(stream::iter(read).chain(rest)));
    said
}

/// The value of the first field, if that is the mark and complete.
async fn first_field(mut parts: Multipart) -> Option<String> {
    let mut field = parts.next().await?.ok()?;
    (field.name() == Some(FIELD)).then_some(())?;
    let mut value = Vec::new();
    while let Some(bytes) = field.next().await {
        value.extend_from_slice(&bytes.ok()?);
    }
    String::from_utf8(value).ok()
}

/// What was typed into a form that is refused, and whether there were files. A body that cannot be read gives nothing.
async fn typed_fields(req: &mut ServiceRequest, longest: u64) -> (Vec<(&'static str, String)>, bool) {
    let (form, files) = fields(req, longest).await;
    (kept(&form), files)
}

/// The fields of a form that is refused, and whether there were files.
pub async fn fields(req: &mut ServiceRequest, longest: u64) -> (Form, bool) {
    if kind(req).starts_with("multipart/form-data") {
        let body = req.take_payload();
        let (pairs, files) = words_of_parts(Multipart::new(req.headers(), body), longest).await;
        return (Form::of_pairs(pairs), files);
    }
    (req.extract::<Form>().await.unwrap_or_default(), false)
}

/// Keeps the words; the rest is read and dropped, so that the answer reaches the browser.
async fn words_of_parts(mut parts: Multipart, longest: u64) -> (Vec<(String, String)>, bool) {
    let (mut pairs, mut files, mut read, mut words) = (Vec::new(), false, 0, 0);
    while let Ok(Some(Ok(mut field))) = tokio::time::timeout(SILENCE, parts.next()).await {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.content_disposition().and_then(|d| d.get_filename().map(str::to_owned));
        files |= file.as_ref().is_some_and(|name| !name.is_empty());
        read += HEAD_OF_A_PART;
        let Some(value) = value(&mut field, file.is_some(), &mut read, longest).await else { break };
        words += name.len() + value.len();
        if file.is_none() && words <= MOST_WORDS {
            pairs.push((name, String::from_utf8_lossy(&value).into_owned()));
        }
    }
    (pairs, files)
}

/// The content of a part, empty for a file; `None` where the body is too long, or has ended.
async fn value(field: &mut Field, is_file: bool, read: &mut u64, longest: u64) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    (*read <= longest).then_some(())?;
    while let Some(bytes) = tokio::time::timeout(SILENCE, field.next()).await.ok()? {
        let bytes = bytes.ok()?;
        *read += bytes.len() as u64;
        (*read <= longest).then_some(())?;
        if !is_file && value.len() + bytes.len() <= MOST_WORDS {
            value.extend_from_slice(&bytes);
        }
    }
    Some(value)
}

/// The fields that people write into, with the keys of their labels.
const LABELS: &[(&str, &str)] = &[
    ("title", "title"),
    ("body", "message"),
    ("subject", "wording-subject"),
    ("name", "name"),
    ("category", "template-category"),
    ("given_name", "given-name"),
    ("family_name", "family-name"),
    ("preferred_name", "preferred-name"),
    ("day", "day"),
    ("month", "month"),
    ("year", "year"),
    ("health_number", "health-number"),
    ("record_number", "id-kind-record_number"),
    ("drivers_licence", "id-kind-drivers_licence"),
    ("passport", "id-kind-passport"),
    ("email", "email"),
    ("phone", "cellphone"),
    ("address", "clinic-address"),
    ("emergency_text", "emergency-text"),
    ("closing_text", "closing-text"),
    ("list", "import-list"),
    ("recipients", "many-recipients"),
    ("date", "add-file-date"),
    ("starts", "caregiver-starts"),
    ("ends", "caregiver-ends"),
    ("pick_words", "chart-words"),
];

/// Fields whose values are never shown again.
pub const SECRETS: &[&str] = &["password", "current", "new", "again", "passcode", "code", "recovery"];

/// What was typed, in the order of the page. A field that is not listed counts as typed where its value has a space in
/// it.
fn kept(form: &Form) -> Vec<(&'static str, String)> {
    let is_html = form.get("body_format") == "html";
    let words =
        form.pairs().iter().filter(|(name, _)| !SECRETS.contains(&name.as_str())).filter_map(|(name, value)| {
            let value = if name == "body" && is_html { plain(value) } else { value.trim().to_owned() };
            let known = LABELS.iter().find(|(known, _)| known == name).map(|(_, label)| *label);
            let label = known.or_else(|| value.contains(char::is_whitespace).then_some("kept-text"))?;
            (!value.is_empty()).then_some((label, value))
        });
    words.collect()
}

/// Rich text as plain text that can be copied.
fn plain(html: &str) -> String {
    let clean = CleanHtml::from_html(html);
    clean.to_markdown()
}
