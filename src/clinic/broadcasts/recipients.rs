//! `POST /broadcasts/recipients`: puts patients on the list of the form: those of a file, or those who were ticked among found ones.
//! Changes nothing that is kept.

use super::new::page;
use crate::access::rights;
use crate::broadcasts::{self, FileList};
use crate::clinic::guard::User;
use crate::error::AppError;
use crate::http::form::FieldErrors;
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
    let (mut form, file, is_large) = read(&req, body).await?;
    let mut errors = FieldErrors::default();
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

/// The form, in parts where it may carry a file, or plain; the file, where one was chosen; and whether it is too large.
async fn read(req: &HttpRequest, body: web::Payload) -> Result<(Form, Option<Bytes>, bool), AppError> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Ok((Form::from_request(req, &mut body.into_inner()).await?, None, false));
    }
    let mut parts = Body::within(req, Multipart::new(req.headers(), body), READ)?;
    let (mut pairs, mut file, mut is_large) = (Vec::new(), BytesMut::new(), false);
    while let Some(mut part) = parts.next().await? {
        if part.name != "file" {
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
    Ok((Form::of_pairs(pairs), file, is_large))
}
