//! The document as one page of HTML that loads nothing else.

use super::{Document, Part};
use askama::Template;
use sha2::{Digest, Sha256};

#[derive(Template)]
#[template(path = "documents/chart_item.html")]
struct ItemDocument<'a> {
    document: &'a Document,
    style: &'static str,
}

/// The style of the page, on a screen and on paper.
pub const STYLE: &str = include_str!("document.css");

impl Document {
    /// The document as a page of HTML with its style inside: no script, no image, nothing loaded from elsewhere. Serve
    /// it with [`content_security_policy`].
    ///
    /// # Errors
    /// When the template fails.
    pub fn html(&self) -> Result<String, askama::Error> {
        ItemDocument { document: self, style: STYLE }.render()
    }
}

/// The only policy under which [`Document::html`] looks as it should and can do nothing: its own style by its hash (CSP
/// Level 3, §6.7.3), in a sandbox.
pub fn content_security_policy() -> String {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; sandbox")
}
