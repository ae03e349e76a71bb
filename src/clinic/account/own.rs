//! `/account`: a user's own address, password, sessions, language and notifications.

use crate::access::session::{CONFIRMED, DEVICE, HOLDER, Holder, MARK, OpenSession};
use crate::access::{Device, OwnAccount, rights, session as sessions};
use crate::clinic::guard::{User, shell};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, limits, see_other, unprocessable};
use crate::state::AppState;
use crate::users::{self, Ended, OwnAccountError, ProviderLink, SHORTEST_PASSWORD, SecondFactor, TypedPassword};
use crate::values::EmailAddress;
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/own.html")]
struct AccountPage {
    shell: Shell,
    email: String,
    typed: String,
    errors: FieldErrors,
    shortest: usize,
    open: Vec<OpenSession>,
    mark: String,
    factor: SecondFactor,
    /// whether there is a password to change
    has_password: bool,
    /// the user's link to a person at the provider
    link: Option<ProviderLink>,
    /// the provider's name
    provider: Option<String>,
    /// users sign in at the provider only
    only_provider: bool,
    /// the user tried to end the link, and could not sign in without it
    link_is_needed: bool,
}

/// What the page needs of the provider: its name, and whether users sign in only there.
struct AtProvider {
    name: Option<String>,
    only: bool,
}

impl AtProvider {
    fn of(state: &AppState) -> AtProvider {
        let name = state.provider.as_ref().map(|provider| provider.name().to_owned());
        AtProvider { name, only: state.only_provider() }
    }
}

/// The mark of the present session; see `access::session::OpenSession`.
pub fn mark(session: &Session) -> String {
    session.get(MARK).ok().flatten().unwrap_or_default()
}

fn page(
    conn: &mut Conn,
    head: &Head,
    (me, at): (&User<rights::Read>, AtProvider),
    mark: String,
    refused: Option<(String, FieldErrors)>,
) -> Result<AccountPage, AppError> {
    let (shell, _) = shell(conn, head, &me.0)?;
    let email = users::email_of(conn, me.0.id())?.to_string();
    let open = sessions::of_user(conn, head.now, me.0.id())?;
    let factor = users::second_factor(conn, me.0.id())?;
    let (typed, errors) = refused.unwrap_or_else(|| (email.clone(), FieldErrors::default()));
    let account = users::account(conn, me.0.id())?.ok_or(AppError::NotFound)?;
    Ok(AccountPage {
        shell,
        email,
        typed,
        errors,
        shortest: SHORTEST_PASSWORD,
        open,
        mark,
        factor,
        has_password: account.has_password,
        link: users::provider_link(conn, me.0.id())?,
        provider: at.name,
        only_provider: at.only,
        link_is_needed: false,
    })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: User<rights::Read>,
    session: Session,
) -> Result<HttpResponse, AppError> {
    let mark = mark(&session);
    let at = AtProvider::of(&state);
    html(&state.db.read(move |conn| page(conn, &head, (&me, at), mark, None)).await?)
}

/// The page again, which says that the user could not sign in without the link.
pub(super) async fn link_needed(
    state: &AppState,
    head: Head,
    own: &OwnAccount,
    session: &Session,
) -> Result<HttpResponse, AppError> {
    let (mark, at) = (mark(session), AtProvider::of(state));
    let me = User(own.user().ok_or(AppError::Forbidden)?.clone());
    let page = state.db.read(move |conn| page(conn, &head, (&me, at), mark, None)).await?;
    with_status(StatusCode::CONFLICT, &AccountPage { link_is_needed: true, ..page })
}

/// The page again, with the address that was typed, and what is wrong.
async fn refused(
    state: &AppState,
    (head, me, session): (Head, User<rights::Read>, &Session),
    typed: Option<String>,
    errors: FieldErrors,
) -> Result<HttpResponse, AppError> {
    let (mark, at) = (mark(session), AtProvider::of(state));
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let typed = typed.map_or_else(|| Ok(users::email_of(conn, me.0.id())?.to_string()), Ok::<_, AppError>)?;
        page(conn, &head, (&me, at), mark, Some((typed, errors)))
    });
    unprocessable(&read.await?)
}

/// Reads the signed-in user's password from a field; counts it as a try of [`limits`].
async fn typed_password(
    state: &AppState,
    head: &Head,
    me: &User<rights::Read>,
    form: &Form,
    field: &str,
) -> Result<TypedPassword, AppError> {
    let id = me.0.id();
    let email = state.db.read(move |conn| -> Result<_, AppError> { Ok(users::email_of(conn, id)?) }).await?;
    state.limits.sign_in(head.from, email.as_str())?;
    Ok(TypedPassword { password: form.get(field).to_owned(), from: limits::caller(head.from) })
}

/// The field that is refused, and why; an error where correcting the form does not help.
fn why(cause: OwnAccountError, password: &'static str) -> Result<(&'static str, &'static str), AppError> {
    match cause {
        OwnAccountError::WrongPassword => Ok((password, "error-password-wrong")),
        OwnAccountError::Weak(weak) => Ok(("new", super::password::weak(weak))),
        OwnAccountError::EmailTaken => Ok(("email", "error-email-taken")),
        OwnAccountError::Db(cause) => Err(cause.into()),
        OwnAccountError::Hash(cause) => Err(AppError::Internal(cause)),
    }
}

pub async fn change_email(
    state: web::Data<AppState>,
    head: Head,
    me: User<rights::Read>,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    if let Some(email) = errors.need("email", "error-email", EmailAddress::parse(form.get("email"))) {
        let typed = typed_password(&state, &head, &me, &form, "password").await?;
        match users::change_email(&state.db, head.now, &me.0, typed, email).await {
            Ok(()) => {
                state.wake.notify_one();
                return Ok(see_other("/account?notice=email-changed"));
            }
            Err(cause) => {
                let (field, why) = why(cause, "password")?;
                errors.add(field, why);
            }
        }
    }
    refused(&state, (head, me, &session), Some(form.get("email").to_owned()), errors).await
}

pub async fn change_password(
    state: web::Data<AppState>,
    head: Head,
    me: User<rights::Read>,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    if state.only_provider() {
        // the page says that there is no password to change
        let (mark, at) = (mark(&session), AtProvider::of(&state));
        let page = state.db.read(move |conn| page(conn, &head, (&me, at), mark, None)).await?;
        return with_status(StatusCode::FORBIDDEN, &page);
    }
    if form.get("new") != form.get("again") {
        errors.add("again", "error-password-differs");
        return refused(&state, (head, me, &session), None, errors).await;
    }
    let typed = typed_password(&state, &head, &me, &form, "current").await?;
    match users::change_password(&state.db, head.now, &me.0, typed, form.get("new").to_owned()).await {
        Ok(()) => {}
        Err(cause) => {
            let (field, why) = why(cause, "current")?;
            errors.add(field, why);
            return refused(&state, (head, me, &session), None, errors).await;
        }
    }
    state.wake.notify_one();
    // every session has ended with the old password; this browser, where it was typed, gets a new one
    let device: String = session.get(DEVICE).ok().flatten().unwrap_or_else(|| Device::from_user_agent("").to_stored());
    let holder = head.holder.ok_or(AppError::Forbidden)?;
    begin(&state, &session, holder, &device)?;
    Ok(see_other("/account?notice=password-changed"))
}

/// Begins a session with a new token, so that a token which somebody planted before opens nothing.
pub(super) fn begin(state: &AppState, session: &Session, holder: Holder, device: &str) -> Result<(), AppError> {
    session.renew();
    let keep = |key: &str, value: &str| session.insert(key, value);
    let mark = state.random.token();
    keep(DEVICE, device)
        .and_then(|()| keep(MARK, mark.reveal()))
        .and_then(|()| session.insert(CONFIRMED, state.clock.now().micros()))
        .and_then(|()| session.insert(HOLDER, holder))
        .map_err(|e| AppError::Internal(e.to_string()))
}

pub async fn end_sessions(
    state: web::Data<AppState>,
    head: Head,
    me: User<rights::Read>,
    session: Session,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let which = match form.get("session") {
        "others" => Ended::AllBut(mark(&session)),
        one => Ended::One(one.to_owned()),
    };
    let now = head.now;
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::end_sessions(tx, now, &me.0, &which)?) });
    write.await?;
    Ok(see_other("/account?notice=sessions-ended"))
}
