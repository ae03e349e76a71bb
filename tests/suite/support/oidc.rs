//! Identity providers (OpenID Connect) for tests: a real one with its own pages, and one that answers whatever a test
//! wants.

use super::app::{Actor, Answer, App, On};
use super::html::Page;
use super::peers;
use super::program::free_port;
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use data_encoding::{BASE64, BASE64URL_NOPAD as B64};
use postern::config::{Config, Oidc, ProviderStep};
use postern::delivery::Delivery;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const CLIENT: &str = "clinic";
pub const SECRET: &str = "a-secret-of-a-test-clinic-0123456789";
/// The name by which users know the provider.
pub const NAME: &str = "Harbour ID";

/// The settings of a clinic for a provider with this issuer.
pub fn settings(issuer: &str) -> Oidc {
    Oidc {
        issuer: issuer.to_owned(),
        name: NAME.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(SECRET.to_owned()),
        client_secret_file: None,
        scopes: vec!["email".to_owned(), "profile".to_owned()],
        timeout: Duration::from_secs(5),
        authorities: Vec::new(),
        role_claim: None,
        roles: Vec::new(),
        creates_users: false,
        second_step: ProviderStep::Never,
        only: false,
    }
}

/// Takes roles from the claim `groups`.
pub fn by_groups(oidc: &mut Oidc) {
    oidc.role_claim = Some("groups".to_owned());
    let roles = [("clinic-owners", "owner"), ("clinic-staff", "staff"), ("clinic-viewers", "viewer")];
    oidc.roles = roles.map(|(value, role)| (value.to_owned(), role.to_owned())).to_vec();
}

/// The library `oidc-provider` with its own pages.
pub struct RealProvider {
    child: Child,
}

impl RealProvider {
    /// Starts it for the clinics at these origins; `None` by `--without-node`.
    pub fn start(port: u16, origins: &[&str]) -> Option<RealProvider> {
        let script = peers::oidc_provider()?;
        let mut command = Command::new("node");
        command.arg(script).arg(port.to_string()).args(origins).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://127.0.0.1:"), "the provider does not start: {line}");
        Some(RealProvider { child })
    }
}

impl Drop for RealProvider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the provider of a test answers at this moment.
struct Script {
    issuer: String,
    /// the claims of the ID token; `nonce` is the one of the last visit, unless it is given here
    claims: BTreeMap<String, Value>,
    /// the claims of `userinfo`
    more: Value,
    key: EcdsaKeyPair,
    key_id: &'static str,
    /// another key than its own, which it publishes; `None`: it publishes its own
    publishes: Option<(Vec<u8>, &'static str)>,
    algorithm: &'static str,
    /// the error of its token endpoint
    refuses: Option<&'static str>,
    nonce: String,
    challenge: String,
    /// codes that were redeemed
    redeemed: Vec<String>,
    discovered: usize,
    endpoints: BTreeMap<&'static str, Value>,
}

/// A provider that answers whatever a test wants.
#[derive(Clone)]
pub struct FalseProvider {
    script: Arc<Mutex<Script>>,
    pub issuer: String,
    stop: actix_web::dev::ServerHandle,
}

fn fresh_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

type Shared = web::Data<Arc<Mutex<Script>>>;

async fn discovery(script: Shared) -> HttpResponse {
    let mut script = script.lock().unwrap();
    script.discovered += 1;
    let issuer = script.issuer.clone();
    let mut says = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/end"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    });
    for (name, value) in &script.endpoints {
        says[*name] = value.clone();
    }
    HttpResponse::Ok().json(says)
}

async fn keys(script: Shared) -> HttpResponse {
    let script = script.lock().unwrap();
    let own = (script.key.public_key().as_ref().to_vec(), script.key_id);
    let (point, id) = script.publishes.clone().unwrap_or(own);
    let (x, y) = (B64.encode(&point[1..33]), B64.encode(&point[33..65]));
    HttpResponse::Ok().json(json!({"keys": [
        {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y}
    ]}))
}

fn id_token(script: &Script) -> String {
    let mut claims = script.claims.clone();
    claims.entry("nonce".to_owned()).or_insert_with(|| json!(script.nonce));
    claims.retain(|_, value| !value.is_null());
    let head = json!({"alg": script.algorithm, "kid": script.key_id, "typ": "JWT"});
    let signed =
        format!("{}.{}", B64.encode(head.to_string().as_bytes()), B64.encode(json!(claims).to_string().as_bytes()));
    let signature = match script.algorithm {
        "ES256" => B64.encode(script.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref()),
        // signed with the client's secret: anyone who knows it could make tokens
        "HS256" => {
            use hmac::{Hmac, Mac};
            let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            B64.encode(&mac.finalize().into_bytes())
        }
        _ => String::new(),
    };
    format!("{signed}.{signature}")
}

async fn token(req: HttpRequest, script: Shared, form: web::Form<BTreeMap<String, String>>) -> HttpResponse {
    let mut script = script.lock().unwrap();
    let refused = |error: &str| HttpResponse::BadRequest().json(json!({"error": error}));
    let authorization = req.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let basic = format!("Basic {}", BASE64.encode(format!("{CLIENT}:{SECRET}").as_bytes()));
    if authorization != Some(basic) {
        return refused("invalid_client");
    }
    if let Some(error) = script.refuses {
        return refused(error);
    }
    // checks PKCE, and redeems each code once
    let proof =
        B64.encode(&Sha256::digest(form.get("code_verifier").map(String::as_str).unwrap_or_default().as_bytes()));
    let code = form.get("code").cloned().unwrap_or_default();
    if proof != script.challenge || script.redeemed.contains(&code) {
        return refused("invalid_grant");
    }
    script.redeemed.push(code);
    let token = id_token(&script);
    HttpResponse::Ok().json(json!({"access_token": "opens-userinfo", "token_type": "Bearer", "id_token": token}))
}

async fn userinfo(req: HttpRequest, script: Shared) -> HttpResponse {
    let bearer = req.headers().get("authorization").is_some_and(|value| value == "Bearer opens-userinfo");
    match bearer {
        true => HttpResponse::Ok().json(script.lock().unwrap().more.clone()),
        false => HttpResponse::Unauthorized().finish(),
    }
}

impl FalseProvider {
    pub fn start() -> FalseProvider {
        FalseProvider::start_on(0)
    }

    /// Starts it on this port, where another one was stopped before.
    pub fn start_on(port: u16) -> FalseProvider {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let script = Arc::new(Mutex::new(Script {
            issuer: issuer.clone(),
            claims: BTreeMap::new(),
            more: json!({}),
            key: fresh_key(),
            key_id: "one",
            publishes: None,
            algorithm: "ES256",
            refuses: None,
            nonce: String::new(),
            challenge: String::new(),
            redeemed: Vec::new(),
            discovered: 0,
            endpoints: BTreeMap::new(),
        }));
        let (sender, handle) = std::sync::mpsc::channel();
        let shared = script.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    actix_web::App::new()
                        .app_data(web::Data::new(shared.clone()))
                        .route("/.well-known/openid-configuration", web::get().to(discovery))
                        .route("/keys", web::get().to(keys))
                        .route("/token", web::post().to(token))
                        .route("/userinfo", web::get().to(userinfo))
                });
                let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        FalseProvider { script, issuer, stop: handle.recv().unwrap() }
    }

    pub async fn end(&self) {
        self.stop.stop(false).await;
    }

    pub fn port(&self) -> u16 {
        self.issuer.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A clinic whose users sign in here, with further settings.
    pub async fn clinic(&self, on: On, change: impl FnOnce(&mut Oidc)) -> App {
        let mut oidc = settings(&self.issuer);
        change(&mut oidc);
        App::start_with_config(on, |config: &mut Config| config.oidc = Some(oidc), Delivery::mailbox).await
    }

    /// Makes the next sign-in that of this person, at the clinic's time.
    pub fn is(&self, app: &App, subject: &str) {
        let now = app.state.clock.now().get().unix_timestamp();
        let claims = [
            ("iss", json!(self.issuer)),
            ("sub", json!(subject)),
            ("aud", json!(CLIENT)),
            ("iat", json!(now)),
            ("exp", json!(now + 300)),
        ];
        let mut script = self.script.lock().unwrap();
        script.claims = claims.map(|(name, value)| (name.to_owned(), value)).into();
        script.more = json!({"sub": subject});
    }

    /// Sets a claim of the ID token; with `null` the token has no such claim.
    pub fn claims(&self, name: &str, value: Value) {
        self.script.lock().unwrap().claims.insert(name.to_owned(), value);
    }

    /// Sets the claims of `userinfo`.
    pub fn says_more(&self, more: Value) {
        self.script.lock().unwrap().more = more;
    }

    pub fn signs_by(&self, algorithm: &'static str) {
        self.script.lock().unwrap().algorithm = algorithm;
    }

    /// Gives it another key, which it publishes.
    pub fn rotates(&self, key_id: &'static str) {
        let mut script = self.script.lock().unwrap();
        (script.key, script.key_id) = (fresh_key(), key_id);
    }

    /// Makes it go on publishing its present key, whatever it signs with later.
    pub fn keeps_publishing(&self) {
        let mut script = self.script.lock().unwrap();
        script.publishes = Some((script.key.public_key().as_ref().to_vec(), script.key_id));
    }

    pub fn refuses(&self, error: Option<&'static str>) {
        self.script.lock().unwrap().refuses = error;
    }

    pub fn names(&self, endpoint: &'static str, at: Value) {
        self.script.lock().unwrap().endpoints.insert(endpoint, at);
    }

    pub fn discovered(&self) -> usize {
        self.script.lock().unwrap().discovered
    }

    /// The browser visits the provider's address to which the clinic sends it; gives the parameters of that address.
    pub fn visited(&self, way: &Page) -> BTreeMap<String, String> {
        let link = way.attr("main a.btn", "href").unwrap();
        let url: url::Url = link.parse().unwrap_or_else(|_| panic!("{link} leads nowhere"));
        assert_eq!(url.as_str().split('?').next(), Some(format!("{}/authorize", self.issuer).as_str()));
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let mut script = self.script.lock().unwrap();
        script.nonce = asked["nonce"].clone();
        script.challenge = asked["code_challenge"].clone();
        asked
    }
}

static CODES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// A code that was not used before.
pub fn fresh_code() -> String {
    format!("code-{}", CODES.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
}

/// The browser comes back with this answer of the provider, and sends it on to the clinic.
pub async fn come_back(browser: &Actor, answer: &[(&str, &str)]) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    let back = browser.get(&format!("/sign-in/provider/answer?{query}")).await;
    if back.status != 200 {
        return back;
    }
    browser.submit(&back.page(), "Go on", &[]).await
}

/// Signs in at the provider and comes back; gives the clinic's answer.
pub async fn sign_in(provider: &FalseProvider, browser: &Actor) -> Answer {
    let way = browser.post("/sign-in/provider", &[("next", "/patients")]).await.ok();
    finish(provider, browser, &way).await
}

/// Goes on from the page that leads to the provider.
pub async fn finish(provider: &FalseProvider, browser: &Actor, way: &Page) -> Answer {
    let asked = provider.visited(way);
    come_back(browser, &[("code", &fresh_code()), ("state", &asked["state"]), ("iss", &provider.issuer)]).await
}

/// A port on which a real provider is about to listen, and its issuer.
pub fn real_issuer() -> (u16, String) {
    let port = free_port();
    (port, format!("http://127.0.0.1:{port}"))
}
