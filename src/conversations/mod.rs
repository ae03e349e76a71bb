//! FEATURE: conversations. One file for each verb; `store` has the statements that they share, private to this room.

mod answer;
mod answer_times;
mod assignment;
mod close;
mod cover;
mod draft;
mod events;
mod fields;
mod inbox;
mod inbox_rows;
mod leaving;
mod mentions;
mod message_row;
mod on_paper;
mod opening;
mod participants;
mod patient_inbox;
mod patient_reply;
mod recall;
mod reply;
mod reply_draft;
mod saved_views;
mod scheduled;
mod start;
mod store;
mod teams;
mod thread;
mod types;
mod view_counts;
mod views;
mod whole;

pub use crate::threads::{Author, News, OneTap};
pub use answer::answer;
pub use answer_times::{AnswerTimes, Tally, answer_times};
pub use assignment::{AssignError, Assignment, assign, assignment};
pub use close::{CloseError, UNDO_WITHIN, close, reopen};
pub use cover::{Promised, hold_promised, see_to_promised};
pub use draft::{
    Draft, DraftError, DraftPlace, OwnDraft, count_drafts, draft, drop_draft, hand_over_drafts, move_drafts,
    put_drafts_back, save_draft,
};
pub use events::ThreadEvent;
pub use fields::Fields;
pub use inbox::{
    InboxCursor, InboxFilter, InboxOrder, InboxView, Scope, count_attention, count_unread, done_among, inbox, lines,
    of_patient,
};
pub use inbox_rows::{Excerpt, InboxRow, Turn, newest_lines};
pub use leaving::{LeaveError, leave, remove_team};
pub use message_row::{MessageRow, Named, on_behalf};
pub use on_paper::{FileLine, OnPaper, STYLE as PAPER_STYLE, Said, Shown, paper_policy};
pub use opening::{list, open, open_by_file, was_opened};
pub use participants::{Mark, change_participants, mark, mark_done, set_replies_allowed};
pub use patient_inbox::{
    PatientExcerpt, PatientRow, PatientThread, Preview, excerpts, patient_inbox, patient_thread, preview, was_recalled,
};
pub use patient_reply::{PatientReply, PatientReplyError, patient_reply};
pub use recall::{RecallError, Recallable, Recalled, recall, recallable};
pub use reply::{Reply, ReplyError, correctable, reply};
pub use reply_draft::{Writer, keep_reply};
pub use saved_views::{
    MOST_VIEWS, SaveViewError, SavedView, ViewName, change_view, hold_saved_view, remove_view, save_view, saved_views,
};
pub use scheduled::{
    Due, DueError, Edited, LONGEST_AHEAD, NotSent, Overtaken, Part, Place, Planned, Pressed, ScheduleError,
    ScheduledForm, ScheduledRow, ToSchedule, after_restore, cancel as cancel_scheduled, count as count_scheduled,
    count_kept as count_unsent, count_to as count_scheduled_to, count_waiting, due, form_of as scheduled_form,
    hand_over as hand_over_scheduled, list as scheduled, not_sent, remove as remove_scheduled, schedule, send_due,
    send_now as send_scheduled_now, taken_apart as keep_scheduled_back, writers_to,
};
pub use start::{NewConversation, StartError, start};
pub use teams::{ToFollow, follow_team, followed, to_follow};
pub use thread::{Thread, ThreadPage, is_open, mark_viewed, thread, title};
pub use types::{Body, BodyFormat, CannotReply, Status, Writing};
pub use view_counts::{MOST_COUNTED, count_views};
pub use views::{Looker, View, views};
pub use whole::{MOST_AT_ONCE, numbers_of, whole, whole_for_record, whole_of};
