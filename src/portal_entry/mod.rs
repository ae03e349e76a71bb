//! FEATURE: how patients sign in. A link only opens a page. A passcode, made when the patient asks for it and sent by
//! another road where there is one, and the date of birth together open the messages.

mod claim;
mod login;

pub use claim::{Address, Claim, claim};
pub use login::{LoginError, Proof, login};
