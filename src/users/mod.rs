//! FEATURE: the clinic's staff: accounts, passwords, signing in.

mod accounts;
mod away;
mod confirm;
mod devices;
mod forgotten;
mod invite;
mod kept_form;
mod keys;
mod links;
mod mails;
mod manage;
mod own;
mod password;
mod reply_mails;
mod second_factor;
mod sessions;
mod sign_in;
mod single_sign_on;

pub use accounts::{
    Account, UserRow, WaysIn, account, accounts, active, by_email, email_of, in_order, names_of, set_language,
};
pub use away::{
    Absence, Away, AwayError, absence, away_among, count_covered, covering, may_cover, owners, set_absence,
    set_absence_of,
};
pub use confirm::{Confirmation, confirm, own_email};
pub use devices::{DEVICE_LASTS, forget_devices};
pub use forgotten::forgot_password;
pub use invite::{invite, link_to_show};
pub use kept_form::{KeptForm, drop_kept, keep_form, kept_action, kept_form, of_page, sweep_kept_forms};
pub use keys::set_keys;
pub use links::{Purpose, make_password_link, open_password_link};
pub use mails::{
    MailKind, MailState, ToSend, after_restore, forget_mails, last_mail, make_link_of, settle, tell_not_sent,
    tell_seal, to_send,
};
pub use manage::{AddUser, Change, ManageError, add, change, deactivate, hold, is_last_owner, may_leave, reactivate};
pub use own::{Ended, OwnAccountError, TypedPassword, change_email, change_password, end_sessions};
pub use password::{KnownNames, NewPassword, SHORTEST_PASSWORD, SetPasswordError, WeakPassword, set_password};
pub use reply_mails::{ReplyMails, ToTell, reply_mails, set_reply_mails, tell_of_answer, tell_of_mention, to_tell};
pub use second_factor::{
    AppSetup, Checked, Confirmed, Factor, PENDING_LASTS, PasskeyAdded, PasskeyAnswer, PasskeyRow, PasskeyUse,
    RecoveryCode, RelyingParty, RemoveError, SecondFactor, SecondStep, SecondStepEnd, TypedFactor, Vault, add_passkey,
    app_in_setup, begin_assertion, begin_passkey_sign_in, begin_registration, confirm_app, make_recovery_codes,
    pending_user, remove_app, remove_passkey, reset_second_factor, seal_apps_anew, second_factor, second_step,
    sign_in_with_passkey, start_app, sweep_pending,
};
pub use sessions::end_sessions_of;
pub use sign_in::{Arrival, SignIn, SignInEnd, refuse_sign_in, sign_in, sign_out};
pub use single_sign_on::{
    LaunchEnd, LaunchLink, NEWCOMER_LASTS, Opened, ProviderAnswer, ProviderLink, ProviderRefusal, UnlinkError,
    VISIT_LASTS, VisitEnd, VisitErrand, VisitPurpose, VisitRefused, begin_visit, finish_launch, finish_visit,
    launch_links, link_newcomer, newcomer, provider_link, sweep_newcomers, sweep_visits, unlink, unlink_launches,
    unlink_user,
};
