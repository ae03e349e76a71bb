//! GROUND: the identity provider at which users sign in (OpenID Connect Core 1.0, the code flow with PKCE after RFC 7636).
//!
//! Users are sent there with an address of [`Provider::way_there`] and come back with a code, for which
//! [`Provider::redeem`] gets an ID token and says whose it is. Who that is to the clinic is asked by `users`. Nothing that
//! the provider says goes into a log: codes, tokens, names and addresses stay out by what the errors can say.

mod calls;
mod discovery;
mod person;

pub use person::Person;

use crate::clock::{Clock, Token};
use crate::config::Oidc;
use crate::db::Ts;
use crate::text::Lang;
use calls::Caller;
use discovery::{Known, Metadata};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    LanguageTag, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, TokenResponse,
};
use person::{Client, Tokens};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The page to which the provider sends browsers back.
pub const ANSWER_PATH: &str = "/sign-in/provider/answer";

/// The clocks of the two may differ so much, in seconds.
const LEEWAY: i64 = 60;
/// An ID token is made for this one sign-in: none is older, in seconds.
const OLDEST: i64 = 600;

/// What signs ID tokens: public keys only. `none`, and the client's secret as a key, are not among them.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why nobody is signed in. The words are for the log, and hold nothing that the provider said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, or not as a provider does.
    #[error("the provider is away: {0}")]
    Away(&'static str),
    /// It does not take the code.
    #[error("the provider refused the code: {0}")]
    Refused(&'static str),
    /// The ID token is not one, or not for this sign-in.
    #[error("the ID token is not to be trusted: {0}")]
    Untrue(&'static str),
}

/// What one sign-in is known by: drawn when it begins, and asked for when it ends.
#[derive(Debug, Clone)]
pub struct Visit {
    /// goes there and comes back with the code
    pub state: Token,
    /// stays in the browser that began; with the state it makes the secret of PKCE
    pub browser: Token,
}

impl Visit {
    /// What PKCE proves: 43 signs that neither the database nor the provider's answer has.
    fn verifier(&self) -> PkceCodeVerifier {
        let digest = Sha256::new()
            .chain_update(b"pkce ")
            .chain_update(self.browser.reveal())
            .chain_update(b" ")
            .chain_update(self.state.reveal())
            .finalize();
        PkceCodeVerifier::new(data_encoding::BASE64URL_NOPAD.encode(&digest))
    }
}

/// The identity provider, ready to be asked. Nothing is connected yet.
pub struct Provider {
    config: Oidc,
    answer_url: RedirectUrl,
    clock: Clock,
    caller: Caller,
    known: tokio::sync::Mutex<Known>,
}

impl Provider {
    /// The provider that the configuration names, for the clinic at this origin.
    ///
    /// # Errors
    /// Where the origin is no address that a provider can send browsers back to.
    pub fn new(config: &Oidc, origin: &str, clock: Clock) -> Result<Provider, String> {
        let answer_url = RedirectUrl::new(format!("{origin}{ANSWER_PATH}")).map_err(|e| format!("public_url: {e}"))?;
        let caller = Caller::new(config);
        Ok(Provider { config: config.clone(), answer_url, clock, caller, known: Default::default() })
    }

    /// What the clinic has set of it.
    pub fn config(&self) -> &Oidc {
        &self.config
    }

    /// As users call it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether an answer that names this issuer, or none, is of this provider (RFC 9207).
    pub async fn has_answered(&self, issuer: Option<&str>) -> bool {
        match issuer {
            Some(issuer) => issuer == self.config.issuer,
            None => {
                let said = self.known.lock().await.last();
                !said.is_some_and(|said| said.additional_metadata().authorization_response_iss_parameter_supported)
            }
        }
    }

    /// Whether it answers, by what it says of itself.
    ///
    /// # Errors
    /// [`ProviderError::Away`].
    pub async fn answers(&self) -> Result<(), ProviderError> {
        self.metadata().await.map(drop)
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.known.lock().await;
        known.fresh(&self.caller, &self.config.issuer, self.clock.now()).await
    }

    /// Its keys may be others than those that were read: reads them anew, unless that was done just now.
    async fn newer_than(&self, old: &Arc<Metadata>) -> Result<Option<Arc<Metadata>>, ProviderError> {
        let mut known = self.known.lock().await;
        known.newer_than(old, &self.caller, &self.config.issuer, self.clock.now()).await
    }

    fn client(&self, metadata: &Metadata) -> Client {
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let client =
            Client::from_provider_metadata(metadata.clone(), ClientId::new(self.config.client_id.clone()), secret);
        let methods = metadata.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let by_form = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let client = if by_form { client.set_auth_type(AuthType::RequestBody) } else { client };
        client.set_redirect_uri(self.answer_url.clone())
    }

    /// The address at which somebody signs in there. With `anew` the provider asks who they are, whether or not they have
    /// a session there.
    ///
    /// # Errors
    /// [`ProviderError::Away`].
    pub async fn way_there(&self, visit: &Visit, nonce: &Token, lang: Lang, anew: bool) -> Result<Url, ProviderError> {
        let metadata = self.metadata().await?;
        if !self.caller.is_safe(metadata.authorization_endpoint().url()) {
            return Err(ProviderError::Away("its authorization endpoint is in clear text"));
        }
        let (state, nonce) = (CsrfToken::new(visit.state.reveal().into()), Nonce::new(nonce.reveal().into()));
        let client = self.client(&metadata);
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .add_ui_locale(LanguageTag::new(lang.code().to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&visit.verifier()));
        let request = match anew {
            true => request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO),
            false => request,
        };
        Ok(request.url().0)
    }

    /// The address at which somebody signs out there too; `None` where it says none, or was not asked of late.
    pub async fn way_out(&self) -> Option<Url> {
        let mut url = self.known.lock().await.last()?.additional_metadata().end_session_endpoint.clone()?;
        url.query_pairs_mut().append_pair("client_id", &self.config.client_id);
        self.caller.is_safe(&url).then_some(url)
    }

    /// Whose code it is. `is_nonce` is asked whether the ID token is for this sign-in; `wants` says of a person whether
    /// more is to be asked of the provider's list of claims (`userinfo`).
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn redeem(
        &self,
        code: String,
        visit: &Visit,
        is_nonce: impl Fn(&Token) -> bool,
        wants: impl Fn(&Person) -> bool,
    ) -> Result<Person, ProviderError> {
        let mut metadata = self.metadata().await?;
        let (client, verifier) = (self.client(&metadata), visit.verifier());
        let tokens = self.caller.run(move |http| {
            let request = client.exchange_code(AuthorizationCode::new(code));
            let request = request.map_err(|_| ProviderError::Away("it names no token endpoint"))?;
            request.set_pkce_verifier(verifier).request(&|request| http(request)).map_err(|cause| match cause {
                RequestTokenError::ServerResponse(answer) => ProviderError::Refused(refusal(answer.error())),
                RequestTokenError::Request(cause) => ProviderError::Away(cause.0),
                _ => ProviderError::Away("its token endpoint does not answer with tokens"),
            })
        });
        let tokens: Tokens = tokens.await?;
        let mut read = self.read(&metadata, &tokens, &is_nonce);
        if let Err(ProviderError::Untrue(UNKNOWN_KEY)) = read
            && let Some(newer) = self.newer_than(&metadata).await?
        {
            metadata = newer;
            read = self.read(&metadata, &tokens, &is_nonce);
        }
        let person = read?;
        if !wants(&person) || metadata.userinfo_endpoint().is_none() {
            return Ok(person);
        }
        let (client, claim) = (self.client(&metadata), self.config.role_claim.clone());
        self.caller.run(move |http| person.with_more(&client, tokens.access_token(), claim.as_deref(), http)).await
    }

    /// What an ID token says, where it is to be trusted.
    fn read(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        is_nonce: &impl Fn(&Token) -> bool,
    ) -> Result<Person, ProviderError> {
        let client = self.client(metadata);
        let now = self.clock.now().get().unix_timestamp();
        let earlier = chrono::DateTime::from_timestamp(now - LEEWAY, 0).unwrap_or_default();
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || earlier)
            .set_issue_time_verifier_fn(move |at| match at.timestamp() {
                at if (now - OLDEST..=now + LEEWAY).contains(&at) => Ok(()),
                _ => Err("of another time".to_owned()),
            });
        let token = tokens.id_token().ok_or(ProviderError::Untrue("there is none"))?;
        let its_own = |nonce: Option<&Nonce>| match nonce {
            // received whole, and nothing behind it: the hash of what was drawn is compared
            Some(nonce) if Token::received(nonce.secret()).reveal() == nonce.secret() => {
                is_nonce(&Token::received(nonce.secret())).then_some(()).ok_or_else(String::new)
            }
            _ => Err(String::new()),
        };
        let claims = token.claims(&verifier, its_own).map_err(|cause| ProviderError::Untrue(fault(&cause)))?;
        // the library leaves this one to whoever calls it
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.config.client_id) {
            return Err(ProviderError::Untrue("it is for another client"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let made = token.signing_alg().and_then(|alg| Ok((alg, token.signing_key(&verifier)?)));
            let made = made.map_err(|_| ProviderError::Untrue("its access token"))?;
            let hash = AccessTokenHash::from_token(tokens.access_token(), made.0, made.1);
            if hash.ok().as_ref() != Some(expected) {
                return Err(ProviderError::Untrue("its access token"));
            }
        }
        Person::read(claims, self.config.role_claim.as_deref())
    }
}

/// The signature is by a key that is not among those that were read.
const UNKNOWN_KEY: &str = "its key is not known";

fn fault(cause: &ClaimsVerificationError) -> &'static str {
    match cause {
        ClaimsVerificationError::Expired(_) => "it has expired",
        ClaimsVerificationError::InvalidAudience(_) => "it is for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "it is of another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it is for another sign-in",
        ClaimsVerificationError::SignatureVerification(cause) => match cause {
            // a provider may give a new key an old name
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_) => UNKNOWN_KEY,
            _ => "its signature",
        },
        _ => "its claims",
    }
}

fn refusal(error: &CoreErrorResponseType) -> &'static str {
    match error {
        CoreErrorResponseType::InvalidGrant => "invalid_grant",
        CoreErrorResponseType::InvalidClient => "invalid_client: check oidc.client_id and oidc.client_secret",
        CoreErrorResponseType::UnauthorizedClient => "unauthorized_client",
        CoreErrorResponseType::InvalidRequest => "invalid_request",
        CoreErrorResponseType::InvalidScope => "invalid_scope: check oidc.scopes",
        CoreErrorResponseType::UnsupportedGrantType => "unsupported_grant_type",
        CoreErrorResponseType::Extension(_) => "another error",
    }
}

/// A moment that the provider names, in seconds.
fn moment(seconds: i64) -> Option<Ts> {
    time::OffsetDateTime::from_unix_timestamp(seconds).ok().map(Ts::from)
}

#[cfg(test)]
mod tests {
    use super::Visit;
    use crate::clock::Random;

    #[test]
    fn what_pkce_proves_is_of_one_visit_in_one_browser() {
        let random = Random::seeded(1);
        let visit = Visit { state: random.token(), browser: random.token() };
        let verifier = |visit: &Visit| visit.verifier().secret().clone();
        assert_eq!(verifier(&visit).len(), 43);
        assert_eq!(verifier(&visit), verifier(&visit.clone()));
        assert_ne!(verifier(&visit), verifier(&Visit { state: random.token(), ..visit.clone() }));
        assert_ne!(verifier(&visit), verifier(&Visit { browser: random.token(), ..visit.clone() }));
    }
}
