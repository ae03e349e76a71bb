//! Records of patients: nobody twice, merging, archiving, retention.

mod adding;
mod archiving;
mod browser;
mod choosing;
mod merging;
mod recognising;
mod records;

use crate::support::app::App;
use diesel::prelude::*;
use postern::db::schema::patients;
use postern::error::AppError;

/// The number of patients.
async fn count(app: &App) -> i64 {
    let read = app.state.db.read(|conn| Ok::<_, AppError>(patients::table.count().get_result(conn)?));
    read.await.unwrap()
}

/// Sets the language of the only user, who signs in by hand in a browser; gives their email address.
pub async fn email_of_the_user(app: &App, language: &'static str) -> String {
    use postern::db::schema::users;
    let write = app.state.db.write(move |tx| -> Result<String, AppError> {
        diesel::update(users::table).set(users::language.eq(language)).execute(tx.conn())?;
        Ok(users::table.select(users::email).order(users::id).first(tx.conn())?)
    });
    write.await.unwrap()
}
