//! `/portal/images/{kind}/{name}`: the clinic's logo and background image, which anybody may see.

use crate::error::AppError;
use crate::settings::{self, ImageKind};
use crate::state::AppState;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};

pub async fn show(state: web::Data<AppState>, path: web::Path<(String, String)>) -> Result<HttpResponse, AppError> {
    let (kind, name) = path.into_inner();
    let kind: ImageKind = kind.parse().map_err(|_| AppError::NotFound)?;
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(settings::image(conn, kind, &name)?) });
    let image = read.await?.ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(image.media_type)
        // a changed image gets another address
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(image.bytes))
}
