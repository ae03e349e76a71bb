//! FEATURE: telling a patient that a message is waiting: who can be told and how, what a notification says, and what
//! became of it.
//!
//! A notification never holds a title, a body, a file name or a clinician's name: [`templates::Values`] has no field for
//! one.

mod access_notice;
mod after_restore;
mod again;
pub mod attention;
mod blocks;
mod calls;
mod cancel;
mod enqueue;
mod follow_up;
pub mod history;
mod incoming;
mod keyword;
mod last_rungs;
mod letters;
mod moves;
mod parcel;
mod passcodes;
mod plan;
mod quiet;
mod recall;
mod recipients;
mod reports;
mod returned;
mod road_states;
pub mod roads;
mod rows;
mod sending;
mod sent;
mod states;
pub mod templates;
mod warnings;
mod wording;

pub use access_notice::{access_notices, tell_caregiver, tell_of_access, tell_of_access_again};
pub use after_restore::after_restore;
pub use again::{NotAgain, send_again};
pub use blocks::{Block, BlockKind, Blocks, blocks, blocks_of, release};
pub use calls::{Asked, Call, CallError, NewCall, Outcome, asked_call, calls_of, note_call, put_off};
pub use cancel::{NotCancelled, cancel, cancel_access_notice};
pub use enqueue::{Pace, enqueue};
pub use follow_up::{
    PlanChoice, PlanKind, PlanStep, PlanWish, StepState, announce, follow_up, hold_step, plan_of, stop as stop_plan,
    stop_all,
};
pub use incoming::{Incoming, forget_texts, receive, stop};
pub use keyword::Word;
pub use last_rungs::{LastRungs, hindrances, last_rungs};
pub use letters::{
    LetterError, NewLetter, PrintedLetter, WholeMessage, asked_letter, holds_whole, letters_of, print_letter,
    reaches_portal, whole_message,
};
pub use moves::set_state;
pub use parcel::Parcel;
pub use passcodes::{passcode_going, passcode_over};
pub use plan::{Obstacle, Plan, obstacles, other_way, passcode_channel, plan, reaches};
pub use quiet::{clock_minutes, clock_text, quiet_until};
pub use recall::{GoneOut, hold, recall, resume, tell_of_recall};
pub use recipients::{Reached, Told, caregivers_told, obstacles_now, recipients, with_caregiver, without_address};
pub use reports::{block_after, report, uid};
pub use returned::{begin_returned_mail, end_returned_mail, returned, returned_mail_done};
pub use road_states::RoadStates;
pub use rows::{NotificationRow, of_conversation};
pub use sending::{Address, ToSend, fit_to_send, for_sending, hand_over, taken};
pub use sent::{MOST_COUNTED, MOST_PATIENTS, Narrowed, SentFilter, SentRow, sent, sent_counts, sent_exported};
pub use states::{Ending, State};
pub use warnings::{Warning, warnings};
pub use wording::{Wording, wording};
