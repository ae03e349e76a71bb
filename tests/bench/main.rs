//! `cargo bench`: the speed of the real binary over HTTP, as ratios against the bare limit in the same run. Absolute
//! numbers say more about the machine than about Postern.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod bare;
mod client;
mod files;
mod fill;
mod import;
mod server;

use client::Client;
use server::Server;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 32;
const SECONDS: f64 = 4.0;

fn main() {
    // `cargo test` also runs what has no harness: it must not take minutes then
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // `cargo bench -- import`, `cargo bench -- files`: that part alone
    let asked = |part: &str| std::env::args().any(|argument| argument == part);
    if !asked("files") {
        import::run();
    }
    if asked("import") {
        return;
    }
    files::run();
    if asked("files") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path());
    println!("start-up on an existing database: {:.0} ms", server.start().as_secs_f64() * 1e3);
    println!("memory at rest: {:.1} MB", server.memory());

    let cookie = server.sign_in();
    sends(&server, &cookie, folder.path());
    pages(&server, &cookie, "200 conversations", 200);
    pages(&server, &cookie, "200,000 conversations", 200_000);

    let mut client = Client::connect(server.port);
    client.cookie = cookie;
    (0..10_000).for_each(|_| drop(client.get("/inbox")));
    println!("memory after 10,000 requests more: {:.1} MB", server.memory());
}

/// Calls per second of `work` on several threads at once; each gets its own connection and number.
fn rate(threads: usize, work: impl Fn(usize, u64, &mut Client) + Sync, port: u16, cookie: &str) -> f64 {
    let begin = Instant::now();
    let calls: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let work = &work;
                scope.spawn(move || {
                    let mut client = Client::connect(port);
                    client.cookie = cookie.to_owned();
                    let mut calls = 0;
                    while begin.elapsed() < Duration::from_secs_f64(SECONDS) {
                        work(thread, calls, &mut client);
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    calls as f64 / begin.elapsed().as_secs_f64()
}

fn sends(server: &Server, cookie: &str, folder: &std::path::Path) {
    let bare = bare::sends_per_second(&server.copy_database(folder), SECONDS);
    let run = begin_of_run();
    let send = |thread: usize, call: u64, client: &mut Client| {
        let patient = 1 + (thread as u64 * 7 + call) % 13;
        let key = format!("bench-{run}-{thread:04}-{call:08}");
        let form = format!("key={key}&title=Your+results&body=All+is+well&replies_allowed=on&body_format=markdown");
        let answer = client.post(&format!("/patients/{patient}/messages/new"), &form);
        // a patient of the charts who has died cannot be told: 409, and nothing is written
        assert!(matches!(answer.status, 303 | 409), "{}", answer.status);
    };
    let http = rate(CONNECTIONS, send, server.port, cookie);
    println!(
        "sends: {http:.0}/s over HTTP with {CONNECTIONS} connections, {bare:.0}/s by prepared statements, one commit each"
    );
    println!("  a send costs {:.2} times the bare write", bare / http);
}

fn begin_of_run() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn pages(server: &Server, cookie: &str, what: &str, conversations: usize) {
    fill::up_to(&server.database, conversations);
    let mut client = Client::connect(server.port);
    client.cookie = cookie.to_owned();
    let conversation = client.post(
        "/patients/2/messages/new",
        &format!("key=bench-page-{conversations:012}&title=A&body=B&body_format=markdown"),
    );
    let message = conversation.location.split('?').next().unwrap_or_default().to_owned();
    for (name, path) in [("inbox", "/inbox?scope=all"), ("message", message.as_str())] {
        let page = client.get(path);
        assert_eq!(page.status, 200, "{path}");
        let file = server::static_server(page.body.clone());
        let get = |path: &str| {
            let path = path.to_owned();
            move |_: usize, _: u64, client: &mut Client| assert_eq!(client.get(&path).status, 200)
        };
        let fixed = rate(4, get("/"), file, "");
        let real = rate(4, get(path), server.port, cookie);
        let size = page.body.len() / 1000;
        println!(
            "{name} page at {what}: {real:.0}/s; the same {size} kB served statically: {fixed:.0}/s; ratio {:.2}",
            fixed / real
        );
    }
}
