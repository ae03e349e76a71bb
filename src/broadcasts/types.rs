//! The words of a broadcast's rows.

use crate::delivery::Channel;
use crate::notifications::Obstacle;
use crate::text_enum;

text_enum! {
    /// What becomes of a broadcast.
    pub enum State {
        /// it was written and checked, and nothing of it goes out
        Prepared = "prepared",
        /// it goes out
        Sending = "sending",
        /// it was stopped: what had not gone out does not go
        Stopped = "stopped",
        /// there is nobody left to whom it could go
        Done = "done",
    }
}

text_enum! {
    /// Why one was stopped.
    pub enum StopReason {
        /// a user has stopped it
        User = "user",
        /// its sender may not send any more
        Writer = "writer",
        /// a backup was restored: what waited may have been sent before
        Restored = "restored",
        /// a file of it cannot be sent: a virus was found in it
        Files = "files",
    }
}

text_enum! {
    /// What becomes of it for one patient.
    pub enum Fate {
        /// it has not gone to them yet
        Waiting = "waiting",
        /// it stands in a conversation with them
        Sent = "sent",
        /// it does not go to them; the reason says why
        NotSent = "not_sent",
    }
}

text_enum! {
    /// By which ways a patient is told.
    pub enum Roads {
        /// by email
        Email = "email",
        /// by text
        Sms = "sms",
        /// by email and by text
        Both = "both",
    }
}

impl Roads {
    /// The word for these ways; `None` where there is none.
    pub(super) fn of(links: &[Channel]) -> Option<Roads> {
        match (links.contains(&Channel::Email), links.contains(&Channel::Sms)) {
            (true, true) => Some(Roads::Both),
            (true, false) => Some(Roads::Email),
            (false, true) => Some(Roads::Sms),
            (false, false) => None,
        }
    }
}

text_enum! {
    /// Why it does not go to a patient, besides what keeps any message from them.
    pub enum Why {
        /// the record is not there any more
        NoRecord = "no_record",
        /// the record was merged with that of another patient of the same list, who gets it
        SamePerson = "same_person",
        /// a placeholder has no value for them
        Unfilled = "unfilled",
        /// with the placeholders filled in it is too long
        TooLong = "too_long",
    }
}

/// Obstacles as the words of a reason, in their order.
pub(super) fn words_of(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
}
