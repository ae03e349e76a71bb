//! The mails that arrived at the SMTP server of `tests/peers/smtp_sink.py`.
//!
//! All tests share that server, so each test needs addresses of its own, and looks only at these. The part before "+"
//! chooses how the server misbehaves, as in `reject+ada7@example.org`; the file of the server has the list.

use super::peers;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// A mail that the server accepted.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// `plain`, `starttls` or `implicit_tls`.
    pub listener: String,
    /// The user who signed in; `None` without a sign-in.
    pub user: Option<String>,
    /// Decoded, in their order.
    pub headers: Vec<(String, String)>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Option<String>>,
    /// The mail as it was transferred.
    pub raw: String,
}

impl Mail {
    /// The one header of this name; panics if there is none or more than one.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None, _) => panic!("no {name} in {:?}", self.headers),
            (Some(_), Some(_)) => panic!("more than one {name} in {:?}", self.headers),
        }
    }
}

/// A RCPT that the server received, accepted or not.
#[derive(Clone, Debug, Deserialize)]
pub struct Attempt {
    /// Seconds since 1970.
    pub at: f64,
    pub to: String,
    pub listener: String,
    pub user: Option<String>,
    /// The last answer to it; `None` where the server gave none, because it hung or cut the connection.
    pub reply: Option<String>,
}

/// An AUTH that the server received.
#[derive(Clone, Debug, Deserialize)]
pub struct SignIn {
    pub at: f64,
    pub user: Option<String>,
    pub ok: bool,
}

/// The mails accepted for this address, oldest first.
pub async fn messages_to(address: &str) -> Vec<Mail> {
    ask("messages", "to", address).await
}

/// The deliveries tried to this address, oldest first.
pub async fn attempts_to(address: &str) -> Vec<Attempt> {
    ask("attempts", "to", address).await
}

/// The sign-ins tried with this name, oldest first.
pub async fn sign_ins_of(user: &str) -> Vec<SignIn> {
    ask("sign-ins", "user", user).await
}

/// Waits, 10 seconds at most, until this address has got `count` mails; for a sender in another process. With a
/// drained worker [`messages_to`] is enough.
pub async fn wait_for_messages(address: &str, count: usize) -> Vec<Mail> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let messages = messages_to(address).await;
        if messages.len() >= count {
            return messages;
        }
        assert!(Instant::now() < deadline, "{address} has {} of {count} mails", messages.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ask<T: DeserializeOwned>(what: &str, filter: &str, value: &str) -> Vec<T> {
    let url = format!("{}/{what}", peers::smtp().control);
    let answer = reqwest::Client::new().get(url).query(&[(filter, value)]).send().await.expect("the SMTP sink is gone");
    answer.json().await.expect("the SMTP sink's answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;

    /// Sends a mail by hand; gives the server's last answer, or `None` where it cut the connection.
    fn send(to: &str) -> Option<String> {
        let sink = peers::smtp();
        let mut connection = TcpStream::connect((sink.host.as_str(), sink.plain_port)).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answers = BufReader::new(connection.try_clone().unwrap());
        let mut answer = String::new();
        let mail = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n.\r\n";
        let rcpt = format!("RCPT TO:<{to}>\r\n");
        for line in ["", "HELO test\r\n", "MAIL FROM:<clinic@example.org>\r\n", &rcpt, "DATA\r\n", mail] {
            connection.write_all(line.as_bytes()).unwrap();
            answer.clear();
            if answers.read_line(&mut answer).unwrap_or(0) == 0 {
                return None;
            }
            if answer.starts_with(['4', '5']) {
                break;
            }
        }
        Some(answer.trim().to_owned())
    }

    #[tokio::test]
    async fn what_was_sent_is_there() {
        let to = "mail+kept@example.org";
        assert_eq!(send(to).as_deref(), Some("250 2.0.0 Queued"));
        let messages = wait_for_messages(to, 1).await;
        assert_eq!(messages[0].header("subject"), "Grüße");
        assert_eq!(messages[0].text.as_deref(), Some("Hello\r\n"));
        assert_eq!(
            (messages[0].from.as_str(), messages[0].to.as_slice()),
            ("clinic@example.org", &[to.to_owned()][..])
        );
        assert_eq!((messages[0].listener.as_str(), &messages[0].user, &messages[0].html), ("plain", &None, &None));
        assert!(messages[0].attachments.is_empty() && messages[0].raw.contains("=C3=BC"));
        assert!(sign_ins_of("nobody").await.iter().all(|s| s.ok && s.at > 0.0 && s.user.is_some()));
    }

    #[tokio::test]
    async fn faults_are_chosen_by_the_recipient() {
        for (to, first, then) in [
            ("reject+mail@example.org", Some("550"), Some("550")),
            ("flaky1+mail@example.org", Some("451"), Some("250")),
            ("data5+mail@example.org", Some("554"), Some("554")),
            ("drop1+mail@example.org", None, Some("250")),
            ("droprcpt+mail@example.org", None, None),
        ] {
            for expected in [first, then] {
                let answer = send(to);
                assert_eq!(answer.as_deref().map(|a| &a[..3]), expected, "{to}");
            }
            let attempts = attempts_to(to).await;
            let replies: Vec<_> = attempts.iter().map(|a| a.reply.as_deref().map(|r| &r[..3])).collect();
            assert_eq!(replies, [first, then], "{to}");
            assert!(attempts.iter().all(|a| a.to == to && a.at > 0.0 && a.listener == "plain" && a.user.is_none()));
        }
        // the mail was accepted before the connection was cut, so there are two copies
        assert_eq!(messages_to("drop1+mail@example.org").await.len(), 2);
        assert_eq!(messages_to("reject+mail@example.org").await.len(), 0);
    }
}
