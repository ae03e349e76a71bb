//! The role that a person has by the provider's claims, and whether signing in there counts as the second step.

use crate::access::Role;
use crate::config::{Oidc, ProviderStep};
use crate::provider::Person;

/// A person's role, as the provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// the provider is not asked: the clinic sets roles itself
    Nothing,
    /// this one
    Role(Role),
    /// no role that the configuration knows
    None,
}

/// The role that the claim gives a person. Of several roles, the one that the configuration names first.
pub(super) fn said(config: &Oidc, person: &Person) -> Said {
    if config.role_claim.is_none() {
        return Said::Nothing;
    }
    let values = person.roles.as_deref().unwrap_or_default();
    let named = config.roles.iter().find(|(value, _)| values.contains(value));
    named.and_then(|(_, role)| role.parse().ok()).map_or(Said::None, Said::Role)
}

/// Whether signing in at the provider counts as the second step.
pub(super) fn is_whole(config: &Oidc, person: &Person) -> bool {
    match &config.second_step {
        ProviderStep::Never => false,
        ProviderStep::Always => true,
        ProviderStep::Named(values) => person.how.iter().any(|how| values.contains(how)),
    }
}

#[cfg(test)]
mod tests {
    use crate::access::Role;
    use crate::config::ROLE_WORDS;

    #[test]
    fn the_configuration_knows_every_role() {
        assert_eq!(ROLE_WORDS.to_vec(), Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>());
    }
}
