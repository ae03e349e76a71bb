//! A user is invited, sets a password, forgets it, and sets another one.

use super::{everybody, newest, noted};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::PASSWORD;
use postern::access::Role;
use postern::db::AccountMailId;
use postern::error::AppError;
use postern::users;
use time::Duration;

on_both!(
    an_invitation_leads_in,
    a_link_can_be_passed_on_by_hand,
    what_cannot_be_invited_is_said,
    a_forgotten_password_is_set_anew,
    nobody_learns_who_has_an_account,
    a_link_works_once_and_for_its_time,
    weak_passwords_are_refused,
    an_invitation_that_could_not_go_out_is_said
);

const NEW: &str = "a green kettle sings at noon";

/// The path of the link in the newest mail with a link to an address; mails of the same moment may arrive in any order.
fn link_to(app: &App, address: &str) -> String {
    let mails = app.mailbox.newest_first().into_iter().filter(|mail| mail.to == address);
    let mut paths =
        mails.filter_map(|mail| mail.text.find("/password/").and_then(|at| mail.text.get(at..).map(str::to_owned)));
    let path = paths.next().unwrap_or_else(|| panic!("no link for {address}"));
    path.split_whitespace().next().unwrap().to_owned()
}

async fn an_invitation_leads_in(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/users/new").await.ok();
    let fields = [("name", "Noor Haddad"), ("email", "Noor@clinic.example"), ("role", "clinician"), ("language", "fr")];
    let (to, notice) = owner.submit(&page, "Invite somebody", &fields).await.says();
    let noor = newest(&app).await;
    assert_eq!((to, notice.as_str()), (format!("/settings/users/{noor}"), "user-invited"));
    let page = owner.get(&format!("/settings/users/{noor}")).await.ok();
    assert!(page.has_text("The invitation is on its way") && page.has_text("Invited"), "{}", page.text());
    app.drain().await;
    let mail = app.newest_to("Noor@clinic.example");
    assert!(mail.subject.ends_with(": votre compte"), "{}", mail.subject);
    assert!(mail.text.contains("Noor Haddad") && mail.html.contains("/password/"), "{}", mail.text);
    let page = owner.get(&format!("/settings/users/{noor}")).await.ok();
    assert!(page.has_text("The invitation was emailed on"), "{}", page.text());

    let link = link_to(&app, "Noor@clinic.example");
    let browser = app.anyone();
    browser.get(&link).await.ok();
    let (to, notice) = browser.post(&link, &[("password", NEW), ("again", NEW)]).await.says();
    assert_eq!((to.as_str(), notice.as_str()), ("/sign-in", "password-set"));
    let sign_in = [("email", "noor@clinic.example"), ("password", NEW)];
    assert_eq!(browser.post("/sign-in", &sign_in).await.redirect(), "/inbox");
    assert!(browser.get("/inbox").await.ok().has_text("Boîte"), "in the language that was chosen");
    assert_eq!(noted(&app, noor, "password_link_made").await, [Some("mail".to_owned())]);
    assert_eq!(noted(&app, noor, "password_set").await, [Some("invitation".to_owned())]);
    // the used link gives a page that says what to do
    let over = app.anyone().get(&link).await;
    assert_eq!(over.status, 404);
    assert!(over.page().has_text("This link does not work any more"), "{}", over.body);
}

async fn a_link_can_be_passed_on_by_hand(app: App) {
    let owner = app.user(Role::Owner).await;
    let page = owner.get("/settings/users/new").await.ok();
    let fields = [("name", "Sam"), ("email", "sam@clinic.example"), ("role", "staff"), ("how", "shown")];
    let page = owner.submit(&page, "Invite somebody", &fields).await.ok();
    let link = page.attr("#link", "value").unwrap();
    let path = link.get(link.find("/password/").unwrap()..).unwrap().to_owned();
    app.drain().await;
    assert!(app.mailbox.newest_first().is_empty(), "no mail");
    let sam = newest(&app).await;
    assert!(!owner.get(&format!("/settings/users/{sam}")).await.body.contains("/password/"), "shown once");
    // another link ends the earlier one
    let page = owner.get(&format!("/settings/users/{sam}")).await.ok();
    let page = owner.submit(&page, "Make a new link", &[("how", "shown")]).await.ok();
    let second = page.attr("#link", "value").unwrap();
    assert_eq!(app.anyone().get(&path).await.status, 404);
    assert_eq!(app.anyone().get(second.get(second.find("/password/").unwrap()..).unwrap()).await.status, 200);
    // only owners make links
    let staff = app.user(Role::Staff).await;
    assert_eq!(staff.post(&format!("/settings/users/{sam}/password-links"), &[("how", "shown")]).await.status, 403);
    assert_eq!(staff.get("/settings/users/new").await.status, 403);
    // no link can be made for a deactivated user
    let page = owner.get(&format!("/settings/users/{sam}/deactivation")).await.ok();
    owner.submit(&page, "Deactivate", &[]).await.redirect();
    assert_eq!(owner.post(&format!("/settings/users/{sam}/password-links"), &[("how", "shown")]).await.status, 404);
}

async fn what_cannot_be_invited_is_said(app: App) {
    let owner = app.user(Role::Owner).await;
    let taken = everybody(&app).await[0].email.as_str().to_uppercase();
    let page = owner.get("/settings/users/new").await.ok();
    let fields = [("name", "Kept Name"), ("email", taken.as_str()), ("role", "viewer")];
    let answer = owner.submit(&page, "Invite somebody", &fields).await;
    assert_eq!(answer.status, 422);
    let page = answer.page();
    assert!(page.has_text("Another user signs in with this address"));
    let form = page.form_with("Invite somebody");
    assert_eq!(form.value("name").as_deref(), Some("Kept Name"));
    assert_eq!(form.value("role").as_deref(), Some("viewer"));
    assert_eq!(everybody(&app).await.len(), 1);
}

async fn a_forgotten_password_is_set_anew(app: App) {
    let staff = app.user(Role::Staff).await;
    let id = newest(&app).await;
    let email = everybody(&app).await[0].email.to_string();
    let browser = app.anyone();
    let page = browser.get("/sign-in").await.ok();
    assert!(page.links().iter().any(|link| link.href == "/forgotten-password"));
    let page = browser.get("/forgotten-password").await.ok();
    let answer = browser.submit(&page, "Email me a link", &[("email", &email.to_uppercase())]).await.says();
    assert_eq!(answer, ("/sign-in".to_owned(), "password-forgotten".to_owned()));
    app.drain().await;
    let mail = app.newest_to(&email);
    assert!(mail.subject.ends_with(": set a new password"), "{}", mail.subject);
    // until the link is used, the session and the old password go on working
    assert_eq!(staff.get("/inbox").await.status, 200);
    let link = link_to(&app, &email);
    browser.get(&link).await.ok();
    browser.post(&link, &[("password", NEW), ("again", NEW)]).await.redirect();
    assert!(staff.get("/inbox").await.redirect().starts_with("/sign-in"), "sessions end");
    assert_eq!(browser.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.status, 422);
    browser.post("/sign-in", &[("email", &email), ("password", NEW)]).await.redirect();
    assert_eq!(noted(&app, id, "password_set").await, [Some("forgotten".to_owned())]);
    app.drain().await;
    let told = app.mailbox.newest_first();
    assert!(told.iter().any(|mail| mail.to == email && mail.subject.ends_with("your password was changed")));
    // requesting links many times does not fill a mailbox
    let before = app.mailbox.newest_first().len();
    for _ in 0..9 {
        app.anyone().post("/forgotten-password", &[("email", &email)]).await.redirect();
        app.drain().await;
    }
    assert_eq!(app.mailbox.newest_first().len() - before, 2, "three in an hour");
}

async fn nobody_learns_who_has_an_account(app: App) {
    app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    let mut answers = Vec::new();
    for who in [email.as_str(), "nobody@clinic.example"] {
        let answer = app.anyone().post("/forgotten-password", &[("email", who)]).await;
        let rows = app.state.db.read(|conn| {
            Ok::<_, AppError>(postern::outbox::tasks(conn, postern::outbox::JobKind::TellUser, 10)?.len())
        });
        answers.push((answer.status, answer.location.clone(), answer.notice(), rows.await.unwrap()));
        app.drain().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.to == email));
}

async fn a_link_works_once_and_for_its_time(app: App) {
    app.user(Role::Staff).await;
    let email = everybody(&app).await[0].email.to_string();
    app.anyone().post("/forgotten-password", &[("email", &email)]).await.redirect();
    app.drain().await;
    let link = link_to(&app, &email);
    // the link used twice at the same moment: one request sets the password
    let (one, other) = (app.anyone(), app.anyone());
    let (first, second) = ([("password", NEW), ("again", NEW)], [("password", PASSWORD), ("again", PASSWORD)]);
    let (one, other) = tokio::join!(one.post(&link, &first), other.post(&link, &second));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    app.drain().await;
    app.anyone().post("/forgotten-password", &[("email", &email)]).await.redirect();
    app.drain().await;
    let link = link_to(&app, &email);
    app.state.clock.advance(Duration::minutes(29));
    assert_eq!(app.anyone().get(&link).await.status, 200);
    app.state.clock.advance(Duration::minutes(1));
    assert_eq!(app.anyone().get(&link).await.status, 404);
    // a mail whose link would have expired is not sent
    app.anyone().post("/forgotten-password", &[("email", &email)]).await.redirect();
    app.state.clock.advance(Duration::minutes(31));
    let before = app.mailbox.newest_first().len();
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), before);
}

async fn weak_passwords_are_refused(app: App) {
    let owner = app.user(Role::Owner).await;
    owner
        .post(
            "/settings/users",
            &[("name", "Noor Haddad"), ("email", "noor@x.example"), ("role", "staff"), ("language", "en")],
        )
        .await
        .redirect();
    app.drain().await;
    let link = link_to(&app, "noor@x.example");
    let browser = app.anyone();
    for (typed, says) in [
        ("Tr0ub4dor&3", "Choose a longer password"),
        ("Password12345678", "among those that are guessed first"),
        ("NoorHaddad2026!!", "made of your name"),
    ] {
        let answer = browser.post(&link, &[("password", typed), ("again", typed)]).await;
        assert_eq!(answer.status, 422, "{typed}");
        assert!(answer.page().has_text(says), "{typed}: {}", answer.page().text());
    }
    let differs = browser.post(&link, &[("password", NEW), ("again", PASSWORD)]).await;
    assert!(differs.page().has_text("The two passwords are not the same"));
    browser.post(&link, &[("password", NEW), ("again", NEW)]).await.redirect();
}

async fn an_invitation_that_could_not_go_out_is_said(app: App) {
    let owner = app.user(Role::Owner).await;
    let fields = [("name", "Noor"), ("email", "noor@x.example"), ("role", "staff"), ("language", "en")];
    owner.post("/settings/users", &fields).await.redirect();
    let now = app.state.clock.now();
    let write = app
        .state
        .db
        .write(move |tx| Ok::<_, AppError>(users::settle(tx, now, AccountMailId(1), users::MailState::Failed)?));
    write.await.unwrap();
    let page = owner.get(&format!("/settings/users/{}", newest(&app).await)).await.ok();
    assert!(page.has_text("could not be emailed") && page.has_text("pass a link on yourself"), "{}", page.text());
}
