//! A real S3 server for each test that needs one: `s3s-fs`, which checks signatures and hashes, on a folder of its own.

use super::peers;
use postern::config::Bucket;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const BUCKET: &str = "clinic-files";

pub struct S3 {
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
}

impl S3 {
    pub fn start() -> S3 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut server = S3 { child: None, port, folder };
        server.go_on();
        server
    }

    /// Starts it again after [`S3::stop`], on the same port and with the same objects.
    pub fn go_on(&mut self) {
        let mut command = Command::new(peers::s3_server());
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--access-key", "clinic", "--secret-key", "secret of the clinic"]).arg(self.folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("the S3 server does not start"));
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the S3 server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it, as if its machine lost power.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Makes all objects look as if they had been stored two days ago.
    pub fn make_old(&self) {
        let then = std::time::SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
        for entry in std::fs::read_dir(self.folder.path().join(BUCKET)).unwrap().flatten() {
            if entry.path().is_file() {
                let file = std::fs::File::options().write(true).open(entry.path()).unwrap();
                file.set_modified(then).unwrap();
            }
        }
    }

    /// Stores a file that is not Postern's in the bucket.
    pub fn put_stray(&self, name: &str) {
        std::fs::write(self.folder.path().join(BUCKET).join(name), "a note").unwrap();
    }

    pub fn bucket(&self) -> Bucket {
        Bucket {
            endpoint: format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
            name: BUCKET.into(),
            region: "us-east-1".into(),
            access_key: "clinic".into(),
            secret_key: "secret of the clinic".into(),
            path_style: true,
            authorities: Vec::new(),
        }
    }

    /// The folder with the objects of the bucket, each as a file.
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
