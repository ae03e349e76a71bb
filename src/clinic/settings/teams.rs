//! `/settings/teams`: the clinic's teams: list, add, name and members, archive.

use crate::access::{Action, SignedInUser, rights};
use crate::clinic::guard::{User, number, shell};
use crate::db::{Conn, TeamId, Tx, UserId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::teams::{self, NewTeam, Team, TeamError, TeamLine};
use crate::users::{self, UserRow};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/teams.html")]
struct ListPage {
    shell: Shell,
    active: Vec<TeamLine>,
    archived: Vec<TeamLine>,
}

#[derive(Template)]
#[template(path = "clinic/settings/team.html")]
struct TeamPage {
    shell: Shell,
    /// the team that is edited; `None`: a new one
    team: Option<Team>,
    users: Vec<UserRow>,
    /// the name as it is typed; not `name`, which the form's macro gives to each field
    called: String,
    members: Vec<UserId>,
    errors: FieldErrors,
    seen: Seen,
}

/// What is shown in the form.
struct Typed {
    name: String,
    members: Vec<UserId>,
    errors: FieldErrors,
    seen: Seen,
}

impl Typed {
    fn of(form: &Form, errors: FieldErrors, seen: Seen) -> Typed {
        Typed { name: form.get("name").to_owned(), members: chosen(form), errors, seen }
    }

    fn stored(team: &Team, users: &[UserRow]) -> Typed {
        let seen = stored(team, users).seen();
        Typed { name: team.name.clone(), members: team.members.clone(), errors: FieldErrors::default(), seen }
    }
}

fn chosen(form: &Form) -> Vec<UserId> {
    form.numbers("member").into_iter().map(UserId).collect()
}

/// What the form edits, as it is stored: who belongs to it in the order of the page.
fn stored(team: &Team, users: &[UserRow]) -> Stored {
    let members = users.iter().filter(|user| team.members.contains(&user.id));
    let members: Vec<String> = members.map(|user| user.id.to_string()).collect();
    Stored::default().text("name", "team-name", team.name.as_str()).text("member", "team-members", members.join(" "))
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (active, archived) = teams::list(conn)?.into_iter().partition(|team| team.archived_at.is_none());
        Ok(ListPage { shell, active, archived })
    });
    html(&page.await?)
}

fn page(
    conn: &mut Conn,
    head: &Head,
    me: &SignedInUser<rights::Settings>,
    team: Option<Team>,
    typed: Option<Typed>,
) -> Result<TeamPage, AppError> {
    let (shell, _) = shell(conn, head, me)?;
    let users = users::active(conn)?;
    let Typed { name, members, errors, mut seen } = match (typed, &team) {
        (Some(typed), _) => typed,
        (None, Some(team)) => Typed::stored(team, &users),
        (None, None) => Typed::of(&Form::default(), FieldErrors::default(), Seen::default()),
    };
    // who belongs to it is shown by name
    let names = |ids: &str| -> String {
        let is_there = |user: &&UserRow| ids.split(' ').any(|id| id == user.id.to_string());
        users.iter().filter(is_there).map(|user| user.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    for one in seen.newer.iter_mut().filter(|one| one.label == "team-members") {
        (one.stored, one.typed) = (names(&one.stored), names(&one.typed));
    }
    Ok(TeamPage { shell, team, users, called: name, members, errors, seen })
}

pub async fn new(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    html(&state.db.read(move |conn| page(conn, &head, &user.0, None, None)).await?)
}

pub async fn edit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = TeamId(number(&req, "team")?);
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let team = teams::team(conn, id)?.ok_or(AppError::NotFound)?;
        page(conn, &head, &user.0, Some(team), None)
    });
    html(&read.await?)
}

pub async fn add(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        match teams::add(tx, head.now, &user.0, &read(&form)) {
            Ok(_) => return Ok(None),
            Err(cause) => refused(cause, &mut errors)?,
        }
        let status = errors.status();
        let typed = Typed::of(&form, errors, Seen::default());
        Ok(Some((status, page(tx, &head, &user.0, None, Some(typed))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/teams?notice=team-saved")),
    }
}

pub async fn change(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let id = TeamId(number(&req, "team")?);
    let write = state.db.write(move |tx| save(tx, &head, &user.0, id, &form));
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => {
            // what the team takes part in follows
            state.wake.notify_one();
            Ok(see_other("/settings/teams?notice=team-saved"))
        }
    }
}

/// Saves the form; where that is refused, gives the page that says why.
fn save(
    tx: &mut Tx,
    head: &Head,
    me: &SignedInUser<rights::Settings>,
    id: TeamId,
    form: &Form,
) -> Result<Option<(StatusCode, TeamPage)>, AppError> {
    let mut errors = FieldErrors::default();
    let before = teams::hold(tx, me, id).map_err(broken)?;
    let users = users::active(tx)?;
    let newer = stored(&before, &users).newer(form);
    if newer.is_none() {
        match teams::change(tx, head.now, me, id, &read(form)) {
            Ok(_) => return Ok(None),
            Err(cause) => refused(cause, &mut errors)?,
        }
    }
    let status = if newer.is_some() { StatusCode::CONFLICT } else { errors.status() };
    let seen = newer.unwrap_or_else(|| Seen::from_form(form));
    Ok(Some((status, page(tx, head, me, Some(before), Some(Typed::of(form, errors, seen)))?)))
}

/// Archives a team, or with `archived=off` brings it back.
pub async fn archive(
    state: web::Data<AppState>,
    user: User<rights::Settings>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (id, now, archived) = (TeamId(number(&req, "team")?), state.clock.now(), form.get("archived") != "off");
    let write = state.db.write(move |tx| teams::set_archived(tx, now, &user.0, id, archived));
    write.await.map_err(broken)?;
    Ok(see_other(match archived {
        true => "/settings/teams?notice=team-archived",
        false => "/settings/teams?notice=team-restored",
    }))
}

fn read(form: &Form) -> NewTeam {
    NewTeam { name: form.get("name").to_owned(), members: chosen(form) }
}

/// Notes what is wrong with a field; an error where correcting the form does not help.
fn refused(cause: TeamError, errors: &mut FieldErrors) -> Result<(), AppError> {
    match cause {
        TeamError::Name => errors.add("name", "error-team-name"),
        TeamError::NameTaken => errors.add("name", "error-team-taken"),
        TeamError::TooMany => errors.add("name", "error-team-many"),
        TeamError::Members => errors.add("member", "error-team-members"),
        cause => return Err(broken(cause)),
    }
    Ok(())
}

/// The error where correcting the form does not help.
fn broken(cause: TeamError) -> AppError {
    match cause {
        TeamError::NotAllowed => AppError::Forbidden,
        TeamError::Db(cause) => cause.into(),
        _ => AppError::NotFound,
    }
}

impl TeamPage {
    /// Whether this user is chosen.
    fn is_chosen(&self, user: &UserRow) -> bool {
        self.members.contains(&user.id)
    }
}
