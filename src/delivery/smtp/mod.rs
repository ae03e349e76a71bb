//! Email through the clinic's mail server.

mod connections;

use super::why::why;
use super::{Email, Failure, Reason, bounce};
use crate::clock::Clock;
use crate::config::{Smtp, Tls};
use connections::{Connections, Progress, Protection};
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use std::time::Duration;

/// Sends mails through a mail server.
pub struct SmtpRoad {
    connections: Connections,
    from: lettre::Address,
    timeout: Duration,
    clock: Clock,
    /// the address that mail returns to; each mail adds its tag
    bounces: Option<lettre::Address>,
}

impl SmtpRoad {
    /// Prepares the connections; nothing is connected yet.
    ///
    /// # Errors
    /// When the certificate authority or the host name cannot be used; the text names the configuration's key.
    pub fn new(smtp: &Smtp, clock: Clock) -> Result<SmtpRoad, String> {
        SmtpRoad::with_bounces(smtp, clock, None)
    }

    /// As [`SmtpRoad::new`], with the address that mail returns to.
    ///
    /// # Errors
    /// See [`SmtpRoad::new`].
    pub fn with_bounces(smtp: &Smtp, clock: Clock, bounces: Option<lettre::Address>) -> Result<SmtpRoad, String> {
        let from: lettre::Address = smtp.from.parse().map_err(|_| "smtp.from: is not an address".to_owned())?;
        let protection = match smtp.tls {
            Tls::None => Protection::None,
            // never `Tls::Opportunistic` of lettre: it falls back to clear text silently
            Tls::StartTls => Protection::StartTls(parameters(smtp)?),
            Tls::Implicit => Protection::Implicit(parameters(smtp)?),
        };
        let connections = Connections::new(smtp, protection, ClientId::Domain(from.domain().to_owned()));
        Ok(SmtpRoad { connections, from, timeout: smtp.timeout, clock, bounces })
    }

    /// Sends one mail. The configured time limit covers everything: connecting, signing in and each answer.
    pub(super) async fn send(&self, email: Email) -> Result<(), Failure> {
        let message = self.message(&email).map_err(|e| {
            tracing::error!(cause = %e, "a mail could not be put together");
            Failure::Permanent(Reason::Broken)
        })?;
        let (progress, raw) = (Progress::default(), message.formatted());
        let sending = self.connections.send(&progress, message.envelope(), &raw);
        let sent = match tokio::time::timeout(self.timeout, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(progress.cut_short(Reason::TimedOut)),
        };
        if let Err(failure) = &sent {
            tracing::warn!(to = %email.to.masked(), ?failure, "a mail was not taken");
        }
        sent
    }

    fn message(&self, email: &Email) -> Result<Message, String> {
        let to: lettre::Address = email.to.as_str().parse().map_err(|e| format!("to: {e}"))?;
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let id = format!("<{}@{}>", email.message_uid, self.from.domain());
        // mail returns to the sender in the envelope; patients see the sender in the header
        let sender = match &self.bounces {
            Some(bounces) => bounce::tagged(bounces, &email.message_uid).ok_or("bounces.address: takes no tag")?,
            None => self.from.clone(),
        };
        let envelope = Envelope::new(Some(sender), vec![to.clone()]).map_err(|e| e.to_string())?;
        Message::builder()
            .envelope(envelope)
            .from(Mailbox::new(Some(email.from_name.clone()), self.from.clone()))
            .to(Mailbox::new(None, to))
            .subject(email.subject.clone())
            .message_id(Some(id))
            .date(std::time::SystemTime::from(self.clock.now().get()))
            // RFC 3834: asks automatic answerers not to answer
            .raw_header(HeaderValue::new(auto, "auto-generated".into()))
            .multipart(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()))
            .map_err(|e| e.to_string())
    }
}

fn parameters(smtp: &Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(pem) = &smtp.ca {
        let authority =
            Certificate::from_pem(pem).map_err(|_| "smtp.ca_file: holds no PEM certificate: name another file")?;
        builder = builder.add_root_certificate(authority);
    }
    builder.build().map_err(|e| format!("smtp.host: {e}: write the name that is in the server's certificate"))
}

/// Transient answers (4xx) and failures without an answer are tried again. A wrong password is the clinic's own fault
/// and must never mark a patient's address as bad (RFC 4954: 530, 534, 535, 538).
fn failure_of(e: &lettre::transport::smtp::Error) -> Failure {
    let code = e.status().map(|code| code.to_string());
    match code.as_deref() {
        Some("530" | "534" | "535" | "538" | "454") => Failure::Transient(Reason::Login),
        // 500 to 504 are about the command, not the address
        Some(code) if code.starts_with("50") => Failure::Permanent(Reason::Refused),
        // the text of the answer is not kept: it may quote the address
        Some(code) if code.starts_with('5') => Failure::Permanent(why("", &e.to_string()).unwrap_or(Reason::Refused)),
        Some(code) if code.starts_with('4') => Failure::Transient(Reason::Deferred),
        _ if e.is_timeout() => Failure::Transient(Reason::TimedOut),
        _ => Failure::Transient(Reason::Unreachable),
    }
}
