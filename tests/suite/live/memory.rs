//! What those who only listen take of memory.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use actix_web::cookie::{Cookie, CookieJar};
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::db::UserId;
use postern::db::schema::sessions;
use postern::error::AppError;
use postern::users::{self, AddUser};
use postern::values::{EmailAddress, UserName};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_each!(a_thousand_idle_listeners_take_little_memory);

const LISTENERS: usize = 1_100;
const OF_ONE_USER: usize = 10;
/// So many come first: what they load is no listener's.
const FIRST: usize = 100;
/// In bytes, for all that come after them.
const LIMIT: u64 = 30_000_000;

/// Sessions of many users, ten each; gives their cookies.
async fn cookies(app: &App) -> Vec<String> {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<Vec<String>, AppError> {
        let mut tokens = Vec::new();
        for number in 0..LISTENERS / OF_ONE_USER {
            let add = AddUser {
                email: EmailAddress::parse(&format!("user{number}@clinic.example")).unwrap(),
                name: UserName::parse(&format!("User {number}")).unwrap(),
                role: Role::Staff,
                language: "en".into(),
                password_hash: None,
            };
            let user: UserId = users::add(tx, now, &Operator::of_the_command_line(), add).unwrap();
            for browser in 0..OF_ONE_USER {
                let token = format!("a-token-of-a-test-{number}-{browser}");
                let state = HashMap::from([("mark".to_owned(), format!("\"{token}\""))]);
                let (until, hash) = (now.plus(Duration::hours(1)), Sha256::digest(token.as_bytes()).to_vec());
                let row = (
                    (sessions::token_hash.eq(hash), sessions::user_id.eq(user)),
                    (sessions::state.eq(serde_json::to_string(&state).unwrap()), sessions::created_at.eq(now)),
                    (sessions::seen_at.eq(now), sessions::idle_until.eq(until), sessions::expires_at.eq(until)),
                );
                diesel::insert_into(sessions::table).values(row).execute(tx.conn())?;
                tokens.push(token);
            }
        }
        Ok(tokens)
    });
    let key = &app.anyone().parts.key;
    let signed = write.await.unwrap().into_iter().map(|token| {
        let mut jar = CookieJar::new();
        jar.signed_mut(key).add(Cookie::new("postern", token));
        jar.get("postern").unwrap().encoded().to_string()
    });
    signed.collect()
}

/// Opens a stream, and reads its first event.
async fn listen(port: u16, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /events HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: text/event-stream\r\nx-by-itself: 1\r\n\
         cookie: {cookie}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    until(&mut stream, "ready").await;
    stream
}

/// Reads on to the next event of this kind.
async fn until(stream: &mut TcpStream, kind: &str) {
    let (event, mut come) = (format!("\"{kind}\""), Vec::new());
    while !String::from_utf8_lossy(&come).contains(&event) {
        let read = tokio::time::timeout(super::PATIENCE, stream.read_buf(&mut come)).await;
        let read = read.unwrap_or_else(|_| panic!("no {kind}: {}", String::from_utf8_lossy(&come))).unwrap();
        assert!(read > 0 && come.len() < 10_000, "{}", String::from_utf8_lossy(&come));
    }
}

async fn a_thousand_idle_listeners_take_little_memory(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let cookies = cookies(&app).await;
    let port = free_port();
    let database = database_url(&app.state.config.database);
    let files = app.state.config.files.folder.display().to_string();
    let mut server = Program::start(&["serve"], &database, port, &[("POSTERN_STORAGE_FOLDER", &files)]);
    server.answers_at(port);
    let mut streams = Vec::new();
    for cookie in &cookies[..FIRST] {
        streams.push(listen(port, cookie).await);
    }
    let before = server.own_memory();
    for cookie in &cookies[FIRST..] {
        streams.push(listen(port, cookie).await);
    }
    let more = server.own_memory().saturating_sub(before);
    println!("{} listeners: {more} bytes", streams.len() - FIRST);
    assert!(more <= LIMIT, "{more} bytes");
    // and each of them hears
    let owner = app.user(Role::Owner).await;
    let maria = app.patient(Like::default()).await;
    app.message(&owner, maria, true).await;
    for stream in &mut streams {
        until(stream, "message").await;
    }
}
