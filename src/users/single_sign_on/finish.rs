//! Handles the provider's answer. First the visit is used up; then the code is redeemed, outside of any transaction;
//! then the person is matched with a user.

use super::roles::{Said, is_whole, said};
use super::visits::{Begun, VisitPurpose, take};
use super::{ProviderRefusal, links};
use crate::access::Role;
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::clock::Token;
use crate::db::{Db, DbError, Ts, Tx, UserId, lock_row};
use crate::provider::{Person, Provider, ProviderError, Visit};
use crate::settings;
use crate::users::accounts::{self, Account, WaysIn};
use crate::users::links::{Purpose, use_up_by_hash};
use crate::users::manage::{self, AddUser};
use crate::users::sign_in::{self, Arrival, SignInEnd};
use crate::values::{EmailAddress, UserName};
use diesel::QueryResult;
use std::sync::Arc;
use time::Duration;

/// The clocks of the clinic and the provider may differ by this much.
const LEEWAY: Duration = Duration::MINUTE;

/// The longest code that is passed on, in bytes.
const LONGEST_CODE: usize = 4096;

/// What a browser brings back from the provider.
pub struct ProviderAnswer {
    /// may be anything
    pub state: Token,
    /// the token that the browser got when the visit began
    pub browser: Option<Token>,
    /// the issuer, where the answer names it (RFC 9207)
    pub issuer: Option<String>,
    /// the code, or the error that the provider names (RFC 6749, section 4.1.2.1)
    pub code: Result<String, String>,
}

/// The result of a visit that succeeded.
pub enum VisitEnd {
    /// the user took the first step; the address is where they go after signing in
    Arrived(SignInEnd, String),
    /// a signed-in user is linked
    Linked,
    /// an invited user is linked, and can sign in
    LinkedByInvitation,
    /// the user proved once more who they are, and goes to this address
    Confirmed(String),
}

/// Why a visit failed, and the address to which the user was going.
#[derive(Debug, thiserror::Error)]
pub enum VisitRefused {
    /// see [`ProviderRefusal`]
    #[error("refused: {}", .0.as_str())]
    Because(ProviderRefusal, String),
    /// the database
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::from_database!(VisitRefused);

/// Finishes a visit; `signed_in` is the user of the browser's session. Success and failure both leave an audit row.
///
/// # Errors
/// See [`VisitRefused`].
pub async fn finish_visit(
    db: &Db,
    now: Ts,
    provider: &Arc<Provider>,
    answer: ProviderAnswer,
    (signed_in, arrival): (Option<UserId>, Arrival),
) -> Result<VisitEnd, VisitRefused> {
    let (state, browser) = (answer.state.clone(), answer.browser.clone());
    let taken = db.write(move |tx| -> Result<_, DbError> { Ok(take(tx, now, &state, browser.as_ref())?) }).await?;
    let begun = match taken {
        // an EMR's answer has a page of its own
        Ok(begun) if begun.purpose == VisitPurpose::Launch => {
            return refuse(db, now, (ProviderRefusal::Unknown, String::new()), &arrival, (None, Event::SignInFailed))
                .await;
        }
        Ok(begun) => begun,
        Err(why) => return refuse(db, now, (why, String::new()), &arrival, (None, Event::SignInFailed)).await,
    };
    let (next, user, failed) = (begun.next.clone(), begun.user, failure_of(begun.purpose));
    let person = match ask(provider, answer, &begun).await {
        Ok(person) => person,
        Err(why) => return refuse(db, now, (why, next), &arrival, (user, failed)).await,
    };
    let (asked, own) = (Arc::clone(provider), arrival.clone());
    let write = db.write(move |tx| -> Result<_, DbError> {
        // the rules for roles, links and addresses concern all users together
        lock_row(tx, "clinic", 1)?;
        Ok(match begun.purpose {
            VisitPurpose::SignIn => {
                sign_in(tx, now, &asked, &person, &own)?.map(|end| VisitEnd::Arrived(end, begun.next))
            }
            VisitPurpose::Confirmation => {
                confirm(tx, now, &begun, &person, (signed_in, &own))?.map(|()| VisitEnd::Confirmed(begun.next))
            }
            VisitPurpose::Link => match begun.user.filter(|user| Some(*user) == signed_in) {
                Some(user) => link(tx, now, &asked, user, &person)?.map(|()| VisitEnd::Linked),
                None => Err((ProviderRefusal::SignedOut, None)),
            },
            VisitPurpose::Invitation => {
                by_invitation(tx, now, &asked, &begun, &person)?.map(|()| VisitEnd::LinkedByInvitation)
            }
            VisitPurpose::Launch => Err((ProviderRefusal::Unknown, None)),
        })
    });
    match write.await? {
        Ok(finished) => Ok(finished),
        Err((why, whose)) => refuse(db, now, (why, next), &arrival, (whose.or(user), failed)).await,
    }
}

/// The audit event of a visit that failed.
fn failure_of(purpose: VisitPurpose) -> Event {
    match purpose {
        VisitPurpose::Confirmation => Event::IdentityNotConfirmed,
        _ => Event::SignInFailed,
    }
}

/// Leaves an audit row of a visit that failed.
pub(super) async fn refuse<T>(
    db: &Db,
    now: Ts,
    (why, next): (ProviderRefusal, String),
    arrival: &Arrival,
    (user, event): (Option<UserId>, Event),
) -> Result<T, VisitRefused> {
    let address = arrival.address;
    let write = db.write(move |tx| -> Result<_, DbError> {
        let subject = user.map_or(Subject::None, Subject::User);
        let actor = if event == Event::IdentityNotConfirmed { user.into() } else { Actor::System };
        Ok(audit::append(tx, now, Entry::of_clinic(actor, event, subject).with(address.to_string()))?)
    });
    write.await?;
    tracing::info!(why = why.as_str(), "a sign-in by the provider was refused");
    Err(VisitRefused::Because(why, next))
}

/// Asks the provider which person signed in.
pub(super) async fn ask(provider: &Provider, answer: ProviderAnswer, begun: &Begun) -> Result<Person, ProviderRefusal> {
    if !provider.has_answered(answer.issuer.as_deref()).await {
        return Err(ProviderRefusal::Untrue);
    }
    if answer.code.as_ref().is_ok_and(|code| code.len() > LONGEST_CODE) {
        return Err(ProviderRefusal::Failed);
    }
    let code = answer.code.map_err(|error| match error.as_str() {
        "access_denied" => ProviderRefusal::Denied,
        "login_required" | "interaction_required" | "account_selection_required" | "consent_required" => {
            ProviderRefusal::LoginRequired
        }
        "temporarily_unavailable" => ProviderRefusal::Away,
        _ => ProviderRefusal::Failed,
    })?;
    // `take` gives no visit without the browser's token, so it is there
    let browser = answer.browser.ok_or(ProviderRefusal::OtherBrowser)?;
    let (visit, config) = (Visit { state: answer.state, browser }, provider.config());
    let wants = |person: &Person| {
        let lacks_role = config.role_claim.is_some() && person.roles.is_none();
        lacks_role || (config.creates_users && (person.email.is_none() || person.name.is_none()))
    };
    provider.redeem(code, &visit, |nonce| begun.is_nonce(nonce), wants).await.map_err(|cause| {
        tracing::warn!(%cause, "the provider's answer led nobody in");
        match cause {
            ProviderError::Away(_) => ProviderRefusal::Away,
            ProviderError::Refused(_) => ProviderRefusal::Failed,
            ProviderError::Untrue(_) => ProviderRefusal::Untrue,
        }
    })
}

/// A result, or why it was refused and which user it concerns, where that is known.
type Led<T> = Result<T, (ProviderRefusal, Option<UserId>)>;

fn sign_in(
    tx: &mut Tx,
    now: Ts,
    provider: &Provider,
    person: &Person,
    arrival: &Arrival,
) -> QueryResult<Led<SignInEnd>> {
    let (config, said) = (provider.config(), said(provider.config(), person));
    let ways = WaysIn::of(Some(config));
    let known = match links::whose(tx, person)? {
        Some(user) => accounts::account(tx, user)?,
        None => None,
    };
    let user = match (known, said) {
        (Some(account), _) if !account.active => return Ok(Err((ProviderRefusal::Deactivated, Some(account.id)))),
        (Some(account), Said::None) if !manage::is_last_owner(tx, ways, &account)? => {
            return Ok(Err((ProviderRefusal::NoRole, Some(account.id))));
        }
        (Some(account), said) => {
            follow(tx, now, ways, &account, said)?;
            account.id
        }
        (None, Said::Role(role)) if config.creates_users => match create(tx, now, person, role)? {
            Ok(user) => user,
            Err(why) => return Ok(Err((why, None))),
        },
        (None, Said::None) if config.creates_users => return Ok(Err((ProviderRefusal::NoRole, None))),
        (None, _) => return Ok(Err((ProviderRefusal::NotLinked, None))),
    };
    links::used(tx, now, user)?;
    let end = sign_in::arrive(tx, now, user, arrival, is_whole(config, person))?;
    Ok(end.ok_or((ProviderRefusal::Deactivated, Some(user))))
}

fn follow(tx: &mut Tx, now: Ts, ways: WaysIn, account: &Account, said: Said) -> QueryResult<()> {
    match said {
        Said::Role(role) => manage::follow_role(tx, now, ways, account, role),
        Said::Nothing | Said::None => Ok(()),
    }
}

/// Adds a user for a person to whom no user is linked. Where a user has the address already, it may be another person:
/// that user has to make the link.
fn create(tx: &mut Tx, now: Ts, person: &Person, role: Role) -> QueryResult<Result<UserId, ProviderRefusal>> {
    let Some(email) = person.email.as_deref().and_then(EmailAddress::parse) else {
        return Ok(Err(ProviderRefusal::NoAddress));
    };
    let before_at = email.as_str().split('@').next().unwrap_or_default();
    let names = [person.name.as_deref().unwrap_or_default(), before_at];
    let Some(name) = names.into_iter().find_map(UserName::parse) else { return Ok(Err(ProviderRefusal::NoAddress)) };
    let language = settings::load(tx)?.language;
    let new = AddUser { email, name, role, language, password_hash: None };
    let Some(user) = manage::insert(tx, now, None, new)? else { return Ok(Err(ProviderRefusal::EmailTaken)) };
    Ok(links::link(tx, now, user, person, Actor::System)?.map(|()| user))
}

/// Links an active user to a person. A person who has no role at the provider is not linked: they could not sign in.
fn link(tx: &mut Tx, now: Ts, provider: &Provider, user: UserId, person: &Person) -> QueryResult<Led<()>> {
    match accounts::account(tx, user)? {
        Some(account) if account.active => {}
        _ => return Ok(Err((ProviderRefusal::Deactivated, Some(user)))),
    }
    if said(provider.config(), person) == Said::None {
        return Ok(Err((ProviderRefusal::NoRole, Some(user))));
    }
    Ok(links::link(tx, now, user, person, Actor::User(user))?.map_err(|why| (why, Some(user))))
}

/// Links an invited user. The invitation is used up only where the link is made.
fn by_invitation(tx: &mut Tx, now: Ts, provider: &Provider, begun: &Begun, person: &Person) -> QueryResult<Led<()>> {
    let (Some(user), Some(hash)) = (begun.user, begun.invitation.clone()) else {
        return Ok(Err((ProviderRefusal::InvitationOver, begun.user)));
    };
    if let Some(other) = links::whose(tx, person)?.filter(|other| *other != user) {
        return Ok(Err((ProviderRefusal::LinkedElsewhere, Some(other))));
    }
    if said(provider.config(), person) == Said::None {
        return Ok(Err((ProviderRefusal::NoRole, Some(user))));
    }
    match use_up_by_hash(tx, now, hash)? {
        Some((whose, Purpose::Invitation)) if whose == user => link(tx, now, provider, user, person),
        _ => Ok(Err((ProviderRefusal::InvitationOver, Some(user)))),
    }
}

/// Confirms who the user is: the person must be the linked one, and must have signed in just now. A session at the
/// provider is not enough.
fn confirm(
    tx: &mut Tx,
    now: Ts,
    begun: &Begun,
    person: &Person,
    (signed_in, arrival): (Option<UserId>, &Arrival),
) -> QueryResult<Led<()>> {
    let Some(user) = begun.user.filter(|user| Some(*user) == signed_in) else {
        return Ok(Err((ProviderRefusal::SignedOut, begun.user)));
    };
    if links::whose(tx, person)? != Some(user) {
        return Ok(Err((ProviderRefusal::OtherPerson, Some(user))));
    }
    if person.signed_in_at.is_none_or(|at| at < begun.at.plus(-LEEWAY)) {
        return Ok(Err((ProviderRefusal::NotAskedAgain, Some(user))));
    }
    let entry = Entry::of_clinic(Actor::User(user), Event::IdentityConfirmed, Subject::User(user));
    audit::append(tx, now, entry.with(arrival.address.to_string()))?;
    Ok(Ok(()))
}
