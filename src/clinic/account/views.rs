//! `/account/views`: the views of the inbox that a user keeps under names of their own. `/account/views/{view}` renames one, says
//! whether the inbox opens with it, or removes it.

use super::away::refusal;
use crate::access::{SignedInUser, rights};
use crate::clinic::guard::{User, number, shell};
use crate::conversations::{self, InboxFilter, InboxOrder, InboxView, SaveViewError, SavedView, Scope, ViewName};
use crate::db::{Conn, SavedViewId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/account/views.html")]
struct ViewsPage {
    shell: Shell,
    views: Vec<SavedView>,
    typed: Typed,
    errors: FieldErrors,
}

/// A view that is to be saved, as typed.
struct Typed {
    view: InboxView,
    name: String,
    opens_first: bool,
}

#[derive(Template)]
#[template(path = "clinic/account/view.html")]
struct ViewPage {
    shell: Shell,
    saved: SavedView,
    /// its name as typed
    typed: String,
    opens_first: bool,
    errors: FieldErrors,
    seen: Seen,
}

impl ViewsPage {
    /// What a view lists, in words.
    fn told(&self, view: &InboxView) -> String {
        told(&self.shell, *view)
    }
}

impl ViewPage {
    /// What the view lists, in words.
    fn told(&self) -> String {
        told(&self.shell, self.saved.view)
    }
}

fn told(shell: &Shell, view: InboxView) -> String {
    let mut words = vec![shell.t_of("scope", view.scope.as_str()), shell.t_of("filter", view.filter.as_str())];
    if !view.filter.orders(view.scope).is_empty() {
        words.push(shell.t_of("inbox-order", view.order.as_str()));
    }
    words.join(" · ")
}

/// What the form of one view edits, as it is stored.
fn stored(saved: &SavedView) -> Stored {
    let name = Stored::default().text("name", "view-name", saved.name.as_str());
    name.switch("opens_first", "view-opens-first", saved.opens_first)
}

/// The view that the form is filled with: the one from which the reader came.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    scope: String,
    filter: String,
    order: String,
}

fn page(
    conn: &mut Conn,
    head: &Head,
    user: &SignedInUser<rights::Read>,
    typed: Typed,
    errors: FieldErrors,
) -> Result<ViewsPage, AppError> {
    let (shell, _) = shell(conn, head, user)?;
    Ok(ViewsPage { shell, views: conversations::saved_views(conn, user)?, typed, errors })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let view = InboxView::asked(&query.scope, &query.filter, &query.order);
    let typed = Typed { view, name: String::new(), opens_first: false };
    let read = state.db.read(move |conn| page(conn, &head, &user.0, typed, FieldErrors::default()));
    html(&read.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (scope, filter, order) = (form.get("scope"), form.get("filter"), form.get("order"));
    let known = scope.parse::<Scope>().is_ok() && filter.parse::<InboxFilter>().is_ok();
    if !known || order.parse::<InboxOrder>().is_err() {
        return Err(AppError::BadRequest);
    }
    let (now, view) = (state.clock.now(), InboxView::asked(scope, filter, order));
    let typed = Typed { view, name: form.get("name").to_owned(), opens_first: form.get("opens_first") == "on" };
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        if let Some(name) = errors.need("name", "error-view-name", ViewName::parse(&typed.name)) {
            match conversations::save_view(tx, now, &user.0, &name, view, typed.opens_first) {
                Ok(_) => return Ok(None),
                Err(cause) => refuse(&mut errors, cause)?,
            }
        }
        Ok(Some(page(tx, &head, &user.0, typed, errors)?))
    });
    match write.await? {
        Some(page) => unprocessable(&page),
        None => Ok(see_other(&format!("{}&notice=view-saved", view.address()))),
    }
}

/// Says what is wrong with the name, or gives what ends in another page.
fn refuse(errors: &mut FieldErrors, cause: SaveViewError) -> Result<(), AppError> {
    let key = match cause {
        SaveViewError::NameTaken => "error-view-taken",
        SaveViewError::TooMany => "error-view-many",
        SaveViewError::NotFound => return Err(AppError::NotFound),
        SaveViewError::Db(cause) => return Err(cause.into()),
    };
    errors.add("name", key);
    Ok(())
}

fn in_path(req: &HttpRequest) -> Result<SavedViewId, AppError> {
    Ok(SavedViewId(number(req, "view")?))
}

pub async fn show_one(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = in_path(&req)?;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let mut views = conversations::saved_views(conn, &user.0)?.into_iter();
        let saved = views.find(|one| one.id == id).ok_or(AppError::NotFound)?;
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (typed, opens_first, seen) = (saved.name.clone(), saved.opens_first, stored(&saved).seen());
        Ok(ViewPage { shell, saved, typed, opens_first, errors: FieldErrors::default(), seen })
    });
    html(&read.await?)
}

pub async fn submit_one(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (id, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let saved = conversations::hold_saved_view(tx, &user.0, id)?.ok_or(AppError::NotFound)?;
        let (typed, opens_first) = (form.get("name").to_owned(), form.get("opens_first") == "on");
        let mut errors = FieldErrors::default();
        let name = errors.need("name", "error-view-name", ViewName::parse(&typed));
        let newer = stored(&saved).newer(&form);
        if let (Some(name), None) = (&name, &newer) {
            match conversations::change_view(tx, now, &user.0, id, name, opens_first) {
                Ok(()) => return Ok(None),
                Err(cause) => refuse(&mut errors, cause)?,
            }
        }
        let (status, seen) = refusal(&form, &errors, newer);
        let (shell, _) = shell(tx, &head, &user.0)?;
        Ok(Some((status, ViewPage { shell, saved, typed, opens_first, errors, seen })))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/account/views?notice=view-saved")),
    }
}

pub async fn remove(
    state: web::Data<AppState>,
    user: User<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (id, now) = (in_path(&req)?, state.clock.now());
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(conversations::remove_view(tx, now, &user.0, id)?) });
    match write.await? {
        true => Ok(see_other("/account/views?notice=view-removed")),
        false => Err(AppError::NotFound),
    }
}
