//! `POST /inbox/assignment`: assigns the conversations that were ticked in the inbox, once it is said to whom;
//! `/inbox/assignment/removal` takes that back.

use super::assignment::{Typed, able, answer_of, read};
use super::marks::{place, ticked};
use crate::access::{self, rights};
use crate::clinic::guard::{User, shell};
use crate::conversations::{self, AssignError, Assignment, InboxRow, InboxView};
use crate::db::{Conn, ConversationId, TeamId, Ts};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings;
use crate::state::AppState;
use crate::teams;
use crate::threads::{Assigned, Assignee};
use crate::users::UserRow;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/conversations/assign_many.html")]
struct AssignManyPage {
    shell: Shell,
    /// what was ticked, with who sees to it as the page shows it
    rows: Vec<(InboxRow, String)>,
    users: Vec<UserRow>,
    teams: Vec<(TeamId, String)>,
    typed: Typed,
    zone: String,
    view: InboxView,
    /// where the page of the inbox began
    after: String,
    errors: FieldErrors,
}

/// Who sees to a conversation, as an address or a form has it: whoever acts upon it says what they saw.
pub fn mark(held: Option<Assigned>) -> String {
    held.map_or("-".to_owned(), |held| format!("{}~{}", held.to, held.due.map_or(0, |due| due.micros())))
}

/// The same of a conversation as it is now.
pub fn as_shown(held: Option<&Assignment>) -> String {
    mark(held.map(|held| Assigned { to: held.to, due: held.due }))
}

/// Reads what [`mark`] wrote; `None` for anything else.
pub fn marked(text: &str) -> Option<Option<Assigned>> {
    if text == "-" {
        return Some(None);
    }
    let (to, due) = text.split_once('~')?;
    let (to, due): (Assignee, i64) = (to.parse().ok()?, due.parse().ok()?);
    let due = if due == 0 { None } else { Some(Ts::from_micros(due)?) };
    Some(Some(Assigned { to, due }))
}

fn page(
    conn: &mut Conn,
    head: &Head,
    user: &User<rights::Send>,
    form: &Form,
    errors: FieldErrors,
) -> Result<AssignManyPage, AppError> {
    let (shell, settings) = shell(conn, head, &user.0)?;
    let rows = conversations::lines(conn, &user.0, &ticked(form)?)?;
    let rows = rows.into_iter().map(|row| {
        let shown = as_shown(row.assigned.as_ref());
        (row, shown)
    });
    Ok(AssignManyPage {
        shell,
        rows: rows.collect(),
        users: able(conn)?,
        teams: teams::offered(conn)?,
        typed: Typed::of(form),
        zone: settings.time_zone,
        view: InboxView::asked(form.get("scope"), form.get("filter"), form.get("order")),
        after: form.get("after").to_owned(),
        errors,
    })
}

/// Asks to whom; with an answer, assigns each in a transaction of its own.
pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let ids = ticked(&form)?;
    if ids.is_empty() {
        return Ok(see_other(&format!("{}&notice=nothing-chosen", place(&form))));
    }
    let mut errors = FieldErrors::default();
    if form.has("user") {
        let zone = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?.zone()) }).await?;
        let to = read(&form, zone, &mut errors);
        if errors.is_empty() {
            let shown: Vec<(ConversationId, String)> = seen(&form, &ids);
            match assign_all(&state, &user, to, shown).await? {
                Ok(done) => return Ok(see_other(&format!("{}{}", place(&form), done.address(to)))),
                Err(cause) => answer_of(cause, &mut errors)?,
            }
        }
    }
    let (status, is_asked) = (errors.status(), errors.is_empty());
    let page = state.db.read(move |conn| page(conn, &head, &user, &form, errors)).await?;
    if is_asked { html(&page) } else { with_status(status, &page) }
}

/// What the page showed of each: the fields come in one order.
fn seen(form: &Form, ids: &[ConversationId]) -> Vec<(ConversationId, String)> {
    let shown: Vec<(&str, &str)> = form.all("conversation").zip(form.all("shown")).collect();
    let of = |id: &ConversationId| {
        let found = shown.iter().find(|(one, _)| one.parse::<i64>() == Ok(id.0)).map(|(_, shown)| (*shown).to_owned());
        found.map(|shown| (*id, shown))
    };
    ids.iter().filter_map(of).collect()
}

/// What was assigned, with what stood before, and what was left.
#[derive(Default)]
struct Done {
    changed: Vec<(ConversationId, String)>,
    left: Vec<ConversationId>,
}

impl Done {
    /// What an address says of it.
    fn address(&self, to: Option<Assigned>) -> String {
        let mut said = String::new();
        if !self.changed.is_empty() {
            let all = self.changed.iter().map(|(id, before)| format!("{id}:{before}")).collect::<Vec<_>>();
            said.push_str(&format!("&assigned={}&now={}", all.join("_"), mark(to)));
        }
        if !self.left.is_empty() {
            let all = self.left.iter().map(ToString::to_string).collect::<Vec<_>>();
            said.push_str(&format!("&left={}", all.join("-")));
        }
        if said.is_empty() { "&notice=assigned-as-before".to_owned() } else { said }
    }
}

/// Assigns each as its page showed it; those that were changed meanwhile are left. An error where it cannot be assigned so at all, and
/// nothing was changed.
async fn assign_all(
    state: &AppState,
    user: &User<rights::Send>,
    to: Option<Assigned>,
    shown: Vec<(ConversationId, String)>,
) -> Result<Result<Done, AssignError>, AppError> {
    let mut done = Done::default();
    for (id, shown) in shown {
        match assign_one(state, user, (id, to), shown.clone(), false).await? {
            Ok(()) if shown == mark(to) => {}
            Ok(()) => done.changed.push((id, shown)),
            Err(AssignError::Closed | AssignError::Changed) => done.left.push(id),
            Err(AssignError::Db(cause)) => return Err(cause.into()),
            Err(cause) if done.changed.is_empty() => return Ok(Err(cause)),
            // whoever it goes to has left in the middle of it
            Err(_) => done.left.push(id),
        }
    }
    Ok(Ok(done))
}

async fn assign_one(
    state: &AppState,
    user: &User<rights::Send>,
    (id, to): (ConversationId, Option<Assigned>),
    shown: String,
    goes_back: bool,
) -> Result<Result<(), AssignError>, AppError> {
    let (now, me) = (state.clock.now(), user.0.clone());
    let write = state.db.write(move |tx| -> Result<(), AssignError> {
        // one that is gone is left as one that has changed
        let access = access::conversation(tx, me, id)?.ok_or(AssignError::Changed)?;
        conversations::assign(tx, now, &access, to, goes_back, |held| as_shown(held) == shown)
    });
    Ok(write.await)
}

/// Takes it back: each that is still as it was assigned is assigned as before.
pub async fn undo(state: web::Data<AppState>, user: User<rights::Send>, form: Form) -> Result<HttpResponse, AppError> {
    let ids = ticked(&form)?;
    let mut left = Vec::new();
    for (id, before) in seen(&form, &ids) {
        let before = marked(&before).ok_or(AppError::BadRequest)?;
        match assign_one(&state, &user, (id, before), form.get("now").to_owned(), true).await? {
            Ok(()) => {}
            Err(AssignError::Db(cause)) => return Err(cause.into()),
            Err(_) => left.push(id),
        }
    }
    let left = Done { left, ..Done::default() };
    Ok(see_other(&format!("{}{}", place(&form), left.address(None))))
}
