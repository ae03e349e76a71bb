//! A page begins with a cached session. That must never show more than is allowed: what has changed on another server
//! applies at the next request.

use crate::on_each;
use crate::support::app::{Actor, App, On, fresh_database};
use crate::support::world::Like;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::{DbError, schema::*};
use postern::delivery::Delivery;

on_each!(
    a_session_that_ended_on_one_server_is_refused_on_the_other_at_once,
    what_changed_on_one_server_holds_on_the_other_at_once,
    a_patient_who_is_shut_out_on_one_server_sees_nothing_on_the_other,
);

/// Two servers on one database, each with its own files.
async fn two(on: On) -> (App, App) {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = fresh_database(on, folder.path()).await;
    let one = App::start_at(folder, database.clone(), |_| (), Delivery::mailbox).await;
    let two = App::start_at(other, database, |_| (), Delivery::mailbox).await;
    (one, two)
}

/// The same browser, at the other server.
fn at(app: &App, who: &Actor) -> Actor {
    Actor { origin: app.origin.clone(), ..who.clone() }
}

const PAGES: [&str; 4] = ["/inbox", "/patients", "/", "/account"];

async fn a_session_that_ended_on_one_server_is_refused_on_the_other_at_once(on: On) {
    let (one, other) = two(on).await;
    let here = one.user(Role::Staff).await;
    let there = at(&other, &here);
    let patient = one.patient(Like::default()).await;
    let conversation = one.message(&here, patient, true).await;
    let cookie = reqwest::header::HeaderValue::from_str(&cookie(&there)).unwrap();
    // a browser that does not know of the end of its session goes on sending the cookie
    let kept = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = async |path: &str| {
        let asked = kept.get(format!("{}{path}", other.origin)).header("cookie", &cookie);
        let answer = asked.send().await.unwrap();
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        (answer.status().as_u16(), location)
    };
    for _ in 0..2 {
        assert_eq!(get("/inbox").await.0, 200);
        assert_eq!(get(&conversation).await.0, 200);
        assert_eq!(get("/").await, (303, "/inbox".into()));
    }
    here.post("/sign-out", &[]).await.redirect();
    for path in PAGES.into_iter().chain([conversation.as_str()]) {
        for _ in 0..2 {
            let (status, to) = get(path).await;
            assert!(status == 303 && to.starts_with("/sign-in"), "{path}: {status} {to}");
        }
    }
}

fn cookie(who: &Actor) -> String {
    use reqwest::cookie::CookieStore;
    let url = who.origin.parse().unwrap();
    who.cookies.cookies(&url).unwrap().to_str().unwrap().to_owned()
}

async fn what_changed_on_one_server_holds_on_the_other_at_once(on: On) {
    let (one, other) = two(on).await;
    let user = one.user(Role::Staff).await;
    let there = at(&other, &user);
    for _ in 0..2 {
        assert_eq!(there.get("/settings/clinic").await.status, 403);
        assert_eq!(there.get("/inbox").await.status, 200);
    }
    let set = async |role: Role, name: &'static str, active: bool| {
        let write = one.state.db.write(move |tx| -> Result<_, DbError> {
            let values = (users::role.eq(role), users::name.eq(name), users::active.eq(active));
            Ok(diesel::update(users::table).set(values).execute(tx.conn())?)
        });
        write.await.unwrap();
    };
    set(Role::Owner, "Marie Curie", true).await;
    let page = there.get("/settings/clinic").await;
    assert_eq!(page.status, 200, "the new role holds at once");
    assert!(page.body.contains("Marie Curie"));
    set(Role::Viewer, "Marie Curie", true).await;
    assert_eq!(there.get("/settings/clinic").await.status, 403, "and so does the one after it");
    let refused = other.state.db.read(|conn| -> Result<_, DbError> {
        Ok(audit_events::table.filter(audit_events::action.eq("access_refused")).count().get_result::<i64>(conn)?)
    });
    assert_eq!(refused.await.unwrap(), 3, "each refusal is written down once, and nothing that was asked anew");
    set(Role::Owner, "Marie Curie", false).await;
    assert!(there.get("/inbox").await.redirect().starts_with("/sign-in"), "nobody who was deactivated");
    set(Role::Owner, "Marie Curie", true).await;
    // the clinic's name
    let rename = one.state.db.write(|tx| -> Result<_, DbError> {
        Ok(diesel::update(clinic::table).set(clinic::name.eq("Clinic by the Lake")).execute(tx.conn())?)
    });
    rename.await.unwrap();
    assert!(there.get("/inbox").await.body.contains("Clinic by the Lake"));
}

async fn a_patient_who_is_shut_out_on_one_server_sees_nothing_on_the_other(on: On) {
    let (one, other) = two(on).await;
    let user = one.user(Role::Staff).await;
    let patient = one.patient(Like::default()).await;
    one.message(&user, patient, true).await;
    one.drain().await;
    let (here, _) = one.go_in(&one.link_to("maria@example.org"), "+16135550121").await;
    let there = at(&other, &here);
    for _ in 0..2 {
        assert_eq!(there.get("/portal/messages").await.status, 200);
        assert_eq!(there.get("/portal/messages/1").await.status, 200);
    }
    let write = one.state.db.write(move |tx| -> Result<_, DbError> {
        let row = diesel::update(patients::table.find(patient)).set(patients::portal_access.eq(false));
        Ok(row.execute(tx.conn())?)
    });
    write.await.unwrap();
    for path in ["/portal/messages", "/portal/messages/1", "/portal/information"] {
        assert!(there.get(path).await.redirect().starts_with("/portal"), "{path}");
    }
}
