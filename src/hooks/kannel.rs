//! Kannel's calls: unsigned GETs, so the address itself is the secret.

use super::Came;
use crate::config::TextsVia;
use crate::delivery::Reason;
use crate::error::AppError;
use crate::notifications::{Ending, State};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

fn check(state: &AppState) -> Result<(), AppError> {
    let kannel = matches!(state.config.texts.as_ref().map(|texts| &texts.via), Some(TextsVia::Kannel(_)));
    kannel.then_some(()).ok_or(AppError::NotFound)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Receipt {
    /// Kannel's %d
    report: String,
}

pub async fn receipt(
    state: web::Data<AppState>,
    path: web::Path<(i64, String)>,
    query: web::Query<Receipt>,
) -> Result<HttpResponse, AppError> {
    check(&state)?;
    super::receipt(&state, path.into_inner(), ending(&query.report)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Kannel's kinds of report: 1 delivered, 2 not delivered, 4 waits at the centre, 8 taken by the centre, 16 refused by
/// the centre.
fn ending(report: &str) -> Option<Ending> {
    let (state, reason) = match report {
        "1" => (State::Delivered, None),
        "2" => (State::Failed, Some(Reason::NotDelivered)),
        "4" | "8" => (State::Sent, None),
        "16" => (State::Failed, Some(Reason::GatewayRefused)),
        _ => return None,
    };
    Some(Ending { state, reason })
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Text {
    /// Kannel's %p
    from: String,
    /// Kannel's %a
    text: String,
    /// Kannel's %I
    id: String,
}

pub async fn text(
    state: web::Data<AppState>,
    path: web::Path<String>,
    query: web::Query<Text>,
) -> Result<HttpResponse, AppError> {
    check(&state)?;
    let query = query.into_inner();
    if query.id.is_empty() {
        return Err(AppError::BadRequest);
    }
    let gateway_id = format!("kannel {}", query.id);
    let came = Came { from: query.from, body: query.text, gateway_id, answered: false };
    let answer = super::text(&state, "kannel/texts", path.into_inner(), came).await?;
    // Kannel sends the body back as a text, and nothing where it is empty
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(answer.unwrap_or_default()))
}
