//! FEATURE: the patient's way in. A link opens a page, nothing more; a passcode, made when the patient asks for it and
//! sent by another road where there is one, and the date of birth together open the messages.

mod claim;
mod links;
mod locks;
mod login;
mod passcode;

pub use claim::{Address, CLAIM_LASTS, Claim, claim, forget as forget_claims};
pub use links::{LINK_LASTS, OpenLink, Recipient, mint, open, recipient};
pub use locks::{locked_until, unlock};
pub use login::{LoginError, Proof, login};
pub use passcode::{
    PASSCODE_LASTS, PasscodeState, PasscodeStatus, RequestRefused, TRIES, make, mark_sent, mark_sent_to_nobody,
    not_arrived, notice, request, set_notice, status,
};
