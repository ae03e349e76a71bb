//! `/account/away`: when the user is away, and who covers; `/settings/users/{user}/away` says the same of another user.

use crate::access::{Right, SignedInUser, rights};
use crate::clinic::guard::{User, shell};
use crate::db::{Conn, UserId};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings::{self, day_text, parse_day};
use crate::state::AppState;
use crate::users::{self, Absence, Account, AwayError, ManageError};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use time::{Date, Duration};

#[derive(Template)]
#[template(path = "clinic/account/away.html")]
pub struct AwayPage {
    shell: Shell,
    /// the address of the page, and that of the page above it
    at: String,
    above: String,
    /// the name of the user, where it is another
    name: Option<String>,
    others: Vec<Account>,
    is_away: bool,
    from: String,
    until: String,
    /// the address of whoever covers
    cover: String,
    errors: FieldErrors,
    seen: Seen,
}

/// Whose page it is.
pub struct Whose {
    pub user: UserId,
    /// their name, where they are not the reader
    pub name: Option<String>,
}

impl Whose {
    /// The address of the page.
    pub fn at(&self) -> String {
        format!("{}/away", self.above())
    }

    fn above(&self) -> String {
        if self.name.is_some() { format!("/settings/users/{}", self.user) } else { "/account".to_owned() }
    }
}

/// Nobody says that they are away for longer.
const LONGEST: Duration = Duration::days(366);

/// What is stored, as fields: from, until, and the address of whoever covers.
fn fields(absence: Option<Absence>, others: &[Account]) -> [String; 3] {
    let Some(Absence { from, until, cover }) = absence else { return Default::default() };
    let cover = others.iter().find(|one| one.id == cover).map(|one| one.email.to_string());
    [day_text(from), day_text(until), cover.unwrap_or_default()]
}

fn stored([from, until, cover]: &[String; 3]) -> Stored {
    Stored::default().text("away_from", "away-from", from).text("away_until", "away-until", until).text(
        "cover",
        "away-cover",
        cover,
    )
}

/// The page as stored, or as typed.
pub fn page<R: Right>(
    conn: &mut Conn,
    head: &Head,
    (reader, whose): (&SignedInUser<R>, &Whose),
    typed: Option<(&Form, FieldErrors, Seen)>,
) -> Result<AwayPage, AppError> {
    let (shell, settings) = shell(conn, head, reader)?;
    let others = users::may_cover(conn, whose.user)?;
    let absence = users::absence(conn, settings.zone().local(head.now).date(), whose.user)?;
    let was = fields(absence, &others);
    let fresh = || (was.clone(), FieldErrors::default(), stored(&was).seen());
    let ([from, until, cover], errors, seen) = match typed {
        Some((form, errors, seen)) => {
            (["away_from", "away_until", "cover"].map(|name| form.get(name).trim().to_owned()), errors, seen)
        }
        None => fresh(),
    };
    let (at, above, name) = (whose.at(), whose.above(), whose.name.clone());
    Ok(AwayPage { shell, at, above, name, others, is_away: absence.is_some(), from, until, cover, errors, seen })
}

/// What is wrong with a form, and what is newer than what it saw.
pub type Refused = (FieldErrors, Option<Seen>);

/// Reads the form, in a transaction that holds the settings.
///
/// # Errors
/// What is wrong with it, or that it saw something older.
pub fn read(
    conn: &mut Conn,
    today: Date,
    user: UserId,
    form: &Form,
) -> Result<Result<Option<Absence>, Refused>, AppError> {
    let others = users::may_cover(conn, user)?;
    let newer = stored(&fields(users::absence(conn, today, user)?, &others)).newer(form);
    if form.has("back") {
        return Ok(if newer.is_none() { Ok(None) } else { Err((FieldErrors::default(), newer)) });
    }
    let mut errors = FieldErrors::default();
    let from = errors.need("away_from", "error-away-from", parse_day(form.get("away_from")));
    let ends = |until: &Date| *until >= today && from.is_none_or(|from| *until >= from && *until - from <= LONGEST);
    let until = errors.need("away_until", "error-away-until", parse_day(form.get("away_until")).filter(ends));
    let named = others.into_iter().find(|one| one.email.as_str() == form.get("cover"));
    let cover = errors.need("cover", "error-away-cover", named.map(|one| one.id));
    Ok(match (from, until, cover, newer) {
        (Some(from), Some(until), Some(cover), None) => Ok(Some(Absence { from, until, cover })),
        (.., newer) => Err((errors, newer)),
    })
}

/// What is said of what was refused: the status, and what the page saw.
pub fn refusal(form: &Form, errors: &FieldErrors, newer: Option<Seen>) -> (StatusCode, Seen) {
    match newer.filter(|_| errors.is_empty()) {
        Some(newer) => (StatusCode::CONFLICT, newer),
        None => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(form)),
    }
}

pub async fn show(state: web::Data<AppState>, head: Head, me: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let whose = Whose { user: me.0.id(), name: None };
    html(&state.db.read(move |conn| page(conn, &head, (&me.0, &whose), None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    me: User<rights::Read>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, whose) = (state.clock.now(), Whose { user: me.0.id(), name: None });
    let at = whose.at();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let today = settings::hold(tx)?.zone().local(now).date();
        let (errors, newer) = match read(tx, today, whose.user, &form)? {
            Ok(absence) => match users::set_absence(tx, now, &me.0, absence) {
                Ok(()) => return Ok(None),
                Err(AwayError::Manage(ManageError::Db(cause))) => return Err(cause.into()),
                Err(AwayError::Manage(_)) => return Err(AppError::NotFound),
                Err(AwayError::CannotCover) => (cannot_cover(), None),
            },
            Err(refused) => refused,
        };
        let (status, seen) = refusal(&form, &errors, newer);
        Ok(Some((status, page(tx, &head, (&me.0, &whose), Some((&form, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other(&format!("{at}?notice=settings-saved"))),
    }
}

/// Whoever was chosen cannot cover any more.
pub fn cannot_cover() -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add("cover", "error-away-cover");
    errors
}
