//! Files: taking one in against writing the same bytes to the same disk, giving one out against the same bytes from
//! memory by the same web framework, and what either costs in memory.

use super::client::Client;
use super::server::{self, Server};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

const MB: usize = 1 << 20;
/// Files of the size that one attachment may have by default.
const SIZE: usize = 25 * MB;
const TIMES: usize = 12;
/// One that no machine would like to hold in memory.
const LARGE: usize = 600 * MB;

/// Prints the ratios, in clear and encrypted.
pub fn run() {
    for key in [None, Some("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::prepare(folder.path());
        server.set("POSTERN_STORAGE_FOLDER", folder.path().join("files").to_str().unwrap());
        server.set("POSTERN_ATTACHMENTS_LARGEST_FILE_MB", "1024");
        server.set("POSTERN_ATTACHMENTS_LARGEST_MESSAGE_MB", "1024");
        key.iter().for_each(|key| server.set("POSTERN_STORAGE_KEY", key));
        server.start();
        let mut client = Client::connect(server.port);
        client.cookie = server.sign_in();
        client = client.again();
        measure(&server, &mut client, folder.path(), if key.is_some() { "encrypted" } else { "in clear" });
    }
}

fn measure(server: &Server, client: &mut Client, folder: &Path, how: &str) {
    // once for nothing: what is reserved at the first file is no cost of the others
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
