//! Keeps the words of a form that cannot be accepted now: the user's session has ended, they first have to prove once
//! more who they are or to set up a second factor, or the chart was merged into another one. What was typed is stored
//! for the user for whom the page was made. The page that comes first, or the chart that is left, says why, and then
//! the page of the form has the words again. This runs before all routes of the door, so it holds for every form.

use super::refill::refill;
use crate::access::session::Holder;
use crate::access::{self, Right, SignedInUser, rights};
use crate::clinic::guard::{CONFIRMATION, SET_UP, shell_for_nobody, with_next};
use crate::db::{Conn, PatientId, Ts, UserId};
use crate::error::AppError;
use crate::http::page::landed;
use crate::http::whose::{self, Marks, Person};
use crate::http::{Form, Head, Shell};
use crate::state::AppState;
use crate::users::{self, KeptForm};
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};

/// The name in a page's address which asks that the page is filled with the kept form.
pub const KEPT: &str = "kept";

/// Routes whose forms are not kept, because they need no session or hold no words.
const OPEN: &[&str] = &[
    "/sign-in",
    "/sign-in/second-step",
    "/sign-in/second-step/challenge",
    "/sign-in/passkey",
    "/sign-in/passkey/challenge",
    "/sign-in/provider",
    "/sign-in/provider/answer",
    "/sign-in/emr",
    "/sign-in/emr/answer",
    "/sign-out",
    "/language",
    "/password/{token}",
    "/password/{token}/provider",
    "/forgotten-password",
    "/account/session",
    "/account/sessions",
    "/conversations/{conversation}/answering",
    CONFIRMATION,
    "/account/confirmation/challenge",
    "/account/confirmation/provider",
];

/// Keeps a form that cannot be accepted now, and fills a page with its kept form.
///
/// # Errors
/// Those of the page.
pub async fn keep_words(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = req.app_data::<web::Data<AppState>>().cloned() else {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    };
    let head = Head::from_request(req.request());
    let open = req.match_pattern().is_none_or(|pattern| OPEN.contains(&pattern.as_str()));
    let is_post = *req.method() == Method::POST;
    if let Some(first) = comes_first(&head).filter(|_| is_post && !open) {
        return match keep(&state, &mut req).await? {
            Some(page) => {
                let answer = landed(head.fragment, &back_after(first, &page));
                Ok(req.into_response(answer))
            }
            None => next.call(req).await.map(ServiceResponse::map_into_boxed_body),
        };
    }
    let moved = if is_post { form_of_merged(&state, &mut req, &head).await? } else { None };
    let comes_back = head.holder.is_some() && !is_post && !head.fragment && asks_for_kept(req.request());
    let sent = match &head.holder {
        Some(Holder::User { id, .. }) if is_post && !open => Some((*id, req.path().to_owned())),
        _ => None,
    };
    let unconfirmed = match &head.holder {
        Some(Holder::User { id, confirmed: false, .. }) if is_post && !open => {
            let form = whose::short_form(&mut req).await?;
            let kept = form.and_then(|form| typed(req.path().to_owned(), &form, state.clock.now()));
            Some((*id, req.path().to_owned(), kept))
        }
        _ => None,
    };
    let res = next.call(req).await?.map_into_boxed_body();
    let cause = res.response().error().and_then(|cause| cause.as_error::<AppError>());
    let (is_moved, is_well) = (matches!(cause, Some(AppError::Moved { .. })), res.response().error().is_none());
    let is_to_confirm = matches!(cause, Some(AppError::ComesFirst { .. }));
    if let Some((user, kept)) = moved.filter(|_| is_moved) {
        return lead_on(&state, &head, res, user, kept).await;
    }
    if let Some((user, path, kept)) = unconfirmed.filter(|_| is_to_confirm) {
        return confirm_first(&state, &head, res, user, (&path, kept)).await;
    }
    let is_taken = is_well && (res.status().is_redirection() || res.status() == StatusCode::CREATED);
    if let Some((user, path)) = sent.filter(|_| is_taken) {
        forget(&state, user, path).await;
    }
    if comes_back { fill(&state, head, res).await } else { Ok(res) }
}

/// The form, with its action at the chart into which the chart in its address was merged. `None` where that chart was
/// not merged, or the form has no page of its own.
async fn form_of_merged(
    state: &AppState,
    req: &mut ServiceRequest,
    head: &Head,
) -> Result<Option<(UserId, KeptForm)>, Error> {
    let Some(Holder::User { id: user, .. }) = &head.holder else { return Ok(None) };
    let below = req.path().strip_prefix("/patients/").and_then(|rest| rest.split_once('/'));
    let Some((Ok(asked), rest)) = below.map(|(id, rest)| (id.parse().map(PatientId), rest.to_owned())) else {
        return Ok(None);
    };
    let has_it = state.db.read(move |conn| -> Result<_, AppError> { Ok(access::survivor(conn, asked)?) }).await?;
    if has_it == asked {
        return Ok(None);
    }
    let action = format!("/patients/{has_it}/{rest}");
    // the forms on the chart's own page are buttons, without words to keep
    if page_of(&action) == format!("/patients/{has_it}") {
        return Ok(None);
    }
    let Some(form) = whose::short_form(req).await? else { return Ok(None) };
    Ok(typed(action, &form, state.clock.now()).map(|kept| (*user, kept)))
}

/// Leads to the page of the form at the chart that is left, filled with the words.
async fn lead_on(
    state: &AppState,
    head: &Head,
    res: ServiceResponse,
    user: UserId,
    kept: KeptForm,
) -> Result<ServiceResponse, Error> {
    match store(state, user, kept).await? {
        Some(page) => {
            let answer = landed(head.fragment, &format!("{page}?{KEPT}=1&notice=chart-merged"));
            Ok(res.into_response(answer))
        }
        None => Ok(res),
    }
}

/// The page that comes before everything else: signing in, or setting up a second factor.
fn comes_first(head: &Head) -> Option<&'static str> {
    match &head.holder {
        None => Some("/sign-in"),
        Some(Holder::User { must_set_up: true, .. }) if !head.path.starts_with(SET_UP) => Some(SET_UP),
        Some(_) => None,
    }
}

/// The address of the page that comes first, which says why, and leads back to the page with the words.
fn back_after(first: &str, page: &str) -> String {
    let notice = if first == "/sign-in" { "words-kept" } else { "words-kept-first" };
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", &format!("{page}?{KEPT}=1"))
        .append_pair("notice", notice)
        .finish();
    format!("{first}?{query}")
}

/// Leads to the page that asks the user to prove once more who they are, and from there back to the page of the form.
async fn confirm_first(
    state: &AppState,
    head: &Head,
    res: ServiceResponse,
    user: UserId,
    (path, kept): (&str, Option<KeptForm>),
) -> Result<ServiceResponse, Error> {
    let page = match kept {
        Some(kept) => store(state, user, kept).await?,
        None => None,
    };
    let to = match page {
        Some(page) => back_after(CONFIRMATION, &page),
        None => with_next(CONFIRMATION, &page_of(path)),
    };
    Ok(res.into_response(landed(head.fragment, &to)))
}

/// Keeps the form for the user for whom its page was made. Gives the page to come back to; `None` where nothing is
/// kept, for example because the form's mark is no active user's.
async fn keep(state: &AppState, req: &mut ServiceRequest) -> Result<Option<String>, Error> {
    let Some(marks) = req.app_data::<web::Data<Marks>>().cloned() else { return Ok(None) };
    let Some(mark) = whose::stated_mark(req).await? else { return Ok(None) };
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        Ok(users::of_page(conn, |user| marks.mark(Person::User(user)) == mark)?)
    });
    let Some(user) = read.await? else { return Ok(None) };
    let (form, _) = whose::fields(req, 2 * state.intake.policy.largest_message).await;
    match typed(req.path().to_owned(), &form, state.clock.now()) {
        Some(kept) => Ok(store(state, user, kept).await?),
        None => Ok(None),
    }
}

/// A form as it is kept, without secrets. `None` where all fields are empty: a file that is sent by itself must not
/// replace the words that were kept of its page.
fn typed(action: String, form: &Form, at: Ts) -> Option<KeptForm> {
    let pairs = form.pairs().iter().filter(|(name, _)| !whose::SECRETS.contains(&name.as_str()));
    let pairs: Vec<(String, String)> = pairs.cloned().collect();
    pairs.iter().any(|(_, value)| !value.trim().is_empty()).then_some(KeptForm { action, pairs, at })
}

/// Keeps a form, and gives the page to come back to; `None` where it is too long.
async fn store(state: &AppState, user: UserId, kept: KeptForm) -> Result<Option<String>, AppError> {
    let page = page_of(&kept.action);
    let goal = page.clone();
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::keep_form(tx, user, &goal, &kept)?) });
    Ok(write.await?.then_some(page))
}

/// Removes a kept form that was sent in the end, so that nobody finds it on the page again and sends it twice. Another
/// form of the same page removes nothing.
async fn forget(state: &AppState, user: UserId, path: String) {
    let (data, page) = (state.clone(), page_of(&path));
    let gone = async move {
        let goal = page.clone();
        let read = data.db.read(move |conn| -> Result<_, AppError> { Ok(users::kept_action(conn, user, &goal)?) });
        if read.await?.is_some_and(|kept| is_of_same_form(&kept, &path)) {
            let write = data.db.write(move |tx| -> Result<_, AppError> { Ok(users::drop_kept(tx, user, &page)?) });
            write.await?;
        }
        Ok::<_, AppError>(())
    };
    if let Err(cause) = gone.await {
        tracing::warn!(%cause, "what was kept of a page could not be removed");
    }
}

/// Whether the kept action belongs to the form that is sent to this path: the actions of its drafts, previews and files
/// are below it.
fn is_of_same_form(kept: &str, sent: &str) -> bool {
    let below = kept.strip_prefix(sent.trim_end_matches("/new"));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the address asks that the page is filled with the kept form.
fn asks_for_kept(req: &HttpRequest) -> bool {
    url::form_urlencoded::parse(req.query_string().as_bytes()).any(|(name, _)| name == KEPT)
}

/// The kept form of a page that fills itself and may have a draft too; `None` where the draft is newer. A notice on the
/// page says so.
///
/// # Errors
/// Those of the database.
pub fn words_back<R: Right>(
    conn: &mut Conn,
    shell: &mut Shell,
    user: &SignedInUser<R>,
    draft: Option<Ts>,
) -> Result<Option<Form>, AppError> {
    let kept = users::kept_form(conn, shell.now, user, &shell.path)?;
    let is_newest = |kept: &KeptForm| draft.is_none_or(|draft| draft <= kept.at);
    let Some(kept) = kept.filter(|kept| fills_itself(&kept.action) && is_newest(kept)) else { return Ok(None) };
    shell.say("words-back");
    Ok(Some(Form::of_pairs(kept.pairs)))
}

/// Whether the page of this form fills itself: waiting files are a part of it, which [`refill`] could not fill in.
fn fills_itself(action: &str) -> bool {
    let composes = action.contains("/messages/") || action.contains("/uploads");
    let is_thread = action.starts_with("/conversations/") && !action.ends_with("/assignment");
    let to_many = action == "/broadcasts"
        || ["draft", "template", "recipients", "files"].iter().any(|part| action == format!("/broadcasts/{part}"));
    is_thread || to_many || (composes && !action.ends_with("/messages/repair"))
}

async fn fill(state: &AppState, head: Head, res: ServiceResponse) -> Result<ServiceResponse, Error> {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    if !res.status().is_success() || res.headers().get(CONTENT_TYPE) != Some(&html) {
        return Ok(res);
    }
    let (now, page) = (state.clock.now(), head.path.clone());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let user = head.holder.as_ref().and_then(SignedInUser::<rights::Read>::from_holder).flatten();
        let Some(user) = user else { return Ok(None) };
        let kept = users::kept_form(conn, now, &user, &page)?.filter(|kept| !fills_itself(&kept.action));
        let Some(kept) = kept else { return Ok(None) };
        let said = shell_for_nobody(conn, &head)?.t_of("notice", "words-back");
        Ok(Some((kept, said)))
    });
    let Some((kept, said)) = read.await? else { return Ok(res) };
    let (req, response) = res.into_parts();
    let (response, body) = response.into_parts();
    let bytes = to_bytes(body).await.map_err(|_| AppError::Internal("a page could not be read".into()))?;
    let html = String::from_utf8_lossy(&bytes);
    let filled = refill(&html, &kept.action, &Form::of_pairs(kept.pairs), said)
        .map_err(|cause| AppError::Internal(cause.to_string()))?;
    Ok(ServiceResponse::new(req, response.set_body(BoxBody::new(filled))))
}

/// The page that has the form which is sent to this path.
fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["conversations", id, "notes", ..] => format!("/conversations/{id}/notes"),
        ["conversations", id, page @ ("assignment" | "call" | "closure" | "letter")] => {
            format!("/conversations/{id}/{page}")
        }
        ["conversations", id, ..] => format!("/conversations/{id}"),
        ["patients"] => "/patients/new".to_owned(),
        ["patients", "import"] => path.to_owned(),
        ["patients", id, "messages" | "uploads", ..] => format!("/patients/{id}/messages/new"),
        ["patients", id, "files"] => format!("/patients/{id}/files/new"),
        ["patients", id, "caregivers", caregiver, ..] => format!("/patients/{id}/caregivers/{caregiver}"),
        ["patients", id, page @ ("caregivers" | "information" | "own-word" | "postal-address")] => {
            format!("/patients/{id}/{page}")
        }
        ["patients", id, page @ ("hold" | "deletion"), ..] => format!("/patients/{id}/{page}"),
        ["patients", id, ..] => format!("/patients/{id}"),
        ["settings", "message-templates"] => format!("{path}/new"),
        ["settings", "message-templates", id, ..] => format!("/settings/message-templates/{id}"),
        ["settings", "notification-templates", kind, channel, language, ..] => {
            format!("/settings/notification-templates/{kind}/{channel}/{language}")
        }
        ["settings", "users", id, "reactivation" | "password-links" | "second-factor" | "sessions"] => {
            format!("/settings/users/{id}")
        }
        ["settings", "users", id, "provider" | "emr", ..] => format!("/settings/users/{id}"),
        ["settings", "users"] => "/settings/users/new".to_owned(),
        ["settings", "teams"] => "/settings/teams/new".to_owned(),
        ["settings", "teams", id, ..] => format!("/settings/teams/{id}"),
        ["account", "views", id, "removal"] => format!("/account/views/{id}"),
        ["account", "second-factor", ..] => SET_UP.to_owned(),
        ["account", "email" | "keys" | "password" | "sessions" | "provider", ..] => "/account".to_owned(),
        ["broadcasts"] | ["broadcasts", "template" | "recipients" | "draft" | "files", ..] => {
            "/broadcasts/new".to_owned()
        }
        ["broadcasts", id, ..] => format!("/broadcasts/{id}"),
        ["scheduled", ..] => "/inbox/scheduled".to_owned(),
        ["settings", page @ ("emr" | "sync"), ..] => format!("/settings/{page}"),
        ["settings", "records", ..] => "/settings/records".to_owned(),
        ["settings", "images", "background"] => "/settings/patient-portal".to_owned(),
        ["settings", "images", ..] => "/settings/clinic".to_owned(),
        ["settings" | "account", ..] => path.to_owned(),
        _ => "/inbox".to_owned(),
    }
}
