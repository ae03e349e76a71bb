//! `/settings/gateways`: how email and texts leave the clinic, how that is going, and the quiet hours.

use crate::access::rights;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clinic::guard::{User, shell};
use crate::config::{Bounces, Smtp, TextsVia, Tls, TwilioSender};
use crate::db::{Conn, Ts};
use crate::delivery::{Channel, ReportKey};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::roads::{self, Road};
use crate::notifications::{clock_minutes, clock_text};
use crate::outbox::{self, Waiting};
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/gateways.html")]
struct GatewaysPage {
    shell: Shell,
    /// what the configuration says of each road, as pairs of a label's key and a value; `None`: there is no such road
    email: Option<Vec<(&'static str, String)>>,
    texts: Option<Vec<(&'static str, String)>>,
    /// mails and texts go into the demo's mailbox
    demo: bool,
    email_road: Option<Road>,
    texts_road: Option<Road>,
    waiting: Waiting,
    /// when a worker last looked at the queue, and whether that is too long ago
    looked: Option<Ts>,
    asleep: bool,
    form: QuietForm,
    errors: FieldErrors,
    seen: Seen,
}

/// What the form edits, as it is stored.
fn stored(settings: &Settings) -> Stored {
    let on = settings.quiet_from != settings.quiet_until;
    let stored = Stored::default().switch("quiet", "quiet-hours", on);
    match on {
        true => stored.text("quiet_from", "quiet-from", clock_text(settings.quiet_from)).text(
            "quiet_until",
            "quiet-until",
            clock_text(settings.quiet_until),
        ),
        false => stored,
    }
}

/// What the form shows.
struct QuietForm {
    on: bool,
    from: String,
    until: String,
}

/// Proposed where a clinic switches quiet hours on: 9 in the evening to 8 in the morning, in minutes.
const PROPOSED: (i64, i64) = (21 * 60, 8 * 60);

fn page(
    conn: &mut Conn,
    state: &AppState,
    head: &Head,
    user: &User<rights::Settings>,
    typed: Option<(QuietForm, FieldErrors, Seen)>,
) -> Result<GatewaysPage, AppError> {
    let (shell, settings) = shell(conn, head, &user.0)?;
    let on = settings.quiet_from != settings.quiet_until;
    let (from, until) = if on { (settings.quiet_from, settings.quiet_until) } else { PROPOSED };
    let form = || QuietForm { on, from: clock_text(from), until: clock_text(until) };
    let fresh = || (form(), FieldErrors::default(), stored(&settings).seen());
    let (form, errors, seen) = typed.unwrap_or_else(fresh);
    let key = ReportKey::of(&settings::cookie_key(conn)?);
    let (now, looked) = (state.clock.now(), outbox::last_look(conn)?);
    Ok(GatewaysPage {
        email: state
            .config
            .smtp
            .as_ref()
            .map(|smtp| email(smtp, state.config.bounces.as_ref(), &state.config.origin(), &key)),
        texts: state.config.texts.as_ref().map(|texts| self::texts(&texts.via, &state.config.origin(), &key)),
        demo: state.config.smtp.is_none(),
        email_road: roads::of(conn, Channel::Email)?,
        texts_road: roads::of(conn, Channel::Sms)?,
        waiting: outbox::waiting_since(conn, now)?,
        looked,
        asleep: looked.is_none_or(|at| now.since(at) > outbox::ALIVE),
        shell,
        form,
        errors,
        seen,
    })
}

/// Never a password: nobody needs to see one to know which account it is.
fn email(smtp: &Smtp, bounces: Option<&Bounces>, origin: &str, key: &ReportKey) -> Vec<(&'static str, String)> {
    let tls = match smtp.tls {
        Tls::StartTls => "STARTTLS",
        Tls::Implicit => "TLS",
        Tls::None => "-",
    };
    let mut facts = vec![
        ("gateway-server", format!("{}:{}", smtp.host, smtp.port)),
        ("gateway-protection", tls.to_owned()),
        ("gateway-account", smtp.login.as_ref().map_or("-", |(user, _)| user).to_owned()),
        ("gateway-sender", smtp.from.clone()),
    ];
    if let Some(bounces) = bounces {
        facts.push(("gateway-returns", bounces.address.to_string()));
        facts.push(("gateway-returns-posted", format!("{origin}{}", key.path("bounces"))));
    }
    facts
}

fn texts(via: &TextsVia, origin: &str, key: &ReportKey) -> Vec<(&'static str, String)> {
    match via {
        TextsVia::Twilio(twilio) => vec![
            ("gateway-kind", "Twilio".to_owned()),
            ("gateway-server", twilio.base_url.to_string()),
            ("gateway-account", twilio.account_sid.clone()),
            (
                "gateway-sender",
                match &twilio.sender {
                    TwilioSender::Number(number) => number.clone(),
                    TwilioSender::Service(service) => service.clone(),
                },
            ),
            ("gateway-incoming", format!("{origin}{}", key.path("twilio/texts"))),
        ],
        TextsVia::Kannel(kannel) => vec![
            ("gateway-kind", "Kannel".to_owned()),
            ("gateway-server", kannel.url.to_string()),
            ("gateway-account", kannel.user.clone()),
            ("gateway-sender", if kannel.from.is_empty() { "-".to_owned() } else { kannel.from.clone() }),
            ("gateway-incoming", format!("{origin}{}?from=%p&text=%b&id=%I&charset=%C", key.path("kannel/texts"))),
        ],
    }
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let data = state.clone();
    let page = state.db.read(move |conn| page(conn, &data, &head, &user, None));
    html(&page.await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, data) = (state.clock.now(), state.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let mut errors = FieldErrors::default();
        let on = form.get("quiet") == "on";
        let mut read = |field, error| match on {
            true => errors.need(field, error, clock_minutes(form.get(field))),
            false => Some(0),
        };
        let from = read("quiet_from", "error-quiet-from");
        let until = read("quiet_until", "error-quiet-until");
        if on && from.is_some() && from == until {
            errors.add("quiet_until", "error-quiet-same");
        }
        let mut settings = settings::load(tx)?;
        let newer = stored(&settings).newer(&form);
        let (Some(from), Some(until), true) = (from, until, errors.is_empty() && newer.is_none()) else {
            let typed = |field| form.get(field).to_owned();
            let typed = QuietForm { on, from: typed("quiet_from"), until: typed("quiet_until") };
            let status = if errors.is_empty() { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            let seen = newer.filter(|_| errors.is_empty()).unwrap_or_else(|| Seen::said(&form));
            return Ok(Some((status, page(tx, &data, &head, &user, Some((typed, errors, seen)))?)));
        };
        (settings.quiet_from, settings.quiet_until) = (from, until);
        settings::save(tx, &settings)?;
        let entry = Entry::of_clinic(Actor::User(user.0.id()), Event::SettingsChanged, Subject::None);
        audit::append(tx, now, entry.with("gateways"))?;
        Ok(None)
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/gateways?notice=settings-saved")),
    }
}
