//! Files on their way to a message: `/patients/{id}/uploads` for the page's script, one request for each file; the form
//! of the message for browsers without. Both read a multipart body as a stream and hold one piece of it at a time.

use super::lines::{FileLines, Lines};
use crate::access::{ChartAccess, rights};
use crate::attachments::{self, AcceptError, Goal, Receiving, Refusal, Upload};
use crate::clinic::guard::{Chart, number, shell_for_nobody};
use crate::db::{BroadcastId, UploadId};
use crate::error::AppError;
use crate::http::multipart::{Body, Part};
use crate::http::page::with_status;
use crate::http::{Form, Head};
use crate::patients;
use crate::state::AppState;
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

/// What became of one file.
pub enum Outcome {
    /// it waits to be sent
    Added(Upload),
    /// it was refused: its name, and why
    Refused(String, Refusal),
}

/// A multipart body that was read: the fields that are not files, in their order, and what became of the files.
#[derive(Default)]
pub struct Taken {
    /// names and values
    pub pairs: Vec<(String, String)>,
    /// in the order of the form
    pub files: Vec<Outcome>,
}

/// A press of "Add files" or "Remove" in a form, by a browser without script: the files are added or removed, and the
/// form comes back as it was typed. It is a step before sending, because browsers do not keep what was chosen in a file
/// field: a message that comes back with an error would lose its files.
///
/// # Errors
/// Where the body cannot be read, or storage or database fail.
pub async fn change(
    state: &AppState,
    req: &HttpRequest,
    access: &ChartAccess<rights::Send>,
    body: Multipart,
) -> Result<(Form, Vec<(String, Refusal)>), AppError> {
    change_for(state, req, &Goal::Patient(access.again()), body).await
}

/// The same for any goal. Of a message to many that is being changed the files stay on the form that are its own.
///
/// # Errors
/// See [`change`].
pub async fn change_for(
    state: &AppState,
    req: &HttpRequest,
    goal: &Goal,
    body: Multipart,
) -> Result<(Form, Vec<(String, Refusal)>), AppError> {
    let taken = take_for(state, req, goal, body).await?;
    let (mut pairs, mut refused) = (taken.pairs, Vec::new());
    let unwanted: Vec<String> = pairs.iter().filter(|(name, _)| name == "remove").map(|(_, id)| id.clone()).collect();
    for id in unwanted.iter().filter_map(|id| id.parse().ok()).map(UploadId) {
        discard(state, goal, id).await?;
    }
    let (form, goal_again) = (Form::of_pairs(pairs.clone()), goal.again());
    let waiting: Vec<UploadId> = form.numbers("upload").into_iter().map(UploadId).collect();
    let waiting = state.db.read(move |conn| -> Result<_, AppError> {
        Ok(match &goal_again {
            Goal::Patient(chart) => attachments::pending(conn, chart, &waiting)?,
            Goal::Many(user) => {
                let changed = form.get("replaces").parse().ok().map(BroadcastId);
                attachments::pending_for_many(conn, user, changed, &waiting)?
            }
        })
    });
    let mut total: i64 = waiting.await?.iter().map(|upload| upload.size).sum();
    for outcome in taken.files {
        match outcome {
            Outcome::Added(upload) if (total + upload.size) as u64 > state.intake.policy.largest_message => {
                discard(state, goal, upload.id).await?;
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

/// Removes an upload that is not wanted any more; `false` where there is none.
pub async fn discard(state: &AppState, goal: &Goal, id: UploadId) -> Result<bool, AppError> {
    let (now, goal) = (state.clock.now(), goal.again());
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(attachments::remove(tx, now, &goal, id)?) });
    write.await
}

/// The status of a form that comes back, by the files that were refused.
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

/// `POST /patients/{id}/uploads`: takes files and answers with their lines.
pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    chart: Chart<rights::Send>,
    body: Multipart,
) -> Result<HttpResponse, AppError> {
    let taken = take(&state, &req, &chart.0, body).await?;
    let (mut lines, status) = lines_of(taken)?;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let patient = patients::patient(conn, &chart.0)?;
        Ok((shell_for_nobody(conn, &head)?, (patient.name(), patient.birth_date)))
    });
    let (shell, whom) = read.await?;
    lines.whom = Some(whom);
    with_status(status, &Lines { shell, lines })
}

/// The lines of files that a script has sent, and the status of the answer.
///
/// # Errors
/// Where there is no file.
pub fn lines_of(taken: Taken) -> Result<(FileLines, StatusCode), AppError> {
    let mut lines = FileLines::default();
    for outcome in taken.files {
        match outcome {
            Outcome::Added(upload) => lines.uploads.push(upload),
            Outcome::Refused(name, why) => lines.refused.push((name, why)),
        }
    }
    match (lines.uploads.is_empty(), lines.refused.is_empty()) {
        (true, true) => Err(AppError::BadRequest),
        (_, true) => Ok((lines, StatusCode::OK)),
        _ => {
            let status = refusal(&lines.refused);
            Ok((lines, status))
        }
    }
}

/// `POST /patients/{id}/uploads/{upload}/removal`: removes a file that was chosen.
pub async fn remove(
    state: web::Data<AppState>,
    chart: Chart<rights::Send>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = UploadId(number(&req, "upload")?);
    let goal = Goal::Patient(chart.0);
    if discard(&state, &goal, id).await? { Ok(HttpResponse::NoContent().finish()) } else { Err(AppError::NotFound) }
}

/// Reads a multipart body. A file that is refused does not keep the other files or the fields from being taken.
///
/// # Errors
/// Where the body cannot be read, or storage or database fail.
pub async fn take(
    state: &AppState,
    req: &HttpRequest,
    access: &ChartAccess<rights::Send>,
    body: Multipart,
) -> Result<Taken, AppError> {
    take_for(state, req, &Goal::Patient(access.again()), body).await
}

/// The file field of the list of a message to many; what is chosen there is never sent to anybody.
pub const LIST: &str = "file";

/// The same for any goal. A list of patients that was chosen in the form of a message to many, and is not read by this press, is named
/// among the fields.
///
/// # Errors
/// See [`take`].
pub async fn take_for(state: &AppState, req: &HttpRequest, goal: &Goal, body: Multipart) -> Result<Taken, AppError> {
    // a body that is far too large is not read at all; of a refused file the rest is still read
    let mut body = Body::within(req, body, 2 * state.intake.policy.largest_message)?;
    let mut taken = Taken::default();
    while let Some(part) = body.next().await? {
        match part.file_name.clone() {
            Some(file) if part.name == LIST && matches!(goal, Goal::Many(_)) => {
                taken.pairs.push((LIST.to_owned(), file));
            }
            Some(file) => taken.files.extend(take_file(state, goal, part, &file).await?),
            None => taken.pairs.push((part.name.clone(), part.into_text().await?)),
        }
    }
    Ok(taken)
}

/// One file; `None` where the field was left empty.
async fn take_file(
    state: &AppState,
    goal: &Goal,
    mut part: Part<'_>,
    given_name: &str,
) -> Result<Option<Outcome>, AppError> {
    let mut receiving = state.intake.begin(&state.random, given_name).await;
    let mut size = 0;
    while let Some(bytes) = part.piece().await? {
        size += bytes.len();
        if let Ok(one) = &mut receiving
            && let Err(why) = one.push(&bytes).await
        {
            // the rest is read and dropped, so that the answer reaches the browser
            receiving = Err(why);
        }
    }
    if given_name.is_empty() && size == 0 {
        return Ok(None);
    }
    let finished = match receiving {
        Ok(one) => finish(state, goal, one).await,
        Err(why) => Err(why),
    };
    match finished {
        Ok(upload) => Ok(Some(Outcome::Added(upload))),
        // whatever happens to one file, the words of the form and the other files stay
        Err(cause) => Ok(Some(Outcome::Refused(attachments::clean_name(given_name), cause.refusal()))),
    }
}

async fn finish(state: &AppState, goal: &Goal, one: Receiving) -> Result<Upload, AcceptError> {
    one.finish(&state.intake, &state.db, state.clock.now(), goal).await
}
