//! Builds the web application, in one place for `serve`, `demo` and the tests.

use crate::access::session::{Door, Known, Store};
use crate::clock::{Clock, Random};
use crate::config::{Config, EmrSignIn};
use crate::db::{self, DatabaseUrl, Db, DbError, Keys, Renewed};
use crate::emr::Emr;
use crate::http::{assets, cookies, errand, errors, get, guard, security_txt};
use crate::provider::Provider;
use crate::state::AppState;
use crate::text::FOLD_VERSION;
use crate::{
    administration, chart, clinic, demo, emr_sources, hooks, live, message_templates, outbox, patients, portal,
    settings,
};
use actix_web::cookie::Key;
use actix_web::middleware::from_fn;
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{HttpResponse, HttpServer};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// The largest form, in bytes.
const LARGEST_FORM: usize = 1 << 20;

/// Opens the database, brings it up to date, and makes the clinic's row where there is none.
///
/// # Errors
/// When the database cannot be opened, migrated or written.
pub async fn open(url: &DatabaseUrl, keys: Keys, random: &Random) -> Result<Db, DbError> {
    let url = url.clone();
    let db = tokio::task::spawn_blocking(move || Db::open(&url, keys)).await.map_err(|_| DbError::Gone)??;
    let (one, two) = (random.bytes(), random.bytes());
    let key = std::array::from_fn(|at| if at < 32 { one[at] } else { two[at - 32] });
    let now = Clock::system().now();
    let write = db.write(move |tx| -> Result<_, DbError> {
        administration::prepare(tx, key)?;
        message_templates::add_starters(tx, now)
    });
    write.await?;
    renew_keys(&db).await?;
    Ok(db)
}

/// The EMRs that the configuration names, ready to be asked. Makes the key by which Postern signs in at them where it is
/// needed and there is none.
pub async fn sources(config: &Config, db: &Db, clock: &Clock, random: &Random) -> Result<Vec<Emr>, DbError> {
    if config.emr.iter().any(|source| matches!(source.sign_in, EmrSignIn::Key(_))) {
        let now = clock.now();
        db.write(move |tx| -> Result<_, DbError> { Ok(emr_sources::prepare(tx, now)?) }).await?;
    }
    let keys = emr_sources::key_source(db.clone(), clock.clone());
    let all = config.emr.iter();
    Ok(all.map(|source| Emr::new(source, clock.clone(), random.clone(), Arc::clone(&keys))).collect())
}

/// The EMRs that open Postern and sign its users in.
///
/// # Errors
/// Where the origin is no address that an EMR can send browsers back to.
pub fn launches(config: &Config, clock: &Clock) -> Result<Vec<Arc<Provider>>, String> {
    let all = config.emr.iter().map(|source| Provider::of_emr(source, &config.origin(), clock.clone()));
    let all: Vec<Option<Provider>> = all.collect::<Result<_, _>>()?;
    Ok(all.into_iter().flatten().map(Arc::new).collect())
}

/// Recomputes the search keys that an older program wrote, in batches: a stop in between loses one batch at most.
async fn renew_keys(db: &Db) -> Result<(), DbError> {
    for what in Renewed::ALL.iter().copied() {
        loop {
            let batch = db.write(move |tx| -> Result<_, DbError> {
                let Some(after) = db::to_renew(tx, what, FOLD_VERSION)? else { return Ok(false) };
                let done_to = match what {
                    Renewed::Patients => patients::renew_keys(tx, after)?,
                    Renewed::ChartItems => chart::renew_terms(tx, after)?,
                    Renewed::MessageTemplates => {
                        message_templates::renew_names(tx)?;
                        None
                    }
                };
                db::renewed(tx, what, FOLD_VERSION, done_to)?;
                Ok(done_to.is_some())
            });
            if !batch.await? {
                break;
            }
        }
    }
    Ok(())
}

/// What a server needs besides the state.
#[derive(Clone)]
pub struct Parts {
    /// signs cookies
    pub key: Key,
    /// what the demo shows besides; `None` everywhere else, where its routes do not exist
    pub demo: Option<demo::Shown>,
    /// the sessions that were read last, of the clinic and of the portal
    pub known: (Known, Known),
}

impl Parts {
    /// Reads the key from the database.
    pub async fn load(state: &AppState) -> Result<Parts, DbError> {
        let bytes = state.db.read(|conn| -> Result<_, DbError> { Ok(settings::cookie_key(conn)?) }).await?;
        Ok(Parts { key: Key::from(&bytes), demo: None, known: Default::default() })
    }
}

/// Every route of the application. The clinic comes last: its scope takes every path that no other scope has.
pub fn routes(state: &AppState, parts: &Parts) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let https = state.config.is_https();
    // all threads of the server share the sessions that were read last
    let store = |door| {
        let known = match door {
            Door::Clinic => parts.known.0.clone(),
            Door::Portal => parts.known.1.clone(),
        };
        Store { db: state.db.clone(), clock: state.clock.clone(), door, known }
    };
    let portal_sessions = cookies::sessions(store(Door::Portal), parts.key.clone(), https);
    let clinic_sessions = cookies::sessions(store(Door::Clinic), parts.key.clone(), https);
    let shown = parts.demo.clone();
    move |config| {
        config
            .route("/assets/{tree}/{path:.*}", web::get().to(assets::serve))
            .route("/.well-known/security.txt", get().to(security_txt::show))
            .route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok\n") }))
            .service(
                web::resource(emr_sources::KEYS_PATH)
                    .wrap(from_fn(errand::in_front))
                    .route(web::get().to(hooks::show_emr_keys)),
            )
            .service(web::resource("/readyz").wrap(from_fn(errand::in_front)).route(web::get().to(ready)));
        if let Some(demo::Shown { mailbox, tour }) = shown {
            let tour = web::Data::new(tour);
            config.service(web::resource("/").app_data(tour.clone()).route(web::get().to(demo::home)));
            let pages = web::scope("/demo").app_data(web::Data::new(mailbox)).app_data(tour);
            config.service(pages.configure(demo::routes));
        }
        config.service(web::scope("/hooks").wrap(from_fn(errand::in_front)).configure(hooks::routes));
        config.service(
            web::scope("/portal")
                // inside the sessions: it asks who is signed in
                .wrap(from_fn(portal::of_their_own))
                .wrap(portal_sessions)
                .wrap(from_fn(errand::in_front))
                .wrap(from_fn(portal::pack))
                // outside the sessions: it changes the cookie that they set
                .wrap(from_fn(cookies::lengthen))
                .wrap(from_fn(guard::only_plain_forms))
                .configure(portal::routes),
        );
        config.service(
            web::scope("")
                .wrap(from_fn(clinic::of_their_own))
                // inside the sessions: they ask who is signed in
                .wrap(from_fn(clinic::in_frame))
                .wrap(from_fn(clinic::note_refusals))
                .wrap(from_fn(clinic::keep_words))
                .wrap(clinic_sessions)
                .wrap(from_fn(errand::in_pages))
                .configure(clinic::routes),
        );
    }
}

/// Ready when the database answers and, where this process works the queue itself, its worker looks at it. Where
/// another process works the queue, its absence is reported, but requests can still be served here.
async fn ready(state: web::Data<AppState>) -> HttpResponse {
    let read = state.db.read(|conn| -> Result<_, DbError> {
        settings::load(conn)?;
        Ok(outbox::last_look(conn)?)
    });
    let (ready, words) = match read.await {
        Err(_) => (false, "the database does not answer\n".to_owned()),
        Ok(look) => {
            let age = look.map(|look| state.clock.now().since(look).whole_seconds().max(0));
            let alive = age.is_some_and(|age| age < outbox::ALIVE.whole_seconds());
            let ready = alive || !state.config.run_worker;
            let looked = match age {
                Some(age) => format!("a worker looked at the queue {age} s ago"),
                None => "no worker has looked at the queue".to_owned(),
            };
            (ready, format!("{}\n{looked}\n", if ready { "ready" } else { "the worker is not looking at the queue" }))
        }
    };
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() }.body(words);
    answer.extensions_mut().insert(errors::ForMachines);
    answer
}

/// The application, to be run by a server or by a test.
#[macro_export]
macro_rules! application {
    ($state:expr, $parts:expr) => {{
        let (state, parts): (&$crate::state::AppState, &$crate::app::Parts) = ($state, $parts);
        actix_web::App::new()
            .app_data(actix_web::web::Data::new(state.clone()))
            .app_data(actix_web::web::Data::new(state.clock.clone()))
            .app_data(actix_web::web::Data::new(state.db.clone()))
            .app_data(state.intake.storage.serving())
            .app_data(actix_web::web::Data::from(state.config.clone()))
            .app_data(actix_web::web::Data::new($crate::http::guard::Origin(state.config.origin())))
            .app_data(actix_web::web::Data::new($crate::http::whose::Marks::derive(&parts.key)))
            .app_data(actix_web::web::Data::new($crate::http::searches::Searches::derive(&parts.key)))
            .app_data(actix_web::web::Data::from(state.requests.clone()))
            .app_data(actix_web::web::Data::new($crate::http::page::Position(state.live.position())))
            .app_data(actix_web::web::Data::new($crate::state::PatientPage($crate::portal::preview)))
            .app_data($crate::app::largest_form())
            .configure($crate::app::routes(state, parts))
            .wrap(actix_web::middleware::from_fn($crate::http::flash::once))
            // the last of these wraps the others: headers on everything, error pages too
            .wrap(actix_web::middleware::from_fn($crate::http::guard::cross_site))
            .wrap(actix_web::middleware::from_fn($crate::http::errors::pages))
            .wrap(actix_web::middleware::from_fn($crate::http::guard::headers))
            .wrap(actix_web::middleware::from_fn($crate::http::requests::observe))
    }};
}

/// The limit on bodies that are read whole.
pub fn largest_form() -> PayloadConfig {
    PayloadConfig::new(LARGEST_FORM)
}

/// Starts the web server on a listener. The caller awaits it.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, state: AppState, parts: Parts) -> std::io::Result<actix_web::dev::Server> {
    actix_web::rt::spawn(live::run(state.live.clone(), state.db.clone(), state.clock.clone()));
    let server = HttpServer::new(move || errand::asked_again(crate::application!(&state, &parts)))
        // without this every compressed answer on a kept connection waits 44 ms
        .tcp_nodelay(true)
        .workers(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)))
        .client_request_timeout(Duration::from_secs(15))
        .client_disconnect_timeout(Duration::from_secs(5))
        .keep_alive(Duration::from_secs(30))
        .shutdown_timeout(10)
        .listen(listener)?;
    Ok(server.run())
}
