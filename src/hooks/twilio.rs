//! Twilio's webhooks: signed with the account's token over the public address.

use super::Came;
use crate::config::{TextsVia, Twilio};
use crate::delivery::{Reason, twilio};
use crate::error::AppError;
use crate::http::Form;
use crate::notifications::{Ending, State};
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};

/// The account, if it signed the request. The address is rebuilt from the configuration: a proxy may have changed the
/// address that Twilio signed.
fn check<'a>(state: &'a AppState, req: &HttpRequest, form: &Form) -> Result<&'a Twilio, AppError> {
    let Some(TextsVia::Twilio(account)) = state.config.texts.as_ref().map(|texts| &texts.via) else {
        return Err(AppError::NotFound);
    };
    let path = req.uri().path_and_query().map_or("", |path| path.as_str());
    let address = format!("{}{path}", state.config.origin());
    let given = req.headers().get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match twilio::is_signed(&account.auth_token, &address, form.pairs(), given) {
        true => Ok(account),
        false => Err(AppError::Forbidden),
    }
}

pub async fn receipt(
    state: web::Data<AppState>,
    req: HttpRequest,
    path: web::Path<(i64, String)>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    check(&state, &req, &form)?;
    let code = form.get("ErrorCode").parse().unwrap_or_default();
    super::receipt(&state, path.into_inner(), ending(form.get("MessageStatus"), code)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The outcome that a status means; `None` while the text has not left Twilio.
fn ending(status: &str, code: i64) -> Option<Ending> {
    let failed = || match twilio::reason(code) {
        Some(Reason::StoppedByPatient) => (State::Stopped, Some(Reason::StoppedByPatient)),
        reason => (State::Failed, Some(reason.unwrap_or(Reason::NotDelivered))),
    };
    let (state, reason) = match status {
        "sent" => (State::Sent, None),
        "delivered" | "read" => (State::Delivered, None),
        "undelivered" | "failed" => failed(),
        _ => return None,
    };
    Some(Ending { state, reason })
}

pub async fn text(
    state: web::Data<AppState>,
    req: HttpRequest,
    path: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    check(&state, &req, &form)?;
    let came = Came {
        from: form.get("From").to_owned(),
        body: form.get("Body").to_owned(),
        gateway_id: format!("twilio {}", form.get("MessageSid")),
        // Twilio sets this field when its own opt-out handling has answered
        answered: form.has("OptOutType"),
    };
    let answer = super::text(&state, "twilio/texts", path.into_inner(), came).await?;
    let words = answer.map(|words| format!("<Message>{}</Message>", escaped(&words))).unwrap_or_default();
    let twiml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{words}</Response>");
    Ok(HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(twiml))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
