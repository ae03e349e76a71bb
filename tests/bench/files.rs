//! Files: an upload against writing the same bytes to the same disk, a download against the same bytes from memory by
//! the same web framework, and the memory that each takes.

use super::base::Base;
use super::client::Client;
use super::clinic::{self, Size};
use super::server::{self, PROGRAM, Server};
use postern::db::DatabaseUrl;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MB: usize = 1 << 20;
/// Files of the size that one attachment may have by default.
const SIZE: usize = 25 * MB;
const TIMES: usize = 12;
/// A file that is too large to be held in memory.
const LARGE: usize = 600 * MB;

/// Prints the ratios, in clear and encrypted.
pub fn run() {
    for key in [None, Some("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::new(Path::new(PROGRAM), database(folder.path()), folder.path());
        server.set("POSTERN_ATTACHMENTS_LARGEST_FILE_MB", "1024");
        server.set("POSTERN_ATTACHMENTS_LARGEST_MESSAGE_MB", "1024");
        key.iter().for_each(|key| server.set("POSTERN_STORAGE_KEY", key));
        let mut client = start(&mut server);
        let how = if key.is_some() { "encrypted" } else { "in clear" };
        measure(&mut client, folder.path(), how);
        memory(&server, &mut client, how);
    }
    far_away();
}

fn database(folder: &Path) -> Base {
    Base::at(DatabaseUrl::Sqlite(folder.join("clinic.db")))
}

/// Starts a small clinic, and signs its owner in.
fn start(server: &mut Server) -> Client {
    let link = server.prepare();
    clinic::fill(&server.base, Size { items: 10, long: 2, many: (1, 2), answering: 2, ..Size::of(10) });
    server.start();
    Client::of(server.port, &server.sign_in(&link))
}

/// Measures memory where files are scanned and stored encrypted in a bucket: with a real S3 server and clamd.
fn far_away() {
    let Some(program) = std::env::var_os("POSTERN_TEST_S3") else {
        return println!("memory with a bucket and a scanner: LEFT OUT, POSTERN_TEST_S3 names no S3 server");
    };
    let folder = tempfile::tempdir().unwrap();
    let [s3, clamd] = [(); 2].map(|()| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    });
    std::fs::create_dir_all(folder.path().join("objects/bench-files")).unwrap();
    let mut store = Command::new(program);
    store.args(["--host", "127.0.0.1", "--port", &s3.to_string(), "--access-key", "bench", "--secret-key", "secret"]);
    let signatures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/clamd");
    let lines = format!(
        "DatabaseDirectory {signatures}\nTCPSocket {clamd}\nTCPAddr 127.0.0.1\nForeground yes\nStreamMaxLength 1G\n"
    );
    std::fs::write(folder.path().join("clamd.conf"), lines).unwrap();
    let mut scanner = Command::new("/usr/sbin/clamd");
    scanner.arg(format!("--config-file={}", folder.path().join("clamd.conf").display()));
    let _beside = [(store.arg(folder.path().join("objects")), s3), (&mut scanner, clamd)].map(Beside::start);

    let mut server = Server::new(Path::new(PROGRAM), database(folder.path()), folder.path());
    for (name, value) in [
        ("STORAGE_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
        ("STORAGE_BUCKET", "bench-files"),
        ("STORAGE_ENDPOINT", &format!("http://127.0.0.1:{s3}")),
        ("STORAGE_REGION", "us-east-1"),
        ("STORAGE_ACCESS_KEY", "bench"),
        ("STORAGE_SECRET_KEY", "secret"),
        ("STORAGE_PATH_STYLE", "true"),
        ("CLAMD_ADDRESS", &format!("127.0.0.1:{clamd}")),
        ("CLAMD_LARGEST_MB", "1024"),
        ("CLAMD_TIMEOUT_SECONDS", "50"),
        ("ATTACHMENTS_LARGEST_FILE_MB", "1024"),
        ("ATTACHMENTS_LARGEST_MESSAGE_MB", "1024"),
    ] {
        server.set(&format!("POSTERN_{name}"), value);
    }
    let mut client = start(&mut server);
    // once without measuring, as above
    let path = attached(&mut client, MB, 1_000);
    client.drain(&path);
    memory(&server, &mut client, "scanned, encrypted and in a bucket");
}

/// Another server, which ends when this is dropped.
struct Beside(Child);

impl Beside {
    fn start((command, port): (&mut Command, u16)) -> Beside {
        let beside = Beside(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{command:?} does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        beside
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(client: &mut Client, folder: &Path, how: &str) {
    // once without measuring: what is reserved for the first file is not a cost of the others
    client.upload("/patients/2/uploads", MB, 1_000);
    let begin = Instant::now();
    for seed in 0..TIMES {
        client.upload("/patients/2/uploads", SIZE, seed);
    }
    let taken = rate(begin);
    let begin = Instant::now();
    (0..TIMES).for_each(|seed| write(&folder.join(format!("copy-{seed}")), seed));
    let written = rate(begin);
    println!("upload of {} MB {how}: {taken:.0} MB/s; the same bytes written and synced: {written:.0} MB/s", SIZE / MB);
    println!("  ratio {:.2}", written / taken);

    let small = attached(client, SIZE, 50);
    let bytes = client.get(&small);
    assert_eq!((bytes.status, bytes.body.len()), (200, SIZE));
    let fixed = server::static_server(bytes.body);
    let mut bare = Client::connect(fixed);
    let times = |client: &mut Client, path: &str| {
        let begin = Instant::now();
        (0..TIMES).for_each(|_| assert_eq!(client.get(path).body.len(), SIZE));
        rate(begin)
    };
    times(&mut bare, "/");
    let (fixed, given) = (times(&mut bare, "/"), times(client, &small));
    println!("download {how}: {given:.0} MB/s; the same from memory: {fixed:.0} MB/s; ratio {:.2}", fixed / given);
}

fn memory(server: &Server, client: &mut Client, how: &str) {
    for (size, word) in [(SIZE, "25 MB"), (LARGE, "600 MB")] {
        let before = server.forget_peak();
        let path = attached(client, size, 60);
        let up = server.peak() - before;
        let before = server.forget_peak();
        assert_eq!(client.drain(&path), size);
        let down = server.peak() - before;
        println!("memory at its peak, {word} {how}: {:+.2} MB for the upload, {:+.2} MB for the download", up, down);
    }
}

fn rate(begin: Instant) -> f64 {
    (TIMES * SIZE) as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

fn write(path: &Path, seed: usize) {
    let mut file = std::fs::File::create(path).unwrap();
    super::client::content(SIZE, seed, |piece| file.write_all(piece).unwrap());
    file.sync_all().unwrap();
    std::fs::File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
}

/// Uploads a file and sends it; gives its address.
fn attached(client: &mut Client, size: usize, seed: usize) -> String {
    let id = client.upload("/patients/2/uploads", size, seed + size);
    let form = format!("key=bench-files-{id:012}&title=A&body=B&body_format=markdown&upload={id}");
    let sent = client.post("/patients/2/messages/new", &form);
    assert_eq!(sent.status, 303);
    format!("{}/attachments/1", sent.location.split('?').next().unwrap())
}
