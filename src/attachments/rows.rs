//! Attachments as they are read: the lines under a message, and the one whose content is requested.

use crate::access::{ConversationAccess, PortalVisit, Right};
use crate::chart::ItemState;
use crate::db::schema::{attachments, blobs, chart_items, conversations, messages};
use crate::db::sealed::Opened;
use crate::db::{BlobId, Conn, MessageId, MultiBackend, Ts};
use crate::storage::{self, Blob, Scan};
use crate::text::{Lang, Zone};
use diesel::prelude::*;

/// An attachment as pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = attachments)]
pub struct Attachment {
    /// identity
    pub id: i64,
    /// the message that it belongs to
    pub message_id: MessageId,
    /// number within the conversation; 0 in a preview of a message that is not sent yet
    pub number: i64,
    /// name of the file
    #[diesel(deserialize_as = Opened)]
    pub file_name: String,
    /// media type that it is served with
    pub media_type: String,
    /// size in bytes
    pub size: i64,
    /// what the virus scanner says
    #[diesel(select_expression = blobs::scan)]
    pub scan: Scan,
    #[diesel(column_name = page_blob_id)]
    page: Option<BlobId>,
    #[diesel(column_name = blob_id)]
    blob: BlobId,
}

impl Attachment {
    /// An attachment in the preview of a message: its name is shown, and it cannot be opened.
    pub fn previewed(file_name: String, size: i64) -> Attachment {
        let media_type = String::new();
        let (message_id, blob, scan) = (MessageId(0), BlobId(0), Scan::NotScanned);
        Attachment { id: 0, message_id, number: 0, file_name, media_type, size, scan, page: None, blob }
    }

    /// The kind of file, as the ending of its name says: `PDF`. Empty where there is no such ending.
    pub fn kind(&self) -> String {
        let ending = self.file_name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if ending.len() <= 5 { ending.to_uppercase() } else { String::new() }
    }

    /// Whether this is an attachment of a preview.
    pub fn is_preview(&self) -> bool {
        self.number == 0
    }

    /// Whether a browser can show the file, or a picture of it.
    pub fn can_be_shown(&self) -> bool {
        super::shown_as(&self.media_type).is_some()
    }

    /// Whether it can also be read as a page.
    pub fn is_document(&self) -> bool {
        self.page.is_some()
    }
}

/// Which content of an attachment is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// the file
    File,
    /// the HTML page with the same text; only a document made from the chart has one
    Page,
}

/// A copy of a chart item that its source has withdrawn since, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// the message that carries the copy
    pub message: MessageId,
    /// the copy's name
    pub file_name: String,
    /// whether all of the item was withdrawn, or a part
    pub state: ItemState,
    /// when it was withdrawn
    pub at: Ts,
}

impl TakenBack {
    /// The sentence that tells a reader of it.
    pub fn describe(&self, lang: &Lang, zone: &Zone) -> String {
        let key = match self.state {
            ItemState::PartlyWithdrawn => "sent-partly-withdrawn",
            _ => "sent-withdrawn",
        };
        let date = lang.date(zone.local(self.at).date());
        lang.t2(key, "file", self.file_name.as_str(), "date", date)
    }
}

/// The copies on these messages whose items were withdrawn since. The copies themselves stay as they were sent.
pub fn taken_back(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<TakenBack>> {
    let rows: Vec<(MessageId, Opened, ItemState, Option<Ts>)> = attachments::table
        .inner_join(chart_items::table.on(attachments::chart_item_id.eq(chart_items::id.nullable())))
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .filter(chart_items::state.eq_any(vec![ItemState::Withdrawn, ItemState::PartlyWithdrawn]))
        // a copy that was sent after the withdrawal does not hold the withdrawn part
        .filter(chart_items::state_at.gt(attachments::created_at.nullable()))
        .order((attachments::message_id, attachments::number))
        .select((attachments::message_id, attachments::file_name, chart_items::state, chart_items::state_at))
        .load(conn)?;
    let row = |(message, Opened(file_name), state, at): (MessageId, Opened, ItemState, Option<Ts>)| {
        Some(TakenBack { message, file_name, state, at: at? })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// The attachments of these messages, in their order. The caller makes sure that the reader may see the messages.
pub fn of_messages(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<Attachment>> {
    attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .order((attachments::message_id, attachments::number))
        .select(Attachment::as_select())
        .load(conn)
}

/// The attachments of these messages with their contents, in their order. The caller makes sure that the reader may see the
/// messages.
pub fn contents(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<(Attachment, Blob)>> {
    attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .order((attachments::message_id, attachments::number))
        .select((Attachment::as_select(), Blob::as_select()))
        .load(conn)
}

/// An attachment of a conversation that a user may see, and its content; `None` where there is none.
pub fn for_user<R: Right>(
    conn: &mut Conn,
    access: &ConversationAccess<R>,
    number: i64,
    content: Content,
) -> QueryResult<Option<(Attachment, Blob)>> {
    let found = attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .filter(attachments::conversation_id.eq(access.conversation()))
        .filter(attachments::number.eq(number))
        .select(Attachment::as_select())
        .first(conn)
        .optional()?;
    with_blob(conn, found, content)
}

/// An attachment of one of the patient's own conversations that whoever visits may see, never one of an internal note or of what was taken back; `None` where there is none,
/// or where the portal or this patient's access to it is off.
pub fn for_patient(
    conn: &mut Conn,
    visit: &PortalVisit,
    conversation: i64,
    number: i64,
    content: Content,
) -> QueryResult<Option<(Attachment, Blob)>> {
    if !visit.is_open(conn)? {
        return Ok(None);
    }
    let mut query = attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .inner_join(messages::table.on(messages::id.eq(attachments::message_id)))
        .inner_join(conversations::table.on(conversations::id.eq(attachments::conversation_id)))
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::number.eq(conversation))
        .filter(messages::internal.eq(false))
        .filter(messages::recalled_at.is_null())
        .filter(attachments::number.eq(number))
        .select(Attachment::as_select())
        .into_boxed::<MultiBackend>();
    if let Some(carer) = visit.carer() {
        query = query.filter(conversations::only_patient.eq(false)).filter(conversations::created_at.ge(carer.since()));
    }
    let found = query.first(conn).optional()?;
    with_blob(conn, found, content)
}

fn with_blob(conn: &mut Conn, found: Option<Attachment>, content: Content) -> QueryResult<Option<(Attachment, Blob)>> {
    let Some(attachment) = found else { return Ok(None) };
    let id = match content {
        Content::File => Some(attachment.blob),
        Content::Page => attachment.page,
    };
    let Some(id) = id else { return Ok(None) };
    let blob = storage::blob(conn, id)?;
    Ok(Some((attachment, blob)))
}
