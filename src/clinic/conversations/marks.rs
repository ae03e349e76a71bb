//! A user's own marks, of one conversation or of several of the inbox at once: "Mark done", which can be taken back, and
//! "Mark unread".

use super::inbox::{PAGE, cursor};
use crate::access::{self, rights};
use crate::clinic::guard::{Conversation, User};
use crate::conversations::{self, InboxView, Mark};
use crate::db::ConversationId;
use crate::error::AppError;
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;

/// What was done, for a page that stays: words, and the form that takes them back.
#[derive(Template)]
#[template(path = "clinic/conversations/marked.html")]
struct Marked {
    shell: Shell,
    words: String,
    /// what was marked done, and can be taken back
    undo: Vec<ConversationId>,
    view: InboxView,
    /// where the page begins
    after: String,
}

/// `POST /inbox/done`
pub async fn done(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    mark_chosen(state, head, user, form, Mark::Done).await
}

/// `POST /inbox/done/removal`
pub async fn not_done(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    mark_chosen(state, head, user, form, Mark::NotDone).await
}

/// `POST /inbox/unread`
pub async fn unread(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    mark_chosen(state, head, user, form, Mark::Unread).await
}

/// The numbers that were ticked; an error where they are none, or more than a page has.
pub fn ticked(form: &Form) -> Result<Vec<ConversationId>, AppError> {
    let mut ids = form.numbers("conversation");
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != form.all("conversation").count() || ids.len() > PAGE as usize {
        return Err(AppError::BadRequest);
    }
    Ok(ids.into_iter().map(ConversationId).collect())
}

/// The address from which the form comes.
pub fn place(form: &Form) -> String {
    let view = InboxView::asked(form.get("scope"), form.get("filter"), form.get("order"));
    match cursor(form.get("after")) {
        Some(_) => format!("{}&after={}", view.address(), form.get("after")),
        None => view.address(),
    }
}

/// Marks what was ticked, all or nothing, and leads back to where it was ticked; a script stays there, and gets the words.
async fn mark_chosen(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Send>,
    form: Form,
    mark: Mark,
) -> Result<HttpResponse, AppError> {
    let (ids, place) = (ticked(&form)?, place(&form));
    let view = InboxView::asked(form.get("scope"), form.get("filter"), form.get("order"));
    let is_script = head.fragment;
    let marked = |undo: Vec<ConversationId>, notice: &str| {
        let shell = Shell::of_nothing(&head, None);
        let words = match undo.len() {
            0 => shell.t_of("notice", notice).to_owned(),
            count => shell.t1("inbox-marked-done", "count", count),
        };
        html(&Marked { shell, words, undo, view, after: form.get("after").to_owned() })
    };
    if ids.is_empty() {
        return match is_script {
            true => marked(Vec::new(), "nothing-chosen"),
            false => Ok(see_other(&format!("{place}&notice=nothing-chosen"))),
        };
    }
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut accesses = Vec::new();
        for id in ids {
            let access = access::conversation(tx, user.0.clone(), id)?;
            accesses.push(access.ok_or(AppError::NotFound)?);
        }
        Ok(conversations::mark(tx, now, &accesses, mark)?)
    });
    let changed = write.await?;
    if is_script {
        return match mark {
            Mark::Done => marked(changed, "marked-done"),
            Mark::NotDone => marked(Vec::new(), "not-done-any-more"),
            Mark::Unread => marked(Vec::new(), "marked-unread"),
        };
    }
    let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
    Ok(see_other(&match mark {
        Mark::Done if !changed.is_empty() => format!("{place}&undo={}", changed.join("-")),
        Mark::Done | Mark::NotDone => format!("{place}&notice=not-done-any-more"),
        Mark::Unread => format!("{place}&notice=marked-unread"),
    }))
}

/// `POST /conversations/{id}/done`
pub async fn conversation_done(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(conversations::mark_done(tx, now, &conversation.0)?) });
    // the last one to be done is offered to close it
    Ok(see_other(&match write.await? {
        true => format!("/conversations/{id}/closure?notice=last-done"),
        false => format!("/conversations/{id}?notice=marked-done"),
    }))
}

/// `POST /conversations/{id}/done/removal`
pub async fn conversation_not_done(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), conversation.0.conversation());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::mark(tx, now, &[conversation.0], Mark::NotDone)?)
    });
    write.await?;
    Ok(see_other(&format!("/conversations/{id}?notice=not-done-any-more")))
}

/// `POST /conversations/{id}/unread`: its page would mark it as seen again, so it leads to the inbox.
pub async fn conversation_unread(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(conversations::mark(tx, now, &[conversation.0], Mark::Unread)?) });
    write.await?;
    Ok(see_other("/inbox?notice=marked-unread"))
}
