//! `/conversations/{id}/assignment`: who sees to a conversation, and until when.

use crate::access::{Action, ConversationAccess, rights};
use crate::clinic::composing::later;
use crate::clinic::guard::{Conversation, shell};
use crate::conversations::{self, AssignError, Assignment};
use crate::db::{Conn, TeamId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings;
use crate::state::AppState;
use crate::teams;
use crate::text::Zone;
use crate::threads::{Assigned, Assignee};
use crate::users::{self, UserRow};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use diesel::QueryResult;

#[derive(Template)]
#[template(path = "clinic/conversations/assignment.html")]
struct AssignmentPage {
    shell: Shell,
    id: i64,
    title: String,
    /// who may see to it: active, and may write to patients
    users: Vec<UserRow>,
    /// the teams that may
    teams: Vec<(TeamId, String)>,
    typed: Typed,
    zone: String,
    errors: FieldErrors,
    seen: Seen,
}

/// The fields, as typed or as stored.
pub(super) struct Typed {
    pub(super) user: String,
    pub(super) date: String,
    pub(super) time: String,
}

impl Typed {
    pub(super) fn of(form: &Form) -> Typed {
        let typed = |name| form.get(name).to_owned();
        Typed { user: typed("user"), date: typed("due_date"), time: typed("due_time") }
    }

    fn stored(held: Option<&Assignment>, zone: Zone) -> Typed {
        let (date, time) = held.and_then(|held| held.due).map(|due| later::fields_of(zone, due)).unwrap_or_default();
        Typed { user: held.map(|held| held.to.to_string()).unwrap_or_default(), date, time }
    }
}

/// What the form edits, as it is stored.
pub fn stored(held: Option<&Assignment>, zone: Zone) -> Stored {
    let typed = Typed::stored(held, zone);
    let stored = Stored::default().text("user", "assigned-to", typed.user);
    stored.text("due_date", "later-date", typed.date).text("due_time", "later-time", typed.time)
}

fn page(
    conn: &mut Conn,
    head: &Head,
    access: &ConversationAccess<rights::Send>,
    typed: Option<(Typed, FieldErrors, Seen)>,
) -> Result<AssignmentPage, AppError> {
    let (shell, settings) = shell(conn, head, access.user())?;
    let held = conversations::assignment(conn, access)?;
    let zone = settings.zone();
    let fresh = || (Typed::stored(held.as_ref(), zone), FieldErrors::default(), stored(held.as_ref(), zone).seen());
    let (typed, errors, mut seen) = typed.unwrap_or_else(fresh);
    let users = able(conn)?;
    let teams = teams::offered(conn)?;
    // what was chosen is shown by name
    for one in seen.newer.iter_mut().filter(|one| one.label == "assigned-to") {
        let stored = held.as_ref().map(|held| held.name.clone());
        let user = users.iter().find(|user| user.id.to_string() == one.typed).map(|user| user.name.clone());
        let team = teams.iter().find(|(id, _)| Assignee::Team(*id).to_string() == one.typed);
        let typed = user.or_else(|| team.map(|(_, name)| name.clone()));
        (one.stored, one.typed) = (stored.unwrap_or_default(), typed.unwrap_or_default());
    }
    Ok(AssignmentPage {
        shell,
        id: access.conversation().0,
        title: conversations::title(conn, access)?,
        users,
        teams,
        typed,
        zone: settings.time_zone,
        errors,
        seen,
    })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    html(&state.db.read(move |conn| page(conn, &head, &conversation.0, None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let (access, mut errors) = (conversation.0, FieldErrors::default());
        let zone = settings::load(tx)?.zone();
        let to = read(&form, zone, &mut errors);
        let mut newer = None;
        if errors.is_empty() {
            let is_as_shown = |held: Option<&Assignment>| {
                newer = stored(held, zone).newer(&form);
                newer.is_none()
            };
            match conversations::assign(tx, now, &access, to, false, is_as_shown) {
                Ok(()) => return Ok(Ok(if to.is_some() { "assigned" } else { "unassigned" })),
                Err(AssignError::Changed) => {}
                Err(cause) => answer_of(cause, &mut errors)?,
            }
        }
        let status = if newer.is_some() { StatusCode::CONFLICT } else { errors.status() };
        let seen = newer.unwrap_or_else(|| Seen::from_form(&form));
        Ok(Err((status, page(tx, &head, &access, Some((Typed::of(&form), errors, seen)))?)))
    });
    match write.await? {
        Ok("assigned") => Ok(see_other(&format!("/conversations/{id}?notice=assigned"))),
        Ok(_) => Ok(see_other(&format!("/conversations/{id}?notice=unassigned"))),
        Err((status, page)) => with_status(status, &page),
    }
}

/// The users to whom something can be assigned.
pub(super) fn able(conn: &mut Conn) -> QueryResult<Vec<UserRow>> {
    Ok(users::active(conn)?.into_iter().filter(|user| user.role.may(Action::Send)).collect())
}

/// Notes with the field that is wrong why nothing was assigned.
pub(super) fn answer_of(cause: AssignError, errors: &mut FieldErrors) -> Result<(), AppError> {
    match cause {
        AssignError::Closed | AssignError::Changed => errors.add("user", "error-assign-closed"),
        AssignError::CannotBeAssigned => errors.add("user", "error-assign-user"),
        AssignError::Past => errors.add("due_date", "error-later-past"),
        AssignError::TooFar => errors.add("due_date", "error-later-far"),
        AssignError::Db(cause) => return Err(cause.into()),
    }
    Ok(())
}

/// Whom it is assigned to; `None`: nobody. What is wrong is noted in `errors`.
pub(super) fn read(form: &Form, zone: Zone, errors: &mut FieldErrors) -> Option<Assigned> {
    if form.get("user").is_empty() {
        return None;
    }
    let to = errors.need("user", "error-assign-user", form.get("user").parse::<Assignee>().ok());
    let is_open = form.get("due_date").trim().is_empty() && form.get("due_time").trim().is_empty();
    let due = match is_open {
        true => None,
        false => later::moment(form, ("due_date", "due_time"), zone, errors),
    };
    Some(Assigned { to: to?, due })
}
