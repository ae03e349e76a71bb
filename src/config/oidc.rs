//! What the configuration says of the identity provider at which users sign in (OpenID Connect).

use super::{SERVER_URL_FIX, Source, server_url};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::tls::Certificate;

/// The identity provider.
#[derive(Clone)]
pub struct Oidc {
    /// its issuer, as it is written: it is compared sign by sign
    pub issuer: String,
    /// as users call it
    pub name: String,
    /// by what it knows the clinic
    pub client_id: String,
    /// by what the clinic proves that it is the client; `None`: it has none (PKCE alone)
    pub client_secret: Option<String>,
    /// the file that holds it; `None`: the configuration does
    pub client_secret_file: Option<PathBuf>,
    /// what is asked for besides `openid`
    pub scopes: Vec<String>,
    /// limit for one call
    pub timeout: Duration,
    /// certificate authorities to trust in place of the public ones; none: those
    pub authorities: Vec<Certificate<'static>>,
    /// the claim that says what somebody is; `None`: the clinic says it
    pub role_claim: Option<String>,
    /// which of its values gives which role: the first that somebody has counts
    pub roles: Vec<(String, String)>,
    /// who has a role and no account gets one at the first sign-in
    pub creates_users: bool,
    /// whether the provider's sign-in stands for the second step too
    pub second_step: ProviderStep,
    /// nobody signs in in another way
    pub only: bool,
}

/// Whether what the provider did stands for the second step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderStep {
    /// the clinic's own is asked for, where there is one or the role needs it
    Never,
    /// whatever it did
    Always,
    /// where one of these stands in `acr` or `amr`
    Named(Vec<String>),
}

/// The words for roles, as `access::Role` has them; a test compares the two.
pub const ROLE_WORDS: [&str; 4] = ["owner", "clinician", "staff", "viewer"];

/// What is of no use without an issuer.
const BESIDE: [&str; 10] = [
    "oidc.name",
    "oidc.client_id",
    "oidc.client_secret",
    "oidc.client_secret_file",
    "oidc.ca_file",
    "oidc.role_claim",
    "oidc.roles",
    "oidc.create_users",
    "oidc.second_step",
    "oidc.only",
];

impl Source {
    pub(super) fn oidc(&mut self) -> Option<Oidc> {
        let Some(issuer) = self.text("oidc.issuer") else {
            for key in BESIDE.into_iter().filter(|key| self.values.contains_key(*key)).collect::<Vec<_>>() {
                self.faults.push(format!("{key}: needs oidc.issuer: name the provider, or remove {key}"));
            }
            return None;
        };
        self.parsed("oidc.issuer", SERVER_URL_FIX, server_url);
        self.required("oidc.client_id", "postern");
        let name = self.text("oidc.name").unwrap_or_else(|| host(&issuer));
        let client_secret_file = self.text("oidc.client_secret_file").map(|name| self.credential(&name));
        let client_secret = self.client_secret(client_secret_file.as_deref());
        let scopes = self.words("oidc.scopes");
        let roles = self.roles();
        let role_claim = self.text("oidc.role_claim");
        if role_claim.is_some() == roles.is_empty() {
            let missing = if role_claim.is_some() { "oidc.roles" } else { "oidc.role_claim" };
            self.faults.push(format!("{missing}: is missing: oidc.role_claim and oidc.roles go together"));
        }
        let creates_users = self.flag("oidc.create_users");
        if creates_users == Some(true) && role_claim.is_none() {
            let fix = "write oidc.role_claim and oidc.roles";
            self.faults.push(format!("oidc.create_users: nothing says what role a new user has: {fix}"));
        }
        let second_step = match self.words("oidc.second_step").as_slice() {
            [word] if word == "never" => ProviderStep::Never,
            [word] if word == "always" => ProviderStep::Always,
            named => ProviderStep::Named(named.to_vec()),
        };
        let (only, timeout) = (self.flag("oidc.only"), self.timeout("oidc.timeout_seconds"));
        let authorities = self.authorities("oidc.ca_file");
        Some(Oidc {
            issuer,
            name,
            client_id: self.text("oidc.client_id")?,
            client_secret,
            client_secret_file,
            scopes,
            timeout: timeout?,
            authorities,
            role_claim,
            roles,
            creates_users: creates_users?,
            second_step,
            only: only?,
        })
    }

    /// Words with spaces or commas between.
    fn words(&self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn client_secret(&mut self, file: Option<&Path>) -> Option<String> {
        let written = self.text("oidc.client_secret");
        let Some(path) = file else { return written };
        if written.is_some() {
            self.faults.push("oidc.client_secret_file: oidc.client_secret is there too: keep one of them".to_owned());
        }
        match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Ok(_) => {
                self.faults.push(format!("oidc.client_secret_file: {:?} is empty", path.display()));
                None
            }
            Err(cause) => {
                let fix = "name a file that holds the client's secret";
                self.faults
                    .push(format!("oidc.client_secret_file: {:?} cannot be read: {cause}: {fix}", path.display()));
                None
            }
        }
    }

    /// `Clinic Owners=owner, nurses=staff`: which value gives which role.
    fn roles(&mut self) -> Vec<(String, String)> {
        let text = self.text("oidc.roles").unwrap_or_default();
        let mut roles = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.rsplit_once('=').map(|(value, role)| (value.trim(), role.trim())) {
                Some((value, role)) if !value.is_empty() && ROLE_WORDS.contains(&role) => {
                    roles.push((value.to_owned(), role.to_owned()));
                }
                _ => {
                    let fix = "write VALUE=ROLE with one of owner, clinician, staff, viewer; commas between";
                    self.faults.push(format!("oidc.roles: {pair:?} is not valid: {fix}"));
                }
            }
        }
        roles
    }
}

/// What an issuer is called that has no name.
fn host(issuer: &str) -> String {
    url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
