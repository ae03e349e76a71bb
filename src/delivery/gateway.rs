//! Text messages through a gateway: one small interface, and a file for each gateway's protocol.

use super::kannel::Kannel;
use super::twilio::Twilio;
use super::{Failure, Reason, Text};
use crate::config::{Texts, TextsVia};
use crate::text_enum;
use std::time::Duration;
use ureq::http;

text_enum! {
    /// Which gateway carries the texts.
    pub enum GatewayKind {
        /// Twilio's REST API
        Twilio = "twilio",
        /// a Kannel of the clinic's own
        Kannel = "kannel",
    }
}

/// A gateway, ready to send.
pub struct Gateway {
    client: Client,
    via: Via,
}

enum Via {
    Twilio(Twilio),
    Kannel(Kannel),
}

/// What a gateway's answer means.
pub(super) type Answered = Result<Option<String>, Failure>;

impl Gateway {
    /// Prepares the gateway that the configuration names; nothing is connected yet.
    pub fn new(texts: &Texts) -> Gateway {
        let via = match &texts.via {
            TextsVia::Twilio(twilio) => Via::Twilio(Twilio::new(twilio)),
            TextsVia::Kannel(kannel) => Via::Kannel(Kannel::new(kannel)),
        };
        Gateway { client: Client::new(texts.timeout), via }
    }

    /// The kind of gateway.
    pub fn kind(&self) -> GatewayKind {
        match self.via {
            Via::Twilio(_) => GatewayKind::Twilio,
            Via::Kannel(_) => GatewayKind::Kannel,
        }
    }

    /// Hands over one text. Gives the gateway's own id for it, if it has one.
    pub(super) async fn send(&self, text: Text) -> Answered {
        let to = text.to.masked();
        let request = match &self.via {
            Via::Twilio(twilio) => twilio.request(&text),
            Via::Kannel(kannel) => kannel.request(&text),
        };
        let request = request.map_err(|_| Failure::Permanent(Reason::Broken))?;
        let answer = self.client.call(request).await;
        let status = answer.as_ref().ok().map(|(status, _)| *status);
        let answered = match (answer, &self.via) {
            (Err(failure), _) => Err(failure),
            (Ok((status, body)), Via::Twilio(_)) => super::twilio::judge(status, &body),
            (Ok((status, body)), Via::Kannel(_)) => super::kannel::judge(status, &body),
        };
        if let Err(failure) = &answered {
            tracing::warn!(%to, ?status, ?failure, gateway = self.kind().as_str(), "a text was not taken");
        }
        answered
    }
}

/// Makes HTTP calls, each on a thread of the blocking pool (the client blocks) and within its time limit.
struct Client {
    agent: ureq::Agent,
    limit: Duration,
}

/// The most that is read of an answer, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

impl Client {
    fn new(limit: Duration) -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(limit))
            // limits of their own: a failure before the request is sent is certain, a later one leaves the outcome
            // unknown
            .timeout_resolve(Some(limit * 3 / 4))
            .timeout_connect(Some(limit * 3 / 4))
            // the status is judged with the answer, and a gateway that redirects is a fault of the configuration
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(4)
            .max_idle_age(Duration::from_secs(10))
            .proxy(None)
            .user_agent("Postern")
            .build();
        Client { agent: ureq::Agent::new_with_config(config), limit }
    }

    /// Gives status and body of the answer. The error names no address: Kannel's contains a password.
    async fn call(&self, request: http::Request<String>) -> Result<(u16, String), Failure> {
        let agent = self.agent.clone();
        let calling = tokio::task::spawn_blocking(move || {
            let mut answer = agent.run(request).map_err(failure)?;
            let body = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(failure)?;
            Ok((answer.status().as_u16(), body))
        });
        // the client has the same limit, but does not apply it to a long name lookup
        match tokio::time::timeout(self.limit + Duration::from_secs(1), calling).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Failure::Unknown(Reason::Unreachable)),
            Err(_) => Err(Failure::Unknown(Reason::TimedOut)),
        }
    }
}

/// A failure before the request was sent can safely be tried again; after that the outcome is unknown.
fn failure(cause: ureq::Error) -> Failure {
    use std::io::ErrorKind;
    match cause {
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => Failure::Transient(Reason::TimedOut),
        ureq::Error::Timeout(_) => Failure::Unknown(Reason::TimedOut),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::Tls(_) => {
            Failure::Transient(Reason::Unreachable)
        }
        ureq::Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused => Failure::Transient(Reason::Unreachable),
        ureq::Error::Io(_) | ureq::Error::Protocol(_) => Failure::Unknown(Reason::Unreachable),
        _ => Failure::Transient(Reason::Unreachable),
    }
}
