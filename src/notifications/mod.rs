//! FEATURE: telling a patient that a message is waiting: who can be told and how, what a notification says, and what
//! became of it.
//!
//! A notification never holds a title, a body, a file name or a clinician's name: [`render::Words`] has no field for one.

mod plan;
pub mod render;
mod states;
mod warnings;

pub use plan::{Obstacle, Plan, obstacles, passcode_channel, plan};
pub use states::{
    Address, Ending, NotAgain, NotificationRow, State, ToSend, enqueue, fit_to_send, for_sending, newest,
    of_conversation, send_again, set_state,
};
pub use warnings::{Warning, warnings};
