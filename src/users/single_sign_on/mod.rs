//! Single sign-on: users sign in at the clinic's identity provider (OpenID Connect). Who somebody is there, by issuer and
//! subject, is linked to a user; an address alone links nobody.

mod finish;
mod links;
mod roles;
mod visits;

pub use finish::{ProviderAnswer, VisitEnd, VisitRefused, finish_visit};
pub use links::{ProviderLink, UnlinkError, provider_link, unlink, unlink_user};
pub(super) use visits::end_visits;
pub use visits::{VISIT_LASTS, VisitErrand, VisitPurpose, begin_visit, sweep_visits};

use crate::text_enum;

text_enum! {
    /// Why the provider's answer did not lead in.
    pub enum ProviderRefusal {
        /// nobody was sent there with this state, or its answer came already
        Unknown = "unknown",
        /// another browser began
        OtherBrowser = "other_browser",
        /// it took too long
        Late = "late",
        /// whoever it was did not want to, or may not
        Denied = "access_denied",
        /// they have to sign in there first
        LoginRequired = "login_required",
        /// the provider could not do it
        Failed = "failed",
        /// it cannot be reached
        Away = "away",
        /// what it said is not to be trusted
        Untrue = "untrue",
        /// nobody here is this person
        NotLinked = "not_linked",
        /// they were deactivated
        Deactivated = "deactivated",
        /// nothing that the provider says of them gives a role
        NoRole = "no_role",
        /// the provider tells no name or address to make a user with
        NoAddress = "no_address",
        /// somebody has the address
        EmailTaken = "email_taken",
        /// another user is this person
        LinkedElsewhere = "linked_elsewhere",
        /// the person is another one than the user's
        OtherPerson = "other_person",
        /// the provider did not ask them again who they are
        NotAskedAgain = "not_asked_again",
        /// they are not signed in any more
        SignedOut = "signed_out",
        /// the invitation was used meanwhile, or is too old
        InvitationOver = "invitation_over",
    }
}
