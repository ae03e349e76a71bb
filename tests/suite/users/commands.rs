//! `postern user …` does what the pages do.

use super::{everybody, newest, noted};
use crate::on_both;
use crate::support::app::App;
use crate::support::program::database_url;
use crate::support::world::{Like, PASSWORD};
use postern::access::Role;
use std::process::{Command, Output};

on_both!(users_are_managed_at_the_machine);

fn postern(app: &App, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(arguments)
        .current_dir(folder.path())
        .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
        .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
        .env("POSTERN_SMTP_HOST", "mail.example.org")
        .env("POSTERN_SMTP_FROM", "messages@example.org")
        .env("POSTERN_LOG", "error")
        .output()
        .unwrap()
}

fn said(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

async fn users_are_managed_at_the_machine(app: App) {
    app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    let all = everybody(&app).await;
    let (owner_email, email) = (all[0].email.to_string(), all[1].email.to_string());
    let maria = app.patient(Like::default()).await;
    app.message(&staff, maria, true).await;
    let run = |arguments: &[&str]| said(&postern(&app, &[&["user"], arguments].concat()));

    let (well, link, _) = run(&["add", "new@clinic.example", "--name", "New One", "--role", "viewer"]);
    assert!(well && link.starts_with("https://messages.example.org/password/"), "{link}");
    let (well, table, _) = run(&["list"]);
    assert!(well);
    let line = |email: &str| table.lines().find(|line| line.starts_with(email)).unwrap().to_owned();
    let words = |email: &str| line(email).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words("new@clinic.example")[1..], ["viewer", "invited", "never", "New", "One"]);
    assert_eq!(words(&email)[1..], ["staff", "active", "2026-03-04", "User", "staff"]);

    let (well, another, _) = run(&["link", "New@clinic.example"]);
    assert!(well && another != link && another.starts_with("https://messages.example.org/password/"), "{another}");
    let path = |link: &str| link.trim().trim_start_matches("https://messages.example.org").to_owned();
    assert_eq!(app.anyone().get(&path(&link)).await.status, 404, "the one before is over");
    assert_eq!(app.anyone().get(&path(&another)).await.status, 200);
    assert!(!run(&["link", "nobody@clinic.example"]).0);

    assert!(run(&["role", &email, "clinician"]).0);
    assert_eq!(everybody(&app).await[1].role, Role::Clinician);
    assert_eq!(noted(&app, id, "user_role_changed").await, [Some("staff clinician".to_owned())]);
    let (well, _, why) = run(&["deactivate", &email]);
    assert!(
        !well && why.contains("1 open conversations (0 of them assigned to them), 0 drafts, 0 messages to go out later and 0 templates"),
        "{why}"
    );
    let (well, _, why) = run(&["deactivate", &email, "--to", "new@clinic.example"]);
    assert!(!well && why.contains("--to: name another user"), "{why}");
    assert!(run(&["deactivate", &email.to_uppercase(), "--to", &owner_email]).0);
    assert!(staff.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert!(run(&["list"]).1.contains("deactivated"));
    assert!(run(&["reactivate", &email]).0);
    app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();

    for (arguments, words) in [
        (&["role", &owner_email, "staff"][..], "make somebody else one first"),
        (&["deactivate", &owner_email], "make somebody else one first"),
        (&["role", &email, "boss"], "\"boss\" is no role"),
        (&["reactivate", "nobody@clinic.example"], "no user signs in with this address"),
        (&["deactivate", "nobody"], "is not an email address"),
        (&["add", &email, "--name", "Twice", "--role", "staff"], "is a user already"),
        (&["add", "x@clinic.example", "--name", " ", "--role", "staff"], "--name:"),
    ] {
        let (well, _, why) = run(arguments);
        assert!(!well && why.contains(words), "{arguments:?}: {why}");
    }
}
