//! The configuration of mail: the server that takes it, and the mailbox that undelivered mail returns to.

use super::{Source, is_loopback};
use std::path::PathBuf;

/// How the connection to the mail server is protected. There is no "if offered": that can fall back to clear text.
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
    /// time limit for sending one mail
    pub timeout: std::time::Duration,
    /// further certificate authority, as PEM
    pub ca: Option<Vec<u8>>,
}

/// Where undelivered mail returns to.
#[derive(Clone)]
pub struct Bounces {
    /// the address, to which each mail adds its tag
    pub address: lettre::Address,
    /// the mailbox, if this program reads it
    pub imap: Option<Imap>,
    /// how often the mailbox is read
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

impl Source {
    pub(super) fn smtp(&mut self) -> Option<Smtp> {
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

    pub(super) fn pem(&mut self, key: &str) -> Option<Vec<u8>> {
        let path = self.text(key)?;
        match std::fs::read(PathBuf::from(&path)) {
            Ok(pem) => Some(pem),
            Err(e) => {
                self.faults.push(format!("{key}: {path:?} cannot be read: {e}: name a PEM file"));
                None
            }
        }
    }

    pub(super) fn bounces(&mut self) -> Option<Bounces> {
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

    /// A time limit, 1 to 50 seconds: shorter than a worker's claim on a job, so that two workers never send one
    /// notification.
    pub(super) fn timeout(&mut self, key: &str) -> Option<std::time::Duration> {
        let seconds = self.parsed(key, "write a number from 1 to 50", |v| {
            v.parse::<u64>().ok().filter(|seconds| (1..=50).contains(seconds))
        });
        seconds.map(std::time::Duration::from_secs)
    }
}
