//! `/settings/users/new`: inviting somebody; `POST /settings/users/{user}/password-links`: another link for a user.

use super::{Typed, account, broken, in_path, refused};
use crate::access::{Role, rights};
use crate::clinic::guard::{Confirmed, shell};
use crate::clock::Token;
use crate::db::{Conn, Ts, Tx, UserId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::text::Lang;
use crate::text_enum;
use crate::users::{self, Account, AddUser, Purpose};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

text_enum! {
    /// How a link gets to the user.
    pub(super) enum How {
        /// by mail
        Mail = "mail",
        /// it is shown once, to be copied
        Shown = "shown",
    }
}

#[derive(Template)]
#[template(path = "clinic/settings/user_new.html")]
struct NewUserPage {
    shell: Shell,
    typed: Typed,
    language: String,
    how: String,
    errors: FieldErrors,
}

/// A link, shown once.
#[derive(Template)]
#[template(path = "clinic/settings/user_link.html")]
struct LinkPage {
    shell: Shell,
    account: Account,
    link: String,
    until: Ts,
}

/// The result of asking for a link.
enum Made {
    Mailed(UserId),
    Shown(Box<LinkPage>),
}

fn make(
    tx: &mut Tx,
    (head, origin): (&Head, &str),
    me: &Confirmed<rights::Users>,
    user: UserId,
    (how, token): (How, &Token),
) -> Result<Made, AppError> {
    match how {
        How::Mail => {
            users::invite(tx, head.now, &me.0, user).map_err(broken)?;
            Ok(Made::Mailed(user))
        }
        How::Shown => {
            let until = users::link_to_show(tx, head.now, &me.0, user, (Purpose::Invitation, token)).map_err(broken)?;
            let (shell, _) = shell(tx, head, me.0.user())?;
            let link = format!("{origin}/password/{}", token.reveal());
            Ok(Made::Shown(Box::new(LinkPage { shell, account: account(tx, user)?, link, until })))
        }
    }
}

fn answer(state: &AppState, made: &Made, notice: &str) -> Result<HttpResponse, AppError> {
    match made {
        Made::Mailed(user) => {
            state.wake.notify_one();
            Ok(see_other(&format!("/settings/users/{user}?notice={notice}")))
        }
        // the link is in the answer to this one request: no address shows it again
        Made::Shown(page) => html(&**page),
    }
}

fn page(
    conn: &mut Conn,
    head: &Head,
    me: &Confirmed<rights::Users>,
    form: &Form,
    errors: FieldErrors,
) -> Result<NewUserPage, AppError> {
    let (shell, settings) = shell(conn, head, me.0.user())?;
    let or = |field, default: &str| if form.has(field) { form.get(field) } else { default }.to_owned();
    let (language, how) = (or("language", &settings.language), or("how", How::Mail.as_str()));
    Ok(NewUserPage { shell, typed: Typed::from_form(form), language, how, errors })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| page(conn, &head, &me, &Form::default(), FieldErrors::default()));
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (token, origin) = (state.random.token(), state.config.origin());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        let who = Typed::from_form(&form).read(&mut errors);
        let language = errors.need("language", "error-language", Lang::find(form.get("language")));
        let how = form.get("how").parse().unwrap_or(How::Mail);
        if let (Some(who), Some(lang)) = (who, language) {
            let language = lang.code().to_owned();
            let new = AddUser { email: who.email, name: who.name, role: who.role, language, password_hash: None };
            match users::add(tx, head.now, &me.0, new) {
                Ok(user) => return Ok(Ok(make(tx, (&head, &origin), &me, user, (how, &token))?)),
                Err(cause) => {
                    let (field, why) = refused(cause)?;
                    errors.add(field, why);
                }
            }
        }
        Ok(Err(page(tx, &head, &me, &form, errors)?))
    });
    match write.await? {
        Ok(made) => answer(&state, &made, "user-invited"),
        Err(page) => unprocessable(&page),
    }
}

pub async fn another_link(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (user, how) = (in_path(&req)?, form.get("how").parse().unwrap_or(How::Mail));
    let (token, origin) = (state.random.token(), state.config.origin());
    let write = state.db.write(move |tx| make(tx, (&head, &origin), &me, user, (how, &token)));
    answer(&state, &write.await?, "link-sent")
}
