//! The lines of files in a form: uploads that wait to be sent, files that were refused, and items of the chart to
//! choose.

use super::sent_along;
use crate::access::{ChartAccess, Right, SignedInUser, rights};
use crate::attachments::{self, FileIntake, Refusal, Upload};
use crate::chart::{self, ItemFilter, ItemKind, ItemRow, document};
use crate::db::{BroadcastId, ChartItemId, Conn, UploadId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Shell};
use crate::patients;
use crate::settings;
use crate::text::{Lang, one_line};
use crate::values::BirthDate;
use askama::Template;

/// Chart items that the form of a reply offers at once.
const PICKS: i64 = 50;

/// The lines of a list of files, as a part of a page.
#[derive(Template)]
#[template(path = "clinic/files/lines.html")]
pub struct Lines {
    /// what every page has
    pub shell: Shell,
    /// the lines
    pub lines: FileLines,
}

/// Files in a form: those that wait to be sent, and those that were refused.
#[derive(Default)]
pub struct FileLines {
    /// waiting, in the order in which they will be attached
    pub uploads: Vec<Upload>,
    /// refused: name, and why
    pub refused: Vec<(String, Refusal)>,
    /// chart items that will be copied
    pub items: Vec<ItemRow>,
    /// titles of those items whose PDF cannot show some characters, with these characters
    pub not_drawn: Vec<(String, String)>,
    /// the patient whom the files are for: name and date of birth
    pub whom: Option<(String, BirthDate)>,
    /// whether they are for many patients: then no file may name one unasked
    pub to_many: bool,
    /// uploads that the user confirmed to be for this patient, or for all
    pub confirmed: Vec<UploadId>,
    /// something that the form names does not exist any more
    pub gone: bool,
    /// the address to which "Add files" and "Remove" are sent without script
    pub action: String,
    /// the address to which the button that leads to the chart is sent without script
    pub browse_by: String,
    /// the address of the chart browser
    pub browser_at: String,
    /// items of the chart to choose from in the form itself
    pub picker: Option<Picker>,
    /// the address to which the form's script sends files
    pub uploads_at: String,
    /// file name endings that are allowed: as the file field wants them, and as people read them
    pub endings: (String, String),
    /// limits for one file and for all, in bytes
    pub limits: (i64, i64),
}

impl FileLines {
    /// Whether the ways to add something are shown at once, not behind "Add Attachment".
    pub fn is_open(&self) -> bool {
        self.picker.is_some() || !self.refused.is_empty()
    }

    /// Notes in the form's errors that files were refused.
    pub fn name_refused(&self, errors: &mut FieldErrors) {
        if !self.refused.is_empty() {
            errors.add("files", "error-files-refused");
        }
    }

    /// The files that a form names, as far as they exist and are this user's.
    pub fn read<R: Right>(
        conn: &mut Conn,
        intake: &FileIntake,
        access: &ChartAccess<R>,
        form: &Form,
    ) -> Result<FileLines, AppError> {
        let named: Vec<UploadId> = form.numbers("upload").into_iter().map(UploadId).collect();
        let uploads = attachments::pending(conn, access, &named)?;
        let patient = patients::patient(conn, access)?;
        let chosen: Vec<ChartItemId> = form.numbers("chart_item").into_iter().map(ChartItemId).collect();
        let items = chart::chosen(conn, access, &chosen)?;
        let settings = settings::load(conn)?;
        let mut not_drawn = Vec::new();
        for row in &items {
            let Some(item) = chart::item(conn, access, row.id)? else { continue };
            let parts = document::parts_for(&item, Lang::or_english(&patient.language), &settings);
            let lacking = document::not_drawn(&row.title, &parts);
            if !lacking.is_empty() {
                not_drawn.push((row.title.clone(), lacking));
            }
        }
        let gone = uploads.len() < named.len() || items.len() < chosen.len();
        let policy = &intake.policy;
        Ok(FileLines {
            uploads,
            refused: Vec::new(),
            items,
            not_drawn,
            whom: Some((patient.name(), patient.birth_date)),
            to_many: false,
            confirmed: sent_along::confirmed(form),
            gone,
            action: String::new(),
            browse_by: String::new(),
            browser_at: format!("/patients/{}/chart-browser", access.patient()),
            picker: None,
            uploads_at: format!("/patients/{}/uploads", access.patient()),
            endings: (policy.accept(), policy.endings()),
            limits: (policy.largest_file as i64, policy.largest_message as i64),
        })
    }

    /// The files that the form of a message to many names, as far as they exist and are this user's, or those of the one that is changed.
    pub fn for_many(
        conn: &mut Conn,
        intake: &FileIntake,
        user: &SignedInUser<rights::SendMany>,
        form: &Form,
    ) -> Result<FileLines, AppError> {
        let named: Vec<UploadId> = form.numbers("upload").into_iter().map(UploadId).collect();
        let changed = form.get("replaces").parse().ok().map(BroadcastId);
        let uploads = attachments::pending_for_many(conn, user, changed, &named)?;
        let policy = &intake.policy;
        Ok(FileLines {
            gone: uploads.len() < named.len(),
            uploads,
            to_many: true,
            confirmed: sent_along::confirmed(form),
            action: "/broadcasts/files".to_owned(),
            uploads_at: "/broadcasts/files/added".to_owned(),
            endings: (policy.accept(), policy.endings()),
            limits: (policy.largest_file as i64, policy.largest_message as i64),
            ..FileLines::default()
        })
    }
}

/// Chart items to choose from in the form of a reply: without script, going to the chart browser would lose the text.
pub struct Picker {
    /// the items must contain these words
    pub words: String,
    /// the items are of this kind; `None`: of any kind
    pub kind: Option<ItemKind>,
    /// the newest items, without those that are chosen
    pub items: Vec<ItemRow>,
    /// whether there are more than the form shows
    pub more: bool,
}

impl Picker {
    /// The picker that a form asks for; `None` where it asks for none.
    pub fn asked<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, form: &Form) -> Result<Option<Picker>, AppError> {
        if !form.has("browse") {
            return Ok(None);
        }
        let (words, kind) = (one_line(form.get("pick_words")), form.get("pick_kind").parse().ok());
        let filter = ItemFilter { kind, text: words.clone(), offered: true, ..ItemFilter::default() };
        let mut items = chart::items(conn, access, &filter, None, PICKS + 1)?;
        let more = items.len() as i64 > PICKS;
        items.truncate(PICKS as usize);
        let chosen = form.numbers("chart_item");
        items.retain(|item| !chosen.contains(&item.id.0));
        Ok(Some(Picker { words, kind, items, more }))
    }
}
