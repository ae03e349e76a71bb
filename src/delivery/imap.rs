//! The mailbox that mail comes back to, read over IMAP (RFC 3501).

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

/// Most mails read in one visit.
const AT_ONCE: usize = 50;
/// One visit takes no longer.
const VISIT: Duration = Duration::from_secs(60);

/// What is done with a mail that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// it was one of ours, and is removed: it names a patient's address
    Remove,
    /// it was something else, and stays, marked as seen
    Leave,
}

/// Reads the unseen mails and asks `judge` what to do with each. Gives how many there were. The mails are marked only
/// after `judge` has written down what they say: a visit that breaks off is made again.
///
/// # Errors
/// Why the mailbox could not be read, without names or passwords.
pub async fn visit<F>(imap: &Imap, judge: impl Fn(Vec<u8>) -> F) -> Result<usize, String>
where
    F: Future<Output = Result<Keep, String>>,
{
    let visit = async {
        let tcp = TcpStream::connect((imap.host.as_str(), imap.port)).await.map_err(|e| format!("connect: {e}"))?;
        match imap.tls {
            ImapTls::None => read(imap, tcp, &judge).await,
            ImapTls::Implicit => {
                let name = ServerName::try_from(imap.host.clone()).map_err(|_| "host: is not a name".to_owned())?;
                let stream = connector(imap)?.connect(name, tcp).await.map_err(|e| format!("TLS: {e}"))?;
                read(imap, stream, &judge).await
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

async fn read<S, F>(imap: &Imap, stream: S, judge: &impl Fn(Vec<u8>) -> F) -> Result<usize, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug,
    F: Future<Output = Result<Keep, String>>,
{
    let mut client = async_imap::Client::new(stream);
    client.read_response().await.map_err(|e| format!("greeting: {e}"))?;
    let session = client.login(&imap.user, &imap.password).await;
    let mut session = session.map_err(|_| "the name and password were refused".to_owned())?;
    let seen = mails(&mut session, imap, judge).await.map_err(|e| format!("reading: {e}"));
    // politeness only: what was done is done
    drop(session.logout().await);
    seen
}

async fn mails<S, F>(session: &mut Session<S>, imap: &Imap, judge: &impl Fn(Vec<u8>) -> F) -> Result<usize, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug,
    F: Future<Output = Result<Keep, String>>,
{
    let words = |e: async_imap::error::Error| e.to_string();
    session.select(&imap.folder).await.map_err(words)?;
    let mut unseen: Vec<u32> = session.uid_search("UNSEEN").await.map_err(words)?.into_iter().collect();
    unseen.sort_unstable();
    unseen.truncate(AT_ONCE);
    for uid in &unseen {
        let fetched: Vec<_> = {
            let stream = session.uid_fetch(uid.to_string(), "(BODY.PEEK[])").await.map_err(words)?;
            stream.try_collect().await.map_err(words)?
        };
        let body = fetched.first().and_then(|mail| mail.body()).unwrap_or_default().to_vec();
        let flags = match judge(body).await? {
            Keep::Remove => "+FLAGS.SILENT (\\Seen \\Deleted)",
            Keep::Leave => "+FLAGS.SILENT (\\Seen)",
        };
        let stored: Vec<_> = {
            let stream = session.uid_store(uid.to_string(), flags).await.map_err(words)?;
            stream.try_collect().await.map_err(words)?
        };
        drop(stored);
    }
    let gone: Vec<_> = session.expunge().await.map_err(words)?.try_collect().await.map_err(words)?;
    drop(gone);
    Ok(unseen.len())
}
