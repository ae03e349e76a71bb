//! FEATURE: broadcasts: one message to many patients. Each of them gets a conversation of their own, begun by the very verb that a
//! click calls, so that every rule of a single message holds; nobody sees anybody else.
//!
//! A broadcast is prepared first: the list is read, and who can be told is found out. It is sent by a second press; from then on its
//! list stays as it is, and a worker begins the conversations a few at a time. What has changed by then is found by the verb, for
//! each patient, and told.
//!
//! Whoever touches one takes locks in one order: the user, the patient, the broadcast, the job. The trace in the audit log comes last.

mod draft;
mod due;
mod file;
mod leaving;
mod prepare;
mod rows;
mod send;
mod types;

pub use draft::{count_drafts, draft, drop_draft, hand_over_draft, save_draft};
pub use due::{AT_ONCE, Next, OneError, end_if_empty, next, not_sent, send_one, stop_unsent};
pub use file::{FileList, list_of_file};
pub use leaving::{count_open, hand_over};
pub use prepare::{Checked, LONGEST_LIST, NewBroadcast, PrepareError, Unread, check, lines_of, prepare};
pub use rows::{
    Broadcast, BroadcastRow, Counts, FileOfMany, KEPT_FILE, RecipientRow, Sample, counts, files_of, find, form_of,
    list, of_conversation, recipients, sample,
};
pub use send::{Pressed, after_restore, remove, send, stop, sweep};
pub use types::{Fate, Roads, State, StopReason, Why};
