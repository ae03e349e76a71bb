//! `/settings/reach`: how far the clinic goes for a patient who does not open a message.

use crate::access::rights;
use crate::administration;
use crate::clinic::guard::{User, shell};
use crate::db::Conn;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::PlanChoice;
use crate::settings::{self, Reach};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/reach.html")]
struct ReachPage {
    shell: Shell,
    reach: Reach,
    errors: FieldErrors,
    seen: Seen,
}

impl ReachPage {
    fn read(
        conn: &mut Conn,
        head: &Head,
        user: &User<rights::Settings>,
        typed: Option<(Reach, FieldErrors, Seen)>,
    ) -> Result<ReachPage, AppError> {
        let (shell, _) = shell(conn, head, &user.0)?;
        let held = settings::reach(conn)?;
        let (reach, errors, seen) = typed.unwrap_or_else(|| (held, FieldErrors::default(), stored(held).seen()));
        Ok(ReachPage { shell, reach, errors, seen })
    }

    /// The choices of days: days, words, and whether this one is chosen.
    fn phone_days(&self) -> Vec<(i64, String, bool)> {
        self.days(&PlanChoice::DAYS, self.reach.phone_days)
    }

    fn letter_days(&self) -> Vec<(i64, String, bool)> {
        self.days(&PlanChoice::LETTER_DAYS, self.reach.letter_days)
    }

    /// What letters may hold: the word, and whether it is chosen.
    fn holds(&self) -> [(&'static str, bool); 2] {
        HOLDS.map(|word| (word, word == holds(self.reach)))
    }

    fn days(&self, offered: &[i64], chosen: i64) -> Vec<(i64, String, bool)> {
        let words = |n: i64| match n {
            0 => self.shell.t("plan-never").to_owned(),
            _ => self.shell.t1("plan-after", "days", n),
        };
        offered.iter().map(|n| (*n, words(*n), *n == chosen)).collect()
    }
}

/// The words of what letters may hold.
const HOLDS: [&str; 2] = ["notice", "whole"];

/// What letters hold, as a word.
fn holds(reach: Reach) -> &'static str {
    if reach.letter_whole { "whole" } else { "notice" }
}

/// What the form edits, as it is stored.
fn stored(reach: Reach) -> Stored {
    Stored::default()
        .text("phone_days", "plan-phone", reach.phone_days.to_string())
        .text("letter_days", "plan-letter", reach.letter_days.to_string())
        .choice("letter_holds", "letter-holds", "letter-holds", holds(reach))
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    html(&state.db.read(move |conn| ReachPage::read(conn, &head, &user, None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // of two owners who save at the same moment the second waits here
        settings::hold(tx)?;
        let held = settings::reach(tx)?;
        let mut errors = FieldErrors::default();
        let mut days = |name, offered: &[i64]| {
            // a form without the field leaves it as it is
            let typed = form.numbers(name).first().copied().filter(|days| offered.contains(days));
            if form.has(name) { errors.need(name, "error-reach-days", typed) } else { None }
        };
        let phone_days = days("phone_days", &PlanChoice::DAYS);
        let letter_days = days("letter_days", &PlanChoice::LETTER_DAYS);
        let word = Some(form.get("letter_holds")).filter(|word| HOLDS.contains(word));
        let word =
            if form.has("letter_holds") { errors.need("letter_holds", "error-letter-holds", word) } else { None };
        let reach = Reach {
            phone_days: phone_days.unwrap_or(held.phone_days),
            letter_days: letter_days.unwrap_or(held.letter_days),
            letter_whole: word.map_or(held.letter_whole, |word| word == "whole"),
        };
        let newer = stored(held).newer(&form);
        let (status, seen) = match newer {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                administration::save_reach(tx, now, &user.0, reach)?;
                return Ok(None);
            }
        };
        Ok(Some((status, ReachPage::read(tx, &head, &user, Some((reach, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/reach?notice=settings-saved")),
    }
}
