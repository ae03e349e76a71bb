//! The field in which users write: rich text from the editor, Markdown without it.

use crate::conversations::{Body, BodyFormat, Fields};
use crate::http::Form;
use crate::http::form::FieldErrors;
use crate::text::{CleanHtml, placeholders};

/// A text as the field shows it again.
#[derive(Default)]
pub struct RichText {
    /// for the text area
    pub markdown: String,
    /// cleaned HTML, for the editor
    pub html: String,
}

impl RichText {
    /// As typed: the fields `body` and `body_format`.
    pub fn typed(form: &Form) -> RichText {
        let source = form.get("body");
        match Fields(form.pairs()).format() {
            BodyFormat::Html => RichText::from_stored(CleanHtml::from_html(source)),
            _ => RichText { markdown: source.to_owned(), html: CleanHtml::from_markdown(source).as_str().to_owned() },
        }
    }

    /// From what is stored, in both forms.
    pub fn from_stored(clean: CleanHtml) -> RichText {
        let markdown = clean.to_markdown();
        RichText { markdown, html: clean.as_str().to_owned() }
    }
}

/// The message's body; `None` where something is wrong, noted in `errors`.
pub fn read_body(form: &Form, errors: &mut FieldErrors) -> Option<Body> {
    let body = errors.need("body", "error-body", Fields(form.pairs()).body())?;
    if !placeholders::names(body.html.as_str()).is_empty() {
        errors.add("body", "error-body-unfilled");
        return None;
    }
    Some(body)
}
