//! Reads the mailbox that undelivered mail returns to, over IMAP (RFC 3501).

use super::mime;
use crate::config::{Imap, ImapTls};
use async_imap::Session;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto, pki_types::CertificateDer};

/// The most mails that one visit reads.
const AT_ONCE: usize = 50;
/// The time limit of one visit.
const VISIT: Duration = Duration::from_secs(60);

/// What is done with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// it was about a mail of this program, and is removed: it names a patient's address
    Remove,
    /// it was about something else, and stays as it is
    Leave,
    /// it was not read: it stays, flagged for a person to look at
    SetAside,
}

/// Reads the mails of a visit. Mails are known by their UIDs, which only grow (RFC 3501, 2.3.1.1), and not by whether
/// they were seen: a person may open the mailbox in webmail.
pub trait Reader {
    /// The last UID that is done, while the mailbox has this UIDVALIDITY.
    fn done_with(&self, validity: u32) -> impl Future<Output = Result<u32, String>>;
    /// Counts an attempt before the mail is read. `false` where its reading was begun too often.
    fn may_read(&self, validity: u32, uid: u32) -> impl Future<Output = Result<bool, String>>;
    /// Reads a mail, and records what it says.
    fn read(&self, raw: Vec<u8>) -> impl Future<Output = Result<Keep, String>>;
    /// Marks a mail as done.
    fn done(&self, validity: u32, uid: u32) -> impl Future<Output = Result<(), String>>;
}

/// Reads the mails that came since the last visit. Gives how many there were. After a visit that broke off, the next
/// one goes on from there.
///
/// # Errors
/// Why the mailbox could not be read, without user names or passwords.
pub async fn visit(imap: &Imap, reader: &impl Reader) -> Result<usize, String> {
    let visit = async {
        let tcp = TcpStream::connect((imap.host.as_str(), imap.port)).await.map_err(|e| format!("connect: {e}"))?;
        match imap.tls {
            ImapTls::None => read(imap, tcp, reader).await,
            ImapTls::Implicit => {
                let name = ServerName::try_from(imap.host.clone()).map_err(|_| "host: is not a name".to_owned())?;
                let stream = connector(imap)?.connect(name, tcp).await.map_err(|e| format!("TLS: {e}"))?;
                read(imap, stream, reader).await
            }
        }
    };
    tokio::time::timeout(VISIT, visit).await.map_err(|_| "no answer in time".to_owned())?
}

fn connector(imap: &Imap) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = &imap.ca {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| "bounces.ca_file: holds no PEM certificate".to_owned())?;
            roots.add(certificate).map_err(|e| format!("bounces.ca_file: {e}"))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn read<S>(imap: &Imap, stream: S, reader: &impl Reader) -> Result<usize, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug,
{
    let mut client = async_imap::Client::new(stream);
    client.read_response().await.map_err(|e| format!("greeting: {e}"))?;
    let session = client.login(&imap.user, &imap.password).await;
    let mut session = session.map_err(|_| "the name and password were refused".to_owned())?;
    let seen = mails(&mut session, imap, reader).await.map_err(|e| format!("reading: {e}"));
    // a failed logout does not matter: the mails are done
    drop(session.logout().await);
    seen
}

async fn mails<S>(session: &mut Session<S>, imap: &Imap, reader: &impl Reader) -> Result<usize, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug,
{
    let words = |e: async_imap::error::Error| e.to_string();
    let mailbox = session.select(&imap.folder).await.map_err(words)?;
    let validity = mailbox.uid_validity.unwrap_or_default();
    let done = reader.done_with(validity).await?;
    // "n:*" names the last mail even where its number is below n
    let found = session.uid_search(format!("UID {}:*", done.saturating_add(1))).await.map_err(words)?;
    let mut new: Vec<u32> = found.into_iter().filter(|uid| *uid > done).collect();
    new.sort_unstable();
    new.truncate(AT_ONCE);
    for uid in &new {
        let flags = match read_mail(session, reader, validity, *uid).await? {
            Keep::Remove => Some("+FLAGS.SILENT (\\Seen \\Deleted)"),
            Keep::SetAside => Some("+FLAGS.SILENT (\\Flagged)"),
            Keep::Leave => None,
        };
        if let Some(flags) = flags {
            let stored: Vec<_> = {
                let stream = session.uid_store(uid.to_string(), flags).await.map_err(words)?;
                stream.try_collect().await.map_err(words)?
            };
            drop(stored);
        }
        reader.done(validity, *uid).await?;
    }
    let gone: Vec<_> = session.expunge().await.map_err(words)?.try_collect().await.map_err(words)?;
    drop(gone);
    Ok(new.len())
}

/// Counts the attempt, checks the mail's size, and only then reads it.
async fn read_mail<S>(session: &mut Session<S>, reader: &impl Reader, validity: u32, uid: u32) -> Result<Keep, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug,
{
    let words = |e: async_imap::error::Error| e.to_string();
    if !reader.may_read(validity, uid).await? {
        return Ok(Keep::SetAside);
    }
    let sized: Vec<_> = {
        let stream = session.uid_fetch(uid.to_string(), "(UID RFC822.SIZE)").await.map_err(words)?;
        stream.try_collect().await.map_err(words)?
    };
    let size = sized.iter().find_map(|mail| mail.size).unwrap_or_default();
    if usize::try_from(size).unwrap_or(usize::MAX) > mime::LARGEST {
        return Ok(Keep::SetAside);
    }
    let fetched: Vec<_> = {
        let stream = session.uid_fetch(uid.to_string(), "(BODY.PEEK[])").await.map_err(words)?;
        stream.try_collect().await.map_err(words)?
    };
    // another worker may have removed it meanwhile
    match fetched.iter().find_map(|mail| mail.body()) {
        Some(body) => reader.read(body.to_vec()).await,
        None => Ok(Keep::Leave),
    }
}
