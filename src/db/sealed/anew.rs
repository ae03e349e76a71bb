//! Seals stored text with the key that writes: after a key was configured for a clinic that had none, and after a
//! change of keys. Where no key writes any more, text is stored in clear again.
//!
//! Each text says by which key it is sealed, and is exchanged only while it still is what was read: so the work may
//! stop at any point, start again, and run in several processes at once. `sealing_keys` lists the keys: a database is
//! not opened without a key that its text may need.

use super::ring::{Ring, Spot, Unreadable};
use super::{PLACES, Place, TERMS, secret};
use crate::db::connection::{Conn, MultiBackend, Tx};
use crate::db::pool::{Db, DbError};
use crate::db::schema::sealing_keys;
use diesel::prelude::*;
use diesel::query_builder::BoxedSqlQuery;
use diesel::sql_types::{BigInt, Nullable, Text};

/// Texts that are read at a time.
const AT_ONCE: usize = 100;
/// Words of the index that are read at a time.
const WORDS_AT_ONCE: usize = 2_000;

/// Stands in `sealing_keys` for text in clear, in place of a key's id.
const CLEAR: &str = "";

/// What happened to the texts that the present key had not sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anew {
    /// how many are sealed now
    pub sealed: usize,
    /// how many could not be read, and stay as they are
    pub unreadable: usize,
}

/// Refuses a database that has text of a key which is not configured, and notes the key that writes.
///
/// # Errors
/// What to configure, in words; or the failure of the database.
pub(in crate::db) fn admit(conn: &mut Conn, ring: &Ring) -> Result<(), String> {
    let known = sealing_keys::table.select(sealing_keys::key_id).load::<String>(conn);
    let known = known.map_err(|cause| cause.to_string())?;
    let configured: Vec<&str> = ring.ids().collect();
    let missing: Vec<&str> = known.iter().map(String::as_str).filter(|id| *id != CLEAR).collect();
    let missing: Vec<&str> = missing.into_iter().filter(|id| !configured.contains(id)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "it holds text that is sealed with the key {}, which is not configured: set storage.key to that key, or add \
             it to storage.old_keys",
            missing.join(", ")
        ));
    }
    let present = ring.present().unwrap_or(CLEAR);
    if known.iter().any(|id| id != present) || (known.is_empty() && present != CLEAR) {
        note(conn, present).map_err(|cause| cause.to_string())?;
    }
    Ok(())
}

/// Notes that there may be text that this key has not sealed.
fn note(conn: &mut Conn, present: &str) -> QueryResult<()> {
    let values = (sealing_keys::key_id.eq(present), sealing_keys::all_text.eq(false));
    let insert = diesel::insert_into(sealing_keys::table).values(values);
    let conflict = insert.on_conflict(sealing_keys::key_id).do_update().set(sealing_keys::all_text.eq(false));
    crate::db::Both(conflict).execute(conn).map(drop)
}

/// The ids of the keys whose text this database may hold, each with whether it is the key that writes and has sealed
/// all.
pub fn keys_of_text(conn: &mut Conn) -> QueryResult<Vec<(String, bool)>> {
    sealing_keys::table.order(sealing_keys::key_id).select((sealing_keys::key_id, sealing_keys::all_text)).load(conn)
}

#[derive(QueryableByName, Clone)]
struct Found {
    #[diesel(sql_type = Text)]
    one: String,
    #[diesel(sql_type = Nullable<Text>)]
    two: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    three: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    owner: Option<i64>,
    #[diesel(sql_type = Text)]
    value: String,
}

impl Found {
    fn keys(&self) -> impl Iterator<Item = &str> {
        [Some(&self.one), self.two.as_ref(), self.three.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

type Statement<'a> = BoxedSqlQuery<'a, MultiBackend, diesel::query_builder::SqlQuery>;

/// A statement from text with `?` for each value, which are numbered for PostgreSQL.
fn statement<'a>(conn: &Conn, text: &str) -> Statement<'a> {
    let mut numbered = String::new();
    for (at, part) in text.split('?').enumerate() {
        match conn {
            _ if at == 0 => {}
            Conn::Pg(_) => numbered.push_str(&format!("${at}")),
            Conn::Sqlite(_) => numbered.push('?'),
        }
        numbered.push_str(part);
    }
    diesel::sql_query(numbered).into_boxed::<MultiBackend>()
}

/// Binds a row's key: a number, or a word where the column is one.
fn bind_key<'a>(query: Statement<'a>, column: &str, value: &str) -> Statement<'a> {
    match value.parse::<i64>() {
        Ok(number) if !WORDS.contains(&column) => query.bind::<BigInt, _>(number),
        _ => query.bind::<Text, _>(value.to_owned()),
    }
}

/// The columns of row keys that hold words.
const WORDS: [&str; 3] = ["page", "term", "writing"];

impl Place {
    fn spot(&self, column: &str, owner: Option<i64>) -> Option<Spot> {
        let name = super::NAMES.iter().find(|name| name.split_once('.') == Some((self.table, column)))?;
        Some(Spot { column: name, owner })
    }

    /// A batch of texts of a column, after this one, that the present key has not sealed.
    fn others(&self, conn: &mut Conn, column: &str, ring: &Ring, after: Option<&Found>) -> QueryResult<Vec<Found>> {
        let keys = self.keys;
        let part = |at: usize| keys.get(at).map_or("NULL".to_owned(), |key| format!("CAST({key} AS TEXT)"));
        let owner = self.owner.unwrap_or("CAST(NULL AS BIGINT)");
        let later = match after {
            Some(_) => format!(" AND ({}) > ({})", keys.join(", "), vec!["?"; keys.len()].join(", ")),
            None => String::new(),
        };
        let limit = if self.terms { WORDS_AT_ONCE } else { AT_ONCE };
        let text = format!(
            "SELECT {} AS one, {} AS two, {} AS three, {owner} AS owner, {column} AS value FROM {} \
             WHERE {}{later} ORDER BY {} LIMIT {limit}",
            part(0),
            part(1),
            part(2),
            self.table,
            self.is_other(column, ring),
            keys.join(", ")
        );
        let mut query = statement(conn, &text).bind::<Text, _>(self.beginning(ring));
        for (column, value) in keys.iter().zip(after.into_iter().flat_map(Found::keys)) {
            query = bind_key(query, column, value);
        }
        query.load(conn)
    }

    /// Puts `sealed` in the place of what was found, if it is still there.
    fn exchange(&self, tx: &mut Tx, column: &str, found: &Found, sealed: &str) -> QueryResult<usize> {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("{key} = ?")).collect();
        if self.terms && !self.keys.contains(&column) {
            join_words(tx, &keys, found, sealed)?;
        } else if self.terms {
            // the index may already hold the word in its new form
            let text = format!(
                "INSERT INTO {table} (patient_id, term, item_id) SELECT patient_id, ?, item_id FROM {table} WHERE {} \
                 ON CONFLICT DO NOTHING",
                keys.join(" AND "),
                table = self.table
            );
            let mut query = statement(tx.conn(), &text).bind::<Text, _>(sealed.to_owned());
            for (column, value) in self.keys.iter().zip(found.keys()) {
                query = bind_key(query, column, value);
            }
            query.execute(tx.conn())?;
            let text = format!("DELETE FROM {} WHERE {}", self.table, keys.join(" AND "));
            let mut query = statement(tx.conn(), &text);
            for (column, value) in self.keys.iter().zip(found.keys()) {
                query = bind_key(query, column, value);
            }
            return query.execute(tx.conn());
        }
        let text = format!("UPDATE {} SET {column} = ? WHERE {} AND {column} = ?", self.table, keys.join(" AND "));
        let mut query = statement(tx.conn(), &text).bind::<Text, _>(sealed.to_owned());
        for (column, value) in self.keys.iter().zip(found.keys()) {
            query = bind_key(query, column, value);
        }
        query.bind::<Text, _>(found.value.clone()).execute(tx.conn())
    }
}

impl Place {
    fn beginning(&self, ring: &Ring) -> String {
        if self.terms { ring.terms_beginning() } else { ring.beginning() }
    }

    /// The condition that a text of this column is not stored as the present keys would store it. It takes one value:
    /// how texts begin that the present key sealed, or, where no key writes, how sealed texts begin.
    fn is_other(&self, column: &str, ring: &Ring) -> String {
        let length = self.beginning(ring).chars().count();
        let sign = if ring.present().is_some() { "<>" } else { "=" };
        format!("substr({column}, 1, {length}) {sign} ?")
    }

    /// The found text, as the present key stores it.
    fn anew(&self, column: &str, found: &Found, ring: &Ring) -> Result<String, Unreadable> {
        if self.terms {
            return Ok(ring.term(&ring.word(&found.value)?).stored().to_owned());
        }
        let spot = self.spot(column, found.owner).ok_or(Unreadable::Unknown(self.table))?;
        ring.seal(spot, &ring.open(spot, found.value.clone())?)
    }
}

/// A word of the index of messages that stands there twice, under two keys, as when two processes wrote with different ones:
/// what it finds is put to the one that the present key sealed.
fn join_words(tx: &mut Tx, keys: &[String], found: &Found, sealed: &str) -> QueryResult<()> {
    // not the word itself, which another process may have sealed meanwhile
    let twin = "SELECT id AS number FROM search_words WHERE term = ? AND id <> ?";
    let twin = statement(tx.conn(), twin).bind::<Text, _>(sealed.to_owned());
    let twin = bind_key(twin, "id", &found.one);
    let Some(Number { number }) = twin.get_result(tx.conn()).optional()? else { return Ok(()) };
    let moved = "INSERT INTO search_postings (word_id, message_id, parts) SELECT ?, message_id, parts FROM search_postings \
                 WHERE word_id = ? ON CONFLICT DO NOTHING";
    let moved = statement(tx.conn(), moved).bind::<BigInt, _>(number);
    bind_key(moved, "id", &found.one).execute(tx.conn())?;
    let old = statement(tx.conn(), "DELETE FROM search_postings WHERE word_id = ?");
    bind_key(old, "id", &found.one).execute(tx.conn())?;
    let old = statement(tx.conn(), &format!("DELETE FROM search_words WHERE {}", keys.join(" AND ")));
    bind_key(old, "id", &found.one).execute(tx.conn()).map(drop)
}

/// Every column that may hold text of a key.
fn places() -> impl Iterator<Item = (&'static Place, &'static str)> {
    PLACES.iter().chain(&TERMS).flat_map(|place| place.columns.iter().map(move |column| (place, *column)))
}

/// How many texts the present key has not sealed; where no key writes, how many are sealed.
pub fn count_others(conn: &mut Conn, ring: &Ring) -> QueryResult<i64> {
    let mut count = i64::from(secret::is_other(conn, ring)?);
    for (place, column) in places() {
        let text = format!("SELECT count(*) AS number FROM {} WHERE {}", place.table, place.is_other(column, ring));
        let row: Number = statement(conn, &text).bind::<Text, _>(place.beginning(ring)).get_result(conn)?;
        count += row.number;
    }
    Ok(count)
}

/// Seals a batch again; gives how many texts were exchanged.
fn exchange_all(tx: &mut Tx, place: &Place, column: &str, batch: &[(Found, String)]) -> QueryResult<usize> {
    let mut done = 0;
    for (found, sealed) in batch {
        done += place.exchange(tx, column, found, sealed)?;
    }
    Ok(done)
}

/// Seals with the present key all text that is in clear or under an old one. A text that cannot be read stays as it is, and
/// the log names its table.
///
/// # Errors
/// Failures of the database: what was sealed before stays sealed.
pub async fn seal_anew(db: &Db) -> Result<Anew, DbError> {
    let ring = db.keys().text.clone();
    let mut anew = Anew::default();
    for (place, column) in places() {
        let mut after: Option<Found> = None;
        loop {
            let (asked, reading) = (after.clone(), ring.clone());
            let found = db
                .read(move |conn| -> Result<_, DbError> { Ok(place.others(conn, column, &reading, asked.as_ref())?) })
                .await?;
            let Some(last) = found.last() else { break };
            after = Some(last.clone());
            let mut batch = Vec::with_capacity(found.len());
            for one in found {
                match place.anew(column, &one, &ring) {
                    Ok(sealed) => batch.push((one, sealed)),
                    Err(cause) => {
                        tracing::error!(%cause, table = place.table, "a text could not be sealed anew");
                        anew.unreadable += 1;
                    }
                }
            }
            let write = db.write(move |tx| -> Result<_, DbError> { Ok(exchange_all(tx, place, column, &batch)?) });
            anew.sealed += write.await?;
        }
    }
    let cookies = ring.clone();
    if let Err(cause) = db.write(move |tx| -> Result<_, DbError> { Ok(secret::seal_anew(tx, &cookies)?) }).await? {
        tracing::error!(%cause, "the key of cookies could not be sealed anew");
        anew.unreadable += 1;
    }
    if anew.unreadable == 0 {
        let present = ring.present().unwrap_or(CLEAR).to_owned();
        db.write(move |tx| -> Result<_, DbError> { Ok(all_is_sealed(tx, &present)?) }).await?;
    }
    Ok(anew)
}

/// Notes that no other key is needed any more.
fn all_is_sealed(tx: &mut Tx, present: &str) -> QueryResult<()> {
    let others = sealing_keys::table.filter(sealing_keys::key_id.ne(present));
    diesel::delete(others).execute(tx.conn())?;
    match present {
        CLEAR => diesel::delete(sealing_keys::table).execute(tx.conn()).map(drop),
        _ => diesel::update(sealing_keys::table.find(present))
            .set(sealing_keys::all_text.eq(true))
            .execute(tx.conn())
            .map(drop),
    }
}

/// Whether there may be text that the present key has not sealed.
pub fn is_to_do(conn: &mut Conn) -> QueryResult<bool> {
    let open = sealing_keys::table.filter(sealing_keys::all_text.eq(false)).select(sealing_keys::key_id);
    Ok(open.first::<String>(conn).optional()?.is_some())
}
