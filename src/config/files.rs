//! What the configuration says of files: where they are kept, under which key, and what may be attached.

use super::Source;
use crate::db::SecretKey;
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, parse_pem};
use url::Url;

/// A bucket that holds files, of any server that speaks S3.
#[derive(Clone)]
pub struct Bucket {
    /// where the server is, without the bucket's name
    pub endpoint: Url,
    /// the bucket
    pub name: String,
    /// its region
    pub region: String,
    /// name of the account's key
    pub access_key: String,
    /// the key
    pub secret_key: String,
    /// the bucket's name stands in the path, and not before the host's
    pub path_style: bool,
    /// certificate authorities to trust in place of the public ones; none: those
    pub authorities: Vec<Certificate<'static>>,
}

/// The virus scanner.
#[derive(Clone)]
pub struct Clamd {
    /// where it listens
    pub address: ClamdAddress,
    /// limit for one file
    pub timeout: std::time::Duration,
    /// the largest file that it takes, in bytes
    pub largest: u64,
    /// somebody sees their upload's progress stand still for so long at most; then the worker has the file scanned
    pub patience: std::time::Duration,
}

/// Where a clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClamdAddress {
    /// host and port
    Tcp(String, u16),
    /// a socket on this machine
    Unix(PathBuf),
}

impl ClamdAddress {
    /// Reads `host:port`, or the path of a socket.
    pub fn parse(text: &str) -> Option<ClamdAddress> {
        if text.starts_with('/') {
            return Some(ClamdAddress::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty() && !host.contains('/')).then(|| ClamdAddress::Tcp(host.to_owned(), port))
    }
}

/// Where new files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepIn {
    /// to the folder
    Folder,
    /// to the bucket
    Bucket,
}

impl KeepIn {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeepIn::Folder => "folder",
            KeepIn::Bucket => "bucket",
        }
    }
}

impl std::str::FromStr for KeepIn {
    type Err = String;
    fn from_str(word: &str) -> Result<KeepIn, String> {
        let found = [KeepIn::Folder, KeepIn::Bucket].into_iter().find(|one| one.as_str() == word);
        found.ok_or_else(|| "write folder or bucket".to_owned())
    }
}

/// Files: where they are kept, and what is taken.
#[derive(Clone)]
pub struct Files {
    /// the folder that holds them; with a bucket, where uploads wait on their way to it
    pub folder: PathBuf,
    /// the bucket that holds them; `None`: the folder does
    pub bucket: Option<Bucket>,
    /// where new files go; what already lies in the other of the two is read from there
    pub keep_in: KeepIn,
    /// looks for viruses; `None`: nobody does
    pub scanner: Option<Clamd>,
    /// encrypts what is written; `None`: files lie in clear
    pub key: Option<SecretKey>,
    /// the file that holds it; `None`: the configuration does
    pub key_file: Option<PathBuf>,
    /// keys used before
    pub old_keys: Vec<SecretKey>,
    /// limit for one file, in bytes
    pub largest_file: u64,
    /// limit for all files of one message, in bytes
    pub largest_message: u64,
    /// endings of the names of files that may be attached, in lower case without the point
    pub types: Vec<String>,
    /// the program that reads PDFs by its command `read-words`; `None`: the running one
    pub reader: Option<PathBuf>,
}

/// What may be attached where the configuration does not say.
pub const TYPES: &str = "pdf png jpg jpeg jfif gif webp heic heif tif tiff bmp doc docx xls xlsx ppt pptx odt ods odp rtf txt csv \
                         mp3 m4a aac wav ogg flac mp4";

const MB: u64 = 1 << 20;

impl Files {
    /// Every key that is known.
    pub fn keys(&self) -> Vec<SecretKey> {
        self.key.iter().chain(&self.old_keys).cloned().collect()
    }

    /// The defaults, in this folder: for the demo and for tests.
    pub fn in_folder(folder: PathBuf) -> Files {
        let types = TYPES.split(' ').map(str::to_owned).collect();
        Files {
            folder,
            bucket: None,
            keep_in: KeepIn::Bucket,
            scanner: None,
            key: None,
            key_file: None,
            old_keys: Vec::new(),
            largest_file: 25 * MB,
            largest_message: 100 * MB,
            types,
            reader: None,
        }
    }
}

impl Source {
    pub(super) fn files(&mut self) -> Option<Files> {
        self.required("storage.folder", "/var/lib/postern/files");
        let folder = self.text("storage.folder").map(PathBuf::from);
        let bucket = self.bucket("storage");
        let keep_in = self.parsed("storage.keep_in", "write folder or bucket", |word| word.parse().ok());
        if bucket.is_none() && keep_in.is_some() {
            self.faults.push("storage.keep_in: needs storage.bucket, the other place".to_owned());
        }
        let scanner = self.clamd();
        let key_file = self.text("storage.key_file").map(|name| self.credential(&name));
        let key = match &key_file {
            Some(path) => self.key_in(path),
            None => self.secret_key("storage.key", self.text("storage.key")),
        };
        let olds = self.text("storage.old_keys").unwrap_or_default();
        let old_keys: Vec<_> = olds
            .split([',', ' '])
            .filter(|old| !old.is_empty())
            .filter_map(|old| self.secret_key("storage.old_keys", Some(old.to_owned())))
            .collect();
        let largest_file = self.megabytes("attachments.largest_file_mb");
        let largest_message = self.megabytes("attachments.largest_message_mb");
        if largest_file > largest_message {
            let fix = "write at least attachments.largest_file_mb";
            self.faults.push(format!("attachments.largest_message_mb: is less than one file may have: {fix}"));
        }
        let types = self.text("attachments.types").unwrap_or_default();
        let words = types.split([',', ' ']).map(|word| word.trim_start_matches('.').to_ascii_lowercase());
        let types = words.filter(|word| !word.is_empty()).collect();
        Some(Files {
            folder: folder?,
            bucket,
            keep_in: keep_in.unwrap_or(KeepIn::Bucket),
            scanner,
            key,
            key_file,
            old_keys,
            largest_file: largest_file?,
            largest_message: largest_message?,
            types,
            reader: None,
        })
    }

    /// The file of this name: without a folder, where there is one of these, systemd's credential.
    pub(super) fn credential(&self, name: &str) -> PathBuf {
        let credential = self.credentials.as_ref().filter(|_| !name.contains('/')).map(|folder| folder.join(name));
        credential.filter(|path| path.exists()).unwrap_or_else(|| name.into())
    }

    /// The key in a file.
    fn key_in(&mut self, path: &Path) -> Option<SecretKey> {
        if self.text("storage.key").is_some() {
            self.faults.push("storage.key_file: storage.key is there too: keep one of them".to_owned());
        }
        match std::fs::read_to_string(path) {
            Ok(text) => self.secret_key("storage.key_file", Some(text)),
            Err(cause) => {
                let fix = "name a file that holds 32 bytes in base64";
                self.faults.push(format!("storage.key_file: {:?} cannot be read: {cause}: {fix}", path.display()));
                None
            }
        }
    }

    /// A number of megabytes, in bytes.
    fn megabytes(&mut self, key: &str) -> Option<u64> {
        let read = |text: &str| text.parse::<u64>().ok().filter(|mb| (1..=4096).contains(mb));
        self.parsed(key, "write a number of megabytes from 1 to 4096", read).map(|mb| mb * MB)
    }

    fn clamd(&mut self) -> Option<Clamd> {
        let fix = "write a host and a port, as 127.0.0.1:3310, or the path of a socket, as /run/clamav/clamd.ctl";
        let (timeout, largest) = (self.timeout("clamd.timeout_seconds"), self.megabytes("clamd.largest_mb"));
        let address = self.parsed("clamd.address", fix, ClamdAddress::parse)?;
        let patience = std::time::Duration::from_secs(10);
        Some(Clamd { address, timeout: timeout?, largest: largest?, patience })
    }

    /// A bucket, by keys that begin with this word; its other keys are asked for only where it is named.
    pub(super) fn bucket(&mut self, of: &str) -> Option<Bucket> {
        let key = |name: &str| format!("{of}.{name}");
        let Some(name) = self.text(&key("bucket")) else {
            let beside = ["endpoint", "access_key", "secret_key", "ca_file"].map(key);
            for key in beside.into_iter().filter(|key| self.text(key).is_some()).collect::<Vec<_>>() {
                self.faults.push(format!("{key}: needs {of}.bucket: name the bucket, or remove {key}"));
            }
            return None;
        };
        if !is_bucket_name(&name) {
            let fix = "write 3 to 63 small letters, digits, dashes and points";
            self.faults.push(format!("{of}.bucket: {name:?} is not valid: {fix}"));
        }
        self.required(&key("endpoint"), "https://s3.ca-central-1.amazonaws.com");
        let endpoint = self.parsed(&key("endpoint"), super::SERVER_URL_FIX, super::server_url);
        let region = self.text(&key("region"));
        let access_key = self.required(&key("access_key"), "the name of the account's key");
        let secret_key = self.required(&key("secret_key"), "the key itself");
        let path_style = self.flag(&key("path_style"));
        let authorities = self.authorities(&key("ca_file"));
        Some(Bucket {
            endpoint: endpoint?,
            name,
            region: region?,
            access_key: access_key?,
            secret_key: secret_key?,
            path_style: path_style?,
            authorities,
        })
    }

    /// The certificates in a PEM file.
    pub(super) fn authorities(&mut self, key: &str) -> Vec<Certificate<'static>> {
        let Some(pem) = self.pem(key) else { return Vec::new() };
        let certificates = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(one)) => Some(one),
            _ => None,
        });
        let certificates: Vec<_> = certificates.collect();
        if certificates.is_empty() {
            self.faults.push(format!("{key}: holds no PEM certificate: name another file"));
        }
        certificates
    }
}

/// As S3 wants them (Amazon: "General purpose bucket naming rules"); nothing that changes the meaning of an address.
fn is_bucket_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().last().is_some_and(plain);
    ends && (3..=63).contains(&name.len()) && name.bytes().all(|b| plain(b) || b == b'-' || b == b'.')
}
