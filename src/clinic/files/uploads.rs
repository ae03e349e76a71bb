//! Files on their way to a message: `/patients/{id}/uploads` for the page's script, one request for each file; the form
//! of the message for browsers without. Both read a multipart body as it comes and hold a piece of it at a time.

use crate::access::{ChartAccess, Right, rights};
use crate::attachments::{self, AcceptError, AttachError, Desk, Pick, Picks, Receiving, Refusal, Upload};
use crate::chart::{self, ItemFilter, ItemKind, ItemRow, document};
use crate::clinic::guard::{Chart, number, shell_for_nobody};
use crate::db::{ChartItemId, Conn, UploadId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell};
use crate::patients;
use crate::settings;
use crate::state::AppState;
use crate::storage::StorageError;
use crate::text::{Lang, one_line};
use crate::values::BirthDate;
use actix_multipart::{Field, Multipart};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::StreamExt;
use std::time::Duration;

/// A sender that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Items that a form offers at once.
const PICKS: i64 = 50;
/// The most that the fields of a form may have besides its files, in bytes.
const LARGEST_TEXT: usize = 1 << 20;
/// What each part is counted for besides its bytes, so that a body of nothing but empty parts ends too.
const HEAD_OF_A_PART: u64 = 100;

/// What became of one file.
pub enum Outcome {
    /// it waits to be sent
    Added(Upload),
    /// it was not taken: its name, and why
    Refused(String, Refusal),
}

/// A multipart body that was read: the fields that are no files, in their order, and what became of the files.
#[derive(Default)]
pub struct Taken {
    /// names and values
    pub pairs: Vec<(String, String)>,
    /// in the order of the form
    pub files: Vec<Outcome>,
}

/// The lines of a list of files, as a part of a page.
#[derive(Template)]
#[template(path = "clinic/files/lines.html")]
struct Lines {
    shell: Shell,
    lines: FileLines,
}

/// Files in a form: those that wait to be sent, and those that were not taken.
#[derive(Default)]
pub struct FileLines {
    /// waiting, in the order in which they will be attached
    pub uploads: Vec<Upload>,
    /// not taken: name, and why
    pub refused: Vec<(String, Refusal)>,
    /// chart items that will be copied
    pub items: Vec<ItemRow>,
    /// of these the titles whose PDF cannot show some characters, with those
    pub not_drawn: Vec<(String, String)>,
    /// whom they are for: name and date of birth
    pub whom: Option<(String, BirthDate)>,
    /// uploads that were confirmed to be for them
    pub confirmed: Vec<UploadId>,
    /// something that the form names is not there any more
    pub gone: bool,
    /// where "Add files" and "Remove" of a browser without script go
    pub action: String,
    /// where the button that leads to the chart goes without script
    pub browse_by: String,
    /// the chart browser
    pub browser_at: String,
    /// items of the chart to choose from in the form itself
    pub picker: Option<Picker>,
    /// where its script sends files
    pub uploads_at: String,
    /// what may be chosen: for the file field, for people
    pub endings: (String, String),
    /// limits for one file and for all, in bytes
    pub limits: (i64, i64),
}

impl FileLines {
    /// Whether the ways to add something are shown, and not behind "Add Attachment".
    pub fn is_open(&self) -> bool {
        self.picker.is_some() || !self.refused.is_empty()
    }

    /// What a form names, as far as it is there and this user's.
    pub fn of<R: Right>(
        conn: &mut Conn,
        desk: &Desk,
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
        let policy = &desk.policy;
        Ok(FileLines {
            uploads,
            refused: Vec::new(),
            items,
            not_drawn,
            whom: Some((patient.name(), patient.birth_date)),
            confirmed: confirmed(form),
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
}

/// Items of a chart to choose from in the form of a reply: a browser without script has nowhere to leave its text.
pub struct Picker {
    /// only those with these words
    pub words: String,
    /// only those of this kind
    pub kind: Option<ItemKind>,
    /// the newest, without those that are chosen
    pub items: Vec<ItemRow>,
    /// there are more of them
    pub more: bool,
}

impl Picker {
    /// As a form asks for it; `None` where it does not.
    pub fn asked<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, form: &Form) -> Result<Option<Picker>, AppError> {
        if !form.has("browse") {
            return Ok(None);
        }
        let (words, kind) = (one_line(form.get("pick_words")), form.get("pick_kind").parse().ok());
        let filter = ItemFilter { kind, text: words.clone(), ..ItemFilter::default() };
        let mut items = chart::items(conn, access, &filter, None, PICKS + 1)?;
        let more = items.len() as i64 > PICKS;
        items.truncate(PICKS as usize);
        let chosen = form.numbers("chart_item");
        items.retain(|item| !chosen.contains(&item.id.0));
        Ok(Some(Picker { words, kind, items, more }))
    }
}

/// A press of "Add files" or "Remove" in a form, by a browser without script: the files are taken or let go, and the
/// form comes back as it was typed. It is a step of its own, and not a part of sending, because browsers do not keep
/// what was chosen in a file field: a message that comes back with an error would have lost its files.
///
/// # Errors
/// Where the body cannot be read, or storage or database fail.
pub async fn change(
    state: &AppState,
    req: &HttpRequest,
    access: &ChartAccess<rights::Send>,
    body: Multipart,
) -> Result<(Form, Vec<(String, Refusal)>), AppError> {
    let taken = take(state, req, access, body).await?;
    let (mut pairs, mut refused) = (taken.pairs, Vec::new());
    let unwanted: Vec<String> = pairs.iter().filter(|(name, _)| name == "remove").map(|(_, id)| id.clone()).collect();
    for id in unwanted.iter().filter_map(|id| id.parse().ok()).map(UploadId) {
        let_go(state, access, id).await?;
    }
    let (waiting, chart) = (Form::of_pairs(pairs.clone()).numbers("upload"), access.again());
    let waiting: Vec<UploadId> = waiting.into_iter().map(UploadId).collect();
    let waiting =
        state.db.read(move |conn| -> Result<_, AppError> { Ok(attachments::pending(conn, &chart, &waiting)?) });
    let mut total: i64 = waiting.await?.iter().map(|upload| upload.size).sum();
    for outcome in taken.files {
        match outcome {
            Outcome::Added(upload) if (total + upload.size) as u64 > state.desk.policy.largest_message => {
                let_go(state, access, upload.id).await?;
                refused.push((upload.file_name, Refusal::TooMuch));
            }
            Outcome::Added(upload) => {
                total += upload.size;
                pairs.push(("upload".to_owned(), upload.id.to_string()));
            }
            Outcome::Refused(name, why) => refused.push((name, why)),
        }
    }
    pairs.retain(|(name, value)| match name.as_str() {
        "remove" | "files" => false,
        "upload" => !unwanted.contains(value),
        _ => true,
    });
    Ok((Form::of_pairs(pairs), refused))
}

/// An upload that is not wanted any more; one that is not there is none.
async fn let_go(state: &AppState, access: &ChartAccess<rights::Send>, id: UploadId) -> Result<bool, AppError> {
    let (now, access) = (state.clock.now(), access.again());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(attachments::remove(tx, now, &access, id)?) });
    write.await
}

/// The status of a form that comes back with what was not taken.
pub fn status(refused: &[(String, Refusal)]) -> StatusCode {
    if refused.is_empty() { StatusCode::OK } else { refusal(refused) }
}

fn refusal(refused: &[(String, Refusal)]) -> StatusCode {
    let any = |one: Refusal| refused.iter().any(|(_, why)| *why == one);
    match () {
        () if any(Refusal::Full) => StatusCode::INSUFFICIENT_STORAGE,
        () if any(Refusal::Away) => StatusCode::SERVICE_UNAVAILABLE,
        () => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The status of a form whose files could not be attached.
pub fn conflict(errors: &FieldErrors) -> StatusCode {
    match errors.of("files") {
        "error-files-full" => StatusCode::INSUFFICIENT_STORAGE,
        "error-files-away" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
}

/// The uploads that were confirmed although they name another patient.
pub fn confirmed(form: &Form) -> Vec<UploadId> {
    form.numbers("for_this_patient").into_iter().map(UploadId).collect()
}

/// Notes what is wrong with the files of a form that is being sent: files chosen and never added would be lost.
pub fn check(form: &Form, errors: &mut FieldErrors) {
    if form.all("files").any(|name| !name.is_empty()) {
        errors.add("files", "error-files-not-added");
    }
}

/// Why files could not be attached, as a form's error.
///
/// # Errors
/// Those of the database, which are no error of the form.
pub fn why_not(cause: AttachError) -> Result<&'static str, AppError> {
    match cause {
        AttachError::Gone => Ok("error-files-gone"),
        AttachError::OtherPatient => Ok("error-files-other-patient"),
        AttachError::TooMuch => Ok("error-files-too-much"),
        AttachError::TooLarge => Ok("error-files-too-large"),
        AttachError::Infected => Ok("error-files-infected"),
        AttachError::Db(cause) => Err(cause.into()),
    }
}

/// `POST /patients/{id}/uploads`: takes files and answers with their lines.
pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    chart: Chart<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let taken = take(&state, &req, &chart.0, body).await?;
    let mut lines = FileLines::default();
    for outcome in taken.files {
        match outcome {
            Outcome::Added(upload) => lines.uploads.push(upload),
            Outcome::Refused(name, why) => lines.refused.push((name, why)),
        }
    }
    let status = match (lines.uploads.is_empty(), lines.refused.is_empty()) {
        (true, true) => return Err(AppError::BadRequest),
        (_, true) => StatusCode::OK,
        _ => refusal(&lines.refused),
    };
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let patient = patients::patient(conn, &chart.0)?;
        Ok((shell_for_nobody(conn, &head)?, (patient.name(), patient.birth_date)))
    });
    let (shell, whom) = read.await?;
    lines.whom = Some(whom);
    with_status(status, &Lines { shell, lines })
}

/// `POST /patients/{id}/uploads/{upload}/removal`: a file that was chosen is not wanted any more.
pub async fn remove(
    state: web::Data<AppState>,
    chart: Chart<rights::Send>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = UploadId(number(&req, "upload")?);
    if let_go(&state, &chart.0, id).await? { Ok(HttpResponse::NoContent().finish()) } else { Err(AppError::NotFound) }
}

/// Reads a multipart body. A file that is not taken keeps neither the others nor the fields from being so.
///
/// # Errors
/// Where the body cannot be read, or storage or database fail.
pub async fn take(
    state: &AppState,
    req: &HttpRequest,
    access: &ChartAccess<rights::Send>,
    mut body: Multipart,
) -> Result<Taken, AppError> {
    let length = req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    // one that is far too large is not even read: the rest of a refused file is
    let mut room = Room(2 * state.desk.policy.largest_message);
    if length.is_some_and(|length| length > room.0) {
        return Err(AppError::TooLarge);
    }
    let (mut taken, mut text) = (Taken::default(), 0);
    while let Some(mut field) = next(&mut body).await? {
        room.take(HEAD_OF_A_PART)?;
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.content_disposition().and_then(|d| d.get_filename().map(str::to_owned));
        match file {
            Some(file) => {
                if let Some(outcome) = take_file(state, access, (&mut field, &mut room), &file).await? {
                    taken.files.push(outcome);
                }
            }
            None => {
                let mut value = Vec::new();
                while let Some(bytes) = piece(&mut field, &mut room).await? {
                    text += bytes.len();
                    if text > LARGEST_TEXT {
                        return Err(AppError::TooLarge);
                    }
                    value.extend_from_slice(&bytes);
                }
                taken.pairs.push((name, String::from_utf8_lossy(&value).replace('\0', "")));
            }
        }
    }
    Ok(taken)
}

async fn next(body: &mut Multipart) -> Result<Option<Field>, AppError> {
    let next = tokio::time::timeout(SILENCE, body.next()).await.map_err(|_| AppError::BadRequest)?;
    next.transpose().map_err(|_| AppError::BadRequest)
}

async fn piece(field: &mut Field, room: &mut Room) -> Result<Option<web::Bytes>, AppError> {
    let next = tokio::time::timeout(SILENCE, field.next()).await.map_err(|_| AppError::BadRequest)?;
    let bytes = next.transpose().map_err(|_| AppError::BadRequest)?;
    room.take(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))?;
    Ok(bytes)
}

/// So many bytes of a body are still read. Of one that does not say its length, this alone is the end.
struct Room(u64);

impl Room {
    fn take(&mut self, bytes: u64) -> Result<(), AppError> {
        self.0 = self.0.checked_sub(bytes).ok_or(AppError::TooLarge)?;
        Ok(())
    }
}

/// One file; `None` where the field was left empty.
async fn take_file(
    state: &AppState,
    access: &ChartAccess<rights::Send>,
    (field, room): (&mut Field, &mut Room),
    given_name: &str,
) -> Result<Option<Outcome>, AppError> {
    let mut receiving = state.desk.begin(&state.random, given_name).await;
    let mut size = 0;
    while let Some(bytes) = piece(field, room).await? {
        size += bytes.len();
        if let Ok(one) = &mut receiving
            && let Err(why) = one.push(&bytes).await
        {
            // the rest is read and forgotten, so that the answer reaches the browser
            receiving = Err(why);
        }
    }
    if given_name.is_empty() && size == 0 {
        return Ok(None);
    }
    let finished = match receiving {
        Ok(one) => finish(state, access, one).await,
        Err(why) => Err(why),
    };
    match finished {
        Ok(upload) => Ok(Some(Outcome::Added(upload))),
        // whatever became of one file: the words of the form and the other files stay
        Err(cause) => Ok(Some(Outcome::Refused(attachments::clean_name(given_name), cause.refusal()))),
    }
}

async fn finish(state: &AppState, access: &ChartAccess<rights::Send>, one: Receiving) -> Result<Upload, AcceptError> {
    one.finish(&state.desk, &state.db, state.clock.now(), access).await
}

/// What a form names in `upload` and `chart_item`, ready to be attached: chart items are frozen now. `None` where an
/// item is not in this chart or the storage takes none, which is then an error of the form: its words stay.
pub async fn picks(
    state: &AppState,
    chart: &ChartAccess<rights::Send>,
    form: &Form,
    errors: &mut FieldErrors,
) -> Result<Option<Picks>, AppError> {
    let named: Vec<UploadId> = form.numbers("upload").into_iter().map(UploadId).collect();
    let mut all: Vec<Pick> = named.into_iter().map(Pick::Upload).collect();
    for id in form.numbers("chart_item").into_iter().take(chart::MOST_CHOSEN) {
        let frozen = state.desk.freeze(&state.db, state.clock.now(), &state.random, chart, ChartItemId(id)).await;
        let frozen = match frozen {
            Ok(Some(frozen)) => frozen,
            Ok(None) => {
                errors.add("files", "error-files-gone");
                return Ok(None);
            }
            Err(StorageError::Db(cause)) => return Err(cause.into()),
            Err(cause) => {
                tracing::error!(%cause, "a chart item could not be attached");
                let full = matches!(cause, StorageError::Full);
                errors.add("files", if full { "error-files-full" } else { "error-files-away" });
                return Ok(None);
            }
        };
        all.push(Pick::Frozen(Box::new(frozen)));
    }
    let confirmed = confirmed(form);
    let policy = &state.desk.policy;
    Ok(Some(Picks { all, confirmed, largest: policy.largest_message, largest_file: policy.largest_file }))
}
