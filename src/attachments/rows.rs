//! Attachments on their way out: the lines under a message, and the one that is asked for.

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
    /// on which message
    pub message_id: MessageId,
    /// number within the conversation; 0 in a preview of what is not sent yet
    pub number: i64,
    /// name
    #[diesel(deserialize_as = Opened)]
    pub file_name: String,
    /// what it is served as
    pub media_type: String,
    /// bytes
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
    /// A file of this name as a preview of the message shows it: named, and not to be opened.
    pub fn previewed(file_name: String, size: i64) -> Attachment {
        let media_type = String::new();
        let (message_id, blob, scan) = (MessageId(0), BlobId(0), Scan::NotScanned);
        Attachment { id: 0, message_id, number: 0, file_name, media_type, size, scan, page: None, blob }
    }

    /// What kind of file it is, as its name says: `PDF`. Empty where the name says nothing.
    pub fn kind(&self) -> String {
        let ending = self.file_name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if ending.len() <= 5 { ending.to_uppercase() } else { String::new() }
    }

    /// Whether it is only a preview of one.
    pub fn is_preview(&self) -> bool {
        self.number == 0
    }

    /// Whether a browser can show it, or a picture of it.
    pub fn can_be_shown(&self) -> bool {
        super::shown_as(&self.media_type).is_some()
    }

    /// Whether it can also be read as a page.
    pub fn is_document(&self) -> bool {
        self.page.is_some()
    }
}

/// Which content of an attachment is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// the file
    File,
    /// the page that reads the same, of a document from the chart
    Page,
}

/// A copy of a chart item that its source has taken back since, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// on which message
    pub message: MessageId,
    /// the copy's name
    pub file_name: String,
    /// the whole of it, or a part
    pub state: ItemState,
    /// since when
    pub at: Ts,
}

impl TakenBack {
    /// That, in words.
    pub fn describe(&self, lang: &Lang, zone: &Zone) -> String {
        let key = match self.state {
            ItemState::PartlyWithdrawn => "sent-partly-withdrawn",
            _ => "sent-withdrawn",
        };
        let date = lang.date(zone.local(self.at).date());
        lang.t2(key, "file", self.file_name.as_str(), "date", date)
    }
}

/// Which copies on these messages are of what its source has taken back. The copies themselves stay as they were sent.
pub fn taken_back(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<TakenBack>> {
    let rows: Vec<(MessageId, Opened, ItemState, Option<Ts>)> = attachments::table
        .inner_join(chart_items::table.on(attachments::chart_item_id.eq(chart_items::id.nullable())))
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .filter(chart_items::state.eq_any(vec![ItemState::Withdrawn, ItemState::PartlyWithdrawn]))
        // what was sent afterwards was sent without it
        .filter(chart_items::state_at.gt(attachments::created_at.nullable()))
        .order((attachments::message_id, attachments::number))
        .select((attachments::message_id, attachments::file_name, chart_items::state, chart_items::state_at))
        .load(conn)?;
    let row = |(message, Opened(file_name), state, at): (MessageId, Opened, ItemState, Option<Ts>)| {
        Some(TakenBack { message, file_name, state, at: at? })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// The attachments of these messages, in their order. Which messages the reader may see is the caller's to know.
pub fn of_messages(conn: &mut Conn, of: &[MessageId]) -> QueryResult<Vec<Attachment>> {
    attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .filter(attachments::message_id.eq_any(of.to_vec()))
        .order((attachments::message_id, attachments::number))
        .select(Attachment::as_select())
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

/// An attachment of one of the patient's own conversations, never one of a note; `None` where there is none, or the
/// portal or this patient's access to it is off.
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
    let found = attachments::table
        .inner_join(blobs::table.on(blobs::id.eq(attachments::blob_id)))
        .inner_join(messages::table.on(messages::id.eq(attachments::message_id)))
        .inner_join(conversations::table.on(conversations::id.eq(attachments::conversation_id)))
        .filter(conversations::patient_id.eq(visit.patient()))
        .filter(conversations::number.eq(conversation))
        .filter(messages::internal.eq(false))
        .filter(attachments::number.eq(number))
        .select(Attachment::as_select())
        .into_boxed::<MultiBackend>()
        .first(conn)
        .optional()?;
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
