//! DOOR for monitoring: `/metrics` in the OpenMetrics text format that Prometheus reads, on a separate listener that is
//! not public. Numbers only: no names, addresses or tokens.

use crate::conversations;
use crate::db::Ts;
use crate::delivery::Channel;
use crate::error::AppError;
use crate::notifications::roads;
use crate::outbox;
use crate::state::AppState;
use actix_web::{App, HttpResponse, HttpServer, web};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::net::TcpListener;
use std::sync::atomic::AtomicU64;

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Seconds = Gauge<f64, AtomicU64>;
type ByChannel = Family<[(&'static str, &'static str); 1], Seconds>;

/// Starts the listener. The caller awaits it.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, state: AppState) -> std::io::Result<actix_web::dev::Server> {
    let app = move || App::new().app_data(web::Data::new(state.clone())).route("/metrics", web::get().to(show));
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

async fn show(state: web::Data<AppState>) -> Result<HttpResponse, AppError> {
    Ok(HttpResponse::Ok().content_type(FORMAT).body(text(&state).await?))
}

/// The metrics as text. Queue and channels are read from the database each time; the hand-over counts are this
/// process's.
pub async fn text(state: &AppState) -> Result<String, AppError> {
    let now = state.clock.now();
    let read = state.db.read(move |conn| -> Result<_, AppError> {
        let mut found = Vec::new();
        for channel in Channel::ALL {
            found.extend(roads::find(conn, *channel)?);
        }
        Ok((outbox::waiting_since(conn, now)?, outbox::last_look(conn)?, found, conversations::count_attention(conn)?))
    });
    let (waiting, look, found, attention) = read.await?;
    let mut registry = Registry::with_prefix("postern");
    let whole = |value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        gauge
    };
    let seconds = |value: f64| {
        let gauge = Seconds::default();
        gauge.set(value);
        gauge
    };
    registry.register("queue_jobs", "Jobs that wait in the outbox", whole(waiting.count));
    let age = waiting.oldest.map_or(0.0, |since| now.since(since).as_seconds_f64().max(0.0));
    registry.register_with_unit("queue_oldest", "Age of the oldest job that waits", Unit::Seconds, seconds(age));
    if let Some(look) = look {
        let age = seconds(now.since(look).as_seconds_f64().max(0.0));
        registry.register_with_unit("queue_look_age", "Since a worker last looked at the outbox", Unit::Seconds, age);
    }
    registry.register(
        "conversations_needing_attention",
        "Open conversations whose patient could not be told",
        whole(attention),
    );
    let (success, error) = (ByChannel::default(), ByChannel::default());
    let moment = |at: Ts| at.micros() as f64 / 1e6;
    for road in &found {
        let label = [("channel", road.channel.as_str())];
        for (family, at) in [(&success, road.last_success_at), (&error, road.last_error_at)] {
            if let Some(at) = at {
                family.get_or_create(&label).set(moment(at));
            }
        }
    }
    let (name, help) = ("road_last_success_timestamp", "When the road last took something");
    registry.register_with_unit(name, help, Unit::Seconds, success);
    let (name, help) = ("road_last_error_timestamp", "When the road itself last had a fault");
    registry.register_with_unit(name, help, Unit::Seconds, error);
    registry.register("handed_over", "What this process handed over, by road and outcome", state.delivery.counts());
    let (name, help) =
        ("request_duration", "From a request until its answer began, by route, method and class of status");
    registry.register_with_unit(name, help, Unit::Seconds, state.requests.durations());
    let listening = whole(i64::try_from(state.live.count()).unwrap_or(i64::MAX));
    registry.register("live_listeners", "Browsers that are told of changes at once", listening);
    registry.register("requests_in_flight", "Requests that wait for their answers", state.requests.in_flight());
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|e| AppError::Internal(format!("the metrics failed: {e}")))?;
    Ok(text)
}
