//! GROUND: the clinic's EMRs and laboratories that speak FHIR R4, as they are asked over HTTP.
//!
//! Postern signs in by SMART Backend Services (HL7 SMART App Launch 2.2: `private_key_jwt` with a key of its own), by a
//! token that the EMR gave out, or by a name and a password. Every call is limited in time, in bytes and in number, and
//! goes to the EMR's own address only: what leads elsewhere is refused, because it would carry the token along. Nothing
//! that an EMR says is logged: the errors hold fixed words.
//!
//! Calls block their thread. They belong into a thread of the blocking pool, not into one that serves pages.

mod answers;
mod calls;
mod discovery;
mod fhir;
mod keys;
mod scopes;
mod tokens;
mod why;

pub use answers::{Accept, Answer, Verb};
pub use discovery::Capabilities;
pub use keys::SigningKey;
pub use scopes::{NEEDED, Need, WRITTEN, missing};
pub use why::{EmrError, Fault};

use crate::clock::{Clock, Random};
use crate::config::{EmrSignIn, EmrSource};
use crate::db::Ts;
use calls::Calls;
use data_encoding::BASE64;
use discovery::Known;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokens::AccessToken;
use url::Url;

/// The system of the identifiers that Postern gives to what it writes into an EMR. An import leaves such resources out: they are
/// here already, as what they were made of.
pub const OWN_SYSTEM: &str = "urn:postern:write-back";

/// Gives the key by which Postern signs in; `None` where none was made yet. It may block.
pub type KeySource = Arc<dyn Fn() -> Result<Option<SigningKey>, EmrError> + Send + Sync>;

/// One EMR or laboratory, ready to be asked. Nothing is connected yet; cheap to clone.
#[derive(Clone)]
pub struct Emr(Arc<Inner>);

struct Inner {
    config: EmrSource,
    calls: Calls,
    clock: Clock,
    random: Random,
    keys: KeySource,
    /// when the next request is due, as the limit of requests per second has it
    due: Mutex<Option<Instant>>,
    signed_in: Mutex<SignedIn>,
    known: Mutex<Known>,
}

/// The present token, and why the last attempt to get one failed, and when.
#[derive(Default)]
struct SignedIn {
    token: Option<AccessToken>,
    failed: Option<(EmrError, Instant)>,
}

/// For so long after the token endpoint did not answer, nobody waits for it again: callers who wait take threads.
const AWAY_FOR: Duration = Duration::from_secs(5);

/// A value that several threads use; one that panicked leaves it as it was.
fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the next request has to wait; `due` is when it would be due if all came evenly. After a pause as many go at
/// once as may go in a second.
fn turn(due: &mut Option<Instant>, now: Instant, in_a_second: u32) -> Duration {
    let spacing = Duration::from_secs(1) / in_a_second.max(1);
    let at_once = spacing * in_a_second.saturating_sub(1);
    let at = due.map_or(now, |due| due.max(now));
    *due = Some(at + spacing);
    at.saturating_duration_since(now).saturating_sub(at_once)
}

impl Emr {
    /// The EMR that the configuration names.
    pub fn new(config: &EmrSource, clock: Clock, random: Random, keys: KeySource) -> Emr {
        Emr(Arc::new(Inner {
            calls: Calls::new(config),
            config: config.clone(),
            clock,
            random,
            keys,
            due: Mutex::default(),
            signed_in: Mutex::default(),
            known: Mutex::default(),
        }))
    }

    /// The source's name, as imports know it.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// The address below which its resources are.
    pub fn base(&self) -> &Url {
        &self.0.config.base
    }

    /// The settings.
    pub fn config(&self) -> &EmrSource {
        &self.0.config
    }

    /// Reads what is at `target`: a path below the base (`Patient?_count=50`), or an absolute address of the same server
    /// (a `next` link). Reads at most `limit` bytes.
    ///
    /// # Errors
    /// See [`EmrError`].
    pub fn get(&self, target: &str, accept: Accept, limit: u64) -> Result<Answer, EmrError> {
        let answer = self.ask(&self.0.calls.short, Verb::Get, target, &[("accept", accept.as_str())], &[])?;
        calls::read(answer, limit, self.0.clock.now())
    }

    /// Opens what is at `target`, to be read as it comes: a file of a bulk export, or a Binary. Reading fails where the
    /// server falls silent.
    ///
    /// # Errors
    /// See [`EmrError`].
    pub fn open(&self, target: &str, accept: Accept) -> Result<Box<dyn Read + Send>, EmrError> {
        let answer = self.ask(&self.0.calls.long, Verb::Get, target, &[("accept", accept.as_str())], &[])?;
        if answer.status().is_success() {
            return Ok(Box::new(answer.into_body().into_reader()));
        }
        calls::read(answer, calls::LONGEST_REFUSAL, self.0.clock.now())?;
        Err(EmrError::Untrue(why::NO_CONTENT))
    }

    /// Sends a resource, with further headers such as `If-None-Exist` and `Prefer`.
    ///
    /// # Errors
    /// See [`EmrError`].
    pub fn send(&self, method: Verb, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, EmrError> {
        let mut all = vec![("accept", Accept::FhirJson.as_str())];
        if matches!(method, Verb::Post | Verb::Put) {
            all.push(("content-type", "application/fhir+json"));
        }
        // a header that is given replaces the usual one
        all.retain(|(name, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
        all.extend_from_slice(headers);
        let answer = self.ask(&self.0.calls.short, method, target, &all, body)?;
        calls::read(answer, calls::LONGEST_ANSWER, self.0.clock.now())
    }

    /// What the server says of itself: the version of FHIR, the types of resources and what can be done with them.
    ///
    /// # Errors
    /// See [`EmrError`]; [`EmrError::Untrue`] where it is not FHIR R4.
    pub fn capabilities(&self) -> Result<Capabilities, EmrError> {
        let url = self.url("metadata")?;
        self.wait_for_turn();
        let headers = [("accept", Accept::FhirJson.as_str())];
        // it is public on most servers, and so tells also why signing in fails
        let open = self.0.calls.run(&self.0.calls.short, (Verb::Get, &url), &headers, &[]);
        let read = open.and_then(|answer| calls::read(answer, discovery::LONGEST, self.0.clock.now()));
        let answer = match read {
            Err(EmrError::NotAllowed(_)) => self.get("metadata", Accept::FhirJson, discovery::LONGEST)?,
            other => other?,
        };
        Capabilities::read(&answer.body)
    }

    /// Signs in, anew if asked, and gives the scopes that the server says it granted; `None` where it does not say.
    ///
    /// # Errors
    /// See [`EmrError`].
    pub fn granted(&self, anew: bool) -> Result<Option<Vec<String>>, EmrError> {
        match &self.0.config.sign_in {
            EmrSignIn::Key(client) => {
                if anew {
                    *held(&self.0.signed_in) = SignedIn::default();
                }
                Ok(self.token(client)?.scopes)
            }
            EmrSignIn::Bearer(_) | EmrSignIn::Basic(..) => Ok(None),
        }
    }

    /// The address of a target: always of this server.
    fn url(&self, target: &str) -> Result<Url, EmrError> {
        let base = self.base();
        let is_whole = ["http://", "https://"]
            .iter()
            .any(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
        let text = match is_whole {
            true => target.to_owned(),
            false => format!("{}/{}", base.as_str().trim_end_matches('/'), target.trim_start_matches('/')),
        };
        let url = Url::parse(&text).map_err(|_| EmrError::Untrue(why::NO_ADDRESS))?;
        let is_own = url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
        if is_own { Ok(url) } else { Err(EmrError::Untrue(why::ELSEWHERE)) }
    }

    /// Waits until the limit of requests per second lets one more through.
    fn wait_for_turn(&self) {
        let wait = turn(&mut held(&self.0.due), Instant::now(), self.0.config.requests_per_second);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    fn ask(
        &self,
        agent: &ureq::Agent,
        method: Verb,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<calls::Response, EmrError> {
        let url = self.url(target)?;
        let mut is_second = false;
        loop {
            let authorization = self.authorization()?;
            let mut all = headers.to_vec();
            all.push(("authorization", authorization.as_str()));
            self.wait_for_turn();
            let answer = self.0.calls.run(agent, (method, &url), &all, body)?;
            // a server may end a token before its time
            if answer.status().as_u16() == 401 && !is_second && matches!(self.0.config.sign_in, EmrSignIn::Key(_)) {
                self.forget(&authorization);
                is_second = true;
                continue;
            }
            return Ok(answer);
        }
    }

    /// Drops a token that the server did not accept, unless another thread has a newer one already.
    fn forget(&self, authorization: &str) {
        let mut signed_in = held(&self.0.signed_in);
        if signed_in.token.as_ref().is_some_and(|token| token.header == authorization) {
            signed_in.token = None;
        }
    }

    fn authorization(&self) -> Result<String, EmrError> {
        match &self.0.config.sign_in {
            EmrSignIn::Key(client) => Ok(self.token(client)?.header),
            EmrSignIn::Bearer(token) => Ok(format!("Bearer {token}")),
            EmrSignIn::Basic(user, password) => {
                Ok(format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())))
            }
        }
    }

    /// The present token, or a new one. Threads that need one at the same time wait for the one that asks.
    fn token(&self, client: &str) -> Result<AccessToken, EmrError> {
        let mut signed_in = held(&self.0.signed_in);
        let now = self.0.clock.now();
        if let Some(token) = signed_in.token.as_ref().filter(|token| token.lasts(now)) {
            return Ok(token.clone());
        }
        if let Some((cause, at)) = &signed_in.failed
            && at.elapsed() < AWAY_FOR
        {
            return Err(cause.clone());
        }
        let fresh = self.new_token(client, now);
        match &fresh {
            Ok(token) => *signed_in = SignedIn { token: Some(token.clone()), failed: None },
            Err(cause @ EmrError::Away(_)) => signed_in.failed = Some((cause.clone(), Instant::now())),
            Err(_) => signed_in.failed = None,
        }
        fresh
    }

    fn new_token(&self, client: &str, now: Ts) -> Result<AccessToken, EmrError> {
        let endpoint = self.token_endpoint()?;
        let key = (self.0.keys)()?.ok_or(EmrError::NotAllowed(why::NO_KEY))?;
        let assertion = key.assertion(client, &endpoint, now, &self.0.random.token())?;
        let form = tokens::form(&self.0.config.scopes, &assertion);
        let headers = [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
        let url = self.0.calls.safe(&endpoint)?;
        let answer = self.0.calls.run(&self.0.calls.short, (Verb::Post, &url), &headers, form.as_bytes())?;
        let (status, waits) = (answer.status().as_u16(), calls::retry_after(&answer, now));
        let text = calls::text(answer, tokens::LONGEST)?;
        tokens::read(status, waits, &text, now)
    }

    /// The address at which tokens are given out, as the server writes it: the assertion names it letter by letter.
    fn token_endpoint(&self) -> Result<String, EmrError> {
        let now = self.0.clock.now();
        let mut known = held(&self.0.known);
        if let Some(endpoint) = known.endpoint(now) {
            return Ok(endpoint.to_owned());
        }
        let url = self.url(".well-known/smart-configuration")?;
        self.wait_for_turn();
        let answer =
            self.0.calls.run(&self.0.calls.short, (Verb::Get, &url), &[("accept", "application/json")], &[])?;
        let answer = match calls::read(answer, discovery::LONGEST, now) {
            Err(EmrError::Refused { .. }) => return Err(EmrError::Untrue(why::NO_SMART)),
            other => other?,
        };
        let endpoint = discovery::token_endpoint(&answer.body)?;
        self.0.calls.safe(&endpoint)?;
        known.learn(endpoint.clone(), now);
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn emr(base: &str) -> Emr {
        let vars = [
            ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
            ("POSTERN_SMTP_HOST", "mail.example.org"),
            ("POSTERN_SMTP_FROM", "clinic@example.org"),
            ("POSTERN_EMR_BASE_URL", base),
            ("POSTERN_EMR_CLIENT_ID", "postern"),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, vars.into_iter()).unwrap_or_else(|faults| panic!("{faults:?}"));
        Emr::new(&config.emr[0], Clock::system(), Random::seeded(1), Arc::new(|| Ok(None)))
    }

    #[test]
    fn the_token_goes_to_no_other_server() {
        let emr = emr("https://emr.example.org/fhir/");
        for (target, address) in [
            ("Patient?_count=50", "https://emr.example.org/fhir/Patient?_count=50"),
            ("/metadata", "https://emr.example.org/fhir/metadata"),
            ("https://emr.example.org/fhir?page=2", "https://emr.example.org/fhir?page=2"),
            ("https://emr.example.org:443/bulk/1.ndjson", "https://emr.example.org/bulk/1.ndjson"),
        ] {
            assert_eq!(emr.url(target).unwrap().as_str(), address, "{target}");
        }
        for target in [
            "https://elsewhere.example.org/fhir/Patient",
            "http://emr.example.org/fhir/Patient",
            "HTTPS://emr.example.org:8443/fhir/Patient",
            "https://somebody@emr.example.org/fhir/Patient",
        ] {
            assert_eq!(emr.url(target).unwrap_err(), EmrError::Untrue(why::ELSEWHERE), "{target}");
        }
        // an address without a scheme stays below the base
        assert_eq!(emr.url("//elsewhere.example.org").unwrap().host_str(), Some("emr.example.org"));
    }

    #[test]
    fn requests_are_spread_over_the_seconds() {
        let (begin, mut due) = (Instant::now(), None);
        let mut wait = |millis: u64| turn(&mut due, begin + Duration::from_millis(millis), 4).as_millis();
        assert_eq!([0; 6].map(&mut wait), [0, 0, 0, 0, 250, 500]);
        // two of them have had their time meanwhile
        assert_eq!([500; 2].map(&mut wait), [250, 500]);
        // after a pause it begins anew
        assert_eq!([60_000; 5].map(&mut wait), [0, 0, 0, 0, 250]);
        let mut alone = None;
        assert_eq!([0; 3].map(|_: u64| turn(&mut alone, begin, 1).as_secs()), [0, 1, 2]);
    }

    #[test]
    fn a_token_endpoint_that_is_away_is_not_waited_for_by_everyone() {
        let emr = emr("http://127.0.0.1:9/fhir");
        let away = EmrError::Away(why::LATE);
        held(&emr.0.signed_in).failed = Some((away.clone(), Instant::now()));
        assert_eq!(emr.granted(false).unwrap_err(), away);
        // who asks for it tries again: nothing listens there
        assert_eq!(emr.granted(true).unwrap_err(), EmrError::Away(why::UNREACHABLE));
        assert!(held(&emr.0.signed_in).failed.is_some());
    }

    #[test]
    fn without_a_key_nobody_is_asked() {
        let emr = emr("http://127.0.0.1:9/fhir");
        held(&emr.0.known).learn("http://127.0.0.1:9/token".to_owned(), emr.0.clock.now());
        assert_eq!(emr.granted(false).unwrap_err(), EmrError::NotAllowed(why::NO_KEY));
    }
}
