//! An EMR for one test: helios-hfs, its authorization server, and in front of both a server of our own, which counts what is
//! asked and makes the trouble that a test wants.

use super::app::{App, On};
use super::html::Page;
use super::peers::{self, EmrPrograms};
use super::program::free_port;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use data_encoding::BASE64;
use futures_util::stream;
use postern::config::{Config, EmrSignIn, EmrSource};
use postern::delivery::Delivery;
use postern::emr::Emr;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The name of the source.
pub const NAME: &str = "Harbour EMR";
/// By what the EMR knows Postern as an app that its users open.
pub const APP: &str = "postern-launch";
/// What the EMR grants where a test says nothing else.
pub const READS: &str = "system/*.rs";

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// it is answered with this status
    Status(u16),
    /// it is answered with this status and `Retry-After`
    Wait(u16, u64),
    /// it is sent elsewhere
    Redirect(String),
    /// half of the answer comes, then the connection ends
    Cut,
    /// the answer comes so much later
    Late(Duration),
}

#[derive(Default)]
struct Script {
    /// where the real server is
    fhir: String,
    /// the clinic whose keys the authorization server reads
    clinic: String,
    /// what happens to the next request whose address contains the words
    troubles: Vec<(&'static str, Trouble)>,
    asked: Vec<String>,
    /// what requests were signed in with
    signed: BTreeSet<String>,
}

type Shared = Arc<Mutex<Script>>;

/// The address under which the authorization server reads the clinic's keys.
const KEYS: &str = "/keys-of-the-clinic";
/// Headers that belong to one connection only.
const OF_CONNECTION: [&str; 5] = ["host", "content-length", "connection", "transfer-encoding", "accept-encoding"];

async fn front(
    req: HttpRequest,
    body: web::Bytes,
    script: web::Data<Shared>,
    http: web::Data<reqwest::Client>,
) -> HttpResponse {
    let path = req.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let (to, trouble) = {
        let mut script = script.lock().unwrap();
        script.asked.push(format!("{} {path}", req.method()));
        let signed = req.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        script.signed.extend(signed);
        let at = script.troubles.iter().position(|(words, _)| path.contains(words));
        let trouble = at.map(|at| script.troubles.remove(at).1);
        let to = match path.as_str() {
            KEYS => format!("{}/emr/jwks.json", script.clinic),
            _ => format!("{}{path}", script.fhir),
        };
        (to, trouble)
    };
    let status = |status: u16| StatusCode::from_u16(status).unwrap();
    match &trouble {
        Some(Trouble::Status(said)) => return HttpResponse::build(status(*said)).finish(),
        Some(Trouble::Wait(said, seconds)) => {
            return HttpResponse::build(status(*said)).insert_header(("retry-after", seconds.to_string())).finish();
        }
        Some(Trouble::Redirect(to)) => {
            return HttpResponse::Found().insert_header(("location", to.clone())).finish();
        }
        Some(Trouble::Late(span)) => tokio::time::sleep(*span).await,
        Some(Trouble::Cut) | None => {}
    }
    let method = reqwest::Method::from_bytes(req.method().as_str().as_bytes()).unwrap();
    let mut forward = http.request(method, &to).body(body.to_vec());
    for (name, value) in req.headers().iter().filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str())) {
        forward = forward.header(name.as_str(), value.to_str().unwrap());
    }
    let got = forward.send().await.unwrap();
    let mut answer = HttpResponse::build(status(got.status().as_u16()));
    for (name, value) in got.headers().iter().filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str())) {
        answer.append_header((name.as_str(), value.to_str().unwrap()));
    }
    let content = got.bytes().await.unwrap();
    match trouble {
        Some(Trouble::Cut) => {
            let half = content.slice(..content.len() / 2);
            answer.streaming(stream::iter([Ok(half), Err(std::io::Error::other("cut"))]))
        }
        _ => answer.body(content),
    }
}

/// A real EMR.
pub struct RealEmr {
    fhir: Child,
    authorization: Child,
    script: Shared,
    /// the address below which its resources are
    pub base: String,
    issuer: String,
    stop: actix_web::dev::ServerHandle,
    _folder: tempfile::TempDir,
}

impl RealEmr {
    /// Starts one that grants these scopes (spaces between), by tokens that last so many seconds; `None` by
    /// `--without-emr`.
    pub fn start(scopes: &str, seconds: u32) -> Option<RealEmr> {
        let programs = peers::emr()?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let script: Shared = Arc::default();
        let stop = serve(listener, script.clone());
        let port = free_port();
        let mut authorization = Command::new("node")
            .arg(&programs.script)
            .args([port.to_string(), base.clone(), format!("{base}{KEYS}"), seconds.to_string(), scopes.to_owned()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let mut issuer = String::new();
        BufReader::new(authorization.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        let issuer = issuer.trim().to_owned();
        assert!(issuer.starts_with("http://127.0.0.1:"), "the authorization server does not start: {issuer}");
        let folder = tempfile::tempdir().unwrap();
        let (fhir, address) = start_fhir(&programs, &base, &issuer, &folder);
        script.lock().unwrap().fhir = address;
        Some(RealEmr { fhir, authorization, script, base, issuer, stop, _folder: folder })
    }

    /// The configuration of a clinic that signs in here by its key.
    pub fn source(&self) -> EmrSource {
        EmrSource {
            name: NAME.to_owned(),
            base: self.base.parse().unwrap(),
            sign_in: EmrSignIn::Key("postern".to_owned()),
            launch_client_id: None,
            secret_files: Vec::new(),
            scopes: READS.to_owned(),
            requests_per_second: 100,
            quiet_hours: None,
            timeout: Duration::from_secs(30),
            authorities: Vec::new(),
        }
    }

    /// From now on the keys are those of the clinic at this origin.
    pub fn knows(&self, origin: &str) {
        self.script.lock().unwrap().clinic = origin.to_owned();
    }

    /// Makes trouble for the next request whose address contains the words.
    pub fn trouble(&self, words: &'static str, trouble: Trouble) {
        self.script.lock().unwrap().troubles.push((words, trouble));
    }

    /// How many requests came whose method and address contain the words.
    pub fn asked(&self, words: &str) -> usize {
        self.script.lock().unwrap().asked.iter().filter(|asked| asked.contains(words)).count()
    }

    /// How many different tokens requests were signed in with.
    pub fn tokens(&self) -> usize {
        self.script.lock().unwrap().signed.len()
    }

    /// Whether a request was signed in with this header.
    pub fn was_signed(&self, authorization: &str) -> bool {
        self.script.lock().unwrap().signed.contains(authorization)
    }

    /// The page of the clinic that the EMR opens: `launch` is `chart:PATIENT`, `message:PATIENT`, or `nothing`.
    pub fn opens(&self, launch: &str) -> String {
        let said = [("iss", self.base.as_str()), ("launch", launch)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
        format!("/emr/launch?{query}")
    }

    /// Somebody goes on from the clinic's page to the EMR's own, signs in there and consents; gives the path of the
    /// clinic to which they are led back.
    pub async fn be(&self, way: &Page, name: &str) -> String {
        let stops = reqwest::redirect::Policy::custom(|attempt| match attempt.url().path() {
            "/emr/answer" => attempt.stop(),
            _ => attempt.follow(),
        });
        let http = reqwest::Client::builder().cookie_store(true).redirect(stops).build().unwrap();
        let mut answer = http.get(way.attr("main a.btn", "href").unwrap()).send().await.unwrap();
        for _ in 0..4 {
            if let Some(back) = answer.headers().get("location") {
                let back: url::Url = back.to_str().unwrap().parse().unwrap();
                return format!("{}?{}", back.path(), back.query().unwrap_or_default());
            }
            let (to, page) = (answer.url().clone(), answer.text().await.unwrap());
            let prompt = if page.contains("name=\"login\"") { "login" } else { "consent" };
            let typed = [("prompt", prompt), ("login", name), ("password", "x")];
            answer = http.post(to).form(&typed).send().await.unwrap();
        }
        panic!("the EMR does not lead back");
    }

    /// A token by which a test may do everything.
    pub async fn token(&self) -> String {
        let secret = BASE64.encode(b"filler:a-secret-of-a-test-emr-0123456789abcdef");
        let form = [("grant_type", "client_credentials"), ("scope", "system/*.cruds")];
        let asked = reqwest::Client::new()
            .post(format!("{}/token", self.issuer))
            .header("authorization", format!("Basic {secret}"));
        let said: Value = asked.form(&form).send().await.unwrap().json().await.unwrap();
        said["access_token"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Sends a request to the FHIR server itself, as somebody who may do everything; gives the status and the answer.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (token, fhir) = (self.token().await, self.script.lock().unwrap().fhir.clone());
        let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{fhir}/{path}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let sent = request.header("content-type", "application/fhir+json").body(body.to_owned()).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }

    /// Stores a resource under its own id.
    pub async fn put(&self, resource: &Value) {
        let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let (status, said) = self.send("PUT", &path, &resource.to_string()).await;
        assert!(matches!(status, 200 | 201), "{path}: {status} {said}");
    }

    /// Removes a resource, as `Patient/p1`.
    pub async fn remove(&self, path: &str) {
        let (status, said) = self.send("DELETE", path, "").await;
        assert!(matches!(status, 200 | 204), "{path}: {status} {said}");
    }
}

impl Drop for RealEmr {
    fn drop(&mut self) {
        for child in [&mut self.fhir, &mut self.authorization] {
            drop(child.kill());
            drop(child.wait());
        }
        drop(self.stop.stop(false));
    }
}

/// Starts the server in front, in a thread of its own.
fn serve(listener: TcpListener, script: Shared) -> actix_web::dev::ServerHandle {
    let (sender, handle) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            let server = HttpServer::new(move || {
                actix_web::App::new()
                    .app_data(web::Data::new(script.clone()))
                    .app_data(web::Data::new(http.clone()))
                    .app_data(web::PayloadConfig::new(64 << 20))
                    .default_service(web::to(front))
            });
            let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    handle.recv().unwrap()
}

fn start_fhir(programs: &EmrPrograms, base: &str, issuer: &str, folder: &tempfile::TempDir) -> (Child, String) {
    let (port, path) = (free_port(), |name: &str| folder.path().join(name));
    std::fs::create_dir(path("data")).unwrap();
    std::fs::create_dir(path("exports")).unwrap();
    // without them filters of searches are ignored in silence
    std::fs::copy(&programs.parameters, path("data/search-parameters-r4.json")).unwrap();
    let child = Command::new(&programs.hfs)
        .env("HFS_SERVER_HOST", "127.0.0.1")
        .env("HFS_SERVER_PORT", port.to_string())
        // what it names as its own address is the server in front
        .env("HFS_BASE_URL", base)
        .env("HFS_DATA_DIR", path("data"))
        .env("HFS_DATABASE_URL", path("fhir.db"))
        .env("HFS_BULK_EXPORT_OUTPUT_DIR", path("exports"))
        .env("HFS_SEED_CONFORMANCE", "false")
        .env("HFS_VALIDATION_MODE", "enforce")
        .env("HFS_AUTH_ENABLED", "true")
        .env("HFS_AUTH_JWKS_URL", format!("{issuer}/jwks"))
        .env("HFS_AUTH_ISSUER", issuer)
        .env("HFS_AUTH_AUDIENCE", base)
        .env("HFS_SMART_TOKEN_ENDPOINT", format!("{issuer}/token"))
        .env("HFS_SMART_AUTHORIZE_ENDPOINT", format!("{issuer}/auth"))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the FHIR server does not start");
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the FHIR server does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    (child, format!("http://127.0.0.1:{port}"))
}

/// A clinic at the present time, and its EMR, which grants these scopes; `None` by `--without-emr`.
pub async fn clinic(on: On, scopes: &str, change: impl FnOnce(&mut EmrSource)) -> Option<(App, RealEmr)> {
    let emr = RealEmr::start(scopes, 300)?;
    let mut source = emr.source();
    change(&mut source);
    let app = App::start_with_config(on, |config: &mut Config| config.emr = vec![source], Delivery::mailbox).await;
    emr.knows(&app.origin);
    // the tokens of the EMR have its own, real time
    app.at_present();
    Some((app, emr))
}

/// Runs calls to the first EMR of a clinic in a thread that may block.
pub async fn ask<T: Send + 'static>(app: &App, calls: impl FnOnce(&Emr) -> T + Send + 'static) -> T {
    let emr = app.state.emr[0].clone();
    tokio::task::spawn_blocking(move || calls(&emr)).await.unwrap()
}
