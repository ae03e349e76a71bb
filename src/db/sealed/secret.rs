//! A secret of the program that the database keeps for all instances, sealed like a text where a key is configured.

use super::ring::{Ring, Spot, Unreadable};
use super::{Failure, with_ring};
use crate::db::connection::{Conn, Tx};
use crate::db::schema::clinic;
use data_encoding::BASE64;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::Binary;

/// The secret that signs cookies and the addresses of hooks. It is stored once, and stays as long as the database.
const SPOT: Spot = Spot { column: "clinic.cookie_key", owner: None };
/// Bytes of the secret.
const LENGTH: usize = 64;

/// A secret in clear.
#[derive(Clone, FromSqlRow)]
pub struct Secret(pub Vec<u8>);

impl<DB: Backend> FromSql<Binary, DB> for Secret
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let stored = Vec::<u8>::from_sql(raw)?;
        with_ring(|ring| opened(ring, stored)).map(Secret)
    }
}

/// Seals a secret: gives the bytes to be stored.
pub fn secret(clear: [u8; LENGTH]) -> QueryResult<Vec<u8>> {
    with_ring(|ring| stored(ring, &clear)).map_err(|cause: Failure| diesel::result::Error::SerializationError(cause))
}

fn stored(ring: &Ring, clear: &[u8]) -> Result<Vec<u8>, Unreadable> {
    match ring.present() {
        None => Ok(clear.to_vec()),
        Some(_) => Ok(ring.seal(SPOT, &BASE64.encode(clear))?.into_bytes()),
    }
}

fn opened(ring: &Ring, stored: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    if stored.len() == LENGTH {
        return Ok(stored);
    }
    let text = String::from_utf8(stored).map_err(|_| Unreadable::Unknown(SPOT.column))?;
    let clear = ring.open(SPOT, text)?;
    BASE64.decode(clear.as_bytes()).map_err(|_| Unreadable::Changed(SPOT.column))
}

fn lies_there(conn: &mut Conn) -> QueryResult<Option<Vec<u8>>> {
    clinic::table.find(1).select(clinic::cookie_key).first(conn).optional()
}

/// Whether the secret is not sealed by the present key; where no key writes, whether it is sealed.
pub(super) fn is_other(conn: &mut Conn, ring: &Ring) -> QueryResult<bool> {
    Ok(lies_there(conn)?.is_some_and(|stored| match ring.present() {
        Some(_) => !stored.starts_with(ring.beginning().as_bytes()),
        None => stored.len() != LENGTH,
    }))
}

/// Seals the secret with the present key. Gives whether it is readable.
pub(super) fn seal_anew(tx: &mut Tx, ring: &Ring) -> QueryResult<Result<(), Unreadable>> {
    if !is_other(tx, ring)? {
        return Ok(Ok(()));
    }
    let Some(before) = lies_there(tx)? else { return Ok(Ok(())) };
    let after = match opened(ring, before.clone()).and_then(|clear| stored(ring, &clear)) {
        Ok(after) => after,
        Err(cause) => return Ok(Err(cause)),
    };
    let row = clinic::table.find(1).filter(clinic::cookie_key.eq(before));
    diesel::update(row).set(clinic::cookie_key.eq(after)).execute(tx.conn())?;
    Ok(Ok(()))
}
