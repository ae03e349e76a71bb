//! What happens in one process is told by another; and streams end with their server.

use super::{Ear, id_of};
use crate::on_each;
use crate::support::app::{Actor, App, On, fresh_database};
use crate::support::postgres::Server;
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use postern::access::Role;
use postern::db::DatabaseUrl;
use postern::delivery::Delivery;
use std::time::Duration;

on_each!(
    what_happens_at_one_server_is_told_by_the_other,
    what_a_worker_of_its_own_does_is_told,
    a_server_that_stops_ends_its_streams,
);

async fn two(on: On) -> (App, App) {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = fresh_database(on, folder.path()).await;
    let one = App::start_at(folder, database.clone(), |_| (), Delivery::mailbox).await;
    let two = App::start_at(other, database, |_| (), Delivery::mailbox).await;
    (one, two)
}

/// The same browser, at another server.
fn at(origin: &str, who: &Actor) -> Actor {
    Actor { origin: origin.to_owned(), ..who.clone() }
}

async fn what_happens_at_one_server_is_told_by_the_other(on: On) {
    let (one, other) = two(on).await;
    let (ada, sam) = (one.user(Role::Clinician).await, one.user(Role::Staff).await);
    let mut ear = Ear::open(&at(&other.origin, &sam)).await;
    let maria = one.patient(Like::default()).await;
    let conversation = one.message(&ada, maria, true).await;
    assert_eq!(ear.until("message").await["conversation"], id_of(&conversation));
    // who types is told by PostgreSQL alone: two servers share no file of SQLite
    if on == On::Postgres {
        assert_eq!(ada.post(&format!("{conversation}/answering"), &[("typing", "on")]).await.status, 204);
        ear.until("answering").await;
        let page = at(&other.origin, &sam).get(&conversation).await.ok();
        assert_eq!(page.text_of("[data-answering]"), "User clinician is answering.");
    }
    sam.post("/sign-out", &[]).await.redirect();
    assert_eq!(ear.ends().await, "ended");
}

async fn what_a_worker_of_its_own_does_is_told(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let sam = app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let mut ear = Ear::open(&sam).await;
    let conversation = app.message(&sam, maria, true).await;
    let _worker = Program::worker(&app, &[]);
    assert_eq!(ear.until("state").await["conversation"], id_of(&conversation));
}

async fn a_server_that_stops_ends_its_streams(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let sam = app.user(Role::Staff).await;
    let port = free_port();
    let database = database_url(&app.state.config.database);
    let files = app.state.config.files.folder.display().to_string();
    let mut server = Program::start(&["serve"], &database, port, &[("POSTERN_STORAGE_FOLDER", &files)]);
    server.answers_at(port);
    let mut ear = Ear::try_open(&at(&format!("http://127.0.0.1:{port}"), &sam), None).await.unwrap();
    ear.until("ready").await;
    server.signal("TERM");
    ear.ends().await;
    // less than the patience with requests that take long, which a stream that goes on would use up
    assert!(server.ends_within(Duration::from_secs(9)).is_some(), "{}", server.log());
}

/// PostgreSQL goes and comes back: the connection that listens is opened anew, and what was missed is looked up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_lost_is_opened_again() {
    let Some(server) = Server::start() else { return };
    let database = DatabaseUrl::Postgres(server.url.clone());
    let app = App::start_at(tempfile::tempdir().unwrap(), database, |_| {}, Delivery::mailbox).await;
    let (sam, ada) = (app.user(Role::Staff).await, app.user(Role::Clinician).await);
    let maria = app.patient(Like::default()).await;
    let mut ear = Ear::open(&sam).await;
    let first = app.message(&sam, maria, true).await;
    assert_eq!(ear.until("message").await["conversation"], id_of(&first));
    server.must(&["kill"]);
    server.must(&["again"]);
    let patient = maria;
    // until the pools have dropped their lost connections a page may fail
    for _ in 0..100 {
        if sam.get(&format!("/patients/{patient}/messages/new")).await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = app.message(&sam, maria, true).await;
    assert_eq!(ear.until("message").await["conversation"], id_of(&second));
    // a message is also found by the next beat; who types is told by the connection alone
    let mut status = 0;
    for _ in 0..100 {
        status = ada.post(&format!("{second}/answering"), &[("typing", "on")]).await.status;
        if status == 204 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 204);
    assert_eq!(ear.until("answering").await["conversation"], id_of(&second));
}
