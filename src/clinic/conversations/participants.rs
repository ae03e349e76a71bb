//! `POST /conversations/{id}/participants`: adds users and teams; `/participants/removal`: one leaves, or is removed.

use super::assignment;
use crate::access::rights;
use crate::clinic::guard::Conversation;
use crate::conversations::{self, Assignment, Fields, LeaveError};
use crate::db::{TeamId, UserId};
use crate::error::AppError;
use crate::http::seen::FIELD;
use crate::http::{Form, see_other};
use crate::settings;
use crate::state::AppState;
use actix_web::{HttpResponse, web};

pub async fn add(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let users: Vec<UserId> = form.numbers("to").into_iter().map(UserId).collect();
    let teams = Fields(form.pairs()).teams();
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::change_participants(tx, now, &conversation.0, (&users, &teams))?)
    });
    write.await?;
    Ok(see_other(&format!("/conversations/{id}?notice=participants-added")))
}

pub async fn remove(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let team = form.numbers("team").first().copied().map(TeamId);
    let user = form.numbers("user").first().copied().map(UserId);
    if team.is_none() && user.is_none() {
        return Err(AppError::BadRequest);
    }
    let me = conversation.0.user().id();
    let (now, id, is_me) = (state.clock.now(), conversation.0.conversation(), team.is_none() && user == Some(me));
    let write = state.db.write(move |tx| -> Result<(), LeaveError> {
        let zone = settings::load(tx)?.zone();
        // a form that does not say what it saw knows of no assignment
        let is_as_shown = |held: Option<&Assignment>| form.get(FIELD) == assignment::stored(held, zone).seen().version;
        match (team, user) {
            (Some(team), _) => conversations::remove_team(tx, now, &conversation.0, team, is_as_shown),
            (None, user) => conversations::leave(tx, now, &conversation.0, user.unwrap_or(me), is_as_shown),
        }
    });
    Ok(see_other(&match write.await {
        Ok(()) if is_me => format!("/conversations/{id}?notice=participant-left"),
        Ok(()) => format!("/conversations/{id}?notice=participant-removed"),
        Err(LeaveError::LastOne) => format!("/conversations/{id}?notice=participant-last"),
        Err(LeaveError::ByTeam) => format!("/conversations/{id}?notice=participant-team"),
        Err(LeaveError::Closed) => format!("/conversations/{id}?notice=participant-closed"),
        Err(LeaveError::Changed) => format!("/conversations/{id}?notice=participant-changed"),
        Err(LeaveError::Db(cause)) => return Err(cause.into()),
    }))
}
