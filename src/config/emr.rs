//! What the configuration says of the clinic's EMRs and laboratories that speak FHIR R4: `[emr]` for one, `[[emr]]` for
//! several. The keys of the second one are `emr.2.…` in faults.

use super::{SERVER_URL_FIX, Source, server_url};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use ureq::tls::Certificate;
use url::Url;

/// One server that speaks FHIR R4.
#[derive(Clone)]
pub struct EmrSource {
    /// the source's name, as imports know it
    pub name: String,
    /// the address below which its resources are, without a slash at its end
    pub base: Url,
    /// by what Postern signs in there
    pub sign_in: EmrSignIn,
    /// by what the EMR knows Postern as an app that its users open; `None`: they do not
    pub launch_client_id: Option<String>,
    /// files that hold its secrets
    pub secret_files: Vec<PathBuf>,
    /// what is asked for, where Postern signs in by its key
    pub scopes: String,
    /// how many requests it gets in a second at most
    pub requests_per_second: u32,
    /// first and full syncs happen only between these minutes of the day; `None`: at any time
    pub quiet_hours: Option<(i64, i64)>,
    /// limit for one call
    pub timeout: Duration,
    /// certificate authorities to trust in place of the public ones; none: those
    pub authorities: Vec<Certificate<'static>>,
}

/// By what Postern signs in at an EMR.
#[derive(Clone)]
pub enum EmrSignIn {
    /// SMART Backend Services: this client, by a key that Postern makes
    Key(String),
    /// a token that the EMR gave out
    Bearer(String),
    /// a name and a password
    Basic(String, String),
}

/// The longest name of a source, in characters.
const LONGEST_NAME: usize = 60;

/// The key of the first source that stands for this one: `emr.2.name` is told as `emr.name`.
pub(super) fn general(key: &str) -> Cow<'_, str> {
    match key.strip_prefix("emr.").and_then(|rest| rest.split_once('.')) {
        Some((number, name)) if number.parse::<usize>().is_ok_and(|number| number > 1) => {
            Cow::Owned(format!("emr.{name}"))
        }
        _ => Cow::Borrowed(key),
    }
}

/// The keys of several sources, each with its number.
pub(super) fn numbered(all: Vec<toml::Value>) -> impl Iterator<Item = (String, toml::Value)> {
    let tables = all.into_iter().filter_map(|one| match one {
        toml::Value::Table(table) => Some(table),
        _ => None,
    });
    (1..).zip(tables).flat_map(|(number, table)| {
        let of = prefix(number);
        table.into_iter().map(move |(name, value)| (format!("{of}{name}"), value))
    })
}

/// What stands before the keys of the n-th source.
fn prefix(number: usize) -> String {
    if number == 1 { "emr.".to_owned() } else { format!("emr.{number}.") }
}

/// The number of the source to which a key belongs.
fn number(key: &str) -> Option<usize> {
    let rest = key.strip_prefix("emr.")?;
    match rest.split_once('.') {
        Some((number, _)) => number.parse().ok(),
        None => Some(1),
    }
}

impl Source {
    pub(super) fn emr(&mut self) -> Vec<EmrSource> {
        let written = self.values.iter().filter(|(_, value)| !value.trim().is_empty());
        let numbers: BTreeSet<usize> = written.filter_map(|(key, _)| number(key)).collect();
        let mut sources: Vec<EmrSource> = Vec::new();
        for number in numbers {
            let of = prefix(number);
            let Some(source) = self.emr_source(&of) else { continue };
            if sources.iter().any(|other| other.name.to_lowercase() == source.name.to_lowercase()) {
                self.faults.push(format!("{of}name: {:?} is the name of another source: write another", source.name));
            }
            sources.push(source);
        }
        sources
    }

    fn emr_source(&mut self, of: &str) -> Option<EmrSource> {
        let key = |name: &str| format!("{of}{name}");
        self.required(&key("base_url"), "https://emr.example.org/fhir");
        let base = self.parsed(&key("base_url"), SERVER_URL_FIX, fhir_base);
        let host = base.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let name = self.text(&key("name")).unwrap_or(host);
        let is_name = !name.contains(char::is_control) && name.chars().count() <= LONGEST_NAME;
        if !is_name {
            self.faults.push(format!("{}: is too long: write at most {LONGEST_NAME} characters", key("name")));
        }
        let (sign_in, secret_files) = self.emr_sign_in(of);
        let scopes = self.text(&key("scopes")).unwrap_or_default();
        let launch_client_id = self.text(&key("launch_client_id"));
        let rate = |text: &str| text.parse::<u32>().ok().filter(|rate| (1..=100).contains(rate));
        let requests_per_second =
            self.parsed(&key("requests_per_second"), "write a number of requests from 1 to 100", rate);
        let fix = "write two times of the day, as 22:00-06:00";
        let named = self.text(&key("quiet_hours")).is_some();
        let quiet_hours = self.parsed(&key("quiet_hours"), fix, hours);
        let timeout = self.timeout(&key("timeout_seconds"));
        let authorities = self.authorities(&key("ca_file"));
        if named && quiet_hours.is_none() {
            return None;
        }
        Some(EmrSource {
            name,
            base: base?,
            sign_in: sign_in?,
            launch_client_id,
            secret_files,
            scopes,
            requests_per_second: requests_per_second?,
            quiet_hours,
            timeout: timeout?,
            authorities,
        })
    }

    /// The one way of signing in that is configured, and the files that hold its secret.
    fn emr_sign_in(&mut self, of: &str) -> (Option<EmrSignIn>, Vec<PathBuf>) {
        let key = |name: &str| format!("{of}{name}");
        let (client, user) = (self.text(&key("client_id")), self.text(&key("username")));
        let token = self.emr_secret(&key("bearer_token_file"));
        let password = self.emr_secret(&key("password_file"));
        let ways = [client.is_some(), token.is_some(), user.is_some() || password.is_some()];
        if ways.into_iter().filter(|is_there| *is_there).count() != 1 {
            let fix =
                "write one of client_id (signs in by Postern's key), bearer_token_file, or username and password_file";
            self.faults.push(format!("{}: says not how Postern signs in: {fix}", key("client_id")));
            return (None, Vec::new());
        }
        match (client, token, user, password) {
            (Some(client), ..) => (Some(EmrSignIn::Key(client)), Vec::new()),
            (_, Some((path, token)), ..) => (token.map(EmrSignIn::Bearer), vec![path]),
            (_, _, Some(user), Some((path, password))) => {
                (password.map(|password| EmrSignIn::Basic(user, password)), vec![path])
            }
            _ => {
                self.faults.push(format!("{}: username and password_file go together", key("username")));
                (None, Vec::new())
            }
        }
    }

    /// The file that a key names, and the secret in it; `None` where the key is not written.
    fn emr_secret(&mut self, key: &str) -> Option<(PathBuf, Option<String>)> {
        let path = self.text(key).map(|name| self.credential(&name))?;
        let secret = match std::fs::read_to_string(&path) {
            // it becomes a header: a sign that none may hold would break every call
            Ok(text) if !text.trim().is_empty() && !text.trim().contains(char::is_control) => {
                Some(text.trim().to_owned())
            }
            Ok(_) => {
                self.faults.push(format!("{key}: {:?} does not hold one line with the secret", path.display()));
                None
            }
            Err(cause) => {
                let fix = "name a file that holds the secret";
                self.faults.push(format!("{key}: {:?} cannot be read: {cause}: {fix}", path.display()));
                None
            }
        };
        Some((path, secret))
    }
}

/// The address below which resources are; addresses are put together with a slash.
fn fhir_base(text: &str) -> Option<Url> {
    server_url(text.trim_end_matches('/'))
}

/// Two times of the day in minutes, as `22:00-06:00`.
fn hours(text: &str) -> Option<(i64, i64)> {
    let minutes = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
    };
    let (from, until) = text.split_once('-')?;
    let (from, until) = (minutes(from)?, minutes(until)?);
    (from != until).then_some((from, until))
}
