//! TLS to PostgreSQL. Our libpq is built without TLS, so that a build needs no OpenSSL. libpq connects to a socket of
//! our own in a private folder, and from there the connection goes to the server by TLS (rustls), always with a check
//! of its certificate and name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::Url;

/// A server must answer and prove itself within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// PostgreSQL, "Message Formats": SSLRequest.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// AuthenticationSASL, in a message of the kind R.
const SASL: [u8; 4] = [0, 0, 0, 10];
/// A way to sign in that is bound to the TLS connection, which libpq does not see.
const WITH_BINDING: &[u8] = b"SCRAM-SHA-256-PLUS";
/// No message of the server before signing in is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Characters that need no escaping in a parameter of an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Whether an address leads to this machine.
fn is_local(host: &str) -> bool {
    host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A way to a server by TLS. It opens at its first use, and closes when it is dropped.
pub struct Tunnel {
    target: Arc<Target>,
    /// the address as it is written, without the parameters that are read here
    url: Url,
    parameters: Vec<(String, String)>,
    open: OnceLock<Result<Open, String>>,
}

struct Target {
    /// name or number to connect to
    host: String,
    port: u16,
    /// the name that its certificate must have
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

struct Open {
    folder: tempfile::TempDir,
    _ends: oneshot::Sender<()>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} by TLS", self.target.host, self.target.port)
    }
}

impl PartialEq for Tunnel {
    fn eq(&self, other: &Tunnel) -> bool {
        self.url == other.url && self.parameters == other.parameters
    }
}
impl Eq for Tunnel {}

/// Whether the parameters of an address ask for TLS.
fn mode(parameters: &[(String, String)], local: bool) -> Result<bool, String> {
    let named = |name: &str| parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if let Some((key, _)) = parameters.iter().find(|(key, _)| key.starts_with("ssl") && !OURS.contains(&key.as_str())) {
        return Err(format!("{key} is not known here: remove it; Postern checks the server's certificate and name"));
    }
    if named("channel_binding") == Some("require") {
        return Err("channel_binding=require cannot be kept: remove it".to_owned());
    }
    match named("sslmode") {
        None => Ok(!local),
        // the certificate and the name are checked in each of these modes
        Some("require" | "verify-ca" | "verify-full") => Ok(true),
        Some("disable" | "allow" | "prefer") if local => Ok(false),
        Some(mode @ ("disable" | "allow" | "prefer")) => Err(format!(
            "sslmode={mode} would speak in clear text to another machine: write sslmode=verify-full, or nothing"
        )),
        Some(_) => Err("sslmode is not one of libpq's: write sslmode=verify-full, or nothing".to_owned()),
    }
}

/// Parameters that are read here.
const OURS: [&str; 2] = ["sslmode", "sslrootcert"];

impl Tunnel {
    /// The tunnel that this address needs; `None` where it leads to this machine and asks for none. `authority`: the PEM file's
    /// certificate authorities to trust in place of the public ones.
    ///
    /// # Errors
    /// What is wrong with the address, without anything of it that may be secret.
    pub fn wanted(address: &str, authority: Option<&[u8]>) -> Result<Option<Tunnel>, String> {
        let fix =
            "write postgres://USER:PASSWORD@HOST/DATABASE, with % and two digits for signs as # or @ in a password";
        let url = Url::parse(address).map_err(|cause| format!("is not an address ({cause}): {fix}"))?;
        if url.fragment().is_some() {
            return Err(format!("has a # in it: {fix}"));
        }
        let all: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let named = |name: &str| all.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let written = percent_decode_str(url.host_str().unwrap_or_default()).decode_utf8_lossy().into_owned();
        let host = named("host").unwrap_or(written);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let reached = named("hostaddr").unwrap_or_else(|| host.clone());
        if reached.contains(',') {
            return Err("names several hosts: name one".to_owned());
        }
        // without a host libpq would look in the environment
        if reached.is_empty() {
            return Err("names no host: write one, or ?host=/run/postgresql for a socket of this machine".to_owned());
        }
        if !mode(&all, is_local(&reached))? {
            return Ok(None);
        }
        if reached.starts_with('/') {
            return Err("asks for TLS through a socket of this machine: remove sslmode".to_owned());
        }
        let name = if host.is_empty() { reached.clone() } else { host };
        let name = ServerName::try_from(name).map_err(|_| format!("has no host that a certificate can name: {fix}"))?;
        let port = match named("port") {
            Some(port) => port.parse().map_err(|_| "has a port that is no number".to_owned())?,
            None => url.port().unwrap_or(5432),
        };
        let roots = match (authority, named("sslrootcert").filter(|path| path != "system")) {
            (Some(pem), _) => certificates(pem).map_err(|cause| format!("database_ca_file {cause}"))?,
            (None, Some(path)) => {
                let pem = std::fs::read(Path::new(&path)).map_err(|e| format!("sslrootcert cannot be read: {e}"))?;
                certificates(&pem).map_err(|cause| format!("sslrootcert {cause}"))?
            }
            (None, None) => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        };
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|cause| format!("TLS cannot be had: {cause}"))?;
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        const INSIDE: [&str; 5] = ["host", "hostaddr", "port", "sslmode", "sslrootcert"];
        let parameters = all.into_iter().filter(|(key, _)| !INSIDE.contains(&key.as_str())).collect();
        let target = Arc::new(Target { host: reached, port, name, config });
        Ok(Some(Tunnel { target, url, parameters, open: OnceLock::new() }))
    }

    /// The address for libpq: it leads through the tunnel.
    ///
    /// # Errors
    /// Where its socket cannot be made.
    pub fn address(&self) -> Result<String, String> {
        let open = self.open.get_or_init(|| self.begin().map_err(|cause| format!("TLS to PostgreSQL: {cause}")));
        let open = open.as_ref().map_err(String::clone)?;
        let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let user = match (self.url.username(), self.url.password()) {
            ("", _) => String::new(),
            (user, None) => format!("{user}@"),
            (user, Some(password)) => format!("{user}:{password}@"),
        };
        let mut address = format!(
            "postgres://{user}{}?host={}&port=5432&sslmode=disable",
            self.url.path(),
            encoded(&open.folder.path().to_string_lossy())
        );
        for (key, value) in &self.parameters {
            address.push_str(&format!("&{}={}", encoded(key), encoded(value)));
        }
        Ok(address)
    }

    fn begin(&self) -> std::io::Result<Open> {
        // only its owner can enter the folder
        let folder = tempfile::Builder::new().prefix("postern-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432"))?;
        listener.set_nonblocking(true)?;
        let (ends, ended) = oneshot::channel();
        let target = self.target.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    done = serve(target, listener) => drop(done),
                    _ = ended => {}
                }
            });
        };
        std::thread::Builder::new().name("postgres-tls".into()).spawn(serve)?;
        Ok(Open { folder, _ends: ends })
    }
}

fn certificates(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(pem) {
        let one = one.map_err(|_| "is no PEM file".to_owned())?;
        roots.add(one).map_err(|cause| format!("holds a certificate that cannot be used: {cause}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

async fn serve(target: Arc<Target>, listener: UnixListener) -> std::io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(carry(target.clone(), client))),
            // too many files are open; some will be closed
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// One connection of libpq, until either side ends it.
async fn carry(target: Arc<Target>, client: UnixStream) {
    let server = match tokio::time::timeout(PATIENCE, target.connect()).await {
        Ok(Ok(server)) => server,
        Ok(Err(cause)) => return refuse(client, &cause).await,
        Err(_) => return refuse(client, "the server does not answer").await,
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        without_binding(&mut from_server, &mut to_client).await?;
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    // when either side ends the connection, the other direction ends too: nobody reads it any more
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
}

impl Target {
    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let reach = TcpStream::connect((self.host.as_str(), self.port)).await;
        let mut tcp = reach.map_err(|cause| format!("the server cannot be reached: {cause}"))?;
        let broke = |cause: std::io::Error| format!("the server broke off: {cause}");
        tcp.set_nodelay(true).map_err(broke)?;
        tcp.write_all(&SSL_REQUEST).await.map_err(broke)?;
        // only one byte is read: bytes that a third party puts behind it are then read as TLS, and fail
        let mut answer = [0];
        tcp.read_exact(&mut answer).await.map_err(broke)?;
        if answer != *b"S" {
            return Err("the server offers no TLS, and nothing is sent in clear: set ssl = on there".to_owned());
        }
        let connector = TlsConnector::from(self.config.clone());
        let secure = connector.connect(self.name.clone(), tcp).await;
        secure.map_err(|cause| format!("the server does not prove who it is: {cause}"))
    }
}

/// Passes on the server's messages until it asks for a sign-in, and leaves out the way that is bound to TLS: libpq
/// takes such an offer on a connection without TLS for an attack.
async fn without_binding(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head).await?;
        let [kind, length @ ..] = head;
        let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        if length > LONGEST {
            return client.write_all(&head).await;
        }
        let mut body = vec![0; length];
        server.read_exact(&mut body).await?;
        if kind == b'R' && body.starts_with(&SASL) {
            body = offered_without_binding(&body);
        }
        client.write_all(&[kind]).await?;
        client.write_all(&(body.len() as u32 + 4).to_be_bytes()).await?;
        client.write_all(&body).await?;
        client.flush().await?;
        // other messages may come first: an older server negotiates the protocol
        if kind == b'R' || kind == b'E' {
            return Ok(());
        }
    }
}

fn offered_without_binding(body: &[u8]) -> Vec<u8> {
    let (kind, names) = body.split_at_checked(SASL.len()).unwrap_or((body, &[]));
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && *name != WITH_BINDING);
    let mut kept = kind.to_vec();
    for name in names {
        kept.extend(name);
        kept.push(0);
    }
    kept.push(0);
    kept
}

/// Tells libpq in its own protocol why the server cannot be reached.
async fn refuse(mut client: UnixStream, words: &str) {
    let mut fields = Vec::new();
    for (kind, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "08001"), (b'M', words)] {
        fields.push(kind);
        fields.extend(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let mut message = vec![b'E'];
    message.extend((fields.len() as u32 + 4).to_be_bytes());
    message.extend(fields);
    let tell = async {
        // libpq's first message is read first: closing a socket with unread bytes would also lose our answer
        let mut length = [0; 4];
        client.read_exact(&mut length).await?;
        let mut rest = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4).min(LONGEST)];
        client.read_exact(&mut rest).await?;
        client.write_all(&message).await?;
        client.shutdown().await
    };
    let _ = tokio::time::timeout(PATIENCE, tell).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_that_binds_to_tls_is_left_out() {
        let offered = |names: &[&str]| {
            let mut body = SASL.to_vec();
            names.iter().for_each(|name| body.extend([name.as_bytes(), b"\0"].concat()));
            body.push(0);
            body
        };
        let plain = offered(&["SCRAM-SHA-256"]);
        assert_eq!(offered_without_binding(&offered(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])), plain);
        assert_eq!(offered_without_binding(&plain), plain);
    }

    #[test]
    fn an_address_says_whether_it_needs_tls() {
        let wanted = |address: &str| Tunnel::wanted(address, None).map(|tunnel| tunnel.map(|t| format!("{t:?}")));
        for plain in [
            "postgres://u:p@localhost/d",
            "postgres://u:p@127.0.0.1:5433/d",
            "postgres://u:p@[::1]/d",
            "postgres:///d?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/d",
            "postgres://localhost/d?sslmode=disable",
            "postgres://localhost/d?sslmode=prefer",
        ] {
            assert_eq!(wanted(plain), Ok(None), "{plain}");
        }
        for (secure, to) in [
            ("postgres://u:p@db.example.org/d", "db.example.org:5432"),
            ("postgresql://u:p@db.example.org:6432/d?sslmode=require", "db.example.org:6432"),
            ("postgres://u:p@localhost/d?sslmode=verify-full", "localhost:5432"),
            ("postgres:///d?host=db.example.org&port=6000&sslmode=verify-ca", "db.example.org:6000"),
            ("postgres://db.example.org/d?hostaddr=10.0.0.7", "10.0.0.7:5432"),
        ] {
            assert_eq!(wanted(secure), Ok(Some(format!("{to} by TLS"))), "{secure}");
        }
        for (refused, word) in [
            ("postgres://db.example.org/d?sslmode=disable", "clear text"),
            ("postgres://db.example.org/d?sslmode=allow", "clear text"),
            ("postgres://db.example.org/d?sslmode=prefer", "clear text"),
            ("postgres://localhost/d?hostaddr=10.0.0.7&sslmode=disable", "clear text"),
            ("postgres://localhost/d?sslmode=maybe", "sslmode"),
            ("postgres://db.example.org/d?sslcert=/x", "sslcert"),
            ("postgres://db.example.org/d?sslkey=/x", "sslkey"),
            ("postgres://db.example.org/d?channel_binding=require", "channel_binding"),
            ("postgres://db.example.org/d?sslrootcert=/nowhere.pem", "sslrootcert"),
            ("postgres:///d", "names no host"),
            ("postgres:///d?host=a,b", "several hosts"),
            ("postgres:///d?host=/run/postgresql&sslmode=require", "remove sslmode"),
            ("postgres://u:se#cret@db.example.org/d", "USER:PASSWORD"),
        ] {
            let said = wanted(refused).unwrap_err();
            assert!(said.contains(word) && !said.contains("cret"), "{refused}: {said}");
        }
    }
}
