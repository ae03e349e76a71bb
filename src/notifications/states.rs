//! The states of a notification, and which may follow which.

use crate::delivery::{Failure, Reason};
use crate::text_enum;

text_enum! {
    /// The state of a notification.
    pub enum State {
        /// waits for the worker
        Queued = "queued",
        /// being handed over, or waiting to be tried again
        Sending = "sending",
        /// the mail server or the gateway took it
        Sent = "sent",
        /// it arrived
        Delivered = "delivered",
        /// it will not arrive; the reason says why
        Failed = "failed",
        /// it came back
        Bounced = "bounced",
        /// the patient wants no more texts
        Stopped = "stopped",
        /// it was not needed or not right any more
        Cancelled = "cancelled",
        /// cancelled, but an answer was cut short before: it may have been sent, and nobody can know
        Unsure = "unsure",
    }
}

impl State {
    /// Whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Queued | State::Sending)
    }

    /// The states that may turn into this one. A report that comes twice, or after a later one, changes nothing.
    pub(super) fn before(self) -> &'static [State] {
        use State::*;
        match self {
            Queued => &[Queued],
            Sending | Sent | Cancelled | Unsure => &[Queued, Sending],
            // a report on a notification that may have been sent knows more than we do
            Delivered | Failed | Stopped => &[Queued, Sending, Sent, Unsure],
            // a mail server may return a mail long after it took it
            Bounced => &[Queued, Sending, Sent, Delivered, Unsure],
        }
    }

    /// Whether it ended without notifying the patient: sending it again may make sense.
    pub fn ended_badly(self) -> bool {
        matches!(self, State::Failed | State::Bounced | State::Stopped | State::Cancelled | State::Unsure)
    }
}

/// A state with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// the state
    pub state: State,
    /// why it is in that state
    pub reason: Option<Reason>,
}

impl Ending {
    /// The state after the road's answer; a notification that is to be tried again stays in `Sending`.
    pub fn from_result(sent: Result<(), Failure>) -> Ending {
        let (state, reason) = match sent {
            Ok(()) => (State::Sent, None),
            Err(Failure::Permanent(reason @ Reason::StoppedByPatient)) => (State::Stopped, Some(reason)),
            Err(Failure::Permanent(reason)) => (State::Failed, Some(reason)),
            Err(Failure::Transient(reason) | Failure::Unknown(reason)) => (State::Sending, Some(reason)),
        };
        Ending { state, reason }
    }
}
