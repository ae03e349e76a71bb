//! `/settings/gateways`: how email and texts leave the clinic, how that is going, and the quiet hours.

use super::form::{Asked, SettingsForm, Typed};
use crate::access::rights;
use crate::administration::Part;
use crate::backup;
use crate::clinic::guard::{Confirmed, shell};
use crate::config::{Bounces, Smtp, TextsVia, Tls, TwilioSender};
use crate::db::{Conn, Ts};
use crate::delivery::{Channel, ReportKey};
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Shell};
use crate::notifications::roads::{self, Road};
use crate::notifications::{clock_minutes, clock_text};
use crate::outbox::{self, Waiting};
use crate::settings::{self, Settings};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/gateways.html")]
pub struct GatewaysPage {
    shell: Shell,
    /// the configuration of each channel, as pairs of a label's key and a value; `None`: the channel is not configured
    email: Option<Vec<(&'static str, String)>>,
    texts: Option<Vec<(&'static str, String)>>,
    /// emails and texts are delivered to the demo's mailbox
    demo: bool,
    email_road: Option<Road>,
    texts_road: Option<Road>,
    waiting: Waiting,
    /// when a worker last looked at the queue, and whether that is too long ago
    looked: Option<Ts>,
    asleep: bool,
    /// when the last backup was made, and whether that is too long ago for what is configured
    backed_up: Option<Ts>,
    backup_late: bool,
    /// when the backups were last copied into the bucket, where there is one
    mirrored: Option<Option<Ts>>,
    mirror_late: bool,
    form: QuietForm,
    errors: FieldErrors,
    seen: Seen,
}

/// What the form shows.
struct QuietForm {
    on: bool,
    from: String,
    until: String,
}

/// Proposed where a clinic switches quiet hours on: 9 in the evening to 8 in the morning, in minutes.
const PROPOSED: (i64, i64) = (21 * 60, 8 * 60);

impl SettingsForm for GatewaysPage {
    type By = Confirmed<rights::Settings>;
    const PART: Part = Part::Gateways;
    const PATH: &'static str = "/settings/gateways";

    fn stored(settings: &Settings) -> Stored {
        let on = settings.quiet_from != settings.quiet_until;
        let (from, until) = (clock_text(settings.quiet_from), clock_text(settings.quiet_until));
        let stored = Stored::default().switch("quiet", "quiet-hours", on);
        if on {
            stored.text("quiet_from", "quiet-from", from).text("quiet_until", "quiet-until", until)
        } else {
            stored
        }
    }

    fn read(form: &Form, settings: &mut Settings, _: Ts) -> FieldErrors {
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
        if let (Some(from), Some(until)) = (from, until) {
            (settings.quiet_from, settings.quiet_until) = (from, until);
        }
        errors
    }

    fn page(conn: &mut Conn, asked: &Asked, typed: Option<Typed>) -> Result<GatewaysPage, AppError> {
        let (shell, settings) = shell(conn, &asked.head, &asked.user.0)?;
        let (state, key) = (&asked.state, ReportKey::derive(&settings::cookie_key(conn)?));
        let (now, looked) = (state.clock.now(), outbox::last_look(conn)?);
        let (form, errors, seen) = match typed {
            None => {
                let on = settings.quiet_from != settings.quiet_until;
                let (from, until) = if on { (settings.quiet_from, settings.quiet_until) } else { PROPOSED };
                let form = QuietForm { on, from: clock_text(from), until: clock_text(until) };
                (form, FieldErrors::default(), GatewaysPage::stored(&settings).seen())
            }
            Some(typed) => {
                let (from, until) = (typed.text("quiet_from"), typed.text("quiet_until"));
                (QuietForm { on: typed.form.get("quiet") == "on", from, until }, typed.errors, typed.seen)
            }
        };
        let origin = state.config.origin();
        let backed_up = backup::last(conn)?;
        // three hours more than planned: a backup may start late, and takes its time
        let allowed = state.config.backup.as_ref().map(|backup| backup.every + time::Duration::hours(3));
        let bucket = state.config.backup.as_ref().and_then(|backup| backup.bucket.as_ref());
        let mirrored = bucket.map(|_| backup::last_mirrored(conn)).transpose()?;
        let is_late = |at: Option<Ts>| allowed.is_some_and(|allowed| at.is_none_or(|at| now.since(at) > allowed));
        Ok(GatewaysPage {
            mirror_late: mirrored.is_some_and(is_late),
            mirrored,
            backed_up,
            backup_late: is_late(backed_up),
            email: state.config.smtp.as_ref().map(|smtp| email(smtp, state.config.bounces.as_ref(), &origin, &key)),
            texts: state.config.texts.as_ref().map(|texts| self::texts(&texts.via, &origin, &key)),
            demo: state.config.smtp.is_none(),
            email_road: roads::find(conn, Channel::Email)?,
            texts_road: roads::find(conn, Channel::Sms)?,
            waiting: outbox::waiting_since(conn, now)?,
            looked,
            asleep: looked.is_none_or(|at| now.since(at) > outbox::ALIVE),
            shell,
            form,
            errors,
            seen,
        })
    }
}

/// The email settings to show. Never a password: nobody needs to see one to know which account it is.
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
