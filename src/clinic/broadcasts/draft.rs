//! `/broadcasts/draft`: keeps on the server what is being written to many.

use super::new::{changed_elsewhere, check_chosen, page};
use crate::access::rights;
use crate::broadcasts;
use crate::clinic::composing::rich_text::RichText;
use crate::clinic::guard::{User, shell};
use crate::conversations::DraftError;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, see_other, unprocessable};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};

/// Saves the form; an empty one is not kept. The answers to a script are those of the draft of a new message: JSON with the next version
/// and when it was saved, or 409 where there is a newer draft. A browser without script gets the list, or the form again with what to do.
pub async fn save(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::SendMany>,
    req: HttpRequest,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let by_script = req.headers().get(ACCEPT).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let mut errors = FieldErrors::default();
    // a script adds what was chosen by itself
    if !by_script {
        check_chosen(&form, &mut errors);
    }
    if !errors.is_empty() {
        return unprocessable(&page(&state, head, user.0, form, errors).await?);
    }
    let version = form.get("draft_version").parse().unwrap_or(-1);
    let mut pairs = form.without("draft_version");
    pairs.retain(|(name, _)| !matches!(name.as_str(), "template" | "append" | "files" | "file" | "remove"));
    let is_blank = |name: &&str| form.get(name).trim().is_empty();
    let empty = RichText::typed(&form).markdown.trim().is_empty() && ["title", "recipients"].iter().all(is_blank);
    let empty = empty && !form.has("upload");
    let (now, words, by) = (state.clock.now(), head.clone(), user.0.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let saved = match empty {
            true => {
                broadcasts::drop_draft(tx, now, &by, version)?;
                let left = broadcasts::draft(tx, &by)?;
                // a newer one of another window stays
                if left.kept.is_some() { Err(DraftError::Newer) } else { Ok(left.version) }
            }
            // saved or refused, the answer below needs the words
            false => match broadcasts::save_draft(tx, now, &by, version, &pairs) {
                Err(DraftError::Db(cause)) => return Err(cause.into()),
                other => other,
            },
        };
        let (shell, _) = shell(tx, &words, &by)?;
        let when = if empty { String::new() } else { shell.t1("draft-saved-at", "when", shell.time(&now)) };
        Ok((saved, when))
    });
    let (saved, when) = write.await?;
    match saved {
        Ok(version) if by_script => {
            Ok(HttpResponse::Ok().json(serde_json::json!({ "version": version, "saved_at": when })))
        }
        Ok(_) => Ok(see_other("/broadcasts?notice=many-draft-saved")),
        Err(_) if by_script => Ok(HttpResponse::Conflict().finish()),
        Err(DraftError::TooLong) => {
            errors.add("body", "error-too-long");
            unprocessable(&page(&state, head, user.0, form, errors).await?)
        }
        Err(_) => with_status(StatusCode::CONFLICT, &changed_elsewhere(&state, head, user.0, form).await?),
    }
}

/// Throws the draft away.
pub async fn discard(
    state: web::Data<AppState>,
    user: User<rights::SendMany>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, version) = (state.clock.now(), form.get("draft_version").parse().unwrap_or(-1));
    let write =
        state.db.write(move |tx| -> Result<_, AppError> { Ok(broadcasts::drop_draft(tx, now, &user.0, version)?) });
    write.await?;
    Ok(see_other("/broadcasts?notice=draft-discarded"))
}
