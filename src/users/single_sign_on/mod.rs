//! Single sign-on: users sign in at the clinic's identity provider (OpenID Connect). A person there, known by issuer
//! and subject, is linked to a user; an email address alone links nobody. An EMR that opens Postern signs its users in
//! by links of their own.

mod finish;
mod launch;
mod launch_links;
mod links;
mod roles;
mod visits;

pub use finish::{ProviderAnswer, VisitEnd, VisitRefused, finish_visit};
pub use launch::{LaunchEnd, Opened, finish_launch};
pub use launch_links::{
    LaunchLink, NEWCOMER_LASTS, launch_links, link_newcomer, newcomer, sweep_newcomers, unlink_launches,
};
pub use links::{ProviderLink, UnlinkError, provider_link, unlink, unlink_user};
pub(super) use visits::end_visits;
pub use visits::{VISIT_LASTS, VisitErrand, VisitPurpose, begin_visit, sweep_visits};

use crate::text_enum;

text_enum! {
    /// Why a visit at the provider failed.
    pub enum ProviderRefusal {
        /// no browser was sent to the provider with this state, or its answer came already
        Unknown = "unknown",
        /// the visit began in another browser
        OtherBrowser = "other_browser",
        /// the visit took too long
        Late = "late",
        /// the person cancelled, or the provider does not let them use the clinic
        Denied = "access_denied",
        /// the person has to sign in at the provider first
        LoginRequired = "login_required",
        /// the provider answered with another error, or refused the code
        Failed = "failed",
        /// the provider cannot be reached
        Away = "away",
        /// the provider's answer cannot be trusted
        Untrue = "untrue",
        /// no user is linked to this person
        NotLinked = "not_linked",
        /// the user was deactivated
        Deactivated = "deactivated",
        /// the provider names no role that the configuration knows
        NoRole = "no_role",
        /// the provider tells no name or address with which a user could be added
        NoAddress = "no_address",
        /// another user has the address
        EmailTaken = "email_taken",
        /// another user is linked to this person
        LinkedElsewhere = "linked_elsewhere",
        /// the person is not the one to whom the user is linked
        OtherPerson = "other_person",
        /// the provider did not ask the person to sign in again
        NotAskedAgain = "not_asked_again",
        /// the user is not signed in any more
        SignedOut = "signed_out",
        /// the invitation was used meanwhile, or is too old
        InvitationOver = "invitation_over",
    }
}
