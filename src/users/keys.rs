//! Whether keys of one letter do something for a user (WCAG 2.2, 2.1.4): speech and tremor press keys that nobody meant. Each session
//! reads it with its user.

use crate::access::{Right, SignedInUser};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::users;
use crate::db::{Ts, Tx};
use diesel::prelude::*;

/// Switches the user's own keys on or off.
pub fn set_keys<R: Right>(tx: &mut Tx, now: Ts, user: &SignedInUser<R>, on: bool) -> QueryResult<()> {
    diesel::update(users::table.find(user.id())).set(users::keys_on.eq(on)).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::User(user.id()), Event::UserChanged, Subject::User(user.id()));
    audit::append(tx, now, entry.with("keys"))
}
