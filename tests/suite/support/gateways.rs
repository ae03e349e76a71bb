//! The gateways for texts, one for each test that needs it: a Twilio that remembers, and a real Kannel.

use postern::config::{Texts, TextsVia, Twilio as Account, TwilioSender};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const SID: &str = "AC0123456789abcdef0123456789abcdef";
pub const AUTH_TOKEN: &str = "a-token-of-a-test-account-0000000";

pub struct Twilio {
    child: Child,
    pub port: u16,
}

/// A text that Twilio accepted.
#[derive(Clone, Debug, Deserialize)]
pub struct Taken {
    pub to: String,
    pub from: Option<String>,
    pub messaging_service_sid: Option<String>,
    pub body: String,
    pub callback: Option<String>,
    /// whether all its callbacks were made
    pub settled: bool,
}

impl Twilio {
    pub fn start() -> Twilio {
        Twilio::start_on(0)
    }

    /// Starts it on this port, where another one was stopped before.
    pub fn start_on(port: u16) -> Twilio {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/twilio.py");
        let mut command = Command::new("python3");
        let command = command.args([script, &port.to_string(), SID, AUTH_TOKEN]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Twilio { child, port: line.trim().parse().expect("a port") }
    }

    pub fn texts(&self) -> Texts {
        let account = Account {
            account_sid: SID.into(),
            auth_token: AUTH_TOKEN.into(),
            sender: TwilioSender::Number("+16135550100".into()),
            base_url: format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
        };
        Texts { timeout: Duration::from_secs(2), via: TextsVia::Twilio(account) }
    }

    async fn read(&self) -> Value {
        reqwest::get(format!("http://127.0.0.1:{}/_texts", self.port)).await.unwrap().json().await.unwrap()
    }

    pub async fn taken(&self) -> Vec<Taken> {
        serde_json::from_value(self.read().await["texts"].clone()).unwrap()
    }

    /// Waits until every text's callbacks were made, and gives the status with which each was answered.
    pub async fn settled(&self) -> Vec<u16> {
        for _ in 0..200 {
            if self.taken().await.iter().all(|text| text.settled) {
                let answered = self.read().await["answered"].clone();
                return answered.as_array().unwrap().iter().map(|a| a[2].as_u64().unwrap() as u16).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the callbacks were not made");
    }

    /// Posts an incoming text, signed, to this address; gives the status and body of the answer.
    pub async fn come_in(&self, url: &str, from: &str, body: &str, more: Value) -> (u64, String) {
        let sid = more.get("sid").cloned().unwrap_or(Value::Null);
        let text = json!({"url": url, "from": from, "to": "+16135550100", "body": body, "sid": sid,
            "more": more.get("more").cloned().unwrap_or(json!({}))});
        let request = reqwest::Client::new().post(format!("http://127.0.0.1:{}/_text", self.port)).json(&text);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        (answer["status"].as_u64().unwrap(), answer["answer"].as_str().unwrap().to_owned())
    }
}

impl Drop for Twilio {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A Kannel with its text centre (`tests/peers/kannel.py`).
pub struct Kannel {
    child: Child,
    ready: KannelReady,
    _folder: tempfile::TempDir,
}

#[derive(Deserialize)]
struct KannelReady {
    url: String,
    user: String,
    password: String,
    control: String,
}

/// A text that the text centre accepted.
#[derive(Clone, Debug, Deserialize)]
pub struct AtCentre {
    pub to: String,
    pub coding: u8,
    pub text: String,
}

impl Kannel {
    pub fn start() -> Kannel {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/kannel.py");
        let mut command = Command::new("python3");
        let command = command.arg(script).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("Kannel did not start (tests/run installs it)");
        Kannel { child, ready, _folder: folder }
    }

    pub fn texts(&self) -> Texts {
        let ready = &self.ready;
        let account = postern::config::Kannel {
            url: ready.url.parse().unwrap(),
            user: ready.user.clone(),
            password: ready.password.clone(),
            from: String::new(),
        };
        Texts { timeout: Duration::from_secs(5), via: TextsVia::Kannel(account) }
    }

    pub async fn at_centre(&self) -> Vec<AtCentre> {
        reqwest::get(format!("{}/texts", self.ready.control)).await.unwrap().json().await.unwrap()
    }

    /// Sets the address to which Kannel gives incoming texts.
    pub async fn forward(&self, url: &str) {
        let request = reqwest::Client::new().post(format!("{}/forward", self.ready.control)).body(url.to_owned());
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// A phone sends a text.
    pub async fn come_in(&self, from: &str, text: &str) {
        let text = json!({"from": from, "to": "15550100", "text": text});
        let request = reqwest::Client::new().post(format!("{}/text", self.ready.control)).json(&text);
        assert!(request.send().await.unwrap().status().is_success());
    }
}

impl Drop for Kannel {
    fn drop(&mut self) {
        // at the end of its input it ends its own programs
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
