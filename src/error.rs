//! [`AppError`]: what a page answers when it cannot do what was requested. The wording is fixed and public; the cause
//! is logged, without patient text, addresses or tokens.

use crate::db::DbError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

/// Which of the error pages to show; `http::errors` renders it in the reader's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorPage(pub StatusCode);

/// Beside an [`ErrorPage`]: the word that names the page, where its status is not enough.
#[derive(Clone, Copy, Debug)]
pub struct ErrorWord(pub &'static str);

/// A request that ends in an error page or in the sign-in page.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The page does not exist, or the reader may not see it: the two look alike.
    #[error("not found")]
    NotFound,
    /// Nobody is signed in.
    #[error("sign-in needed")]
    SignIn {
        /// address of the sign-in page, with the path to return to
        to: String,
    },
    /// Another step comes first: confirming one's identity, or setting up a second factor.
    #[error("something comes first")]
    ComesFirst {
        /// address of the page for that step, with the path to return to
        to: String,
    },
    /// The chart is at another address: it was merged into another one.
    #[error("moved")]
    Moved {
        /// the chart's address
        to: String,
    },
    /// Signed in, but the role may not do this.
    #[error("the role may not do this")]
    Forbidden,
    /// The form cannot be read.
    #[error("bad request")]
    BadRequest,
    /// The body is of a kind that this address does not take.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// Too many tries.
    #[error("too many requests")]
    TooMany {
        /// seconds to wait
        seconds: u64,
    },
    /// The body did not arrive in time.
    #[error("too slow")]
    TooSlow,
    /// The body is larger than allowed.
    #[error("too large")]
    TooLarge,
    /// No virus scanner has found this file clean yet.
    #[error("not scanned")]
    NotScanned,
    /// The file was removed because a virus was found in it.
    #[error("infected")]
    Infected,
    /// A file is missing in storage; the name is its name there.
    #[error("the file {0} is missing in storage")]
    Missing(String),
    /// The storage of files gave no answer, or a wrong one.
    #[error("{0}")]
    Storage(String),
    /// The database gave no answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Anything else that should not happen.
    #[error("{0}")]
    Internal(String),
}

crate::from_database!(AppError);

impl From<askama::Error> for AppError {
    fn from(cause: askama::Error) -> AppError {
        AppError::Internal(format!("a template failed: {cause}"))
    }
}

/// Only the kind of a database error is logged: its message may quote a value (in PostgreSQL, "Key (email)=(…)").
fn loggable(cause: &DbError) -> String {
    use diesel::result::Error;
    match cause {
        DbError::Query(Error::DatabaseError(kind, info)) => {
            format!("{kind:?} on {:?} {:?}", info.table_name(), info.constraint_name())
        }
        other => other.to_string(),
    }
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        match self {
            AppError::NotFound => StatusCode::NOT_FOUND,
            AppError::SignIn { .. } | AppError::ComesFirst { .. } | AppError::Moved { .. } => StatusCode::SEE_OTHER,
            AppError::Forbidden => StatusCode::FORBIDDEN,
            AppError::BadRequest => StatusCode::BAD_REQUEST,
            AppError::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            AppError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            AppError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            AppError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            AppError::NotScanned => StatusCode::CONFLICT,
            AppError::Infected => StatusCode::GONE,
            AppError::Db(cause) if cause.is_full() => StatusCode::INSUFFICIENT_STORAGE,
            AppError::Storage(_) | AppError::Db(DbError::Pool(_) | DbError::Stale) => StatusCode::SERVICE_UNAVAILABLE,
            AppError::Db(cause) if cause.is_late() => StatusCode::SERVICE_UNAVAILABLE,
            AppError::Db(_) | AppError::Internal(_) | AppError::Missing(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            // no fault: the request is run again
            AppError::Db(DbError::Stale) => {}
            AppError::Db(cause) => tracing::error!(cause = %loggable(cause), "a page failed"),
            AppError::Storage(cause) => tracing::error!(%cause, "a file was not to be had"),
            AppError::Missing(_) => tracing::error!(cause = %self, "a file was not to be had"),
            AppError::Internal(cause) => tracing::error!(%cause, "a page failed"),
            _ => {}
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            AppError::SignIn { to } | AppError::ComesFirst { to } | AppError::Moved { to } => {
                return response.insert_header((header::LOCATION, to.as_str())).finish();
            }
            AppError::TooMany { seconds } => drop(response.insert_header((header::RETRY_AFTER, *seconds))),
            _ => {}
        }
        let mut response = response.finish();
        response.extensions_mut().insert(ErrorPage(self.status_code()));
        match self {
            AppError::Missing(_) => drop(response.extensions_mut().insert(ErrorWord("missing"))),
            AppError::Db(cause) if cause.is_late() => drop(response.extensions_mut().insert(ErrorWord("late"))),
            _ => {}
        }
        response
    }
}
