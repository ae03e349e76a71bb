//! HTTP calls to an EMR: limited in time and size, without encryption only on this machine, and without following
//! redirects.

use super::why::{self, EmrError};
use super::{Answer, Verb, fhir};
use crate::config::{EmrSource, is_loopback};
use crate::db::Ts;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::http::{self, Request};
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

/// The most that is read of the answer to a write, in bytes: an EMR that ignores `Prefer: return=minimal` gives the whole resource back,
/// with the file in it.
pub(super) const LONGEST_ANSWER: u64 = 64 << 20;
/// The most that is read of a refusal, in bytes.
pub(super) const LONGEST_REFUSAL: u64 = 64 << 10;

/// A file of a bulk export may take so long to come in.
const LONGEST_FILE: Duration = Duration::from_secs(60 * 60);
/// Whoever says "too many requests" and not for how long is left alone for this long.
const USUAL_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// An answer whose content was not read yet.
pub(super) type Response = http::Response<ureq::Body>;

/// Makes the calls.
pub(super) struct Calls {
    /// for calls that end within the time limit as a whole
    pub(super) short: ureq::Agent,
    /// for what is read as it comes: each wait is limited
    pub(super) long: ureq::Agent,
    /// the EMR is on this machine, so that unencrypted calls do not leave it
    is_here: bool,
}

impl Calls {
    pub(super) fn new(config: &EmrSource) -> Calls {
        let agent = |is_long: bool| {
            let roots = match config.authorities.is_empty() {
                true => RootCerts::WebPki,
                false => RootCerts::from(config.authorities.clone()),
            };
            let (whole, part) = if is_long { (None, Some(config.timeout)) } else { (Some(config.timeout), None) };
            let built = ureq::Agent::config_builder()
                .timeout_global(whole)
                .timeout_resolve(part)
                .timeout_connect(part)
                .timeout_recv_response(part)
                .timeout_per_read(part)
                .timeout_recv_body(is_long.then_some(LONGEST_FILE))
                .http_status_as_error(false)
                // a redirect would carry the token to another server
                .max_redirects(0)
                .max_redirects_will_error(false)
                .tls_config(TlsConfig::builder().root_certs(roots).build())
                .proxy(None)
                .user_agent("Postern")
                .build();
            ureq::Agent::new_with_config(built)
        };
        Calls { short: agent(false), long: agent(true), is_here: config.base.scheme() == "http" }
    }

    /// An address that the server names, where nobody on the way can read what is sent to it.
    pub(super) fn safe(&self, address: &str) -> Result<Url, EmrError> {
        let url = Url::parse(address).map_err(|_| EmrError::Untrue(why::NO_ADDRESS))?;
        let is_here = self.is_here && url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
        if url.scheme() == "https" || is_here { Ok(url) } else { Err(EmrError::Untrue(why::CLEAR_TEXT)) }
    }

    pub(super) fn run(
        &self,
        agent: &ureq::Agent,
        (method, url): (Verb, &Url),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, EmrError> {
        let mut request = Request::builder().method(method.as_str()).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match method {
            Verb::Get | Verb::Delete => request.body(()).map(|request| agent.run(request)),
            Verb::Post | Verb::Put => request.body(body).map(|request| agent.run(request)),
        };
        answer.map_err(|_| EmrError::Untrue(why::NO_ADDRESS))?.map_err(|cause| why::of(&cause))
    }
}

/// A header of an answer, where it is text.
pub(super) fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// For how long the server wants to be left alone (RFC 9110, section 10.2.3): seconds, or a date.
pub(super) fn retry_after(answer: &Response, now: Ts) -> Option<Duration> {
    wait(header(answer, "retry-after")?.trim(), now)
}

fn wait(text: &str, now: Ts) -> Option<Duration> {
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = OffsetDateTime::parse(text, &Rfc2822).ok()?;
            Duration::from_secs(u64::try_from((until - now.get()).whole_seconds()).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The content of an answer, whatever its status.
pub(super) fn text(mut answer: Response, limit: u64) -> Result<Vec<u8>, EmrError> {
    let read = answer.body_mut().with_config().limit(limit).read_to_vec();
    read.map_err(|cause| why::of(&cause))
}

/// Reads an answer whole; every status that is no success is an error.
pub(super) fn read(answer: Response, limit: u64, now: Ts) -> Result<Answer, EmrError> {
    let (status, waits) = (answer.status().as_u16(), retry_after(&answer, now));
    match status {
        200..=299 | 304 => {}
        300..=399 => return Err(EmrError::Untrue(why::REDIRECTS)),
        401 => return Err(EmrError::NotAllowed(why::NOT_SIGNED_IN)),
        403 => return Err(EmrError::NotAllowed(why::FORBIDDEN)),
        429 => return Err(EmrError::Later(waits.unwrap_or(USUAL_WAIT))),
        503 if waits.is_some() => return Err(EmrError::Later(waits.unwrap_or(USUAL_WAIT))),
        500.. => return Err(EmrError::Away(why::BROKEN)),
        _ => {
            // the reason is a help, and its absence no harm
            let said = text(answer, LONGEST_REFUSAL).unwrap_or_default();
            return Err(EmrError::Refused { status, words: fhir::outcome(&said) });
        }
    }
    if header(&answer, "content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html")) {
        return Err(EmrError::Untrue(why::A_PAGE));
    }
    let known = |name| header(&answer, name).map(str::to_owned);
    let (content_location, location, etag) = (known("content-location"), known("location"), known("etag"));
    let body = text(answer, limit)?;
    Ok(Answer { status, content_location, location, retry_after: waits, etag, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = Ts::from(time::macros::datetime!(2026-03-04 14:02:00 UTC));
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("999999", Some(3600)),
            ("Wed, 04 Mar 2026 14:03:00 GMT", Some(60)),
            ("Wed, 04 Mar 2026 14:01:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
