//! Collects mails and texts in the demo and in tests, as JSON lines in a file if there is one.

use super::{Email, Failure, Reason, Text};
use crate::clock::Clock;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use time::format_description::well_known::Rfc3339;

/// One mail or text that arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Received {
    /// 1, 2, 3 …
    pub id: u64,
    /// RFC 3339, UTC
    pub at: String,
    /// `email` or `sms`
    pub channel: String,
    /// the recipient's address or number
    pub to: String,
    /// empty for a text
    pub subject: String,
    /// the text, or the plain part of a mail
    pub text: String,
    /// empty for a text
    pub html: String,
    /// local part of the Message-ID, or the same of a text
    #[serde(default)]
    pub message_uid: String,
}

/// A mailbox, shared by its clones.
#[derive(Clone)]
pub struct Mailbox {
    held: Arc<Mutex<Vec<Received>>>,
    file: Option<PathBuf>,
    clock: Clock,
}

impl Mailbox {
    /// A mailbox in memory.
    pub fn in_memory(clock: Clock) -> Mailbox {
        Mailbox { held: Arc::default(), file: None, clock }
    }

    /// A mailbox that outlives the process: it starts with the content of the file.
    ///
    /// # Errors
    /// When the file exists and cannot be read. A line that a crash cut off is skipped.
    pub fn in_file(file: PathBuf, clock: Clock) -> std::io::Result<Mailbox> {
        let text = if file.exists() { std::fs::read_to_string(&file)? } else { String::new() };
        let held = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Mailbox { held: Arc::new(Mutex::new(held)), file: Some(file), clock })
    }

    /// Everything that arrived, newest first.
    pub fn newest_first(&self) -> Vec<Received> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    pub(super) fn put_email(&self, email: Email) -> Result<(), Failure> {
        self.put(Received {
            id: 0,
            at: String::new(),
            channel: "email".into(),
            to: email.to.to_string(),
            subject: email.subject,
            text: email.text,
            html: email.html,
            message_uid: email.message_uid,
        })
    }

    pub(super) fn put_text(&self, text: Text) -> Result<(), Failure> {
        self.put(Received {
            id: 0,
            at: String::new(),
            channel: "sms".into(),
            to: text.to.to_string(),
            subject: String::new(),
            text: text.text,
            html: String::new(),
            message_uid: text.message_uid,
        })
    }

    fn put(&self, mut received: Received) -> Result<(), Failure> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        received.id = held.last().map_or(1, |last| last.id + 1);
        received.at = self.clock.now().get().format(&Rfc3339).unwrap_or_default();
        if let Some(path) = &self.file {
            let line = serde_json::to_string(&received).map_err(|_| Failure::Permanent(Reason::Broken))?;
            let mut open = std::fs::OpenOptions::new();
            let file = open.create(true).append(true).open(path);
            let written = file.and_then(|mut file| writeln!(file, "{line}"));
            written.map_err(|_| Failure::Transient(Reason::Unreachable))?;
        }
        held.push(received);
        Ok(())
    }
}
