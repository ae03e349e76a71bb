//! Error pages: fixed, public words in the reader's language, for our own errors and for those that actix makes.

use super::errand::Stale;
use super::page::{Head, Shell};
use super::requests;
use crate::error::{AppError, ErrorPage, ErrorWord};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};
use askama::Template;

#[derive(Template)]
#[template(path = "errors/error.html")]
struct ErrorTemplate {
    shell: Shell,
    code: u16,
    heading: &'static str,
    advice: &'static str,
    portal: bool,
    /// what somebody who asks for help can name, where the fault is ours
    request: Option<String>,
}

/// Marks an answer to a machine: its words stay as they are, whatever the status.
pub struct ForMachines;

/// Turns every error answer without a page of its own into an error page.
///
/// # Errors
/// Errors of inner middleware (a session that cannot be read), as a page with the headers of all pages.
pub async fn pages(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // read now, for the case that middleware within fails: a clone of the request held across the call would make
    // actix panic, because it routes by unique access
    let (head, id) = (Head::from_request(req.request()), requests::id_of(req.request()));
    let res = match next.call(req).await {
        Ok(res) => res.map_into_boxed_body(),
        Err(cause) => return Err(bare(&head, &cause, id).into()),
    };
    if !needs_page(&res) {
        return Ok(res);
    }
    let (status, word) = (res.status(), word(res.response()));
    let body = page(&Head::from_request(res.request()), status, word, id).unwrap_or_else(|_| status.to_string());
    Ok(with_page(res, body))
}

/// Whether an answer is an error without a page of its own, which somebody will see.
pub fn needs_page<B>(res: &ServiceResponse<B>) -> bool {
    let extensions = res.response().extensions();
    if extensions.get::<Stale>().is_some() || extensions.get::<ForMachines>().is_some() {
        return false;
    }
    let kind = res.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    let is_readable = kind.starts_with(b"text/html") || kind.starts_with(b"application/json");
    let status = res.status();
    extensions.get::<ErrorPage>().is_some() || ((status.is_client_error() || status.is_server_error()) && !is_readable)
}

/// An answer with this page as its body, and else as it was.
pub fn with_page<B>(res: ServiceResponse<B>, body: String) -> ServiceResponse<BoxBody> {
    let (request, old) = res.into_parts();
    let mut fresh = HttpResponse::build(old.status());
    for (name, value) in old.headers().iter().filter(|(name, _)| **name != header::CONTENT_TYPE) {
        fresh.append_header((name.clone(), value.clone()));
    }
    ServiceResponse::new(request, fresh.content_type(ContentType::html()).body(body))
}

/// The word that names the page of an error, with `error-heading` and `error-advice`.
pub fn word<B>(response: &HttpResponse<B>) -> &'static str {
    match response.extensions().get::<ErrorWord>() {
        Some(word) => word.0,
        None => word_of(response.status()),
    }
}

fn word_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "404",
        403 => "403",
        408 => "408",
        409 => "409",
        410 => "410",
        413 => "413",
        507 => "507",
        415 => "415",
        429 => "429",
        503 => "503",
        code if code < 500 => "400",
        _ => "500",
    }
}

/// The clinic's own name is not known here: the database may be what failed.
fn page(head: &Head, status: StatusCode, word: &str, id: Option<String>) -> Result<String, AppError> {
    let shell = Shell::of_nothing(head, None);
    let (heading, advice) = (shell.t_of("error-heading", word), shell.t_of("error-advice", word));
    let portal = head.path.starts_with("/portal");
    let request = id.filter(|_| status.is_server_error());
    Ok(ErrorTemplate { shell, code: status.as_u16(), heading, advice, portal, request }.render()?)
}

/// An error that is its own page.
#[derive(Debug)]
struct Page {
    status: StatusCode,
    body: String,
    /// of its request
    id: Option<String>,
}

fn bare(head: &Head, cause: &Error, id: Option<String>) -> Page {
    let status = cause.as_response_error().status_code();
    if status.is_server_error() {
        tracing::error!("a page failed before it was reached");
    }
    let body = page(head, status, word_of(status), id.clone()).unwrap_or_else(|_| status.to_string());
    Page { status, body, id }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.status.fmt(f)
    }
}

impl ResponseError for Page {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).content_type(ContentType::html()).body(self.body.clone());
        super::guard::set_headers(response.headers_mut());
        self.id.iter().for_each(|id| requests::tell(response.headers_mut(), id));
        response
    }
}
