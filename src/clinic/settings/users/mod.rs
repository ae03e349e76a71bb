//! `/settings/users`: who may sign in, and in which role.

pub mod away;
pub mod deactivation;
pub mod list;
pub mod new;
pub mod one;

use crate::access::{self, SignedInUser, rights};
use crate::clinic::guard::number;
use crate::db::{Conn, UserId};
use crate::error::AppError;
use crate::http::Form;
use crate::http::form::FieldErrors;
use crate::users::{self, Account, Change, ManageError};
use crate::values::{EmailAddress, UserName};
use actix_web::HttpRequest;

/// The user in the path.
fn in_path(req: &HttpRequest) -> Result<UserId, AppError> {
    number(req, "user").map(UserId)
}

fn account(conn: &mut Conn, user: UserId) -> Result<Account, AppError> {
    users::account(conn, user)?.ok_or(AppError::NotFound)
}

/// The field that is refused, and why; an error where correcting the form does not help.
fn refused(cause: ManageError) -> Result<(&'static str, &'static str), AppError> {
    match cause {
        ManageError::LastOwner => Ok(("role", "error-last-owner")),
        ManageError::EmailTaken => Ok(("email", "error-email-taken")),
        cause => Err(broken(cause)),
    }
}

/// The error where correcting the form does not help.
fn broken(cause: ManageError) -> AppError {
    match cause {
        ManageError::NotAllowed => AppError::Forbidden,
        ManageError::Db(cause) => cause.into(),
        ManageError::NotFound | ManageError::LastOwner | ManageError::EmailTaken => AppError::NotFound,
    }
}

/// A user's fields, as typed or as stored.
struct Typed {
    name: String,
    email: String,
    role: String,
}

impl Typed {
    fn from_form(form: &Form) -> Typed {
        let typed = |field| form.get(field).to_owned();
        Typed { name: typed("name"), email: typed("email"), role: typed("role") }
    }

    fn stored(account: &Account) -> Typed {
        let (name, email) = (account.name.to_string(), account.email.to_string());
        Typed { name, email, role: account.role.as_str().to_owned() }
    }

    /// Parses the fields; what is wrong is noted in `errors`.
    fn read(&self, errors: &mut FieldErrors) -> Option<Change> {
        let name = errors.need("name", "error-user-name", UserName::parse(&self.name));
        let email = errors.need("email", "error-email", EmailAddress::parse(&self.email));
        let role = errors.need("role", "error-role", self.role.parse().ok());
        Some(Change { name: name?, email: email?, role: role? })
    }
}

/// A user as a line of the list.
struct Line {
    account: Account,
    /// whether this user is the one who reads the page
    is_me: bool,
    /// whether their role needs a second step that they have not set up
    lacks_second_step: bool,
}

fn lines(conn: &mut Conn, me: &SignedInUser<rights::Users>) -> Result<(Vec<Line>, Vec<Line>), AppError> {
    let lacking = access::lacking_second_factor(conn)?;
    let line = |account: Account| Line {
        is_me: account.id == me.id(),
        lacks_second_step: lacking.contains(&account.id),
        account,
    };
    Ok(users::accounts(conn)?.into_iter().map(line).partition(|line| line.account.active))
}
