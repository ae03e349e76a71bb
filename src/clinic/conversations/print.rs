//! `/conversations/{id}/print`: the conversation as a page for paper, and `/conversations/{id}/document.pdf`: as a tagged PDF.

use crate::access::{ConversationAccess, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::clinic::guard::{AskedConversation, shell};
use crate::conversations::{self, OnPaper, Shown, paper_policy};
use crate::db::{Conn, MessageId};
use crate::error::AppError;
use crate::http::{Head, Shell};
use crate::patients;
use crate::state::AppState;
use crate::storage::Serving;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// What is to be on the paper: internal notes only where they are asked for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    notes: String,
    before: Option<i64>,
}

impl Query {
    fn with_notes(&self) -> bool {
        self.notes == "on"
    }

    /// The address of one of the two forms, with or without notes.
    fn address(&self, id: impl std::fmt::Display, form: &str, notes: bool, before: Option<MessageId>) -> String {
        let mut parts = Vec::new();
        parts.extend(notes.then(|| "notes=on".to_owned()));
        parts.extend(before.map(|id| format!("before={id}")));
        let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
        format!("/conversations/{id}/{form}{query}")
    }
}

struct Paper {
    paper: OnPaper,
    shell: Shell,
    access: ConversationAccess<rights::Read>,
}

fn read(
    conn: &mut Conn,
    head: &Head,
    asked: AskedConversation<rights::Read>,
    query: &Query,
    serving: Serving,
) -> Result<Paper, AppError> {
    let access = asked.proof(conn)?;
    let (shell, settings) = shell(conn, head, access.user())?;
    let patient = patients::patient_by_id(conn, access.patient())?;
    let thread = conversations::whole(conn, &access, query.before.map(MessageId))?;
    let shown = Shown {
        patient: &patient,
        settings: &settings,
        lang: shell.lang,
        now: head.now,
        with_notes: query.with_notes(),
        serving,
    };
    Ok(Paper { paper: OnPaper::read(conn, thread, &shown)?, shell, access })
}

/// The row of the log: which form, and whether internal notes were in it.
fn trace(access: &ConversationAccess<rights::Read>, form: &str, query: &Query) -> Entry {
    let subject = Subject::Conversation(access.conversation());
    let entry =
        Entry::of_patient(Actor::User(access.user().id()), Event::ConversationViewed, access.patient(), subject);
    if query.with_notes() { entry.with(format!("{form} with notes")) } else { entry.with(form) }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (query, is_probe, serving) = (query.into_inner(), head.is_probe, state.intake.storage.serving());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let paper = read(conn, &head, asked, &query, serving)?;
        Ok((paper, query))
    });
    let (Paper { paper, shell, access }, query) = read.await?;
    if !is_probe {
        state.record(trace(&access, "print", &query)).await?;
    }
    let (id, notes, before) = (access.conversation(), query.with_notes(), query.before.map(MessageId));
    let word = if notes { "paper-leave-notes-out" } else { "paper-show-notes" };
    let mut links = vec![
        (shell.t("back-to-conversation").to_owned(), format!("/conversations/{id}")),
        (shell.t("paper-save").to_owned(), query.address(id, "document.pdf", notes, before)),
        (shell.t(word).to_owned(), query.address(id, "print", !notes, before)),
    ];
    if let Some(earlier) = paper.earlier {
        links.push((shell.t("earlier-messages").to_owned(), query.address(id, "print", notes, Some(earlier))));
    }
    let page = web::block(move || {
        let lacking = paper.not_drawn();
        let hint = (!lacking.is_empty()).then(|| paper.lang.t1("paper-not-drawn", "characters", lacking.as_str()));
        paper.html(&links, hint.as_deref())
    });
    let page = page.await.map_err(|_| AppError::Internal("no thread".into()))??;
    let mut response = HttpResponse::Ok();
    response.content_type("text/html; charset=utf-8").insert_header((CONTENT_SECURITY_POLICY, paper_policy()));
    Ok(response.body(page))
}

/// The conversation as a PDF, in the reader's language. The file name tells nothing about the patient.
pub async fn download(
    state: web::Data<AppState>,
    head: Head,
    asked: AskedConversation<rights::Read>,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let (query, is_probe, serving) = (query.into_inner(), head.is_probe, state.intake.storage.serving());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let paper = read(conn, &head, asked, &query, serving)?;
        Ok((paper, query))
    });
    let (Paper { paper, access, .. }, query) = read.await?;
    let pdf = web::block(move || paper.document().pdf()).await.map_err(|_| AppError::Internal("no thread".into()))?;
    let pdf = pdf.map_err(|cause| AppError::Internal(cause.to_string()))?;
    if !is_probe {
        state.record(trace(&access, "pdf", &query)).await?;
    }
    let name = format!("attachment; filename=\"conversation-{}.pdf\"", access.conversation());
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((CONTENT_DISPOSITION, name)).body(pdf))
}
