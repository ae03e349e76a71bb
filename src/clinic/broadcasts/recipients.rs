//! `POST /broadcasts/recipients`: puts patients on the list of the form: those of a file, or those who were ticked among found ones.
//! Changes nothing that is kept.

use super::new::page;
use crate::access::rights;
use crate::broadcasts::{self, FileList};
use crate::clinic::files::uploads::LIST;
use crate::clinic::guard::User;
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::multipart::Body;
use crate::http::page::with_status;
use crate::http::{Form, Head};
use crate::state::AppState;
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};

/// The largest file, in bytes.
const LARGEST: usize = 5 << 20;

/// So much is read of a form: the words behind a file that is too large are kept.
const READ: u64 = 20 * LARGEST as u64;

/// The longest list that a form takes, in bytes: it goes back with the form.
const LONGEST: usize = 500_000;

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, AppError> {
    let Received { mut form, file, is_large, has_others } = read(&req, body).await?;
    let mut errors = FieldErrors::default();
    if has_others {
        errors.add("files", FieldError::FilesNotAdded);
    }
    if is_large {
        errors.add("recipients", "error-many-large");
    }
    let mut more: Vec<String> = form.numbers("patient").iter().map(|id| format!("/patients/{id}")).collect();
    form.remove("patient");
    let mut column = None;
    if let Some(file) = file {
        match state.intake.list(file).await.map(|list| list.text).filter(|text| text.len() <= LARGEST) {
            Some(text) => {
                let read =
                    state.db.read(move |conn| -> Result<_, AppError> { Ok(broadcasts::list_of_file(conn, &text)?) });
                match read.await? {
                    FileList::Read { list, column: read } => {
                        more.push(list);
                        column = Some(read);
                    }
                    FileList::Unsure => errors.add("recipients", "error-many-columns"),
                }
            }
            None => errors.add("recipients", "error-many-file"),
        }
    }
    let typed = form.get("recipients").trim_end().to_owned();
    let all = if typed.is_empty() { more.join("\n") } else { format!("{typed}\n{}", more.join("\n")) };
    if all.len() > LONGEST {
        errors.add("recipients", "error-many-most");
    } else if !more.is_empty() {
        form.set("recipients", &all);
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut shown = page(&state, head, user.0, form, errors).await?;
    shown.column = column.filter(|_| status == StatusCode::OK);
    with_status(status, &shown)
}

/// A form that was read, in parts where it may carry a file, or plain.
struct Received {
    form: Form,
    /// the list, where one was chosen
    file: Option<Bytes>,
    /// the list is too large
    is_large: bool,
    /// files for the patients were chosen, which another button adds
    has_others: bool,
}

async fn read(req: &HttpRequest, body: web::Payload) -> Result<Received, AppError> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        let form = Form::from_request(req, &mut body.into_inner()).await?;
        return Ok(Received { form, file: None, is_large: false, has_others: false });
    }
    let mut parts = Body::within(req, Multipart::new(req.headers(), body), READ)?;
    let (mut pairs, mut file) = (Vec::new(), BytesMut::new());
    let (mut is_large, mut has_others) = (false, false);
    while let Some(mut part) = parts.next().await? {
        if part.name == "files" && part.file_name.is_some() {
            has_others = has_others || part.file_name.as_ref().is_some_and(|name| !name.is_empty());
            continue;
        }
        if part.name != LIST {
            pairs.push((part.name.clone(), part.into_text().await?));
            continue;
        }
        while let Some(piece) = part.piece().await? {
            is_large = is_large || file.len() + piece.len() > LARGEST;
            if !is_large {
                file.extend_from_slice(&piece);
            }
        }
    }
    let file = Some(file.freeze()).filter(|file| !is_large && !file.is_empty());
    Ok(Received { form: Form::of_pairs(pairs), file, is_large, has_others })
}
