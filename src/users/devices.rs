//! Browsers that a user has signed in from. A browser is known by a cookie that stays when the session ends; only its hash
//! is kept.

use super::mails::{self, MailKind, Wanted};
use crate::access::Device;
use crate::clock::Token;
use crate::db::schema::known_devices as d;
use crate::db::{Ts, Tx, UserId};
use diesel::prelude::*;
use time::Duration;

/// For this long a browser that is not used stays known.
pub const DEVICE_LASTS: Duration = Duration::days(400);

/// Notes that a user signs in from a browser. Where they have signed in before, but not from this one, they are told.
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

/// Forgets the browsers that were not used for long.
pub fn forget_devices(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(d::table.filter(d::seen_at.lt(now.plus(-DEVICE_LASTS)))).execute(tx.conn())
}
