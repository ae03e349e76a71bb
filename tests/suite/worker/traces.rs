//! Traces as a collector gets them (OTLP over HTTP), from the real program.

use crate::support::app::{App, On};
use crate::support::peers;
use crate::support::program::{Program, database_url, free_port};
use crate::support::world::Like;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use postern::access::Role;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The head and the body of a request.
type Taken = (String, Vec<u8>);

/// A collector: takes what is posted to it, and keeps it.
#[derive(Clone)]
struct Sink {
    port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Sink {
    fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Sink { port: listener.local_addr().unwrap().port(), taken: Arc::default() };
        let taken = Arc::clone(&sink.taken);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let taken = Arc::clone(&taken);
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
                    // a connection may carry several requests
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let length = head.to_lowercase();
                        let length = length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                        let mut body = vec![0; length.expect("a length").parse().unwrap()];
                        reader.read_exact(&mut body).unwrap();
                        taken.lock().unwrap().push((head, body));
                        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                    }
                });
            }
        });
        sink
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let requests = taken.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
        requests.flat_map(|all| all.resource_spans).flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
    }

    /// Waits until a span is there.
    fn waits_for(&self, is_it: impl Fn(&Span) -> bool) -> Span {
        let begin = Instant::now();
        loop {
            let spans = self.spans();
            if let Some(found) = spans.iter().find(|span| is_it(span)) {
                return found.clone();
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "not in {spans:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|one| one.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    })
}

async fn are_told(on: On) {
    let app = App::start(on).await;
    app.at_present();
    let user = app.user(Role::Clinician).await;
    let email = Some(format!("ok+traces{}@example.org", std::process::id()));
    let patient = app.patient(Like { email, ..Like::default() }).await;
    app.message(&user, patient, true).await;
    let (sink, port) = (Sink::start(), free_port());
    let database = database_url(&app.state.config.database);
    let settings = [
        ("POSTERN_TRACES_ENDPOINT", format!("http://127.0.0.1:{}/v1/traces", sink.port)),
        ("POSTERN_TRACES_AUTHORIZATION", "Bearer of-the-collector".to_owned()),
    ];
    let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let mut program = Program::start(&["serve"], &database, port, &settings);
    program.answers_at(port);
    let token = "A".repeat(43);
    let asked = reqwest::get(format!("http://127.0.0.1:{port}/portal/link/{token}")).await.unwrap();
    let id = asked.headers()["x-request-id"].to_str().unwrap().to_owned();

    // a request, by its route and the id that its answer and the log have
    let request = sink.waits_for(|span| attribute(span, "request.id").as_deref() == Some(&id));
    assert_eq!((request.name.as_str(), request.kind()), ("GET /portal/link/{token}", SpanKind::Server));
    assert_eq!(attribute(&request, "http.route").as_deref(), Some("/portal/link/{token}"));
    assert_eq!(attribute(&request, "http.response.status_code").unwrap(), asked.status().as_u16().to_string());
    assert_ne!(request.status.clone().unwrap_or_default().code(), StatusCode::Error, "a visitor's mistake is no error");
    assert!(request.end_time_unix_nano > request.start_time_unix_nano);
    // what the database did for it belongs to it
    let within = |name: &'static str, outer: Span| {
        move |span: &Span| span.name == name && span.trace_id == outer.trace_id && span.parent_span_id == outer.span_id
    };
    sink.waits_for(within("database read", request));
    // a job of the worker, and what it wrote
    let job = sink.waits_for(|span| span.kind() == SpanKind::Consumer && span.name == "send_notification");
    sink.waits_for(within("database write", job));

    // what is left is handed over when the program ends
    let last = reqwest::get(format!("http://127.0.0.1:{port}/sign-in")).await.unwrap();
    let last = last.headers()["x-request-id"].to_str().unwrap().to_owned();
    program.signal("TERM");
    assert!(program.ends_within(Duration::from_secs(20)).is_some_and(|status| status.success()));
    assert!(sink.spans().iter().any(|span| attribute(span, "request.id").as_deref() == Some(&last)));

    let spans = sink.spans();
    for root in spans.iter().filter(|span| span.parent_span_id.is_empty()) {
        assert_ne!(root.kind(), SpanKind::Internal, "what the program does by itself is not told: {root:?}");
    }
    assert!(spans.iter().all(|span| span.events.is_empty()), "no line of the log goes out");
    for (head, body) in sink.taken.lock().unwrap().iter() {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer of-the-collector\r\n"), "{head}");
        let text = String::from_utf8_lossy(body);
        for secret in [token.as_str(), "María", "Mejía", "traces", "@example", "127.0.0.1", "User"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    assert!(!program.log().contains("of-the-collector") && !program.log().contains("could not be delivered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_told_on_sqlite() {
    are_told(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_told_on_postgres() {
    if peers::postgres_url().is_some() {
        are_told(On::Postgres).await;
    }
}

/// A collector that is away costs nothing but a line in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_is_told_once() {
    let (app, port, nobody) = (App::start(On::Sqlite).await, free_port(), free_port());
    let endpoint = format!("http://127.0.0.1:{nobody}/v1/traces");
    let database = database_url(&app.state.config.database);
    let settings = [("POSTERN_TRACES_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let mut program = Program::start(&["serve"], &database, port, &settings);
    program.answers_at(port);
    let told = |program: &Program| program.log().matches("traces could not be delivered").count();
    let begin = Instant::now();
    let mut asked = 0;
    // some deliveries after the first that failed
    while told(&program) == 0 || asked < 20 {
        assert_eq!(reqwest::get(format!("http://127.0.0.1:{port}/sign-in")).await.unwrap().status(), 200);
        asked += 1;
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", program.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told(&program), 1, "{}", program.log());
    assert!(!program.log().contains(&nobody.to_string()), "{}", program.log());
    program.signal("TERM");
    assert!(program.ends_within(Duration::from_secs(20)).is_some_and(|status| status.success()));
}

/// A share of nothing is nothing; a share of what is told is told whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_nothing_is_nothing() {
    let (app, port, sink) = (App::start(On::Sqlite).await, free_port(), Sink::start());
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", sink.port);
    let database = database_url(&app.state.config.database);
    let settings = [("POSTERN_TRACES_ENDPOINT", endpoint.as_str()), ("POSTERN_TRACES_SHARE", "0")];
    let mut program = Program::start(&["serve"], &database, port, &settings);
    program.answers_at(port);
    for _ in 0..5 {
        assert_eq!(reqwest::get(format!("http://127.0.0.1:{port}/sign-in")).await.unwrap().status(), 200);
    }
    program.signal("TERM");
    assert!(program.ends_within(Duration::from_secs(20)).is_some_and(|status| status.success()));
    assert!(sink.spans().is_empty(), "{:?}", sink.spans());
}
