//! `/broadcasts/new`: a message to many patients is written, and its list given.

use super::id;
use crate::access::{SignedInUser, rights};
use crate::attachments::{self, AttachError, Pick, Picks, Upload};
use crate::broadcasts::{self, KEPT_FILE, LONGEST_LIST, NewBroadcast, PrepareError, State, Unread, lines_of};
use crate::clinic::account::kept_words::words_back;
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::files::lines::FileLines;
use crate::clinic::files::sent_along;
use crate::clinic::files::uploads::LIST;
use crate::clinic::guard::{User, shell};
use crate::conversations::{Body, Fields};
use crate::db::{BroadcastId, TemplateId, UploadId};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::message_templates::{self, PLACEHOLDERS, TemplateName};
use crate::state::AppState;
use crate::text::{CleanHtml, Lang, placeholders};
use crate::values::Title;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/broadcasts/new.html")]
pub struct NewPage {
    /// the column from which a list was just read
    pub column: Option<String>,
    /// its files, and those that were refused
    pub files: FileLines,
    shell: Shell,
    templates: Vec<TemplateName>,
    form: Typed,
    /// when the draft that fills the form was saved; empty where there is none
    draft_from: String,
    /// the version of the draft that is stored
    stored: i64,
    /// the draft was changed in another window
    conflict: bool,
    errors: FieldErrors,
}

struct Typed {
    key: String,
    /// the one that was prepared before, in whose place this comes
    replaces: String,
    recipients: String,
    title: String,
    body: RichText,
    replies_allowed: bool,
    /// the language in which dates are filled in
    language: String,
    /// the version of the draft that it was typed over; -1: it is none, as another one is kept
    draft_version: i64,
}

/// Which broadcast fills the form.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    from: String,
    /// what was typed before the session ended is asked for
    kept: String,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (from, kept) = (query.from.parse().ok().map(BroadcastId), query.kept == "1");
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let Some(from) = from else { return Ok(Form::default()) };
        let (one, form) = (broadcasts::find(conn, from)?, broadcasts::form_of(conn, from)?);
        let (one, form) = one.zip(form).ok_or(AppError::NotFound)?;
        let mut form = Form::of_pairs(form);
        // of one that was sent the words are taken, not the list
        if one.state == State::Prepared {
            form.set("replaces", &from.to_string());
        }
        Ok(form)
    });
    let form = read.await?;
    html(&filled(&state, head, user.0, (form, kept), FieldErrors::default()).await?)
}

/// The page, with what is to be shown in its form.
pub async fn page(
    state: &web::Data<AppState>,
    head: Head,
    user: SignedInUser<rights::SendMany>,
    form: Form,
    errors: FieldErrors,
) -> Result<NewPage, AppError> {
    filled(state, head, user, (form, false), errors).await
}

/// The same; `kept` asks for what was typed before the session ended.
async fn filled(
    state: &web::Data<AppState>,
    head: Head,
    user: SignedInUser<rights::SendMany>,
    (form, kept): (Form, bool),
    mut errors: FieldErrors,
) -> Result<NewPage, AppError> {
    let (fresh, data) = (state.random.token().reveal().to_owned(), state.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (mut shell, _) = shell(conn, &head, &user)?;
        let draft = broadcasts::draft(conn, &user)?;
        let saved_at = draft.kept.as_ref().map(|(_, at)| *at);
        let back = if kept { words_back(conn, &mut shell, &user, saved_at)? } else { None };
        let form = back.unwrap_or(form);
        let stored = draft.version;
        let said: Option<i64> = form.get("draft_version").parse().ok();
        // a page that is opened with nothing in it goes on with the draft; one that is filled otherwise does not write over it
        let is_fresh = form.pairs().is_empty();
        let draft_version = said.unwrap_or(if is_fresh || draft.kept.is_none() { stored } else { -1 });
        let (form, draft_from) = match draft.kept.filter(|_| is_fresh) {
            Some((pairs, at)) => (Form::of_pairs(pairs), shell.short(&at)),
            None => (form, String::new()),
        };
        let files = FileLines::for_many(conn, &data.intake, &user, &form)?;
        // wherever the form comes from: what is not there any more is not on it, and would be missed by nobody
        if files.gone {
            errors.add("files", FieldError::FilesGone);
        }
        let text = |name: &str| form.get(name).to_owned();
        let form = Typed {
            key: Some(text("key")).filter(|key| !key.is_empty()).unwrap_or(fresh),
            replaces: text("replaces"),
            recipients: text("recipients"),
            title: text("title"),
            body: RichText::typed(&form),
            replies_allowed: form.has("replies_allowed"),
            language: Lang::find(form.get("language")).unwrap_or(shell.lang).code().to_owned(),
            draft_version,
        };
        let templates = message_templates::names(conn, &user)?;
        Ok(NewPage { column: None, files, templates, form, draft_from, stored, conflict: false, errors, shell })
    });
    read.await
}

/// The page as typed, where another window has changed the draft: who saves again from it writes over that knowingly.
pub async fn changed_elsewhere(
    state: &web::Data<AppState>,
    head: Head,
    user: SignedInUser<rights::SendMany>,
    form: Form,
) -> Result<NewPage, AppError> {
    let mut shown = page(state, head, user, form, FieldErrors::default()).await?;
    shown.form.draft_version = shown.stored;
    shown.conflict = true;
    Ok(shown)
}

/// `POST /broadcasts/template`: the form again, filled from the chosen template, whose placeholders stay. Changes nothing that is kept.
pub async fn fill_in(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    mut form: Form,
) -> Result<HttpResponse, AppError> {
    let (id, by) = (TemplateId(form.get("template").parse().unwrap_or_default()), user.0.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(message_templates::template(conn, &by, id)?) });
    if let Some(template) = read.await? {
        match form.has("append") {
            true => {
                let body = CleanHtml::stored(template.body_html).to_markdown();
                let typed = RichText::typed(&form).markdown;
                form.set("body", format!("{}\n\n{body}", typed.trim_end()).trim_start());
                form.set("body_format", "markdown");
            }
            false => {
                form.set("title", &template.title);
                form.set("body_format", "html");
                form.set("body", &template.body_html);
            }
        }
        form.set("language", &template.language);
    }
    let mut errors = FieldErrors::default();
    check_chosen(&form, &mut errors);
    let status = if errors.is_empty() { StatusCode::OK } else { errors.status() };
    with_status(status, &page(&state, head, user.0, form, errors).await?)
}

/// Notes files, and a list, that were chosen and never added: going on with the form would lose them.
pub(super) fn check_chosen(form: &Form, errors: &mut FieldErrors) {
    sent_along::check(form, errors);
    if !form.get(LIST).is_empty() {
        errors.add("recipients", "error-many-not-read");
    }
}

/// The uploads that the form names, each once.
fn uploads_of(form: &Form) -> Vec<UploadId> {
    let mut named: Vec<UploadId> = Vec::new();
    for id in form.numbers("upload").into_iter().map(UploadId) {
        if !named.contains(&id) {
            named.push(id);
        }
    }
    named
}

/// The fields that are kept; `None` where something is wrong, noted in `errors`.
fn read_form(form: &Form, errors: &mut FieldErrors) -> Option<Vec<(String, String)>> {
    let title = errors.need("title", "error-title", Title::parse(form.get("title")));
    let body = errors.need("body", "error-body", Fields(form.pairs()).body());
    let is_unknown = |text: &str| placeholders::names(text).iter().any(|name| !PLACEHOLDERS.contains(&name.as_str()));
    if title.as_ref().is_some_and(|title| is_unknown(title.as_str())) {
        errors.add("title", "error-many-placeholder");
    }
    if body.as_ref().is_some_and(|body: &Body| is_unknown(body.html.as_str())) {
        errors.add("body", "error-many-placeholder");
    }
    if !(16..=64).contains(&form.get("key").len()) {
        errors.add("body", "error-form-old");
    }
    match lines_of(form.get("recipients")).len() {
        0 => errors.add("recipients", "error-many-list"),
        lines if lines > LONGEST_LIST => errors.add("recipients", "error-many-most"),
        _ => {}
    }
    if !errors.is_empty() {
        return None;
    }
    let language = Lang::or_english(form.get("language")).code();
    let mut kept = vec![
        ("title".to_owned(), title?.as_str().to_owned()),
        ("body".to_owned(), body?.html.as_str().to_owned()),
        ("body_format".to_owned(), "html".to_owned()),
        ("language".to_owned(), language.to_owned()),
        ("recipients".to_owned(), form.get("recipients").to_owned()),
    ];
    if form.has("replies_allowed") {
        kept.push(("replies_allowed".to_owned(), "on".to_owned()));
    }
    let uploads = uploads_of(form);
    kept.extend(uploads.iter().map(|id| ("upload".to_owned(), id.to_string())));
    let confirmed = sent_along::confirmed(form).into_iter().filter(|id| uploads.contains(id));
    kept.extend(confirmed.map(|id| ("for_this_patient".to_owned(), id.to_string())));
    Some(kept)
}

/// The names and sizes of files, as they are kept with the form.
fn named(uploads: Vec<Upload>) -> Vec<(String, String)> {
    let (name, size) = KEPT_FILE;
    let pairs = |one: Upload| [(name.to_owned(), one.file_name), (size.to_owned(), one.size.to_string())];
    uploads.into_iter().flat_map(pairs).collect()
}

/// The lines that were left out, as they are kept with the form.
fn with_unread(mut form: Vec<(String, String)>, unread: &Unread) -> Vec<(String, String)> {
    let lines = [("unknown", &unread.unknown), ("double", &unread.double), ("several", &unread.several)];
    for (name, lines) in lines.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
        form.push((name.to_owned(), numbers.join(" ")));
    }
    form
}

/// `POST /broadcasts`: checks the list, and keeps it with the words. Nothing goes out.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, mut errors) = (state.clock.now(), FieldErrors::default());
    check_chosen(&form, &mut errors);
    if let Some(kept) = read_form(&form, &mut errors) {
        let (by, uploads) = (user.0.clone(), uploads_of(&form));
        let replaces = form.get("replaces").parse().ok().map(BroadcastId);
        let all: Vec<Pick> = uploads.iter().copied().map(Pick::Upload).collect();
        let read = state.db.read(move |conn| -> Result<_, AppError> {
            let checked = broadcasts::check(conn, now, &by, &kept)?;
            let uploads = attachments::pending_for_many(conn, &by, replaces, &uploads)?;
            Ok((kept, checked, uploads))
        });
        let (kept, checked, uploads) = read.await?;
        if checked.count() == 0 {
            errors.add("recipients", "error-many-nobody");
        } else {
            let new = NewBroadcast {
                form: with_unread(kept, &checked.unread),
                named: named(uploads),
                files: Picks {
                    all,
                    confirmed: sent_along::confirmed(&form),
                    largest: state.intake.policy.largest_message,
                    largest_file: state.intake.policy.largest_file,
                },
                key: form.get("key").to_owned(),
                replaces,
                draft: form.get("draft_version").parse().unwrap_or(-1),
            };
            let by = user.0.clone();
            match state.db.write(move |tx| broadcasts::prepare(tx, now, &by, &new, &checked)).await {
                Ok(id) => return Ok(see_other(&format!("/broadcasts/{id}"))),
                Err(PrepareError::Deactivated) => return Err(AppError::SignIn { to: "/sign-in".into() }),
                Err(PrepareError::Overtaken) => errors.add("body", "error-many-overtaken"),
                Err(PrepareError::Files(AttachError::OtherPatient)) => errors.add("files", "error-many-file-names"),
                Err(PrepareError::Files(cause)) => errors.add("files", sent_along::why_not(cause)?),
                Err(PrepareError::Db(cause)) => return Err(cause.into()),
            }
        }
    }
    let mut form = form;
    // whoever was told that the first one went out, or was removed, presses again for another
    if errors.key_for("body") == "error-many-overtaken" {
        form.remove("replaces");
    }
    with_status(errors.status(), &page(&state, head, user.0, form, errors).await?)
}

/// `POST /broadcasts/{id}/removal`: removes one that was not sent.
pub async fn remove(
    state: web::Data<AppState>,
    user: User<rights::SendMany>,
    req: actix_web::HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), id(&req)?);
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(broadcasts::remove(tx, now, &user.0, id)?) });
    Ok(see_other(&match write.await?.ok_or(AppError::NotFound)? {
        broadcasts::Pressed::Done => "/broadcasts?notice=many-removed".to_owned(),
        _ => format!("/broadcasts/{id}?notice=many-nothing"),
    }))
}
