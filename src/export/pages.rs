//! The pages that lead through an export.

use crate::chart::document::Named;
use crate::conversations::PAPER_STYLE;
use crate::db::Ts;
use crate::settings::Settings;
use crate::text::Lang;
use askama::Template;

/// A line that leads to a page or file beside it.
pub(super) struct Line {
    pub words: String,
    pub about: String,
    /// `None`: there is nothing to open, as `about` says
    pub address: Option<String>,
}

#[derive(Template)]
#[template(path = "documents/export_index.html")]
pub(super) struct IndexPage<'a> {
    style: &'static str,
    lang: Lang,
    clinic: &'a str,
    made: String,
    with_notes: bool,
    patients: &'a [Line],
}

#[derive(Template)]
#[template(path = "documents/export_patient.html")]
pub(super) struct PatientPage<'a> {
    style: &'static str,
    lang: Lang,
    name: &'a str,
    facts: &'a [Named],
    conversations: &'a [Line],
    items: &'a [Line],
}

impl<'a> IndexPage<'a> {
    pub fn new(settings: &'a Settings, lang: Lang, now: Ts, with_notes: bool, patients: &'a [Line]) -> IndexPage<'a> {
        let made = lang.moment(settings.zone(), now);
        IndexPage { style: PAPER_STYLE, lang, clinic: &settings.name, made, with_notes, patients }
    }
}

impl<'a> PatientPage<'a> {
    pub fn new(
        lang: Lang,
        (name, facts): (&'a str, &'a [Named]),
        conversations: &'a [Line],
        items: &'a [Line],
    ) -> PatientPage<'a> {
        PatientPage { style: PAPER_STYLE, lang, name, facts, conversations, items }
    }
}
