//! Connections to the mail server, and the dialogue of one mail on them (RFC 5321).
//!
//! A connection belongs to the mail that is being sent on it, and is reused only when every answer to that mail has
//! been read. When a time limit ends the sending, the connection is dropped with its socket: no later mail can read a
//! late answer as its own. (lettre's own pool reuses such a connection.)

use super::failure_of;
use crate::config::Smtp;
use crate::delivery::{Failure, Reason};
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many connections are kept for the next mail.
const MOST_IDLE: usize = 8;
/// A connection that is unused for this long is closed; servers close theirs after minutes.
const IDLE: Duration = Duration::from_secs(20);
/// How long an idle connection may take to answer a RSET before another one is made.
const STILL_THERE: Duration = Duration::from_secs(1);
/// How long closing a connection may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a connection is protected.
pub(super) enum Protection {
    /// not at all
    None,
    /// STARTTLS, required
    StartTls(TlsParameters),
    /// from the first byte
    Implicit(TlsParameters),
}

/// The server, and the idle connections to it.
pub(super) struct Connections {
    host: String,
    port: u16,
    protection: Protection,
    login: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    idle: Arc<Mutex<Vec<(AsyncSmtpConnection, Instant)>>>,
}

/// How far a dialogue got, in case it is cut short.
#[derive(Default)]
pub(super) struct Progress(std::sync::atomic::AtomicBool);

impl Progress {
    fn handing_over(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// The failure when no answer came: once the mail was sent, nobody knows whether the server took it.
    pub(super) fn cut_short(&self, reason: Reason) -> Failure {
        match self.0.load(std::sync::atomic::Ordering::Relaxed) {
            true => Failure::Unknown(reason),
            false => Failure::Transient(reason),
        }
    }
}

impl Connections {
    pub(super) fn new(smtp: &Smtp, protection: Protection, hello: ClientId) -> Connections {
        let login = smtp.login.as_ref().map(|(user, password)| Credentials::new(user.clone(), password.clone()));
        let (host, port, timeout) = (smtp.host.clone(), smtp.port, smtp.timeout);
        Connections { host, port, protection, login, hello, timeout, idle: Arc::default() }
    }

    /// Hands over one mail. The caller sets the time limit, and drops the future to cut it short.
    pub(super) async fn send(&self, progress: &Progress, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let mut connection = match self.take().await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|e| failure_of(&e))?,
        };
        let sent = converse(&mut connection, progress, envelope, mail).await;
        let fault = sent.as_ref().err().and_then(|fault| fault.code);
        // a refusal also completes the dialogue; 421 says that the server closes the connection (RFC 5321, 3.8)
        if sent.is_ok() || fault.is_some_and(|code| code != 421) {
            self.keep(connection);
        }
        sent.map_err(|fault| fault.failure)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let implicit = match &self.protection {
            Protection::Implicit(tls) => Some(tls.clone()),
            Protection::None | Protection::StartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let timeout = Some(self.timeout);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, implicit, None).await?;
        if let Protection::StartTls(tls) = &self.protection {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }

    /// Takes an idle connection that still answers; RSET also clears the state that a refused mail leaves.
    async fn take(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() > IDLE {
                say_goodbye(connection);
                continue;
            }
            if let Ok(Ok(_)) = tokio::time::timeout(STILL_THERE, connection.command(Rset)).await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            return say_goodbye(connection);
        }
        let closer = idle.is_empty();
        idle.push((connection, Instant::now()));
        if closer {
            tokio::spawn(close_idle(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes connections that were unused for a while, until none is idle.
async fn close_idle(idle: std::sync::Weak<Mutex<Vec<(AsyncSmtpConnection, Instant)>>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, fresh) = idle.drain(..).partition(|(_, since): &(_, Instant)| since.elapsed() > IDLE);
        *idle = fresh;
        let old: Vec<(AsyncSmtpConnection, Instant)> = old;
        old.into_iter().for_each(|(connection, _)| say_goodbye(connection));
        if idle.is_empty() {
            return;
        }
    }
}

fn say_goodbye(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { drop(tokio::time::timeout(GOODBYE, connection.abort()).await) });
}

/// A failure, with the code of the server's answer if there was one.
struct SmtpFault {
    failure: Failure,
    code: Option<u16>,
}

impl SmtpFault {
    fn from_error(e: &Error) -> SmtpFault {
        SmtpFault { failure: failure_of(e), code: e.status().map(u16::from) }
    }
}

async fn converse(
    connection: &mut AsyncSmtpConnection,
    progress: &Progress,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<(), SmtpFault> {
    let fault = |e: Error| SmtpFault::from_error(&e);
    let mut options = Vec::new();
    let is_plain = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    if !envelope.to().iter().chain(envelope.from()).all(is_plain) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(SmtpFault { failure: Failure::Permanent(Reason::Accents), code: Some(553) });
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(envelope.from().cloned(), options)).await.map_err(fault)?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(fault)?;
    }
    connection.command(Data).await.map_err(fault)?;
    progress.handing_over();
    connection.message(mail).await.map(drop).map_err(|e| match SmtpFault::from_error(&e) {
        SmtpFault { failure: Failure::Transient(reason), code: None } => {
            SmtpFault { failure: Failure::Unknown(reason), code: None }
        }
        answered => answered,
    })
}
