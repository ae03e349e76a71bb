//! GROUND: who may do what. The only constructors of proofs: a function that reads or changes a record asks for a
//! proof, and only somebody who is signed in, with the right, gets one, for a record that exists.

mod authority;
mod carer;
mod device;
mod proofs;
mod roles;
mod second_factor;
pub mod session;

pub use authority::{Authority, Operator, still_has};
pub use carer::Carer;
pub use device::Device;
pub use proofs::{
    ChartAccess, ConfirmedAccount, ConfirmedUser, ConversationAccess, LapsedVisit, OwnAccount, PortalRefusal,
    PortalVisit, SignedInUser, active, chart, conversation, held, lapsed_visit, ordered, portal_visit, survivor,
};
pub use roles::{Action, Right, Role, Unconfirmed, rights};
pub use second_factor::{has_second_factor, is_named, lacking_second_factor, needs_second_factor};
