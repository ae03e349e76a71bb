//! Links for somebody who says who they are. There is one for each such claim, true or not.

use crate::clock::Token;
use crate::db::schema::{claim_tokens, passcodes, portal_links};
use crate::db::{Both, CaregiverId, ConversationId, LinkId, NotificationId, PatientId, Ts, Tx};
use crate::delivery::Channel;
use diesel::prelude::*;
use time::Duration;

/// A claim's link works for this long.
pub const CLAIM_LASTS: Duration = Duration::minutes(30);
/// How long a claim and its wrong tries are stored.
const REMEMBERED: Duration = Duration::days(1);

/// The link of this claim, made now or earlier. `token` leads to it, as do the tokens of pages that are still open.
pub fn put(
    tx: &mut Tx,
    now: Ts,
    token: &Token,
    claim_hash: Vec<u8>,
    (patient, caregiver): (Option<PatientId>, Option<CaregiverId>),
    channel: Channel,
) -> QueryResult<LinkId> {
    let fresh = (
        (portal_links::patient_id.eq(patient), portal_links::caregiver_id.eq(caregiver)),
        (portal_links::channel.eq(channel), portal_links::created_at.eq(now)),
        (portal_links::expires_at.eq(now.plus(CLAIM_LASTS)), portal_links::ended_at.eq(None::<Ts>)),
    );
    let row = (
        fresh,
        (portal_links::token_hash.eq(token.hash()), portal_links::claim_hash.eq(claim_hash.clone())),
        portal_links::conversation_id.eq(None::<ConversationId>),
        portal_links::notification_id.eq(None::<NotificationId>),
    );
    let insert = diesel::insert_into(portal_links::table).values(row);
    Both(insert.on_conflict(portal_links::claim_hash).do_update().set(fresh)).execute(tx.conn())?;
    let of = portal_links::table.filter(portal_links::claim_hash.eq(claim_hash));
    let (id, first): (LinkId, Vec<u8>) = of.select((portal_links::id, portal_links::token_hash)).first(tx.conn())?;
    if first != token.hash() {
        let row =
            (claim_tokens::token_hash.eq(token.hash()), claim_tokens::link_id.eq(id), claim_tokens::created_at.eq(now));
        diesel::insert_into(claim_tokens::table).values(row).execute(tx.conn())?;
    }
    Ok(id)
}

/// Removes claims that expired more than a day ago. Gives how many.
pub fn forget(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old = portal_links::table
        .filter(portal_links::claim_hash.is_not_null())
        .filter(portal_links::expires_at.lt(now.plus(-REMEMBERED)));
    let ids: Vec<LinkId> = old.select(portal_links::id).limit(10_000).load(tx.conn())?;
    diesel::delete(claim_tokens::table.filter(claim_tokens::link_id.eq_any(ids.clone()))).execute(tx.conn())?;
    diesel::delete(passcodes::table.filter(passcodes::link_id.eq_any(ids.clone()))).execute(tx.conn())?;
    diesel::delete(portal_links::table.filter(portal_links::id.eq_any(ids))).execute(tx.conn())
}
