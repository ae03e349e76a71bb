//! The second factor: what signing in asks for besides the password.

use super::{everybody, newest, noted};
use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::html::Page;
use crate::support::world::PASSWORD;
use diesel::prelude::*;
use hmac::{Hmac, Mac};
use postern::access::Role;
use postern::db::schema::authenticator_apps;
use postern::error::AppError;
use sha1::Sha1;
use time::Duration;

on_both!(
    an_app_is_set_up_and_asked_for,
    a_code_works_once_and_for_its_time,
    of_two_with_one_code_one_gets_in,
    a_recovery_code_opens_once,
    guessing_is_paused_told_and_locks_nobody_out,
    the_second_step_is_of_one_browser_and_short,
    a_role_that_needs_it_gets_nothing_else,
    the_last_one_stays_where_it_is_needed,
    an_owner_resets_what_was_lost,
    whoever_was_deactivated_does_not_get_in,
    another_app_takes_the_place_of_the_first,
    the_secret_lies_under_the_key
);

/// The code that an app with this key shows at this moment, in seconds since 1970 (RFC 6238).
pub fn code_at(key: &str, seconds: i64) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(key.replace(' ', "").as_bytes()).unwrap();
    let mut mac = Hmac::<Sha1>::new_from_slice(&secret).unwrap();
    mac.update(&(seconds as u64 / 30).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// The present code of the app with this key.
pub fn code(app: &App, key: &str) -> String {
    code_at(key, app.state.clock.now().get().unix_timestamp())
}

/// Advances the clock to the next code.
fn next_step(app: &App) {
    app.state.clock.advance(Duration::seconds(30));
}

/// Sets up an app; gives its key and the recovery codes.
pub async fn set_up(app: &App, user: &Actor) -> (String, Vec<String>) {
    let page = user.get("/account/second-factor").await.ok();
    let to = user.submit(&page, "Set up an authenticator app", &[]).await.redirect();
    let page = user.get(&to).await.ok();
    let key = page.text_of(".secret");
    assert_eq!(key.len(), 39, "{key}");
    assert!(page.has("svg.qr path") && page.has("svg[role=img][aria-label]"));
    let wrong = user.submit(&page, "Use this app", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    let page = user.submit(&wrong.page(), "Use this app", &[("code", &code(app, &key))]).await.ok();
    let codes = page.texts_of(".secrets li");
    assert_eq!(codes.len(), 10, "{}", page.text());
    (key, codes)
}

/// Types the password; gives the browser and the page of the second step.
async fn password(app: &App, email: &str) -> (Actor, Page) {
    let browser = app.anyone();
    let to =
        browser.post("/sign-in", &[("email", email), ("password", PASSWORD), ("next", "/patients")]).await.redirect();
    assert_eq!(to, "/sign-in/second-step?next=%2Fpatients");
    let page = browser.get(&to).await.ok();
    (browser, page)
}

async fn by_code(browser: &Actor, page: &Page, code: &str) -> Answer {
    browser.submit(page, "Sign in", &[("code", code)]).await
}

async fn by_recovery(browser: &Actor, page: &Page, code: &str) -> Answer {
    browser.submit(page, "Sign in with a recovery code", &[("recovery", code)]).await
}

fn subjects_to(app: &App, address: &str) -> Vec<String> {
    app.mailbox.newest_first().into_iter().filter(|mail| mail.to == address).map(|mail| mail.subject).collect()
}

async fn email_of_newest(app: &App) -> String {
    everybody(app).await.pop().unwrap().email.to_string()
}

async fn an_app_is_set_up_and_asked_for(app: App) {
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    assert!(staff.get("/account").await.ok().has_text("asks for your password alone"));
    // an app that was shown and not confirmed does not count
    let page = staff.get("/account/second-factor").await.ok();
    staff.submit(&page, "Set up an authenticator app", &[]).await.redirect();
    let browser = app.anyone();
    assert_eq!(browser.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect(), "/inbox");
    let (key, _) = set_up(&app, &staff).await;
    assert!(!staff.get("/account/second-factor").await.body.contains(&key), "shown once");
    assert_eq!(staff.get("/account/second-factor/app").await.redirect(), "/account/second-factor");
    assert!(staff.get("/account").await.ok().has_text("a second step follows the password"));
    next_step(&app);
    let (browser, page) = password(&app, &email).await;
    // a sign-in that waits for the second step is not a session
    for path in ["/inbox", "/account", "/account/second-factor", "/account/confirmation"] {
        assert!(browser.get(path).await.redirect().starts_with("/sign-in"), "{path}");
    }
    let wrong = by_code(&browser, &page, "123 456").await;
    assert_eq!(wrong.status, 422);
    let page = wrong.page();
    assert!(page.has_text("This code is not right") && !wrong.body.contains("123 456"), "{}", page.text());
    let answer = by_code(&browser, &page, &format!(" {} ", code(&app, &key))).await;
    assert_eq!(answer.redirect(), "/patients");
    assert_eq!(browser.get("/inbox").await.status, 200);
    assert_eq!(noted(&app, id, "second_factor_added").await, [Some("app".to_owned())]);
    assert_eq!(noted(&app, id, "second_step_asked").await.len(), 1);
    assert_eq!(noted(&app, id, "second_step_failed").await.len(), 1);
    assert_eq!(noted(&app, id, "recovery_codes_made").await.len(), 1);
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("a second step was set up")));
    // the app is removed
    let page = browser.get("/account/second-factor").await.ok();
    let (_, said) = browser.submit(&page, "Remove the app", &[]).await.says();
    assert_eq!(said, "second-factor-removed");
    let again = app.anyone();
    assert_eq!(again.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect(), "/inbox");
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("a second step was removed")));
    assert_eq!(browser.post("/account/second-factor/recovery-codes", &[]).await.status, 404, "nothing to recover");
}

async fn a_code_works_once_and_for_its_time(app: App) {
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let (key, _) = set_up(&app, &staff).await;
    // the code by which the app was confirmed is used up too
    let (browser, page) = password(&app, &email).await;
    assert_eq!(by_code(&browser, &page, &code(&app, &key)).await.status, 422);
    next_step(&app);
    let used = code(&app, &key);
    by_code(&browser, &page, &used).await.redirect();
    let (browser, page) = password(&app, &email).await;
    assert_eq!(by_code(&browser, &page, &used).await.status, 422, "a step is taken once");
    let now = app.state.clock.now().get().unix_timestamp();
    assert_eq!(by_code(&browser, &page, &code_at(&key, now - 30)).await.status, 422, "nor is one before it");
    // codes of a phone that is a minute and a half ahead, and half a minute ahead
    assert_eq!(by_code(&browser, &page, &code_at(&key, now + 90)).await.status, 422);
    by_code(&browser, &page, &code_at(&key, now + 30)).await.redirect();
    let (browser, page) = password(&app, &email).await;
    app.state.clock.advance(Duration::seconds(90));
    let now = app.state.clock.now().get().unix_timestamp();
    assert_eq!(by_code(&browser, &page, &code_at(&key, now - 60)).await.status, 422, "too late");
    by_code(&browser, &page, &code_at(&key, now - 30)).await.redirect();
}

async fn of_two_with_one_code_one_gets_in(app: App) {
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let (key, codes) = set_up(&app, &staff).await;
    for typed in
        [("code", code_at(&key, app.state.clock.now().get().unix_timestamp() + 30)), ("recovery", codes[0].clone())]
    {
        let ((one, _), (other, _)) = (password(&app, &email).await, password(&app, &email).await);
        let fields = [(typed.0, typed.1.as_str())];
        let (first, second) =
            tokio::join!(one.post("/sign-in/second-step", &fields), other.post("/sign-in/second-step", &fields));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422], "{}", typed.0);
        let inside = [&one, &other];
        let mut open = 0;
        for browser in inside {
            open += usize::from(browser.get("/inbox").await.status == 200);
        }
        assert_eq!(open, 1, "{}", typed.0);
    }
}

async fn a_recovery_code_opens_once(app: App) {
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    let (_, codes) = set_up(&app, &staff).await;
    let (browser, page) = password(&app, &email).await;
    let typed = codes[3].to_uppercase().replace('-', " ");
    assert_eq!(by_recovery(&browser, &page, &typed).await.redirect(), "/patients");
    assert!(browser.get("/account/second-factor").await.ok().has_text("9 recovery codes are left"));
    let (again, page) = password(&app, &email).await;
    let refused = by_recovery(&again, &page, &codes[3]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.page().has_text("This recovery code is not right") && !refused.body.contains(&codes[3]));
    assert_eq!(noted(&app, id, "recovery_code_used").await.len(), 1);
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("a recovery code was used")));
    // new recovery codes end the old ones
    let page = browser.get("/account/second-factor").await.ok();
    let page = browser.submit(&page, "Make new recovery codes", &[]).await.ok();
    let fresh = page.texts_of(".secrets li");
    assert!(fresh.len() == 10 && !fresh.contains(&codes[0]));
    let (again, page) = password(&app, &email).await;
    assert_eq!(by_recovery(&again, &page, &codes[0]).await.status, 422);
    by_recovery(&again, &page, &fresh[0]).await.redirect();
    // another user's recovery code does not work
    let other = app.user(Role::Viewer).await;
    let (_, others) = set_up(&app, &other).await;
    let (again, page) = password(&app, &email).await;
    assert_eq!(by_recovery(&again, &page, &others[0]).await.status, 422);
}

async fn guessing_is_paused_told_and_locks_nobody_out(app: App) {
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    let (key, codes) = set_up(&app, &staff).await;
    next_step(&app);
    for n in 0..5 {
        let (browser, page) = password(&app, &email).await;
        assert_eq!(by_code(&browser, &page, &format!("{n:06}")).await.status, 422);
    }
    // the pause also holds in another browser, for the right code
    let (browser, page) = password(&app, &email).await;
    let paused = by_code(&browser, &page, &code(&app, &key)).await;
    assert_eq!(paused.status, 422);
    assert!(paused.page().has_text("too many wrong codes"), "{}", paused.page().text());
    assert_eq!(noted(&app, id, "second_step_failed").await.len(), 5);
    // the confirmation page is not a way around the pause
    staff.get("/account/confirmation").await.ok();
    let around = staff.post("/account/confirmation", &[("code", &code(&app, &key))]).await;
    assert!(around.page().has_text("too many wrong codes"));
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("somebody may have your password")));
    app.state.clock.advance(Duration::seconds(61));
    by_code(&browser, &page, &code(&app, &key)).await.redirect();
    // a recovery code works although others typed wrong codes
    for n in 0..5 {
        let (browser, page) = password(&app, &email).await;
        by_code(&browser, &page, &format!("{n:06}")).await;
    }
    let (browser, page) = password(&app, &email).await;
    by_recovery(&browser, &page, &codes[0]).await.redirect();
}

async fn the_second_step_is_of_one_browser_and_short(app: App) {
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let (key, _) = set_up(&app, &staff).await;
    next_step(&app);
    let (browser, page) = password(&app, &email).await;
    let elsewhere = app.anyone();
    let answer = elsewhere.post("/sign-in/second-step", &[("code", &code(&app, &key))]).await;
    assert_eq!(answer.says(), ("/sign-in?next=%2Finbox".to_owned(), "second-step-over".to_owned()));
    app.state.clock.advance(Duration::minutes(10));
    let answer = by_code(&browser, &page, &code(&app, &key)).await;
    assert_eq!(answer.says(), ("/sign-in?next=%2Fpatients".to_owned(), "second-step-over".to_owned()));
    assert!(browser.get("/sign-in/second-step").await.redirect().starts_with("/sign-in?"));
    // a new password ends sign-ins that were begun with the old one
    let (browser, page) = password(&app, &email).await;
    let new = "a green kettle sings at noon";
    staff.post("/account/password", &[("current", PASSWORD), ("new", new), ("again", new)]).await.redirect();
    assert!(by_code(&browser, &page, &code(&app, &key)).await.redirect().starts_with("/sign-in?"));
    // after the second step the same token does not work again
    let browser = app.anyone();
    browser.post("/sign-in", &[("email", &email), ("password", new)]).await.redirect();
    let fields = [("code", &*code(&app, &key))];
    browser.post("/sign-in/second-step", &fields).await.redirect();
    next_step(&app);
    let fields = [("code", &*code(&app, &key))];
    assert!(browser.post("/sign-in/second-step", &fields).await.redirect().starts_with("/sign-in?"));
}

async fn a_role_that_needs_it_gets_nothing_else(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let patient = app.patient(crate::support::world::Like::default()).await;
    let page = owner.get("/settings/sign-in").await.ok();
    let mut form = page.form_with("Save");
    form.set("second_factor", "staff");
    let pairs = form.fields();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    owner.post("/settings/sign-in", &pairs).await.redirect();
    // an owner sees who has to set one up
    let waiting = |list: &Page| list.texts_of(".tag.warn").iter().filter(|tag| *tag == "No second step yet").count();
    assert_eq!(waiting(&owner.get("/settings/users").await.ok()), 1);
    // the rule applies at once, also in open sessions; what was being typed is kept
    let path = format!("/patients/{patient}/information");
    let typed = [("preferred_name", "Many precious words"), ("language", "en")];
    let to = staff.post(&path, &typed).await.says();
    assert_eq!(to.1, "words-kept-first");
    assert!(to.0.starts_with("/account/second-factor?next="), "{}", to.0);
    let page = staff.get(&to.0).await.ok();
    assert!(page.has_text("What you typed is kept") && page.has_text("Your clinic asks for a second step"));
    let to = staff.submit(&page, "Set up an authenticator app", &[]).await.redirect();
    let page = staff.get(&to).await.ok();
    let key = page.text_of(".secret");
    let page = staff.submit(&page, "Use this app", &[("code", &code(&app, &key))]).await.ok();
    assert_eq!(waiting(&owner.get("/settings/users").await.ok()), 0);
    let back = page.links().into_iter().find(|link| link.text == "I have kept them").unwrap().href;
    assert_eq!(back, format!("{path}?kept=1"));
    assert_eq!(staff.get(&back).await.ok().form_with("Save").value("preferred_name").unwrap(), "Many precious words");
    // a user who signs in without a second factor is led there, and can only sign out
    owner.post("/settings/sign-in", &[("second_factor", "staff"), ("second_factor", "viewer")]).await.redirect();
    let viewer = app.user(Role::Viewer).await;
    assert_eq!(viewer.get("/patients?q=Roy").await.redirect(), "/account/second-factor?next=%2Fpatients%3Fq%3DRoy");
    let page = viewer.get("/account/second-factor").await.ok();
    viewer.submit(&page, "Sign out", &[]).await.redirect();
    assert!(viewer.get("/account/second-factor").await.redirect().starts_with("/sign-in"));
    next_step(&app);
    let (browser, page) = password(&app, &email).await;
    by_code(&browser, &page, &code(&app, &key)).await.redirect();
    assert_eq!(browser.get("/inbox").await.status, 200);
}

async fn the_last_one_stays_where_it_is_needed(app: App) {
    let owner = app.user(Role::Owner).await;
    let (_, codes) = set_up(&app, &owner).await;
    owner.post("/settings/sign-in", &[("second_factor", "owner")]).await.redirect();
    let page = owner.get("/account/second-factor").await.ok();
    let refused = owner.submit(&page, "Remove the app", &[]).await;
    assert_eq!(refused.status, 409);
    let page = refused.page();
    assert!(page.has_text("so the last one stays") && page.has_text("10 recovery codes are left"), "{}", page.text());
    assert_eq!(owner.get("/inbox").await.status, 200);
    let email = email_of_newest(&app).await;
    let (browser, page) = password(&app, &email).await;
    by_recovery(&browser, &page, &codes[0]).await.redirect();
}

async fn an_owner_resets_what_was_lost(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    assert!(owner.get(&format!("/settings/users/{id}")).await.ok().has_text("They have no second step"));
    let (key, codes) = set_up(&app, &staff).await;
    next_step(&app);
    let (begun, step) = password(&app, &email).await;
    let page = owner.get(&format!("/settings/users/{id}")).await.ok();
    let (to, said) = owner.submit(&page, "Reset the second step", &[]).await.says();
    assert_eq!((to, said.as_str()), (format!("/settings/users/{id}"), "second-factor-reset"));
    // all sessions have ended, because somebody may have found the phone
    assert!(staff.get("/inbox").await.redirect().starts_with("/sign-in"));
    assert!(by_code(&begun, &step, &code(&app, &key)).await.redirect().starts_with("/sign-in?"));
    assert!(by_recovery(&begun, &step, &codes[0]).await.redirect().starts_with("/sign-in?"));
    assert_eq!(app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect(), "/inbox");
    assert_eq!(noted(&app, id, "second_factor_reset").await.len(), 1);
    app.drain().await;
    assert!(subjects_to(&app, &email).iter().any(|subject| subject.ends_with("your second step was reset")));
    assert_eq!(staff.post(&format!("/settings/users/{id}/second-factor"), &[]).await.redirect(), "/sign-in");
    let clinician = app.user(Role::Clinician).await;
    assert_eq!(clinician.post(&format!("/settings/users/{id}/second-factor"), &[]).await.status, 403);
}

async fn whoever_was_deactivated_does_not_get_in(app: App) {
    let owner = app.user(Role::Owner).await;
    let staff = app.user(Role::Staff).await;
    let (id, email) = (newest(&app).await, email_of_newest(&app).await);
    let (key, codes) = set_up(&app, &staff).await;
    next_step(&app);
    let (browser, page) = password(&app, &email).await;
    owner.post(&format!("/settings/users/{id}/deactivation"), &[]).await.redirect();
    assert!(by_code(&browser, &page, &code(&app, &key)).await.redirect().starts_with("/sign-in?"));
    assert!(by_recovery(&browser, &page, &codes[0]).await.redirect().starts_with("/sign-in?"));
    let refused = app.anyone().post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await;
    assert_eq!(refused.status, 422, "as with a wrong password");
    // a reactivated user has their earlier second factor
    owner.post(&format!("/settings/users/{id}/reactivation"), &[]).await.redirect();
    let (browser, page) = password(&app, &email).await;
    by_code(&browser, &page, &code(&app, &key)).await.redirect();
}

async fn another_app_takes_the_place_of_the_first(app: App) {
    let staff = app.user(Role::Staff).await;
    let email = email_of_newest(&app).await;
    let (first, codes) = set_up(&app, &staff).await;
    let page = staff.get("/account/second-factor").await.ok();
    let to = staff.submit(&page, "Set up another app", &[]).await.redirect();
    let page = staff.get(&to).await.ok();
    let second = page.text_of(".secret");
    assert_ne!(first, second);
    // until the new app is confirmed the first one is used
    next_step(&app);
    let (browser, step) = password(&app, &email).await;
    by_code(&browser, &step, &code(&app, &first)).await.redirect();
    let (_, said) = staff.submit(&page, "Use this app", &[("code", &code(&app, &second))]).await.says();
    assert_eq!(said, "second-factor-added");
    next_step(&app);
    let (browser, step) = password(&app, &email).await;
    assert_eq!(by_code(&browser, &step, &code(&app, &first)).await.status, 422);
    by_code(&browser, &step, &code(&app, &second)).await.redirect();
    // the recovery codes are still the earlier ones
    let (browser, step) = password(&app, &email).await;
    by_recovery(&browser, &step, &codes[9]).await.redirect();
    // an unfinished setup expires
    let page = staff.get("/account/second-factor").await.ok();
    let to = staff.submit(&page, "Set up another app", &[]).await.redirect();
    let page = staff.get(&to).await.ok();
    let third = page.text_of(".secret");
    app.state.clock.advance(Duration::minutes(59));
    staff.post("/account/confirmation", &[("password", PASSWORD)]).await.redirect();
    app.state.clock.advance(Duration::minutes(2));
    let late = staff.submit(&page, "Use this app", &[("code", &code(&app, &third))]).await.redirect();
    assert_eq!(late, "/account/second-factor");
}

async fn the_secret_lies_under_the_key(app: App) {
    use postern::db::SecretKey;
    let on =
        if app.state.db.is_postgres() { crate::support::app::On::Postgres } else { crate::support::app::On::Sqlite };
    let stored = async |app: &App| {
        let read = app.state.db.read(|conn| -> Result<Vec<u8>, AppError> {
            Ok(authenticator_apps::table.select(authenticator_apps::secret).first(conn)?)
        });
        read.await.unwrap()
    };
    let holds = |stored: &[u8], key: &str| {
        let secret = data_encoding::BASE32_NOPAD.decode(key.replace(' ', "").as_bytes()).unwrap();
        stored.windows(secret.len()).any(|part| part == secret)
    };
    let staff = app.user(Role::Staff).await;
    let (key, _) = set_up(&app, &staff).await;
    assert!(holds(&stored(&app).await, &key), "without a key it lies in clear");
    let sealed = App::start_with_config(
        on,
        |config| config.files.key = Some(SecretKey::new([7; 32])),
        postern::delivery::Delivery::mailbox,
    )
    .await;
    let staff = sealed.user(Role::Staff).await;
    let email = email_of_newest(&sealed).await;
    let (key, _) = set_up(&sealed, &staff).await;
    assert!(!holds(&stored(&sealed).await, &key));
    next_step(&sealed);
    let (browser, page) = password(&sealed, &email).await;
    by_code(&browser, &page, &code(&sealed, &key)).await.redirect();
}
