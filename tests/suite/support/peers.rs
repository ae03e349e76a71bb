//! The servers and programs that `tests/run` provides for the tests. Only this file reads its variables.
//!
//! A test that needs one of them and does not find it fails. A test may return early only where it gets `None`, which
//! happens only if a flag of `tests/run` leaves that part out.

use serde::Deserialize;
use std::env;
use std::io::Write;
use std::path::PathBuf;

/// The URL of a superuser of the test run's own PostgreSQL; `None` by `--without-postgres`.
pub fn postgres_url() -> Option<String> {
    (!left_out("POSTERN_TEST_WITHOUT_POSTGRES")).then(|| required("POSTERN_TEST_PG_URL"))
}

/// Whether the tests with Postfix and Dovecot are left out, by `--without-postfix`.
pub fn without_postfix() -> bool {
    left_out("POSTERN_TEST_WITHOUT_POSTFIX")
}

/// The program of an S3 server, for [`super::s3`].
pub fn s3_server() -> PathBuf {
    required("POSTERN_TEST_S3").into()
}

/// The ports of the test run's own SMTP server; see `tests/peers/smtp_sink.py`.
#[derive(Clone, Debug, Deserialize)]
pub struct Smtp {
    pub host: String,
    /// No TLS and no sign-in.
    pub plain_port: u16,
    /// STARTTLS and a sign-in are required.
    pub starttls_port: u16,
    /// TLS from the first byte; a sign-in is required.
    pub implicit_tls_port: u16,
    /// Accepts connections and never answers.
    pub silent_port: u16,
    /// `http://…`, for [`super::mail`].
    pub control: String,
    /// The certificate to trust, as a PEM file.
    pub ca: PathBuf,
    pub user: String,
    pub password: String,
}

pub fn smtp() -> Smtp {
    let json = required("POSTERN_TEST_SMTP");
    serde_json::from_str(&json).unwrap_or_else(|e| panic!("POSTERN_TEST_SMTP: {e}: {json}"))
}

/// The programs that a browser test starts.
pub struct BrowserPrograms {
    pub chromedriver: PathBuf,
    pub chromium: PathBuf,
}

/// The path of Lighthouse; `None` by `--without-node`.
pub fn lighthouse() -> Option<PathBuf> {
    (!left_out("POSTERN_TEST_WITHOUT_NODE")).then(|| PathBuf::from(required("POSTERN_TEST_LIGHTHOUSE")))
}

/// The browser and what drives it; `None` only by `tests/run --without-browser`.
pub fn browser_programs() -> Option<BrowserPrograms> {
    let program = |variable, usual: &str| {
        let path = env::var_os(variable).map_or_else(|| PathBuf::from(usual), PathBuf::from);
        assert!(path.exists(), "{} is not there: use tests/run, or set {variable}", path.display());
        path
    };
    (!left_out("POSTERN_TEST_WITHOUT_BROWSER")).then(|| BrowserPrograms {
        chromedriver: program("POSTERN_TEST_CHROMEDRIVER", "/usr/bin/chromedriver"),
        chromium: program("POSTERN_TEST_CHROMIUM", "/usr/bin/chromium"),
    })
}

/// The script of a real identity provider, for [`super::oidc`]; `None` only by `tests/run --without-node`.
pub fn oidc_provider() -> Option<PathBuf> {
    (!left_out("POSTERN_TEST_WITHOUT_OIDC")).then(|| required("POSTERN_TEST_OIDC").into())
}

/// The programs of a real EMR, for [`super::emr`]; see `tests/run`.
#[derive(Clone, Debug, Deserialize)]
pub struct EmrPrograms {
    /// the FHIR server
    pub hfs: PathBuf,
    /// the script of its authorization server
    pub script: PathBuf,
    /// the definitions of its searches
    pub parameters: PathBuf,
}

/// The programs of a real EMR; `None` only by `tests/run --without-emr` or `--without-node`.
pub fn emr() -> Option<EmrPrograms> {
    (!left_out("POSTERN_TEST_WITHOUT_EMR")).then(|| {
        let json = required("POSTERN_TEST_EMR");
        serde_json::from_str(&json).unwrap_or_else(|e| panic!("POSTERN_TEST_EMR: {e}: {json}"))
    })
}

fn required(variable: &str) -> String {
    env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: use tests/run (for one test: --only-tests -- NAME)"))
}

fn left_out(variable: &str) -> bool {
    let left_out = env::var(variable).is_ok_and(|value| value == "1");
    if left_out {
        let thread = std::thread::current();
        // not eprintln!, which the test harness keeps to itself when the test passes
        let _ = writeln!(std::io::stderr(), "LEFT OUT by {variable}: {}", thread.name().unwrap_or("a test"));
    }
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream;
    use std::time::Duration;

    fn greeting(host: &str, port: u16) -> Result<String, ErrorKind> {
        let mut connection = TcpStream::connect((host, port)).unwrap();
        connection.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut buffer = [0; 64];
        connection.read(&mut buffer).map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned()).map_err(|e| e.kind())
    }

    #[test]
    fn the_smtp_server_listens_everywhere() {
        let smtp = smtp();
        for port in [smtp.plain_port, smtp.starttls_port] {
            assert!(greeting(&smtp.host, port).unwrap().starts_with("220 sink.test"));
        }
        for port in [smtp.implicit_tls_port, smtp.silent_port] {
            assert_eq!(greeting(&smtp.host, port), Err(ErrorKind::WouldBlock));
        }
        assert!(std::fs::read_to_string(&smtp.ca).unwrap().contains("BEGIN CERTIFICATE"));
        assert!(!smtp.user.is_empty() && !smtp.password.is_empty());
    }

    #[test]
    fn postgresql_is_this_runs_own() {
        let Some(url) = postgres_url() else { return };
        let address = url.strip_prefix("postgres://postern:").and_then(|u| u.split_once('@')).unwrap().1;
        let (host, port) = address.strip_suffix("/postgres").unwrap().split_once(':').unwrap();
        assert_eq!(host, "127.0.0.1");
        TcpStream::connect((host, port.parse().unwrap())).unwrap();
    }
}
