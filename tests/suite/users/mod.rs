//! Users: accounts, roles and signing in.

mod account;
pub mod away;
mod browser;
mod commands;
mod confirming;
mod inviting;
mod keys;
mod keys_browser;
mod leaving;
mod managing;
mod menu_browser;
pub mod passkeys;
mod passkeys_browser;
mod refusals;
pub mod second_factor;
mod second_factor_browser;
mod single_sign_on;
mod single_sign_on_alone;
mod single_sign_on_browser;
mod single_sign_on_roles;

use crate::support::app::App;
use diesel::prelude::*;
use postern::db::UserId;
use postern::db::schema::{audit_events, users};
use postern::error::AppError;
use postern::users::Account;

/// Every user, in the order in which they were added.
async fn everybody(app: &App) -> Vec<Account> {
    let read = app.state.db.read(|conn| Ok::<_, AppError>(postern::users::accounts(conn)?));
    let mut all = read.await.unwrap();
    all.sort_by_key(|one| one.id);
    all
}

/// The newest user.
async fn newest(app: &App) -> UserId {
    everybody(app).await.last().unwrap().id
}

/// The details of the audit rows about this user with this action, in order.
async fn noted(app: &App, user: UserId, action: &'static str) -> Vec<Option<String>> {
    let read = app.state.db.read(move |conn| -> Result<_, AppError> {
        let of_them = audit_events::table.filter(audit_events::subject.eq("user")).order(audit_events::id);
        let of_them = of_them.filter(audit_events::subject_id.eq(user.0)).filter(audit_events::action.eq(action));
        Ok(of_them.select(audit_events::detail).load(conn)?)
    });
    read.await.unwrap()
}

/// Sets the language of all users.
async fn speak(app: &App, language: &'static str) {
    let write = app.state.db.write(move |tx| -> Result<_, AppError> {
        Ok(diesel::update(users::table).set(users::language.eq(language)).execute(tx.conn())?)
    });
    write.await.unwrap();
}
