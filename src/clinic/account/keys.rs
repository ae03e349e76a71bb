//! `/keys`: what each key does, in words: as a page, and as the dialog that opens by `?`. `POST /account/keys` switches them on or off
//! for the user.

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::error::AppError;
use crate::http::keys::{Key, Place};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::state::AppState;
use crate::users;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/account/keys.html")]
struct KeysPage {
    shell: Shell,
    /// they do something for the reader
    on: bool,
    writes: bool,
}

impl KeysPage {
    fn of<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'static Key> + 'a {
        Key::of(self.writes).filter(move |key| key.place == *place)
    }

    /// A key as it is printed on keyboards of the page's language.
    fn name<'k>(&self, stroke: &'k str) -> &'k str {
        match stroke {
            "Enter" => self.shell.t("key-enter"),
            "Ctrl+Enter" => self.shell.t("key-ctrl-enter"),
            letter => letter,
        }
    }

    /// The name of a sign that screen readers may pass over; empty for any other key.
    fn spoken(&self, stroke: &str) -> &'static str {
        match stroke {
            "/" => self.shell.t("key-slash"),
            "?" => self.shell.t("key-question-mark"),
            _ => "",
        }
    }
}

pub async fn show(state: web::Data<AppState>, head: Head, user: User<rights::Read>) -> Result<HttpResponse, AppError> {
    let page = state.db.read(move |conn| -> Result<_, AppError> {
        let (shell, _) = shell(conn, &head, &user.0)?;
        let (on, writes) = shell.who.as_ref().map_or((false, false), |who| (who.keys, who.writes));
        Ok(KeysPage { shell, on, writes })
    });
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    user: User<rights::Read>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let on = match form.get("keys") {
        "on" => true,
        "off" => false,
        _ => return Err(AppError::BadRequest),
    };
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> { Ok(users::set_keys(tx, now, &user.0, on)?) });
    write.await?;
    Ok(see_other(if on { "/account?notice=keys-on" } else { "/account?notice=keys-off" }))
}
