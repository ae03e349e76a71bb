//! The words that the columns of threads hold.

use crate::text_enum;

text_enum! {
    /// Who wrote a message.
    pub enum Author {
        /// a user of the clinic
        User = "user",
        /// the patient
        Patient = "patient",
        /// Postern itself
        System = "system",
    }
}

text_enum! {
    /// An answer that a patient gives with one tap.
    pub enum OneTap {
        /// "I have read it"
        Read = "read",
        /// "I understand"
        Understood = "understood",
        /// "Please call me"
        CallMe = "call_me",
    }
}

text_enum! {
    /// Why a conversation needs attention.
    pub enum Attention {
        /// a notification did not arrive
        Failed = "failed",
        /// a notification came back
        Bounced = "bounced",
        /// the patient wants no more texts
        Stopped = "stopped",
        /// the patient has not opened the message within the time of its plan
        Unopened = "unopened",
        /// the patient is to be phoned
        Phone = "phone",
        /// the patient is to be sent a letter
        Letter = "letter",
        /// a virus was found in an attachment, after it was sent
        Infected = "infected",
    }
}
