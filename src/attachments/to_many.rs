//! The files of a message to many. They are uploads that name no patient; once the message was checked they belong to it, and stay until
//! it has gone to everybody, was stopped or removed. Each conversation gets rows of its own that refer to the same contents: nothing is
//! copied, and what is taken back or deleted for one patient is there for the others.

use super::attach::{AttachError, Pick, Picks, Row};
use super::uploads::MOST;
use crate::access::{SignedInUser, rights};
use crate::audit::{Actor, Entry, Event, Subject};
use crate::db::schema::{blobs, uploads};
use crate::db::sealed::Opened;
use crate::db::{BlobId, BroadcastId, Conn, PatientId, Ts, Tx, UploadId, UserId};
use crate::patients::NamedBy;
use crate::storage::{self, Scan};
use diesel::prelude::*;

/// A file of a message to many, of which [`super::attach()`] gives a conversation its copy.
#[derive(Debug, Clone)]
pub struct Shared {
    pub(super) upload: UploadId,
    blob: BlobId,
    name: String,
    media_type: String,
    size: i64,
}

impl Shared {
    /// What is attached. The content is referred to already: see [`refer_to`].
    pub(super) fn row(&self, tx: &mut Tx) -> Result<Row, AttachError> {
        if storage::blob(tx, self.blob)?.scan == Scan::Infected {
            return Err(AttachError::Infected);
        }
        Ok(Row {
            blob: self.blob,
            page: None,
            name: self.name.clone(),
            media_type: self.media_type.clone(),
            size: self.size,
            chart_item: None,
        })
    }
}

/// Adds a reference to the content of each shared file, in one order: whoever deletes a record lets contents go in the same one, and two
/// never wait for each other.
pub(super) fn refer_to(tx: &mut Tx, picks: &[Pick]) -> Result<(), AttachError> {
    let content = |pick: &Pick| match pick {
        Pick::Shared(shared) => Some(shared.blob),
        Pick::Upload(_) | Pick::Frozen(_) => None,
    };
    let mut contents: Vec<BlobId> = picks.iter().filter_map(content).collect();
    contents.sort_unstable();
    for blob in contents {
        storage::refer(tx, blob).optional()?.ok_or(AttachError::Gone)?;
    }
    Ok(())
}

/// Keeps the uploads among these files for a message to many. They are as good as sent: what would keep them from being attached is
/// refused now. Each that names a patient was confirmed to be for everybody on the list: gives the audit rows of that, which the caller
/// appends after all that may wait for a row, as the clinic's one chain is held from then on.
///
/// # Errors
/// See [`AttachError`].
pub fn hold_for_many(
    tx: &mut Tx,
    user: &SignedInUser<rights::SendMany>,
    broadcast: BroadcastId,
    files: &Picks,
) -> Result<Vec<Entry>, AttachError> {
    if files.all.len() > MOST {
        return Err(AttachError::TooMuch);
    }
    let (mut total, mut confirmed) = (0, Vec::new());
    for pick in &files.all {
        // a chart belongs to one patient: nothing of it goes to many
        let Pick::Upload(id) = pick else { return Err(AttachError::Gone) };
        confirmed.extend(hold(tx, user.id(), broadcast, *id, &files.confirmed)?);
        let size = uploads::table.find(*id).select(uploads::size).first::<i64>(tx.conn())? as u64;
        total += size;
        if size > files.largest_file {
            return Err(AttachError::TooLarge);
        }
        if total > files.largest {
            return Err(AttachError::TooMuch);
        }
    }
    Ok(confirmed)
}

/// Keeps one; gives the audit row where it names a patient.
fn hold(
    tx: &mut Tx,
    user: UserId,
    broadcast: BroadcastId,
    id: UploadId,
    confirmed: &[UploadId],
) -> Result<Option<Entry>, AttachError> {
    let mine = uploads::table.find(id).filter(uploads::user_id.eq(user)).filter(uploads::patient_id.is_null());
    let free = mine.filter(uploads::broadcast_id.is_null());
    type Found = (BlobId, Option<PatientId>, Option<NamedBy>);
    let columns = (uploads::blob_id, uploads::suspect_id, uploads::suspect_by);
    let found: Option<Found> = free.select(columns).first(tx.conn()).optional()?;
    let (blob, suspect, by) = found.ok_or(AttachError::Gone)?;
    let named = suspect.zip(by);
    if named.is_some() && !confirmed.contains(&id) {
        return Err(AttachError::OtherPatient);
    }
    if storage::blob(tx, blob)?.scan == Scan::Infected {
        return Err(AttachError::Infected);
    }
    // one that is swept or removed at this moment is not there to be changed
    let free = uploads::table.find(id).filter(uploads::broadcast_id.is_null());
    match diesel::update(free).set(uploads::broadcast_id.eq(broadcast)).execute(tx.conn())? {
        0 => Err(AttachError::Gone),
        _ => Ok(named.map(|(named, by)| {
            let entry = Entry::of_clinic(Actor::User(user), Event::OtherPatientConfirmed, Subject::Upload(id));
            entry.with(format!("{} {named}", by.as_str()))
        })),
    }
}

/// Makes those of these files that a message to many holds this user's again: another message comes in its place.
pub fn free_of_many(
    tx: &mut Tx,
    user: &SignedInUser<rights::SendMany>,
    broadcast: BroadcastId,
    files: &Picks,
) -> QueryResult<()> {
    let named: Vec<UploadId> = files
        .all
        .iter()
        .filter_map(|pick| match pick {
            Pick::Upload(id) => Some(*id),
            Pick::Frozen(_) | Pick::Shared(_) => None,
        })
        .collect();
    let held = uploads::table.filter(uploads::broadcast_id.eq(broadcast)).filter(uploads::id.eq_any(named));
    let mine = (uploads::broadcast_id.eq(None::<BroadcastId>), uploads::user_id.eq(user.id()));
    diesel::update(held).set(mine).execute(tx.conn()).map(drop)
}

/// Lets the files of a message to many go that goes to nobody any more. What stands in conversations stays.
pub fn let_go(tx: &mut Tx, now: Ts, broadcast: BroadcastId) -> QueryResult<()> {
    let held = || uploads::table.filter(uploads::broadcast_id.eq(broadcast));
    let mut contents: Vec<BlobId> = held().select(uploads::blob_id).load(tx.conn())?;
    diesel::delete(held()).execute(tx.conn())?;
    contents.sort_unstable();
    for blob in contents {
        storage::release(tx, now, blob)?;
    }
    Ok(())
}

/// The files of a message to many, in this order, to be attached to one of its conversations.
pub fn shared(conn: &mut Conn, broadcast: BroadcastId, order: &[UploadId]) -> QueryResult<Vec<Pick>> {
    let columns = (uploads::id, uploads::blob_id, uploads::file_name, uploads::media_type, uploads::size);
    let mut rows: Vec<(UploadId, BlobId, Opened, String, i64)> =
        uploads::table.filter(uploads::broadcast_id.eq(broadcast)).select(columns).load(conn)?;
    rows.sort_by_key(|row| order.iter().position(|id| *id == row.0));
    let shared = |(upload, blob, Opened(name), media_type, size)| Shared { upload, blob, name, media_type, size };
    Ok(rows.into_iter().map(|row| Pick::Shared(Box::new(shared(row)))).collect())
}

/// What the virus scanner says of the files of a message to many that has not gone to everybody.
pub fn scans_of_shared(conn: &mut Conn, broadcast: BroadcastId) -> QueryResult<Vec<(UploadId, Scan)>> {
    let held = uploads::table.inner_join(blobs::table).filter(uploads::broadcast_id.eq(broadcast));
    held.select((uploads::id, blobs::scan)).load(conn)
}
