//! A worker is killed in the middle of a message to many, by SIGKILL: another one goes on, and each patient has it once.

use super::files::{add, contents, copies, prepared};
use super::{all_out, crowd, in_state, written_to};
use crate::files::{samples, uploads::id_in};
use crate::on_each;
use crate::support::app::{App, On};
use crate::support::program::Program;
use postern::access::Role;

on_each!(killed_in_the_middle);

async fn killed_in_the_middle(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let user = app.user(Role::Clinician).await;
    let all = crowd(&app, 60).await;
    let file = id_in(&add(&user, "a.pdf", samples::pdf()).await);
    let path = prepared(&user, &all, &[("upload", &file)]).await;
    user.post(&format!("{path}/sending"), &[]).await.redirect();
    let worker = Program::worker(&app, &[]);
    let mut tries = 0;
    while in_state(&app, "sent").await < 3 {
        tries += 1;
        assert!(tries < 3_000, "the worker sends nothing: {}", worker.log());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    worker.kill();
    let sent = in_state(&app, "sent").await;
    assert!((3..60).contains(&sent), "{sent} had gone out");
    app.at_present();
    app.state.clock.advance(time::Duration::seconds(90));
    all_out(&app).await;
    assert_eq!(written_to(&app).await, all, "each once, and nobody left out");
    assert_eq!((copies(&app).await, contents(&app).await), (60, vec![60]), "each has the file once");
}
