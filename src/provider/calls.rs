//! HTTP calls to the provider: limited in time and size, without encryption only on this machine, and without following
//! redirects. The client blocks, so each call runs in a thread of the blocking pool, a few at a time.

use super::ProviderError;
use crate::config::{Oidc, is_loopback};
use openidconnect::{HttpRequest, HttpResponse};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use ureq::http::{Method, Response};
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

/// The most that is read of an answer, in bytes.
const LONGEST_ANSWER: u64 = 256 * 1024;
/// The most calls at a time: a slow provider must not take the threads that files and passwords need.
const MOST_AT_A_TIME: usize = 8;

/// Why a call failed, for the log: it names no address and nothing that was sent.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) &'static str);

/// Makes the calls.
pub(super) struct Caller {
    agent: ureq::Agent,
    /// the provider is on this machine, so that unencrypted calls do not leave it
    is_here: bool,
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl Caller {
    pub(super) fn new(config: &Oidc) -> Caller {
        let roots = match config.authorities.is_empty() {
            true => RootCerts::WebPki,
            false => RootCerts::from(config.authorities.clone()),
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .http_status_as_error(false)
            // no redirects: where the provider has moved, the configuration is wrong
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .proxy(None)
            .user_agent("Postern")
            .build();
        let issuer = Url::parse(&config.issuer).ok();
        Caller {
            agent: ureq::Agent::new_with_config(agent),
            is_here: issuer.is_some_and(|url| url.scheme() == "http"),
            turns: Arc::new(Semaphore::new(MOST_AT_A_TIME)),
            patience: config.timeout,
        }
    }

    /// Whether nobody on the way can read what is sent to this address.
    pub(super) fn is_safe(&self, url: &Url) -> bool {
        is_safe(self.is_here, url)
    }

    /// Runs `calls` in a thread of its own, when one of the turns is free.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        calls: impl FnOnce(&dyn Fn(HttpRequest) -> Result<HttpResponse, Broken>) -> Result<T, ProviderError>
        + Send
        + 'static,
    ) -> Result<T, ProviderError> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(ProviderError::Away("too many wait for it")) };
        let (agent, is_here) = (self.agent.clone(), self.is_here);
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            calls(&|request| call(&agent, is_here, request))
        });
        running.await.unwrap_or(Err(ProviderError::Away("a call of it broke")))
    }
}

fn is_safe(is_here: bool, url: &Url) -> bool {
    url.scheme() == "https" || (is_here && url.scheme() == "http" && url.host_str().is_some_and(is_loopback))
}

fn call(agent: &ureq::Agent, is_here: bool, request: HttpRequest) -> Result<HttpResponse, Broken> {
    let url = Url::parse(&request.uri().to_string()).map_err(|_| Broken("it names an address that is none"))?;
    if !is_safe(is_here, &url) {
        return Err(Broken("it names an address in clear text"));
    }
    let answer = match *request.method() {
        Method::GET => agent.run(request.map(|_| ())),
        _ => agent.run(request),
    };
    let (parts, mut body) = answer.map_err(|cause| Broken(why(&cause)))?.into_parts();
    let read = body.with_config().limit(LONGEST_ANSWER).read_to_vec();
    Ok(Response::from_parts(parts, read.map_err(|cause| Broken(why(&cause)))?))
}

fn why(cause: &ureq::Error) -> &'static str {
    match cause {
        ureq::Error::Timeout(_) => "it did not answer in time",
        ureq::Error::HostNotFound => "it is not known by its name",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "it has no certificate that can be trusted",
        ureq::Error::BodyExceedsLimit(_) => "its answer is too long",
        _ => "it cannot be reached",
    }
}
