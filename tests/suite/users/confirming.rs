//! Before harmful actions users have to prove once more who they are, and nothing that was typed is lost.

use super::second_factor::{code, set_up};
use super::{newest, noted};
use crate::on_both;
use crate::support::app::App;
use crate::support::world::PASSWORD;
use postern::access::Role;
use time::Duration;

on_both!(
    a_session_is_good_for_ten_minutes,
    what_was_typed_comes_back,
    a_second_factor_confirms_too,
    a_confirmation_is_of_one_session,
    a_session_that_was_ended_meanwhile_stays_ended
);

async fn a_session_is_good_for_ten_minutes(app: App) {
    let owner = app.user(Role::Owner).await;
    let id = newest(&app).await;
    let path = format!("/settings/users/{id}");
    app.state.clock.advance(Duration::minutes(9));
    owner.get(&path).await.ok();
    app.state.clock.advance(Duration::minutes(1));
    let to = owner.get(&path).await.redirect();
    assert_eq!(to, format!("/account/confirmation?next=%2Fsettings%2Fusers%2F{id}"));
    // all other pages are open
    for open in ["/inbox", "/settings/clinic", "/settings/users", "/account", "/account/second-factor"] {
        assert_eq!(owner.get(open).await.status, 200, "{open}");
    }
    let page = owner.get(&to).await.ok();
    let wrong = owner.submit(&page, "Go on", &[("password", "not the one")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.page().has_text("This is not your password"));
    assert_eq!(owner.get(&path).await.status, 303);
    assert_eq!(owner.submit(&wrong.page(), "Go on", &[("password", PASSWORD)]).await.redirect(), path);
    owner.get(&path).await.ok();
    assert_eq!(noted(&app, id, "identity_confirmed").await.len(), 1);
    assert_eq!(noted(&app, id, "identity_not_confirmed").await.len(), 1);
    // for a file the confirmation leads to the page that offers it
    app.state.clock.advance(Duration::minutes(11));
    let to = owner.get("/outbox.csv?state=failed").await.redirect();
    assert_eq!(to, "/account/confirmation?next=%2Foutbox%3Fstate%3Dfailed");
    // the confirmation leads only to pages of the clinic
    let elsewhere = [("password", PASSWORD), ("next", "//evil.example/")];
    assert_eq!(owner.post("/account/confirmation", &elsewhere).await.redirect(), "/account");
}

async fn what_was_typed_comes_back(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let staff = newest(&app).await;
    let path = format!("/settings/users/{staff}");
    let page = owner.get(&path).await.ok();
    app.state.clock.advance(Duration::minutes(11));
    let typed = [("name", "Sam <precious> Roy"), ("email", "sam@new.example"), ("role", "viewer")];
    let (to, said) = owner.submit(&page, "Save", &typed).await.says();
    assert_eq!(said, "words-kept-first");
    let first = owner.get(&to).await.ok();
    assert!(first.has_text("What you typed is kept"), "{}", first.text());
    let back = owner.submit(&first, "Go on", &[("password", PASSWORD)]).await.redirect();
    assert_eq!(back, format!("{path}?kept=1"));
    let page = owner.get(&back).await.ok();
    let form = page.form_with("Save");
    for (name, value) in typed {
        assert_eq!(form.value(name).as_deref(), Some(value));
    }
    assert_eq!(noted(&app, staff, "user_changed").await.len(), 0, "nothing was saved yet");
    let (_, said) = owner.submit(&page, "Save", &[]).await.says();
    assert_eq!(said, "user-saved");
    // for a button without fields the confirmation leads back to its page
    app.state.clock.advance(Duration::minutes(11));
    let to = owner.post(&format!("{path}/second-factor"), &[]).await.redirect();
    assert_eq!(to, format!("/account/confirmation?next=%2Fsettings%2Fusers%2F{staff}"));
}

async fn a_second_factor_confirms_too(app: App) {
    let owner = app.user(Role::Owner).await;
    assert!(!owner.get("/account/confirmation").await.ok().has("#code"));
    let (key, codes) = set_up(&app, &owner).await;
    app.state.clock.advance(Duration::minutes(11));
    let page = owner.get("/account/confirmation?next=/settings/users/new").await.ok();
    let used = code(&app, &key);
    let to = owner.submit(&page, "Go on with the code", &[("code", &used)]).await.redirect();
    assert_eq!(to, "/settings/users/new");
    owner.get(&to).await.ok();
    app.state.clock.advance(Duration::minutes(11));
    assert_eq!(owner.post("/account/confirmation", &[("code", &used)]).await.status, 422);
    assert_eq!(owner.post("/account/confirmation", &[("recovery", &codes[0])]).await.redirect(), "/account");
    owner.get("/settings/users/new").await.ok();
}

async fn a_confirmation_is_of_one_session(app: App) {
    let owner = app.user(Role::Owner).await;
    let email = super::everybody(&app).await[0].email.to_string();
    app.state.clock.advance(Duration::minutes(11));
    let elsewhere = app.anyone();
    elsewhere.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await.redirect();
    elsewhere.get("/settings/users/new").await.ok();
    assert_eq!(owner.get("/settings/users/new").await.status, 303);
    owner.post("/account/confirmation", &[("password", PASSWORD)]).await.redirect();
    owner.get("/settings/users/new").await.ok();
    app.state.clock.advance(Duration::minutes(5));
    elsewhere.post("/account/confirmation", &[("password", "wrong")]).await;
    owner.get("/settings/users/new").await.ok();
}

/// A session that is ended while the password is checked stays ended: noting the confirmation does not bring it back.
async fn a_session_that_was_ended_meanwhile_stays_ended(app: App) {
    use actix_session::storage::SessionStore;
    use postern::access::session::{self, CONFIRMED, Door, HOLDER, Holder, Lasts, Store};
    app.user(Role::Owner).await;
    let id = newest(&app).await;
    let (db, clock) = (app.state.db.clone(), app.state.clock.clone());
    let store = Store { db: db.clone(), clock, door: Door::Clinic, known: Default::default() };
    let holder = Holder::User {
        id,
        name: "Owner".into(),
        role: Role::Owner,
        must_set_up: false,
        confirmed: false,
        stepped_elsewhere: false,
        language: "en".into(),
        keys: true,
        lasts: Lasts::new(60, 60),
    };
    let state = std::collections::HashMap::from([(HOLDER.to_owned(), serde_json::to_string(&holder).unwrap())]);
    let lasts = actix_web::cookie::time::Duration::HOUR;
    let key = store.save(state, &lasts).await.unwrap();
    let mut under_way = store.load(&key).await.unwrap().expect("it is open");
    under_way.insert(CONFIRMED.to_owned(), "1".to_owned());
    let key = store.update(key, under_way.clone(), &lasts).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap().unwrap()[CONFIRMED], "1", "what is noted of an open one is kept");
    let end = db.write(move |tx| Ok::<_, postern::error::AppError>(session::end_of_user(tx, id)?));
    assert_eq!(end.await.unwrap(), 2, "that of the sign-in, and this one");
    let key = store.update(key, under_way, &lasts).await.unwrap();
    assert!(store.load(&key).await.unwrap().is_none());
}
