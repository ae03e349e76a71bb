//! `/forgotten-password`: takes an email address, and answers the same whether or not a user has it.

use crate::clinic::guard::shell_for_nobody;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users;
use crate::values::EmailAddress;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/forgotten.html")]
struct ForgottenPage {
    shell: Shell,
    email: String,
    errors: FieldErrors,
    /// the provider's name, where users sign in only there: then nobody needs a password
    only: Option<String>,
}

async fn page(state: &AppState, head: Head, email: &str, errors: FieldErrors) -> Result<ForgottenPage, AppError> {
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    let only = state.provider.as_ref().filter(|provider| provider.config().only);
    let only = only.map(|provider| provider.name().to_owned());
    Ok(ForgottenPage { shell, email: email.to_owned(), errors, only })
}

pub async fn show(state: web::Data<AppState>, head: Head) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, "", FieldErrors::default()).await?)
}

pub async fn submit(state: web::Data<AppState>, head: Head, form: Form) -> Result<HttpResponse, AppError> {
    let typed = form.get("email");
    state.limits.sign_in(head.from, typed)?;
    if state.only_provider() {
        let (now, from) = (head.now, head.from);
        state.db.write(move |tx| -> Result<_, AppError> { Ok(users::refuse_sign_in(tx, now, from)?) }).await?;
        return with_status(StatusCode::FORBIDDEN, &page(&state, head, "", FieldErrors::default()).await?);
    }
    let mut errors = FieldErrors::default();
    let Some(email) = errors.need("email", "error-email", EmailAddress::parse(typed)) else {
        return unprocessable(&page(&state, head, typed, errors).await?);
    };
    let now = head.now;
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::forgot_password(tx, now, &email)?) });
    write.await?;
    state.wake.notify_one();
    Ok(see_other("/sign-in?notice=password-forgotten"))
}
