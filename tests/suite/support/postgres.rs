//! A PostgreSQL server of a test's own, which can be killed.

use super::peers;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A server with durable settings; it ends when this is dropped.
pub struct Server {
    folder: tempfile::TempDir,
    pub url: String,
}

impl Server {
    fn tell(folder: &Path, what: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/postgres.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(what[0]).arg(folder.join("server")).args(&what[1..]).output().unwrap()
    }

    /// Starts it; `None` where a flag of `tests/run` leaves out the tests on PostgreSQL.
    pub fn start() -> Option<Server> {
        peers::postgres_url()?;
        let folder = tempfile::tempdir().unwrap();
        // the server runs as another user, who must be able to enter the folder
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let started = Server::tell(folder.path(), &["durable"]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let url = String::from_utf8(started.stdout).unwrap().trim().to_owned();
        Some(Server { folder, url })
    }

    /// A folder that is removed with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn must(&self, what: &[&str]) {
        let done = Server::tell(self.folder.path(), what);
        assert!(done.status.success(), "{what:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(Server::tell(self.folder.path(), &["stop"]));
    }
}
