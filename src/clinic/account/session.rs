//! `POST /account/session`: keeps a session that is about to end.

use crate::access::rights;
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::User;
use crate::error::AppError;
use crate::http::{Head, see_other};
use crate::state::AppState;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

/// The request itself moves the session's end forward: see `access::session`. This leaves an audit row, and gives the
/// seconds that are left. Without scripts the answer opens in a new window, so that what is typed on the page stays.
pub async fn stay(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let id = user.0.id();
    state.record(Entry::of_clinic(Actor::User(id), Event::SessionKept, Subject::User(id))).await?;
    let expires_in = head.holder.as_ref().map_or(0, |holder| holder.lasts().left);
    let is_script = req.headers().get(header::ACCEPT).is_some_and(|accept| accept == "application/json");
    match is_script {
        true => Ok(HttpResponse::Ok().json(serde_json::json!({ "expires_in": expires_in }))),
        false => Ok(see_other("/inbox?notice=session-kept")),
    }
}
