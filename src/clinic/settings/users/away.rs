//! `/settings/users/{user}/away`: when a user is away, and who covers, set by somebody who may manage users.

use super::{account, broken, in_path};
use crate::access::rights;
use crate::clinic::account::away::{Whose, cannot_cover, page, read, refusal};
use crate::clinic::guard::Confirmed;
use crate::db::{Conn, UserId};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::{Form, Head, html, see_other};
use crate::settings;
use crate::state::AppState;
use crate::users::{self, AwayError};
use actix_web::{HttpRequest, HttpResponse, web};

fn whose(conn: &mut Conn, user: UserId) -> Result<Whose, AppError> {
    Ok(Whose { user, name: Some(account(conn, user)?.name.to_string()) })
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let user = in_path(&req)?;
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let whose = whose(conn, user)?;
        page(conn, &head, (me.0.user(), &whose), None)
    });
    html(&read.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    me: Confirmed<rights::Users>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (user, now) = (in_path(&req)?, state.clock.now());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let today = settings::hold(tx)?.zone().local(now).date();
        let whose = whose(tx, user)?;
        let (errors, newer) = match read(tx, today, user, &form)? {
            Ok(absence) => match users::set_absence_of(tx, now, &me.0, user, absence) {
                Ok(()) => return Ok(None),
                Err(AwayError::Manage(cause)) => return Err(broken(cause)),
                Err(AwayError::CannotCover) => (cannot_cover(), None),
            },
            Err(refused) => refused,
        };
        let (status, seen) = refusal(&form, &errors, newer);
        Ok(Some((status, page(tx, &head, (me.0.user(), &whose), Some((&form, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other(&format!("/settings/users/{user}/away?notice=settings-saved"))),
    }
}
