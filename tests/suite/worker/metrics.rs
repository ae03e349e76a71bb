//! `/metrics` as Prometheus reads it, from the real program.

use crate::support::app::{App, On};
use crate::support::peers;
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use postern::access::Role;
use std::collections::BTreeMap;

/// A family of the OpenMetrics text format: its type, and the value of each of its samples by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: String,
    samples: BTreeMap<String, f64>,
}

/// Reads an exposition as its standard (OpenMetrics 1.0) says; panics where it breaks a rule.
fn read(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with("# EOF\n"), "an exposition ends with EOF: {text}");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut present = String::new();
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    for line in text.strip_suffix("# EOF\n").unwrap().lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(is_name(name), "{line}");
            assert!(present == name || !families.contains_key(name), "a family stands in one place: {line}");
            present = name.to_owned();
            let family = families.entry(present.clone()).or_default();
            assert!(family.samples.is_empty(), "what is said of a family comes before its samples: {line}");
            let field = match what {
                "TYPE" => &mut family.kind,
                "HELP" => &mut family.help,
                "UNIT" => &mut family.unit,
                _ => panic!("{line}"),
            };
            assert!(field.is_empty(), "twice: {line}");
            *field = value.to_owned();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
        let name = sample.split('{').next().unwrap();
        assert!(is_name(name), "{line}");
        let family = families.get_mut(&present).expect("a sample after its family");
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        assert!(suffixes.iter().any(|suffix| name == format!("{present}{suffix}")), "{line}");
        let value: f64 = value.parse().expect("a number");
        assert!(family.samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    for (name, family) in &families {
        assert!(["gauge", "counter", "histogram"].contains(&family.kind.as_str()), "{name} {family:?}");
        assert!(name.starts_with("postern_") && !family.help.is_empty(), "{name} {family:?}");
        assert!(family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)), "{name} {family:?}");
    }
    families
}

async fn scrape(port: u16) -> BTreeMap<String, Family> {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    for secret in ["María", "Mejía", "maria", "results", "@", "613555", "613 555", "127.0.0.1", "User"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    let found = read(&text);
    let route =
        |sample: &str| sample.split("route=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let told = found.get("postern_request_duration_seconds").map(|family| &family.samples);
    for route in told.into_iter().flatten().map(|(sample, _)| route(sample).unwrap()) {
        // templates of routes: nothing of an address itself, where a token or the number of a patient stands
        let plain = |part: &str| part.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '.' | '_'));
        assert!(route.split('/').all(|part| plain(part) || part.starts_with('{')), "{route}");
    }
    found
}

async fn is_scraped(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let user = app.user(Role::Clinician).await;
    let address = |fault: &str| Some(format!("{fault}+metrics{}@example.org", std::process::id()));
    for fault in ["ok", "reject", "defer"] {
        let patient = app.patient(Like { email: address(fault), ..Like::default() }).await;
        app.message(&user, patient, true).await;
    }
    let (port, watched) = (free_port(), free_port());
    let listen = format!("127.0.0.1:{watched}");
    let database = database_url(&app.state.config.database);
    let mut program = Program::start(&["serve"], &database, port, &[("POSTERN_METRICS_LISTEN", &listen)]);
    program.answers_at(port);
    program.answers_at(watched);

    // waits until all three mails were tried: accepted, refused, deferred
    let mut found = scrape(watched).await;
    for _ in 0..600 {
        // the results are stored a moment after they are counted
        let written = |name: &str| found.get(name).is_some_and(|family| !family.samples.is_empty());
        let roads = written("postern_road_last_success_timestamp_seconds")
            && written("postern_road_last_error_timestamp_seconds")
            && found["postern_queue_jobs"].samples.values().all(|jobs| *jobs == 1.0);
        if roads && found.get("postern_handed_over").is_some_and(|family| family.samples.len() == 3) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        found = scrape(watched).await;
    }
    let value = |family: &str, labels: &str| {
        assert!(found.contains_key(family), "{family} is not in {found:?}: {}", program.log());
        let of = &found[family].samples;
        let suffix = if found[family].kind == "counter" { "_total" } else { "" };
        *of.get(&format!("{family}{suffix}{labels}")).unwrap_or_else(|| panic!("{family}{labels} in {of:?}"))
    };
    for outcome in ["taken", "refused", "later"] {
        let labels = format!("{{channel=\"email\",outcome=\"{outcome}\"}}");
        assert!(value("postern_handed_over", &labels) >= 1.0, "{outcome}");
    }
    // the values of the page for gateways: the last success, the last error, how long the oldest job waits
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let success = value("postern_road_last_success_timestamp_seconds", "{channel=\"email\"}");
    assert!((now - success).abs() < 60.0, "{success} at {now}");
    assert_eq!(found["postern_road_last_error_timestamp_seconds"].kind, "gauge");
    assert_eq!(value("postern_queue_jobs", ""), 1.0, "what was put off");
    assert!(value("postern_queue_oldest_seconds", "") > 0.0);
    assert_eq!(value("postern_conversations_needing_attention", ""), 1.0, "what was refused");

    // the metrics are not served at the public port, and their own port serves nothing else
    let get = |port: u16, path: &'static str| async move {
        reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.unwrap().status().as_u16()
    };
    assert_eq!(get(port, "/metrics").await, 404);
    for path in ["/", "/inbox", "/sign-in", "/portal", "/healthz"] {
        assert_eq!(get(watched, path).await, 404, "{path}");
    }
    let posted = reqwest::Client::new().post(format!("http://127.0.0.1:{watched}/metrics")).send().await.unwrap();
    assert!([404, 405].contains(&posted.status().as_u16()));

    // requests are told by their routes, in the histogram and in the log, and by an id that the answer has too
    let token = "A".repeat(43);
    let asked = reqwest::get(format!("http://127.0.0.1:{port}/portal/link/{token}")).await.unwrap();
    let id = asked.headers()["x-request-id"].to_str().unwrap().to_owned();
    let found = scrape(watched).await;
    let durations = &found["postern_request_duration_seconds"].samples;
    let count = "postern_request_duration_seconds_count{route=\"/portal/link/{token}\",method=\"GET\"";
    assert!(durations.iter().any(|(name, times)| name.starts_with(count) && *times >= 1.0), "{durations:?}");
    let missed = "postern_request_duration_seconds_count{route=\"none\",method=\"GET\",status=\"4xx\"}";
    assert_eq!(durations[missed], 1.0, "the front door has no /metrics");
    assert_eq!(found["postern_requests_in_flight"].samples["postern_requests_in_flight"], 0.0);
    let log = program.log();
    let line = log.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("no {id} in {log}"));
    assert!(line.contains("/portal/link/{token}") && line.contains("answered"), "{line}");
    assert!(!log.contains(&token), "{log}");
    assert!(!log.contains("metrics+") && !log.contains("Mejía"), "{log}");
}

/// With `log_format = "json"` each line of the log is one object, with the id of the request that it belongs to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_for_programs() {
    let (app, port) = (App::start(On::Sqlite).await, free_port());
    let database = database_url(&app.state.config.database);
    let mut program = Program::start(&["serve"], &database, port, &[("POSTERN_LOG_FORMAT", "json")]);
    program.answers_at(port);
    let asked = reqwest::get(format!("http://127.0.0.1:{port}/sign-in?next=%2Fpatients%2F7")).await.unwrap();
    let id = asked.headers()["x-request-id"].to_str().unwrap().to_owned();
    let log = program.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["span"]["id"] == id.as_str()).unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&line["message"], &line["status"]), (&"answered".into(), &200.into()), "{line}");
    assert_eq!((&line["span"]["route"], &line["span"]["method"]), (&"/sign-in".into(), &"GET".into()), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_scraped_on_sqlite() {
    is_scraped(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_scraped_on_postgres() {
    if peers::postgres_url().is_some() {
        is_scraped(On::Postgres).await;
    }
}

#[test]
fn the_reader_sees_faults() {
    let good = "# HELP postern_a A.\n# TYPE postern_a counter\npostern_a_total{b=\"c\"} 1\n# EOF\n";
    assert_eq!(read(good)["postern_a"].samples["postern_a_total{b=\"c\"}"], 1.0);
    for (from, to) in [
        ("# EOF\n", ""),
        ("postern_a_total", "postern_a"),
        ("# HELP postern_a A.\n", ""),
        ("counter", "quantity"),
        ("} 1", "} one"),
        ("postern_a_total", "9"),
    ] {
        let bad = good.replace(from, to);
        assert!(std::panic::catch_unwind(|| read(&bad)).is_err(), "{bad}");
    }
}
