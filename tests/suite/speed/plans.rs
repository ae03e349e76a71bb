//! No list, filter or search reads a whole table, or sorts rows whose number grows with the clinic: each is read by an
//! index in the order of its page. The statements are recorded while the pages run them.

use crate::on_each;
use crate::support::app::{App, On};
use crate::support::world::Like;
use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;
use postern::access::Role;
use postern::db::DatabaseUrl;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

on_each!(every_list_is_read_along_an_index_in_its_order);

/// The statements on the connections to each database, while they are recorded.
static HEARD: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// Records the statements of one connection, where its database is recorded.
#[derive(Default)]
struct Ear {
    database: String,
}

impl Instrumentation for Ear {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => self.database = url.to_owned(),
            InstrumentationEvent::StartQuery { query, .. } => {
                let mut heard = HEARD.lock().unwrap();
                if let Some(heard) = heard.get_mut(&self.database) {
                    let query = query.to_string();
                    let statement = query.split(" -- binds:").next().unwrap().trim().to_owned();
                    if statement.starts_with("SELECT") {
                        heard.insert(statement);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Tables that have few rows however long a clinic works, and those of one day's requests, files and jobs.
const SMALL: [&str; 20] = [
    "clinic",
    "own_word_settings",
    "absences",
    "opening_hours",
    "closed_days",
    "answer_promise",
    "users",
    "teams",
    "team_members",
    "roads",
    "worker_looks",
    "message_templates",
    "notification_templates",
    "list_mappings",
    "images",
    "clinic_images",
    "address_blocks",
    "sources",
    "sealing_keys",
    "search_progress",
];

/// Indexes that a list for the whole clinic may read from their end: they hold no rows that the list leaves out.
const WALKS: [&str; 10] = [
    "conversations_newest",
    "conversations_number",
    "conversations_open",
    "conversations_closed",
    "conversations_for_patient",
    "conversations_attention",
    "audit_events_time",
    "notifications_newest",
    "patients_name",
    "patient_terms_term",
];

/// The pages, each with the index by which its list has to be read; empty where that is clear from the page.
fn pages(patient: i64, conversation: &str) -> Vec<(String, &'static str)> {
    let mut pages: Vec<(String, &'static str)> = Vec::new();
    for order in ["longest", "newest"] {
        for (filter, mine, all) in [
            ("to_do", "participants_to_do", "conversations_to_do"),
            ("assigned", "participants_assigned", "participants_assigned"),
            ("my_teams", "participants_team", "participants_team"),
            ("mentions", "participants_mentioned", "participants_mentioned"),
            ("waiting_for_us", "participants_for_us", "conversations_for_us"),
            ("unread", "participants_inbox", "participants_inbox"),
            ("needs_attention", "participants_attention", "conversations_attention"),
            ("waiting_for_patient", "participants_for_patient", "conversations_for_patient"),
            ("open", "participants_open", "conversations_open"),
            ("done", "participants_done", "participants_done"),
            ("closed", "participants_closed", "conversations_closed"),
            ("any", "participants_inbox", "conversations_newest"),
        ] {
            for after in ["", "&after=r1772632920000000-1", "&after=u1772632920000000-1"] {
                pages.push((format!("/inbox?scope=mine&filter={filter}&order={order}{after}"), mine));
                pages.push((format!("/inbox?scope=all&filter={filter}&order={order}{after}"), all));
            }
        }
    }
    for after in ["", "&after=r1772632920000000-1"] {
        pages.push((format!("/inbox?scope=mine&filter=to_do&order=due{after}"), "participants_to_do_due"));
        pages.push((format!("/inbox?scope=all&filter=to_do&order=due{after}"), "conversations_to_do_due"));
    }
    for (query, index) in [
        ("", "notifications_newest"),
        ("state=failed", "notifications_state"),
        ("kind=reminder", "notifications_kind"),
        ("channel=sms", "notifications_channel"),
        ("user=1", "notifications_user"),
        ("from=2026-01-01&until=2026-04-01", "notifications_newest"),
        ("from=2026-01-01&until=2026-04-01&state=sent", "notifications_state"),
        ("user=1&state=stopped", "notifications_users"),
        ("user=1&kind=reminder", "notifications_users"),
        ("user=1&channel=sms&from=2026-01-01", "notifications_users"),
        ("kind=passcode&channel=sms", "notifications_kinds"),
        ("kind=reminder&state=bounced", "notifications_kinds"),
        ("channel=sms&state=stopped&until=2026-04-01", "notifications_kinds"),
        ("q=maria", "notifications_patient"),
        ("q=maria+mejia&state=sent&kind=reminder&channel=sms&user=1", "notifications_patient"),
    ] {
        pages.push((format!("/outbox?{query}"), index));
        pages.push((format!("/outbox?{query}&after=1772632920000000-9"), index));
    }
    pages.push((format!("/outbox?patient={patient}&state=sent&user=1"), "notifications_patient"));
    pages.extend([
        ("/patients".into(), "patients_name"),
        ("/patients?archived=1".into(), "patients_name"),
        ("/patients?q=4".into(), "patient_terms_term"),
        ("/patients?q=gon".into(), "patient_terms_term"),
        ("/patients?q=gon+mar+1980".into(), "patient_terms_term"),
        (format!("/patients/{patient}"), ""),
        (format!("/patients/{patient}/chart-browser"), ""),
        (format!("/patients/{patient}/chart-browser?q=blood&kind=letter"), ""),
        (conversation.to_owned(), ""),
        ("/inbox/count".into(), "participants_inbox"),
        ("/account/views".into(), "saved_views_user"),
        ("/settings/answer-times".into(), "promises_asked"),
        ("/search?q=results+well".into(), "search_words_term"),
        ("/search?q=results+wel".into(), "search_words_term"),
        (
            "/search?q=results+well&part=title&state=open&from=2026-01-01&until=2026-04-01&before=9".into(),
            "search_words_term",
        ),
        (format!("/search?q=well&patient={patient}"), "search_words_term"),
        ("/inbox/scheduled".into(), "scheduled_messages_user"),
        ("/inbox/scheduled?after=1772632920000000-1".into(), "scheduled_messages_user"),
        ("/inbox/scheduled?rest=1772632920000000-1".into(), "scheduled_messages_user"),
        ("/settings/audit-log".into(), "audit_events_time"),
        ("/settings/audit-log?from=2026-01-01&until=2026-04-01".into(), "audit_events_time"),
        ("/settings/audit-log?user=1&what=message_sent&until=2026-04-01".into(), "audit_events_acts"),
        ("/settings/audit-log?user=1&what=looks".into(), "audit_events_acts"),
        ("/settings/audit-log?what=looks&before=1772632920000000-9".into(), "audit_events_action"),
        (format!("/settings/audit-log?patient={patient}&what=looks&user=1&from=2026-01-01"), "audit_events_patient"),
        ("/settings/audit-log?user=1".into(), "audit_events_actor"),
        (format!("/settings/audit-log?patient={patient}"), "audit_events_patient"),
        ("/settings/audit-log?what=message_sent".into(), "audit_events_action"),
    ]);
    pages
}

async fn every_list_is_read_along_an_index_in_its_order(on: On) {
    set_default_instrumentation(|| Some(Box::new(Ear::default()))).unwrap();
    let app = App::start(on).await;
    let url = match &app.state.config.database {
        DatabaseUrl::Sqlite(path) => path.to_str().unwrap().to_owned(),
        DatabaseUrl::Postgres(url) => url.clone(),
        DatabaseUrl::Tls(_) => unreachable!(),
    };
    let owner = app.user(Role::Owner).await;
    let patient = app.patient(Like::default()).await;
    let conversation = app.message(&owner, patient, true).await;
    app.drain().await;
    app.index().await;
    let (here, _) = app.go_in(&app.link_to("maria@example.org"), "+16135550121").await;
    HEARD.lock().unwrap().insert(url.clone(), BTreeSet::new());
    let mut asked: Vec<(String, &'static str, BTreeSet<String>)> = Vec::new();
    for (path, index) in pages(patient.0, &conversation) {
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        asked.push((path, index, std::mem::take(HEARD.lock().unwrap().get_mut(&url).unwrap())));
    }
    for path in ["/portal/messages", "/portal/messages/1"] {
        assert_eq!(here.get(path).await.status, 200, "{path}");
        asked.push((path.into(), "", std::mem::take(HEARD.lock().unwrap().get_mut(&url).unwrap())));
    }
    HEARD.lock().unwrap().remove(&url);
    let faults = tokio::task::spawn_blocking(move || faults(&url, &asked)).await.unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// The faults of the plans of these statements.
fn faults(url: &str, asked: &[(String, &'static str, BTreeSet<String>)]) -> Vec<String> {
    let mut explain = Explain::on(url);
    let (mut faults, mut plans) = (Vec::new(), BTreeMap::new());
    for (path, index, statements) in asked {
        assert!(statements.len() > 2, "{path}: nothing was heard");
        let mut is_used = index.is_empty();
        // the database knows that this statement has no rows, and reads nothing
        for statement in statements.iter().filter(|statement| !statement.contains("(1=0)")) {
            let plan = plans.entry(statement.clone()).or_insert_with(|| explain.plan(statement));
            is_used |= plan.iter().any(|line| line.split([' ', '(']).any(|word| word == *index));
            if let Some(line) = plan.iter().find(|line| explain.is_fault(statement, line)) {
                faults.push(format!("{path}: {line}\n  {statement}"));
            }
        }
        if !is_used {
            faults.push(format!("{path}: not read along {index}"));
        }
    }
    faults.sort();
    faults.dedup_by_key(|fault| fault.split('\n').nth(1).map(str::to_owned));
    faults
}

/// Whether a statement reads rows of one patient, one conversation or the messages of one page, or a table with few
/// rows. Such rows may be sorted, because their number does not grow with the clinic.
fn is_of_one(statement: &str) -> bool {
    let plain = statement.replace(['`', '"'], "");
    let from = plain.split(" FROM ").nth(1).unwrap_or_default().trim_start_matches('(');
    let table = from.split(' ').next().unwrap_or_default();
    let keys = ["patient_id = ", "conversation_id = ", "message_id = ANY", "message_id IN "];
    SMALL.contains(&table) || keys.iter().any(|key| plain.split(" WHERE ").skip(1).any(|of| of.contains(key)))
}

enum Explain {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Detail {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

impl Explain {
    fn on(url: &str) -> Explain {
        if !url.starts_with("postgres") {
            return Explain::Sqlite(SqliteConnection::establish(url).unwrap());
        }
        let mut conn = PgConnection::establish(url).unwrap();
        // with few rows the planner reads and sorts everything, so those ways are switched off: an index must be usable
        let off = ["seqscan", "sort", "incremental_sort", "hashjoin", "mergejoin", "bitmapscan"];
        let off: String = off.iter().map(|way| format!("SET enable_{way} = off; ")).collect();
        conn.batch_execute(&format!("{off} SET plan_cache_mode = force_generic_plan")).unwrap();
        Explain::Postgres(conn)
    }

    fn plan(&mut self, statement: &str) -> Vec<String> {
        match self {
            Explain::Sqlite(conn) => {
                // this connection does not have the program's own function
                let statement = statement.replace("there_is_time()", "random() IS NOT NULL");
                let lines: Vec<Detail> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
                    .load(conn)
                    .unwrap_or_else(|e| panic!("{e}: {statement}"));
                lines.into_iter().map(|line| line.detail).collect()
            }
            Explain::Postgres(conn) => {
                let values = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
                let nulls = vec!["NULL"; values].join(", ");
                let values = if values == 0 { String::new() } else { format!("({nulls})") };
                conn.batch_execute(&format!("PREPARE one AS {statement}"))
                    .unwrap_or_else(|e| panic!("{e}: {statement}"));
                let lines: Vec<Line> =
                    diesel::sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE one{values}")).load(conn).unwrap();
                conn.batch_execute("DEALLOCATE one").unwrap();
                lines.into_iter().map(|line| line.line.trim().to_owned()).collect()
            }
        }
    }

    fn is_fault(&self, statement: &str, line: &str) -> bool {
        match self {
            Explain::Sqlite(_) => {
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    ["SCAN", table, ..] if SMALL.contains(table) => false,
                    ["SCAN", "CONSTANT", ..] => false,
                    // a count that ends at the highest number that the page shows
                    ["SCAN", "one"] => false,
                    ["SCAN", _, "USING", "INDEX" | "COVERING", rest @ ..] => {
                        !rest.iter().any(|word| WALKS.contains(word))
                    }
                    ["SCAN", ..] => true,
                    ["USE", "TEMP", "B-TREE", ..] => !is_of_one(statement),
                    _ => false,
                }
            }
            Explain::Postgres(_) => {
                let line = line.trim_start_matches("-> ").trim();
                let table = line.strip_prefix("Seq Scan on ").map(|rest| rest.split(' ').next().unwrap_or_default());
                let sorts = line == "Sort" || line == "Incremental Sort";
                table.is_some_and(|table| !SMALL.contains(&table)) || sorts && !is_of_one(statement)
            }
        }
    }
}
