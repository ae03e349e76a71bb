//! A file that a user adds to a chart.

use super::attach::{AttachError, take_upload};
use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::chart::{self, ItemBody, ItemKind, NewItem};
use crate::db::{ChartItemId, Ts, Tx, UploadId};

/// A file for the chart, and what the user says of it.
#[derive(Debug, Clone)]
pub struct ToChart {
    /// the file
    pub upload: UploadId,
    /// uploads that name another patient and were confirmed to be for this one
    pub confirmed: Vec<UploadId>,
    /// a letter, or any other file
    pub kind: ItemKind,
    /// the date of the item
    pub occurred_at: Ts,
    /// title
    pub title: String,
}

/// Makes an upload of this user for this patient an item of the chart.
///
/// # Errors
/// See [`AttachError`].
pub fn add_to_chart(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::Send>,
    new: &ToChart,
) -> Result<ChartItemId, AttachError> {
    let access = &access.held(tx)?;
    let file = take_upload(tx, now, access, new.upload, &new.confirmed)?;
    let (source_key, body) = (format!("upload:{}", new.upload), ItemBody::default());
    let item = NewItem {
        source_key: &source_key,
        former_key: None,
        kind: new.kind,
        occurred_at: new.occurred_at,
        title: &new.title,
        author: Some(access.user().name()),
        body: &body,
        status: None,
        date_only: None,
        sort: None,
        origin: None,
    };
    let id = chart::store_item(tx, now, access.patient(), &item)?.id();
    chart::insert_file(tx, id, file.blob, (&file.name, &file.media_type, file.size))?;
    let who = Actor::User(access.user().id());
    let entry = Entry::of_patient(who, Event::ChartFileAdded, access.patient(), Subject::ChartItem(id.0));
    audit::append(tx, now, entry)?;
    Ok(id)
}
