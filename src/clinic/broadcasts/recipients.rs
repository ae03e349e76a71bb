//! `POST /broadcasts/recipients`: puts patients on the list of the form: those of a file, or those who were ticked among found ones.
//! Changes nothing that is kept.

use super::new::page;
use crate::access::rights;
use crate::broadcasts;
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

/// The longest list that a form takes, in bytes: it goes back with the form.
const LONGEST: usize = 500_000;

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, AppError> {
    let (mut form, file) = read(&req, body).await?;
    let mut errors = FieldErrors::default();
    let mut more: Vec<String> = form.numbers("patient").iter().map(|id| format!("/patients/{id}")).collect();
    form.remove("patient");
    if let Some(file) = file {
        match state.intake.list(file).await.map(|list| list.text).filter(|text| text.len() <= LARGEST) {
            Some(text) => {
                let read =
                    state.db.read(move |conn| -> Result<_, AppError> { Ok(broadcasts::list_of_file(conn, &text)?) });
                more.push(read.await?);
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
    with_status(status, &page(&state, head, user.0, form, errors).await?)
}

/// The form, in parts where it may carry a file, or plain; and the file, where one was chosen.
async fn read(req: &HttpRequest, body: web::Payload) -> Result<(Form, Option<Bytes>), AppError> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Ok((Form::from_request(req, &mut body.into_inner()).await?, None));
    }
    let mut parts = Body::within(req, Multipart::new(req.headers(), body), 2 * LARGEST as u64)?;
    let (mut pairs, mut file) = (Vec::new(), BytesMut::new());
    while let Some(mut part) = parts.next().await? {
        if part.name != "file" {
            pairs.push((part.name.clone(), part.into_text().await?));
            continue;
        }
        while let Some(piece) = part.piece().await? {
            if file.len() + piece.len() > LARGEST {
                return Err(AppError::TooLarge);
            }
            file.extend_from_slice(&piece);
        }
    }
    Ok((Form::of_pairs(pairs), Some(file.freeze()).filter(|file| !file.is_empty())))
}
