//! The Outbox as the clinic uses it: filtered, cancelled, exported; returned mail; the counts.

use crate::on_both;
use crate::support::app::App;
use crate::support::world::Like;
use crate::worker::webhooks::returned;
use diesel::prelude::*;
use postern::access::Role;
use postern::db::schema::notifications;
use postern::db::{PatientId, UserId};
use postern::delivery::bounce::{self, Returned};
use postern::delivery::{Channel, Reason};
use postern::error::AppError;
use postern::notifications::State;
use postern::notifications::templates::Kind;
use postern::patients::Method;

on_both!(
    the_outbox_is_narrowed_down,
    a_waiting_one_is_cancelled,
    what_comes_back_stops_mail_to_it,
    the_export_is_a_safe_table,
    each_combination_of_filters_holds_what_it_says
);

async fn the_outbox_is_narrowed_down(app: App) {
    let one = app.user(Role::Clinician).await;
    let ada = app.patient(Like { name: ("Ada", "Ng"), method: Method::Both, ..Like::default() }).await;
    let ben =
        Like { name: ("Ben", "Ólafsson"), email: Some("ben@example.org".into()), phone: None, ..Like::default() };
    let ben = app.patient(ben).await;
    app.message(&one, ada, true).await;
    app.drain().await;
    app.state.clock.advance(time::Duration::days(2));
    let other = app.user(Role::Staff).await;
    app.message(&other, ben, true).await;
    // the first user's session has ended by now
    let one = app.user(Role::Viewer).await;
    assert_eq!(one.get("/outbox").await.status, 403);
    let one = app.user(Role::Clinician).await;
    let lines = |query: &str| {
        let (one, path) = (one.clone(), format!("/outbox?{query}"));
        async move { one.get(&path).await.ok().count("table tbody tr") }
    };
    let page = one.get("/outbox").await.ok();
    assert!(page.has_text("passcode by text message") && page.has_text("passcode by email"), "{}", page.text());
    for (query, expected) in [
        ("", 3),
        ("state=sent", 2),
        ("state=queued", 1),
        ("state=bounced", 0),
        ("channel=sms", 1),
        ("channel=email", 2),
        ("user=1", 2),
        ("user=2", 1),
        (&format!("patient={ben}"), 1),
        ("q=olaf", 1),
        ("q=NG", 2),
        ("q=nobody", 0),
        ("from=2026-03-05", 1),
        ("until=2026-03-04", 2),
        ("from=2026-03-04&until=2026-03-06&state=sent&channel=email&q=ada", 1),
        ("state=%00&channel=x&user=y&from=2026-99-99&patient=-1x", 3),
    ] {
        assert_eq!(lines(query).await, expected, "{query}");
    }
    // the counts follow the filter, except for its state
    let page = one.get("/outbox?state=queued&q=ada").await.ok();
    assert!(page.has_text("Sent 2") && page.has_text("Queued 0"), "{}", page.text());
    for n in 0..60 {
        app.message(&one, ada, true).await;
        assert!(n < 60);
    }
    let page = one.get("/outbox?q=ada&channel=sms").await.ok();
    assert_eq!(page.count("table tbody tr"), 50);
    let next = page.link("Older");
    assert!(!next.contains("ada") && next.contains("channel=sms"), "{next}");
    assert_eq!(one.get(&next).await.ok().count("table tbody tr"), 11);
}

async fn states(app: &App) -> Vec<(String, Option<String>)> {
    let read = app.state.db.read(|conn| -> Result<_, AppError> {
        let columns = (notifications::state, notifications::reason);
        Ok(notifications::table.order(notifications::id).select(columns).load(conn)?)
    });
    read.await.unwrap()
}

async fn a_waiting_one_is_cancelled(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    let page = user.get("/outbox").await.ok();
    let to = user.submit(&page, "Cancel", &[]).await.redirect();
    assert!(user.get(&to).await.ok().has_text("The notification was cancelled"));
    assert_eq!(app.drain().await, 0);
    assert_eq!(states(&app).await, [("cancelled".to_owned(), Some("cancelled_by_user".to_owned()))]);
    assert!(app.mailbox.newest_first().is_empty());
    // a notification that was cancelled or sent, or does not exist, cannot be cancelled
    let cancel = format!("{conversation}/cancellations");
    assert_eq!(
        user.post(&cancel, &[("notification", "1")]).await.says(),
        ("/outbox".into(), "too-late-to-cancel".into())
    );
    assert_eq!(user.post(&cancel, &[("notification", "99")]).await.status, 404);
    let page = user.get("/outbox").await.ok();
    user.submit(&page, "Send again", &[]).await.redirect();
    app.drain().await;
    assert_eq!(states(&app).await[1].0, "sent");
    let other = app.message(&user, patient, true).await;
    assert_eq!(user.post(&format!("{other}/cancellations"), &[("notification", "2")]).await.status, 404);
}

async fn what_comes_back_stops_mail_to_it(app: App) {
    let user = app.user(Role::Staff).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&user, patient, true).await;
    app.drain().await;
    let uid = app.newest_to("maria@example.org").message_uid;
    let address: lettre::Address = "Bounces@clinic.example".parse().unwrap();
    let bounce = bounce::parse(&returned(&uid, "failed", "5.1.1"), &address).unwrap().unwrap();
    assert_eq!(bounce, Returned::Failed { uid, reason: Reason::NoMailbox });
    let now = app.state.clock.now();
    for changes in [true, false] {
        let (bounce, random) = (bounce.clone(), app.state.random.clone());
        let write = app.state.db.write(move |tx| -> Result<_, AppError> {
            Ok(postern::notifications::returned(tx, now, &random, &bounce)?)
        });
        assert_eq!(write.await.unwrap(), changes);
    }
    assert_eq!(states(&app).await, [("bounced".to_owned(), Some("no_mailbox".to_owned()))]);
    assert!(user.get(&conversation).await.ok().has_text("the notification came back"));
    assert!(user.get("/inbox?filter=needs_attention").await.ok().has_text("Your results"));
    let page = user.get(&format!("/patients/{patient}/messages/new")).await.ok();
    assert!(page.has_text("Mail to the email on record came back"), "{}", page.text());
    page.form_with("Tell them by text message instead");
    let sent = app.mailbox.newest_first().len();
    assert_eq!(user.post(&format!("{conversation}/notifications"), &[("message", "1")]).await.status, 303);
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), sent, "nothing goes to it any more");
    let page = user.get(&format!("/patients/{patient}")).await.ok();
    assert!(page.has_text("Mail came back on 4 March 2026"));
    user.submit(&page, "It works again", &[]).await.redirect();
    app.message(&user, patient, true).await;
    app.drain().await;
    assert_eq!(app.mailbox.newest_first().len(), sent + 1);
}

#[test]
fn only_a_failed_delivery_of_ours_is_a_bounce() {
    let address: lettre::Address = "bounces@clinic.example".parse().unwrap();
    let reason = |action: &str, status: &str| {
        let bounce = bounce::parse(&returned("abc-_1", action, status), &address).unwrap();
        bounce.map(|bounce| match bounce {
            Returned::Failed { uid, reason } => (uid, reason.as_str()),
            Returned::Complaint { uid } => (uid, "complaint"),
        })
    };
    for (action, status, expected) in [
        ("failed", "5.1.1", Some("no_mailbox")),
        ("Failed", "5.2.1", Some("no_mailbox")),
        ("failed", "5.2.2 (mailbox full)", Some("mailbox_full")),
        ("failed", "5.7.1", Some("policy")),
        ("failed", "4.4.7", Some("undeliverable")),
        ("failed", "5.1.8", Some("refused")),
        ("failed", "", Some("refused")),
        ("delayed", "4.4.1", None),
        ("delivered", "2.0.0", None),
    ] {
        assert_eq!(reason(action, status), expected.map(|r| ("abc-_1".to_owned(), r)), "{action} {status}");
    }
    let whole = String::from_utf8(returned("abc", "failed", "5.1.1")).unwrap();
    for (from, to) in [("bounces+abc@", "bounces@"), ("@clinic.example", "@other.example"), ("Action", "Faction")] {
        assert_eq!(bounce::parse(whole.replace(from, to).as_bytes(), &address), Ok(None), "{from}");
    }
    for raw in [&b""[..], b"\0\xff", b"To: bounces+a@clinic.example\r\n\r\nhello"] {
        assert_eq!(bounce::parse(raw, &address), Ok(None));
    }
    let tagged = bounce::tagged(&address, "abc-_1").unwrap();
    assert_eq!(tagged.to_string(), "bounces+abc-_1@clinic.example");
}

async fn the_export_is_a_safe_table(app: App) {
    let user = app.user(Role::Staff).await;
    let evil = Like { name: ("=cmd|' /C calc'!A0", "\"Ng\", Ada"), ..Like::default() };
    let evil = app.patient(evil).await;
    let plain = app.patient(Like { method: Method::Sms, ..Like::default() }).await;
    app.message(&user, evil, true).await;
    for _ in 0..3 {
        app.message(&user, plain, true).await;
    }
    app.drain().await;
    let answer = user.get("/outbox.csv").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let mut reader = csv::Reader::from_reader(answer.body.as_bytes());
    assert_eq!(&reader.headers().unwrap()[1], "Patient");
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(&rows[3][1], "'=cmd|' /C calc'!A0 \"Ng\", Ada");
    assert_eq!((&rows[0][4], &rows[0][5]), ("'+16135550121", "Sent"));
    assert!(rows.iter().all(|row| row.iter().all(|value| !value.starts_with(['=', '+', '-', '@']))));
    assert_eq!(user.get("/outbox.csv?state=failed").await.body.lines().count(), 1);
    assert_eq!(user.get("/outbox.csv?q=Ng").await.body.lines().count(), 2);
    let text = postern::metrics::text(&app.state).await.unwrap();
    for line in [
        "postern_queue_jobs 0",
        "postern_conversations_needing_attention 0",
        "postern_handed_over_total{channel=\"email\",outcome=\"taken\"} 1",
        "postern_handed_over_total{channel=\"sms\",outcome=\"taken\"} 3",
        "postern_road_last_success_timestamp_seconds{channel=\"email\"} 1772632920.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains('@') && !text.contains("613"), "{text}");
    app.message(&user, plain, true).await;
    app.state.clock.advance(time::Duration::seconds(90));
    let text = postern::metrics::text(&app.state).await.unwrap();
    assert!(text.contains("postern_queue_jobs 1\n") && text.contains("postern_queue_oldest_seconds 90.0\n"), "{text}");
}

/// A notification as the test wrote it.
struct Put {
    address: String,
    state: State,
    kind: Kind,
    channel: Channel,
    user: Option<UserId>,
    patient: PatientId,
}

/// Writes notifications of every kind, channel and state, of two users and nobody, to two patients, two at each moment;
/// gives them newest first.
async fn rows_of_all_sorts(app: &App, patients: [PatientId; 2]) -> Vec<Put> {
    let now = app.state.clock.now();
    let write = app.state.db.write(move |tx| -> Result<Vec<Put>, AppError> {
        let mut put = Vec::new();
        for number in 0..180_usize {
            let row = Put {
                address: format!("row{number}@example.org"),
                state: State::ALL[number * 7 % State::ALL.len()],
                kind: Kind::ALL[number % Kind::ALL.len()],
                channel: Channel::ALL[number / 4 % Channel::ALL.len()],
                user: [None, Some(UserId(1)), Some(UserId(2))][number / 3 % 3],
                patient: patients[number / 5 % 2],
            };
            let at = now.plus(time::Duration::minutes(number as i64 / 2 - 200));
            let columns = (
                (notifications::patient_id.eq(row.patient), notifications::channel.eq(row.channel)),
                (notifications::state.eq(row.state), notifications::kind.eq(row.kind)),
                (notifications::attempts.eq(1), notifications::message_uid.eq(format!("put{number}"))),
                (notifications::created_at.eq(at), notifications::state_at.eq(at)),
                (notifications::user_id.eq(row.user), notifications::sent_to.eq(row.address.clone())),
            );
            diesel::insert_into(notifications::table).values(columns).execute(tx.conn())?;
            put.push(row);
        }
        put.reverse();
        Ok(put)
    });
    write.await.unwrap()
}

async fn each_combination_of_filters_holds_what_it_says(app: App) {
    let owner = app.user(Role::Owner).await;
    app.user(Role::Staff).await;
    let maria = app.patient(Like::default()).await;
    let ada = app.patient(Like { name: ("Ada", "Ng"), email: Some("ada@example.org".into()), ..Like::default() }).await;
    let rows = rows_of_all_sorts(&app, [maria, ada]).await;
    let mut seen = 0;
    for state in [None, Some(State::Sent), Some(State::Stopped), Some(State::Queued)] {
        for kind in [None, Some(Kind::Reminder), Some(Kind::Passcode)] {
            for channel in [None, Some(Channel::Sms)] {
                for user in [None, Some(UserId(2))] {
                    for (whose, query) in
                        [(None, String::new()), (Some(ada), format!("&patient={ada}")), (Some(ada), "&q=ng".into())]
                    {
                        let query = format!(
                            "state={}&kind={}&channel={}&user={}{query}",
                            state.map_or("", |state| state.as_str()),
                            kind.map_or("", |kind| kind.as_str()),
                            channel.map_or("", |channel| channel.as_str()),
                            user.map_or_else(String::new, |user| user.to_string()),
                        );
                        let others = |row: &&Put| {
                            kind.is_none_or(|kind| row.kind == kind)
                                && channel.is_none_or(|channel| row.channel == channel)
                                && user.is_none_or(|user| row.user == Some(user))
                                && whose.is_none_or(|whose| row.patient == whose)
                        };
                        let is_wanted = |row: &&Put| others(row) && state.is_none_or(|state| row.state == state);
                        let wanted: Vec<&str> = rows.iter().filter(is_wanted).map(|row| row.address.as_str()).collect();
                        let body = owner.get(&format!("/outbox.csv?{query}")).await.body;
                        let mut table = csv::Reader::from_reader(body.trim_start_matches('\u{feff}').as_bytes());
                        let found: Vec<String> = table.records().map(|line| line.unwrap()[4].to_owned()).collect();
                        assert_eq!(found, wanted, "{query}");
                        // then the pages, one after the other, with their counts
                        let (mut lines, mut path) = (0, format!("/outbox?{query}"));
                        loop {
                            let page = owner.get(&path).await.ok();
                            let counts: Vec<String> = page.texts_of(".counts .badge");
                            let expected: Vec<String> = State::ALL
                                .iter()
                                .map(|one| {
                                    rows.iter().filter(others).filter(|row| row.state == *one).count().to_string()
                                })
                                .collect();
                            assert_eq!(counts, expected, "{path}");
                            lines += page.count("table tbody tr");
                            match page.attrs_of(".pager a", "href").pop() {
                                Some(next) => path = next,
                                None => break,
                            }
                        }
                        assert_eq!(lines, wanted.len(), "{query}");
                        seen += lines;
                    }
                }
            }
        }
    }
    assert!(seen > 500, "{seen}");
}
