//! A person at the provider, read from the claims of an ID token and, where these are not enough, of `userinfo`.

use super::calls::Broken;
use super::{ProviderError, moment};
use crate::db::Ts;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, EndUserEmail, EndUserName, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, HttpResponse, IdTokenClaims, IdTokenFields, LocalizedClaim, StandardErrorResponse,
    StandardTokenResponse, SubjectIdentifier, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest subject (OpenID Connect Core 1.0, section 2), in bytes.
const LONGEST_SUBJECT: usize = 255;
/// The most values of the claim for roles that are read.
const MOST_VALUES: usize = 1_000;

/// The claims that are not among the standard ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MoreClaims {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for MoreClaims {}

/// What an EMR says beside its tokens (SMART App Launch 2.2, launch context). Anything is read, so that a provider that
/// uses these names for something else still signs people in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Context {
    #[serde(default)]
    pub(super) patient: Option<Value>,
    #[serde(default)]
    pub(super) intent: Option<Value>,
}

impl ExtraTokenFields for Context {}

type Fields =
    IdTokenFields<MoreClaims, Context, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// The token endpoint's answer.
pub(super) type Tokens = StandardTokenResponse<Fields, CoreTokenType>;

/// The clinic as a client of the provider.
pub(super) type Client = openidconnect::Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A person at the provider. It has no `Debug`, so that no log contains one.
pub struct Person {
    /// the provider's issuer address
    pub issuer: String,
    /// the provider's id of the person, which it never gives to another
    pub subject: String,
    /// their email address, unless the provider says that it is not verified
    pub email: Option<String>,
    /// their name
    pub name: Option<String>,
    /// the values of the claim for roles; `None` where there is no such claim
    pub roles: Option<Vec<String>>,
    /// how they signed in at the provider: `acr` and each of `amr`
    pub how: Vec<String>,
    /// when they signed in at the provider (`auth_time`)
    pub signed_in_at: Option<Ts>,
    /// whose chart was open at the EMR from which they came, by its id there
    pub patient: Option<String>,
    /// what they want to do with it, in the EMR's words
    pub intent: Option<String>,
}

impl Person {
    pub(super) fn read(
        claims: &IdTokenClaims<MoreClaims, CoreGenderClaim>,
        role_claim: Option<&str>,
    ) -> Result<Person, ProviderError> {
        let subject = claims.subject().as_str().to_owned();
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
            return Err(ProviderError::Untrue("its subject"));
        }
        let acr = claims.auth_context_ref().map(|acr| acr.as_str().to_owned());
        let amr = claims.auth_method_refs().into_iter().flatten().map(|amr| amr.as_str().to_owned());
        Ok(Person {
            issuer: claims.issuer().as_str().to_owned(),
            subject,
            email: email(claims.email(), claims.email_verified()),
            name: name(claims.name()),
            roles: role_claim.and_then(|claim| values(&claims.additional_claims().all, claim)),
            how: acr.into_iter().chain(amr).collect(),
            signed_in_at: claims.auth_time().and_then(|at| moment(at.timestamp())),
            patient: None,
            intent: None,
        })
    }

    /// The person with what the EMR says of the chart that is open there. An id that is none of FHIR's stays as it is
    /// said: it fits no chart.
    pub(super) fn with_context(mut self, context: &Context) -> Person {
        let word = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(text);
        self.patient = word(context.patient.as_ref());
        self.intent = word(context.intent.as_ref());
        self
    }

    /// The person with what is missing filled in from the provider's `userinfo`, which must name the same subject.
    pub(super) fn with_more(
        mut self,
        client: &Client,
        access_token: &AccessToken,
        role_claim: Option<&str>,
        http: &dyn Fn(HttpRequest) -> Result<HttpResponse, Broken>,
    ) -> Result<Person, ProviderError> {
        const BAD: ProviderError = ProviderError::Away("its userinfo cannot be read");
        let subject = SubjectIdentifier::new(self.subject.clone());
        let request = client.user_info(access_token.clone(), Some(subject)).map_err(|_| BAD)?;
        let more: UserInfoClaims<MoreClaims, CoreGenderClaim> =
            request.request(&|request| http(request)).map_err(|_| BAD)?;
        self.email = self.email.or_else(|| email(more.email(), more.email_verified()));
        self.name = self.name.or_else(|| name(more.name()));
        let roles = || role_claim.and_then(|claim| values(&more.additional_claims().all, claim));
        self.roles = self.roles.or_else(roles);
        Ok(self)
    }
}

/// What a value says: that of a text is the text itself.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn email(email: Option<&EndUserEmail>, is_checked: Option<bool>) -> Option<String> {
    email.filter(|_| is_checked != Some(false)).map(|email| email.as_str().to_owned())
}

fn name(name: Option<&LocalizedClaim<EndUserName>>) -> Option<String> {
    name.and_then(|all| all.get(None)).map(|name| name.as_str().to_owned())
}

/// The values of a claim, by its name or by a path with dots between; `None` where there is no such claim.
fn values(claims: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let by_way = || {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, part| value.get(part))
    };
    let found = claims.get(name).or_else(by_way)?;
    let word = |value: &Value| value.as_str().map(str::to_owned);
    Some(match found {
        Value::Array(all) => all.iter().take(MOST_VALUES).filter_map(word).collect(),
        one => word(one).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::values;
    use serde_json::{Map, Value, json};

    fn of(claims: Value, name: &str) -> Option<Vec<String>> {
        let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
        values(&claims, name)
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_the_way_to_it() {
        assert_eq!(of(json!({"groups": ["a", 1, "b"]}), "groups"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(of(json!({"role": "a"}), "role"), Some(vec!["a".into()]));
        assert_eq!(of(json!({"realm": {"roles": ["a"]}}), "realm.roles"), Some(vec!["a".into()]));
        assert_eq!(of(json!({"https://x.example/roles": ["a"]}), "https://x.example/roles"), Some(vec!["a".into()]));
        assert_eq!(of(json!({"groups": {}}), "groups"), Some(vec![]));
        for (claims, name) in [(json!({}), "groups"), (json!({"realm": []}), "realm.roles"), (json!({}), "a.b.c")] {
            assert_eq!(of(claims, name), None);
        }
    }
}
