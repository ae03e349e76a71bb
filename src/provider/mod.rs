//! GROUND: the identity provider at which users sign in (OpenID Connect Core 1.0, the code flow with PKCE of RFC 7636).
//!
//! An EMR that signs people in and opens Postern on a patient's chart (SMART App Launch 2.2) is such a provider too.
//!
//! Users are sent there with an address of [`Provider::way_there`] and come back with a code, for which
//! [`Provider::redeem`] gets an ID token and the person whom it names. The room `users` finds the user of that person.
//! Nothing that the provider says is logged: the errors hold fixed words only, no codes, tokens, names or addresses.

mod calls;
mod discovery;
mod person;

pub use person::Person;

use crate::clock::{Clock, Token};
use crate::config::{EmrSource, Oidc, ProviderStep};
use crate::db::Ts;
use crate::text::Lang;
use calls::Caller;
use discovery::{Known, Metadata, Place};
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
/// The page to which an EMR sends browsers back.
pub const EMR_ANSWER_PATH: &str = "/emr/answer";
/// The page that an EMR opens.
pub const LAUNCH_PATH: &str = "/emr/launch";

/// The context of what an EMR opens: it is asked for only where there is something open.
const LAUNCH_SCOPE: &str = "launch";
/// What an EMR is asked for besides `openid`: that context, and who the person is there.
const LAUNCH_SCOPES: [&str; 2] = [LAUNCH_SCOPE, "fhirUser"];

/// The clocks of the clinic and the provider may differ by this much, in seconds.
const LEEWAY: i64 = 60;
/// The greatest age of an ID token, in seconds: it is issued for this one sign-in.
const OLDEST: i64 = 600;

/// The algorithms that may sign ID tokens: only those with public keys, not `none` or the client's secret as a key.
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
    /// The provider does not answer, or not as a provider does.
    #[error("the provider is away: {0}")]
    Away(&'static str),
    /// The provider does not accept the code.
    #[error("the provider refused the code: {0}")]
    Refused(&'static str),
    /// The ID token is not valid, or not for this sign-in.
    #[error("the ID token is not to be trusted: {0}")]
    Untrue(&'static str),
}

/// The two random tokens of one visit: drawn when it begins, and compared when it ends.
#[derive(Debug, Clone)]
pub struct Visit {
    /// sent to the provider, which sends it back with the code
    pub state: Token,
    /// stays in the browser that began; the PKCE verifier is made of it and the state
    pub browser: Token,
}

impl Visit {
    /// The PKCE verifier: 43 characters that neither the database nor the provider's answer contains.
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
    place: Place,
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
        let (caller, place) = (Caller::new(config), Place::Issuer(config.issuer.clone()));
        Ok(Provider { config: config.clone(), place, answer_url, clock, caller, known: Default::default() })
    }

    /// The EMR as it signs people in and opens Postern; `None` where the configuration names no client for that.
    ///
    /// # Errors
    /// Where the origin is no address that an EMR can send browsers back to.
    pub fn of_emr(source: &EmrSource, origin: &str, clock: Clock) -> Result<Option<Provider>, String> {
        let Some(client_id) = source.launch_client_id.clone() else { return Ok(None) };
        let answer_url =
            RedirectUrl::new(format!("{origin}{EMR_ANSWER_PATH}")).map_err(|e| format!("public_url: {e}"))?;
        let base = without_slash(source.base.as_str()).to_owned();
        let config = Oidc {
            issuer: base.clone(),
            name: source.name.clone(),
            client_id,
            client_secret: None,
            client_secret_file: None,
            scopes: LAUNCH_SCOPES.map(str::to_owned).to_vec(),
            timeout: source.timeout,
            authorities: source.authorities.clone(),
            role_claim: None,
            roles: Vec::new(),
            creates_users: false,
            second_step: ProviderStep::Never,
            only: false,
        };
        let (caller, place) = (Caller::new(&config), Place::Fhir(base));
        Ok(Some(Provider { config, place, answer_url, clock, caller, known: Default::default() }))
    }

    /// Whether this is the EMR whose FHIR has this address, as a launch names it (`iss`).
    pub fn is_at(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        matches!(&self.place, Place::Fhir(base) if without_slash(url.as_str()) == base)
    }

    /// The address of its FHIR, where this is an EMR.
    pub fn fhir(&self) -> Option<&str> {
        match &self.place {
            Place::Fhir(base) => Some(base),
            Place::Issuer(_) => None,
        }
    }

    /// The provider's settings.
    pub fn config(&self) -> &Oidc {
        &self.config
    }

    /// The name by which users know it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether an answer that names this issuer, or none, comes from this provider (RFC 9207).
    pub async fn has_answered(&self, issuer: Option<&str>) -> bool {
        match (issuer, &self.place) {
            (Some(issuer), Place::Issuer(own)) => issuer == own,
            (Some(issuer), Place::Fhir(_)) => self.metadata().await.is_ok_and(|said| said.issuer().as_str() == issuer),
            (None, _) => {
                let said = self.known.lock().await.last();
                !said.is_some_and(|said| said.additional_metadata().authorization_response_iss_parameter_supported)
            }
        }
    }

    /// Makes sure that the provider's metadata are at hand. Where those that were read are more than an hour old it
    /// asks again, and uses them for a day where it does not answer.
    ///
    /// # Errors
    /// [`ProviderError::Away`].
    pub async fn answers(&self) -> Result<(), ProviderError> {
        self.metadata().await.map(drop)
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.known.lock().await;
        known.fresh(&self.caller, &self.place, self.clock.now()).await
    }

    /// Reads the metadata again, because the keys may have changed; `None` where they were read just now.
    async fn newer_than(&self, old: &Arc<Metadata>) -> Result<Option<Arc<Metadata>>, ProviderError> {
        let mut known = self.known.lock().await;
        known.newer_than(old, &self.caller, &self.place, self.clock.now()).await
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

    /// The address at which somebody signs in at the provider. With `anew` the provider asks for a sign-in even where
    /// there is a session.
    ///
    /// # Errors
    /// [`ProviderError::Away`].
    pub async fn way_there(&self, visit: &Visit, nonce: &Token, lang: Lang, anew: bool) -> Result<Url, ProviderError> {
        self.way(visit, nonce, lang, anew, None).await
    }

    /// The address at which an EMR goes on with what it opens, by the name that it gave to this launch; with an empty one
    /// somebody only signs in there (standalone launch).
    ///
    /// # Errors
    /// [`ProviderError::Away`].
    pub async fn way_of_launch(
        &self,
        visit: &Visit,
        nonce: &Token,
        lang: Lang,
        launch: &str,
    ) -> Result<Url, ProviderError> {
        self.way(visit, nonce, lang, false, Some(launch)).await
    }

    async fn way(
        &self,
        visit: &Visit,
        nonce: &Token,
        lang: Lang,
        anew: bool,
        launch: Option<&str>,
    ) -> Result<Url, ProviderError> {
        let metadata = self.metadata().await?;
        if !self.caller.is_safe(metadata.authorization_endpoint().url()) {
            return Err(ProviderError::Away("its authorization endpoint is in clear text"));
        }
        let (state, nonce) = (CsrfToken::new(visit.state.reveal().into()), Nonce::new(nonce.reveal().into()));
        let is_asked = |scope: &&String| launch != Some("") || scope.as_str() != LAUNCH_SCOPE;
        let client = self.client(&metadata);
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .add_scopes(self.config.scopes.iter().filter(is_asked).cloned().map(Scope::new))
            .add_ui_locale(LanguageTag::new(lang.code().to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&visit.verifier()));
        let request = match anew {
            true => request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO),
            false => request,
        };
        let request = match (launch, &self.place) {
            (Some(launch), Place::Fhir(base)) => {
                // `aud` keeps the EMR from giving out its tokens for another server
                let request = request.add_extra_param("aud", base.clone());
                if launch.is_empty() { request } else { request.add_extra_param("launch", launch.to_owned()) }
            }
            _ => request,
        };
        Ok(request.url().0)
    }

    /// The address at which somebody signs out at the provider too; `None` where the provider names none or one without
    /// encryption, or its metadata were not read yet.
    pub async fn way_out(&self) -> Option<Url> {
        let mut url = self.known.lock().await.last()?.additional_metadata().end_session_endpoint.clone()?;
        url.query_pairs_mut().append_pair("client_id", &self.config.client_id);
        self.caller.is_safe(&url).then_some(url)
    }

    /// Redeems a code: gives the person who signed in. `is_nonce` says whether a nonce is the one of this sign-in;
    /// `wants` says whether a person's claims are not enough, so that `userinfo` is asked for more.
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
        let person = read?.with_context(tokens.extra_fields().extra_fields());
        if !wants(&person) || metadata.userinfo_endpoint().is_none() {
            return Ok(person);
        }
        let (client, claim) = (self.client(&metadata), self.config.role_claim.clone());
        self.caller.run(move |http| person.with_more(&client, tokens.access_token(), claim.as_deref(), http)).await
    }

    /// Checks the ID token, and reads the person from it.
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
            // a token is cut to its length when it is received: text behind the nonce must not go unseen
            Some(nonce) if Token::received(nonce.secret()).reveal() == nonce.secret() => {
                is_nonce(&Token::received(nonce.secret())).then_some(()).ok_or_else(String::new)
            }
            _ => Err(String::new()),
        };
        let claims = token.claims(&verifier, its_own).map_err(|cause| ProviderError::Untrue(fault(&cause)))?;
        // the library leaves the check of `azp` to its caller
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

/// The reason where no key that was read fits the signature: then the keys are read again.
const UNKNOWN_KEY: &str = "its key is not known";

fn fault(cause: &ClaimsVerificationError) -> &'static str {
    match cause {
        ClaimsVerificationError::Expired(_) => "it has expired",
        ClaimsVerificationError::InvalidAudience(_) => "it is for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "it is of another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it is for another sign-in",
        ClaimsVerificationError::SignatureVerification(cause) => match cause {
            // a provider may give a new key the id of an old one
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

/// An address as launches are compared by: with or without a slash at its end.
fn without_slash(address: &str) -> &str {
    address.trim_end_matches('/')
}

/// A moment that the provider names, in seconds since 1970.
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
