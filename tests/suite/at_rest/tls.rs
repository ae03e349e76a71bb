//! PostgreSQL over TLS, with a real server: it must prove who it is, and each failure is explained.

use crate::support::app::App;
use crate::support::peers;
use crate::support::postgres::Server;
use crate::support::world::Like;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use postern::access::Role;
use postern::db::{Conn, DatabaseUrl, Db, DbError, Keys};
use postern::delivery::Delivery;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An authority, and a certificate that it gave to `localhost`.
fn certificates(folder: &Path) -> Vec<u8> {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let done = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {NEW} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(&format!("req {NEW} -keyout server.key -out server.csr -subj /CN=localhost"));
    let said = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
    std::fs::write(folder.join("server.ext"), said).unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext",
    );
    std::fs::read(folder.join("ca.pem")).unwrap()
}

async fn open(url: &DatabaseUrl) -> Result<Db, DbError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || Db::open(&url, Keys::default())).await.unwrap()
}

#[derive(QueryableByName)]
struct Truth {
    #[diesel(sql_type = Bool)]
    is_so: bool,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn is_so(conn: &mut Conn, query: &str) -> QueryResult<bool> {
    Ok(diesel::sql_query(query).get_result::<Truth>(conn)?.is_so)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_reached_by_tls_and_proves_who_it_is() {
    let Some(server) = Server::start() else { return };
    let authority = certificates(server.folder());
    let at = |name: &str| server.folder().join(name).display().to_string();
    server.must(&["tls", &at("server.pem"), &at("server.key")]);
    let named = server.url.replace("127.0.0.1", "localhost") + "?sslmode=verify-full";
    let url = |address: &str, authority: Option<&[u8]>| DatabaseUrl::parse(address, authority).unwrap();

    let good = url(&named, Some(&authority));
    let app = App::start_at(tempfile::tempdir().unwrap(), good.clone(), |_| {}, Delivery::mailbox).await;
    let (user, maria) = (app.user(Role::Staff).await, app.patient(Like::default()).await);
    let conversation = app.message(&user, maria, true).await;
    assert!(user.get(&conversation).await.ok().has_text("All is well"));
    const BY_TLS: &str = "SELECT ssl AS is_so FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let by_tls = app.state.db.read(|conn| -> Result<_, DbError> { Ok(is_so(conn, BY_TLS)?) });
    assert!(by_tls.await.unwrap());
    // with the authority named by libpq's parameter
    let by_parameter = format!("{named}&sslrootcert={}&application_name=a%20b", at("ca.pem"));
    open(&url(&by_parameter, None)).await.unwrap();

    // a large answer arrives whole
    const LONG: &str = "SELECT length(a.text)::bigint AS number FROM (SELECT repeat('x', 20000000) AS text) a";
    #[derive(QueryableByName)]
    struct Text {
        #[diesel(sql_type = diesel::sql_types::Text)]
        text: String,
    }
    let read = app.state.db.read(|conn| -> Result<_, DbError> {
        let number: Number = diesel::sql_query(LONG).get_result(conn)?;
        let text: Text = diesel::sql_query("SELECT repeat('x', 20000000) AS text").get_result(conn)?;
        Ok((number.number, text.text.len()))
    });
    assert_eq!(read.await.unwrap(), (20_000_000, 20_000_000));

    // what is refused, and the words for it
    let numbered = format!("{}?sslmode=verify-full", server.url);
    for (address, authority, words) in [
        (numbered.as_str(), Some(authority.as_slice()), "does not prove who it is"),
        (&named, None, "does not prove who it is"),
        (&format!("{}?sslmode=require", peers::postgres_url().unwrap()), Some(&authority), "offers no TLS"),
        ("postgres://u:secret@localhost:9/d?sslmode=verify-full", Some(&authority), "cannot be reached"),
    ] {
        let said = open(&url(address, authority)).await.err().unwrap().to_string();
        assert!(said.contains(words) && !said.contains("secret"), "{address}: {said}");
    }

    // a statement is cancelled
    let DatabaseUrl::Tls(tunnel) = &good else { unreachable!() };
    let mut psql = Command::new("psql");
    psql.args([&tunnel.address().unwrap(), "-c", "SELECT pg_sleep(600)"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let asking = psql.spawn().unwrap();
    let is_asking = async || {
        const ASKING: &str = "SELECT count(*) > 0 AS is_so FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        app.state.db.read(|conn| -> Result<_, DbError> { Ok(is_so(conn, ASKING)?) }).await.unwrap()
    };
    let begin = Instant::now();
    while !is_asking().await {
        assert!(begin.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(Command::new("kill").args(["-INT", &asking.id().to_string()]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || asking.wait_with_output().unwrap()).await.unwrap();
    assert!(String::from_utf8_lossy(&ended.stderr).contains("canceling statement due to user request"));

    // the server is killed and comes back
    tokio::task::block_in_place(|| {
        server.must(&["kill"]);
        server.must(&["again"]);
    });
    let begin = Instant::now();
    while user.get(&conversation).await.status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(60), "the program goes on by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
