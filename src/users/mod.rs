//! FEATURE: the clinic's staff: accounts, passwords, signing in.

mod accounts;
mod kept_form;
mod manage;
mod sign_in;
mod told;

pub use accounts::{
    Account, UserRow, account, accounts, active, by_email, email_of, names_of, open_password_link, set_language,
    set_password,
};
pub use accounts::{PASSWORD_LINK_LASTS, SHORTEST_PASSWORD, SetPasswordError, make_password_link};
pub use kept_form::{KeptForm, drop_kept, keep_form, kept_action, kept_form, of_page, sweep_kept_forms};
pub use manage::{AddUser, Change, ManageError, add, change, deactivate, hold, is_last_owner, may_leave, reactivate};
pub use sign_in::{SignIn, sign_in, sign_out};
pub use told::{ToTell, Told, set_told, tell_of_answer, to_tell, told};
