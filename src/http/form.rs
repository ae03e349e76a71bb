//! A posted form: names and values as they came. Keeps what was typed, so that a page with an error shows it again.

use super::body::Body;
use crate::error::AppError;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A form of `application/x-www-form-urlencoded`.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A form made in code, for filling a page the first time.
    pub fn filled(pairs: &[(&str, &str)]) -> Form {
        Form(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A form of these fields, as from an address or a body. NUL is removed: a page that shows the fields again has no
    /// place for it. The field that says whose the page is was read before, see [`super::whose`].
    pub fn of_pairs(pairs: Vec<(String, String)>) -> Form {
        let fields = pairs.into_iter().filter(|(name, _)| name != super::whose::FIELD);
        Form(fields.map(|(name, value)| (name, value.replace('\0', ""))).collect())
    }

    /// Names and values in their order, without the field `name`, which belongs to the page and was not typed.
    pub fn without(&self, name: &str) -> Vec<(String, String)> {
        self.0.iter().filter(|(n, _)| n != name).cloned().collect()
    }

    /// Puts a value in place of all that the field had.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Puts these numbers in place of all that the field had.
    pub fn put_all(&mut self, name: &str, values: &[i64]) {
        self.remove(name);
        self.0.extend(values.iter().map(|value| (name.to_owned(), value.to_string())));
    }

    /// Removes a field with all its values.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// The first value of a field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field that may be there more than once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every field with its value, in the order in which they came.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Whether a field is there: a ticked box, a pressed button.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// The values of a field that are numbers.
    pub fn numbers(&self, name: &str) -> Vec<i64> {
        self.all(name).filter_map(|value| value.parse().ok()).collect()
    }
}

impl FromRequest for Form {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Form, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let ours = kind.is_empty() || kind.starts_with("application/x-www-form-urlencoded");
        let body = Body::from_request(req, payload);
        Box::pin(async move {
            if !ours {
                return Err(AppError::UnsupportedMediaType);
            }
            let Body(bytes) = body.await?;
            Ok(Form::of_pairs(url::form_urlencoded::parse(&bytes).into_owned().collect()))
        })
    }
}

/// What is wrong with a field of a form: it knows the words that say what to do, and the status of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// what was typed is wrong or missing: the key of the words
    Typed(&'static str),
    /// files were chosen and not added
    FilesNotAdded,
    /// a file does not exist any more
    FilesGone,
    /// a virus was found in a file
    FilesInfected,
    /// a file names another patient
    FilesOtherPatient,
    /// a file is larger than a file may be
    FilesTooLarge,
    /// together the files are larger than a message may carry
    FilesTooMuch,
    /// the storage does not answer
    FilesAway,
    /// the storage or the database is full
    FilesFull,
    /// the conversation is closed
    Closed,
    /// the patient cannot be notified
    CannotBeTold,
    /// others wrote after the page was made
    NewerMessage,
    /// the message that was to be corrected was taken back
    NothingToCorrect,
    /// what was to go out later has gone out
    ScheduledSent,
    /// what was to go out later was changed in another window
    ScheduledChanged,
    /// the same form was sent before, and its message went out or waits to go out later
    ScheduledWaits,
}

impl FieldError {
    /// The key of the words; a test finds a key without words.
    pub const fn key(self) -> &'static str {
        match self {
            FieldError::Typed(key) => key,
            FieldError::FilesNotAdded => "error-files-not-added",
            FieldError::FilesGone => "error-files-gone",
            FieldError::FilesInfected => "error-files-infected",
            FieldError::FilesOtherPatient => "error-files-other-patient",
            FieldError::FilesTooLarge => "error-files-too-large",
            FieldError::FilesTooMuch => "error-files-too-much",
            FieldError::FilesAway => "error-files-away",
            FieldError::FilesFull => "error-files-full",
            FieldError::Closed => "error-closed",
            FieldError::CannotBeTold => "error-cannot-be-told",
            FieldError::NewerMessage => "error-newer-message",
            FieldError::NothingToCorrect => "error-nothing-to-correct",
            FieldError::ScheduledSent => "error-scheduled-sent",
            FieldError::ScheduledChanged => "error-scheduled-changed",
            FieldError::ScheduledWaits => "error-scheduled-waits",
        }
    }

    /// 422 where the form is to be corrected, 409 where something else has changed, and 5xx where the server fails.
    pub const fn status(self) -> StatusCode {
        match self {
            FieldError::Typed(_) | FieldError::FilesNotAdded => StatusCode::UNPROCESSABLE_ENTITY,
            FieldError::FilesGone
            | FieldError::FilesInfected
            | FieldError::FilesOtherPatient
            | FieldError::FilesTooLarge
            | FieldError::FilesTooMuch
            | FieldError::Closed
            | FieldError::CannotBeTold
            | FieldError::NewerMessage
            | FieldError::NothingToCorrect
            | FieldError::ScheduledSent
            | FieldError::ScheduledChanged
            | FieldError::ScheduledWaits => StatusCode::CONFLICT,
            FieldError::FilesAway => StatusCode::SERVICE_UNAVAILABLE,
            FieldError::FilesFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

impl From<&'static str> for FieldError {
    fn from(key: &'static str) -> FieldError {
        FieldError::Typed(key)
    }
}

/// The errors of a form, one for each field.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(BTreeMap<&'static str, FieldError>);

impl FieldErrors {
    /// Notes an error; the first one of a field stays.
    pub fn add(&mut self, field: &'static str, error: impl Into<FieldError>) {
        self.0.entry(field).or_insert(error.into());
    }

    /// The status of a form that comes back: the worst of its fields. Where no field is wrong, something outside the
    /// form has changed: 409.
    pub fn status(&self) -> StatusCode {
        self.0.values().map(|error| error.status()).reduce(worse).unwrap_or(StatusCode::CONFLICT)
    }

    /// Takes a parsed value, or notes the error.
    pub fn need<T>(&mut self, field: &'static str, error: impl Into<FieldError>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, error);
        }
        value
    }

    /// The message's key for a field; empty where it has none.
    pub fn key_for(&self, field: &str) -> &'static str {
        self.0.get(field).map_or("", |error| error.key())
    }

    /// Whether a field has this error.
    pub fn has(&self, error: FieldError) -> bool {
        self.0.values().any(|one| *one == error)
    }

    /// Whether no field has an error.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All errors, for the summary: field and message key.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|(field, error)| (*field, error.key()))
    }
}

/// The worse of two statuses: a server error comes before what is wrong in the form, and that before what has changed.
fn worse(one: StatusCode, other: StatusCode) -> StatusCode {
    match (one.is_server_error(), other.is_server_error()) {
        (true, false) => one,
        (false, true) => other,
        _ => one.max(other),
    }
}
