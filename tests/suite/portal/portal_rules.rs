//! The rules of the portal that never bend.

use crate::on_both;
use crate::support::app::{Actor, Answer, App};
use crate::support::world::Like;
use diesel::prelude::*;
use futures_util::future::join_all;
use postern::access::Role;
use postern::db::PatientId;
use postern::db::schema::{audit_events, messages, passcodes};
use postern::error::AppError;
use postern::patients::Method;
use time::Duration;

const EMAIL: &str = "maria@example.org";
const PHONE: &str = "+16135550121";
const KEY: &str = "0123456789abcdef-key";

on_both!(
    without_replies_the_page_says_so,
    withdrawn_access_ends_all_at_once,
    a_changed_address_ends_all_at_once,
    a_passcode_is_short_lived_and_used_once,
    guessing_opens_nothing,
    robots_use_nothing_up,
    a_phone_alone_is_enough,
    the_page_says_where_the_passcode_goes,
    sending_twice_sends_once,
    an_old_link_says_so,
    failures_read_alike,
);

async fn ask(browser: &Actor, link: &str) -> Answer {
    browser.post(&format!("{link}/passcode"), &[]).await
}

async fn enter(browser: &Actor, link: &str, code: &str, day: &str) -> Answer {
    browser
        .post(&format!("{link}/session"), &[("passcode", code), ("day", day), ("month", "3"), ("year", "1951")])
        .await
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn count(app: &App) -> i64 {
    app.state.db.read(|c| -> Result<i64, AppError> { Ok(messages::table.count().get_result(c)?) }).await.unwrap()
}

async fn save_information(user: &Actor, patient: PatientId, email: &str, phone: &str, access: &str) {
    let fields = [
        ("given_name", "María"),
        ("family_name", "Mejía"),
        ("day", "4"),
        ("month", "3"),
        ("year", "1951"),
        ("email", email),
        ("phone", phone),
        ("language", "en"),
        ("method", "email"),
        ("portal_access", access),
    ];
    user.post(&format!("/patients/{patient}/information"), &fields).await.redirect();
}

/// A user, a patient with one conversation, and its link.
async fn begin(app: &App, replies: bool) -> (Actor, PatientId, String, String) {
    let user = app.user(Role::Clinician).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, replies).await;
    app.drain().await;
    let link = app.link_to(EMAIL);
    (user, patient, conversation, link)
}

async fn without_replies_the_page_says_so(app: App) {
    let (user, _, conversation, link) = begin(&app, true).await;
    let (browser, message) = app.go_in(&link, PHONE).await;
    let reply = format!("{message}/replies");
    user.post(&format!("{conversation}/replies"), &[("allowed", "off")]).await.redirect();
    let page = browser.get(&message).await.ok();
    assert!(!page.has("textarea") && page.has("#end .alert h2"), "{}", page.text());
    assert!(page.text_of("#end .alert h2").to_lowercase().contains("repl"), "{}", page.text());
    let late = browser.post(&reply, &[("key", KEY), ("body", "Typed <before>")]).await;
    assert_eq!(late.status, 409);
    assert!(
        late.body.contains("Typed &#60;before&#62;") || late.body.contains("Typed &lt;before&gt;"),
        "{}",
        late.body
    );
    assert!(late.page().has("#end .alert h2"));

    user.post(&format!("{conversation}/replies"), &[("allowed", "on")]).await.redirect();
    assert!(browser.get(&message).await.ok().has("textarea#body"));
    user.post(&format!("{conversation}/closure"), &[]).await.redirect();
    assert!(browser.get(&message).await.ok().has_text("This conversation was closed"));
    let late = browser.post(&reply, &[("key", KEY), ("body", "Typed before")]).await;
    assert!(late.status == 409 && late.page().has_text("Typed before"));
    // closing can be undone for 10 minutes, and not later
    app.state.clock.advance(Duration::minutes(9));
    user.post(&format!("{conversation}/reopening"), &[]).await.redirect();
    browser.post(&reply, &[("key", KEY), ("body", "Typed before")]).await.redirect();
    user.post(&format!("{conversation}/closure"), &[]).await.redirect();
    app.state.clock.advance(Duration::minutes(11));
    let (_, said) = user.post(&format!("{conversation}/reopening"), &[]).await.says();
    assert_eq!(said, "closed-for-good");
    assert_eq!(count(&app).await, 2);
}

async fn withdrawn_access_ends_all_at_once(app: App) {
    let (user, patient, _, link) = begin(&app, true).await;
    let (browser, message) = app.go_in(&link, PHONE).await;
    save_information(&user, patient, EMAIL, PHONE, "off").await;
    for path in [&message, "/portal/messages"] {
        let answer = browser.get(path).await;
        assert!(answer.status == 303 && answer.location.starts_with("/portal"), "{path}: {}", answer.status);
    }
    let reply = browser.post(&format!("{message}/replies"), &[("key", KEY), ("body", "still here")]).await;
    assert!(reply.status == 303 && reply.location.starts_with("/portal?"), "{}", reply.location);
    assert_eq!(count(&app).await, 1);
    assert_eq!(app.anyone().get(&link).await.status, 404);
    // when access is given again, ended links and sessions stay ended
    save_information(&user, patient, EMAIL, PHONE, "on").await;
    assert_eq!(app.anyone().get(&link).await.status, 404);
    assert_eq!(browser.get(&message).await.status, 303);
}

async fn a_changed_address_ends_all_at_once(app: App) {
    let (user, patient, _, link) = begin(&app, true).await;
    let (browser, message) = app.go_in(&link, PHONE).await;
    save_information(&user, patient, EMAIL, PHONE, "on").await;
    assert_eq!(browser.get(&message).await.status, 200, "nothing was changed");
    save_information(&user, patient, "new@example.org", PHONE, "on").await;
    assert_eq!(browser.get(&message).await.status, 303);
    assert_eq!(app.anyone().get(&link).await.status, 404);

    app.message(&user, patient, true).await;
    app.drain().await;
    let link = app.link_to("new@example.org");
    assert_eq!(app.anyone().get(&link).await.status, 200);
    save_information(&user, patient, "new@example.org", "+16135550188", "on").await;
    assert_eq!(app.anyone().get(&link).await.status, 404);
}

async fn a_passcode_is_short_lived_and_used_once(app: App) {
    let (_, _, _, link) = begin(&app, true).await;
    let browser = app.anyone();
    // no passcode was requested
    assert_eq!(enter(&browser, &link, "000000", "4").await.status, 422);
    assert_eq!(enter(&browser, &link, "", "4").await.status, 422);
    ask(&browser, &link).await.redirect();
    app.drain().await;
    let first = app.passcode_to(PHONE);
    app.state.clock.advance(Duration::seconds(30));
    ask(&browser, &link).await.redirect();
    assert_eq!(enter(&browser, &link, &first, "4").await.status, 422, "a new one kills the old at once");
    app.drain().await;
    let second = app.passcode_to(PHONE);
    assert_ne!(first, second);
    assert_eq!(enter(&browser, &link, &first, "4").await.status, 422);
    app.state.clock.advance(Duration::minutes(10));
    assert_eq!(enter(&browser, &link, &second, "4").await.status, 422, "10 minutes are over");
    ask(&browser, &link).await.redirect();
    app.drain().await;
    let third = app.passcode_to(PHONE);
    app.state.clock.advance(Duration::minutes(9));
    let entered = join_all((0..4).map(|_| async { enter(&app.anyone(), &link, &third, "4").await.status })).await;
    assert_eq!(entered.iter().filter(|status| **status == 303).count(), 1, "one use: {entered:?}");
    assert_eq!(enter(&browser, &link, &third, "4").await.status, 422);
    assert_eq!(browser.get("/portal/messages").await.status, 303);

    app.state.clock.advance(Duration::minutes(1));
    ask(&browser, &link).await.redirect();
    app.drain().await;
    let code = app.passcode_to(PHONE);
    for _ in 0..5 {
        assert_eq!(enter(&browser, &link, &wrong(&code), "4").await.status, 422);
    }
    assert_eq!(enter(&browser, &link, &code, "4").await.status, 422, "five wrong tries kill it");
    assert_eq!(ask(&browser, &link).await.status, 429);
    app.state.clock.advance(Duration::minutes(2));
    ask(&browser, &link).await.redirect();
    app.drain().await;
    enter(&browser, &link, &app.passcode_to(PHONE), "4").await.redirect();
}

/// A browser that connects from another address of this machine.
fn at(app: &App, address: [u8; 4]) -> Actor {
    let somebody = app.anyone();
    let http = reqwest::Client::builder()
        .cookie_provider(somebody.cookies.clone())
        .redirect(reqwest::redirect::Policy::none())
        .local_address(std::net::IpAddr::from(address));
    Actor { http: http.build().unwrap(), ..somebody }
}

async fn guessing_opens_nothing(app: App) {
    let (user, _, _, link) = begin(&app, true).await;
    let other = Like { email: Some("b@example.org".into()), phone: Some("+16135550199".into()), ..Like::default() };
    let other = app.patient(other).await;
    app.message(&user, other, true).await;
    app.drain().await;
    let guesser = at(&app, [127, 0, 0, 1]);
    ask(&guesser, &link).await.redirect();
    app.drain().await;
    let code = app.passcode_to(PHONE);
    let mut guess = code.clone();
    let mut refused = 0;
    for n in 0..300u32 {
        guess = wrong(&guess);
        // from many addresses at once, as far as this machine has them
        let from = at(&app, [127, 0, 0, 10 + (n % 20) as u8]);
        let answer = enter(&from, &link, &guess, "4").await;
        assert!([422, 429].contains(&answer.status), "{}", answer.status);
        assert!(!answer.headers.contains_key("set-cookie") || answer.status != 303);
        refused += u32::from(answer.status == 422);
    }
    assert!(refused >= 5);
    assert_eq!(enter(&at(&app, [127, 0, 0, 50]), &link, &code, "4").await.status, 422, "it is dead");
    // another patient is not affected
    let browser = at(&app, [127, 0, 0, 51]);
    let link = app.link_to("b@example.org");
    ask(&browser, &link).await.redirect();
    app.drain().await;
    let to = enter(&browser, &link, &app.passcode_to("+16135550199"), "4").await.redirect();
    assert_eq!(browser.get(&to).await.status, 200);
}

async fn robots_use_nothing_up(app: App) {
    let (user, _, conversation, link) = begin(&app, true).await;
    let rows = |app: &App| {
        let db = app.state.db.clone();
        async move {
            let read = db.read(|c| -> Result<(i64, i64), AppError> {
                Ok((audit_events::table.count().get_result(c)?, passcodes::table.count().get_result(c)?))
            });
            read.await.unwrap()
        }
    };
    let (before, mails) = (rows(&app).await, app.mailbox.newest_first().len());
    for _ in 0..10 {
        for method in ["GET", "HEAD"] {
            let answer = app.anyone().send(method, &link, &[("user-agent", "Scanner")], "").await;
            assert_eq!(answer.status, 200, "{method}");
            assert!(!answer.body.contains("Your results"));
            for form in ["passcode", "session"] {
                let answer = app.anyone().send(method, &format!("{link}/{form}"), &[], "").await;
                assert!([404, 405].contains(&answer.status), "{}", answer.status);
            }
        }
    }
    app.drain().await;
    assert_eq!(rows(&app).await, before);
    assert_eq!(app.mailbox.newest_first().len(), mails);
    assert!(!user.get(&conversation).await.ok().has_text("read by patient"));
    let (browser, message) = app.go_in(&link, PHONE).await;
    browser.get(&message).await.ok();
    assert!(user.get(&conversation).await.ok().has_text("read by patient"));
}

async fn a_phone_alone_is_enough(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like { email: None, method: Method::Sms, ..Like::default() }).await;
    app.message(&user, patient, true).await;
    app.drain().await;
    let link = app.link_to(PHONE);
    let (browser, message) = app.go_in(&link, PHONE).await;
    assert!(browser.get(&message).await.ok().has_text("All is well"));
    assert!(app.mailbox.newest_first().iter().all(|mail| mail.channel == "sms"));
}

async fn the_page_says_where_the_passcode_goes(app: App) {
    let user = app.user(Role::Staff).await;
    let no_phone = Like { email: Some("ann@example.org".into()), phone: None, ..Like::default() };
    for (like, word) in [(Like::default(), "to your cellphone by text message"), (no_phone, "email")] {
        let email = like.email.clone().unwrap();
        let patient = app.patient(like).await;
        app.message(&user, patient, true).await;
        app.drain().await;
        let (browser, link) = (app.anyone(), app.link_to(&email));
        let page = browser.get(&link).await.ok();
        assert!(page.text().contains(word), "{}", page.text());
        let to = browser.submit(&page, "Send me my passcode", &[]).await.redirect();
        let page = browser.get(&to).await.ok();
        assert!(page.text_of("[role=status]").contains(word), "{}", page.text());
        assert!(!page.text().contains("0121") && !page.text().contains("example.org"), "{}", page.text());
    }
}

async fn sending_twice_sends_once(app: App) {
    let (user, patient, conversation, link) = begin(&app, true).await;
    let (browser, message) = app.go_in(&link, PHONE).await;
    let new = format!("/patients/{patient}/messages/new");
    for (who, path) in
        [(&user, new), (&user, format!("{conversation}/messages")), (&browser, format!("{message}/replies"))]
    {
        for (round, at_once) in [(0, 1), (1, 8)] {
            let before = count(&app).await;
            let key = format!("0123456789abcdef-{round}-{}", path.len());
            let fields = [("title", "Twice"), ("body", "Twice"), ("key", key.as_str()), ("replies_allowed", "on")];
            let mut places = Vec::new();
            for _ in 0..2 {
                let answers = join_all((0..at_once).map(|_| who.post(&path, &fields))).await;
                places.extend(answers.into_iter().map(Answer::redirect));
            }
            places.dedup();
            assert_eq!(places.len(), 1, "{path}: {places:?}");
            assert_eq!(count(&app).await, before + 1, "{path}");
        }
    }
}

async fn an_old_link_says_so(app: App) {
    let (_, _, _, link) = begin(&app, true).await;
    app.state.clock.advance(Duration::days(29));
    assert_eq!(app.anyone().get(&link).await.status, 200);
    app.state.clock.advance(Duration::days(2));
    let (old, unknown) = (app.anyone().get(&link).await, app.anyone().get("/portal/link/unknown").await);
    assert_eq!((old.status, unknown.status), (404, 404));
    assert!(!old.page().text_of("h1").is_empty() && old.page().text().len() > 60, "{}", old.page().text());
    assert_eq!(old.page().text(), unknown.page().text());
    assert_eq!(ask(&app.anyone(), &link).await.status, 404);
}

async fn failures_read_alike(app: App) {
    let (_, _, _, link) = begin(&app, true).await;
    let browser = app.anyone();
    ask(&browser, &link).await.redirect();
    app.drain().await;
    let code = app.passcode_to(PHONE);
    let passcode = enter(&browser, &link, &wrong(&code), "4").await;
    let birth_date = enter(&browser, &link, &code, "5").await;
    let both = enter(&browser, &link, &wrong(&code), "5").await;
    assert_eq!((passcode.status, birth_date.status, both.status), (422, 422, 422));
    let as_typed = |answer: &Answer| answer.body.replace("value=\"5\"", "value=\"4\"");
    assert_eq!(as_typed(&passcode), as_typed(&birth_date));
    assert_eq!(as_typed(&passcode), as_typed(&both));
    assert!(!birth_date.body.contains(&code), "the page never shows a passcode");
}
