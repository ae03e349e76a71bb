//! Visits at the provider: from the press that leads there to the answer that comes back. Only hashes are kept; state, nonce
//! and the secret of PKCE are with the browser and the provider.

use super::ProviderRefusal;
use crate::access::{ConfirmedAccount, OwnAccount};
use crate::clock::Token;
use crate::db::schema::provider_visits as v;
use crate::db::{Ts, Tx, UserId};
use crate::provider::Visit;
use crate::text_enum;
use crate::users::links::{self, Purpose};
use diesel::prelude::*;
use subtle::ConstantTimeEq;
use time::Duration;

/// For so long somebody may be at the provider.
pub const VISIT_LASTS: Duration = Duration::minutes(10);

text_enum! {
    /// What a visit is for, as it is stored.
    pub enum VisitPurpose {
        /// signing in
        SignIn = "sign_in",
        /// a signed-in user says who they are there
        Link = "link",
        /// so does somebody who was invited
        Invitation = "invitation",
        /// saying once more who one is
        Confirmation = "confirmation",
    }
}

/// What somebody goes to the provider for.
pub enum VisitErrand {
    /// signing in
    SignIn,
    /// linking, by a user who has said a few minutes ago who they are
    Link(ConfirmedAccount),
    /// linking, by somebody who has this invitation
    Invitation(Token),
    /// saying once more who one is
    Confirmation(OwnAccount),
}

impl VisitErrand {
    /// Whether the provider is to ask who they are although they have a session there.
    pub fn asks_anew(&self) -> bool {
        matches!(self, VisitErrand::Confirmation(_))
    }
}

/// Notes that a browser goes to the provider, with where it goes afterwards. `false` where it has no business there: the
/// invitation is none.
pub fn begin_visit(
    tx: &mut Tx,
    now: Ts,
    errand: &VisitErrand,
    (visit, nonce): (&Visit, &Token),
    next: &str,
) -> QueryResult<bool> {
    let (purpose, user, invitation) = match errand {
        VisitErrand::SignIn => (VisitPurpose::SignIn, None, None),
        VisitErrand::Link(me) => (VisitPurpose::Link, Some(me.id()), None),
        VisitErrand::Confirmation(me) => (VisitPurpose::Confirmation, Some(me.id()), None),
        VisitErrand::Invitation(token) => match links::open_password_link(tx, now, token)? {
            Some((user, Purpose::Invitation)) => (VisitPurpose::Invitation, Some(user), Some(token.hash())),
            _ => return Ok(false),
        },
    };
    let row = (
        (v::state_hash.eq(visit.state.hash()), v::browser_hash.eq(visit.browser.hash())),
        (v::nonce_hash.eq(nonce.hash()), v::purpose.eq(purpose), v::user_id.eq(user)),
        (v::invitation_hash.eq(invitation), v::next.eq(next)),
        (v::begun_at.eq(now), v::expires_at.eq(now.plus(VISIT_LASTS))),
    );
    diesel::insert_into(v::table).values(row).execute(tx.conn())?;
    Ok(true)
}

/// A visit that is over.
pub(super) struct Begun {
    browser_hash: Vec<u8>,
    nonce_hash: Vec<u8>,
    pub(super) purpose: VisitPurpose,
    pub(super) user: Option<UserId>,
    pub(super) invitation: Option<Vec<u8>>,
    pub(super) next: String,
    pub(super) at: Ts,
    expires_at: Ts,
}

impl Begun {
    /// Whether an ID token with this nonce is for it.
    pub(super) fn is_nonce(&self, nonce: &Token) -> bool {
        nonce.hash().ct_eq(&self.nonce_hash).into()
    }
}

/// Uses a visit up. Of two answers with one state, one finds it; an answer in another browser leaves it to the one that
/// began.
pub(super) fn take(
    tx: &mut Tx,
    now: Ts,
    state: &Token,
    browser: Option<&Token>,
) -> QueryResult<Result<Begun, ProviderRefusal>> {
    let columns = (
        (v::browser_hash, v::nonce_hash, v::purpose, v::user_id),
        (v::invitation_hash, v::next, v::begun_at, v::expires_at),
    );
    type Row = ((Vec<u8>, Vec<u8>, VisitPurpose, Option<UserId>), (Option<Vec<u8>>, String, Ts, Ts));
    let found: Option<Row> = v::table.find(state.hash()).select(columns).first(tx.conn()).optional()?;
    let Some(((browser_hash, nonce_hash, purpose, user), (invitation, next, at, expires_at))) = found else {
        return Ok(Err(ProviderRefusal::Unknown));
    };
    let begun = Begun { browser_hash, nonce_hash, purpose, user, invitation, next, at, expires_at };
    if !browser.is_some_and(|browser| browser.hash().ct_eq(&begun.browser_hash).into()) {
        return Ok(Err(ProviderRefusal::OtherBrowser));
    }
    if diesel::delete(v::table.find(state.hash())).execute(tx.conn())? == 0 {
        return Ok(Err(ProviderRefusal::Unknown));
    }
    Ok(if begun.expires_at > now { Ok(begun) } else { Err(ProviderRefusal::Late) })
}

/// Ends the visits by which a user was to be linked, or to say who they are.
pub(in crate::users) fn end_visits(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(v::table.filter(v::user_id.eq(user))).execute(tx.conn())
}

/// Forgets those who did not come back.
pub fn sweep_visits(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    // late ones are kept for a while, so that they are told that they are late
    diesel::delete(v::table.filter(v::expires_at.le(now.plus(-VISIT_LASTS)))).execute(tx.conn())
}
