//! A real Postfix and Dovecot (`tests/peers/mail_system.py`) for one test.

use super::peers;
use postern::config::{Bounces, Imap, ImapTls, Smtp, Tls};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

pub struct MailSystem {
    child: Child,
    answers: BufReader<ChildStdout>,
    ready: Ready,
    _folder: tempfile::TempDir,
}

#[derive(Deserialize)]
struct Ready {
    starttls_port: u16,
    implicit_tls_port: u16,
    imaps_port: u16,
    password: String,
    ca: PathBuf,
    mail: PathBuf,
}

impl MailSystem {
    /// Starts it; `None` by `--without-postfix`.
    pub fn start() -> Option<MailSystem> {
        if peers::without_postfix() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // the servers run as users of their own, who must be able to enter the folder
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/mail_system.py");
        let mut command = Command::new("python3");
        let command = command.arg(script).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("Postfix and Dovecot did not start (tests/run installs them)");
        Some(MailSystem { child, answers, ready, _folder: folder })
    }

    pub fn smtp(&self, tls: Tls) -> Smtp {
        Smtp {
            host: "localhost".into(),
            port: if tls == Tls::Implicit { self.ready.implicit_tls_port } else { self.ready.starttls_port },
            tls,
            login: Some(("app@clinic.test".into(), self.ready.password.clone())),
            from: "messages@clinic.test".into(),
            timeout: Duration::from_secs(5),
            ca: Some(std::fs::read(&self.ready.ca).unwrap()),
        }
    }

    pub fn bounces(&self) -> Bounces {
        let imap = Imap {
            host: "localhost".into(),
            port: self.ready.imaps_port,
            tls: ImapTls::Implicit,
            user: "bounces@clinic.test".into(),
            password: self.ready.password.clone(),
            folder: "INBOX".into(),
            ca: Some(std::fs::read(&self.ready.ca).unwrap()),
        };
        let address = "bounces@clinic.test".parse().unwrap();
        Bounces { address, imap: Some(imap), every: Duration::from_secs(5) }
    }

    /// The mails in a mailbox, as they arrived.
    pub fn mails_of(&self, address: &str) -> Vec<String> {
        let mut mails = Vec::new();
        for folder in ["new", "cur"] {
            let Ok(entries) = std::fs::read_dir(self.ready.mail.join(address).join(folder)) else { continue };
            mails.extend(entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()));
        }
        mails
    }

    /// Puts a mail into a mailbox that exists already; with `seen`, as if somebody had opened the mail.
    pub fn put(&self, address: &str, name: &str, raw: &[u8], seen: bool) {
        let (folder, flags) = if seen { ("cur", ":2,S") } else { ("new", "") };
        let path = self.ready.mail.join(address).join("tmp").join(name);
        std::fs::write(&path, raw).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&path, mode).unwrap();
        std::fs::rename(&path, self.ready.mail.join(address).join(folder).join(format!("{name}{flags}"))).unwrap();
    }

    /// Stops or starts Postfix, by the word "stop" or "start".
    pub fn tell(&mut self, word: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "done", "{word}");
    }
}

impl Drop for MailSystem {
    fn drop(&mut self) {
        // at the end of its input it ends its own programs
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
