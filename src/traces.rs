//! What requests, jobs and their transactions take, for a collector of traces: OpenTelemetry's OTLP/HTTP, in protobuf. A
//! span has the template of its route or the kind of its job, times, and the id that the log has: no address, no word
//! of a person, and none of the log's lines.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

/// The target of every span that a collector gets, and of nothing else. Where there is no collector, spans of it cost nothing.
pub const TARGET: &str = "postern::trace";

/// How long one delivery may take, and at the end of the program the last one.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Where traces go.
#[derive(Clone)]
pub struct Collector {
    /// the whole address, as `http://127.0.0.1:4318/v1/traces`
    pub endpoint: Url,
    /// the share of requests and jobs that are traced, from 0 to 1
    pub share: f64,
    /// what it is told as `Authorization`
    pub authorization: Option<String>,
    /// certificate authorities to trust in place of the public ones; none: those
    pub authorities: Vec<Certificate<'static>>,
}

static RUNNING: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that hands spans of [`TARGET`] to a collector, from a thread of its own. See [`end`].
///
/// # Errors
/// Where the exporter refuses its settings; the text says which.
pub fn layer<S>(collector: &Collector) -> Result<impl Layer<S>, String>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(collector)?)
        .with_endpoint(collector.endpoint.as_str())
        .with_timeout(PATIENCE)
        .build()
        .map_err(|cause| cause.to_string())?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Roots(Sampler::TraceIdRatioBased(collector.share)))
        .with_resource(Resource::builder().with_service_name("postern").with_attribute(version).build())
        .build();
    let tracer = provider.tracer("postern");
    let _ = RUNNING.set(provider);
    Ok(tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO)))
}

/// Hands over what is left; waits for it, so call it outside the runtime, when the program ends.
pub fn end() {
    if let Some(provider) = RUNNING.get() {
        let _ = provider.shutdown_with_timeout(PATIENCE);
    }
}

/// A request that was just received; what is known of it later is recorded by [`answered`].
pub fn request(id: &str, method: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.kind = "server",
        otel.name = method,
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        request.id = id,
    )
}

/// Records the answer to a request by OpenTelemetry's semantic conventions for HTTP servers: only what is the server's
/// fault is an error.
pub fn answered(span: &Span, method: &'static str, route: &str, status: u16) {
    if span.is_disabled() {
        return;
    }
    // a record of `otel.name` would not rename a span within which another one has begun
    span.context().span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A job of this kind in hand.
pub fn job(kind: &'static str) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "job", otel.kind = "consumer", otel.name = kind)
}

/// A transaction, from the moment in which it begins to wait for its turn. It is told only within a request or a job.
pub fn transaction(writes: bool) -> Span {
    match writes {
        true => tracing::info_span!(target: TARGET, "database write"),
        false => tracing::info_span!(target: TARGET, "database read"),
    }
}

/// Traces begin with a request or a job: what the program does by itself each second is not told.
#[derive(Debug, Clone)]
struct Roots(Sampler);

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let above = parent.map(|context| context.span().span_context().clone()).filter(|above| above.is_valid());
        let decision = match above {
            Some(above) if above.is_sampled() => SamplingDecision::RecordAndSample,
            None if *kind != SpanKind::Internal => {
                return self.0.should_sample(None, trace, name, kind, attributes, links);
            }
            _ => SamplingDecision::Drop,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

/// Delivers over ureq, as the program's other calls; it blocks the exporter's own thread.
#[derive(Debug)]
struct Client {
    agent: ureq::Agent,
    authorization: Option<HeaderValue>,
    is_away: AtomicBool,
}

impl Client {
    fn new(collector: &Collector) -> Result<Client, String> {
        let roots = match collector.authorities.is_empty() {
            true => RootCerts::WebPki,
            false => RootCerts::from(collector.authorities.clone()),
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .proxy(None)
            .user_agent("Postern")
            .build();
        let authorization = collector.authorization.as_deref().map(|text| {
            let mut value = HeaderValue::from_str(text).map_err(|_| "it is no value of a header".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        let authorization = authorization.transpose()?;
        Ok(Client { agent: ureq::Agent::new_with_config(agent), authorization, is_away: AtomicBool::new(false) })
    }

    fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let mut request = request.map(|body| body.to_vec());
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(ureq::http::header::AUTHORIZATION, value.clone());
        }
        let (head, mut body) = self.agent.run(request)?.into_parts();
        let body = body.with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// Says once that the collector is away, and once that it is there again.
    fn tell(&self, fault: Option<String>) {
        let was_away = self.is_away.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(cause) if !was_away => tracing::warn!(cause, "traces could not be delivered"),
            None if was_away => tracing::info!("traces are delivered again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.deliver(request);
        self.tell(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status().as_u16())),
            Err(ureq::Error::Timeout(_)) => Some("the collector does not answer in time".to_owned()),
            Err(_) => Some("the collector is away".to_owned()),
        });
        Ok(answer?)
    }
}
