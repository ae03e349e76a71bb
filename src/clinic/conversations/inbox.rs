//! `/inbox`: the work list: the conversations that I am in, or all, by what they need.

use super::assign_many::{as_shown, marked};
use crate::access::{Action, rights};
use crate::clinic::guard::{User, shell};
use crate::conversations::{
    self, Excerpt, InboxCursor, InboxFilter, InboxOrder, InboxRow, InboxView, SavedView, Scope,
};
use crate::db::ConversationId;
use crate::error::AppError;
use crate::http::{Head, Shell, html, paging, see_other};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// Lines on a page, and most that are marked at once.
pub const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "clinic/conversations/inbox.html")]
struct InboxPage {
    shell: Shell,
    lines: Vec<Line>,
    view: InboxView,
    /// the views that the reader keeps under names of their own
    saved: Vec<SavedView>,
    counts: Vec<(InboxFilter, i64)>,
    /// what was just marked done, and can be taken back
    undo: Vec<ConversationId>,
    /// what was just assigned, with how it stood before, and how it stands
    assigned: Vec<(ConversationId, String)>,
    now: String,
    /// what was not, because somebody changed it meanwhile
    left: Vec<InboxRow>,
    may_mark: bool,
    /// how many messages the reader has to go out later, or were not sent
    scheduled: i64,
    /// where this page begins
    after: String,
    next: Option<String>,
}

struct Line {
    row: InboxRow,
    newest: Option<Excerpt>,
}

impl InboxPage {
    fn to(&self, scope: &Scope, filter: &InboxFilter) -> String {
        InboxView { scope: *scope, filter: *filter, order: filter.usual_order() }.address()
    }

    /// The address of the view that holds every conversation.
    fn everything(&self) -> String {
        self.to(&Scope::All, &InboxFilter::Any)
    }

    fn is_everything(&self) -> bool {
        self.view.scope == Scope::All && self.view.filter == InboxFilter::Any
    }

    fn in_order(&self, order: &InboxOrder) -> String {
        InboxView { order: *order, ..self.view }.address()
    }

    /// Whether the reader keeps this view under a name.
    fn is_saved(&self) -> bool {
        self.saved.iter().any(|one| one.view == self.view)
    }

    /// The page that keeps this view.
    fn to_save(&self) -> String {
        self.view.address().replacen("/inbox", "/account/views", 1)
    }

    /// The orders that can be asked for.
    fn orders(&self) -> &'static [InboxOrder] {
        self.view.filter.orders(self.view.scope)
    }

    /// Whether a line leaves this view when its reader marks it done.
    fn leave_when_done(&self) -> bool {
        match self.view.filter {
            InboxFilter::ToDo => self.view.scope == Scope::Mine,
            InboxFilter::Assigned | InboxFilter::MyTeams | InboxFilter::Mentions => true,
            _ => false,
        }
    }

    /// Whether there is a line that can be marked.
    fn marks(&self) -> bool {
        self.may_mark && self.lines.iter().any(|line| line.row.takes_part)
    }
}

impl InboxView {
    /// Its address; the usual order is not said.
    pub fn address(&self) -> String {
        let order = match self.order == self.filter.usual_order() {
            true => String::new(),
            false => format!("&order={}", self.order.as_str()),
        };
        format!("/inbox?scope={}&filter={}{order}", self.scope.as_str(), self.filter.as_str())
    }

    /// As it is asked for; what means nothing is as usual.
    pub fn asked(scope: &str, filter: &str, order: &str) -> InboxView {
        let scope = scope.parse().unwrap_or(Scope::Mine);
        let filter: InboxFilter = filter.parse().unwrap_or(InboxFilter::ToDo);
        let asked = order.parse().ok().filter(|order| filter.orders(scope).contains(order));
        InboxView { scope, filter, order: asked.unwrap_or(filter.usual_order()) }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    scope: String,
    filter: String,
    order: String,
    after: String,
    undo: String,
    assigned: String,
    now: String,
    left: String,
}

pub async fn home(_: User<rights::Read>) -> HttpResponse {
    see_other("/inbox")
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let asked = InboxView::asked(&query.scope, &query.filter, &query.order);
    let asks = [&query.scope, &query.filter, &query.order].iter().any(|word| !word.is_empty());
    let (begin, marked) = (cursor(&query.after), ids(&query.undo));
    let (assigned, now, left) = (marks(&query.assigned), query.now.clone(), ids(&query.left));
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let saved = conversations::saved_views(conn, &user.0)?;
        // who asks for none gets the view with which they want it to open
        let first = saved.iter().find(|one| one.opens_first && !asks);
        let view = first.map_or(asked, |one| one.view);
        let (rows, next) = conversations::inbox(conn, &user.0, view, begin, PAGE)?;
        let mut newest = conversations::newest_lines(conn, &user.0, &rows)?;
        let given: Vec<ConversationId> = assigned.iter().map(|(id, _)| *id).collect();
        let given = conversations::lines(conn, &user.0, &given)?;
        // what has changed again since is not taken back
        let stands =
            |id: &ConversationId| given.iter().any(|row| row.id == *id && as_shown(row.assigned.as_ref()) == now);
        let assigned = assigned.into_iter().filter(|(id, _)| stands(id)).collect();
        Ok(InboxPage {
            shell,
            lines: rows.into_iter().map(|row| Line { newest: newest.remove(&row.id), row }).collect(),
            view,
            saved,
            counts: conversations::count_views(conn, &user.0, view.scope)?,
            undo: match marked.is_empty() {
                true => Vec::new(),
                false => conversations::done_among(conn, &user.0, &marked)?,
            },
            assigned,
            now,
            left: conversations::lines(conn, &user.0, &left)?,
            may_mark: user.0.role().may(Action::Send),
            scheduled: conversations::count_scheduled(conn, user.0.id())?,
            after: begin.map(key).unwrap_or_default(),
            next: next.map(key),
        })
    });
    html(&page.await?)
}

/// Where a page begins, for its address.
fn key(cursor: InboxCursor) -> String {
    format!("{}{}", if cursor.unread { "u" } else { "r" }, paging::key(cursor.at, cursor.id.0))
}

/// Reads what [`key`] wrote; `None` for anything else.
pub fn cursor(text: &str) -> Option<InboxCursor> {
    let unread = text.starts_with('u');
    let (at, id) = paging::parse(text.get(1..)?)?;
    Some(InboxCursor { unread, at, id: ConversationId(id) })
}

/// Conversations in an address: `3-14-15`.
fn ids(text: &str) -> Vec<ConversationId> {
    text.split('-').filter_map(|id| id.parse().ok()).take(PAGE as usize).map(ConversationId).collect()
}

/// Conversations in an address, each with how it was assigned before: `3:-_14:team-2~0`.
fn marks(text: &str) -> Vec<(ConversationId, String)> {
    let read = |one: &str| {
        let (id, before) = one.split_once(':')?;
        marked(before)?;
        Some((ConversationId(id.parse().ok()?), before.to_owned()))
    };
    text.split('_').filter_map(read).take(PAGE as usize).collect()
}
