//! A real clamd for each test that needs one, with a list of four signatures (`tests/peers/clamd`): EICAR's by hashes
//! and by content, and a marker of our own. It tests the connection, not the detection.

use postern::config::{Clamd as Config, ClamdAddress};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The bytes that the list calls a virus anywhere in a file.
pub const MARKER: &[u8] = b"CLINIC-TEST-MALWARE-MARKER";

/// The test file of the European Institute for Computer Antivirus Research. It is composed here, because scanners on a
/// developer's disk would otherwise find it in this source.
pub fn eicar() -> Vec<u8> {
    let parts = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC", "AR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];
    parts.concat().into_bytes()
}

pub struct Clamd {
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
}

impl Clamd {
    pub fn start() -> Clamd {
        let mut clamd = Clamd::stopped();
        clamd.go_on();
        clamd
    }

    /// A clamd that does not run yet.
    pub fn stopped() -> Clamd {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Clamd { child: None, port, folder: tempfile::tempdir().unwrap() }
    }

    /// Starts it, again after [`Clamd::stop`].
    pub fn go_on(&mut self) {
        let signatures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/clamd");
        let lines = [
            format!("DatabaseDirectory {signatures}"),
            format!("TCPSocket {}", self.port),
            "TCPAddr 127.0.0.1".into(),
            format!("LocalSocket {}", self.socket().display()),
            "Foreground yes".into(),
            "StreamMaxLength 10M".into(),
            "MaxThreads 4".into(),
        ];
        let file = self.folder.path().join("clamd.conf");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let mut command = Command::new("/usr/sbin/clamd");
        let command = command.arg(format!("--config-file={}", file.display()));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("clamd does not start (tests/run installs it)"));
        let begin = Instant::now();
        while postern::scan::Scanner::new(&self.config()).version().is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "clamd does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, as if its machine lost power.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn config(&self) -> Config {
        let address = ClamdAddress::Tcp("127.0.0.1".into(), self.port);
        // long enough to scan each file during its upload, also on a machine that is busy with other tests
        let patience = Duration::from_secs(45);
        Config { address, timeout: patience, largest: 10 << 20, patience }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("clamd.sock")
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
