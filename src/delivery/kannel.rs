//! Kannel's `sendsms`: a GET whose query has everything, even the password, so its address is never logged.

use super::gateway::Answered;
use super::{Failure, Reason, Text};
use crate::config;
use crate::text;
use ureq::http;
use url::Url;

/// The account, as the configuration has it.
pub(super) struct Kannel(config::Kannel);

/// Asks for every report that a text centre can give: delivered 1, undelivered 2, buffered 4, taken 8, refused 16.
const DLR_MASK: &str = "31";

impl Kannel {
    pub(super) fn new(config: &config::Kannel) -> Kannel {
        Kannel(config.clone())
    }

    pub(super) fn request(&self, text: &Text) -> Result<http::Request<String>, http::Error> {
        let mut address: Url = self.0.url.clone();
        let mut query = address.query_pairs_mut();
        query.append_pair("username", &self.0.user).append_pair("password", &self.0.password);
        // the number keeps its plus, which marks it as international
        query.append_pair("to", text.to.as_str());
        if !self.0.from.is_empty() {
            query.append_pair("from", &self.0.from);
        }
        query.append_pair("text", &text.text).append_pair("charset", "UTF-8");
        query.append_pair("coding", if text::is_gsm7(&text.text) { "0" } else { "2" });
        if let Some(report) = &text.report_to {
            // Kannel replaces %d by the kind of report
            query.append_pair("dlr-mask", DLR_MASK).append_pair("dlr-url", &format!("{report}?report=%d"));
        }
        drop(query);
        http::Request::get(address.as_str()).body(String::new())
    }
}

/// 202 is "accepted" or "queued"; 403 rejects the clinic's own name and password; 503 and the like are tried again.
pub(super) fn judge(status: u16, _: &str) -> Answered {
    match status {
        200..=299 => Ok(None),
        401 | 403 | 404 => Err(Failure::Transient(Reason::GatewayLogin)),
        408 | 429 => Err(Failure::Transient(Reason::GatewayBusy)),
        400..=499 => Err(Failure::Permanent(Reason::GatewayRefused)),
        _ => Err(Failure::Transient(Reason::GatewayDown)),
    }
}
