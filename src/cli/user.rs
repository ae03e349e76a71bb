//! `postern user …`: what the page Settings, Users does, for the operator of the machine.

use super::Failure;
use crate::access::{self, Operator, Role};
use crate::administration::{self, Heir, LeaveError, OpenWork};
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::{Conn, Db, Ts, UserId};
use crate::error::AppError;
use crate::settings;
use crate::users::{self, Account, AddUser, Change, KnownNames, ManageError, NewPassword, Purpose, WaysIn};
use crate::values::{EmailAddress, UserName};
use clap::{Args, Subcommand};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// add a user: asks for the password on a terminal, else prints a one-time link to set it
    Add(Add),
    /// print a one-time link with which a user sets a password
    Link {
        /// email that the user signs in with
        email: String,
    },
    /// list the users: email, role, state, when they last signed in, name
    List,
    /// change what a user may do
    Role {
        /// email that the user signs in with
        email: String,
        /// owner, clinician, staff or viewer
        role: String,
    },
    /// end a user's sessions and let them sign in no more
    Deactivate {
        /// email that the user signs in with
        email: String,
        /// email of the user who takes over their open conversations, drafts and templates
        #[arg(long, value_name = "EMAIL")]
        to: Option<String>,
    },
    /// end a user's sessions; they may sign in again
    EndSessions {
        /// email that the user signs in with
        email: String,
    },
    /// take away the second factor of a user who has lost it, and end their sessions
    ResetSecondFactor {
        /// email that the user signs in with
        email: String,
    },
    /// let a user sign in again who was deactivated
    Reactivate {
        /// email that the user signs in with
        email: String,
    },
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
    match command {
        Command::Add(new) => add(config, new).await,
        Command::Link { email } => link(config, email).await,
        Command::List => list(config).await,
        Command::Role { email, role } => set_role(config, email, &role).await,
        Command::Deactivate { email, to } => deactivate(config, email, to).await,
        Command::EndSessions { email } => end_sessions(config, email).await,
        Command::ResetSecondFactor { email } => reset_second_factor(config, email).await,
        Command::Reactivate { email } => reactivate(config, email).await,
    }
}

async fn open(config: &Config) -> Result<(Db, Ts), Failure> {
    Ok((super::open(config).await?, Clock::system().now()))
}

fn address(text: &str) -> Result<EmailAddress, Failure> {
    Ok(EmailAddress::parse(text).ok_or_else(|| format!("{text:?} is not an email address"))?)
}

fn role(text: &str) -> Result<Role, Failure> {
    Ok(text.parse().map_err(|word| format!("{word:?} is no role: write owner, clinician, staff or viewer"))?)
}

async fn add(config: &Config, new: Add) -> Result<ExitCode, Failure> {
    let (email, role) = (address(&new.email)?, role(&new.role)?);
    let name = UserName::parse(&new.name)
        .ok_or_else(|| format!("--name: write a name of 1 to {} characters", UserName::LONGEST))?;
    let by_link = new.link || !std::io::stdin().is_terminal();
    let (db, now) = open(config).await?;
    let password_hash = match by_link {
        true => None,
        false => {
            let clinic = db.read(|conn| -> Result<_, AppError> { Ok(settings::load(conn)?.name) });
            let clinic = clinic.await.map_err(super::line)?;
            Some(ask(&KnownNames::new([name.as_str(), email.as_str(), &clinic]))?.hash().await?)
        }
    };
    let token = Random::system().token();
    let stored = token.clone();
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let language = settings::load(tx)?.language;
        let user = AddUser { email, name, role, language, password_hash };
        let id = users::add(tx, now, &Operator::of_the_command_line(), user)?;
        if by_link {
            users::make_password_link(tx, now, id, Purpose::Invitation, &stored)?;
        }
        Ok(())
    });
    match write.await {
        Ok(()) => {}
        Err(ManageError::EmailTaken) => return Err(format!("{} is a user already", new.email).into()),
        Err(cause) => return Err(why(cause)),
    }
    match by_link {
        true => println!("{}/password/{}", config.origin(), token.reveal()),
        false => println!("{} can sign in", new.email),
    }
    Ok(ExitCode::SUCCESS)
}

async fn link(config: &Config, email: String) -> Result<ExitCode, Failure> {
    let (email, (db, now)) = (address(&email)?, open(config).await?);
    let token = Random::system().token();
    let stored = token.clone();
    let only = config.oidc.as_ref().is_some_and(|oidc| oidc.only);
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let user = found(tx, &email)?;
        // where users sign in at the provider only, this link lets an owner sign in while the provider does not answer
        let purpose = if only && user.role == Role::Owner { Purpose::Emergency } else { Purpose::Invitation };
        users::link_to_show(tx, now, &Operator::of_the_command_line(), user.id, (purpose, &stored))?;
        Ok(purpose)
    });
    let purpose = write.await.map_err(why)?;
    println!("{}/password/{}", config.origin(), token.reveal());
    if purpose == Purpose::Emergency {
        eprintln!("users sign in at {} only: this link lets the owner in once, for 30 minutes", provider_name(config));
    }
    Ok(ExitCode::SUCCESS)
}

fn provider_name(config: &Config) -> &str {
    config.oidc.as_ref().map_or("the provider", |oidc| &oidc.name)
}

fn ask(names: &KnownNames) -> Result<NewPassword, Failure> {
    let password = rpassword::prompt_password("Password: ")?;
    let new = NewPassword::parse(&password, names)?;
    if rpassword::prompt_password("Again: ")? != password {
        return Err("the two were not the same".into());
    }
    Ok(new)
}

async fn list(config: &Config) -> Result<ExitCode, Failure> {
    let (db, _) = open(config).await?;
    let all =
        db.read(|conn| -> Result<_, AppError> { Ok((users::accounts(conn)?, access::lacking_second_factor(conn)?)) });
    let (all, lacking) = all.await.map_err(super::line)?;
    let width = all.iter().map(|one| one.email.as_str().chars().count()).max().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for one in &all {
        let state = match (one.active, one.has_a_way_in()) {
            (false, _) => "deactivated",
            (true, false) => "invited",
            (true, true) if lacking.contains(&one.id) => "no second step",
            (true, true) => "active",
        };
        let seen = one.signed_in_at.map_or_else(|| "never".to_owned(), |at| at.get().date().to_string());
        let (email, role) = (one.email.as_str(), one.role.as_str());
        // the reader of the output may have closed it, like `head`
        if writeln!(out, "{email:<width$}  {role:<9}  {state:<14}  {seen:<10}  {}", one.name).is_err() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The user with this address, in the transaction that changes them.
fn found(conn: &mut Conn, email: &EmailAddress) -> Result<Account, ManageError> {
    let id: UserId = users::by_email(conn, email)?.ok_or(ManageError::NotFound)?;
    users::account(conn, id)?.ok_or(ManageError::NotFound)
}

fn why(cause: ManageError) -> Failure {
    let words = match cause {
        ManageError::NotFound => "no user signs in with this address; `postern user list` shows them all",
        ManageError::LastOwner => "nobody else who can sign in is an owner: make somebody else one first",
        ManageError::NotAllowed | ManageError::EmailTaken => "this is not possible",
        ManageError::Db(cause) => return super::line(cause.into()),
    };
    words.into()
}

async fn set_role(config: &Config, email: String, role: &str) -> Result<ExitCode, Failure> {
    let (email, role, (db, now)) = (address(&email)?, self::role(role)?, open(config).await?);
    let ways = WaysIn::of(config.oidc.as_ref());
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let before = found(tx, &email)?;
        let change = Change { email: before.email, name: before.name, role };
        users::change(tx, now, &Operator::of_the_command_line(), ways, before.id, &change)
    });
    write.await.map_err(why)?;
    Ok(ExitCode::SUCCESS)
}

/// Why a user was not deactivated.
enum NotLeft {
    NobodyTakesOver(OpenWork),
    CannotTakeOver,
    CannotSendMany,
    Manage(ManageError),
}

impl From<ManageError> for NotLeft {
    fn from(cause: ManageError) -> Self {
        NotLeft::Manage(cause)
    }
}
impl From<diesel::result::Error> for NotLeft {
    fn from(cause: diesel::result::Error) -> Self {
        NotLeft::Manage(cause.into())
    }
}
impl From<crate::db::DbError> for NotLeft {
    fn from(cause: crate::db::DbError) -> Self {
        NotLeft::Manage(cause.into())
    }
}

async fn deactivate(config: &Config, email: String, to: Option<String>) -> Result<ExitCode, Failure> {
    let email = address(&email)?;
    let to = to.as_deref().map(address).transpose()?;
    let ((db, now), ways) = (open(config).await?, WaysIn::of(config.oidc.as_ref()));
    let write = db.write(move |tx| -> Result<_, NotLeft> {
        let user = found(tx, &email)?.id;
        let to = to.map(|email| found(tx, &email)).transpose()?.map(|one| one.id);
        let to = to.map(|user| Heir { user, team: None });
        match administration::deactivate_user(tx, now, &Operator::of_the_command_line(), ways, user, to) {
            Ok(_) => Ok(()),
            Err(LeaveError::NobodyTakesOver) => {
                Err(NotLeft::NobodyTakesOver(administration::open_work(tx, now, user)?))
            }
            // only a page names a team
            Err(LeaveError::CannotTakeOver | LeaveError::TeamCannot) => Err(NotLeft::CannotTakeOver),
            Err(LeaveError::CannotSendMany) => Err(NotLeft::CannotSendMany),
            Err(LeaveError::Manage(cause)) => Err(cause.into()),
        }
    });
    match write.await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(NotLeft::NobodyTakesOver(work)) => Err(said(work).into()),
        Err(NotLeft::CannotSendMany) => {
            Err("--to: messages to many are among their work: name a clinician or an owner, or stop these first".into())
        }
        Err(NotLeft::CannotTakeOver) => Err("--to: name another user who can sign in and may write to patients".into()),
        Err(NotLeft::Manage(cause)) => Err(why(cause)),
    }
}

/// What a user has to do, and that somebody has to take it over.
fn said(work: OpenWork) -> String {
    let OpenWork { conversations, assigned, drafts, scheduled, templates, broadcasts, teams, covers } = work;
    format!(
        "{conversations} open conversations ({assigned} of them assigned to them), {drafts} drafts, {scheduled} messages to go out \
         later and {templates} templates are theirs, besides {broadcasts} messages to many, {teams} teams with nobody else, and the cover \
         for {covers} colleagues: name with --to who takes them over"
    )
}

async fn reactivate(config: &Config, email: String) -> Result<ExitCode, Failure> {
    let (email, (db, now)) = (address(&email)?, open(config).await?);
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let user = found(tx, &email)?.id;
        users::reactivate(tx, now, &Operator::of_the_command_line(), user)
    });
    write.await.map_err(why)?;
    Ok(ExitCode::SUCCESS)
}

async fn end_sessions(config: &Config, email: String) -> Result<ExitCode, Failure> {
    let (email, (db, now)) = (address(&email)?, open(config).await?);
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let user = found(tx, &email)?.id;
        users::end_sessions_of(tx, now, &Operator::of_the_command_line(), user)
    });
    write.await.map_err(why)?;
    Ok(ExitCode::SUCCESS)
}

async fn reset_second_factor(config: &Config, email: String) -> Result<ExitCode, Failure> {
    let (email, (db, now)) = (address(&email)?, open(config).await?);
    let write = db.write(move |tx| -> Result<_, ManageError> {
        let user = found(tx, &email)?.id;
        users::reset_second_factor(tx, now, &Operator::of_the_command_line(), user)
    });
    match write.await.map_err(why)? {
        true => println!("from now on the password alone is asked for"),
        false => println!("there was no second factor"),
    }
    Ok(ExitCode::SUCCESS)
}
