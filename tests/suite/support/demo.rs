//! `postern demo` as a process of its own, which can be killed.

use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Demo {
    child: Child,
    pub port: u16,
}

impl Demo {
    /// Starts the clinic in this folder, and fills it where it is new.
    pub fn start(folder: &Path) -> Demo {
        Demo::start_with(folder, &[])
    }

    /// Starts it with these options besides.
    pub fn start_with(folder: &Path, options: &[&str]) -> Demo {
        Demo::start_as(folder, Command::new(env!("CARGO_BIN_EXE_postern")), options)
    }

    /// Starts it by another command, which runs the program with the arguments that are added here.
    pub fn start_by(folder: &Path, command: Command) -> Demo {
        Demo::start_as(folder, command, &[])
    }

    fn start_as(folder: &Path, mut command: Command, options: &[&str]) -> Demo {
        let _ = std::fs::remove_file(folder.join("demo.json"));
        // a file of its own, outside the folder: what the demo says of why it ended
        let told = tempfile::NamedTempFile::new().unwrap();
        let child = command
            .args(["demo", "--port", "0", "--data", folder.to_str().unwrap()])
            .args(options)
            .stdout(Stdio::null())
            .stderr(told.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut demo = Demo { child, port: 0 };
        let begin = Instant::now();
        loop {
            let said = || std::fs::read_to_string(told.path()).unwrap_or_default();
            assert!(begin.elapsed() < Duration::from_secs(180), "the demo does not start: {}", said());
            assert!(demo.child.try_wait().unwrap().is_none(), "the demo ended: {}", said());
            if let Ok(json) = std::fs::read(folder.join("demo.json")) {
                let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
                let url: url::Url = json["clinic_url"].as_str().unwrap().parse().unwrap();
                let port = url.port().unwrap();
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    demo.port = port;
                    return demo;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, by our own child's id.
    pub fn kill(self) {}

    pub fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A browser in which a member of staff is signed in.
    pub async fn signed_in(&self) -> reqwest::Client {
        signed_in(&self.at(""), ("staff@demo.example", "demo-staff-1")).await
    }
}

/// The charts of Synthea with which the demo begins: the name of each file, and its JSON.
pub fn charts() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo/fhir");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gz"));
    files.sort();
    let read = |file: &Path| {
        let mut json = Vec::new();
        GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_end(&mut json).unwrap();
        (file.file_name().unwrap().to_string_lossy().into_owned(), json)
    };
    files.iter().map(|file| read(file)).collect()
}

/// A browser in which this user is signed in; its requests carry the mark of the user's pages, as a script's do.
pub async fn signed_in(base: &str, (email, password): (&str, &str)) -> reqwest::Client {
    let cookies = Arc::<reqwest::cookie::Jar>::default();
    let browser = || {
        let browser = reqwest::Client::builder().cookie_provider(cookies.clone());
        browser.redirect(reqwest::redirect::Policy::none())
    };
    let client = browser().build().unwrap();
    let form = [("email", email), ("password", password)];
    assert_eq!(client.post(format!("{base}/sign-in")).form(&form).send().await.unwrap().status(), 303);
    let page = client.get(format!("{base}/account/notifications")).send().await.unwrap().text().await.unwrap();
    let mine = page.split_once("data-whose=\"").unwrap().1.split('"').next().unwrap();
    let headers = [("x-whose".parse().unwrap(), mine.parse().unwrap())].into_iter().collect();
    browser().default_headers(headers).build().unwrap()
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
