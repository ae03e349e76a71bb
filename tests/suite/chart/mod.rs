//! Charts and imports.

mod addresses;
mod browser;
mod csv;
mod csv_command;
mod csv_page;
pub mod document;
mod fhir;
mod import_browser;
pub mod items;
pub mod later_files;
mod memory;
mod scripts;
mod search;
mod sources;
mod standing;
mod states;
mod values;

use crate::support::app::App;

/// The address of the first user, who signs in by hand in a browser.
async fn email_of_the_user(app: &App) -> String {
    use diesel::prelude::*;
    use postern::db::schema::users;
    let read = app.state.db.read(|conn| -> Result<String, postern::error::AppError> {
        Ok(users::table.select(users::email).order(users::id).first(conn)?)
    });
    read.await.unwrap()
}
