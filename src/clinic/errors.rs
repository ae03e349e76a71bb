//! Error pages of a signed-in user: in the frame of every other page, with its menu and ways on. Where nobody is signed
//! in, or the fault lies before the session, [`crate::http::errors`] shows a plain page.

use crate::access::{SignedInUser, rights};
use crate::clinic::guard::{shell, shell_of_nothing};
use crate::error::AppError;
use crate::http::errors::{needs_page, with_page, word};
use crate::http::page::own_path;
use crate::http::{Head, Shell, requests};
use crate::state::AppState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use askama::Template;

#[derive(Template)]
#[template(path = "errors/in_frame.html")]
struct ErrorInFrame {
    shell: Shell,
    code: u16,
    heading: &'static str,
    advice: &'static str,
    /// what was asked for, where asking again may help
    again: Option<String>,
    /// what was asked for is one of the patients' pages
    of_patients: bool,
    /// what somebody who asks for help can name, where the fault is ours
    request: Option<String>,
}

/// Gives an error of this door its page, where a user is signed in.
///
/// # Errors
/// Those of the page.
pub async fn in_frame(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let res = next.call(req).await?.map_into_boxed_body();
    if !needs_page(&res) {
        return Ok(res);
    }
    let head = Head::from_request(res.request());
    let Some(user) = head.holder.as_ref().and_then(SignedInUser::<rights::Read>::from_holder).flatten() else {
        return Ok(res);
    };
    let (status, word) = (res.status(), word(res.response()));
    let shell = framed(res.request(), status, &head, user).await;
    match page(res.request(), shell, status, word).render() {
        Ok(body) => Ok(with_page(res, body)),
        Err(_) => Ok(res),
    }
}

/// Where the fault is not ours, the frame is read as for any page. Where it is, the database may be what failed: then
/// nothing is asked of it, so that the page comes at once.
async fn framed(req: &HttpRequest, status: StatusCode, head: &Head, user: SignedInUser<rights::Read>) -> Shell {
    let state = req.app_data::<web::Data<AppState>>().filter(|_| status.is_client_error());
    let read = match state {
        Some(state) => {
            let (head, user) = (head.clone(), user.clone());
            let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(shell(conn, &head, &user)?.0) });
            read.await.ok()
        }
        None => None,
    };
    read.unwrap_or_else(|| shell_of_nothing(head, &user))
}

fn page(req: &HttpRequest, mut shell: Shell, status: StatusCode, word: &'static str) -> ErrorInFrame {
    let is_get = *req.method() == Method::GET;
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 429);
    let asked = req.uri().path_and_query().map(ToString::to_string);
    // a form from another site does not come this far
    let word = if word == "403" { "role" } else { word };
    // the notice is shown by the page to which the user goes from here
    shell.notice = "";
    if !is_get {
        // only pages are asked for again, in another language too
        shell.path.clear();
    }
    ErrorInFrame {
        code: status.as_u16(),
        heading: shell.t_of("error-heading", word),
        advice: shell.t_of("error-advice", word),
        again: asked.filter(|asked| is_get && may_pass && own_path(asked).is_some()),
        of_patients: req.path().starts_with("/patients"),
        request: requests::id_of(req).filter(|_| status.is_server_error()),
        shell,
    }
}
