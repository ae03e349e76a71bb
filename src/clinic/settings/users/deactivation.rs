//! `/settings/users/{user}/deactivation`: deactivates a user and hands their work over; `/reactivation` lets them sign
//! in again.

use super::{account, broken, in_path};
use crate::access::rights;
use crate::administration::{self, Heir, LeaveError, OpenWork};
use crate::clinic::guard::{Confirmed, shell};
use crate::db::{Conn, TeamId, UserId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::teams;
use crate::users::{self, Account, ManageError, WaysIn};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/user_deactivation.html")]
struct DeactivationPage {
    shell: Shell,
    account: Account,
    /// whether no other user who can sign in may manage users
    is_last: bool,
    work: OpenWork,
    /// the users who may take over the work
    others: Vec<Account>,
    /// the teams that may take over the conversations
    teams: Vec<(TeamId, String)>,
    to: String,
    team: String,
    errors: FieldErrors,
}

fn page(
    conn: &mut Conn,
    head: &Head,
    me: &Confirmed<rights::Users>,
    (user, ways): (UserId, WaysIn),
    (to, team, errors): (&str, &str, FieldErrors),
) -> Result<DeactivationPage, AppError> {
    let (shell, _) = shell(conn, head, me.0.user())?;
    let account = account(conn, user)?;
    Ok(DeactivationPage {
        shell,
        is_last: users::is_last_owner(conn, ways, &account)?,
        account,
        work: administration::open_work(conn, head.now, user)?,
        others: administration::may_take_over(conn, ways, user)?,
        teams: teams::offered(conn)?,
        to: to.to_owned(),
        team: team.to_owned(),
        errors,
    })
}

pub async fn ask(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, ways) = (in_path(&req)?, state.ways_in());
    html(&state.db.read(move |conn| page(conn, &head, &me, (user, ways), ("", "", FieldErrors::default()))).await?)
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
        let (typed, team, mut errors) = (form.get("to"), form.get("team"), FieldErrors::default());
        // a value that is no number is no user's id
        let to = (!typed.is_empty()).then(|| UserId(typed.parse().unwrap_or_default()));
        let of_team = (!team.is_empty()).then(|| TeamId(team.parse().unwrap_or_default()));
        let to = to.map(|user| Heir { user, team: of_team });
        match administration::deactivate_user(tx, now, &me.0, ways, user, to) {
            Ok(_) => return Ok(None),
            Err(LeaveError::NobodyTakesOver) => errors.add("to", "error-takes-over"),
            Err(LeaveError::TeamCannot) => errors.add("team", "error-cannot-take-team"),
            Err(LeaveError::CannotSendMany) => errors.add("to", "error-cannot-take-many"),
            Err(LeaveError::CannotTakeOver) => errors.add("to", "error-cannot-take-over"),
            // the page itself says that this is the last owner
            Err(LeaveError::Manage(ManageError::LastOwner)) => {}
            Err(LeaveError::Manage(cause)) => return Err(broken(cause)),
        }
        let status = if errors.is_empty() { StatusCode::CONFLICT } else { errors.status() };
        Ok(Some((status, page(tx, &head, &me, (user, ways), (typed, team, errors))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => {
            // what the teams that they leave take part in follows
            state.wake.notify_one();
            Ok(see_other("/settings/users?notice=user-deactivated"))
        }
    }
}

pub async fn reactivate(
    state: web::Data<AppState>,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (user, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| users::reactivate(tx, now, &me.0, user));
    write.await.map_err(broken)?;
    Ok(see_other(&format!("/settings/users/{user}?notice=user-reactivated")))
}
