//! `/settings/notification-templates/…/view`: one notification exactly as it arrives, in light and dark, on a desk and a phone.

use super::notification_preview::{sample_secret, sample_word};
use super::notification_templates::{SlotPath, path, slot};
use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::delivery::Channel;
use crate::error::AppError;
use crate::http::{Head, Shell, html, mail_frame};
use crate::notifications::Wording;
use crate::notifications::templates::{self, Rendered, Slot};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "clinic/settings/notification_view.html")]
struct ViewPage {
    shell: Shell,
    slot: Slot,
    shown: Shown,
    look: &'static str,
    size: &'static str,
}

/// What arrives.
enum Shown {
    Email(Rendered),
    Sms(String),
}

impl ViewPage {
    fn path(&self) -> String {
        path(&self.slot)
    }

    /// The address of this page with another look or size.
    fn with(&self, look: &str, size: &str) -> String {
        format!("{}/view?look={look}&size={size}", self.path())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    look: String,
    size: String,
}

/// The wording in use with sample values, and the shell of the page around it.
async fn read(
    state: &AppState,
    head: Head,
    user: User<rights::Settings>,
    slot: Slot,
) -> Result<(Shell, Shown), AppError> {
    let (origin, now) = (state.config.origin(), state.clock.now());
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, settings) = shell(conn, &head, &user.0)?;
        let (template, _) = templates::in_use(conn, &settings, slot)?;
        let name = if settings.notify_by_name { user.0.name() } else { "" };
        let words = Wording::new(template, (&settings, origin.as_str()), name, now).with_own_word(sample_word(conn)?);
        let secret = sample_secret(slot.kind, &origin);
        let shown = match slot.channel {
            Channel::Email => Shown::Email(words.email(&secret)?),
            Channel::Sms => Shown::Sms(words.text(&secret)),
        };
        Ok((shell, shown))
    });
    read.await
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    let slot = slot(&place)?;
    let (shell, shown) = read(&state, head, user, slot).await?;
    let look = mail_frame::chosen(&query.look, ["light", "dark"]).unwrap_or("light");
    let size = mail_frame::chosen(&query.size, ["desk", "phone"]).unwrap_or("desk");
    mail_frame::allow_in(html(&ViewPage { shell, slot, shown, look, size })?)
}

/// The document of the email, for the frame of the page.
pub async fn mail(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    place: SlotPath,
    query: web::Query<Query>,
) -> Result<HttpResponse, AppError> {
    match read(&state, head, user, slot(&place)?).await?.1 {
        Shown::Email(email) => Ok(mail_frame::document(&email.html, &query.look)),
        Shown::Sms(_) => Err(AppError::NotFound),
    }
}
