//! A bucket of a server that speaks S3. `rusty-s3` signs the addresses (AWS Signature Version 4), `ureq` calls them, on
//! blocking threads. Names are flat, random and never used twice, so no request needs a condition; only a backup lists
//! them.

use super::blob_store::{BlobStore, Ready};
use super::mirror::Object;
use crate::config;
use data_encoding::BASE64;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket as Signer, Credentials, S3Action, UrlStyle};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// How long a signed address is valid: it is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// How long a server may send or take nothing before it counts as unreachable.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a server may take to begin its answer: it may be writing the whole file to its disks.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a call is tried in all, and the pause before the second try; later pauses are longer.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(150);

/// A bucket, cheap to clone.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    signer: Signer,
    credentials: Credentials,
    agent: Agent,
}

impl Bucket {
    /// Nothing is sent to the server: it may start after this program.
    pub fn new(config: &config::Bucket) -> io::Result<Bucket> {
        let style = if config.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let signer = Signer::new(config.endpoint.clone(), style, config.name.clone(), config.region.clone());
        let signer = signer.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))?;
        let credentials = Credentials::new(&config.access_key, &config.secret_key);
        // a private server may have a certificate authority of its own
        let trusted = match &config.authorities[..] {
            [] => RootCerts::WebPki,
            own => RootCerts::new_with_certs(own),
        };
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(trusted).build())
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_per_write(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_recv_response(Some(ANSWER))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(Duration::from_secs(10))
            .proxy(None)
            .user_agent("Postern")
            .build();
        Ok(Bucket(Arc::new(Inner { signer, credentials, agent: Agent::new_with_config(agent) })))
    }

    /// Makes a call, and repeats it where the server did not answer or said that it cannot now.
    fn call(&self, mut once: impl FnMut(&Inner) -> Result<Response<Body>, ureq::Error>) -> io::Result<Response<Body>> {
        let mut tries = 0;
        loop {
            let failed = match once(&self.0).map_err(away).and_then(judged) {
                Err(cause) if cause.kind() == io::ErrorKind::HostUnreachable => cause,
                judged => return judged,
            };
            tries += 1;
            if tries == TRIES {
                return Err(failed);
            }
            std::thread::sleep(PAUSE * tries);
        }
    }

    fn open(&self, name: &str, range: &Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = self.call(|inner| {
            let address = inner.signer.get_object(Some(&inner.credentials), name).sign(SIGNED_FOR);
            inner.agent.get(address.as_str()).header("range", &wanted).call()
        })?;
        // a server without ranges answers with the beginning of the file
        if answer.status() != 206 {
            return Err(io::Error::other("the bucket's server did not answer with the range that was asked for"));
        }
        Ok(Box::new(answer.into_body().into_reader()))
    }
}

/// The most objects in one list of a server.
const LISTED: usize = 1000;
/// The most bytes of such a list, with the longest names.
const LIST_BYTES: u64 = 4 << 20;

impl Bucket {
    /// Stores a file with this hash.
    pub fn put_file(&self, file: &mut File, sha256: &[u8], name: &str) -> io::Result<()> {
        let (header, sha256) = ("x-amz-checksum-sha256", BASE64.encode(sha256));
        self.call(|inner| {
            file.rewind()?;
            let mut action = inner.signer.put_object(Some(&inner.credentials), name);
            action.headers_mut().insert(header, sha256.as_str());
            inner.agent.put(action.sign(SIGNED_FOR).as_str()).header(header, &sha256).send(&*file)
        })
        .map(drop)
    }

    /// All objects, by their names.
    pub fn list(&self) -> io::Result<HashMap<String, Object>> {
        let (mut all, mut from) = (HashMap::new(), None::<String>);
        loop {
            let mut answer = self.call(|inner| {
                let mut action = inner.signer.list_objects_v2(Some(&inner.credentials));
                action.with_max_keys(LISTED);
                if let Some(token) = &from {
                    action.with_continuation_token(token.clone());
                }
                inner.agent.get(action.sign(SIGNED_FOR).as_str()).call()
            })?;
            let text = answer.body_mut().with_config().limit(LIST_BYTES).read_to_string().map_err(away)?;
            let told = ListObjectsV2::parse_response(&text)
                .map_err(|_| io::Error::other("the bucket's server gave a list that cannot be read"))?;
            all.extend(told.contents.into_iter().map(|object| {
                let came_at = object.last_modified.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
                (object.key, Object { size: object.size.unwrap_or_default(), came_at })
            }));
            let next = told.next_continuation_token;
            if next.is_none() || next == from {
                return Ok(all);
            }
            from = next;
        }
    }
}

impl BlobStore for Bucket {
    /// The server compares the file with the hash, and answers when it is stored durably.
    fn put(&self, mut ready: Ready, name: &str) -> io::Result<()> {
        self.put_file(ready.file.as_file_mut(), &ready.sha256, name)
    }

    fn get(&self, name: &str, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        if range.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let source = self.open(name, &range)?;
        Ok(Box::new(Download { bucket: self.clone(), name: name.to_owned(), left: range, source, went_on: true }))
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        let head = self.call(|inner| {
            let address = inner.signer.head_object(Some(&inner.credentials), name).sign(SIGNED_FOR);
            inner.agent.head(address.as_str()).call()
        });
        match head {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|_| true),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.call(|inner| {
            let address = inner.signer.delete_object(Some(&inner.credentials), name).sign(SIGNED_FOR);
            inner.agent.delete(address.as_str()).call()
        });
        match removed {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    fn check(&self) -> io::Result<()> {
        let head = self.call(|inner| {
            let address = inner.signer.head_bucket(Some(&inner.credentials)).sign(SIGNED_FOR);
            inner.agent.head(address.as_str()).call()
        });
        head.map(drop).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => io::Error::other("the bucket's server knows no bucket of this name"),
            _ => cause,
        })
    }
}

/// One that is being read. A reader may be slow, on a patient's phone, and the server impatient: where the
/// connection was lost it goes on from there, as long as each new one brings something.
struct Download {
    bucket: Bucket,
    name: String,
    left: Range<u64>,
    source: Box<dyn Read + Send>,
    went_on: bool,
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.left.is_empty() || into.is_empty() {
                return Ok(0);
            }
            let cause = match self.source.read(into) {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(count) => {
                    self.left.start += count as u64;
                    self.went_on = true;
                    return Ok(count);
                }
                Err(cause) => cause,
            };
            if !std::mem::take(&mut self.went_on) {
                return Err(cause);
            }
            self.source = self.bucket.open(&self.name, &self.left)?;
        }
    }
}

/// The error names no address, which contains a signature.
fn away(cause: ureq::Error) -> io::Error {
    let what = match cause {
        ureq::Error::Timeout(_) => "the bucket's server did not answer in time",
        ureq::Error::Io(cause) if cause.kind() != io::ErrorKind::TimedOut => {
            return io::Error::new(io::ErrorKind::HostUnreachable, format!("the bucket's server: {cause}"));
        }
        ureq::Error::HostNotFound => "the bucket's server is not known by its name",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "the bucket's server has no certificate that can be trusted",
        _ => "the bucket's server did not answer",
    };
    io::Error::new(io::ErrorKind::HostUnreachable, what)
}

fn judged(mut answer: Response<Body>) -> io::Result<Response<Body>> {
    let kind = match answer.status().as_u16() {
        200..=299 => return Ok(answer),
        404 => io::ErrorKind::NotFound,
        507 => io::ErrorKind::StorageFull,
        // S3 says "slow down" with 503, and answers 409 while another call works on the same object
        408 | 409 | 429 | 500..=599 => io::ErrorKind::HostUnreachable,
        403 => io::ErrorKind::PermissionDenied,
        // the object ends before what is asked for
        416 => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    };
    let status = answer.status().as_u16();
    // of <Error><Code>AccessDenied</Code>… only the code is kept: the rest repeats names and addresses
    let body = answer.body_mut().with_config().limit(16 * 1024).read_to_string().unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    // a missing bucket must not count as a missing file
    let kind = if code == "NoSuchBucket" { io::ErrorKind::Other } else { kind };
    Err(io::Error::new(kind, format!("the bucket's server answered {status} {code}").trim_end()))
}
