//! Fairness: one user's slow requests keep nobody else waiting, and a request that takes too long is stopped.

use crate::support::app::{App, On};
use crate::support::world::Like;
use crate::{on_both, on_each};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::{Conn, DatabaseUrl, DbError, Errand, Lane};
use postern::error::AppError;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

on_both!(one_users_slow_transactions_keep_nobody_waiting, a_transaction_that_takes_too_long_is_stopped);
on_each!(one_users_slow_pages_keep_nobody_waiting);

/// How many slow requests one user has at the same time.
const SLOW: usize = 32;
/// The longest time for an answer that does not wait for the slow ones.
const SOON: Duration = Duration::from_secs(8);

/// A gate, closed until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Asserts that a colleague, a patient and the monitoring are served meanwhile.
async fn others_are_served(app: &App, colleague: &crate::support::app::Actor, patient: &crate::support::app::Actor) {
    for _ in 0..3 {
        for (who, path) in [
            (colleague, "/inbox"),
            (colleague, "/inbox/count"),
            (colleague, "/outbox"),
            (patient, "/portal/messages"),
            (patient, "/portal/messages/1"),
            (&app.anyone(), "/sign-in"),
            (&app.anyone(), "/readyz"),
        ] {
            let answer = tokio::time::timeout(SOON, who.get(path)).await;
            assert_eq!(answer.unwrap_or_else(|_| panic!("{path} waits")).status, 200, "{path}");
        }
    }
}

async fn one_users_slow_transactions_keep_nobody_waiting(app: App) {
    let (colleague, patient) = people(&app).await;
    let gate = Gate::default();
    let slow: Vec<_> = (0..SLOW)
        .map(|number| {
            let (db, gate, errand) = (app.state.db.clone(), gate.clone(), Errand::new(Lane::Pages, true));
            errand.is_for((0, 4_711));
            tokio::spawn(errand.carry(async move {
                let work = move |_: &mut Conn| {
                    gate.pass();
                    Ok::<_, DbError>(number)
                };
                db.read(work).await
            }))
        })
        .collect();
    others_are_served(&app, &colleague, &patient).await;
    gate.open();
    for one in slow {
        one.await.unwrap().expect("who waits for oneself gets an answer too");
    }
}

async fn people(app: &App) -> (crate::support::app::Actor, crate::support::app::Actor) {
    let colleague = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    app.message(&colleague, patient, true).await;
    app.drain().await;
    let (patient, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    (colleague, patient)
}

/// One user's slow pages keep nobody waiting, over HTTP: here pages are made slow by a lock on a table that they read.
async fn one_users_slow_pages_keep_nobody_waiting(on: On) {
    if let On::Sqlite = on {
        return; // no reader waits for anybody there
    }
    let app = App::start(on).await;
    let (colleague, patient) = people(&app).await;
    let busy = app.user(Role::Staff).await;
    let chart = app.patient(Like { email: Some("other@example.org".into()), ..Like::default() }).await;
    let DatabaseUrl::Postgres(url) = app.state.config.database.clone() else { panic!("not PostgreSQL") };
    let locked = tokio::task::spawn_blocking(move || {
        let mut conn = PgConnection::establish(&url).unwrap();
        conn.batch_execute("BEGIN; LOCK TABLE chart_item_terms IN ACCESS EXCLUSIVE MODE").unwrap();
        conn
    });
    let mut locked = locked.await.unwrap();
    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let (busy, path) = (busy.clone(), format!("/patients/{chart}?q=blood"));
            tokio::spawn(async move { busy.get(&path).await.status })
        })
        .collect();
    others_are_served(&app, &colleague, &patient).await;
    tokio::task::spawn_blocking(move || locked.batch_execute("ROLLBACK").unwrap()).await.unwrap();
    for one in slow {
        assert_eq!(one.await.unwrap(), 200, "who waits for oneself gets a page too");
    }
}

async fn a_transaction_that_takes_too_long_is_stopped(app: App) {
    // a statement that never ends on either database: there is always another row to consider
    let endless = |conn: &mut Conn| -> Result<(), AppError> {
        let statement = match conn {
            Conn::Sqlite(_) => {
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE there_is_time()"
            }
            Conn::Pg(_) => "SET LOCAL statement_timeout = 100",
        };
        diesel::sql_query(statement).execute(conn)?;
        diesel::sql_query("SELECT pg_sleep(60)").execute(conn)?;
        Ok(())
    };
    for _ in 0..20 {
        let errand = Errand::within(Lane::Pages, true, Duration::from_millis(100));
        let stopped = errand.carry(app.state.db.read(endless)).await;
        let Err(AppError::Db(cause)) = &stopped else { panic!("it ended: {stopped:?}") };
        assert!(cause.is_late(), "{cause}");
        use actix_web::ResponseError;
        assert_eq!(stopped.unwrap_err().status_code(), 503, "busy, and no fault");
    }
    // the connections work as before
    let staff = app.user(Role::Staff).await;
    assert_eq!(staff.get("/inbox").await.status, 200);
}
