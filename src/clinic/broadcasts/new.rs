//! `/broadcasts/new`: a message to many patients is written, and its list given.

use super::id;
use crate::access::{SignedInUser, rights};
use crate::broadcasts::{self, LONGEST_LIST, NewBroadcast, PrepareError, State, Unread, lines_of};
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::guard::{User, shell};
use crate::conversations::{Body, Fields};
use crate::db::{BroadcastId, TemplateId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::message_templates::{self, PLACEHOLDERS, TemplateName};
use crate::state::AppState;
use crate::text::{CleanHtml, Lang, placeholders};
use crate::values::Title;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/broadcasts/new.html")]
pub struct NewPage {
    /// the column from which a list was just read
    pub column: Option<String>,
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
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let from = query.from.parse().ok().map(BroadcastId);
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
    html(&page(&state, head, user.0, form, FieldErrors::default()).await?)
}

/// The page, with what is to be shown in its form.
pub async fn page(
    state: &web::Data<AppState>,
    head: Head,
    user: SignedInUser<rights::SendMany>,
    form: Form,
    errors: FieldErrors,
) -> Result<NewPage, AppError> {
    let fresh = state.random.token().reveal().to_owned();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user)?;
        let draft = broadcasts::draft(conn, &user)?;
        let stored = draft.version;
        let said: Option<i64> = form.get("draft_version").parse().ok();
        // a page that is opened with nothing in it goes on with the draft; one that is filled otherwise does not write over it
        let is_fresh = form.pairs().is_empty();
        let draft_version = said.unwrap_or(if is_fresh || draft.kept.is_none() { stored } else { -1 });
        let (form, draft_from) = match draft.kept.filter(|_| is_fresh) {
            Some((pairs, at)) => (Form::of_pairs(pairs), shell.short(&at)),
            None => (form, String::new()),
        };
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
        Ok(NewPage { column: None, templates, form, draft_from, stored, conflict: false, errors, shell })
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
    html(&page(&state, head, user.0, form, FieldErrors::default()).await?)
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
    Some(kept)
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
    if let Some(kept) = read_form(&form, &mut errors) {
        let by = user.0.clone();
        let read = state.db.read(move |conn| -> Result<_, AppError> {
            let checked = broadcasts::check(conn, now, &by, &kept)?;
            Ok((kept, checked))
        });
        let (kept, checked) = read.await?;
        if checked.count() == 0 {
            errors.add("recipients", "error-many-nobody");
        } else {
            let new = NewBroadcast {
                form: with_unread(kept, &checked.unread),
                key: form.get("key").to_owned(),
                replaces: form.get("replaces").parse().ok().map(BroadcastId),
                draft: form.get("draft_version").parse().unwrap_or(-1),
            };
            let by = user.0.clone();
            match state.db.write(move |tx| broadcasts::prepare(tx, now, &by, &new, &checked)).await {
                Ok(id) => return Ok(see_other(&format!("/broadcasts/{id}"))),
                Err(PrepareError::Deactivated) => return Err(AppError::SignIn { to: "/sign-in".into() }),
                Err(PrepareError::Overtaken) => errors.add("body", "error-many-overtaken"),
                Err(PrepareError::Db(cause)) => return Err(cause.into()),
            }
        }
    }
    let mut form = form;
    // whoever was told that the first one went out, or was removed, presses again for another
    if errors.key_for("body") == "error-many-overtaken" {
        form.remove("replaces");
    }
    unprocessable(&page(&state, head, user.0, form, errors).await?)
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
