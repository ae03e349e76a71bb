//! Attachments are written in the transaction that writes their message, or not at all.

use super::freeze::{Copied, Frozen};
use super::to_many::Shared;
use super::uploads::MOST;
use crate::access::{ChartAccess, ConversationAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{attachments, uploads};
use crate::db::sealed::{self, Opened};
use crate::db::{BlobId, ConversationId, DbError, MessageId, PatientId, Ts, Tx, UploadId, UserId};
use crate::patients::NamedBy;
use crate::storage::{self, Scan};
use diesel::prelude::*;

/// Who may attach something: a user with the right to send, to one patient.
pub trait Sender {
    /// The user, and the patient.
    fn sender(&self) -> (UserId, PatientId);
}

impl Sender for ChartAccess<rights::Send> {
    fn sender(&self) -> (UserId, PatientId) {
        (self.user().id(), self.patient())
    }
}

impl Sender for ConversationAccess<rights::Send> {
    fn sender(&self) -> (UserId, PatientId) {
        (self.user().id(), self.patient())
    }
}

/// One thing to attach.
#[derive(Debug, Clone)]
pub enum Pick {
    /// an upload of the sender for this patient
    Upload(UploadId),
    /// a copy of a chart item
    Frozen(Box<Frozen>),
    /// one more copy of a file of a message to many
    Shared(Box<Shared>),
}

/// What is to be attached to one message, in this order.
#[derive(Debug, Clone, Default)]
pub struct Picks {
    /// the picks, in the order in which they are attached
    pub all: Vec<Pick>,
    /// uploads that name another patient and were confirmed to be for this one
    pub confirmed: Vec<UploadId>,
    /// limit for all of them together, in bytes
    pub largest: u64,
    /// limit for one of them, in bytes: a file of the chart has not passed the limit for uploads
    pub largest_file: u64,
}

impl Picks {
    /// The picks as text for an idempotency key: the same text with other files is another message.
    pub fn fingerprint(&self) -> String {
        let word = |pick: &Pick| match pick {
            Pick::Upload(id) => format!("\0u{id}"),
            Pick::Frozen(frozen) => format!("\0c{}", frozen.item),
            Pick::Shared(shared) => format!("\0m{}", shared.upload),
        };
        self.all.iter().map(word).collect()
    }
}

/// Why nothing was attached; the caller must then not write the message either.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// An upload is not there any more.
    #[error("an upload is not there")]
    Gone,
    /// A virus was found in an upload.
    #[error("a virus in an upload")]
    Infected,
    /// An upload names another patient, and nobody has confirmed it.
    #[error("an upload names another patient")]
    OtherPatient,
    /// More than one message may carry.
    #[error("too much for one message")]
    TooMuch,
    /// One file is larger than a file may be.
    #[error("a file is too large")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(AttachError);

pub(super) struct Row {
    pub blob: BlobId,
    pub page: Option<BlobId>,
    pub name: String,
    pub media_type: String,
    pub size: i64,
    pub chart_item: Option<i64>,
}

/// Attaches the picks to a message that the caller has just written in this conversation, in their order.
///
/// # Errors
/// See [`AttachError`].
pub fn attach(
    tx: &mut Tx,
    now: Ts,
    sender: &impl Sender,
    (message, conversation): (MessageId, ConversationId),
    picks: &Picks,
) -> Result<(), AttachError> {
    if picks.all.len() > MOST {
        return Err(AttachError::TooMuch);
    }
    super::to_many::refer_to(tx, &picks.all)?;
    let last: Option<i64> = attachments::table
        .filter(attachments::conversation_id.eq(conversation))
        .select(diesel::dsl::max(attachments::number))
        .first(tx.conn())?;
    let (mut number, mut total) = (last.unwrap_or(0), 0);
    for pick in &picks.all {
        let row = match pick {
            Pick::Upload(id) => take_upload(tx, now, sender, *id, &picks.confirmed)?,
            Pick::Frozen(frozen) => keep_frozen(tx, now, frozen)?,
            Pick::Shared(shared) => shared.row(tx)?,
        };
        (number, total) = (number + 1, total + row.size as u64);
        if row.size as u64 > picks.largest_file {
            return Err(AttachError::TooLarge);
        }
        if total > picks.largest {
            return Err(AttachError::TooMuch);
        }
        let values = (
            (attachments::message_id.eq(message), attachments::conversation_id.eq(conversation)),
            (attachments::number.eq(number), attachments::blob_id.eq(row.blob), attachments::size.eq(row.size)),
            (attachments::file_name.eq(sealed::text(&row.name)), attachments::media_type.eq(row.media_type)),
            (attachments::page_blob_id.eq(row.page), attachments::chart_item_id.eq(row.chart_item)),
            attachments::created_at.eq(now),
        );
        diesel::insert_into(attachments::table).values(values).execute(tx.conn())?;
    }
    Ok(())
}

type Taken = ((BlobId, Opened, String, i64), (Option<PatientId>, Option<NamedBy>));

/// Moves the upload's reference to its content to the attachment.
pub(super) fn take_upload(
    tx: &mut Tx,
    now: Ts,
    sender: &impl Sender,
    id: UploadId,
    confirmed: &[UploadId],
) -> Result<Row, AttachError> {
    let (user, patient) = sender.sender();
    let mine = uploads::table.find(id).filter(uploads::user_id.eq(user)).filter(uploads::patient_id.eq(patient));
    // one that is kept for a message that goes out later is that message's
    let mine = mine.filter(uploads::scheduled_id.is_null());
    let taken: Option<Taken> = diesel::delete(mine)
        .returning((
            (uploads::blob_id, uploads::file_name, uploads::media_type, uploads::size),
            (uploads::suspect_id, uploads::suspect_by),
        ))
        .get_result(tx.conn())
        .optional()?;
    let ((blob, Opened(name), media_type, size), (suspect, by)) = taken.ok_or(AttachError::Gone)?;
    if let (Some(other), Some(by)) = (suspect, by) {
        if !confirmed.contains(&id) {
            return Err(AttachError::OtherPatient);
        }
        let entry = Entry::of_patient(Actor::User(user), Event::OtherPatientConfirmed, patient, Subject::Upload(id));
        audit::append(tx, now, entry.with(format!("{} {other}", by.as_str())))?;
    }
    if storage::blob(tx, blob)?.scan == Scan::Infected {
        return Err(AttachError::Infected);
    }
    Ok(Row { blob, page: None, name, media_type, size, chart_item: None })
}

fn keep_frozen(tx: &mut Tx, now: Ts, frozen: &Frozen) -> Result<Row, AttachError> {
    let (blob, page) = match &frozen.content {
        // the program made these from the chart's words: there is nothing for a scanner to find
        Copied::Made { file, page } => {
            let page = storage::keep(tx, now, page, Scan::Clean)?.id;
            (storage::keep(tx, now, file, Scan::Clean)?.id, Some(page))
        }
        Copied::Kept(blob) => {
            // the chart may have dropped this content a moment ago, or a virus was found in it
            storage::refer(tx, *blob).optional()?.ok_or(AttachError::Gone)?;
            if storage::blob(tx, *blob)?.scan == Scan::Infected {
                return Err(AttachError::Gone);
            }
            (*blob, None)
        }
    };
    Ok(Row {
        blob,
        page,
        name: frozen.name.clone(),
        media_type: frozen.media_type.clone(),
        size: frozen.size,
        chart_item: Some(frozen.item.0),
    })
}
