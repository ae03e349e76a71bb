//! `/forgotten-password`: an address in, and the same answer whoever has it.

use crate::clinic::guard::shell_for_nobody;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::{Form, Head, Shell, html, see_other, unprocessable};
use crate::state::AppState;
use crate::users;
use crate::values::EmailAddress;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/forgotten.html")]
struct ForgottenPage {
    shell: Shell,
    email: String,
    errors: FieldErrors,
}

async fn page(state: &AppState, head: Head, email: &str, errors: FieldErrors) -> Result<ForgottenPage, AppError> {
    let shell = state.db.read(move |conn| shell_for_nobody(conn, &head)).await?;
    Ok(ForgottenPage { shell, email: email.to_owned(), errors })
}

pub async fn show(state: web::Data<AppState>, head: Head) -> Result<HttpResponse, AppError> {
    html(&page(&state, head, "", FieldErrors::default()).await?)
}

pub async fn submit(state: web::Data<AppState>, head: Head, form: Form) -> Result<HttpResponse, AppError> {
    let typed = form.get("email");
    state.limits.sign_in(head.from, typed)?;
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
