//! `/settings/users/{user}`: one user's name, address and role. `/second-factor` removes a lost second factor,
//! `/sessions` ends the sessions, `/provider/removal` ends the link to a person at the identity provider, `/emr/removal`
//! those with persons at EMRs.

use super::new::How;
use super::{Typed, account, broken, in_path, refused};
use crate::access::{Action, Role, rights};
use crate::clinic::guard::{Confirmed, shell};
use crate::conversations;
use crate::db::{Conn, Ts, UserId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::users::{self, Account, LaunchLink, MailKind, MailState, ManageError, ProviderLink, SecondFactor};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/user.html")]
struct UserPage {
    shell: Shell,
    account: Account,
    is_me: bool,
    typed: Typed,
    errors: FieldErrors,
    seen: Seen,
    /// the state of the last invitation by mail, and since when
    invited: Option<(MailState, Ts)>,
    factor: SecondFactor,
    link: Option<ProviderLink>,
    launches: Vec<LaunchLink>,
}

/// What the form edits, as it is stored.
fn stored(account: &Account) -> Stored {
    Stored::default().text("name", "name", account.name.as_str()).text("email", "email", account.email.as_str()).choice(
        "role",
        "role",
        "role",
        account.role.as_str(),
    )
}

fn page(
    conn: &mut Conn,
    head: &Head,
    me: &Confirmed<rights::Users>,
    user: UserId,
    typed: Option<(Typed, FieldErrors, Seen)>,
) -> Result<UserPage, AppError> {
    let (shell, _) = shell(conn, head, me.0.user())?;
    let account = account(conn, user)?;
    let fresh = || (Typed::stored(&account), FieldErrors::default(), stored(&account).seen());
    let (typed, errors, seen) = typed.unwrap_or_else(fresh);
    let invited = users::last_mail(conn, user, MailKind::Invitation)?;
    let (factor, link) = (users::second_factor(conn, user)?, users::provider_link(conn, user)?);
    let (is_me, launches) = (me.0.user().id() == user, users::launch_links(conn, user)?);
    Ok(UserPage { shell, is_me, account, typed, errors, seen, invited, factor, link, launches })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let user = in_path(&req)?;
    html(&state.db.read(move |conn| page(conn, &head, &me, user, None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (user, ways, now) = (in_path(&req)?, state.ways_in(), state.clock.now());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let before = users::hold(tx, &me.0, user).map_err(broken)?;
        let newer = stored(&before).newer(&form);
        let (typed, mut errors) = (Typed::from_form(&form), FieldErrors::default());
        let change = typed.read(&mut errors);
        if let Some(change) = change.filter(|_| newer.is_none()) {
            match users::change(tx, now, &me.0, ways, user, &change) {
                Ok(()) => {
                    // by this change nothing of theirs goes out any more, and only they see it
                    let loses = before.role.may(Action::Send) && !change.role.may(Action::Send);
                    let keeps = loses && conversations::count_waiting(tx, user)? > 0;
                    return Ok(Err(if keeps { "user-saved-scheduled" } else { "user-saved" }));
                }
                Err(cause) => {
                    let (field, why) = refused(cause)?;
                    errors.add(field, why);
                }
            }
        }
        let (status, is_well) = (errors.status(), errors.is_empty());
        let seen = newer.filter(|_| is_well).unwrap_or_else(|| Seen::from_form(&form));
        Ok(Ok((status, page(tx, &head, &me, user, Some((typed, errors, seen)))?)))
    });
    match write.await? {
        Ok((status, page)) => with_status(status, &page),
        Err(notice) => Ok(see_other(&format!("/settings/users/{user}?notice={notice}"))),
    }
}

pub async fn reset_second_factor(
    state: web::Data<AppState>,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| users::reset_second_factor(tx, now, &me.0, user));
    write.await.map_err(broken)?;
    state.wake.notify_one();
    Ok(see_other(&format!("/settings/users/{user}?notice=second-factor-reset")))
}

pub async fn end_sessions(
    state: web::Data<AppState>,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| users::end_sessions_of(tx, now, &me.0, user));
    write.await.map_err(broken)?;
    Ok(see_other(&format!("/settings/users/{user}?notice=user-sessions-ended")))
}

pub async fn unlink(
    state: web::Data<AppState>,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, ways, now) = (in_path(&req)?, state.ways_in(), state.clock.now());
    let write = state.db.write(move |tx| users::unlink_user(tx, now, &me.0, ways, user));
    let notice = match write.await {
        Ok(_) => "provider-unlinked",
        Err(ManageError::LastOwner) => "provider-last-owner",
        Err(cause) => return Err(broken(cause)),
    };
    state.wake.notify_one();
    Ok(see_other(&format!("/settings/users/{user}?notice={notice}")))
}

pub async fn unlink_launches(
    state: web::Data<AppState>,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| users::unlink_launches(tx, now, &me.0, user));
    write.await.map_err(broken)?;
    state.wake.notify_one();
    Ok(see_other(&format!("/settings/users/{user}?notice=provider-unlinked")))
}
