//! FEATURE: telling a patient that a message is waiting: who can be told and how, what a notification says, and what
//! became of it.
//!
//! A notification never holds a title, a body, a file name or a clinician's name: [`templates::Values`] has no field for
//! one.

mod access_notice;
mod plan;
mod states;
pub mod templates;
mod wording;

pub use access_notice::{AccessNotice, access_notices, set_access_state, tell_of_access, to_send};
pub use plan::{Obstacle, Plan, obstacles, passcode_channel, plan};
pub use states::{
    Address, Ending, NotAgain, NotificationRow, State, ToSend, enqueue, fit_to_send, for_sending, newest,
    of_conversation, send_again, set_state,
};
pub use wording::{Wording, wording};
