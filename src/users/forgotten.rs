//! "Forgotten your password?" Whether a user has the address or not, the same rows are written, in the same statements,
//! so that neither the answer nor its time tells.

use super::mails::{self, MailKind, Wanted};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::users;
use crate::db::{Ts, Tx, UserId};
use crate::values::EmailAddress;
use diesel::prelude::*;

/// Enqueues a mail with a link to the user with this address. Where nobody has it, or enough such mails were sent, the
/// mail is enqueued without a recipient.
pub fn forgot_password(tx: &mut Tx, now: Ts, email: &EmailAddress) -> QueryResult<()> {
    let known = users::table.filter(users::email_key.eq(email.key())).filter(users::active.eq(true));
    let found: Option<UserId> = known.select(users::id).first(tx.conn()).optional()?;
    let enough = mails::had_enough(tx, now, found.unwrap_or(UserId(0)), MailKind::Forgotten)?;
    mails::post(tx, now, &Wanted::to_user(MailKind::Forgotten, found.filter(|_| !enough)))?;
    let subject = found.map_or(Subject::None, Subject::User);
    audit::append(tx, now, Entry::of_clinic(Actor::System, Event::PasswordForgotten, subject))
}
