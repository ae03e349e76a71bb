//! What the forms of the settings have in common: a form that is wrong, or that would overwrite a newer change, comes
//! back with what was typed; else it is saved.

use crate::access::SignedInUser;
use crate::access::rights;
use crate::administration::{self, Part};
use crate::clinic::guard::{Confirmed, User};
use crate::db::{Conn, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, html, see_other};
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpResponse, web};
use askama::Template;

/// A request by a user who may see and change the settings.
pub trait By: FromRequest<Error = AppError> + 'static {
    /// The user who asks.
    fn user(self) -> SignedInUser<rights::Settings>;
}

impl By for User<rights::Settings> {
    fn user(self) -> SignedInUser<rights::Settings> {
        self.0
    }
}

impl By for Confirmed<rights::Settings> {
    fn user(self) -> SignedInUser<rights::Settings> {
        self.0.user().clone()
    }
}

/// A page of the settings with one form.
pub trait SettingsForm: Template + Sized + Send + 'static {
    /// Whether any user with the right may use the form, or only one who proved once more who they are.
    type By: By;
    /// The part of the settings that the form saves.
    const PART: Part;
    /// The address of the page.
    const PATH: &'static str;

    /// What the form edits, as it is stored.
    fn stored(settings: &Settings) -> Stored;

    /// Puts what was typed into the settings, and gives what is wrong. A wrong field may hold its old or its new value.
    fn read(form: &Form, settings: &mut Settings, now: Ts) -> FieldErrors;

    /// The page as stored, or as typed.
    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<Self, AppError>;
}

/// A request for a page, with what the page is made from.
pub struct Asked {
    pub state: web::Data<AppState>,
    pub head: Head,
    pub user: User<rights::Settings>,
}

/// A form that was not saved.
pub struct Typed {
    pub form: Form,
    pub settings: Settings,
    pub errors: FieldErrors,
    pub seen: Seen,
}

impl Typed {
    /// What a field held.
    pub fn text(&self, field: &str) -> String {
        self.form.get(field).to_owned()
    }
}

pub async fn show<P: SettingsForm>(
    state: web::Data<AppState>,
    head: Head,
    by: P::By,
) -> Result<HttpResponse, AppError> {
    let asked = Asked { state: state.clone(), head, user: User(by.user()) };
    html(&state.db.read(move |conn| P::page(conn, &asked, None)).await?)
}

pub async fn submit<P: SettingsForm>(
    state: web::Data<AppState>,
    head: Head,
    by: P::By,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let user = User(by.user());
    let (now, asked) = (state.clock.now(), Asked { state: state.clone(), head, user });
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut settings = settings::hold(tx)?;
        let newer = P::stored(&settings).newer(&form);
        let errors = P::read(&form, &mut settings, now);
        let (status, seen) = match newer {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                administration::save_settings(tx, now, &asked.user.0, P::PART, &settings)?;
                return Ok(None);
            }
        };
        let page = P::page(tx, &asked, Some(Typed { form, settings, errors, seen }))?;
        Ok(Some((status, page)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other(&format!("{}?notice=settings-saved", P::PATH))),
    }
}
