//! GROUND: who did what, whose, when: append-only rows, written inside the transaction of the change.
//!
//! Each row's hash covers the row and the hash before it. There is one chain for each patient and one for the clinic,
//! so that writers on PostgreSQL do not queue for a single last row. With a key that is stored outside the database the
//! end of each chain is sealed: somebody who can write the database cannot rewrite its history unseen. See [`heads`].

mod follow;
mod heads;
mod read;
mod seals;
mod verify;

pub use follow::{after, last_row, told_row, with_ids};
pub use heads::{Heads, HeadsError, seal_all};
pub use read::{Filter, Place, What, in_order, newest};
pub use seals::{ToldSeal, newest_seal, seal_next, verify_seal};
pub use verify::{Broken, Verified, verify};

use crate::db::schema::{audit_events, audit_heads};
use crate::db::{
    Both, BroadcastId, CaregiverId, ConversationId, MessageId, NotificationId, PatientId, TeamId, TemplateId, Ts, Tx,
    UploadId, UserId, columns,
};
use crate::text_enum;
use diesel::prelude::*;
use heads::Head;
use sha2::{Digest, Sha256};

text_enum! {
    /// Who acted.
    pub enum ActorKind {
        /// a user of the clinic
        User = "user",
        /// a patient, proved or claimed
        Patient = "patient",
        /// a caregiver of a patient
        Caregiver = "caregiver",
        /// the program itself: worker, import, command line
        System = "system",
    }
}

text_enum! {
    /// What was done. The log stores these words; `locales` has their full text.
    #[allow(missing_docs)]
    pub enum Event {
        SignedIn = "signed_in",
        SignInFailed = "sign_in_failed",
        SignedOut = "signed_out",
        AccessRefused = "access_refused",
        PasswordSet = "password_set",
        PasswordLinkMade = "password_link_made",
        PasswordForgotten = "password_forgotten",
        SessionEnded = "session_ended",
        SecondStepAsked = "second_step_asked",
        SecondStepFailed = "second_step_failed",
        SecondFactorBegun = "second_factor_begun",
        SecondFactorAdded = "second_factor_added",
        SecondFactorRemoved = "second_factor_removed",
        SecondFactorReset = "second_factor_reset",
        ProviderLinked = "provider_linked",
        ProviderUnlinked = "provider_unlinked",
        RecoveryCodesMade = "recovery_codes_made",
        RecoveryCodeUsed = "recovery_code_used",
        IdentityConfirmed = "identity_confirmed",
        IdentityNotConfirmed = "identity_not_confirmed",
        UserAdded = "user_added",
        UserChanged = "user_changed",
        UserRoleChanged = "user_role_changed",
        UserDeactivated = "user_deactivated",
        UserReactivated = "user_reactivated",
        WorkHandedOver = "work_handed_over",
        TeamAdded = "team_added",
        TeamChanged = "team_changed",
        TeamArchived = "team_archived",
        TeamBroughtBack = "team_brought_back",
        TeamFollowed = "team_followed",
        PatientsSearched = "patients_searched",
        PatientsImported = "patients_imported",
        PatientAdded = "patient_added",
        PatientChanged = "patient_changed",
        CaregiverAdded = "caregiver_added",
        CaregiverChanged = "caregiver_changed",
        CaregiverEnded = "caregiver_ended",
        PatientArchived = "patient_archived",
        PatientBroughtBack = "patient_brought_back",
        RecordHeld = "record_held",
        RecordHoldLifted = "record_hold_lifted",
        RecordDeleted = "record_deleted",
        RecordExported = "record_exported",
        ChartsMerged = "charts_merged",
        ChartsUnmerged = "charts_unmerged",
        ChartsToldApart = "charts_told_apart",
        ChartsNotToldApart = "charts_not_told_apart",
        ChartViewed = "chart_viewed",
        ChartItemViewed = "chart_item_viewed",
        ConversationStarted = "conversation_started",
        ConversationViewed = "conversation_viewed",
        ConversationsSearched = "conversations_searched",
        DraftSaved = "draft_saved",
        DraftDiscarded = "draft_discarded",
        TemplateSaved = "template_saved",
        TemplateRetired = "template_retired",
        MessageSent = "message_sent",
        MessageRecalled = "message_recalled",
        MessageScheduled = "message_scheduled",
        MessageRescheduled = "message_rescheduled",
        ScheduledCancelled = "scheduled_cancelled",
        ScheduledNotSent = "scheduled_not_sent",
        BroadcastPrepared = "broadcast_prepared",
        BroadcastViewed = "broadcast_viewed",
        BroadcastSent = "broadcast_sent",
        BroadcastStopped = "broadcast_stopped",
        BroadcastRemoved = "broadcast_removed",
        BroadcastNotSent = "broadcast_not_sent",
        NoteAdded = "note_added",
        RepliesTurnedOn = "replies_turned_on",
        RepliesTurnedOff = "replies_turned_off",
        ParticipantsChanged = "participants_changed",
        ParticipantLeft = "participant_left",
        ParticipantRemoved = "participant_removed",
        ConversationAssigned = "conversation_assigned",
        AssignmentEnded = "assignment_ended",
        ConversationClosed = "conversation_closed",
        ConversationReopened = "conversation_reopened",
        MarkedDone = "marked_done",
        MarkedNotDone = "marked_not_done",
        MarkedUnread = "marked_unread",
        NotificationState = "notification_state",
        NotificationResent = "notification_resent",
        NotificationCancelled = "notification_cancelled",
        TextReceived = "text_received",
        AddressReleased = "address_released",
        AttentionSettled = "attention_settled",
        CallNoted = "call_noted",
        LetterPrinted = "letter_printed",
        LetterOpened = "letter_opened",
        OutboxExported = "outbox_exported",
        PasscodeRequested = "passcode_requested",
        PasscodeState = "passcode_state",
        PortalSignedIn = "portal_signed_in",
        PortalSignInFailed = "portal_sign_in_failed",
        PortalSignedOut = "portal_signed_out",
        PortalSessionKept = "portal_session_kept",
        SessionKept = "session_kept",
        PortalUnlocked = "portal_unlocked",
        MessagesListed = "messages_listed",
        InformationViewed = "information_viewed",
        ViewsListed = "views_listed",
        EverythingDownloaded = "everything_downloaded",
        MessageRead = "message_read",
        ReplySent = "reply_sent",
        AnswerGiven = "answer_given",
        SettingsChanged = "settings_changed",
        SettingsViewed = "settings_viewed",
        SyncAsked = "sync_asked",
        DifferenceKept = "difference_kept",
        AuditLogExported = "audit_log_exported",
        AuditLogSealed = "audit_log_sealed",
        FileUploaded = "file_uploaded",
        ChartFileAdded = "chart_file_added",
        UploadRemoved = "upload_removed",
        VirusFound = "virus_found",
        AttachmentOpened = "attachment_opened",
        OtherPatientConfirmed = "other_patient_confirmed",
        NotificationTemplateChanged = "notification_template_changed",
        NotificationTemplateTested = "notification_template_tested",
        AccessTold = "access_told",
        FollowedUp = "followed_up",
        BackupMade = "backup_made",
        BackupCopied = "backup_copied",
        BackupRestored = "backup_restored",
        DatabaseMoved = "database_moved",
        FilesMoved = "files_moved",
        EmrKeyMade = "emr_key_made",
        EmrSwitched = "emr_switched",
        EmrTested = "emr_tested",
        EmrWritten = "emr_written",
        EmrWriteRefused = "emr_write_refused",
        EmrWriteAgain = "emr_write_again",
    }
}

impl Event {
    /// The events of only looking at a patient's record.
    pub const LOOKS: [Event; 8] = [
        Event::ChartViewed,
        Event::ChartItemViewed,
        Event::ConversationViewed,
        Event::AttachmentOpened,
        Event::MessagesListed,
        Event::MessageRead,
        Event::InformationViewed,
        Event::EverythingDownloaded,
    ];

    /// Whether somebody follows the log for it: pages that are open show it, or it may end a session.
    pub fn is_followed(self) -> bool {
        use Event::*;
        matches!(
            self,
            SignedOut
                | PasswordSet
                | SessionEnded
                | SecondFactorRemoved
                | SecondFactorReset
                | UserChanged
                | UserRoleChanged
                | UserDeactivated
                | WorkHandedOver
                | TeamFollowed
                | SettingsChanged
                | RecordDeleted
                | ChartsMerged
                | ChartsUnmerged
                | VirusFound
                | ConversationStarted
                | ConversationViewed
                | ConversationClosed
                | ConversationReopened
                | MessageSent
                | MessageRecalled
                | MessageScheduled
                | MessageRescheduled
                | ScheduledCancelled
                | ScheduledNotSent
                | DraftDiscarded
                | NoteAdded
                | ReplySent
                | AnswerGiven
                | RepliesTurnedOn
                | RepliesTurnedOff
                | ParticipantsChanged
                | ParticipantLeft
                | ParticipantRemoved
                | ConversationAssigned
                | AssignmentEnded
                | AttentionSettled
                | CallNoted
                | LetterPrinted
                | MarkedDone
                | MarkedNotDone
                | MarkedUnread
                | NotificationState
                | NotificationResent
                | NotificationCancelled
                | EmrWritten
                | EmrWriteRefused
                | EmrWriteAgain
                | FollowedUp
                | MessageRead
                | MessagesListed
                | EverythingDownloaded
        )
    }
}

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// a user
    User(UserId),
    /// a patient
    Patient(PatientId),
    /// a caregiver, for the patient of the row
    Caregiver(CaregiverId),
    /// the program
    System,
}

impl Actor {
    fn columns(self) -> (ActorKind, Option<i64>) {
        match self {
            Actor::User(id) => (ActorKind::User, Some(id.0)),
            Actor::Patient(id) => (ActorKind::Patient, Some(id.0)),
            Actor::Caregiver(id) => (ActorKind::Caregiver, Some(id.0)),
            Actor::System => (ActorKind::System, None),
        }
    }
}

impl Actor {
    /// Who acts at the portal: the caregiver, or where there is none the patient.
    pub fn at_portal(patient: PatientId, caregiver: Option<CaregiverId>) -> Actor {
        caregiver.map_or(Actor::Patient(patient), Actor::Caregiver)
    }
}

impl From<Option<UserId>> for Actor {
    /// The user, or the program where there is none.
    fn from(user: Option<UserId>) -> Actor {
        user.map_or(Actor::System, Actor::User)
    }
}

/// What the event was done to, besides the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// nothing further
    None,
    /// a conversation
    Conversation(ConversationId),
    /// a message
    Message(MessageId),
    /// a notification
    Notification(NotificationId),
    /// a chart item
    ChartItem(i64),
    /// a user
    User(UserId),
    /// another patient
    Patient(PatientId),
    /// a caregiver
    Caregiver(CaregiverId),
    /// a file that is not sent yet
    Upload(UploadId),
    /// a file on a message
    Attachment(i64),
    /// a message template
    Template(TemplateId),
    /// a message to many patients
    Broadcast(BroadcastId),
    /// a team
    Team(TeamId),
}

impl Subject {
    fn columns(self) -> (Option<&'static str>, Option<i64>) {
        match self {
            Subject::None => (None, None),
            Subject::Conversation(id) => (Some("conversation"), Some(id.0)),
            Subject::Message(id) => (Some("message"), Some(id.0)),
            Subject::Notification(id) => (Some("notification"), Some(id.0)),
            Subject::ChartItem(id) => (Some("chart_item"), Some(id)),
            Subject::Caregiver(id) => (Some("caregiver"), Some(id.0)),
            Subject::User(id) => (Some("user"), Some(id.0)),
            Subject::Patient(id) => (Some("patient"), Some(id.0)),
            Subject::Upload(id) => (Some("upload"), Some(id.0)),
            Subject::Attachment(id) => (Some("attachment"), Some(id)),
            Subject::Template(id) => (Some("message_template"), Some(id.0)),
            Subject::Broadcast(id) => (Some("broadcast"), Some(id.0)),
            Subject::Team(id) => (Some("team"), Some(id.0)),
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// who acted
    pub actor: Actor,
    /// what was done
    pub event: Event,
    /// the patient whom it concerns; `None` where it concerns the clinic
    pub patient: Option<PatientId>,
    /// what it was done to
    pub subject: Subject,
    /// words from a fixed vocabulary, such as a state or the names of changed fields: never patient text
    pub detail: Option<String>,
}

impl Entry {
    /// Something done to or for one patient.
    pub fn of_patient(actor: Actor, event: Event, patient: PatientId, subject: Subject) -> Entry {
        Entry { actor, event, patient: Some(patient), subject, detail: None }
    }

    /// Something that concerns the clinic.
    pub fn of_clinic(actor: Actor, event: Event, subject: Subject) -> Entry {
        Entry { actor, event, patient: None, subject, detail: None }
    }

    /// Adds the detail: words from a fixed vocabulary, never patient text or a token.
    pub fn with(mut self, detail: impl Into<String>) -> Entry {
        self.detail = Some(detail.into());
        self
    }
}

/// A stored row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(crate::db::MultiBackend))]
pub struct Row {
    /// identity
    pub id: i64,
    /// 0 for the clinic, else the patient
    pub chain: i64,
    /// 1, 2, 3 … within the chain
    pub position: i64,
    /// when
    pub at: Ts,
    /// who acted
    pub actor: ActorKind,
    /// the id of that user or patient; `None` for the program
    pub actor_id: Option<i64>,
    /// what was done: a word, because an event of a later version must not break reading
    pub action: String,
    /// the patient whom it concerns
    pub patient_id: Option<PatientId>,
    /// the kind of [`Subject`]
    pub subject: Option<String>,
    /// the id of the subject
    pub subject_id: Option<i64>,
    /// see [`Entry::detail`]
    pub detail: Option<String>,
    /// SHA-256 over the hash before and this row
    pub hash: Vec<u8>,
}

/// Appends a row to the chain of its patient, or of the clinic.
///
/// # Errors
/// Those of the database; the caller's transaction must then fail as a whole.
pub fn append(tx: &mut Tx, now: Ts, entry: Entry) -> QueryResult<()> {
    let chain = entry.patient.map_or(0, |patient| patient.0);
    let key = tx.keys().audit.as_deref();
    let before = lock_head(tx, chain)?;
    let (actor, actor_id) = entry.actor.columns();
    let (subject, subject_id) = entry.subject.columns();
    let mut row = Row {
        id: 0,
        chain,
        position: before.position + 1,
        at: now,
        actor,
        actor_id,
        action: entry.event.as_str().to_owned(),
        patient_id: entry.patient,
        subject: subject.map(str::to_owned),
        subject_id,
        detail: entry.detail,
        hash: Vec::new(),
    };
    row.hash = row.hashed(&before.hash);
    let id = insert(tx, &row)?;
    if entry.event.is_followed() {
        follow::tell(tx, id);
    }
    let seal = match key {
        None => None,
        Some(key) if before.is_new() || before.is_sealed_by(key) => {
            Some(heads::seal(key, chain, row.position, &row.hash))
        }
        // an end that this key did not seal stays unsealed: a new seal would hide what was changed before
        Some(_) => before.seal,
    };
    diesel::update(audit_heads::table.find(chain))
        .set((audit_heads::position.eq(row.position), audit_heads::hash.eq(&row.hash), audit_heads::seal.eq(seal)))
        .execute(tx.conn())
        .map(drop)
}

/// How many of a chain's last rows [`was_lately`] reads.
const LATELY: i64 = 200;

/// Whether an equal entry was written at `since` or later, as far as the last rows of the chain show.
pub fn was_lately(conn: &mut crate::db::Conn, entry: &Entry, since: Ts) -> QueryResult<bool> {
    let last: Vec<Row> = audit_events::table
        .filter(audit_events::chain.eq(entry.patient.map_or(0, |patient| patient.0)))
        .order(audit_events::position.desc())
        .limit(LATELY)
        .select(Row::as_select())
        .load(conn)?;
    let actor = entry.actor.columns();
    let (subject, subject_id) = entry.subject.columns();
    Ok(last.iter().any(|row| {
        row.at >= since
            && row.action == entry.event.as_str()
            && (row.actor, row.actor_id) == actor
            && (row.subject.as_deref(), row.subject_id) == (subject, subject_id)
            && row.detail == entry.detail
    }))
}

/// The end of a chain, its row locked until the transaction ends.
fn lock_head(tx: &mut Tx, chain: i64) -> QueryResult<Head> {
    let first = (audit_heads::chain.eq(chain), audit_heads::position.eq(0), audit_heads::hash.eq(Vec::new()));
    // the update changes nothing: it locks the row on PostgreSQL, and returns it whether it is new or not
    let upsert = diesel::insert_into(audit_heads::table)
        .values(first)
        .on_conflict(audit_heads::chain)
        .do_update()
        .set(audit_heads::chain.eq(chain));
    Both(upsert.returning(columns::<Head>())).get_result(tx.conn())
}

fn insert(tx: &mut Tx, row: &Row) -> QueryResult<i64> {
    let values = (
        (audit_events::chain.eq(row.chain), audit_events::position.eq(row.position), audit_events::at.eq(row.at)),
        (audit_events::actor.eq(row.actor), audit_events::actor_id.eq(row.actor_id)),
        (audit_events::action.eq(&row.action), audit_events::patient_id.eq(row.patient_id)),
        (audit_events::subject.eq(row.subject.as_deref()), audit_events::subject_id.eq(row.subject_id)),
        (audit_events::detail.eq(row.detail.as_deref()), audit_events::hash.eq(&row.hash)),
    );
    diesel::insert_into(audit_events::table).values(values).returning(audit_events::id).get_result(tx.conn())
}

impl Row {
    /// SHA-256 over the hash before this row and every column, each with its length, so that no two rows read alike.
    fn hashed(&self, previous: &[u8]) -> Vec<u8> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
        part(previous);
        part(number(Some(self.chain)).as_bytes());
        part(number(Some(self.position)).as_bytes());
        part(number(Some(self.at.micros())).as_bytes());
        part(self.actor.as_str().as_bytes());
        part(number(self.actor_id).as_bytes());
        part(self.action.as_bytes());
        part(number(self.patient_id.map(|p| p.0)).as_bytes());
        part(self.subject.as_deref().unwrap_or_default().as_bytes());
        part(number(self.subject_id).as_bytes());
        part(self.detail.as_deref().unwrap_or_default().as_bytes());
        hash.finalize().to_vec()
    }
}
