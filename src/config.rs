//! The configuration: `postern.toml`, then the environment. The only reader of either.
//!
//! A key such as `smtp.host` is `host` in the table `[smtp]` of the file and `POSTERN_SMTP_HOST` in the environment,
//! which wins. Every fault is one line that names the key, what is wrong, and what to write instead.

mod files;
mod proxies;

pub use files::{Bucket, Clamd, ClamdAddress, Files, TYPES};
pub use proxies::{Proxies, ProxyHeader};

use crate::db::{DatabaseUrl, Keys, SecretKey};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// Every key, as the README lists them: name, default (empty: none), what it is for.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("public_url", "", "the address that patients and staff open, as https://messages.example.org"),
    ("listen", "127.0.0.1:8080", "the address and port to listen on"),
    ("database_url", "sqlite:postern.db", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
    ("behind_proxy", "false", "true: take the caller's address from the header that the proxy in front writes"),
    ("trusted_proxies", "", "addresses and networks of the proxies, commas between; none: the one that connects"),
    ("proxy_header", "x-forwarded-for", "the header that they write: x-forwarded-for or forwarded"),
    ("hsts_subdomains", "false", "true: browsers use https for all names below that of public_url too"),
    ("security_contact", "", "mailto: or https: address for those who find a weakness: /.well-known/security.txt"),
    ("run_worker", "true", "false: this process sends nothing; `postern worker` does"),
    ("calling_code", "1", "country calling code of telephone numbers written without one"),
    ("log", "info", "what is logged: error, warn, info, debug, or a tracing filter"),
    ("storage.folder", "postern-files", "the folder that holds attachments; with a bucket, those on their way to it"),
    ("storage.bucket", "", "the S3 bucket that holds attachments; none: the folder does"),
    ("storage.endpoint", "", "the address of its server, as https://s3.ca-central-1.amazonaws.com"),
    ("storage.region", "us-east-1", "its region"),
    ("storage.access_key", "", "the name of the account's key"),
    ("storage.secret_key", "", "the key itself"),
    ("storage.path_style", "true", "false: the bucket's name stands before the host's, and not in the path"),
    ("storage.ca_file", "", "PEM file of the certificate authority of its server, in place of the public ones"),
    ("storage.key", "", "encrypts attachments: 32 bytes in base64, as `openssl rand -base64 32` makes them"),
    ("storage.old_keys", "", "keys used before, commas between: their files are read, and encrypted anew"),
    ("audit.key", "", "seals the audit log: 32 bytes in base64, as `openssl rand -base64 32` makes them"),
    (
        "audit.heads_file",
        "",
        "a file, best on another machine, to which the seals of the audit log are written each hour",
    ),
    ("backup.folder", "", "the folder, best on another machine, into which the worker backs up; none: it does not"),
    ("backup.every_hours", "24", "how often, 1 to 168"),
    ("clamd.address", "", "the virus scanner: host:port or the path of a socket; none: files are not scanned"),
    ("clamd.timeout_seconds", "40", "how long it may take over one file, 1 to 50"),
    ("clamd.largest_mb", "25", "its StreamMaxLength in megabytes: no larger attachment is taken"),
    ("attachments.largest_file_mb", "25", "limit for one attachment, in megabytes of 1,048,576 bytes"),
    ("attachments.largest_message_mb", "100", "limit for all attachments of one message"),
    ("attachments.types", TYPES, "endings of files that may be attached; `dcm` (DICOM) can be added"),
    ("smtp.host", "", "the mail server"),
    ("smtp.port", "587", "its port"),
    ("smtp.tls", "starttls", "starttls, implicit (port 465), or none (loopback only)"),
    ("smtp.user", "", "the account's name, if the server asks for one"),
    ("smtp.password", "", "the account's password"),
    ("smtp.from", "", "the sender's address, as messages@example.org"),
    ("smtp.timeout_seconds", "20", "how long one mail may take, 1 to 50"),
    ("smtp.ca_file", "", "PEM file of a certificate authority to trust besides the public ones"),
    ("bounces.address", "", "where mail comes back to, with a tag for each: bounces@example.org gets bounces+TAG@…"),
    ("bounces.imap_host", "", "the server of that mailbox; none: only the address for posted mail is used"),
    ("bounces.imap_port", "993", "its port"),
    ("bounces.imap_tls", "implicit", "implicit, or none (loopback only)"),
    ("bounces.imap_user", "", "the account's name"),
    ("bounces.imap_password", "", "the account's password"),
    ("bounces.imap_folder", "INBOX", "the folder to read"),
    ("bounces.every_seconds", "60", "how often it is read, 5 to 3600"),
    ("bounces.ca_file", "", "PEM file of a certificate authority to trust besides the public ones"),
    ("metrics_listen", "", "address and port for /metrics, as 127.0.0.1:9090; none: there are no metrics"),
    ("texts.gateway", "", "what carries text messages: twilio or kannel; nothing: there are none"),
    ("texts.timeout_seconds", "20", "how long one text may take to hand over, 1 to 50"),
    ("twilio.account_sid", "", "the account's SID, as AC followed by 32 digits and letters"),
    ("twilio.auth_token", "", "the account's token, which also signs Twilio's reports"),
    ("twilio.from", "", "the number that sends, as +16135550100; or name a messaging service"),
    ("twilio.messaging_service_sid", "", "the messaging service that sends, as MG followed by 32 digits and letters"),
    ("twilio.base_url", "https://api.twilio.com", "the address of the API"),
    ("kannel.url", "", "the address of Kannel's sendsms, as http://127.0.0.1:13013/cgi-bin/sendsms"),
    ("kannel.user", "", "the name of the sendsms-user"),
    ("kannel.password", "", "its password"),
    ("kannel.from", "", "the sender's number or name, if Kannel has none of its own"),
];

/// Backups that the worker makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// where to
    pub folder: PathBuf,
    /// how long after the last one
    pub every: time::Duration,
}

/// How the connection to the mail server is protected. There is no "if offered": that falls back to clear text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: only for a server on this machine.
    None,
}

/// The mail server.
#[derive(Clone)]
pub struct Smtp {
    /// host name or address
    pub host: String,
    /// TCP port
    pub port: u16,
    /// protection
    pub tls: Tls,
    /// user name and password
    pub login: Option<(String, String)>,
    /// sender's address
    pub from: String,
    /// limit for one whole mail
    pub timeout: std::time::Duration,
    /// further certificate authority, as PEM
    pub ca: Option<Vec<u8>>,
}

/// Where mail comes back to.
#[derive(Clone)]
pub struct Bounces {
    /// the address, to which each mail adds its tag
    pub address: lettre::Address,
    /// the mailbox, if it is read from here
    pub imap: Option<Imap>,
    /// how often it is read
    pub every: std::time::Duration,
}

/// A mailbox behind IMAP.
#[derive(Clone)]
pub struct Imap {
    /// host name or address
    pub host: String,
    /// TCP port
    pub port: u16,
    /// protection
    pub tls: ImapTls,
    /// the account's name
    pub user: String,
    /// the account's password
    pub password: String,
    /// folder
    pub folder: String,
    /// further certificate authority, as PEM
    pub ca: Option<Vec<u8>>,
}

/// How the connection to the mailbox is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImapTls {
    /// TLS from the first byte.
    Implicit,
    /// None: only for a server on this machine.
    None,
}

/// The gateway for text messages.
#[derive(Clone)]
pub struct Texts {
    /// limit for handing over one text
    pub timeout: std::time::Duration,
    /// which gateway
    pub via: TextsVia,
}

/// Which gateway, with its account.
#[derive(Clone)]
pub enum TextsVia {
    /// Twilio's REST API
    Twilio(Twilio),
    /// Kannel's `sendsms`
    Kannel(Kannel),
}

/// An account at Twilio.
#[derive(Clone)]
pub struct Twilio {
    /// `AC…`
    pub account_sid: String,
    /// the secret of the account; webhooks are signed with it
    pub auth_token: String,
    /// who sends
    pub sender: TwilioSender,
    /// where the API is, without a path
    pub base_url: Url,
}

/// Who sends at Twilio.
#[derive(Clone)]
pub enum TwilioSender {
    /// this number
    Number(String),
    /// the numbers of this messaging service
    Service(String),
}

/// A `sendsms-user` of a Kannel.
#[derive(Clone)]
pub struct Kannel {
    /// where `sendsms` is
    pub url: Url,
    /// name
    pub user: String,
    /// password
    pub password: String,
    /// sender; empty: Kannel's own
    pub from: String,
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
    /// `None` only in the demo and in tests, where mail goes elsewhere
    pub smtp: Option<Smtp>,
    /// attachments
    pub files: Files,
    /// what seals the audit log
    pub audit_key: Option<SecretKey>,
    /// where the seals of the audit log are told
    pub audit_heads: Option<PathBuf>,
    /// backups that the worker makes by itself; `None`: none
    pub backup: Option<Backup>,
    /// `None` where no gateway is configured
    pub texts: Option<Texts>,
    /// `None` where returned mail is nobody's
    pub bounces: Option<Bounces>,
    /// where `/metrics` is; `None`: nowhere
    pub metrics_listen: Option<SocketAddr>,
}

impl Config {
    /// `https://host[:port]`, as browsers write it in `Origin`.
    pub fn origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// The secrets that writing to the database needs.
    pub fn keys(&self) -> Keys {
        Keys { audit: self.audit_key.clone().map(Arc::new) }
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
        let mut source = Source { faults: unknown_keys(&values), values: BTreeMap::new() };
        for (name, value) in vars {
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
}

impl Source {
    fn text(&self, key: &str) -> Option<String> {
        let default = KEYS.iter().find(|(name, ..)| *name == key).map(|(_, default, _)| (*default).to_owned());
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
        let smtp = self.smtp();
        let files = self.files();
        let audit_key = self.secret_key("audit.key", self.text("audit.key"));
        let audit_heads = self.text("audit.heads_file").map(PathBuf::from);
        if audit_heads.is_some() && self.text("audit.key").is_none() {
            self.faults.push("audit.heads_file: needs audit.key, which seals what is written there".to_owned());
        }
        let hours = |text: &str| text.parse::<i64>().ok().filter(|hours| (1..=168).contains(hours));
        let every = self.parsed("backup.every_hours", "write a number of hours from 1 to 168", hours);
        let backup = self.text("backup.folder").zip(every);
        let backup =
            backup.map(|(folder, every)| Backup { folder: folder.into(), every: time::Duration::hours(every) });
        let texts = self.texts();
        let bounces = self.bounces();
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
                smtp: Some(smtp?),
                files: files?,
                audit_key,
                audit_heads,
                backup,
                texts,
                bounces,
                metrics_listen,
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
        match DatabaseUrl::parse(&text) {
            Ok(DatabaseUrl::Sqlite(path)) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                if folder.is_some_and(|folder| !folder.is_dir()) {
                    let fix = "create it, or name another path";
                    self.faults.push(format!("database_url: the folder of {:?} does not exist: {fix}", path.display()));
                }
                Some(DatabaseUrl::Sqlite(path))
            }
            Ok(url) => Some(url),
            // only the scheme is named: the rest may hold a password
            Err(scheme) => {
                let fix = "write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
                self.faults.push(format!("database_url: the scheme {scheme:?} is not known: {fix}"));
                None
            }
        }
    }

    fn smtp(&mut self) -> Option<Smtp> {
        let host = self.required("smtp.host", "mail.example.org");
        let port = self.parsed("smtp.port", "write a number from 1 to 65535, as 587", |v| {
            v.parse::<u16>().ok().filter(|port| *port > 0)
        });
        let tls = self.parsed("smtp.tls", "write starttls, implicit or none", |v| match v {
            "starttls" => Some(Tls::StartTls),
            "implicit" => Some(Tls::Implicit),
            "none" => Some(Tls::None),
            _ => None,
        });
        if tls == Some(Tls::None) && host.as_deref().is_some_and(|host| !is_loopback(host)) {
            let fix = "write starttls or implicit";
            self.faults.push(format!("smtp.tls: none would send in clear text to another machine: {fix}"));
        }
        self.required("smtp.from", "messages@example.org");
        let from_fix = "write one address, as messages@example.org";
        let from = self.parsed("smtp.from", from_fix, |v| v.parse::<lettre::Address>().ok().map(|_| v.to_owned()));
        let login = match (self.text("smtp.user"), self.text("smtp.password")) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (user, _) => {
                let missing = if user.is_some() { "smtp.password" } else { "smtp.user" };
                self.faults.push(format!("{missing}: is missing: smtp.user and smtp.password go together"));
                None
            }
        };
        let timeout = self.timeout("smtp.timeout_seconds");
        let ca = self.pem("smtp.ca_file");
        Some(Smtp { host: host?, port: port?, tls: tls?, login, from: from?, timeout: timeout?, ca })
    }

    fn pem(&mut self, key: &str) -> Option<Vec<u8>> {
        let path = self.text(key)?;
        match std::fs::read(PathBuf::from(&path)) {
            Ok(pem) => Some(pem),
            Err(e) => {
                self.faults.push(format!("{key}: {path:?} cannot be read: {e}: name a PEM file"));
                None
            }
        }
    }

    fn bounces(&mut self) -> Option<Bounces> {
        let address = self.text("bounces.address");
        let fix = "write one address without a plus, as bounces@example.org";
        let address = match address {
            Some(_) => self.parsed("bounces.address", fix, |v| v.parse().ok().filter(|_| !v.contains('+'))),
            None => {
                if self.text("bounces.imap_host").is_some() {
                    self.required("bounces.address", "bounces@example.org");
                }
                return None;
            }
        };
        let imap = self.text("bounces.imap_host").and_then(|host| self.imap(host));
        let every = self.parsed("bounces.every_seconds", "write a number from 5 to 3600", |v| {
            v.parse::<u64>().ok().filter(|seconds| (5..=3600).contains(seconds))
        });
        Some(Bounces { address: address?, imap, every: std::time::Duration::from_secs(every?) })
    }

    fn imap(&mut self, host: String) -> Option<Imap> {
        let port = self.parsed("bounces.imap_port", "write a number from 1 to 65535, as 993", |v| {
            v.parse::<u16>().ok().filter(|port| *port > 0)
        });
        let tls = self.parsed("bounces.imap_tls", "write implicit or none", |v| match v {
            "implicit" => Some(ImapTls::Implicit),
            "none" => Some(ImapTls::None),
            _ => None,
        });
        if tls == Some(ImapTls::None) && !is_loopback(&host) {
            let fix = "write implicit";
            self.faults.push(format!("bounces.imap_tls: none would sign in in clear text at another machine: {fix}"));
        }
        let user = self.required("bounces.imap_user", "bounces@example.org");
        let password = self.required("bounces.imap_password", "the password of the account");
        let folder = self.text("bounces.imap_folder").unwrap_or_default();
        let ca = self.pem("bounces.ca_file");
        Some(Imap { host, port: port?, tls: tls?, user: user?, password: password?, folder, ca })
    }

    /// A limit that is shorter than a worker's claim on a job: two workers must never send one notification at once.
    fn timeout(&mut self, key: &str) -> Option<std::time::Duration> {
        let seconds = self.parsed(key, "write a number from 1 to 50", |v| {
            v.parse::<u64>().ok().filter(|seconds| (1..=50).contains(seconds))
        });
        seconds.map(std::time::Duration::from_secs)
    }

    /// The gateway; its keys are asked for only where it is chosen.
    fn texts(&mut self) -> Option<Texts> {
        let timeout = self.timeout("texts.timeout_seconds");
        let via = match self.text("texts.gateway")?.as_str() {
            "twilio" => self.twilio().map(TextsVia::Twilio),
            "kannel" => self.kannel().map(TextsVia::Kannel),
            other => {
                self.faults.push(format!("texts.gateway: {other:?} is not valid: write twilio or kannel"));
                None
            }
        };
        Some(Texts { timeout: timeout?, via: via? })
    }

    fn twilio(&mut self) -> Option<Twilio> {
        let account_sid = self.required("twilio.account_sid", "AC0123456789abcdef0123456789abcdef");
        let account_sid = account_sid.and_then(|sid| self.sid("twilio.account_sid", "AC", sid));
        let auth_token = self.required("twilio.auth_token", "the token of the account");
        let base_url = self.parsed("twilio.base_url", GATEWAY_URL_FIX, gateway_url);
        let sender = match (self.text("twilio.from"), self.text("twilio.messaging_service_sid")) {
            (Some(number), None) => Some(TwilioSender::Number(number)),
            (None, Some(sid)) => self.sid("twilio.messaging_service_sid", "MG", sid).map(TwilioSender::Service),
            (Some(_), Some(_)) => {
                self.faults.push("twilio.from: stands beside twilio.messaging_service_sid: remove one".to_owned());
                None
            }
            (None, None) => {
                let fix = "write twilio.from = \"+16135550100\", or twilio.messaging_service_sid";
                self.faults.push(format!("twilio.from: is missing: {fix}"));
                None
            }
        };
        Some(Twilio { account_sid: account_sid?, auth_token: auth_token?, sender: sender?, base_url: base_url? })
    }

    fn sid(&mut self, key: &str, prefix: &str, sid: String) -> Option<String> {
        let rest = sid.strip_prefix(prefix);
        let valid = rest.is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()));
        if !valid {
            self.faults.push(format!("{key}: {sid:?} is not valid: write {prefix} and 32 digits and letters a to f"));
        }
        valid.then_some(sid)
    }

    fn kannel(&mut self) -> Option<Kannel> {
        self.required("kannel.url", "http://127.0.0.1:13013/cgi-bin/sendsms");
        let url = self.parsed("kannel.url", GATEWAY_URL_FIX, gateway_url);
        let user = self.required("kannel.user", "postern");
        let password = self.required("kannel.password", "the password of the sendsms-user");
        let from = self.text("kannel.from").unwrap_or_default();
        Some(Kannel { url: url?, user: user?, password: password?, from })
    }
}

const GATEWAY_URL_FIX: &str = "write an address that begins with https:// (http:// only for this machine)";

/// An address for names and passwords: never in clear text to another machine.
fn gateway_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
    (plain && safe).then_some(url)
}

const PUBLIC_URL_FIX: &str =
    "write https:// and the host name, without a path, as https://messages.example.org (http only for loopback)";

fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
    (plain && safe).then_some(url)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
