//! Messages that go out later: what was typed is kept, as a draft is, until its moment, and is then sent by the verb that a click
//! would have called. What has changed by then is found by that verb, and told to whoever wrote it.
//!
//! Whoever touches one takes locks in one order: the user, the conversation or else the patient, the row, the job. The trace in the
//! audit log comes last.

mod due;
mod pressed;
mod rows;
mod schedule;

pub(super) use due::DUE;
pub use due::{Due, DueError, NotSent, due, not_sent, send_due, taken_apart};
pub use pressed::{Pressed, cancel, remove, send_now};
pub use rows::{
    Edited, Part, Planned, ScheduledForm, ScheduledRow, count, count_kept, count_to, count_waiting, form_of, list,
    writers_to,
};
pub use schedule::{LONGEST_AHEAD, Overtaken, Place, ScheduleError, ToSchedule, after_restore, hand_over, schedule};
pub(super) use schedule::{none_waits, replace, replaced_by};
