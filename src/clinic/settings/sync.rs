//! `/settings/sync`: how far the charts are as the clinic's EMRs have them, what was left out, and "Sync now".

use crate::access::rights;
use crate::clinic::guard::{User, shell};
use crate::db::{Conn, Ts};
use crate::emr_sources;
use crate::error::AppError;
use crate::http::form::FieldErrors;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::settings;
use crate::state::AppState;
use crate::sync::{self, Field, Left, Progress, Round, Rule, Rules, Wanted};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The most sorts of left-out records that are listed for one source.
const MOST_LEFT: i64 = 200;

#[derive(Template)]
#[template(path = "clinic/settings/sync.html")]
struct SyncPage {
    shell: Shell,
    sources: Vec<SourceRow>,
    rules: Rules,
    errors: FieldErrors,
    seen: Seen,
}

impl SyncPage {
    fn read(
        conn: &mut Conn,
        head: &Head,
        user: &User<rights::Settings>,
        names: Vec<String>,
        typed: Option<(Rules, FieldErrors, Seen)>,
    ) -> Result<SyncPage, AppError> {
        let (shell, _) = shell(conn, head, &user.0)?;
        let rows = names.into_iter().map(|name| SourceRow::read(conn, head.now, name));
        let sources = rows.collect::<Result<Vec<_>, AppError>>()?;
        let held = sync::rules(conn)?;
        let seen = stored(&held).seen();
        let (rules, errors, seen) = typed.unwrap_or_else(|| (held, FieldErrors::default(), seen));
        Ok(SyncPage { shell, sources, rules, errors, seen })
    }

    /// A kind of record; the histories are asked for what was removed.
    fn named<'k>(&self, kind: &'k str) -> &'k str {
        if kind.ends_with("_history") { self.shell.t("sync-removals") } else { kind }
    }

    /// The word of whose word counts for a field.
    fn rule(&self, field: &Field) -> &'static str {
        self.rules.of(*field).as_str()
    }
}

/// The key of a field's label.
const fn label(field: Field) -> &'static str {
    match field {
        Field::GivenName => "sync-field-given_name",
        Field::FamilyName => "sync-field-family_name",
        Field::PreferredName => "sync-field-preferred_name",
        Field::BirthDate => "sync-field-birth_date",
        Field::HealthNumber => "sync-field-health_number",
        Field::Email => "sync-field-email",
        Field::Phone => "sync-field-phone",
        Field::Language => "sync-field-language",
    }
}

/// What the form edits, as it is stored.
fn stored(rules: &Rules) -> Stored {
    let add = |stored: Stored, field: &Field| {
        stored.choice(field.as_str(), label(*field), "sync-rule", rules.of(*field).as_str())
    };
    Field::ALL.iter().fold(Stored::default(), add)
}

/// What the page says of one source.
struct SourceRow {
    name: String,
    /// whether an owner has switched the sync on
    is_on: bool,
    /// whether somebody works at its round at this moment
    is_working: bool,
    round: Option<Round>,
    kinds: Vec<Progress>,
    left: Vec<Left>,
    /// whether some types of records cannot be read
    lacks: bool,
    /// minutes until every record is read, where that can be told
    minutes_left: Option<i64>,
}

impl SourceRow {
    fn read(conn: &mut Conn, now: Ts, name: String) -> Result<SourceRow, AppError> {
        let round = sync::round(conn, &name)?;
        let kinds: Vec<Progress> =
            sync::progress(conn, &name)?.into_iter().filter(|kind| kind.seen > 0 || !kind.is_done).collect();
        Ok(SourceRow {
            is_on: emr_sources::source_state(conn, &name)?.switches.sync,
            is_working: round.as_ref().is_some_and(|round| round.is_held(now)),
            left: sync::left_out(conn, &name, MOST_LEFT)?,
            lacks: !sync::lacking(conn, vec![name.clone()])?.is_empty(),
            minutes_left: round.as_ref().and_then(|round| minutes_left(round, &kinds, now)),
            round,
            kinds,
            name,
        })
    }

    /// The word of what it is doing, in the names of translations.
    fn state(&self) -> &'static str {
        let Some(round) = &self.round else { return "never" };
        match round.trouble {
            _ if !self.is_on => "off",
            _ if self.is_working && round.is_full => "reading_all",
            _ if self.is_working => "reading",
            Some(trouble) => trouble.as_str(),
            None if round.wanted.is_some() => "asked",
            None if round.is_under_way() => "waiting",
            None if self.lacks => "partly",
            None => "up_to_date",
        }
    }
}

/// How long the types that are being read may still take, by how long they have taken so far. Only where the source says how
/// many there are, and for a round of every record: one of news is over at once.
fn minutes_left(round: &Round, kinds: &[Progress], now: Ts) -> Option<i64> {
    let begun = round.begun_at.filter(|_| round.is_under_way() && round.is_full)?;
    let (mut seen, mut total) = (0, 0);
    for kind in kinds.iter().filter(|kind| kind.seen > 0 || !kind.is_done) {
        seen += kind.seen;
        total += kind.total.filter(|total| *total >= kind.seen)?;
    }
    let passed = now.since(begun).whole_seconds().max(1);
    let left = total - seen;
    (seen > 0 && left > 0).then(|| (passed.saturating_mul(left) / seen + 59) / 60)
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let names = names(&state);
    html(&state.db.read(move |conn| SyncPage::read(conn, &head, &user, names, None)).await?)
}

/// The sources that the configuration names.
fn names(state: &AppState) -> Vec<String> {
    state.emr.iter().map(|emr| emr.name().to_owned()).collect()
}

/// Saves whose word counts for each field.
pub async fn save_rules(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let (now, names) = (state.clock.now(), names(&state));
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        // of two owners who save at the same moment the second waits here
        settings::hold(tx)?;
        let held = sync::rules(tx)?;
        let (mut rules, mut errors) = (held.clone(), FieldErrors::default());
        for field in Field::ALL.iter().copied().filter(|field| form.has(field.as_str())) {
            let typed: Option<Rule> = form.get(field.as_str()).parse().ok();
            if let Some(rule) = errors.need(field.as_str(), "error-sync-rule", typed) {
                rules.set(field, rule);
            }
        }
        let newer = stored(&held).newer(&form);
        let (status, seen) = match newer {
            _ if !errors.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Seen::from_form(&form)),
            Some(newer) => (StatusCode::CONFLICT, newer),
            None => {
                sync::save_rules(tx, now, &user.0, &rules)?;
                return Ok(None);
            }
        };
        Ok(Some((status, SyncPage::read(tx, &head, &user, names, Some((rules, errors, seen)))?)))
    });
    match write.await? {
        Some((status, page)) => with_status(status, &page),
        None => Ok(see_other("/settings/sync?notice=settings-saved")),
    }
}

pub async fn submit(
    state: web::Data<AppState>,
    user: User<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let name = form.get("source").to_owned();
    if !state.emr.iter().any(|emr| emr.name() == name) {
        return Err(AppError::NotFound);
    }
    let wanted: Wanted = form.get("wanted").parse().map_err(|_| AppError::BadRequest)?;
    let now = state.clock.now();
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let is_on = emr_sources::source_state(tx, &name)?.switches.sync;
        if is_on {
            sync::ask(tx, now, &user.0, &name, wanted)?;
        }
        Ok(is_on)
    });
    let notice = if write.await? { "sync-asked" } else { "sync-off" };
    Ok(see_other(&format!("/settings/sync?notice={notice}")))
}
