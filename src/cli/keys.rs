//! `postern keys`: seals text and files with the present key. The worker does so too, within the hour.

use super::{Failure, files, line};
use crate::clock::Random;
use crate::config::Config;
use crate::db::{Db, sealed};
use crate::error::AppError;
use crate::users::{self, Vault};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// seal with the present key what is in clear or under an old one, text and files, and say which old keys can go
    Rotate,
}

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Rotate => rotate(config).await,
    }
}

pub(super) async fn rotate(config: &Config) -> Result<ExitCode, Failure> {
    let db = super::open(config).await?;
    let vault = Vault::from_files(&config.files, &Random::system());
    let apps = db.write(move |tx| -> Result<_, AppError> { Ok(users::seal_apps_anew(tx, &vault)?) });
    let apps = apps.await.map_err(line)?;
    if apps > 0 {
        println!("{apps} secrets of authenticator apps were written anew");
    }
    let anew = sealed::seal_anew(&db).await.map_err(|cause| cause.to_string())?;
    println!("{} texts were written anew", anew.sealed);
    let ring = db.keys().text.clone();
    let read = db.read(move |conn| -> Result<_, AppError> {
        Ok((sealed::count_others(conn, &ring)?, sealed::keys_of_text(conn)?))
    });
    let (left, needed) = read.await.map_err(line)?;
    if left > 0 {
        println!("{left} texts are left as they were; see the log");
    }
    // SQLite leaves replaced text in free pages of its file, and compacting removes it
    if anew.sealed > 0 {
        let url = config.database.clone();
        match db.is_postgres() {
            false => {
                tokio::task::spawn_blocking(move || Db::compact(&url)).await?.map_err(|cause| cause.to_string())?
            }
            true => println!("PostgreSQL keeps what was there until it is vacuumed: say VACUUM FULL in a quiet hour"),
        }
    }
    let needed = move |key: &str| needed.iter().any(|(id, _)| id == key);
    let files = files::rotate(config, &db, needed).await?;
    Ok(if left == 0 { files } else { ExitCode::FAILURE })
}
