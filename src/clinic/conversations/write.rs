//! What a user writes in a conversation: a reply at `/conversations/{id}/messages`, a note for colleagues at
//! `/conversations/{id}/notes`. Below each: its draft, and its files without script.

use super::conversation::{Showing, intake, page};
use crate::access::{ConversationAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::composing::later;
use crate::clinic::composing::rich_text::{RichText, read_body};
use crate::clinic::composing::template_picker::filled_in;
use crate::clinic::files::{sent_along, uploads};
use crate::clinic::guard::{Conversation, shell};
use crate::conversations::{self, DraftError, DraftPlace, Fields, OwnDraft, Place, ReplyError, Writing};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::page::with_status;
use crate::http::{Form, Head, html, see_other};
use crate::settings;
use crate::state::AppState;
use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};

/// The routes of one kind of writing: each knows the kind by its address.
macro_rules! routes_of {
    ($($name:ident: $writing:expr),+) => {$(
        pub mod $name {
            use super::*;

            pub async fn send(
                state: web::Data<AppState>,
                head: Head,
                conversation: Conversation<rights::Send>,
                form: Form,
            ) -> Result<HttpResponse, AppError> {
                super::send(state, head, conversation.0, form, $writing).await
            }

            pub async fn change_files(
                state: web::Data<AppState>,
                head: Head,
                req: HttpRequest,
                conversation: Conversation<rights::Send>,
                body: Multipart,
            ) -> Result<HttpResponse, AppError> {
                super::change_files(state, head, req, conversation.0, body, $writing).await
            }

            pub async fn save(
                state: web::Data<AppState>,
                head: Head,
                req: HttpRequest,
                conversation: Conversation<rights::Send>,
                form: Form,
            ) -> Result<HttpResponse, AppError> {
                super::save(state, head, req, conversation.0, form, $writing).await
            }

            pub async fn discard(
                state: web::Data<AppState>,
                conversation: Conversation<rights::Send>,
                form: Form,
            ) -> Result<HttpResponse, AppError> {
                super::discard(state, conversation.0, form, $writing).await
            }
        }
    )+};
}

routes_of!(replies: Writing::Reply, notes: Writing::Note);

async fn send(
    state: web::Data<AppState>,
    head: Head,
    access: ConversationAccess<rights::Send>,
    form: Form,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let mut errors = FieldErrors::default();
    let body = read_body(&form, &mut errors);
    if !(16..=64).contains(&form.get("key").len()) {
        errors.add("body", "error-form-old");
    }
    sent_along::check(&form, &mut errors);
    if body.is_none() || !errors.is_empty() {
        let showing = Showing { errors, ..Showing::typed(writing, form) };
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&state, head, access, None, showing).await?);
    }
    let Some(files) = sent_along::picks(&state, &access.chart(), &form, &mut errors).await? else {
        let status = errors.status();
        let showing = Showing { errors, ..Showing::typed(writing, form) };
        return with_status(status, &page(&state, head, access, None, showing).await?);
    };
    let (now, random, id) = (state.clock.now(), state.random.clone(), access.conversation());
    let Some(new) = Fields(form.pairs()).reply(writing, files) else { return Err(AppError::BadRequest) };
    let again = access.again();
    let write = state.db.write(move |tx| conversations::reply(tx, now, &random, &access, &new));
    let (field, why) = match write.await {
        Ok(message) => {
            state.wake.notify_one();
            let notice = match writing {
                Writing::Reply => "message-sent",
                Writing::Note => "note-added",
            };
            return Ok(see_other(&format!("{}#message-{message}", intake(id, writing, notice))));
        }
        Err(ReplyError::Deactivated) => return Err(AppError::SignIn { to: "/sign-in".into() }),
        Err(ReplyError::Closed) => ("body", FieldError::Closed),
        Err(ReplyError::Overtaken(cause)) => ("body", later::overtaken(cause)),
        Err(ReplyError::NothingToCorrect) => ("body", FieldError::NothingToCorrect),
        Err(ReplyError::Newer) => ("body", FieldError::NewerMessage),
        Err(ReplyError::CannotTell) => ("tell", FieldError::Typed("error-tell")),
        Err(ReplyError::Obstacles(_)) => ("body", FieldError::CannotBeTold),
        Err(ReplyError::Files(cause)) => ("files", sent_along::why_not(cause)?),
        Err(ReplyError::Db(cause)) if cause.is_full() => {
            tracing::error!(%cause, "a message could not be kept");
            ("files", FieldError::FilesFull)
        }
        Err(ReplyError::Db(cause)) => return Err(cause.into()),
    };
    let mut errors = FieldErrors::default();
    errors.add(field, why);
    let status = errors.status();
    let showing = Showing { errors, ..Showing::typed(writing, form) };
    with_status(status, &page(&state, head, again, None, showing).await?)
}

/// `POST /conversations/{id}/messages/scheduled`: "Send later".
pub async fn schedule(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, access, mut errors) = (state.clock.now(), conversation.0, FieldErrors::default());
    let read = read_body(&form, &mut errors).is_some();
    if !(16..=64).contains(&form.get("key").len()) {
        errors.add("body", "error-form-old");
    }
    sent_along::check(&form, &mut errors);
    let settings = state.db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?) }).await?;
    let send_at = later::read(&form, settings.zone(), now, &mut errors).filter(|_| read && errors.is_empty());
    let files = match send_at {
        Some(_) => sent_along::picks(&state, &access.chart(), &form, &mut errors).await?,
        None => None,
    };
    if let (Some(send_at), Some(files)) = (send_at, files) {
        let place = Place::Within(access.again());
        let new = later::to_schedule(&form, send_at, files);
        match state.db.write(move |tx| conversations::schedule(tx, now, &place, &new)).await {
            Ok(_) => return Ok(see_other("/inbox/scheduled?notice=message-scheduled")),
            Err(cause) => later::why_not(cause, &mut errors)?,
        }
    }
    let status = errors.status();
    let showing = Showing { errors, ..Showing::typed(Writing::Reply, form) };
    with_status(status, &page(&state, head, access, None, showing).await?)
}

/// `POST /conversations/{id}/messages/template`: the reply again, filled from the chosen template, without script.
pub async fn fill_in(
    state: web::Data<AppState>,
    head: Head,
    conversation: Conversation<rights::Send>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (_, form) = filled_in(&state, head.clone(), conversation.0.chart(), form).await?;
    html(&page(&state, head, conversation.0, None, Showing::typed(Writing::Reply, form)).await?)
}

/// "Add files", "Remove" and the list of chart items, without script.
async fn change_files(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    access: ConversationAccess<rights::Send>,
    body: Multipart,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let (form, refused) = uploads::change(&state, &req, &access.chart(), body).await?;
    let status = uploads::status(&refused);
    if form.has("browse") {
        let who = Actor::User(access.user().id());
        let trace = Entry::of_patient(who, Event::ChartViewed, access.patient(), Subject::None);
        state.record(trace).await?;
    }
    let showing = Showing { refused, ..Showing::typed(writing, form) };
    with_status(status, &page(&state, head, access, None, showing).await?)
}

/// Saves the form as it is: the script does so while the user types, else a button does: "Save draft", or the tab of
/// the other kind. An empty form is not kept. The answers are those of the draft of a new message.
async fn save(
    state: web::Data<AppState>,
    head: Head,
    req: HttpRequest,
    access: ConversationAccess<rights::Send>,
    form: Form,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let by_script = req.headers().get(ACCEPT).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let mut errors = FieldErrors::default();
    sent_along::check(&form, &mut errors);
    if !errors.is_empty() {
        let showing = Showing { errors, ..Showing::typed(writing, form) };
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&state, head, access, None, showing).await?);
    }
    let version = form.get("draft_version").parse().unwrap_or_default();
    let mut pairs = form.without("draft_version");
    pairs.retain(|(name, _)| name != "browse" && name != "write");
    let empty = RichText::typed(&form).markdown.trim().is_empty() && !form.has("upload") && !form.has("chart_item");
    let (now, words, leaves) = (state.clock.now(), head.clone(), form.has("write"));
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let place = OwnDraft::within(&access, writing);
        let saved = match empty {
            true => {
                conversations::drop_draft(tx, now, place, version)?;
                let left = conversations::draft(tx, DraftPlace::within(&access, writing))?;
                // a newer one of another window stays, and who only goes to the other tab loses nothing
                if left.kept.is_some() && !leaves { Err(DraftError::Newer) } else { Ok(left.version) }
            }
            // saved or refused, the answer below needs the proof or the words
            false => match conversations::save_draft(tx, now, place, version, &pairs) {
                Err(DraftError::Db(cause)) => return Err(cause.into()),
                other => other,
            },
        };
        let (shell, _) = shell(tx, &words, access.user())?;
        let when = if empty { String::new() } else { shell.t1("draft-saved-at", "when", shell.time(&now)) };
        Ok((saved, when, access))
    });
    let (saved, when, access) = write.await?;
    match saved {
        Ok(version) if by_script => {
            Ok(HttpResponse::Ok().json(serde_json::json!({ "version": version, "saved_at": when })))
        }
        Ok(_) => Ok(match form.get("write").parse() {
            Ok(other) => see_other(&format!("{}#write", intake(access.conversation(), other, ""))),
            Err(_) => see_other(&format!("{}#write", intake(access.conversation(), writing, "draft-saved"))),
        }),
        Err(_) if by_script => Ok(HttpResponse::Conflict().finish()),
        Err(DraftError::TooLong) => {
            let mut showing = Showing::typed(writing, form);
            showing.errors.add("body", "error-too-long");
            with_status(StatusCode::UNPROCESSABLE_ENTITY, &page(&state, head, access, None, showing).await?)
        }
        Err(_) => {
            let showing = Showing { conflict: true, ..Showing::typed(writing, form) };
            with_status(StatusCode::CONFLICT, &page(&state, head, access, None, showing).await?)
        }
    }
}

/// Throws the draft away.
async fn discard(
    state: web::Data<AppState>,
    access: ConversationAccess<rights::Send>,
    form: Form,
    writing: Writing,
) -> Result<HttpResponse, AppError> {
    let (now, id) = (state.clock.now(), access.conversation());
    let version = form.get("draft_version").parse().unwrap_or_default();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        Ok(conversations::drop_draft(tx, now, OwnDraft::within(&access, writing), version)?)
    });
    write.await?;
    Ok(see_other(&format!("{}#write", intake(id, writing, "draft-discarded"))))
}
