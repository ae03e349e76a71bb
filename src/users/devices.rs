//! Browsers that a user has signed in from. A browser is recognised by a cookie that outlasts the session; only the
//! cookie's hash is stored.

use super::mails::{self, MailKind, Wanted};
use crate::access::Device;
use crate::clock::Token;
use crate::db::schema::known_devices as d;
use crate::db::{Ts, Tx, UserId};
use diesel::prelude::*;
use time::Duration;

/// A browser that is not used stays known for this long.
pub const DEVICE_LASTS: Duration = Duration::days(400);

/// Notes that a user signs in from a browser. A user who has signed in before, but never from this browser, is told by
/// mail.
pub(super) fn seen(
    tx: &mut Tx,
    now: Ts,
    user: UserId,
    (device, token): (Device, &Token),
    is_first_sign_in: bool,
) -> QueryResult<()> {
    let theirs = d::table.find((user, token.hash()));
    if diesel::update(theirs).set(d::seen_at.eq(now)).execute(tx.conn())? > 0 {
        return Ok(());
    }
    let row = (d::user_id.eq(user), d::token_hash.eq(token.hash()), d::seen_at.eq(now));
    diesel::insert_into(d::table).values(row).execute(tx.conn())?;
    if is_first_sign_in || mails::had_enough(tx, now, user, MailKind::NewDevice)? {
        return Ok(());
    }
    mails::post(tx, now, &Wanted::to_user(MailKind::NewDevice, Some(user)).about(device))
}

/// Removes the browsers that were not used for `DEVICE_LASTS`. Gives how many.
pub fn forget_devices(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(d::table.filter(d::seen_at.lt(now.plus(-DEVICE_LASTS)))).execute(tx.conn())
}
