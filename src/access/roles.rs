//! Which role may do what, as one table.

use crate::text_enum;

text_enum! {
    /// What a user is to the clinic.
    pub enum Role {
        /// Everything, and the settings.
        Owner = "owner",
        /// Messages and charts.
        Clinician = "clinician",
        /// Messages and charts.
        Staff = "staff",
        /// Reads only.
        Viewer = "viewer",
    }
}

text_enum! {
    /// What can be done.
    pub enum Action {
        /// see patients, their charts and their conversations
        Read = "read",
        /// start conversations, write in them, change who takes part
        Send = "send",
        /// one message to many patients: it speaks for the clinic, as its templates do, and cannot be taken back from all at once
        SendMany = "send_many",
        /// close a conversation, and undo the closing
        Close = "close",
        /// change demographics, portal access and how a patient is notified
        EditPatients = "edit_patients",
        /// see every notification, send one again
        Notify = "notify",
        /// message templates for the whole clinic
        Templates = "templates",
        /// the clinic's settings
        Settings = "settings",
        /// users and their roles
        Users = "users",
        /// the audit log
        Audit = "audit",
        /// how long records are kept: holds, and deletion
        Records = "records",
    }
}

impl Role {
    /// Whether a user of this role may do this.
    pub const fn may(self, action: Action) -> bool {
        use Action::*;
        match self {
            Role::Owner => true,
            Role::Clinician => matches!(action, Read | Send | SendMany | Close | EditPatients | Notify | Templates),
            Role::Staff => matches!(action, Read | Send | Close | EditPatients | Notify),
            Role::Viewer => matches!(action, Read),
        }
    }
}

/// An action as a type, so that a proof can say which right it carries.
pub trait Right: 'static {
    /// The action.
    const ACTION: Action;
}

/// A right that a user may use without proving once more who they are.
pub trait Unconfirmed: Right {}

/// One type for each action.
pub mod rights {
    use super::{Action, Right, Unconfirmed};

    macro_rules! rights {
        ($($name:ident),+) => {$(
            #[doc = concat!("The right to `Action::", stringify!($name), "`.")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;
            impl Right for $name {
                const ACTION: Action = Action::$name;
            }
        )+};
    }
    rights!(Read, Send, SendMany, Close, EditPatients, Notify, Templates, Settings, Users, Audit, Records);

    macro_rules! unconfirmed {
        ($($name:ident),+) => {$(impl Unconfirmed for $name {})+};
    }
    // every action but Users and Records
    unconfirmed!(Read, Send, SendMany, Close, EditPatients, Notify, Templates, Settings, Audit);
}
