//! A posted form: names and values as they came. Keeps what was typed, so that a page with an error shows it again.

use crate::error::AppError;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A form of `application/x-www-form-urlencoded`.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A form made in code, for filling a page the first time.
    pub fn of(pairs: &[(&str, &str)]) -> Form {
        Form(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A form of these fields, as from an address or a body. NUL has no place in a page, where they are shown again.
    pub fn of_pairs(pairs: Vec<(String, String)>) -> Form {
        Form(pairs.into_iter().map(|(name, value)| (name, value.replace('\0', ""))).collect())
    }

    /// Names and values in their order, without one that belongs to the page and not to what was typed.
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

    /// Takes a field away.
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
        let bytes = web::Bytes::from_request(req, payload);
        Box::pin(async move {
            if !ours {
                return Err(AppError::UnsupportedMediaType);
            }
            let bytes = bytes.await.map_err(|_| AppError::BadRequest)?;
            Ok(Form::of_pairs(url::form_urlencoded::parse(&bytes).into_owned().collect()))
        })
    }
}

/// The errors of a form: for each field the key of the message that says what to do.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(BTreeMap<&'static str, &'static str>);

impl FieldErrors {
    /// Notes an error; the first one of a field stays.
    pub fn add(&mut self, field: &'static str, message: &'static str) {
        self.0.entry(field).or_insert(message);
    }

    /// Takes a parsed value, or notes the error.
    pub fn need<T>(&mut self, field: &'static str, message: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, message);
        }
        value
    }

    /// The message's key for a field; empty where it has none.
    pub fn of(&self, field: &str) -> &'static str {
        self.0.get(field).copied().unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, for the summary: field and message.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|(field, message)| (*field, *message))
    }
}
