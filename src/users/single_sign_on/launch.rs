//! Handles an EMR's answer after it opened Postern: which user it is, and whose chart was open there. As with the
//! provider, the visit is used up first, and the code is redeemed outside of any transaction.

use super::finish::{VisitRefused, ask, refuse};
use super::launch_links::{note_newcomer, used, whose};
use super::visits::take;
use super::{ProviderAnswer, ProviderRefusal};
use crate::audit::Event;
use crate::clock::Token;
use crate::db::{Db, DbError, Ts, Tx, UserId, lock_row};
use crate::provider::{Person, Provider};
use crate::users::accounts;
use crate::users::sign_in::{self, Arrival, SignInEnd};
use diesel::QueryResult;
use std::sync::Arc;

/// What was open at the EMR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// the EMR's name
    pub source: String,
    /// the patient's id there; `None`: no chart was open
    pub patient: Option<String>,
    /// what the user wants to do, in the EMR's words
    pub intent: Option<String>,
    /// where the user was going, where they only sign in there; empty otherwise
    pub next: String,
}

/// The result of a launch that succeeded.
pub enum LaunchEnd {
    /// the linked user took the first step
    Arrived(SignInEnd),
    /// the linked user is signed in in this browser already
    Here,
    /// no user is linked to the person: they are asked for once, when somebody has signed in
    Newcomer,
    /// users sign in at the identity provider only: the EMR says what was open, and nothing more
    Elsewhere,
}

/// Finishes a launch. `signed_in` is the user of the browser's session; `only_provider`: users sign in at the identity
/// provider only. Signing in and its failure both leave an audit row.
///
/// # Errors
/// See [`VisitRefused`].
pub async fn finish_launch(
    db: &Db,
    now: Ts,
    launches: &[Arc<Provider>],
    answer: ProviderAnswer,
    (signed_in, only_provider, arrival): (Option<UserId>, bool, Arrival),
) -> Result<(LaunchEnd, Opened), VisitRefused> {
    let (state, browser) = (answer.state.clone(), answer.browser.clone());
    let taken = db.write(move |tx| -> Result<_, DbError> { Ok(take(tx, now, &state, browser.as_ref())?) }).await?;
    let failed = (None, Event::SignInFailed);
    let begun = match taken {
        Ok(begun) => begun,
        Err(why) => return refuse(db, now, (why, String::new()), &arrival, failed).await,
    };
    let of_visit = |one: &&Arc<Provider>| begun.source.as_deref() == Some(one.name());
    // none: it is the answer of the identity provider, or the configuration has changed meanwhile
    let Some(emr) = launches.iter().find(of_visit) else {
        return refuse(db, now, (ProviderRefusal::Unknown, String::new()), &arrival, failed).await;
    };
    let browser = answer.browser.clone();
    let person = match ask(emr, answer, &begun).await {
        Ok(person) => person,
        Err(why) => return refuse(db, now, (why, String::new()), &arrival, failed).await,
    };
    let source = emr.name().to_owned();
    let (patient, intent) = (person.patient.clone(), person.intent.clone());
    let opened = Opened { source: source.clone(), patient, intent, next: begun.next.clone() };
    if only_provider {
        return Ok((LaunchEnd::Elsewhere, opened));
    }
    let own = arrival.clone();
    let write = db.write(move |tx| -> Result<_, DbError> {
        // the rules for roles, links and addresses concern all users together
        lock_row(tx, "clinic", 1)?;
        Ok(arrive(tx, now, (&source, &person, browser.as_ref()), signed_in, &own)?)
    });
    match write.await? {
        Ok(end) => Ok((end, opened)),
        Err((why, user)) => refuse(db, now, (why, String::new()), &arrival, (user, Event::SignInFailed)).await,
    }
}

/// The result, or why it was refused and which user it concerns.
type Led = Result<LaunchEnd, (ProviderRefusal, Option<UserId>)>;

fn arrive(
    tx: &mut Tx,
    now: Ts,
    (source, person, browser): (&str, &Person, Option<&Token>),
    signed_in: Option<UserId>,
    arrival: &Arrival,
) -> QueryResult<Led> {
    let Some(user) = whose(tx, person)? else {
        // `take` gives no visit without the browser's token, so it is there
        let Some(browser) = browser else { return Ok(Err((ProviderRefusal::OtherBrowser, None))) };
        note_newcomer(tx, now, browser, source, person)?;
        return Ok(Ok(LaunchEnd::Newcomer));
    };
    if !accounts::account(tx, user)?.is_some_and(|account| account.active) {
        return Ok(Err((ProviderRefusal::Deactivated, Some(user))));
    }
    used(tx, now, user, person)?;
    if signed_in == Some(user) {
        return Ok(Ok(LaunchEnd::Here));
    }
    // the second step is Postern's own: an EMR's sign-in does not stand for it
    let end = sign_in::arrive(tx, now, user, arrival, false)?;
    Ok(end.map(LaunchEnd::Arrived).ok_or((ProviderRefusal::Deactivated, Some(user))))
}
