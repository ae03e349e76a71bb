//! What pages that are open are told: `/events` for a browser, `/conversations/{id}/live` for one conversation, and
//! `POST /conversations/{id}/answering`, by which a page tells that somebody is typing.

use super::conversation::{Showing, page};
use crate::access::rights;
use crate::access::session::Watched;
use crate::clinic::account::own;
use crate::clinic::guard::{AskedConversation, Conversation, User};
use crate::conversations::{Author, Thread, Writing};
use crate::db::{MessageId, UserId};
use crate::error::AppError;
use crate::http::{Form, Head, html, see_other};
use crate::live::{self, NotNow};
use crate::state::AppState;
use actix_session::Session;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

const EVENT_STREAM: &str = "text/event-stream";

/// `GET /events`: a stream of what changes, from where the page was made (`Last-Event-ID`). Who does not ask for a stream by
/// name gets its beginning alone. The request itself does not count as somebody being there: see `http::errand::BY_ITSELF`.
pub async fn events(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Read>,
    session: Session,
    req: HttpRequest,
) -> Result<HttpResponse, AppError> {
    let (now, id, mark) = (head.now, user.0.id(), own::mark(&session));
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(Watched::of_mark(conn, now, id, &mark)?) });
    let watched = read.await?;
    let text = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = HttpResponse::Ok();
    // a proxy that collects or compresses the stream would hold its events back
    answer.content_type(EVENT_STREAM).insert_header((header::CACHE_CONTROL, "no-store, no-transform"));
    answer.insert_header(("x-accel-buffering", "no"));
    let Some(watched) = watched else { return Ok(HttpResponse::NoContent().finish()) };
    if head.is_probe || text(header::ACCEPT) != Some(EVENT_STREAM) {
        return Ok(answer.body(":\n\n"));
    }
    let again = || HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, 1)).finish();
    match state.live.listen(&user.0, watched.clone(), position(req.headers())) {
        Ok(listening) => {
            // the session may have ended just before its stream was there to be ended
            let read =
                state.db.read(move |conn| -> Result<bool, AppError> { Ok(live::may_listen(conn, now, &watched)?) });
            Ok(if read.await? { answer.streaming(listening) } else { again() })
        }
        Err(NotNow::TooMany) => Err(AppError::TooMany { seconds: 60 }),
        Err(NotNow::Over) => Ok(again()),
    }
}

fn position(headers: &HeaderMap) -> Option<i64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// What a conversation's page shows that can change while it is open.
#[derive(Default)]
pub struct LivePart {
    /// only this is asked for, for a page that is open
    pub is_asked: bool,
    /// names of those who are typing an answer
    pub answering: Vec<String>,
    /// what the page does not show yet
    pub news: Option<News>,
}

impl LivePart {
    /// Those who are typing.
    pub fn names(&self) -> String {
        self.answering.join(", ")
    }
}

/// Messages that an open page does not show yet.
pub struct News {
    /// how many
    pub count: usize,
    /// the first of them
    pub first: MessageId,
    /// the message that says what they are
    pub words: &'static str,
}

impl News {
    fn of(thread: &Thread, shown: MessageId, reader: UserId) -> Option<News> {
        let mut newer = thread.messages.iter().filter(|message| message.id > shown).peekable();
        let first = newer.peek()?;
        let words = match first {
            // the reader's own, from another tab or sent later, is by no colleague
            message if message.user == Some(reader) || message.author == Author::System => "live-new-other",
            message if message.internal => "live-new-note",
            message if message.author == Author::Patient => "live-new-reply",
            _ => "live-new-message",
        };
        Some(News { first: first.id, words, count: newer.count() })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    /// the newest message that the page shows
    shown: i64,
}

/// `GET /conversations/{id}/live`: who is typing, whether there is something new, and the states below the messages. It has no
/// word of a message, so it is no viewing: that is what "Show" asks for.
pub async fn part(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let access = state.db.read(move |conn| asked.proof(conn)).await?;
    if !head.fragment {
        // it is no page of its own
        return Ok(see_other(&format!("/conversations/{}", access.conversation())));
    }
    let reader = access.user().id();
    let mut page = page(&state, head, access, None, Showing::fresh(Writing::Reply)).await?;
    page.live.is_asked = true;
    page.live.news = News::of(page.thread(), MessageId(query.shown), reader);
    html(&page.as_live())
}

/// `POST /conversations/{id}/answering`
pub async fn answering(
    state: web::Data<AppState>,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    live::tell_answering(&state.live, &state.db, now, &conversation.0, form.get("typing") != "off");
    Ok(HttpResponse::NoContent().finish())
}
