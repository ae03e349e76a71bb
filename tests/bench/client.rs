//! A minimal HTTP client with one connection, so that it costs little beside the server that is measured.

use super::server::SignedIn;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub struct Client {
    stream: BufReader<TcpStream>,
    port: u16,
    /// the person who sends
    pub who: SignedIn,
    /// the address that it claims to come from
    pub from: String,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub location: String,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Client { stream: BufReader::new(stream), port, who: SignedIn::default(), from: "127.0.0.1".to_owned() }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    pub fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send("POST", path, form)
    }

    fn send(&mut self, method: &str, path: &str, form: &str) -> Answer {
        self.ask(method, path, form);
        self.answer()
    }

    fn ask(&mut self, method: &str, path: &str, form: &str) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.head_lines(),
            form.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
    }

    fn head_lines(&self) -> String {
        let SignedIn { cookie, whose } = &self.who;
        let mut lines = format!("host: 127.0.0.1:{}\r\nx-forwarded-for: {}\r\n", self.port, self.from);
        for (name, value) in [("cookie", cookie), ("x-whose", whose)] {
            if !value.is_empty() {
                lines.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        lines
    }

    /// A client for this person, with a connection of its own.
    pub fn of(port: u16, who: &SignedIn) -> Client {
        Client { who: who.clone(), ..Client::connect(port) }
    }

    /// Uploads a file of this size as a browser does; gives its identity.
    pub fn upload(&mut self, path: &str, size: usize, seed: usize) -> u64 {
        let head = "--B\r\ncontent-disposition: form-data; name=\"files\"; filename=\"a.pdf\"\r\n\r\n";
        let tail = "\r\n--B--\r\n";
        let request = format!(
            "POST {path} HTTP/1.1\r\norigin: http://127.0.0.1:{}\r\n{}content-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n\r\n{head}",
            self.port,
            self.head_lines(),
            head.len() + size + tail.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).expect("the server reads");
        content(size, seed, |piece| stream.write_all(piece).expect("the server reads"));
        stream.write_all(tail.as_bytes()).expect("the server reads");
        let answer = self.answer();
        let page = String::from_utf8(answer.body).expect("a page");
        assert_eq!(answer.status, 200, "{page}");
        let id = page.split("name=\"upload\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        id.and_then(|id| id.parse().ok()).expect("an identity")
    }

    /// Downloads a file without keeping it; gives its size.
    pub fn drain(&mut self, path: &str) -> usize {
        self.ask("GET", path, "");
        let (status, length) = self.head();
        assert_eq!(status, 200);
        let mut left = length;
        let mut piece = vec![0; 1 << 16];
        while left > 0 {
            let count = self.stream.read(&mut piece[..left.min(1 << 16)]).expect("the body");
            assert!(count > 0, "the download broke off");
            left -= count;
        }
        length
    }

    fn answer(&mut self) -> Answer {
        let mut location = String::new();
        let (status, length) = self.head_with(&mut location);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the body");
        Answer { status, body, location }
    }

    fn head(&mut self) -> (u16, usize) {
        self.head_with(&mut String::new())
    }

    fn head_with(&mut self, location: &mut String) -> (u16, usize) {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "location" => *location = value.to_owned(),
                "set-cookie" if value.starts_with("postern") => {
                    self.who.cookie = value.split(';').next().unwrap_or_default().to_owned();
                }
                _ => {}
            }
        }
        (status, length)
    }
}

/// Gives the pieces of a file of this size that looks like a PDF; each seed makes another file.
pub fn content(size: usize, seed: usize, mut give: impl FnMut(&[u8])) {
    let begin = format!("%PDF-1.7\n% {seed:>20}\n");
    give(begin.as_bytes());
    let filler = [b'x'; 1 << 16];
    let mut left = size - begin.len();
    while left > 0 {
        let count = left.min(filler.len());
        give(&filler[..count]);
        left -= count;
    }
}
