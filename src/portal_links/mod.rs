//! FEATURE: portal links and their passcodes: only this room writes the rows. How a patient signs in with them is
//! decided in `portal_entry`.

mod claims;
mod links;
mod locks;
mod passcode;
mod tries;

pub use claims::{CLAIM_LASTS, forget as forget_claims, put as put_claim};
pub use links::{
    LINK_LASTS, OpenLink, Recipient, end_all, end_of_caregiver, end_of_message, is_of_recalled, mint, open, recipient,
};
pub use locks::{locked_until, unlock};
pub use passcode::{
    PASSCODE_LASTS, PasscodeState, PasscodeStatus, RequestRefused, TRIES, make, mark_sent, mark_sent_to_nobody,
    not_arrived, notice, request, set_notice, status,
};
pub use tries::{Day, count_try, of_person_today, use_up};
