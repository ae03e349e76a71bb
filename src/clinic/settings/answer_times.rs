//! `/settings/answer-times`: how the promise of an answer was kept, by week and by who answered.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::conversations::{self, AnswerTimes, Tally};
use crate::error::AppError;
use crate::http::{Head, Shell, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/answer_times.html")]
struct AnswerTimesPage {
    shell: Shell,
    weeks: Vec<Line>,
    users: Vec<Line>,
    /// nothing was promised in these weeks
    is_empty: bool,
    is_cut: bool,
}

/// A line of a table.
struct Line {
    /// the week, or the user
    name: String,
    tally: Tally,
    /// the median, in words; empty where nothing was answered
    median: String,
}

impl Line {
    fn new(shell: &Shell, name: String, tally: Tally) -> Line {
        let median = tally.median().map(|minutes| spoken(shell, minutes)).unwrap_or_default();
        Line { name, tally, median }
    }
}

/// Minutes as people say them.
fn spoken(shell: &Shell, minutes: i64) -> String {
    let (hours, rest) = (minutes / 60, minutes % 60);
    let short = format!("{rest}\u{a0}{}", shell.t("age-minutes"));
    if hours == 0 { short } else { format!("{hours}\u{a0}{} {short}", shell.t("age-hours")) }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let AnswerTimes { weeks, users, is_cut } = conversations::answer_times(conn, now, &user.0)?;
        let is_empty = weeks.iter().all(|(_, tally)| *tally == Tally::default());
        let named = |(day, tally)| Line::new(&shell, shell.t1("answer-times-week", "day", shell.date(&day)), tally);
        let weeks = weeks.into_iter().map(named).collect();
        let users = users.into_iter().map(|(name, tally)| Line::new(&shell, name, tally)).collect();
        Ok(AnswerTimesPage { shell, weeks, users, is_empty, is_cut })
    });
    html(&page.await?)
}
