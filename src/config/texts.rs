//! The configuration of text messages: which gateway takes them.

use super::{SERVER_URL_FIX, Source, server_url};
use url::Url;

/// The gateway for text messages.
#[derive(Clone)]
pub struct Texts {
    /// time limit for handing over one text
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
    /// what texts are sent from
    pub sender: TwilioSender,
    /// the address of the API, without a path
    pub base_url: Url,
}

/// What texts are sent from at Twilio.
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
    /// the address of `sendsms`
    pub url: Url,
    /// user name
    pub user: String,
    /// password
    pub password: String,
    /// the sender that phones show; empty: Kannel's own
    pub from: String,
}

impl Source {
    /// The gateway of the configuration; the keys of a gateway are required only where it is chosen.
    pub(super) fn texts(&mut self) -> Option<Texts> {
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
        let base_url = self.parsed("twilio.base_url", SERVER_URL_FIX, server_url);
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
        let url = self.parsed("kannel.url", SERVER_URL_FIX, server_url);
        let user = self.required("kannel.user", "postern");
        let password = self.required("kannel.password", "the password of the sendsms-user");
        let from = self.text("kannel.from").unwrap_or_default();
        Some(Kannel { url: url?, user: user?, password: password?, from })
    }
}
