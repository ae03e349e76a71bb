//! Requests for pages that do not exist or are not configured, and requests that are refused.

use crate::on_both;
use crate::support::app::{App, On};
use crate::support::world::Like;
use postern::access::Role;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

on_both!(
    the_demos_mailbox_is_the_demos_alone,
    the_portals_first_page_speaks_in_words,
    no_cookie_before_it_is_needed,
    a_patient_never_uploads
);

async fn the_demos_mailbox_is_the_demos_alone(app: App) {
    for path in ["/demo", "/demo/mailbox", "/demo/mailbox/1/html", "/demo/mailbox.json"] {
        assert_eq!(app.anyone().get(path).await.status, 404, "{path}");
    }
}

async fn the_portals_first_page_speaks_in_words(app: App) {
    let page = app.anyone().get("/portal").await.ok();
    assert!(page.has_text("To read a message, open the link"), "{}", page.text());
}

async fn no_cookie_before_it_is_needed(app: App) {
    for path in ["/sign-in", "/inbox", "/portal", "/portal/link/nope"] {
        assert!(app.anyone().get(path).await.headers.get("set-cookie").is_none(), "{path}");
    }
}

async fn a_patient_never_uploads(app: App) {
    let staff = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    app.drain().await;
    let (patient, message) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    let body = "--x\r\ncontent-disposition: form-data; name=\"body\"; filename=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n";
    for path in [format!("{message}/replies"), "/portal/logout".into(), "/portal/language".into()] {
        let headers = [("content-type", "multipart/form-data; boundary=x")];
        assert_eq!(patient.send("POST", &path, &headers, body).await.status, 415, "{path}");
    }
    assert_eq!(patient.get(&message).await.ok().count(".thread li"), 1);
}

/// A client that sends its body slowly does not hold a place for long, at any door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = App::start(On::Sqlite).await;
    let address = app.origin.strip_prefix("http://").unwrap().to_owned();
    let ask = async |path: &str| {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 1000\r\n\r\nemail=a"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut line = String::new();
        tokio::time::timeout(Duration::from_secs(90), BufReader::new(connection).read_line(&mut line))
            .await
            .unwrap_or_else(|_| panic!("{path} waits for ever"))
            .unwrap();
        (path.to_owned(), line)
    };
    let all = ["/sign-in", "/forgotten-password", "/portal/entry", "/portal/link/x/session"].map(ask);
    for (path, line) in futures_util::future::join_all(all).await {
        assert!(line.starts_with("HTTP/1.1 408"), "{path}: {line}");
    }
}
