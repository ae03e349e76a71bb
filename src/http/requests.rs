//! What is told of each request: an id that its lines in the log share and that an error page shows, a line when it is
//! answered, and its time in a histogram. Of its address only the template of the route is told, as
//! `/portal/link/{token}`: addresses hold tokens and the numbers of patients.

use super::errand::Stale;
use crate::clock::Random;
use crate::traces;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use data_encoding::HEXLOWER;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Instant;
use tracing::Instrument;

/// The header that tells the id.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// In place of a route: no route takes the request, or it failed before it was reached.
const NO_ROUTE: &str = "none";
/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bytes of an id.
const ID: usize = 8;

/// The labels of a histogram: route, method, class of the status.
type Labels = [(&'static str, String); 3];

/// The times of requests, by route, method and class of the status.
pub type Durations = Family<Labels, Histogram>;

/// What this process knows of the requests that it serves.
pub struct Requests {
    random: Random,
    durations: Durations,
    in_flight: Gauge,
}

impl Default for Requests {
    fn default() -> Requests {
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Requests { random: Random::system(), durations, in_flight: Gauge::default() }
    }
}

impl Requests {
    /// How long requests took until their answers began.
    pub fn durations(&self) -> Durations {
        self.durations.clone()
    }

    /// How many requests wait for an answer now.
    pub fn in_flight(&self) -> Gauge {
        self.in_flight.clone()
    }
}

/// A request's id: what somebody who asks for help can name, and what finds its lines in the log.
#[derive(Debug, Clone)]
struct RequestId(String);

/// The id of a request; `None` where nothing is told of requests.
pub fn id_of(req: &HttpRequest) -> Option<String> {
    req.extensions().get::<RequestId>().map(|id| id.0.clone())
}

/// Counts a request as one that waits, until this is dropped: also where the browser goes before the answer.
struct Waiting(Gauge);

impl Waiting {
    fn begin(gauge: &Gauge) -> Waiting {
        gauge.inc();
        Waiting(gauge.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Tells of a request.
///
/// # Errors
/// Those of the page.
pub async fn observe(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(requests) = req.app_data::<web::Data<Requests>>().cloned() else { return next.call(req).await };
    let began = Instant::now();
    let _waiting = Waiting::begin(&requests.in_flight);
    let drawn = requests.random.bytes();
    let id = HEXLOWER.encode(drawn.first_chunk::<ID>().unwrap_or(&[0; ID]));
    req.extensions_mut().insert(RequestId(id.clone()));
    let method = known(req.method());
    // by the level of errors and a target of its own: no filter of the line below takes the id from the others
    let span = tracing::error_span!(target: "postern::request", "request", id, method, route = tracing::field::Empty);
    let traced = traces::request(&id, method);
    let answer = next.call(req).instrument(span.clone()).instrument(traced.clone()).await;
    let (status, stale, route) = match &answer {
        // after routing this is a look-up; before, it would be a search
        Ok(res) => (res.status(), res.response().extensions().get::<Stale>().is_some(), res.request().match_pattern()),
        Err(cause) => (cause.as_response_error().status_code(), false, None),
    };
    let route = route.unwrap_or_else(|| NO_ROUTE.to_owned());
    span.record("route", &route);
    traces::answered(&traced, method, &route, status.as_u16());
    // what is stale is served again, and told of then
    if !stale {
        let took = began.elapsed();
        let labels = [("route", route.clone()), ("method", method.to_owned()), ("status", class(status))];
        requests.durations.get_or_create(&labels).observe(took.as_secs_f64());
        let (status, ms) = (status.as_u16(), took.as_millis() as u64);
        span.in_scope(|| match is_routine(&route) {
            true => tracing::debug!(status, ms, "answered"),
            false => tracing::info!(status, ms, "answered"),
        });
    }
    let mut answer = answer?;
    tell(answer.headers_mut(), &id);
    Ok(answer)
}

/// Writes the id into an answer.
pub(super) fn tell(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HEADER, value);
    }
}

/// Whether programs ask for it again and again, so that its lines would hide the others.
fn is_routine(route: &str) -> bool {
    route.starts_with("/assets/") || matches!(route, "/healthz" | "/readyz" | "/inbox/count" | "/events")
}

/// The method as a label: a caller can make up others without end.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn class(status: StatusCode) -> String {
    format!("{}xx", status.as_u16() / 100)
}
