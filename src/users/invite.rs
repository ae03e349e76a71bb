//! Inviting: a user gets a link with which they set a password, by mail or, where mail does not arrive, by hand.

use super::links::{self, Purpose};
use super::mails::{self, MailKind, Wanted};
use super::manage::{ManageError, hold};
use crate::access::{Authority, rights};
use crate::audit::{self, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::{Ts, Tx, UserId};

/// Enqueues a mail with the link.
///
/// # Errors
/// [`ManageError::NotAllowed`]; [`ManageError::NotFound`] also where the user was deactivated.
pub fn invite(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Users>, user: UserId) -> Result<(), ManageError> {
    is_there(tx, by, user)?;
    mails::post(tx, now, &Wanted::to_user(MailKind::Invitation, Some(user)))?;
    audit_link(tx, now, by, user, "mail")
}

/// Makes a link that is shown once, to be passed on by hand; gives until when it works.
///
/// # Errors
/// Those of [`invite`].
pub fn link_to_show(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
    (purpose, token): (Purpose, &Token),
) -> Result<Ts, ManageError> {
    is_there(tx, by, user)?;
    let until = links::make_password_link(tx, now, user, purpose, token)?;
    audit_link(tx, now, by, user, if purpose == Purpose::Emergency { "emergency" } else { "shown" })?;
    Ok(until)
}

fn is_there(tx: &mut Tx, by: &impl Authority<rights::Users>, user: UserId) -> Result<(), ManageError> {
    if hold(tx, by, user)?.active { Ok(()) } else { Err(ManageError::NotFound) }
}

fn audit_link(
    tx: &mut Tx,
    now: Ts,
    by: &impl Authority<rights::Users>,
    user: UserId,
    how: &str,
) -> Result<(), ManageError> {
    let entry = Entry::of_clinic(by.user().into(), Event::PasswordLinkMade, Subject::User(user));
    Ok(audit::append(tx, now, entry.with(how))?)
}
