//! ChromeDriver as a process that never outlives its test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starts ChromeDriver in the background and waits for the end of its own input, which comes by `Driver::drop` and
/// also when the test's process is killed; then ends the whole process group, Chromium with it.
const KEEPER: &str = r#""$0" --port=0 </dev/null & read -r _; kill -KILL 0"#;

pub struct Driver {
    keeper: Child,
    url: String,
    profile: TempDir,
}

impl Driver {
    /// Panics if ChromeDriver does not start.
    pub fn start(chromedriver: &Path) -> Driver {
        let profile = TempDir::new().unwrap();
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER])
            .arg(chromedriver)
            .env("XDG_CONFIG_HOME", profile.path()) // for the crash reporter's files
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", chromedriver.display()));
        let output = BufReader::new(keeper.stdout.take().unwrap());
        let (sender, port) = mpsc::channel();
        // reads its output to the end, so that it never waits for a reader
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let port = line
                    .split_once("successfully on port ")
                    .and_then(|(_, p)| p.trim_end_matches('.').parse::<u16>().ok());
                if let Some(port) = port {
                    let _ = sender.send(port);
                }
            }
        });
        let mut driver = Driver { keeper, url: String::new(), profile: TempDir::new().unwrap() };
        let port =
            port.recv_timeout(Duration::from_secs(90)).unwrap_or_else(|e| panic!("chromedriver did not start: {e}"));
        driver.url = format!("http://127.0.0.1:{port}");
        driver
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder for the browser's profile.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// The process group of ChromeDriver and its browser.
    pub fn process_group(&self) -> u32 {
        self.keeper.id()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = self.process_group();
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        // the profile is removed next, so nothing may still write into it
        let deadline = Instant::now() + Duration::from_secs(5);
        while !processes_of(group).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The living processes of a group.
pub fn processes_of(group: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_member = |id: &u32| {
        // "ID (NAME) STATE PARENT GROUP …", where NAME may contain anything
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.nth(1) == Some(&group.to_string())
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_member).collect()
}
