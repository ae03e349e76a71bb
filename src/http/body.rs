//! A body that is read whole: limited in size and in time, so that a slow sender does not occupy the server for long.

use crate::error::AppError;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A body must be complete within this time. The largest that is read whole has a megabyte: half a minute on a line
/// that sends 35 kB a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of a body, no more than [`actix_web::web::PayloadConfig`] says: beyond that [`AppError::TooLarge`].
pub struct Body(pub web::Bytes);

impl FromRequest for Body {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Body, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(req, payload);
        Box::pin(async move {
            match tokio::time::timeout(PATIENCE, bytes).await {
                Ok(Ok(bytes)) => Ok(Body(bytes)),
                Ok(Err(cause)) => match cause.as_error::<PayloadError>() {
                    Some(PayloadError::Overflow) => Err(AppError::TooLarge),
                    _ => Err(AppError::BadRequest),
                },
                Err(_) => Err(AppError::TooSlow),
            }
        })
    }
}
