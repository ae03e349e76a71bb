//! Email through the clinic's mail server.

use super::{Email, Failure, Reason, bounce};
use crate::clock::Clock;
use crate::config::{Smtp, Tls};
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as LettreTls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// A mail server, with its connections.
pub struct SmtpRoad {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: lettre::Address,
    timeout: Duration,
    clock: Clock,
    /// where mail comes back to, each with its tag
    bounces: Option<lettre::Address>,
}

impl SmtpRoad {
    /// Prepares the road; nothing is connected yet.
    ///
    /// # Errors
    /// When the certificate authority or the host name cannot be used; names the key.
    pub fn new(smtp: &Smtp, clock: Clock) -> Result<SmtpRoad, String> {
        SmtpRoad::with_bounces(smtp, clock, None)
    }

    /// The same, with the address that mail comes back to.
    ///
    /// # Errors
    /// Those of [`SmtpRoad::new`].
    pub fn with_bounces(smtp: &Smtp, clock: Clock, bounces: Option<lettre::Address>) -> Result<SmtpRoad, String> {
        let from: lettre::Address = smtp.from.parse().map_err(|_| "smtp.from: is not an address".to_owned())?;
        let tls = match smtp.tls {
            Tls::None => LettreTls::None,
            // never Opportunistic: it falls back to clear text in silence
            Tls::StartTls => LettreTls::Required(parameters(smtp)?),
            Tls::Implicit => LettreTls::Wrapper(parameters(smtp)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.domain().to_owned()))
            .timeout(Some(smtp.timeout))
            .pool_config(PoolConfig::new().max_size(4).idle_timeout(Duration::from_secs(30)));
        if let Some((user, password)) = &smtp.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(SmtpRoad { transport: builder.build(), from, timeout: smtp.timeout, clock, bounces })
    }

    /// Sends one mail. lettre's own limit covers the connecting only: a server that goes silent later would hold the
    /// worker for minutes, hence the limit around the whole.
    pub(super) async fn send(&self, email: Email) -> Result<(), Failure> {
        let message = self.message(&email).map_err(|e| {
            tracing::error!(cause = %e, "a mail could not be put together");
            Failure::Permanent(Reason::Broken)
        })?;
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Err(_) => Err(Failure::Transient(Reason::TimedOut)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => {
                let failure = failure_of(&e);
                let status = e.status().map(|code| code.to_string());
                tracing::warn!(to = %email.to.masked(), ?status, ?failure, "a mail was not taken");
                Err(failure)
            }
        }
    }

    fn message(&self, email: &Email) -> Result<Message, String> {
        let to: lettre::Address = email.to.as_str().parse().map_err(|e| format!("to: {e}"))?;
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let id = format!("<{}@{}>", email.message_uid, self.from.domain());
        // the envelope's sender is where mail comes back to; the header's is what the patient sees
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
            // RFC 3834: no answering machine should answer
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

/// Transient answers (4xx) and everything that is no answer are tried again. A wrong password is the clinic's fault
/// and must never mark a patient's address as dead (RFC 4954: 530, 534, 535, 538).
fn failure_of(e: &lettre::transport::smtp::Error) -> Failure {
    let code = e.status().map(|code| code.to_string());
    match code.as_deref() {
        Some("530" | "534" | "535" | "538" | "454") => Failure::Transient(Reason::Login),
        // 500 to 504 are about the command, not the address
        Some(code) if code.starts_with("50") => Failure::Permanent(Reason::Refused),
        Some(code) if code.starts_with('5') => {
            Failure::Permanent(enhanced(e).map_or(Reason::Refused, |status| bounce::reason(&status)))
        }
        Some(code) if code.starts_with('4') => Failure::Transient(Reason::Deferred),
        _ if e.is_timeout() => Failure::Transient(Reason::TimedOut),
        _ => Failure::Transient(Reason::Unreachable),
    }
}

/// The enhanced status code (RFC 3463) in a server's answer, such as 5.1.1. Nothing else of the answer is kept: it
/// may quote the address.
fn enhanced(e: &lettre::transport::smtp::Error) -> Option<String> {
    let words = e.to_string();
    let mut words = words.split(|c: char| !c.is_ascii_digit() && c != '.');
    words
        .find(|word| word.starts_with("5.") && word.split('.').filter(|part| !part.is_empty()).count() == 3)
        .map(str::to_owned)
}
