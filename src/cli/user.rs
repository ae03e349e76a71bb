//! `postern user add`.

use super::Failure;
use crate::access::Role;
use crate::audit::Actor;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::error::AppError;
use crate::settings;
use crate::slow_hash;
use crate::users::{self, AddUser, SHORTEST_PASSWORD};
use crate::values::EmailAddress;
use clap::{Args, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// add a user: asks for the password on a terminal, else prints a one-time link to set it
    Add(Add),
}

#[derive(Args)]
pub(super) struct Add {
    /// email, which is the sign-in name
    email: String,
    /// name as colleagues see it
    #[arg(long)]
    name: String,
    /// owner, clinician, staff or viewer
    #[arg(long)]
    role: String,
    /// print a one-time link to set the password, also on a terminal
    #[arg(long)]
    link: bool,
}

pub(super) async fn run(config: &Config, command: Command) -> Result<ExitCode, Failure> {
    let Command::Add(add) = command;
    let email = EmailAddress::parse(&add.email).ok_or_else(|| format!("{:?} is not an email address", add.email))?;
    let role: Role = add
        .role
        .parse()
        .map_err(|word| format!("--role: {word:?} is none: write owner, clinician, staff or viewer"))?;
    let by_link = add.link || !std::io::stdin().is_terminal();
    let password_hash = match by_link {
        true => None,
        false => Some(slow_hash::hash(slow_hash::Lane::Passwords, ask()?).await?),
    };
    let (random, now) = (Random::system(), Clock::system().now());
    let db = super::open(config).await?;
    let token = random.token();
    let stored = token.clone();
    let name = crate::text::one_line(&add.name);
    let write = db.write(move |tx| -> Result<_, AppError> {
        let language = settings::load(tx)?.language;
        let user = AddUser { email, name, role, language, password_hash };
        let Some(id) = users::add(tx, now, Actor::System, user)? else { return Ok(false) };
        if by_link {
            users::make_password_link(tx, now, id, &stored)?;
        }
        Ok(true)
    });
    if !write.await.map_err(super::line)? {
        return Err(format!("{} is a user already", add.email).into());
    }
    match by_link {
        true => println!("{}/password/{}", config.origin(), token.reveal()),
        false => println!("{} can sign in", add.email),
    }
    Ok(ExitCode::SUCCESS)
}

fn ask() -> Result<String, Failure> {
    let password = rpassword::prompt_password("Password: ")?;
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(format!("a password has at least {SHORTEST_PASSWORD} characters").into());
    }
    if rpassword::prompt_password("Again: ")? != password {
        return Err("the two were not the same".into());
    }
    Ok(password)
}
