//! Access tokens (RFC 6749, section 4.4): asked for with an assertion, and used until shortly before their end.

use super::why::{self, EmrError};
use crate::db::Ts;
use serde_json::Value;
use std::time::Duration;
use time::Duration as Span;

/// The most that is read of a token endpoint's answer, in bytes.
pub(super) const LONGEST: u64 = 64 << 10;
/// A new token is asked for so long before the present one ends: a call may take its time.
const BEFORE: Span = Span::seconds(30);
/// How long a token lasts whose server does not say, and the longest that a token is used, in seconds.
const USUAL: i64 = 300;
const LONGEST_USE: i64 = 24 * 60 * 60;

/// A token, as it is sent.
#[derive(Clone)]
pub(super) struct AccessToken {
    pub(super) header: String,
    until: Ts,
    /// what the server says it granted; `None` where it does not say
    pub(super) scopes: Option<Vec<String>>,
}

impl AccessToken {
    pub(super) fn lasts(&self, now: Ts) -> bool {
        now.plus(BEFORE) < self.until
    }
}

/// The form by which a token is asked for.
pub(super) fn form(scopes: &str, assertion: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scopes)
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", assertion)
        .finish()
}

/// Reads the answer of a token endpoint.
pub(super) fn read(status: u16, waits: Option<Duration>, body: &[u8], now: Ts) -> Result<AccessToken, EmrError> {
    let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match (status, waits) {
        (200, _) => {}
        (429 | 503, Some(wait)) => return Err(EmrError::Later(wait)),
        (429, None) => return Err(EmrError::Later(Duration::from_secs(30))),
        (500.., _) => return Err(EmrError::Away(why::BROKEN)),
        _ => {
            return Err(match said["error"].as_str() {
                Some("invalid_client") => EmrError::NotAllowed(why::UNKNOWN_CLIENT),
                Some("invalid_scope") => EmrError::NotAllowed(why::BAD_SCOPE),
                Some(_) => EmrError::NotAllowed(why::NO_GRANT),
                None if matches!(status, 401 | 403) => EmrError::NotAllowed(why::UNKNOWN_CLIENT),
                None => EmrError::Untrue(why::NO_TOKEN),
            });
        }
    }
    // RFC 6750, section 2.1: the signs of which a bearer token is made; another one could end the header
    let is_token = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token = said["access_token"].as_str().filter(is_token).ok_or(EmrError::Untrue(why::NO_TOKEN))?;
    let kind = said["token_type"].as_str().unwrap_or("bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(EmrError::Untrue(why::NO_TOKEN));
    }
    // some servers write the number as a text
    let seconds = said["expires_in"].as_i64().or_else(|| said["expires_in"].as_str()?.parse().ok());
    let seconds = seconds.unwrap_or(USUAL).clamp(0, LONGEST_USE);
    let scopes = said["scope"].as_str().map(|text| text.split_whitespace().map(str::to_owned).collect());
    Ok(AccessToken { header: format!("Bearer {token}"), until: now.plus(Span::seconds(seconds)), scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Ts {
        Ts::from(time::macros::datetime!(2026-03-04 14:02:00 UTC))
    }

    fn refused(status: u16, body: &str) -> EmrError {
        read(status, None, body.as_bytes(), now()).err().unwrap()
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        let said = br#"{"access_token": "a.b-c", "token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs x"}"#;
        let token = read(200, None, said, now()).unwrap();
        assert_eq!(token.header, "Bearer a.b-c");
        assert_eq!(token.scopes.as_deref().unwrap(), ["system/*.rs", "x"]);
        assert!(token.lasts(now().plus(Span::seconds(269))) && !token.lasts(now().plus(Span::seconds(270))));
        let said = br#"{"access_token": "a", "token_type": "bearer", "expires_in": "60"}"#;
        let token = read(200, None, said, now()).unwrap();
        assert!(token.lasts(now().plus(Span::seconds(29))) && !token.lasts(now().plus(Span::seconds(30))));
        assert!(token.scopes.is_none());
    }

    #[test]
    fn a_refusal_says_what_to_set_right() {
        assert_eq!(refused(401, r#"{"error": "invalid_client"}"#), EmrError::NotAllowed(why::UNKNOWN_CLIENT));
        assert_eq!(refused(400, r#"{"error": "invalid_scope"}"#), EmrError::NotAllowed(why::BAD_SCOPE));
        assert_eq!(refused(400, r#"{"error": "unauthorized_client"}"#), EmrError::NotAllowed(why::NO_GRANT));
        assert_eq!(refused(404, "<html>"), EmrError::Untrue(why::NO_TOKEN));
        assert_eq!(refused(502, "<html>"), EmrError::Away(why::BROKEN));
        assert_eq!(refused(429, ""), EmrError::Later(Duration::from_secs(30)));
        for body in ["{}", r#"{"access_token": "a\r\nb"}"#, r#"{"access_token": "a", "token_type": "mac"}"#, "<html>"] {
            assert_eq!(refused(200, body), EmrError::Untrue(why::NO_TOKEN), "{body}");
        }
    }
}
