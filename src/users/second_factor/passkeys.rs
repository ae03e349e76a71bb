//! Passkeys (Web Authentication, Level 3): keys that are stored on a user's device, which asks for a finger, a face or
//! a PIN before it signs. So each is two factors in one: it serves as the second step, and also signs in without a
//! password.
//!
//! A challenge is stored until its answer comes, which uses it up: the library itself would accept the same answer
//! twice.

use super::recovery::{self, RecoveryCode};
use super::{Factor, RemoveError, added, removed};
use crate::access::session::Holder;
use crate::access::{ConfirmedAccount, Device};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::{Random, Token};
use crate::db::schema::{passkey_challenges as c, passkeys as p, users};
use crate::db::{Conn, Db, DbError, MultiBackend, PasskeyId, Ts, Tx, UserId, lock_row};
use crate::text;
use crate::text_enum;
use crate::users::sign_in;
use diesel::prelude::*;
use diesel::result::Error::{DeserializationError, SerializationError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use time::Duration;
use url::Url;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Uuid,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// A challenge waits this long for its answer.
const CHALLENGE_LASTS: Duration = Duration::minutes(10);
/// The most passkeys of one user.
const MOST: i64 = 20;
/// The longest name, in characters.
const LONGEST_NAME: usize = 60;
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 16_384;

text_enum! {
    /// What a challenge is for: an answer to a challenge for something else does not count.
    pub enum PasskeyUse {
        /// adding a passkey
        Registration = "registration",
        /// signing in without a password
        SignIn = "sign_in",
        /// the step after the password
        SecondStep = "second_step",
        /// proving once more who one is
        Confirmation = "confirmation",
    }
}

/// The clinic, as browsers and devices identify it: by its host name.
#[derive(Clone)]
pub struct RelyingParty(Webauthn);

impl RelyingParty {
    /// The relying party of this origin. `None` where its host is an IP address: browsers have no passkeys there.
    pub fn at(origin: &Url, clinic: &str) -> Option<RelyingParty> {
        let built = WebauthnBuilder::new(origin.domain()?, origin).ok()?.rp_name(clinic);
        built.timeout(CHALLENGE_LASTS.unsigned_abs()).build().ok().map(RelyingParty)
    }
}

/// A passkey as lists show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = p, check_for_backend(MultiBackend))]
pub struct PasskeyRow {
    /// identity
    pub id: PasskeyId,
    /// as its user calls it
    pub name: String,
    /// when it was added
    pub added_at: Ts,
    /// when it was last used
    pub used_at: Option<Ts>,
}

/// A user's passkeys, the oldest first.
pub(super) fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<PasskeyRow>> {
    p::table.filter(p::user_id.eq(user)).order(p::id).limit(MOST).select(PasskeyRow::as_select()).load(conn)
}

/// What a browser sends back.
pub struct PasskeyAnswer {
    /// the token of the challenge that it answers
    pub challenge: Token,
    /// the credential as JSON; may be anything
    pub credential: String,
}

impl PasskeyAnswer {
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        (self.credential.len() <= LONGEST_ANSWER).then(|| serde_json::from_str(&self.credential).ok()).flatten()
    }
}

fn to_json(value: &impl Serialize) -> QueryResult<String> {
    serde_json::to_string(value).map_err(|cause| SerializationError(cause.into()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> QueryResult<T> {
    serde_json::from_str(text).map_err(|cause| DeserializationError(cause.into()))
}

/// Stores what the answer is checked against.
fn keep(
    tx: &mut Tx,
    now: Ts,
    (user, purpose): (Option<UserId>, PasskeyUse),
    token: &Token,
    state: &impl Serialize,
) -> QueryResult<()> {
    let row = (
        (c::token_hash.eq(token.hash()), c::user_id.eq(user), c::purpose.eq(purpose)),
        (c::state.eq(to_json(state)?), c::expires_at.eq(now.plus(CHALLENGE_LASTS))),
    );
    diesel::insert_into(c::table).values(row).execute(tx.conn()).map(drop)
}

/// Uses a challenge up; `None` where it is used already, or is another user's or for something else.
fn take<T: DeserializeOwned>(
    tx: &mut Tx,
    now: Ts,
    (user, purpose): (Option<UserId>, PasskeyUse),
    token: &Token,
) -> QueryResult<Option<T>> {
    let found: Option<(Option<UserId>, PasskeyUse, String, Ts)> = diesel::delete(c::table.find(token.hash()))
        .returning((c::user_id, c::purpose, c::state, c::expires_at))
        .get_result(tx.conn())
        .optional()?;
    let fits = found.filter(|(whose, is_for, _, until)| *whose == user && *is_for == purpose && *until > now);
    fits.map(|(.., state, _)| from_json(&state)).transpose()
}

/// The passkeys of a user, as the library knows them.
fn keys_of(conn: &mut Conn, user: UserId) -> QueryResult<Vec<(PasskeyId, Passkey)>> {
    let theirs = p::table.filter(p::user_id.eq(user)).order(p::id).limit(MOST);
    let rows: Vec<(PasskeyId, String)> = theirs.select((p::id, p::credential)).load(conn)?;
    rows.into_iter().map(|(id, text)| Ok((id, from_json(&text)?))).collect()
}

/// The id by which devices know a user: the same for all their passkeys, and used for nothing else.
fn handle_of(conn: &mut Conn, user: UserId) -> QueryResult<Option<Uuid>> {
    let known: Option<Vec<u8>> = p::table.filter(p::user_id.eq(user)).select(p::handle).first(conn).optional()?;
    Ok(known.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// The error for a challenge that the library could not make.
fn library(cause: impl std::fmt::Display) -> diesel::result::Error {
    SerializationError(format!("passkeys: {cause}").into())
}

/// What a registration is checked against.
#[derive(serde::Serialize, serde::Deserialize)]
struct Registration {
    handle: Uuid,
    state: PasskeyRegistration,
}

/// The options with which a browser makes a passkey, as JSON; the answer goes to [`add_passkey`].
pub fn begin_registration(
    tx: &mut Tx,
    now: Ts,
    me: &ConfirmedAccount,
    party: &RelyingParty,
    (random, token): (&Random, &Token),
) -> QueryResult<String> {
    let user = me.id();
    let (name, email): (String, String) =
        users::table.find(user).select((users::name, users::email)).first(tx.conn())?;
    let drawn = random.bytes();
    let handle = match handle_of(tx, user)? {
        Some(handle) => handle,
        None => Uuid::from_slice(&drawn[..16]).map_err(library)?,
    };
    let known = keys_of(tx, user)?.into_iter().map(|(_, key)| key.cred_id().clone()).collect();
    let begun = party.0.start_passkey_registration(handle, &email, &name, Some(known));
    let (options, state) = begun.map_err(library)?;
    keep(tx, now, (Some(user), PasskeyUse::Registration), token, &Registration { handle, state })?;
    let mut options = serde_json::to_value(&options).map_err(|cause| SerializationError(cause.into()))?;
    // a passkey that is stored on the device signs in without a name; the library's default asks for the contrary
    if let Some(wish) = options.pointer_mut("/publicKey/authenticatorSelection/residentKey") {
        *wish = "preferred".into();
    }
    to_json(&options)
}

/// The result of an answer that adds a passkey.
pub enum PasskeyAdded {
    /// it was added; `Some`: these are the recovery codes, to be shown once
    Added(Option<Vec<RecoveryCode>>),
    /// its name is empty or too long: a user needs it to tell passkeys apart
    NoName,
    /// the answer does not fit, or came too late
    Wrong,
}

/// Adds a passkey. A user without recovery codes gets `codes` as theirs.
pub fn add_passkey(
    tx: &mut Tx,
    now: Ts,
    me: &ConfirmedAccount,
    party: &RelyingParty,
    (name, answer): (&str, &PasskeyAnswer),
    codes: Vec<RecoveryCode>,
) -> QueryResult<PasskeyAdded> {
    let (user, name) = (me.id(), text::one_line(name));
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        return Ok(PasskeyAdded::NoName);
    }
    lock_row(tx, "users", user.0)?;
    let begun: Option<Registration> = take(tx, now, (Some(user), PasskeyUse::Registration), &answer.challenge)?;
    let credential: Option<RegisterPublicKeyCredential> = answer.read();
    let (Some(begun), Some(credential)) = (begun, credential) else { return Ok(PasskeyAdded::Wrong) };
    let Ok(key) = party.0.finish_passkey_registration(&credential, &begun.state) else {
        return Ok(PasskeyAdded::Wrong);
    };
    let id: Vec<u8> = key.cred_id().to_vec();
    let theirs: i64 = p::table.filter(p::user_id.eq(user)).count().get_result(tx.conn())?;
    let same: i64 = p::table.filter(p::credential_id.eq(&id)).count().get_result(tx.conn())?;
    if same > 0 || theirs >= MOST {
        return Ok(PasskeyAdded::Wrong);
    }
    let row = (
        (p::user_id.eq(user), p::credential_id.eq(id), p::handle.eq(begun.handle.as_bytes().to_vec())),
        (p::name.eq(name), p::credential.eq(to_json(&key)?), p::added_at.eq(now)),
    );
    diesel::insert_into(p::table).values(row).execute(tx.conn())?;
    added(tx, now, user, Factor::Passkey)?;
    Ok(PasskeyAdded::Added(recovery::make_first(tx, now, user, codes)?))
}

/// The options with which a browser asks for one of a user's passkeys, as JSON; `None` where they have none.
pub fn begin_assertion(
    tx: &mut Tx,
    now: Ts,
    (user, purpose): (UserId, PasskeyUse),
    party: &RelyingParty,
    token: &Token,
) -> QueryResult<Option<String>> {
    let keys: Vec<Passkey> = keys_of(tx, user)?.into_iter().map(|(_, key)| key).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let (options, state) = party.0.start_passkey_authentication(&keys).map_err(library)?;
    keep(tx, now, (Some(user), purpose), token, &state)?;
    to_json(&options).map(Some)
}

/// Whether this is a right answer to a challenge of this user, which it uses up.
pub(super) fn take_assertion(
    tx: &mut Tx,
    now: Ts,
    (user, purpose): (UserId, PasskeyUse),
    party: &RelyingParty,
    answer: &PasskeyAnswer,
) -> QueryResult<bool> {
    let begun: Option<PasskeyAuthentication> = take(tx, now, (Some(user), purpose), &answer.challenge)?;
    let credential: Option<PublicKeyCredential> = answer.read();
    let (Some(begun), Some(credential)) = (begun, credential) else { return Ok(false) };
    match party.0.finish_passkey_authentication(&credential, &begun) {
        Ok(result) => used(tx, now, user, &result),
        Err(_) => Ok(false),
    }
}

/// Notes that a passkey was used. `false` where it was removed meanwhile, or its counter shows that a copy of it was
/// used since.
fn used(tx: &mut Tx, now: Ts, user: UserId, result: &AuthenticationResult) -> QueryResult<bool> {
    let found = keys_of(tx, user)?.into_iter().find(|(_, key)| key.cred_id() == result.cred_id());
    let Some((id, mut key)) = found else { return Ok(false) };
    let changed = key.update_credential(result) == Some(true);
    if result.counter() > 0 && !changed {
        return Ok(false);
    }
    let row = (p::used_at.eq(now), p::credential.eq(to_json(&key)?));
    Ok(diesel::update(p::table.find(id)).set(row).execute(tx.conn())? == 1)
}

/// The options with which a browser offers all passkeys that the device has for this clinic, as JSON.
pub fn begin_passkey_sign_in(tx: &mut Tx, now: Ts, party: &RelyingParty, token: &Token) -> QueryResult<String> {
    let (mut options, state) = party.0.start_discoverable_authentication().map_err(library)?;
    // a button asks for it; the browser does not offer passkeys while a name is typed
    options.mediation = None;
    keep(tx, now, (None, PasskeyUse::SignIn), token, &state)?;
    to_json(&options)
}

/// Signs in the user with the passkey; `None` where the answer is not right. Success and failure both leave an audit
/// row.
pub async fn sign_in_with_passkey(
    db: &Db,
    now: Ts,
    party: RelyingParty,
    answer: PasskeyAnswer,
    (device, browser, address): (Device, Token, IpAddr),
) -> Result<Option<Holder>, DbError> {
    let write = db.write(move |tx| -> Result<_, DbError> {
        let user = whose(tx, now, &party, &answer)?;
        if let Some(user) = user
            && let Some(holder) = sign_in::enter(tx, now, user, (device, &browser), address)?
        {
            return Ok(Some(holder));
        }
        let subject = user.map_or(Subject::None, Subject::User);
        let entry = Entry::of_clinic(Actor::System, Event::SignInFailed, subject);
        audit::append(tx, now, entry.with(address.to_string()))?;
        Ok(None)
    });
    write.await
}

/// The user whose passkey gave this answer; `None` where it is not right.
fn whose(tx: &mut Tx, now: Ts, party: &RelyingParty, answer: &PasskeyAnswer) -> QueryResult<Option<UserId>> {
    let begun: Option<DiscoverableAuthentication> = take(tx, now, (None, PasskeyUse::SignIn), &answer.challenge)?;
    let credential: Option<PublicKeyCredential> = answer.read();
    let (Some(begun), Some(credential)) = (begun, credential) else { return Ok(None) };
    let Ok((handle, id)) = party.0.identify_discoverable_authentication(&credential) else { return Ok(None) };
    let known = p::table.filter(p::credential_id.eq(id.to_vec())).filter(p::handle.eq(handle.as_bytes().to_vec()));
    let Some(user): Option<UserId> = known.select(p::user_id).first(tx.conn()).optional()? else { return Ok(None) };
    lock_row(tx, "users", user.0)?;
    let key = keys_of(tx, user)?.into_iter().find(|(_, key)| key.cred_id().as_slice() == id);
    let Some((_, key)) = key else { return Ok(None) };
    match party.0.finish_discoverable_authentication_v2(&credential, begun, &key) {
        Ok(result) => Ok(used(tx, now, user, &result)?.then_some(user)),
        Err(_) => Ok(None),
    }
}

/// Removes one of the user's own passkeys.
///
/// # Errors
/// See [`RemoveError`].
pub fn remove_passkey(tx: &mut Tx, now: Ts, me: &ConfirmedAccount, passkey: PasskeyId) -> Result<(), RemoveError> {
    lock_row(tx, "users", me.id().0)?;
    let theirs = p::table.find(passkey).filter(p::user_id.eq(me.id()));
    if diesel::delete(theirs).execute(tx.conn())? == 0 {
        return Err(RemoveError::NotThere);
    }
    removed(tx, now, me, Factor::Passkey)
}

/// Removes all passkeys and challenges of a user.
pub(super) fn forget(tx: &mut Tx, user: UserId) -> QueryResult<usize> {
    diesel::delete(c::table.filter(c::user_id.eq(user))).execute(tx.conn())?;
    diesel::delete(p::table.filter(p::user_id.eq(user))).execute(tx.conn())
}

/// Removes challenges that nobody answered in time.
pub(super) fn sweep(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    diesel::delete(c::table.filter(c::expires_at.le(now))).execute(tx.conn())
}
