//! `/settings/message-templates`: the clinic's and the user's own templates: list, create, edit, duplicate, retire.

use crate::access::{Action, SignedInUser, rights};
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::guard::{User, number, shell};
use crate::db::{Conn, TemplateId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::message_templates::{self, Content, PLACEHOLDERS, Replies, SaveError, VersionRow};
use crate::state::AppState;
use crate::text::{self, CleanHtml, Lang, placeholders};
use crate::values::Title;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// The longest name and category, in characters.
const LONGEST: usize = 100;

#[derive(Template)]
#[template(path = "clinic/settings/message_templates.html")]
struct ListPage {
    shell: Shell,
    q: String,
    retired: bool,
    templates: Vec<message_templates::Template>,
}

#[derive(Template)]
#[template(path = "clinic/settings/message_template.html")]
struct EditPage {
    shell: Shell,
    /// the template that is edited; `None`: a new one
    id: Option<TemplateId>,
    form: Typed,
    errors: FieldErrors,
    /// whether this user may make it a template of the clinic
    may_be_clinics: bool,
    /// whether this user may change it; otherwise it is only shown
    may_change: bool,
    retired: bool,
    versions: Vec<VersionRow>,
    categories: Vec<String>,
    gaps: Vec<String>,
}

/// What the form shows.
struct Typed {
    name: String,
    category: String,
    language: String,
    title: String,
    body: RichText,
    replies: Replies,
    for_clinic: bool,
    version: i64,
}

impl Typed {
    fn from_form(form: &Form) -> Typed {
        let text = |name| form.get(name).to_owned();
        Typed {
            name: text("name"),
            category: text("category"),
            language: text("language"),
            title: text("title"),
            body: RichText::typed(form),
            replies: form.get("replies").parse().unwrap_or(Replies::AsClinic),
            for_clinic: form.get("scope") == "clinic",
            version: form.get("version").parse().unwrap_or_default(),
        }
    }

    fn stored(template: &message_templates::Template) -> Typed {
        Typed {
            name: template.name.clone(),
            category: template.category.clone(),
            language: template.language.clone(),
            title: template.title.clone(),
            body: RichText::from_stored(CleanHtml::stored(template.body_html.clone())),
            replies: template.replies,
            for_clinic: template.owner_id.is_none(),
            version: template.version,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    q: String,
    retired: bool,
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let Query { q, retired } = query.into_inner();
    let q = text::one_line(&q);
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let mut templates = message_templates::readable(conn, &user.0, retired)?;
        let words = text::words(&q);
        templates.retain(|one| {
            let found = text::fold(&[one.name.as_str(), &one.category, &one.title].join(" "));
            words.iter().all(|word| found.contains(word))
        });
        Ok(ListPage { shell, q, retired, templates })
    });
    html(&page.await?)
}

pub async fn new(state: web::Data<AppState>, head: Head, user: User<rights::Send>) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let mut form = Typed::from_form(&Form::default());
        form.language = settings.language;
        edit_page(conn, shell, &user.0, None, form, FieldErrors::default())
    });
    html(&page.await?)
}

pub async fn edit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = TemplateId(number(&req, "template")?);
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let found = message_templates::template(conn, &user.0, id)?.ok_or(AppError::NotFound)?;
        edit_page(conn, shell, &user.0, Some(&found), Typed::stored(&found), FieldErrors::default())
    });
    html(&page.await?)
}

fn edit_page(
    conn: &mut Conn,
    shell: Shell,
    user: &SignedInUser<rights::Send>,
    found: Option<&message_templates::Template>,
    form: Typed,
    errors: FieldErrors,
) -> Result<EditPage, AppError> {
    let may_be_clinics = user.role().may(Action::Templates);
    let versions = found.map(|found| message_templates::versions(conn, found)).transpose()?.unwrap_or_default();
    let mut categories: Vec<String> =
        message_templates::readable(conn, user, false)?.into_iter().map(|one| one.category).collect();
    categories.retain(|category| !category.is_empty());
    categories.sort();
    categories.dedup();
    let known = |name: &String| PLACEHOLDERS.contains(&name.as_str());
    let gaps = placeholders::names(&format!("{} {}", form.title, form.body.html));
    Ok(EditPage {
        shell,
        id: found.map(|found| found.id),
        may_change: found.is_none_or(|found| found.owner_id.is_some() || may_be_clinics),
        retired: found.is_some_and(|found| found.retired_at.is_some()),
        gaps: gaps.into_iter().filter(|name| !known(name)).collect(),
        form,
        errors,
        may_be_clinics,
        versions,
        categories,
    })
}

fn read_form(form: &Form, errors: &mut FieldErrors) -> Option<Content> {
    let line = |name| Some(text::one_line(form.get(name))).filter(|line| line.chars().count() <= LONGEST);
    let name = errors.need("name", "error-template-name", line("name").filter(|name| !name.is_empty()));
    let category = errors.need("category", "error-template-category", line("category"));
    let language = errors.need("language", "error-language", Lang::find(form.get("language")));
    let title = errors.need("title", "error-title", Title::parse(form.get("title")));
    let typed = RichText::typed(form);
    let body = Some(CleanHtml::from_html(&typed.html)).filter(|body| !body.is_blank() && typed.html.len() < 200_000);
    let body = errors.need("body", "error-body", body);
    Some(Content {
        name: name?,
        category: category?,
        language: language?.code().to_owned(),
        title: title?,
        body: body?,
        replies: form.get("replies").parse().unwrap_or(Replies::AsClinic),
    })
}

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    save(state, head, user, form, None).await
}

pub async fn change(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = TemplateId(number(&req, "template")?);
    save(state, head, user, form, Some(id)).await
}

async fn save(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
    id: Option<TemplateId>,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        let mut status = StatusCode::UNPROCESSABLE_ENTITY;
        if let Some(content) = read_form(&form, &mut errors) {
            let version = form.get("version").parse().unwrap_or_default();
            let saved = match id {
                Some(id) => message_templates::change(tx, now, &user.0, id, version, &content),
                None => {
                    let for_clinic = form.get("scope") == "clinic";
                    message_templates::add(tx, now, &user.0, for_clinic, &content).map(drop)
                }
            };
            match saved {
                Ok(()) => return Ok(None),
                Err(SaveError::NotFound) => return Err(AppError::NotFound),
                Err(SaveError::Db(cause)) => return Err(cause.into()),
                Err(SaveError::Newer) => {
                    status = StatusCode::CONFLICT;
                    errors.add("name", "error-template-newer");
                }
                Err(SaveError::TooMany) => errors.add("name", "error-template-many"),
            }
        }
        let (shell, _) = shell(tx, &head, &user.0)?;
        let found = match id {
            Some(id) => Some(message_templates::own_template(tx, &user.0, id)?.ok_or(AppError::NotFound)?),
            None => None,
        };
        let mut typed = Typed::from_form(&form);
        if let (Some(found), StatusCode::CONFLICT) = (&found, status) {
            typed.version = found.version;
        }
        Ok(Some((status, edit_page(tx, shell, &user.0, found.as_ref(), typed, errors)?)))
    });
    match write.await? {
        None => Ok(see_other("/settings/message-templates?notice=template-saved")),
        Some((StatusCode::UNPROCESSABLE_ENTITY, page)) => unprocessable(&page),
        Some((status, page)) => with_status(status, &page),
    }
}

/// Makes a copy that is the user's own.
pub async fn duplicate(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (id, now) = (TemplateId(number(&req, "template")?), state.clock.now());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let (shell, _) = shell(tx, &head, &user.0)?;
        let found = message_templates::template(tx, &user.0, id)?.ok_or(AppError::NotFound)?;
        let name: String = shell.t1("template-copy", "name", &found.name).chars().take(LONGEST).collect();
        answer(message_templates::duplicate(tx, now, &user.0, id, &name))
    });
    match write.await? {
        Some(copy) => Ok(see_other(&format!("/settings/message-templates/{copy}?notice=template-copied"))),
        None => Ok(see_other("/settings/message-templates?notice=template-many")),
    }
}

/// Takes a template out of the picker, or with `retired=off` puts it back.
pub async fn retire(
    state: web::Data<AppState>,
    user: User<rights::Send>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (id, now, retired) = (TemplateId(number(&req, "template")?), state.clock.now(), form.get("retired") != "off");
    let write = state.db.write(move |tx| answer(message_templates::set_retired(tx, now, &user.0, id, retired)));
    Ok(see_other(match (write.await?, retired) {
        (None, _) => "/settings/message-templates?notice=template-many",
        (Some(()), true) => "/settings/message-templates?notice=template-retired",
        (Some(()), false) => "/settings/message-templates?notice=template-restored",
    }))
}

/// What was saved; `None` where there are too many templates already.
fn answer<T>(saved: Result<T, SaveError>) -> Result<Option<T>, AppError> {
    match saved {
        Ok(value) => Ok(Some(value)),
        Err(SaveError::TooMany) => Ok(None),
        Err(SaveError::Db(cause)) => Err(cause.into()),
        Err(SaveError::NotFound | SaveError::Newer) => Err(AppError::NotFound),
    }
}
