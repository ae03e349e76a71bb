//! Twilio's REST API: `POST /2010-04-01/Accounts/{sid}/Messages.json`, and the signature of its webhooks.

use super::gateway::Answered;
use super::{Failure, Reason, Text};
use crate::config;
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use ureq::http;
use url::form_urlencoded::Serializer;

/// What a request needs.
pub(super) struct Twilio {
    address: String,
    authorization: String,
    sender: (&'static str, String),
}

impl Twilio {
    pub(super) fn new(config: &config::Twilio) -> Twilio {
        let base = config.base_url.as_str().trim_end_matches('/');
        let sender = match &config.sender {
            config::TwilioSender::Number(number) => ("From", number.clone()),
            config::TwilioSender::Service(service) => ("MessagingServiceSid", service.clone()),
        };
        let login = BASE64.encode(format!("{}:{}", config.account_sid, config.auth_token).as_bytes());
        Twilio {
            address: format!("{base}/2010-04-01/Accounts/{}/Messages.json", config.account_sid),
            authorization: format!("Basic {login}"),
            sender,
        }
    }

    /// Builds the request. The serializer percent-encodes the plus of a number: a bare plus would arrive as a space.
    pub(super) fn request(&self, text: &Text) -> Result<http::Request<String>, http::Error> {
        let mut form = Serializer::new(String::new());
        form.append_pair("To", text.to.as_str());
        form.append_pair(self.sender.0, &self.sender.1);
        form.append_pair("Body", &text.text);
        if let Some(address) = &text.report_to {
            form.append_pair("StatusCallback", address);
        }
        http::Request::post(&self.address)
            .header("authorization", &self.authorization)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish())
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Answer {
    sid: String,
    code: i64,
}

/// The outcome by HTTP status: 429 and 5xx are tried again, other refusals are final; the error code only gives the
/// reason.
pub(super) fn judge(status: u16, body: &str) -> Answered {
    let answer: Answer = serde_json::from_str(body).unwrap_or_default();
    match status {
        200..=299 => Ok(Some(answer.sid).filter(|sid| !sid.is_empty())),
        401 | 403 | 404 => Err(Failure::Transient(Reason::GatewayLogin)),
        408 | 425 | 429 => Err(Failure::Transient(Reason::GatewayBusy)),
        400..=499 => Err(Failure::Permanent(reason(answer.code).unwrap_or(Reason::GatewayRefused))),
        _ => Err(Failure::Transient(Reason::GatewayDown)),
    }
}

/// The reason for an error code of Twilio; `None` for codes that are not about the patient's number.
pub fn reason(code: i64) -> Option<Reason> {
    match code {
        21610 => Some(Reason::StoppedByPatient),
        21211 | 21214 | 21217 | 21614 | 30005 | 30006 => Some(Reason::NoSuchNumber),
        30003 => Some(Reason::PhoneOff),
        21612 | 30004 | 30007 | 30034 => Some(Reason::Filtered),
        _ => None,
    }
}

/// The signature of a webhook: base64 of HMAC-SHA1, keyed with the account's token, over the public address followed by
/// each field's name and value, sorted by name; a repeated name has its different values in order (Twilio: "Validating
/// requests").
pub fn signature(auth_token: &str, address: &str, fields: &[(String, String)]) -> Option<String> {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).ok()?;
    mac.update(address.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    Some(BASE64.encode(&mac.finalize().into_bytes()))
}

/// Whether Twilio signed a webhook.
pub fn is_signed(auth_token: &str, address: &str, fields: &[(String, String)], given: &str) -> bool {
    signature(auth_token, address, fields).is_some_and(|own| own.as_bytes().ct_eq(given.trim().as_bytes()).into())
}
