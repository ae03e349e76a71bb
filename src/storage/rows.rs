//! The rows of blobs and strays. Every function here runs in its caller's transaction.

use super::LET_GO;
use super::seal::OWN;
use crate::db::schema::{blobs, stray_files};
use crate::db::{BlobId, Both, Conn, MultiBackend, Ts, Tx};
use crate::text_enum;
use diesel::prelude::*;
use std::ops::Range;

text_enum! {
    /// What the virus scanner says of a blob.
    pub enum Scan {
        /// not scanned yet: not served
        Waiting = "waiting",
        /// no virus was found
        Clean = "clean",
        /// a virus was found: the content is removed
        Infected = "infected",
        /// no scanner is configured
        NotScanned = "not_scanned",
    }
}

impl Scan {
    /// Whether to tell the user who chose the file: it cannot simply be opened.
    pub fn is_news(self) -> bool {
        matches!(self, Scan::Waiting | Scan::Infected)
    }
}

/// A content in storage.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = blobs, check_for_backend(MultiBackend))]
pub struct Blob {
    /// identity
    pub id: BlobId,
    /// SHA-256 of the unencrypted content
    pub sha256: Vec<u8>,
    /// size in bytes, unencrypted
    pub size: i64,
    /// name in storage; `None` where the content was removed
    pub name: Option<String>,
    /// the key that it is encrypted with; `None`: it is not encrypted
    pub key_id: Option<String>,
    /// the nonce of its encryption
    pub nonce: Option<Vec<u8>>,
    /// what the scanner says
    pub scan: Scan,
}

impl Blob {
    /// The range of the whole.
    pub fn all(&self) -> Range<u64> {
        0..self.size as u64
    }
}

/// A file in storage that nothing refers to yet. If it is not kept, it is swept after a day.
#[derive(Debug, Clone)]
pub struct Placed {
    pub(super) sha256: Vec<u8>,
    pub(super) size: i64,
    pub(super) name: String,
    pub(super) key_id: Option<String>,
    pub(super) nonce: Option<Vec<u8>>,
    /// the name of a missing file with the same content, which this one replaces
    pub(super) heals: Option<String>,
}

impl Placed {
    /// Size in bytes, unencrypted.
    pub fn size(&self) -> i64 {
        self.size
    }
    /// SHA-256 of the unencrypted content.
    pub fn sha256(&self) -> &[u8] {
        &self.sha256
    }
}

/// A blob that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// the blob's id
    pub id: BlobId,
    /// what the scanner says of it: possibly known from an equal content that was there before
    pub scan: Scan,
}

/// Makes a placed file a blob, or uses the blob with the same content; adds one reference to it.
pub fn keep(tx: &mut Tx, now: Ts, placed: &Placed, scan: Scan) -> QueryResult<Kept> {
    let row = (
        (blobs::sha256.eq(&placed.sha256), blobs::size.eq(placed.size), blobs::name.eq(Some(&placed.name))),
        (blobs::key_id.eq(&placed.key_id), blobs::nonce.eq(&placed.nonce)),
        (blobs::scan.eq(scan), blobs::refs.eq(1), blobs::created_at.eq(now)),
    );
    let insert = diesel::insert_into(blobs::table).values(row).on_conflict(blobs::sha256).do_update();
    let upsert = insert.set(blobs::refs.eq(blobs::refs + 1)).returning((blobs::id, blobs::name, blobs::scan));
    let (id, name, before): (BlobId, Option<String>, Scan) = Both(upsert).get_result(tx.conn())?;
    let stray = stray_files::table.find(&placed.name);
    let heals = name.is_some() && name == placed.heals;
    if heals {
        let set =
            (blobs::name.eq(Some(&placed.name)), blobs::key_id.eq(&placed.key_id), blobs::nonce.eq(&placed.nonce));
        diesel::update(blobs::table.find(id)).set(set).execute(tx.conn())?;
    }
    if heals || name.as_ref() == Some(&placed.name) {
        diesel::delete(stray).execute(tx.conn())?;
    } else {
        // the content existed before, so that this copy is not needed
        diesel::update(stray).set(stray_files::due_at.eq(now)).execute(tx.conn())?;
    }
    // a clean result also counts for the content that was not scanned before; a new scanner also has to scan that
    // content
    if matches!((before, scan), (Scan::Waiting | Scan::NotScanned, Scan::Clean) | (Scan::NotScanned, Scan::Waiting)) {
        set_scan(tx, now, id, scan)?;
        return Ok(Kept { id, scan });
    }
    Ok(Kept { id, scan: before })
}

/// Adds a reference to a blob.
///
/// # Errors
/// Those of the database; not found where the blob is gone.
pub fn refer(tx: &mut Tx, id: BlobId) -> QueryResult<()> {
    match diesel::update(blobs::table.find(id)).set(blobs::refs.eq(blobs::refs + 1)).execute(tx.conn())? {
        0 => Err(diesel::result::Error::NotFound),
        _ => Ok(()),
    }
}

/// Removes a reference. Without the last one the blob is removed, and its file a while later. The caller first removes
/// the row that refers to the blob.
pub fn release(tx: &mut Tx, now: Ts, id: BlobId) -> QueryResult<()> {
    let less = diesel::update(blobs::table.find(id)).set(blobs::refs.eq(blobs::refs - 1));
    let (refs, name): (i64, Option<String>) = less.returning((blobs::refs, blobs::name)).get_result(tx.conn())?;
    if refs == 0 {
        diesel::delete(blobs::table.find(id)).execute(tx.conn())?;
        if let Some(name) = name {
            add_stray(tx, &name, now.plus(LET_GO))?;
        }
    }
    Ok(())
}

/// The name of the file with this content, if there is one.
pub(super) fn name_of(conn: &mut Conn, sha256: &[u8]) -> QueryResult<Option<String>> {
    let same = blobs::table.filter(blobs::sha256.eq(sha256.to_vec())).select(blobs::name);
    Ok(same.first::<Option<String>>(conn).optional()?.flatten())
}

/// One blob.
pub fn blob(conn: &mut Conn, id: BlobId) -> QueryResult<Blob> {
    blobs::table.find(id).select(Blob::as_select()).first(conn)
}

/// The blobs with a file after this one, by id, at most `limit`.
pub fn after(conn: &mut Conn, id: BlobId, limit: i64) -> QueryResult<Vec<Blob>> {
    let there = blobs::table.filter(blobs::id.gt(id)).filter(blobs::name.is_not_null());
    there.order(blobs::id).limit(limit).select(Blob::as_select()).load(conn)
}

/// How many files are encrypted with this key.
pub fn count_under(conn: &mut Conn, key_id: &str) -> QueryResult<i64> {
    blobs::table.filter(blobs::key_id.eq(key_id)).filter(blobs::name.is_not_null()).count().get_result(conn)
}

/// Records what the scanner found. An infected content is removed at once.
pub fn set_scan(tx: &mut Tx, now: Ts, id: BlobId, scan: Scan) -> QueryResult<()> {
    if scan == Scan::Infected {
        let name: Option<String> = blobs::table.find(id).select(blobs::name).first(tx.conn())?;
        diesel::update(blobs::table.find(id)).set(blobs::name.eq(None::<String>)).execute(tx.conn())?;
        if let Some(name) = name {
            add_stray(tx, &name, now)?;
        }
    }
    diesel::update(blobs::table.find(id)).set(blobs::scan.eq(scan)).execute(tx.conn()).map(drop)
}

/// Makes contents that were not scanned wait for the scanner. Gives how many there are.
pub fn want_scans(tx: &mut Tx) -> QueryResult<usize> {
    let never = blobs::table.filter(blobs::scan.eq(Scan::NotScanned));
    diesel::update(never).set(blobs::scan.eq(Scan::Waiting)).execute(tx.conn())
}

/// Makes contents that wait for the scanner wait no longer, as no scanner is left. Gives how many there are.
pub fn want_no_scans(tx: &mut Tx) -> QueryResult<usize> {
    let waiting = blobs::table.filter(blobs::scan.eq(Scan::Waiting));
    diesel::update(waiting).set(blobs::scan.eq(Scan::NotScanned)).execute(tx.conn())
}

/// Contents that wait for the scanner, oldest first; at most `limit`.
pub fn waiting(conn: &mut Conn, limit: i64) -> QueryResult<Vec<BlobId>> {
    let waiting = blobs::table.filter(blobs::scan.eq(Scan::Waiting));
    waiting.order(blobs::id).limit(limit).select(blobs::id).load(conn)
}

/// Records a name that no blob has.
pub(super) fn add_stray(tx: &mut Tx, name: &str, due_at: Ts) -> QueryResult<()> {
    let row = (stray_files::name.eq(name), stray_files::due_at.eq(due_at));
    diesel::insert_into(stray_files::table).values(row).execute(tx.conn()).map(drop)
}

/// The strays that are due after this one, in the order of their due times; at most `limit`.
pub(super) fn due_strays(
    conn: &mut Conn,
    now: Ts,
    after: Option<&(Ts, String)>,
    limit: i64,
) -> QueryResult<Vec<(Ts, String)>> {
    let mut due = stray_files::table.filter(stray_files::due_at.le(now)).into_boxed::<MultiBackend>();
    if let Some((at, name)) = after {
        let same = stray_files::due_at.eq(*at).and(stray_files::name.gt(name.clone()));
        due = due.filter(stray_files::due_at.gt(*at).or(same));
    }
    let order = (stray_files::due_at, stray_files::name);
    due.order(order).limit(limit).select((stray_files::due_at, stray_files::name)).load(conn)
}

/// Deletes the rows of strays whose files are removed.
pub(super) fn forget_strays(tx: &mut Tx, names: &[String]) -> QueryResult<()> {
    let gone = stray_files::table.filter(stray_files::name.eq_any(names.to_vec()));
    diesel::delete(gone).execute(tx.conn()).map(drop)
}

/// The keys that files should no longer be encrypted with: `None` stands for no encryption. `key_id` is the present
/// key, if there is one. Each key found costs one step along the index.
pub(super) fn keys_to_leave(conn: &mut Conn, key_id: Option<&str>) -> QueryResult<Vec<Option<String>>> {
    let mut keys = if key_id.is_some() { vec![None] } else { Vec::new() };
    let mut last = String::new();
    loop {
        let further = blobs::table.filter(blobs::key_id.gt(last));
        let next: Option<String> = further.select(diesel::dsl::min(blobs::key_id)).first(conn)?;
        let Some(next) = next else { return Ok(keys) };
        if next != key_id.unwrap_or(OWN) {
            keys.push(Some(next.clone()));
        }
        last = next;
    }
}

/// Blobs that are encrypted with this key, or with none, after this one by id; at most `limit`.
pub(super) fn under(conn: &mut Conn, key_id: Option<&str>, after: BlobId, limit: i64) -> QueryResult<Vec<Blob>> {
    let there = blobs::name.is_not_null().and(blobs::scan.ne(Scan::Waiting)).and(blobs::id.gt(after));
    let mut query = blobs::table.filter(there).into_boxed::<MultiBackend>();
    query = match key_id {
        Some(id) => query.filter(blobs::key_id.eq(id.to_owned())),
        None => query.filter(blobs::key_id.is_null()),
    };
    query.order(blobs::id).limit(limit).select(Blob::as_select()).load(conn)
}

/// Replaces the file of a blob by one with the same content. Gives whether the blob was still as it was read.
pub(super) fn exchange(tx: &mut Tx, now: Ts, old: &Blob, new: &Placed) -> QueryResult<bool> {
    let same = blobs::table.find(old.id).filter(blobs::name.eq(&old.name));
    let set = (blobs::name.eq(Some(&new.name)), blobs::key_id.eq(&new.key_id), blobs::nonce.eq(&new.nonce));
    if diesel::update(same).set(set).execute(tx.conn())? == 0 {
        return Ok(false);
    }
    forget_strays(tx, std::slice::from_ref(&new.name))?;
    if let Some(name) = &old.name {
        add_stray(tx, name, now.plus(LET_GO))?;
    }
    Ok(true)
}
