//! `/settings/emr`: the EMRs that charts come from, whether they are on, how their connection is, and the key by which
//! Postern signs in at them.

use crate::access::{SignedInUser, rights};
use crate::clinic::guard::{Confirmed, User, shell};
use crate::config::EmrSignIn;
use crate::db::Conn;
use crate::emr::Emr;
use crate::emr_sources::{self, KEYS_PATH, PresentKey, SourceState, Switches, Tried};
use crate::error::AppError;
use crate::http::page::with_status;
use crate::http::seen::{Seen, Stored};
use crate::http::{Form, Head, Shell, html, see_other};
use crate::notifications::clock_text;
use crate::settings;
use crate::state::AppState;
use crate::sync;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

#[derive(Template)]
#[template(path = "clinic/settings/emr.html")]
struct EmrPage {
    shell: Shell,
    sources: Vec<Card>,
    /// the key that signs, where a source is signed in to by it
    present: Option<PresentKey>,
    keys_address: String,
}

/// A source on the page.
struct Card {
    /// its place in the configuration, from 1
    number: usize,
    name: String,
    base: String,
    /// by what Postern signs in: the word, and as whom
    way: &'static str,
    who: String,
    quiet: Option<String>,
    switches: Switches,
    state: SourceState,
    tried: Vec<Tried>,
    seen: Seen,
}

impl Card {
    /// The version that the page saw.
    fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// What was typed for a source, and the newer version that keeps it from being saved.
type Typed = (String, Switches, Seen);

impl EmrPage {
    fn read(
        conn: &mut Conn,
        head: &Head,
        (state, user): (&AppState, &SignedInUser<rights::Settings>),
        typed: Option<Typed>,
    ) -> Result<EmrPage, AppError> {
        let (shell, _) = shell(conn, head, user)?;
        let names: Vec<String> = state.emr.iter().map(|emr| emr.name().to_owned()).collect();
        let mut sources = Vec::new();
        let stored = emr_sources::source_states(conn, &names)?;
        for ((number, emr), state) in (1..).zip(&state.emr).zip(stored) {
            sources.push(card(number, emr, state));
        }
        if let Some((name, switches, seen)) = typed
            && let Some(card) = sources.iter_mut().find(|card| card.name == name)
        {
            (card.switches, card.seen) = (switches, seen);
        }
        let by_key = state.emr.iter().any(|emr| matches!(emr.config().sign_in, EmrSignIn::Key(_)));
        let present = if by_key { emr_sources::present(conn)? } else { None };
        let keys_address = format!("{}{KEYS_PATH}", state.config.origin());
        Ok(EmrPage { shell, sources, present, keys_address })
    }
}

fn card(number: usize, emr: &Emr, state: SourceState) -> Card {
    let (way, who) = match &emr.config().sign_in {
        EmrSignIn::Key(client) => ("key", client.clone()),
        EmrSignIn::Bearer(_) => ("bearer", String::new()),
        EmrSignIn::Basic(user, _) => ("basic", user.clone()),
    };
    let quiet = emr.config().quiet_hours.map(|(from, until)| format!("{}–{}", clock_text(from), clock_text(until)));
    Card {
        number,
        name: emr.name().to_owned(),
        base: emr.base().to_string(),
        way,
        who,
        quiet,
        switches: state.switches,
        tried: emr_sources::read_trial(&state.test),
        seen: stored(state.switches).seen(),
        state,
    }
}

/// What the form of a source edits, as it is stored.
fn stored(switches: Switches) -> Stored {
    Stored::default().switch("sync_on", "emr-sync", switches.sync).switch(
        "write_back_on",
        "emr-write-back",
        switches.write_back,
    )
}

/// The source at this place, if it is still the one that the page showed.
fn named(state: &AppState, number: &str, form: &Form) -> Result<Emr, AppError> {
    let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let emr = place.and_then(|place| state.emr.get(place)).filter(|emr| emr.name() == form.get("source"));
    emr.cloned().ok_or(AppError::NotFound)
}

pub async fn show(
    state: web::Data<AppState>,
    head: Head,
    user: User<rights::Settings>,
) -> Result<HttpResponse, AppError> {
    let here = state.clone();
    html(&state.db.read(move |conn| EmrPage::read(conn, &head, (here.get_ref(), &user.0), None)).await?)
}

pub async fn submit(
    state: web::Data<AppState>,
    head: Head,
    user: Confirmed<rights::Settings>,
    number: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let name = named(&state, &number, &form)?.name().to_owned();
    let (now, here) = (state.clock.now(), state.clone());
    let write = state.db.write(move |tx| -> Result<_, AppError> {
        let typed = Switches { sync: form.get("sync_on") == "on", write_back: form.get("write_back_on") == "on" };
        // a round that is under way ends; one that the newer page keeps on goes on where it was
        if !typed.sync && emr_sources::source_state(tx, &name)?.switches.sync {
            sync::let_go(tx, &name)?;
        }
        // of two owners who save at the same moment the second waits here
        settings::hold(tx)?;
        let held = emr_sources::source_state(tx, &name)?.switches;
        match stored(held).newer(&form) {
            Some(newer) => {
                let page = EmrPage::read(tx, &head, (here.get_ref(), user.0.user()), Some((name, typed, newer)))?;
                Ok(Some(page))
            }
            None => {
                emr_sources::save_switches(tx, now, &user.0, &name, typed)?;
                Ok(None)
            }
        }
    });
    match write.await? {
        Some(page) => with_status(StatusCode::CONFLICT, &page),
        None => Ok(see_other("/settings/emr?notice=settings-saved")),
    }
}

/// Tries the connection out, outside of any transaction, and keeps how it went.
pub async fn test(
    state: web::Data<AppState>,
    user: User<rights::Settings>,
    number: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let emr = named(&state, &number, &form)?;
    let name = emr.name().to_owned();
    let of = name.clone();
    let read = state.db.read(move |conn| -> Result<_, AppError> { Ok(emr_sources::source_state(conn, &of)?) });
    let writes = read.await?.switches.write_back;
    let tried = web::block(move || emr_sources::try_out(&emr, writes)).await;
    let tried = tried.map_err(|_| AppError::Internal("no thread".into()))?;
    let now = state.clock.now();
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(emr_sources::save_trial(tx, now, &user.0, &name, &tried)?) });
    write.await?;
    Ok(see_other("/settings/emr?notice=emr-tested"))
}

/// Makes a new key in place of the one that the page showed.
pub async fn renew_key(
    state: web::Data<AppState>,
    user: Confirmed<rights::Settings>,
    form: Form,
) -> Result<HttpResponse, AppError> {
    let now = state.clock.now();
    let write = state
        .db
        .write(move |tx| -> Result<_, AppError> { Ok(emr_sources::renew(tx, now, &user.0, form.get("replaces"))?) });
    let notice = if write.await? { "emr-key-renewed" } else { "emr-key-renewed-before" };
    Ok(see_other(&format!("/settings/emr?notice={notice}")))
}
