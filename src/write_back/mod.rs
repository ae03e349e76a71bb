//! FEATURE: messages go into the record of the EMRs that know their patient, where an owner turned that on for a source.
//!
//! A row and a job are written with the message, in its transaction. The worker asks the EMR outside of any; each resource
//! has an identifier of its own and is created on the condition that none has it (FHIR R4 §3.1.0.8.1), so that it is there
//! once, whenever the worker or the EMR breaks off. What was taken back is never sent; where the EMR may have it, it is
//! looked for there, and marked as an error. Internal notes have no row.

mod content;
mod lines;
mod prepare;
mod queue;
mod resources;
mod send;
mod settle;

pub use lines::{Line, lines};
pub use prepare::{About, Has, ToWrite, begin};
pub use queue::{drop_paper, queue, queue_paper, take_back, try_again};
pub use send::{Sent, send};
pub use settle::{hold, put_off, settle};

use crate::text_enum;

text_enum! {
    /// How far a message is on its way into the record of an EMR.
    pub enum State {
        /// it waits
        Queued = "queued",
        /// the EMR was asked, so that it may have it
        Begun = "begun",
        /// it is there
        Written = "written",
        /// it cannot be written as it is
        Refused = "refused",
        /// it was taken back, which the EMR is to be told
        TakenBack = "taken_back",
        /// the EMR has it as an error
        Marked = "marked",
    }
}

text_enum! {
    /// Why it is not there yet.
    pub enum Why {
        /// the EMR does not answer as it should
        Away = "away",
        /// it asks to be left alone for a while
        Busy = "busy",
        /// it refuses the message
        Refused = "refused",
        /// it does not let Postern write
        NotAllowed = "not_allowed",
        /// writing into this EMR is off
        Off = "off",
        /// the EMR does not know the patient any more
        Unknown = "unknown",
        /// a file is too large
        TooLarge = "too_large",
        /// a file waits for the virus scanner
        Scanning = "scanning",
        /// a file cannot be read
        File = "file",
    }
}
