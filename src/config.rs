//! The configuration: `postern.toml`, then the environment. The only reader of either.
//!
//! A key such as `smtp.host` is `host` in the table `[smtp]` of the file and `POSTERN_SMTP_HOST` in the environment,
//! which wins. Every fault is one line that names the key, what is wrong, and what to write instead.

mod emr;
mod files;
mod keys;
mod mail;
mod oidc;
mod proxies;
mod texts;
mod traces;

pub use emr::{EmrSignIn, EmrSource};
pub use files::{Bucket, Clamd, ClamdAddress, Files, KeepIn, TYPES};
pub use keys::KEYS;
pub use mail::{Bounces, Imap, ImapTls, Smtp, Tls};
pub use oidc::{Oidc, ProviderStep, ROLE_WORDS};
pub use proxies::{Proxies, ProxyHeader};
pub use texts::{Kannel, Texts, TextsVia, Twilio, TwilioSender};

use crate::clock::Random;
use crate::db::sealed::Ring;
use crate::db::{DatabaseUrl, Keys, SecretKey};
use crate::traces::Collector;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// Backups that the worker makes.
#[derive(Clone)]
pub struct Backup {
    /// where to
    pub folder: PathBuf,
    /// how long after the last one
    pub every: time::Duration,
    /// the bucket into which they are copied; `None`: none
    pub bucket: Option<Bucket>,
}

/// How the lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// for people
    Text,
    /// for programs: an object of JSON a line
    Json,
}

impl LogFormat {
    fn parse(text: &str) -> Option<LogFormat> {
        match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
}

/// Everything `serve` needs to know, checked.
#[derive(Clone)]
pub struct Config {
    /// origin without a path, such as `https://messages.example.org`
    pub public_url: Url,
    /// where to listen
    pub listen: SocketAddr,
    /// the database
    pub database: DatabaseUrl,
    /// the proxies in front
    pub proxies: Proxies,
    /// whether HSTS holds for names below that of `public_url`
    pub hsts_subdomains: bool,
    /// where weaknesses are reported
    pub security_contact: Option<Url>,
    /// whether this process also works the outbox
    pub run_worker: bool,
    /// country calling code, digits only
    pub calling_code: String,
    /// tracing filter
    pub log: String,
    /// how its lines are written
    pub log_format: LogFormat,
    /// the collector of traces; `None`: there are none
    pub traces: Option<Collector>,
    /// `None` only in the demo and in tests, where mail goes elsewhere
    pub smtp: Option<Smtp>,
    /// attachments
    pub files: Files,
    /// what seals the audit log
    pub audit_key: Option<SecretKey>,
    /// where the seals of the audit log are told
    pub audit_heads: Option<PathBuf>,
    /// whether they are also told by a line in the program's log, each hour
    pub audit_seals_in_log: bool,
    /// whether they are also told to the owners by mail, each day
    pub audit_seals_by_mail: bool,
    /// backups that the worker makes by itself; `None`: none
    pub backup: Option<Backup>,
    /// `None` where no gateway is configured
    pub texts: Option<Texts>,
    /// `None` where returned mail is nobody's
    pub bounces: Option<Bounces>,
    /// where `/metrics` is; `None`: nowhere
    pub metrics_listen: Option<SocketAddr>,
    /// the identity provider at which users may sign in; `None`: there is none
    pub oidc: Option<Oidc>,
    /// the EMRs and laboratories that charts come from
    pub emr: Vec<EmrSource>,
}

impl Config {
    /// `https://host[:port]`, as browsers write it in `Origin`.
    pub fn origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// The secrets that writing to the database needs.
    pub fn keys(&self) -> Keys {
        let random = Random::system();
        let text = Ring::new(self.files.key.as_ref(), &self.files.old_keys, Arc::new(move || random.bytes()));
        Keys { audit: self.audit_key.clone().map(Arc::new), text: Arc::new(text) }
    }

    /// Whether cookies may and must be `Secure`.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Reads `file` (if given) and the variables, and checks every key.
    ///
    /// # Errors
    /// One line for each fault.
    pub fn load(file: Option<&Path>, vars: impl Iterator<Item = (String, String)>) -> Result<Config, Vec<String>> {
        let mut values = match file {
            Some(path) => read_file(path).map_err(|line| vec![line])?,
            None => BTreeMap::new(),
        };
        let mut source = Source { faults: unknown_keys(&values), values: BTreeMap::new(), credentials: None };
        for (name, value) in vars {
            if name == "CREDENTIALS_DIRECTORY" {
                source.credentials = Some(value.into());
                continue;
            }
            match variable_key(&name) {
                Some(Ok(key)) => drop(values.insert(key, value)),
                Some(Err(fault)) => source.faults.push(fault),
                None => {}
            }
        }
        source.values = values;
        source.config()
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: cannot be read: {e}: check --config"))?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|e| format!("{shown}: is not TOML: {}: see the README's table of keys", e.message()))?;
    let mut flat = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                flat.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), plain(value))));
            }
            // [[emr]]: the keys of the first are those of a single one
            toml::Value::Array(all) if key == "emr" && all.iter().all(toml::Value::is_table) => {
                flat.extend(emr::numbered(all).map(|(name, value)| (name, plain(value))));
            }
            value => drop(flat.insert(key, plain(value))),
        }
    }
    Ok(flat)
}

fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn is_known(key: &str) -> bool {
    let key = emr::general(key);
    KEYS.iter().any(|(name, ..)| *name == key)
}

fn unknown_keys(values: &BTreeMap<String, String>) -> Vec<String> {
    let unknown = values.keys().filter(|key| !is_known(key));
    unknown.map(|key| format!("{key}: is not a key of Postern: remove it, or see the README's table")).collect()
}

/// The key that a variable sets; `None` where the variable is not ours.
fn variable_key(name: &str) -> Option<Result<String, String>> {
    let rest = name.strip_prefix("POSTERN_")?;
    // read elsewhere: the path of the file, and what the test command hands to the tests
    if rest == "CONFIG" || rest.starts_with("TEST_") {
        return None;
    }
    let known = KEYS.iter().find(|(key, ..)| key.replace('.', "_").to_uppercase() == rest);
    Some(match known {
        Some((key, ..)) => Ok((*key).to_owned()),
        None => Err(format!("{name}: is not a variable of Postern: remove it, or see the README's table")),
    })
}

struct Source {
    values: BTreeMap<String, String>,
    faults: Vec<String>,
    /// the folder in which systemd puts what it is told to keep secret
    credentials: Option<PathBuf>,
}

impl Source {
    fn text(&self, key: &str) -> Option<String> {
        let general = emr::general(key);
        let default = KEYS.iter().find(|(name, ..)| *name == general).map(|(_, default, _)| (*default).to_owned());
        self.values.get(key).cloned().or(default).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    fn required(&mut self, key: &str, example: &str) -> Option<String> {
        let value = self.text(key);
        if value.is_none() {
            self.faults.push(format!("{key}: is missing: write for example {key} = \"{example}\""));
        }
        value
    }

    /// The value as `read` takes it; a fault names the value unless it is a secret.
    fn parsed<T>(&mut self, key: &str, fix: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let value = read(&text);
        if value.is_none() {
            self.faults.push(format!("{key}: {text:?} is not valid: {fix}"));
        }
        value
    }

    /// A key; a fault does not repeat what was written.
    fn secret_key(&mut self, name: &str, text: Option<String>) -> Option<SecretKey> {
        let key = SecretKey::parse(&text?);
        if key.is_none() {
            let fix = "write 32 bytes in base64, as `openssl rand -base64 32` makes them";
            self.faults.push(format!("{name}: is not a key: {fix}"));
        }
        key
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, "write true or false", |v| v.parse().ok())
    }

    fn config(mut self) -> Result<Config, Vec<String>> {
        self.required("public_url", "https://messages.example.org");
        let public_url = self.parsed("public_url", PUBLIC_URL_FIX, public_url);
        let listen = self.parsed("listen", "write an address and a port, as 127.0.0.1:8080", |v| v.parse().ok());
        let database = self.database();
        let proxies = self.proxies();
        let hsts_subdomains = self.flag("hsts_subdomains");
        let contact_fix = "write mailto:security@example.org or an https address";
        let security_contact = self.parsed("security_contact", contact_fix, |v| {
            Url::parse(v).ok().filter(|url| matches!(url.scheme(), "mailto" | "https"))
        });
        let run_worker = self.flag("run_worker");
        let code_fix = "write the digits after the plus, as 1 or 33";
        let calling_code = self.parsed("calling_code", code_fix, |v| {
            let digits = v.trim_start_matches('+');
            ((1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.to_owned())
        });
        let log_fix = "write error, warn, info or debug";
        let log = self
            .parsed("log", log_fix, |v| v.parse::<tracing_subscriber::filter::EnvFilter>().ok().map(|_| v.to_owned()));
        let log_format = self.parsed("log_format", "write text or json", LogFormat::parse);
        let traces = self.traces();
        let smtp = self.smtp();
        let files = self.files();
        let audit_key = self.secret_key("audit.key", self.text("audit.key"));
        let audit_heads = self.text("audit.heads_file").map(PathBuf::from);
        let audit_seals_in_log = self.flag("audit.seals_in_log");
        let audit_seals_by_mail = self.flag("audit.seals_by_mail");
        let told = [
            ("audit.heads_file", audit_heads.is_some()),
            ("audit.seals_in_log", audit_seals_in_log == Some(true)),
            ("audit.seals_by_mail", audit_seals_by_mail == Some(true)),
        ];
        if self.text("audit.key").is_none() {
            for (key, _) in told.iter().filter(|(_, is_wanted)| *is_wanted) {
                self.faults.push(format!("{key}: needs audit.key, which seals what is told there"));
            }
        }
        let hours = |text: &str| text.parse::<i64>().ok().filter(|hours| (1..=168).contains(hours));
        let every = self.parsed("backup.every_hours", "write a number of hours from 1 to 168", hours);
        let bucket = self.bucket("backup");
        let stored = files.as_ref().and_then(|files| files.bucket.as_ref());
        // also at another address: a server may have two
        if bucket.as_ref().zip(stored).is_some_and(|(one, other)| one.name == other.name) {
            self.faults.push("backup.bucket: has the name of storage.bucket: name another one".to_owned());
        }
        if bucket.is_some() && self.text("backup.folder").is_none() {
            self.faults.push("backup.bucket: needs backup.folder, from which it is filled".to_owned());
        }
        let backup = self.text("backup.folder").zip(every).map(|(folder, every)| Backup {
            folder: folder.into(),
            every: time::Duration::hours(every),
            bucket,
        });
        let texts = self.texts();
        let bounces = self.bounces();
        let oidc = self.oidc();
        let emr = self.emr();
        let metrics_listen =
            self.parsed("metrics_listen", "write an address and a port, as 127.0.0.1:9090", |v| v.parse().ok());
        let config = (|| {
            Some(Config {
                public_url: public_url?,
                listen: listen?,
                database: database?,
                proxies: proxies?,
                hsts_subdomains: hsts_subdomains?,
                security_contact,
                run_worker: run_worker?,
                calling_code: calling_code?,
                log: log?,
                log_format: log_format?,
                traces,
                smtp: Some(smtp?),
                files: files?,
                audit_key,
                audit_heads,
                audit_seals_in_log: audit_seals_in_log?,
                audit_seals_by_mail: audit_seals_by_mail?,
                backup,
                texts,
                bounces,
                metrics_listen,
                oidc,
                emr,
            })
        })();
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(self.faults),
        }
    }

    fn proxies(&mut self) -> Option<Proxies> {
        let are_there = self.flag("behind_proxy");
        let fix = "write addresses and networks, commas between, as 10.0.0.5, 10.1.0.0/16";
        let named = self.text("trusted_proxies").is_some();
        let trusted = self.parsed("trusted_proxies", fix, proxies::networks);
        let header = self.parsed("proxy_header", "write x-forwarded-for or forwarded", ProxyHeader::parse);
        if named && are_there == Some(false) {
            self.faults.push("trusted_proxies: is of no use without a proxy: write behind_proxy = true".to_owned());
        }
        let trusted = if named { trusted? } else { Vec::new() };
        Some(Proxies { are_there: are_there?, trusted, header: header? })
    }

    fn database(&mut self) -> Option<DatabaseUrl> {
        let text = self.text("database_url")?;
        let authority = self.pem("database_ca_file");
        match DatabaseUrl::parse(&text, authority.as_deref()) {
            Ok(DatabaseUrl::Sqlite(path)) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                if folder.is_some_and(|folder| !folder.is_dir()) {
                    let fix = "create it, or name another path";
                    self.faults.push(format!("database_url: the folder of {:?} does not exist: {fix}", path.display()));
                }
                Some(DatabaseUrl::Sqlite(path))
            }
            Ok(url) => Some(url),
            Err(fault) => {
                self.faults.push(format!("database_url: {fault}"));
                None
            }
        }
    }
}

const PUBLIC_URL_FIX: &str =
    "write https:// and the host name, without a path, as https://messages.example.org (http only for loopback)";

fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
    (plain && safe).then_some(url)
}

/// Whether a host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

const SERVER_URL_FIX: &str = "write an address that begins with https:// (http:// only for this machine)";

/// An address for names and passwords: never in clear text to another machine.
fn server_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
    (plain && safe).then_some(url)
}
