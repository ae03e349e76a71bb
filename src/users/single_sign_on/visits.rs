//! Visits at the provider: from the click that leads there to the answer that comes back. Only hashes are stored; the
//! state, the nonce and what the PKCE verifier is made of are with the browser and the provider.

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

/// How long a visit may take.
pub const VISIT_LASTS: Duration = Duration::minutes(10);

text_enum! {
    /// What a visit is for, as it is stored.
    pub enum VisitPurpose {
        /// signing in
        SignIn = "sign_in",
        /// linking a signed-in user
        Link = "link",
        /// linking an invited user
        Invitation = "invitation",
        /// proving once more who one is
        Confirmation = "confirmation",
        /// an EMR opens Postern
        Launch = "launch",
    }
}

/// Why a browser goes to the provider, with the proof that it may.
pub enum VisitErrand {
    /// signing in
    SignIn,
    /// linking, by a user who proved a few minutes ago who they are
    Link(ConfirmedAccount),
    /// linking, by the invited user who has this token
    Invitation(Token),
    /// proving once more who one is
    Confirmation(OwnAccount),
    /// the EMR of this name opens Postern
    Launch(String),
}

impl VisitErrand {
    /// Whether the provider has to ask the person to sign in even where they have a session there.
    pub fn asks_anew(&self) -> bool {
        matches!(self, VisitErrand::Confirmation(_))
    }
}

/// Stores that a browser goes to the provider, and the address `next` where it goes afterwards. `false` where the
/// errand's invitation does not work.
pub fn begin_visit(
    tx: &mut Tx,
    now: Ts,
    errand: &VisitErrand,
    (visit, nonce): (&Visit, &Token),
    next: &str,
) -> QueryResult<bool> {
    let (purpose, user, invitation) = match errand {
        VisitErrand::SignIn => (VisitPurpose::SignIn, None, None),
        VisitErrand::Launch(_) => (VisitPurpose::Launch, None, None),
        VisitErrand::Link(me) => (VisitPurpose::Link, Some(me.id()), None),
        VisitErrand::Confirmation(me) => (VisitPurpose::Confirmation, Some(me.id()), None),
        VisitErrand::Invitation(token) => match links::open_password_link(tx, now, token)? {
            Some((user, Purpose::Invitation)) => (VisitPurpose::Invitation, Some(user), Some(token.hash())),
            _ => return Ok(false),
        },
    };
    let source = match errand {
        VisitErrand::Launch(source) => Some(source.as_str()),
        _ => None,
    };
    let row = (
        (v::state_hash.eq(visit.state.hash()), v::browser_hash.eq(visit.browser.hash())),
        (v::nonce_hash.eq(nonce.hash()), v::purpose.eq(purpose), v::user_id.eq(user)),
        (v::invitation_hash.eq(invitation), v::next.eq(next)),
        (v::begun_at.eq(now), v::expires_at.eq(now.plus(VISIT_LASTS)), v::source.eq(source)),
    );
    diesel::insert_into(v::table).values(row).execute(tx.conn())?;
    Ok(true)
}

/// A stored visit.
pub(super) struct Begun {
    browser_hash: Vec<u8>,
    nonce_hash: Vec<u8>,
    pub(super) purpose: VisitPurpose,
    pub(super) user: Option<UserId>,
    pub(super) invitation: Option<Vec<u8>>,
    pub(super) next: String,
    pub(super) at: Ts,
    /// the EMR's name, where one opened Postern
    pub(super) source: Option<String>,
    expires_at: Ts,
}

impl Begun {
    /// Whether an ID token with this nonce belongs to this visit.
    pub(super) fn is_nonce(&self, nonce: &Token) -> bool {
        nonce.hash().ct_eq(&self.nonce_hash).into()
    }
}

/// Uses a visit up. Two answers with the same state: one gets the visit. An answer in another browser does not use it
/// up, so that the browser that began can still finish.
pub(super) fn take(
    tx: &mut Tx,
    now: Ts,
    state: &Token,
    browser: Option<&Token>,
) -> QueryResult<Result<Begun, ProviderRefusal>> {
    let columns = (
        (v::browser_hash, v::nonce_hash, v::purpose, v::user_id),
        (v::invitation_hash, v::next, v::begun_at, v::expires_at),
        v::source,
    );
    type Row = ((Vec<u8>, Vec<u8>, VisitPurpose, Option<UserId>), (Option<Vec<u8>>, String, Ts, Ts), Option<String>);
    let found: Option<Row> = v::table.find(state.hash()).select(columns).first(tx.conn()).optional()?;
    let Some(((browser_hash, nonce_hash, purpose, user), (invitation, next, at, expires_at), source)) = found else {
        return Ok(Err(ProviderRefusal::Unknown));
    };
    let begun = Begun { browser_hash, nonce_hash, purpose, user, invitation, next, at, source, expires_at };
    if !browser.is_some_and(|browser| browser.hash().ct_eq(&begun.browser_hash).into()) {
        return Ok(Err(ProviderRefusal::OtherBrowser));
    }
    if diesel::delete(v::table.find(state.hash())).execute(tx.conn())? == 0 {
        return Ok(Err(ProviderRefusal::Unknown));
    }
    Ok(if begun.expires_at > now { Ok(begun) } else { Err(ProviderRefusal::Late) })
}

/// Ends a user's open visits: those for linking, and those for proving once more who they are.
pub(in crate::users) fn end_visits(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(v::table.filter(v::user_id.eq(user))).execute(tx.conn())
}

/// Removes visits whose answer did not come. Gives how many.
pub fn sweep_visits(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    // an expired visit is kept for a while, so that a late answer is told that it is late
    diesel::delete(v::table.filter(v::expires_at.le(now.plus(-VISIT_LASTS)))).execute(tx.conn())
}
