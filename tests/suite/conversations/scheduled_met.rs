//! Who comes at the moment at which a message goes out meets the worker: one of the two wins, the page says which, and neither waits
//! for the other for ever. On PostgreSQL the meeting is made certain: the row of the message is held while both set out, so that each
//! has what it locks before the row, and waits.

use super::scheduled::{count, rows, schedule};
use crate::on_both;
use crate::support::app::{Actor, App};
use crate::support::html::Page;
use crate::support::world::Like;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use postern::access::Role;
use postern::db::schema::{conversations, scheduled_messages as s};
use postern::db::{ConversationId, DatabaseUrl, PatientId, ScheduledId};
use postern::error::AppError;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use time::Duration;
use time::macros::offset;

on_both!(
    it_is_cancelled_as_it_goes,
    it_is_sent_now_as_it_goes,
    it_is_changed_as_it_goes,
    it_is_sent_from_its_form_as_it_goes,
    its_writer_leaves_as_it_goes,
    its_chart_is_merged_as_it_goes,
    another_chart_is_merged_into_its_own_as_a_reply_goes,
    a_merge_is_undone_as_its_writer_leaves,
    its_record_is_deleted_as_it_goes,
);

/// All rows of a table, held.
struct Held(PgConnection);

impl Held {
    /// `None` on SQLite, where a write transaction is alone.
    fn new(app: &App, table: &str) -> Option<(Held, String)> {
        let DatabaseUrl::Postgres(url) = &app.state.config.database else { return None };
        let mut conn = PgConnection::establish(url).unwrap();
        conn.batch_execute(&format!("BEGIN; SELECT 1 FROM {table} ORDER BY id FOR UPDATE")).unwrap();
        Some((Held(conn), url.clone()))
    }

    fn let_go(mut self) {
        self.0.batch_execute("COMMIT").unwrap();
    }
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
}

/// Whether so many come to wait for a lock, within this time at most.
async fn wait(url: &str, waiting: i64, longest: std::time::Duration) -> bool {
    let (mut conn, begun) = (PgConnection::establish(url).unwrap(), std::time::Instant::now());
    while begun.elapsed() < longest {
        let asked = "SELECT count(*) AS waiting FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let found: Waiting = diesel::sql_query(asked).get_result(&mut conn).unwrap();
        if found.waiting >= waiting {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    false
}

/// The first may take so long on a busy machine until it is at the rows: nothing bounds that.
const FIRST: std::time::Duration = std::time::Duration::from_secs(60);
/// The second has less than the 10 seconds after which the database ends the first one's waiting for its lock.
const SECOND: std::time::Duration = std::time::Duration::from_secs(8);

/// Both meet at the rows: the first is there first. Where the machine is too busy for the second to come in time, they go on as they
/// do on SQLite; but nobody passes the rows while they are held.
async fn meet<A, B>(app: &App, first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    meet_at(app, "scheduled_messages", first, second).await
}

/// The same at the rows of another table.
pub async fn meet_at<A, B>(
    app: &App,
    table: &str,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let Some((held, url)) = Held::new(app, table) else { return tokio::join!(first, second) };
    let (set_out, may_set_out) = tokio::sync::oneshot::channel();
    let has_passed = AtomicBool::new(false);
    let later = async {
        may_set_out.await.unwrap();
        let second = second.await;
        has_passed.store(true, Ordering::SeqCst);
        second
    };
    let gate = async {
        assert!(wait(&url, 1, FIRST).await, "the first does not wait for a lock");
        set_out.send(()).unwrap();
        let have_met = wait(&url, 2, SECOND).await;
        assert!(have_met || !has_passed.load(Ordering::SeqCst), "the second does not wait for a lock");
        held.let_go();
    };
    let (first, second, ()) = tokio::join!(first, later, gate);
    (first, second)
}

/// The same in both orders, for a worker and somebody else.
async fn meets<A>(app: &App, worker_first: bool, other: impl Future<Output = A>) -> A {
    match worker_first {
        true => meet(app, app.drain(), other).await.1,
        false => meet(app, other, app.drain()).await.0,
    }
}

/// Schedules a message for two minutes from now, and lets them pass. Gives its identity.
async fn due(app: &App, user: &Actor, patient: PatientId) -> i64 {
    let then = (app.state.clock.now().get() + Duration::minutes(2)).to_offset(offset!(-5));
    let (date, clock) = (then.date().to_string(), format!("{:02}:{:02}", then.hour(), then.minute()));
    let fields = [("later", "at"), ("later_date", date.as_str()), ("later_time", clock.as_str())];
    schedule(user, patient, &fields).await.redirect();
    app.state.clock.advance(Duration::minutes(2));
    newest(app).await
}

async fn newest(app: &App) -> i64 {
    let read = app
        .state
        .db
        .read(|conn| -> Result<ScheduledId, AppError> { Ok(s::table.order(s::id.desc()).select(s::id).first(conn)?) });
    read.await.unwrap().0
}

async fn state(app: &App, id: i64) -> String {
    let read = app
        .state
        .db
        .read(move |conn| -> Result<String, AppError> { Ok(s::table.find(id).select(s::state).first(conn)?) });
    read.await.unwrap()
}

fn filled(page: &Page, body: &str, later: bool) -> Vec<(String, String)> {
    let mut form = page.form_with("Submit");
    form.set("body", body);
    if later {
        form.forge("later", "tomorrow");
    }
    form.fields()
}

async fn post(user: &Actor, path: &str, fields: &[(String, String)]) -> crate::support::app::Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    user.post(path, &fields).await
}

async fn it_is_cancelled_as_it_goes(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    for worker_first in [true, false] {
        let (before, id) = (count(&app).await, due(&app, &staff, maria).await);
        let (path, version) = (format!("/scheduled/{id}/cancellation"), [("version", "1")]);
        let said = meets(&app, worker_first, staff.post(&path, &version)).await.says().1;
        app.drain().await;
        let sent = count(&app).await - before;
        match said.as_str() {
            "scheduled-cancelled" => assert_eq!((sent, state(&app, id).await.as_str()), (0, "cancelled")),
            "scheduled-went-out" => assert_eq!((sent, state(&app, id).await.as_str()), (1, "sent")),
            other => panic!("{other}"),
        }
    }
}

async fn it_is_sent_now_as_it_goes(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    for worker_first in [true, false] {
        let (before, id) = (count(&app).await, due(&app, &staff, maria).await);
        let (path, version) = (format!("/scheduled/{id}/sending"), [("version", "1")]);
        meets(&app, worker_first, staff.post(&path, &version)).await.redirect();
        app.drain().await;
        assert_eq!((count(&app).await - before, state(&app, id).await.as_str()), (1, "sent"), "{worker_first}");
    }
}

async fn it_is_changed_as_it_goes(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let goal = format!("/patients/{maria}/messages/scheduled");
    for worker_first in [true, false] {
        let (before, id) = (count(&app).await, due(&app, &staff, maria).await);
        let page = staff.get(&format!("/patients/{maria}/messages/new?scheduled={id}")).await.ok();
        let fields = filled(&page, "Changed words", true);
        let answer = meets(&app, worker_first, post(&staff, &goal, &fields)).await;
        app.drain().await;
        let sent = count(&app).await - before;
        match answer.status {
            303 => assert_eq!((sent, state(&app, id).await.as_str()), (0, "waiting")),
            409 => {
                assert_eq!((sent, state(&app, id).await.as_str()), (1, "sent"));
                let told = answer.page();
                assert!(told.has_text("It went out on") && answer.body.contains("Changed words"), "{}", told.text());
                // and pressing again changes nothing either
                assert_eq!(post(&staff, &goal, &filled(&told, "Changed words", true)).await.status, 409);
            }
            other => panic!("{other}: {}", answer.page().text()),
        }
    }
}

async fn it_is_sent_from_its_form_as_it_goes(app: App) {
    let staff = app.user(Role::Clinician).await;
    let maria = app.patient(Like::default()).await;
    let goal = format!("/patients/{maria}/messages/new");
    for worker_first in [true, false] {
        let (before, id) = (count(&app).await, due(&app, &staff, maria).await);
        let page = staff.get(&format!("{goal}?scheduled={id}")).await.ok();
        let fields = filled(&page, "Changed words", false);
        let answer = meets(&app, worker_first, post(&staff, &goal, &fields)).await;
        app.drain().await;
        // the words of whoever was first
        let words = match answer.status {
            303 => "Changed words",
            409 => "All is well",
            other => panic!("{other}: {}", answer.page().text()),
        };
        let newest = app.state.db.read(|conn| -> Result<ConversationId, AppError> {
            Ok(conversations::table.order(conversations::id.desc()).select(conversations::id).first(conn)?)
        });
        let page = staff.get(&format!("/conversations/{}", newest.await.unwrap())).await.ok();
        assert!(page.has_text(words), "{worker_first}: {words}: {}", page.text());
        assert_eq!((count(&app).await - before, state(&app, id).await.as_str()), (1, "sent"), "{worker_first}");
    }
}

async fn its_writer_leaves_as_it_goes(app: App) {
    let maria = app.patient(Like::default()).await;
    for (round, worker_first) in [true, false].into_iter().enumerate() {
        // the owner of this round is the user whose number follows
        let staff = app.user(Role::Staff).await;
        let (before, id) = (count(&app).await, due(&app, &staff, maria).await);
        let owner = app.user(Role::Owner).await;
        let (theirs, mine) = (2 * round + 1, (2 * round + 2).to_string());
        let (path, to) = (format!("/settings/users/{theirs}/deactivation"), [("to", mine.as_str())]);
        meets(&app, worker_first, owner.post(&path, &to)).await.redirect();
        app.drain().await;
        let sent = count(&app).await - before;
        match state(&app, id).await.as_str() {
            "sent" => assert_eq!(sent, 1),
            "not_sent" => assert_eq!(sent, 0),
            other => panic!("{other}"),
        }
    }
}

fn twin() -> Like {
    Like { name: ("Maria", "Mejía"), email: Some("m.mejia@example.org".into()), phone: None, ..Like::default() }
}

async fn its_chart_is_merged_as_it_goes(app: App) {
    let staff = app.user(Role::Staff).await;
    for worker_first in [true, false] {
        let (one, other) = (app.patient(Like::default()).await, app.patient(twin()).await);
        let (before, id) = (count(&app).await, due(&app, &staff, other).await);
        let page = staff.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
        let merged = meets(&app, worker_first, staff.submit(&page, "Merge the charts", &[])).await;
        assert_eq!(merged.status, 303, "{}", merged.page().text());
        app.drain().await;
        assert_eq!((count(&app).await - before, state(&app, id).await.as_str()), (1, "sent"), "{worker_first}");
        let read = app.state.db.read(|conn| -> Result<PatientId, AppError> {
            Ok(conversations::table.order(conversations::id.desc()).select(conversations::patient_id).first(conn)?)
        });
        assert_eq!(read.await.unwrap(), one, "{worker_first}: in the chart that is left");
    }
}

/// A message to the chart that goes waits too, so that the merge waits at the rows with both patients in its hands.
async fn another_chart_is_merged_into_its_own_as_a_reply_goes(app: App) {
    let staff = app.user(Role::Staff).await;
    for by_worker in [true, false] {
        for merge_first in [true, false] {
            let (one, other) = (app.patient(Like::default()).await, app.patient(twin()).await);
            let conversation = app.message(&staff, one, true).await;
            app.drain().await;
            schedule(&staff, other, &[("later", "tomorrow")]).await.redirect();
            let page = staff.get(&conversation).await.ok();
            let then = (app.state.clock.now().get() + Duration::minutes(2)).to_offset(offset!(-5));
            let mut form = page.form_with("Send");
            form.set("body", "A reply").forge("later", "at").set("later_date", &then.date().to_string());
            form.set("later_time", &format!("{:02}:{:02}", then.hour(), then.minute()));
            post(&staff, &format!("{conversation}/messages/scheduled"), &form.fields()).await.redirect();
            let id = newest(&app).await;
            let (before, edit) = (count(&app).await, staff.get(&format!("{conversation}?scheduled={id}")).await.ok());
            let page = staff.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
            let merge = staff.submit(&page, "Merge the charts", &[]);
            let goes = async {
                match by_worker {
                    true => drop(app.drain().await),
                    false => drop(staff.submit(&edit, "Send", &[]).await.redirect()),
                }
            };
            if by_worker {
                app.state.clock.advance(Duration::minutes(2));
            }
            let merged = match merge_first {
                true => meet(&app, merge, goes).await.0,
                false => meet(&app, goes, merge).await.1,
            };
            assert_eq!(merged.status, 303, "{}", merged.page().text());
            assert_eq!((count(&app).await - before, state(&app, id).await.as_str()), (1, "sent"), "{by_worker}");
            // the two are apart again, and what waits for the other goes nowhere
            let chart = staff.get(&format!("/patients/{one}")).await.ok();
            staff.submit(&chart, "Undo the merge", &[]).await.redirect();
            staff.post(&format!("/scheduled/{}/cancellation", id - 1), &[("version", "1")]).await.redirect();
        }
    }
}

async fn a_merge_is_undone_as_its_writer_leaves(app: App) {
    let owner = app.user(Role::Owner).await;
    for (round, undo_first) in [true, false].into_iter().enumerate() {
        let staff = app.user(Role::Staff).await;
        let (one, other) = (app.patient(Like::default()).await, app.patient(twin()).await);
        let page = owner.get(&format!("/patients/{one}/merging?with={other}")).await.ok();
        owner.submit(&page, "Merge the charts", &[]).await.redirect();
        schedule(&staff, one, &[("later", "tomorrow")]).await.redirect();
        let chart = owner.get(&format!("/patients/{one}")).await.ok();
        let (path, to) = (format!("/settings/users/{}/deactivation", round + 2), [("to", "1")]);
        let undo = owner.submit(&chart, "Undo the merge", &[]);
        let leave = owner.post(&path, &to);
        let (undone, left) = match undo_first {
            true => meet(&app, undo, leave).await,
            false => {
                let (left, undone) = meet(&app, leave, undo).await;
                (undone, left)
            }
        };
        assert_eq!((undone.status, left.status), (303, 303), "{} {}", undone.page().text(), left.page().text());
        let last = rows(&app).await.pop().unwrap();
        assert_eq!(last.1, "not_sent");
        assert!(["taken_apart", "handed_over"].contains(&last.2.as_deref().unwrap()), "{last:?}");
    }
    assert_eq!(count(&app).await, 0);
}

async fn its_record_is_deleted_as_it_goes(app: App) {
    let staff = app.user(Role::Clinician).await;
    for worker_first in [true, false] {
        let maria = app.patient(Like::default()).await;
        due(&app, &staff, maria).await;
        let owner = app.user(Role::Owner).await;
        owner.post(&format!("/patients/{maria}/archiving"), &[("reason", "left")]).await.redirect();
        let (path, name) = (format!("/patients/{maria}/deletion"), [("name", "María Mejía")]);
        let deleted = meets(&app, worker_first, owner.post(&path, &name)).await;
        assert_eq!(deleted.status, 303, "{}", deleted.page().text());
        app.drain().await;
        assert_eq!((rows(&app).await.len(), count(&app).await), (0, 0));
    }
}
