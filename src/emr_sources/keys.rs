//! The key by which Postern signs in at EMRs, kept sealed for all instances. A key that was replaced stays published for
//! a day: what was signed with it may still be under way.

use crate::access::{Authority, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Clock;
use crate::db::schema::emr_keys as k;
use crate::db::sealed::{self, Opened};
use crate::db::{Conn, Db, DbError, Ts, Tx, lock_row};
use crate::emr::{EmrError, KeySource, SigningKey};
use data_encoding::BASE64;
use diesel::prelude::*;
use diesel::result::Error;
use std::sync::Arc;
use time::Duration;
use tokio::runtime::Handle;

/// Where EMRs read the public halves (RFC 7517).
pub const KEYS_PATH: &str = "/emr/jwks.json";

/// A key that was replaced stays published for so long.
const STAYS: Duration = Duration::DAY;
/// A new key signs only after this time, where there is an older one: servers keep what they read of the published keys
/// for a while.
const SETTLES: Duration = Duration::minutes(5);
/// The most keys that are published.
const MOST: i64 = 20;

/// The key that was made last.
pub struct PresentKey {
    /// its id, as EMRs see it
    pub id: String,
    /// since when
    pub made_at: Ts,
}

/// Makes the key where there is none. Safe to call at every start, on several instances at once.
pub fn prepare(tx: &mut Tx, now: Ts) -> QueryResult<()> {
    lock_row(tx, "clinic", 1)?;
    if row(tx)?.is_some() {
        return Ok(());
    }
    add(tx, now, Actor::System)
}

/// The key that was made last; `None` where none was made yet.
pub fn present(conn: &mut Conn) -> QueryResult<Option<PresentKey>> {
    let Some((_, text, made_at)) = row(conn)? else { return Ok(None) };
    Ok(Some(PresentKey { id: read(&text)?.id().to_owned(), made_at }))
}

/// The keys that EMRs accept: the newest first, then those that were replaced within a day.
pub fn published(conn: &mut Conn, now: Ts) -> QueryResult<Vec<SigningKey>> {
    valid(conn, now)?.into_iter().map(|(text, _)| read(&text.0)).collect()
}

/// The key to sign with: the newest that EMRs have had time to read, or else the oldest.
fn signing(conn: &mut Conn, now: Ts) -> QueryResult<Option<SigningKey>> {
    let keys = valid(conn, now)?;
    let settled = keys.iter().find(|(_, made_at)| *made_at <= now.plus(-SETTLES));
    settled.or(keys.last()).map(|(text, _)| read(&text.0)).transpose()
}

fn valid(conn: &mut Conn, now: Ts) -> QueryResult<Vec<(Opened, Ts)>> {
    let stays = k::replaced_at.is_null().or(k::replaced_at.gt(now.plus(-STAYS)));
    let newest = k::table.filter(stays).order(k::id.desc()).limit(MOST);
    newest.select((k::private_key, k::made_at)).load(conn)
}

/// Makes a new key in place of the one with the id `replaces`; `false` where that one was replaced already, as by a
/// second press.
pub fn renew(tx: &mut Tx, now: Ts, by: &impl Authority<rights::Settings>, replaces: &str) -> QueryResult<bool> {
    lock_row(tx, "clinic", 1)?;
    let Some((id, text, _)) = row(tx)? else { return Ok(false) };
    if read(&text)?.id() != replaces {
        return Ok(false);
    }
    diesel::delete(k::table.filter(k::replaced_at.le(now.plus(-STAYS)))).execute(tx.conn())?;
    diesel::update(k::table.find(id)).set(k::replaced_at.eq(now)).execute(tx.conn())?;
    add(tx, now, by.user().into())?;
    Ok(true)
}

/// Reads the key to sign with from the database whenever a token is asked for, so that a key that another instance
/// renewed is used too. It blocks, and is called in a thread of the blocking pool.
pub fn key_source(db: Db, clock: Clock) -> KeySource {
    Arc::new(move || {
        let now = clock.now();
        let runtime = Handle::try_current().map_err(|_| EmrError::Away("it was asked outside of the runtime"))?;
        let reading = db.read(move |conn| -> Result<_, DbError> { Ok(signing(conn, now)?) });
        runtime.block_on(reading).map_err(|_| EmrError::Away("our own database does not answer"))
    })
}

fn row(conn: &mut Conn) -> QueryResult<Option<(i64, String, Ts)>> {
    let newest = k::table.filter(k::replaced_at.is_null()).order(k::id.desc());
    let found: Option<(i64, Opened, Ts)> = newest.select((k::id, k::private_key, k::made_at)).first(conn).optional()?;
    Ok(found.map(|(id, text, made_at)| (id, text.0, made_at)))
}

fn read(text: &str) -> QueryResult<SigningKey> {
    let document = BASE64.decode(text.as_bytes()).ok();
    let key = document.as_deref().and_then(SigningKey::read);
    key.ok_or_else(|| Error::DeserializationError("a key of the EMRs is no key".into()))
}

fn add(tx: &mut Tx, now: Ts, by: Actor) -> QueryResult<()> {
    let made = SigningKey::generate().ok_or_else(|| Error::SerializationError("no key could be made".into()))?;
    let row =
        (k::private_key.eq(sealed::text(&BASE64.encode(&made))), k::made_at.eq(now), k::replaced_at.eq(None::<Ts>));
    diesel::insert_into(k::table).values(row).execute(tx.conn())?;
    audit::append(tx, now, Entry::of_clinic(by, Event::EmrKeyMade, Subject::None))
}
