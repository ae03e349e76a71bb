//! "Send later": when a message goes out, as chosen with one tap or typed, in the clinic's time zone.

use super::rich_text::RichText;
use crate::access::{Right, SignedInUser};
use crate::attachments::Picks;
use crate::conversations::{self, Edited, Fields, Overtaken, ScheduleError, ToSchedule};
use crate::db::{Conn, ConversationId, PatientId, ScheduledId, Ts};
use crate::error::AppError;
use crate::http::form::{FieldError, FieldErrors};
use crate::http::{Form, Shell};
use crate::settings::{day_text, parse_day};
use crate::state::AppState;
use crate::text::Zone;
use time::format_description::FormatItem;
use time::macros::{format_description, time};
use time::{Date, Duration, Time, Weekday};

const CLOCK: &[FormatItem] = format_description!("[hour]:[minute]");
/// When work begins, for the choices with one tap.
const MORNING: Time = time!(9:00);

/// What `clinic/composing/later.html` and `later_notice.html` show.
pub struct Later {
    /// the date as typed, `2026-03-05`
    pub date: String,
    /// the time as typed, `09:00`
    pub time: String,
    /// the name of the clinic's time zone
    pub zone: String,
    /// the message that is being changed
    pub editing: Option<Editing>,
}

/// A message that a form changes, and what has become of it while it did.
pub struct Editing {
    /// identity
    pub id: ScheduledId,
    /// the version that the form names
    pub version: i64,
    /// its moment in words
    pub when: String,
    /// it goes out by itself then
    pub waits: bool,
    /// the form holds what was typed, and nothing else does
    pub is_typed: bool,
    /// its text as it is stored, where it was changed since the form was made
    pub stored: Option<String>,
    /// the address of its conversation, where it went out meanwhile
    pub went_out: Option<String>,
}

impl Editing {
    fn new(shell: &Shell, form: &Form, edited: &Edited) -> Option<Editing> {
        let said = Fields(form.pairs()).replaces().map(|(_, version)| version);
        match edited {
            Edited::Open(one) => {
                let text = || RichText::typed(&Form::of_pairs(one.fields.clone())).markdown;
                Some(Editing {
                    id: one.id,
                    version: one.version,
                    when: shell.moment(&one.send_at),
                    waits: one.waits,
                    is_typed: said.is_some(),
                    stored: said.is_some_and(|version| version != one.version).then(text),
                    went_out: None,
                })
            }
            Edited::WentOut(id, at, conversation) => Some(Editing {
                id: *id,
                version: said.unwrap_or_default(),
                when: shell.moment(at),
                waits: false,
                is_typed: said.is_some(),
                stored: None,
                went_out: Some(conversation.map_or_else(String::new, |id| format!("/conversations/{id}"))),
            }),
            Edited::Gone => None,
        }
    }
}

impl Later {
    /// As typed, or as the message that is changed says.
    pub fn new(shell: &Shell, zone: &str, form: &Form, edited: Option<&Edited>) -> Later {
        let editing = match edited {
            Some(Edited::Open(one)) => Some(one),
            _ => None,
        };
        let typed = |name: &str, stored: Option<String>| match form.get(name) {
            "" => stored.unwrap_or_default(),
            typed => typed.to_owned(),
        };
        let (date, time) = editing.map(|form| fields_of(shell.zone, form.send_at)).unzip();
        Later {
            date: typed("later_date", date),
            time: typed("later_time", time),
            zone: zone.to_owned(),
            editing: edited.and_then(|edited| Editing::new(shell, form, edited)),
        }
    }

    /// Whether the fields stand open.
    pub fn is_open(&self, errors: &FieldErrors) -> bool {
        self.editing.is_some() || ["later_date", "later_time"].iter().any(|field| !errors.key_for(field).is_empty())
    }
}

/// What was typed, and the form of a draft, where there are any.
type Begun<'a> = (Option<&'a Form>, Option<&'a [(String, String)]>);

/// The message that a form changes, if it does: as the form itself says, or the draft, or the address.
pub fn edited<R: Right>(
    conn: &mut Conn,
    user: &SignedInUser<R>,
    (typed, draft): Begun,
    asked: Option<ScheduledId>,
    place: (PatientId, Option<ConversationId>),
) -> Result<Option<Edited>, AppError> {
    let said = |pairs: &[(String, String)]| Fields(pairs).replaces().map(|(id, _)| id);
    let id = match (typed, asked) {
        (Some(form), _) => said(form.pairs()),
        (None, Some(id)) => Some(id),
        (None, None) => draft.and_then(said),
    };
    Ok(id.map(|id| conversations::scheduled_form(conn, user, id, place)).transpose()?)
}

/// The list, where one is not as a page showed it.
pub const CHANGED: &str = "/inbox/scheduled?notice=scheduled-changed";

/// What was sent, for whoever wanted to change it.
pub fn went_out(conversation: ConversationId) -> String {
    format!("/conversations/{conversation}?notice=scheduled-went-out")
}

/// Where an address leads that asks to change a message which cannot be changed any more: a form without its words would be taken for
/// the message.
pub async fn elsewhere<R: Right + Send>(
    state: &AppState,
    user: SignedInUser<R>,
    asked: Option<ScheduledId>,
    place: (PatientId, Option<ConversationId>),
) -> Result<Option<String>, AppError> {
    let Some(id) = asked else { return Ok(None) };
    let read = state
        .db
        .read(move |conn| -> Result<_, AppError> { Ok(conversations::scheduled_form(conn, &user, id, place)?) });
    Ok(match read.await? {
        Edited::Open(_) => None,
        Edited::WentOut(.., Some(conversation)) => Some(went_out(conversation)),
        Edited::WentOut(.., None) | Edited::Gone => Some(CHANGED.to_owned()),
    })
}

/// The fields of the message that an address asks to change.
pub fn opened(edited: Option<&Edited>) -> Option<Form> {
    match edited {
        Some(Edited::Open(one)) => Some(Form::of_pairs(one.fields.clone())),
        _ => None,
    }
}

/// What became of a message while a form changed it, as the form's error.
pub fn overtaken(cause: Overtaken) -> FieldError {
    match cause {
        Overtaken::WentOut => FieldError::ScheduledSent,
        Overtaken::Changed => FieldError::ScheduledChanged,
        Overtaken::Waits => FieldError::ScheduledWaits,
    }
}

/// What is kept for later, of a form that was read.
pub fn to_schedule(form: &Form, send_at: Ts, files: Picks) -> ToSchedule {
    ToSchedule {
        form: form.pairs().to_vec(),
        files,
        send_at,
        key: form.get("key").to_owned(),
        draft: form.get("draft_version").parse().unwrap_or_default(),
        replaces: Fields(form.pairs()).replaces(),
    }
}

/// The chosen moment; `None` where it cannot be read, noted in `errors`.
pub fn read(form: &Form, zone: Zone, now: Ts, errors: &mut FieldErrors) -> Option<Ts> {
    let today = zone.local(now).date();
    let (day, clock) = match form.get("later") {
        "tomorrow" => (today.next_day()?, MORNING),
        "monday" => (next(today, Weekday::Monday)?, MORNING),
        _ => return moment(form, ("later_date", "later_time"), zone, errors),
    };
    errors.need("later_time", "error-later-skipped", zone.at(day, clock))
}

/// The moment that is typed into a field for the day and one for the time; `None` where it cannot be read, noted in `errors`.
pub fn moment(
    form: &Form,
    (date, time): (&'static str, &'static str),
    zone: Zone,
    errors: &mut FieldErrors,
) -> Option<Ts> {
    let day = errors.need(date, "error-later-date", parse_day(form.get(date)));
    let typed = form.get(time).trim();
    let clock = Time::parse(typed.get(..5).unwrap_or(typed), CLOCK).ok();
    let clock = errors.need(time, "error-later-time", clock);
    errors.need(time, "error-later-skipped", zone.at(day?, clock?))
}

/// What [`moment`] reads, of a moment that is stored.
pub fn fields_of(zone: Zone, at: Ts) -> (String, String) {
    let local = zone.local(at);
    (day_text(local.date()), local.time().format(CLOCK).unwrap_or_default())
}

fn next(today: Date, weekday: Weekday) -> Option<Date> {
    (1..=7).filter_map(|days| today.checked_add(Duration::days(days))).find(|day| day.weekday() == weekday)
}

/// Why a message was not kept for later, as a form's error.
///
/// # Errors
/// What is no error of the form.
pub fn why_not(cause: ScheduleError, errors: &mut FieldErrors) -> Result<(), AppError> {
    match cause {
        ScheduleError::Deactivated => return Err(AppError::SignIn { to: "/sign-in".into() }),
        ScheduleError::Past => errors.add("later_date", "error-later-past"),
        ScheduleError::TooFar => errors.add("later_date", "error-later-far"),
        ScheduleError::Closed => errors.add("body", FieldError::Closed),
        ScheduleError::Newer => errors.add("body", FieldError::NewerMessage),
        ScheduleError::Overtaken(cause) => errors.add("body", overtaken(cause)),
        ScheduleError::Obstacles(_) => errors.add("body", FieldError::CannotBeTold),
        ScheduleError::Files(cause) => errors.add("files", crate::clinic::files::sent_along::why_not(cause)?),
        ScheduleError::Db(cause) if cause.is_full() => {
            tracing::error!(%cause, "a message could not be kept");
            errors.add("files", FieldError::FilesFull);
        }
        ScheduleError::Db(cause) => return Err(cause.into()),
    }
    Ok(())
}
