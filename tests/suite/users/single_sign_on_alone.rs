//! A clinic whose users sign in at the provider only.

use super::single_sign_on::link;
use super::{everybody, newest, noted};
use crate::on_each;
use crate::support::app::{App, On, fresh_database};
use crate::support::oidc::{FalseProvider, finish, settings, sign_in};
use crate::support::program::database_url;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use postern::access::{Operator, Role};
use postern::clock::Token;
use postern::db::schema::audit_events;
use postern::delivery::Delivery;
use postern::error::AppError;
use postern::users::{self, Purpose};
use std::process::Command;

on_each!(
    passwords_are_refused_in_words,
    an_invitation_offers_the_provider_only,
    an_invitation_by_mail_says_how,
    an_owner_gets_in_by_the_command_line,
    the_command_says_what_its_link_is,
    the_configuration_is_checked,
    an_old_password_makes_nobody_an_owner_who_can_sign_in,
);

/// A clinic with a linked owner, and the same clinic after every other way to sign in was closed.
async fn shut(on: On, provider: &FalseProvider) -> (App, App) {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = fresh_database(on, folder.path()).await;
    let open = |config: &mut postern::config::Config| config.oidc = Some(settings(&provider.issuer));
    let alone = |config: &mut postern::config::Config| {
        config.oidc = Some(postern::config::Oidc { only: true, ..settings(&provider.issuer) });
    };
    let before = App::start_at(folder, database.clone(), open, Delivery::mailbox).await;
    let owner = before.user(Role::Owner).await;
    link(provider, &before, &owner, "person-owner").await;
    let after = App::start_at(other, database, alone, Delivery::mailbox).await;
    (before, after)
}

async fn failed(app: &App) -> i64 {
    let rows = app.state.db.read(|conn| {
        let rows = audit_events::table.filter(audit_events::action.eq("sign_in_failed"));
        Ok::<i64, AppError>(rows.count().get_result(conn)?)
    });
    rows.await.unwrap()
}

async fn passwords_are_refused_in_words(on: On) {
    let provider = FalseProvider::start();
    let (_before, app) = shut(on, &provider).await;
    let email = everybody(&app).await[0].email.to_string();
    let browser = app.anyone();
    let page = browser.get("/sign-in").await.ok();
    assert!(page.has_text("Your clinic signs in with Harbour ID"), "{}", page.text());
    assert!(!page.has("input[type=password]") && !page.has("a[href='/forgotten-password']"));
    // from a page that was loaded before
    let typed = [("email", email.as_str()), ("password", PASSWORD)];
    for path in ["/sign-in", "/sign-in/passkey"] {
        let answer = browser.post(path, &typed).await;
        assert!(answer.status == 403 && answer.page().has_text("passwords and passkeys do not open it"), "{path}");
    }
    assert_eq!(browser.post("/sign-in/passkey/challenge", &[]).await.status, 404);
    let page = browser.get("/forgotten-password").await.ok();
    assert!(page.has_text("Passwords are not used here") && !page.has("#email"), "{}", page.text());
    assert_eq!(browser.post("/forgotten-password", &[("email", &email)]).await.status, 403);
    assert_eq!(failed(&app).await, 3);
    app.drain().await;
    assert!(!app.mailbox.newest_first().iter().any(|mail| mail.text.contains("/password/")), "no link goes out");
    provider.is(&app, "person-owner");
    let way = browser.submit(&browser.get("/sign-in").await.ok(), "Sign in with Harbour ID", &[]).await.ok();
    assert_eq!(finish(&provider, &browser, &way).await.redirect(), "/inbox");
    // a signed-in user cannot change a password or end the link
    let page = browser.get("/account").await.ok();
    assert!(!page.has("#current") && page.has_text("Passwords are not used here"), "{}", page.text());
    let change = [("current", PASSWORD), ("new", "a green kettle sings"), ("again", "a green kettle sings")];
    assert_eq!(browser.post("/account/password", &change).await.status, 403);
    assert_eq!(browser.post("/account/provider/removal", &[]).await.status, 409);
}

/// The last owner is the last one who can sign in: whoever has only a password cannot.
async fn an_old_password_makes_nobody_an_owner_who_can_sign_in(on: On) {
    let provider = FalseProvider::start();
    let (before, app) = shut(on, &provider).await;
    let first = everybody(&app).await[0].id;
    let other = before.user(Role::Owner).await;
    provider.is(&app, "person-owner");
    let owner = app.anyone();
    sign_in(&provider, &owner).await.redirect();
    let page = async || owner.get(&format!("/settings/users/{first}")).await.ok();
    let refused = owner.submit(&page().await, "Save", &[("role", "viewer")]).await;
    assert!(
        refused.status == 422 && refused.page().has_text("Nobody else who can sign in is an owner"),
        "{}",
        refused.page().text()
    );
    let (_, notice) = owner.submit(&page().await, "End the link", &[]).await.says();
    assert_eq!(notice, "provider-last-owner");
    assert_eq!(owner.post(&format!("/settings/users/{first}/deactivation"), &[]).await.status, 409);
    // once the other one can sign in too, the first may go
    link(&provider, &before, &other, "person-other").await;
    provider.is(&app, "person-owner");
    owner.submit(&page().await, "Save", &[("role", "viewer")]).await.redirect();
}

async fn an_invitation_offers_the_provider_only(on: On) {
    let provider = FalseProvider::start();
    let (before, app) = shut(on, &provider).await;
    before.user(Role::Staff).await;
    let (id, now) = (newest(&app).await, app.state.clock.now());
    for (purpose, word) in [(Purpose::Invitation, "invitation"), (Purpose::Forgotten, "forgotten")] {
        let token = Token::received(&format!("{word:0<32}"));
        let made = token.clone();
        let write =
            app.state.db.write(move |tx| Ok::<_, AppError>(users::make_password_link(tx, now, id, purpose, &made)?));
        write.await.unwrap();
        let (browser, path) = (app.anyone(), format!("/password/{}", token.reveal()));
        let page = browser.get(&path).await.ok();
        assert!(!page.has("input[type=password]"), "{}", page.text());
        let typed = [("password", "a green kettle sings"), ("again", "a green kettle sings")];
        assert_eq!(browser.post(&path, &typed).await.status, 403);
        match purpose {
            Purpose::Invitation => {
                let way = browser.submit(&page, "Use my account at Harbour ID", &[]).await.ok();
                provider.is(&app, "person-staff");
                finish(&provider, &browser, &way).await.redirect();
                assert_eq!(sign_in(&provider, &browser).await.redirect(), "/patients");
            }
            // access to the mailbox does not prove who somebody is
            _ => assert_eq!(browser.post(&format!("{path}/provider"), &[]).await.status, 404),
        }
    }
}

async fn an_invitation_by_mail_says_how(on: On) {
    let provider = FalseProvider::start();
    let (_before, app) = shut(on, &provider).await;
    provider.is(&app, "person-owner");
    let owner = app.anyone();
    sign_in(&provider, &owner).await.redirect();
    let page = owner.get("/settings/users/new").await.ok();
    let who = [("name", "Noor"), ("email", "noor@clinic.example"), ("role", "staff"), ("how", "mail")];
    owner.submit(&page, "Invite somebody", &who).await.redirect();
    app.drain().await;
    let mail = app.newest_to("noor@clinic.example");
    assert!(mail.text.contains("Follow this link to begin") && mail.text.contains("signs in with Harbour ID"));
    assert!(mail.html.contains("Begin") && !mail.html.contains("Set a password"), "{}", mail.text);
}

async fn an_owner_gets_in_by_the_command_line(on: On) {
    let provider = FalseProvider::start();
    let (_before, app) = shut(on, &provider).await;
    provider.end().await;
    let (id, now) = (newest(&app).await, app.state.clock.now());
    let token = Token::received("emergency-of-a-test-000000000000");
    let made = token.clone();
    let write = app.state.db.write(move |tx| {
        users::link_to_show(tx, now, &Operator::of_the_command_line(), id, (Purpose::Emergency, &made))
    });
    write.await.unwrap();
    let (browser, path) = (app.anyone(), format!("/password/{}", token.reveal()));
    let page = browser.get(&path).await.ok();
    assert!(page.has_text("lets you in once without single sign-on"), "{}", page.text());
    // the form is sent to the page's own address
    assert!(page.has_text("Set a password") && !page.has_text("Use my account"), "{}", page.text());
    assert_eq!(browser.post(&path, &[("password", "short"), ("again", "short")]).await.status, 422);
    let typed = [("password", "a green kettle sings"), ("again", "a green kettle sings")];
    assert_eq!(browser.post(&path, &typed).await.redirect(), "/inbox");
    assert_eq!(browser.get("/settings/users").await.status, 200);
    assert_eq!(noted(&app, id, "password_set").await, [Some("emergency".to_owned())]);
    // the link works once, and the password does not sign in
    let email = everybody(&app).await[0].email.to_string();
    let other = app.anyone();
    assert_eq!(other.post("/sign-in", &[("email", &email), ("password", "a green kettle sings")]).await.status, 403);
    assert_eq!(other.get(&path).await.status, 404);
}

async fn the_command_says_what_its_link_is(on: On) {
    let provider = FalseProvider::start();
    let (before, app) = shut(on, &provider).await;
    before.user(Role::Staff).await;
    let all = everybody(&app).await;
    let folder = tempfile::tempdir().unwrap();
    for (one, is_emergency) in [(&all[0], true), (&all[1], false)] {
        let output = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["user", "link", one.email.as_str()])
            .current_dir(folder.path())
            .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
            .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
            .env("POSTERN_SMTP_HOST", "mail.example.org")
            .env("POSTERN_SMTP_FROM", "messages@example.org")
            .env("POSTERN_LOG", "error")
            .env("POSTERN_OIDC_ISSUER", &provider.issuer)
            .env("POSTERN_OIDC_NAME", "Harbour ID")
            .env("POSTERN_OIDC_CLIENT_ID", "clinic")
            .env("POSTERN_OIDC_ONLY", "true")
            .output()
            .unwrap();
        let (link, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && link.starts_with("https://messages.example.org/password/"), "{said}");
        assert_eq!(said.contains("users sign in at Harbour ID only"), is_emergency, "{said}");
    }
    assert_eq!(noted(&app, all[0].id, "password_link_made").await, [Some("emergency".to_owned())]);
    assert_eq!(noted(&app, all[1].id, "password_link_made").await, [Some("shown".to_owned())]);
}

async fn the_configuration_is_checked(on: On) {
    use std::os::unix::fs::PermissionsExt;
    let provider = FalseProvider::start();
    let (_before, app) = shut(on, &provider).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "very-secret").unwrap();
    std::fs::set_permissions(folder.path().join("secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let check = || {
        let output = Command::new(env!("CARGO_BIN_EXE_postern"))
            .arg("check-config")
            .current_dir(folder.path())
            .env("POSTERN_PUBLIC_URL", "https://messages.example.org")
            .env("POSTERN_DATABASE_URL", database_url(&app.state.config.database))
            .env("POSTERN_SMTP_HOST", "mail.example.org")
            .env("POSTERN_SMTP_FROM", "messages@example.org")
            .env("POSTERN_LOG", "error")
            .env("POSTERN_OIDC_ISSUER", &provider.issuer)
            .env("POSTERN_OIDC_NAME", "Harbour ID")
            .env("POSTERN_OIDC_CLIENT_ID", "clinic")
            .env("POSTERN_OIDC_CLIENT_SECRET_FILE", "secret")
            .env("POSTERN_OIDC_SECOND_STEP", "always")
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = check();
    assert!(said.contains(&format!("sign-in: also at Harbour ID ({}), which answers", provider.issuer)), "{said}");
    assert!(said.contains("https://messages.example.org/sign-in/provider/answer"), "{said}");
    assert!(said.contains("make sure that it asks for one"), "{said}");
    assert!(said.contains("weak: others on this machine can read secret") && !said.contains("very-secret"), "{said}");
    provider.end().await;
    assert!(check().contains("BUT the provider is away: it cannot be reached"));
}
