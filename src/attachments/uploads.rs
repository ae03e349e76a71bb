//! Uploads: files that a user chose for a message to a patient, or to many, and that are not sent yet. Only that user sees them; those of
//! a message to many that was checked are the clinic's.

use super::LookedAt;
use super::attach::{AttachError, Pick, Picks, Sender};
use crate::access::{ChartAccess, Right, SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{blobs, patients, uploads};
use crate::db::sealed::{self, Opened};
use crate::db::{BlobId, BroadcastId, Conn, MultiBackend, PatientId, ScheduledId, Ts, Tx, UploadId, UserId};
use crate::outbox::{self, Task};
use crate::patients::{NamedBy, Patient};
use crate::storage::{self, Placed, Scan};
use crate::values::BirthDate;
use diesel::prelude::*;

/// An upload as pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Upload {
    /// identity
    pub id: UploadId,
    /// the content
    pub blob_id: BlobId,
    /// name, cleaned
    #[diesel(deserialize_as = Opened)]
    pub file_name: String,
    /// media type to be served with
    pub media_type: String,
    /// size in bytes
    pub size: i64,
    /// what the virus scanner says
    pub scan: Scan,
    /// the other patient whom the file names, if any
    #[diesel(embed)]
    pub suspect: Suspect,
    /// how far the file could be searched for names
    pub looked_at: LookedAt,
}

/// A patient whom a file names, other than the one the file is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Queryable)]
pub struct Suspect {
    /// given and family name; `None` where the file names nobody else
    given_name: Option<String>,
    family_name: Option<String>,
    birth_date: Option<BirthDate>,
    by: Option<NamedBy>,
}

impl Suspect {
    fn from_patient(patient: &Patient, by: NamedBy) -> Suspect {
        Suspect {
            given_name: Some(patient.given_name.clone()),
            family_name: Some(patient.family_name.clone()),
            birth_date: Some(patient.birth_date),
            by: Some(by),
        }
    }

    /// Name, date of birth, and what they were recognised by.
    pub fn person(&self) -> Option<(String, BirthDate, NamedBy)> {
        let name = [self.given_name.as_deref(), self.family_name.as_deref()].into_iter().flatten();
        Some((name.collect::<Vec<_>>().join(" "), self.birth_date?, self.by?))
    }
}

/// For whom a file is. Only a proof makes one: what is for many names no patient, and whoever uploads it may write to many.
pub enum Goal {
    /// one patient
    Patient(ChartAccess<rights::Send>),
    /// everybody on a list
    Many(SignedInUser<rights::SendMany>),
}

impl Goal {
    /// A copy of the proof, for a second transaction of one request.
    pub fn again(&self) -> Goal {
        match self {
            Goal::Patient(chart) => Goal::Patient(chart.again()),
            Goal::Many(user) => Goal::Many(user.clone()),
        }
    }

    /// Whose uploads these are: the user, and the patient whom they are for.
    pub(super) fn owner(&self) -> (UserId, Option<PatientId>) {
        match self {
            Goal::Patient(chart) => (chart.user().id(), Some(chart.patient())),
            Goal::Many(user) => (user.id(), None),
        }
    }
}

/// A row of the trace: the patient's, where the file is for one.
pub(super) fn traced(actor: Actor, event: Event, patient: Option<PatientId>, subject: Subject) -> Entry {
    match patient {
        Some(patient) => Entry::of_patient(actor, event, patient, subject),
        None => Entry::of_clinic(actor, event, subject),
    }
}

/// How long an upload that is not sent is kept.
const UNSENT: time::Duration = time::Duration::DAY;

pub(super) struct NewUpload {
    pub user: UserId,
    pub patient: Option<PatientId>,
    pub name: String,
    pub media_type: &'static str,
    pub placed: Placed,
    pub scan: Scan,
    pub suspect: Option<(Patient, NamedBy)>,
    pub looked_at: LookedAt,
}

/// Records that a file was refused because a virus was found in it.
pub(super) fn note_infected(tx: &mut Tx, now: Ts, user: UserId, patient: Option<PatientId>) -> QueryResult<()> {
    let entry = traced(Actor::User(user), Event::VirusFound, patient, Subject::None);
    audit::append(tx, now, entry.with("refused"))
}

/// Stores an upload. `None` where its content is known to be infected.
pub(super) fn add(tx: &mut Tx, now: Ts, new: &NewUpload) -> QueryResult<Option<Upload>> {
    let patient = new.patient.map(|patient| crate::access::held(tx, patient)).transpose()?;
    let kept = storage::keep(tx, now, &new.placed, new.scan)?;
    if kept.scan == Scan::Infected {
        storage::release(tx, now, kept.id)?;
        note_infected(tx, now, new.user, patient)?;
        return Ok(None);
    }
    if kept.scan == Scan::Waiting {
        outbox::enqueue(tx, now, Task::ScanFile(kept.id), now)?;
    }
    let row = (
        (uploads::user_id.eq(new.user), uploads::patient_id.eq(patient), uploads::blob_id.eq(kept.id)),
        (uploads::file_name.eq(sealed::text(&new.name)), uploads::media_type.eq(new.media_type)),
        (uploads::size.eq(new.placed.size()), uploads::created_at.eq(now)),
        (
            uploads::suspect_id.eq(new.suspect.as_ref().map(|(patient, _)| patient.id)),
            uploads::suspect_by.eq(new.suspect.as_ref().map(|(_, by)| *by)),
            uploads::looked_at.eq(new.looked_at),
        ),
    );
    let id: UploadId = diesel::insert_into(uploads::table).values(row).returning(uploads::id).get_result(tx.conn())?;
    let entry = traced(Actor::User(new.user), Event::FileUploaded, patient, Subject::Upload(id));
    audit::append(tx, now, entry)?;
    Ok(Some(Upload {
        id,
        blob_id: kept.id,
        file_name: new.name.clone(),
        media_type: new.media_type.to_owned(),
        size: new.placed.size(),
        scan: kept.scan,
        suspect: new.suspect.as_ref().map(|(patient, by)| Suspect::from_patient(patient, *by)).unwrap_or_default(),
        looked_at: new.looked_at,
    }))
}

/// What [`Upload`] is read from.
macro_rules! columns {
    () => {
        (
            uploads::id,
            uploads::blob_id,
            uploads::file_name,
            uploads::media_type,
            uploads::size,
            blobs::scan,
            (
                patients::given_name.nullable(),
                patients::family_name.nullable(),
                patients::birth_date.nullable(),
                uploads::suspect_by,
            ),
            uploads::looked_at,
        )
    };
}

/// Those of the named uploads that are this sender's for this patient, in the order of the names, each once. An upload
/// that was sent, removed or swept meanwhile is left out.
pub fn pending<R: Right>(conn: &mut Conn, access: &ChartAccess<R>, named: &[UploadId]) -> QueryResult<Vec<Upload>> {
    let (user, patient) = (access.user().id(), access.patient());
    let mut found: Vec<Upload> = uploads::table
        .inner_join(blobs::table)
        .left_join(patients::table.on(uploads::suspect_id.eq(patients::id.nullable())))
        .filter(uploads::user_id.eq(user))
        .filter(uploads::patient_id.eq(patient))
        .filter(uploads::id.eq_any(named.iter().copied().take(MOST).collect::<Vec<_>>()))
        .select(columns!())
        .load(conn)?;
    found.sort_by_key(|upload| named.iter().position(|id| *id == upload.id));
    Ok(found)
}

/// Those of the named uploads that are for many and this user's, or belong already to the message to many that is being changed; in the
/// order of the names, each once. One that is for a patient is never among them.
pub fn pending_for_many(
    conn: &mut Conn,
    user: &SignedInUser<rights::SendMany>,
    changed: Option<BroadcastId>,
    named: &[UploadId],
) -> QueryResult<Vec<Upload>> {
    let found: Vec<(Upload, (UserId, Option<BroadcastId>))> = uploads::table
        .inner_join(blobs::table)
        .left_join(patients::table.on(uploads::suspect_id.eq(patients::id.nullable())))
        .filter(uploads::patient_id.is_null())
        .filter(uploads::id.eq_any(named.iter().copied().take(MOST).collect::<Vec<_>>()))
        .select((columns!(), (uploads::user_id, uploads::broadcast_id)))
        .load(conn)?;
    let is_there = |(owner, broadcast): (UserId, Option<BroadcastId>)| match broadcast {
        None => owner == user.id(),
        Some(one) => changed == Some(one),
    };
    let mut found: Vec<Upload> =
        found.into_iter().filter(|(_, whose)| is_there(*whose)).map(|(upload, _)| upload).collect();
    found.sort_by_key(|upload| named.iter().position(|id| *id == upload.id));
    Ok(found)
}

/// The most files on one message.
pub(super) const MOST: usize = 100;

/// Removes an upload of this user for this goal. Gives whether it was there. One that goes with a message that is to go out later, or to
/// many, stays until that message is changed: see [`hold_uploads`] and [`super::hold_for_many`].
pub fn remove(tx: &mut Tx, now: Ts, goal: &Goal, id: UploadId) -> QueryResult<bool> {
    type Found = ((UserId, Option<PatientId>), Option<ScheduledId>, Option<BroadcastId>);
    let columns = ((uploads::user_id, uploads::patient_id), uploads::scheduled_id, uploads::broadcast_id);
    let found: Option<Found> = uploads::table.find(id).select(columns).first(tx.conn()).optional()?;
    let Some((owner, scheduled, broadcast)) = found.filter(|(owner, ..)| *owner == goal.owner()) else {
        return Ok(false);
    };
    if scheduled.is_some() || broadcast.is_some() {
        return Ok(true);
    }
    let mine = uploads::table.find(id).filter(uploads::user_id.eq(owner.0));
    let mine = mine.filter(uploads::scheduled_id.is_null()).filter(uploads::broadcast_id.is_null());
    let blob: Option<BlobId> = diesel::delete(mine).returning(uploads::blob_id).get_result(tx.conn()).optional()?;
    let Some(blob) = blob else { return Ok(false) };
    storage::release(tx, now, blob)?;
    let entry = traced(Actor::User(owner.0), Event::UploadRemoved, owner.1, Subject::Upload(id));
    audit::append(tx, now, entry)?;
    Ok(true)
}

/// Gives the unsent uploads of one user to another, together with the drafts that refer to them.
pub fn hand_over(tx: &mut Tx, from: UserId, to: UserId) -> QueryResult<()> {
    let theirs = diesel::update(uploads::table.filter(uploads::user_id.eq(from)));
    theirs.set(uploads::user_id.eq(to)).execute(tx.conn()).map(drop)
}

/// Keeps the uploads among these files for a message that goes out later, and no others for it. They are as good as sent: what
/// would keep them from being attached now is refused now.
///
/// # Errors
/// See [`AttachError`].
pub fn hold_uploads(tx: &mut Tx, sender: &impl Sender, files: &Picks, message: ScheduledId) -> Result<(), AttachError> {
    release_uploads(tx, message)?;
    let (user, patient) = sender.sender();
    if files.all.len() > MOST {
        return Err(AttachError::TooMuch);
    }
    let mut total = 0;
    let mut add = |size: i64| -> Result<(), AttachError> {
        total += size as u64;
        match () {
            () if size as u64 > files.largest_file => Err(AttachError::TooLarge),
            () if total > files.largest => Err(AttachError::TooMuch),
            () => Ok(()),
        }
    };
    for pick in &files.all {
        let id = match pick {
            Pick::Frozen(frozen) => {
                add(frozen.size)?;
                continue;
            }
            Pick::Upload(id) => *id,
            // what goes to many is not kept for one of them
            Pick::Shared(_) => return Err(AttachError::Gone),
        };
        let mine = uploads::table.find(id).filter(uploads::user_id.eq(user)).filter(uploads::patient_id.eq(patient));
        let free = mine.filter(uploads::scheduled_id.is_null());
        let columns = (uploads::size, uploads::suspect_id, uploads::blob_id);
        let found: Option<(i64, Option<PatientId>, BlobId)> = free.select(columns).first(tx.conn()).optional()?;
        let (size, suspect, blob) = found.ok_or(AttachError::Gone)?;
        if suspect.is_some() && !files.confirmed.contains(&id) {
            return Err(AttachError::OtherPatient);
        }
        if storage::blob(tx, blob)?.scan == Scan::Infected {
            return Err(AttachError::Infected);
        }
        add(size)?;
        diesel::update(uploads::table.find(id)).set(uploads::scheduled_id.eq(message)).execute(tx.conn())?;
    }
    Ok(())
}

/// Lets the uploads go that were kept for a message.
pub fn release_uploads(tx: &mut Tx, message: ScheduledId) -> QueryResult<()> {
    let held = diesel::update(uploads::table.filter(uploads::scheduled_id.eq(message)));
    held.set(uploads::scheduled_id.eq(None::<ScheduledId>)).execute(tx.conn()).map(drop)
}

/// Removes uploads that are older than a day and were not sent, a hundred at a time. Gives how many.
pub fn sweep(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old: Vec<(UploadId, BlobId, Option<PatientId>)> = uploads::table
        .filter(uploads::created_at.lt(now.plus(-UNSENT)))
        .filter(uploads::scheduled_id.is_null())
        .filter(uploads::broadcast_id.is_null())
        .order((uploads::created_at, uploads::id))
        .limit(100)
        .select((uploads::id, uploads::blob_id, uploads::patient_id))
        .into_boxed::<MultiBackend>()
        .load(tx.conn())?;
    let mut swept = 0;
    for (id, blob, patient) in old {
        // no row: it was sent or removed a moment ago, and that transaction took over or released the content
        let free = uploads::table.find(id).filter(uploads::scheduled_id.is_null());
        let free = free.filter(uploads::broadcast_id.is_null());
        if diesel::delete(free).execute(tx.conn())? == 1 {
            storage::release(tx, now, blob)?;
            let entry = traced(Actor::System, Event::UploadRemoved, patient, Subject::Upload(id));
            audit::append(tx, now, entry.with("unsent"))?;
            swept += 1;
        }
    }
    Ok(swept)
}
