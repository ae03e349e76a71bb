//! The provider's metadata (OpenID Connect Discovery 1.0) and its keys, kept for an hour. An EMR names its issuer, and
//! where browsers are sent, in a `smart-configuration` (SMART App Launch 2.2).

use super::ProviderError;
use super::calls::{Broken, Caller};
use crate::db::Ts;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, ProviderMetadata,
    TokenUrl,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use time::Duration;
use ureq::http::Request;
use url::Url;

/// Metadata older than this are read again.
const FRESH_FOR: Duration = Duration::HOUR;
/// Where they cannot be read, older metadata are used until they have this age.
const GOOD_FOR: Duration = Duration::DAY;
/// For this long after the provider did not answer, nobody waits for it again.
const AWAY_FOR: Duration = Duration::seconds(5);
/// Keys are read again at most this often: a token that names an unknown key must not cause a call each time.
const ANEW_AFTER: Duration = Duration::seconds(30);

/// Where the metadata are.
pub(super) enum Place {
    /// at this issuer
    Issuer(String),
    /// below an EMR's FHIR, which names the issuer
    Fhir(String),
}

/// Metadata that not every provider has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct More {
    /// where users sign out (OpenID Connect RP-Initiated Logout 1.0)
    pub(super) end_session_endpoint: Option<Url>,
    /// whether each answer names the issuer (RFC 9207)
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

/// The provider's metadata, with its keys.
pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The metadata that were read last, and when; and when the provider last did not answer.
#[derive(Default)]
pub(super) struct Known {
    read: Option<(Arc<Metadata>, Ts)>,
    away: Option<(ProviderError, Ts)>,
}

impl Known {
    pub(super) fn last(&self) -> Option<Arc<Metadata>> {
        self.read.as_ref().map(|(metadata, _)| Arc::clone(metadata))
    }

    /// The metadata, not older than an hour; where the provider does not answer, not older than a day.
    pub(super) async fn fresh(
        &mut self,
        caller: &Caller,
        place: &Place,
        now: Ts,
    ) -> Result<Arc<Metadata>, ProviderError> {
        let known = self.read.as_ref().map(|(metadata, at)| (Arc::clone(metadata), now.since(*at)));
        match known {
            Some((metadata, age)) if age < FRESH_FOR => Ok(metadata),
            Some((metadata, age)) if age < GOOD_FOR => Ok(self.read_anew(caller, place, now).await.unwrap_or(metadata)),
            _ => self.read_anew(caller, place, now).await,
        }
    }

    /// Newer metadata than `old`; `None` where `old` was read just now.
    pub(super) async fn newer_than(
        &mut self,
        old: &Arc<Metadata>,
        caller: &Caller,
        place: &Place,
        now: Ts,
    ) -> Result<Option<Arc<Metadata>>, ProviderError> {
        match &self.read {
            Some((metadata, _)) if !Arc::ptr_eq(metadata, old) => Ok(Some(Arc::clone(metadata))),
            Some((_, at)) if now.since(*at) < ANEW_AFTER => Ok(None),
            _ => self.read_anew(caller, place, now).await.map(Some),
        }
    }

    async fn read_anew(&mut self, caller: &Caller, place: &Place, now: Ts) -> Result<Arc<Metadata>, ProviderError> {
        if let Some((cause, at)) = self.away
            && now.since(at) < AWAY_FOR
        {
            return Err(cause);
        }
        let read = match place {
            Place::Issuer(issuer) => {
                let url = IssuerUrl::new(issuer.clone());
                let url = url.map_err(|_| ProviderError::Away("oidc.issuer is no address"))?;
                caller.run(move |http| Metadata::discover(&url, &|request| http(request)).map_err(why)).await
            }
            Place::Fhir(base) => {
                let base = base.clone();
                caller.run(move |http| by_smart(&base, http)).await
            }
        };
        match read {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                (self.read, self.away) = (Some((Arc::clone(&metadata), now)), None);
                Ok(metadata)
            }
            Err(cause) => {
                tracing::warn!(%cause, "nobody can sign in at the provider");
                self.away = Some((cause, now));
                Err(cause)
            }
        }
    }
}

/// What a `smart-configuration` says of signing in.
#[derive(Deserialize)]
struct Smart {
    issuer: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

/// The metadata of the issuer that an EMR names, with the EMR's own endpoints.
fn by_smart(base: &str, http: &dyn Fn(HttpRequest) -> Result<HttpResponse, Broken>) -> Result<Metadata, ProviderError> {
    const BAD: ProviderError = ProviderError::Away("it has no .well-known/smart-configuration that can be read");
    let request = Request::get(format!("{base}/.well-known/smart-configuration")).header("accept", "application/json");
    let request = request.body(Vec::new()).map_err(|_| BAD)?;
    let answer = http(request).map_err(|cause| ProviderError::Away(cause.0))?;
    if !answer.status().is_success() {
        return Err(BAD);
    }
    let said: Smart = serde_json::from_slice(answer.body()).map_err(|_| BAD)?;
    let issuer = said.issuer.and_then(|issuer| IssuerUrl::new(issuer).ok());
    let issuer = issuer.ok_or(ProviderError::Away("it names no issuer: it signs nobody in by OpenID Connect"))?;
    let mut metadata = Metadata::discover(&issuer, &|request| http(request)).map_err(why)?;
    if let Some(there) = said.authorization_endpoint {
        metadata = metadata.set_authorization_endpoint(AuthUrl::new(there).map_err(|_| BAD)?);
    }
    if let Some(there) = said.token_endpoint {
        metadata = metadata.set_token_endpoint(Some(TokenUrl::new(there).map_err(|_| BAD)?));
    }
    Ok(metadata)
}

fn why(cause: DiscoveryError<Broken>) -> ProviderError {
    ProviderError::Away(match cause {
        DiscoveryError::Request(cause) => cause.0,
        DiscoveryError::Response(..) => "what it says of itself is not there, or not in JSON: check oidc.issuer",
        DiscoveryError::Validation(_) => "it calls itself by another issuer: write oidc.issuer as it does",
        _ => "what it says of itself cannot be read",
    })
}
