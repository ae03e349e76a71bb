//! The store for actix-session: rows of the database, and a cache of what was read from them last.

use super::{
    CONFIRMED, CONFIRMED_FOR, Door, HOLDER, Holder, LAPSED, LAPSES_AFTER, Lapsed, Lasts, STEPPED_ELSEWHERE, State,
};
use crate::access::{Carer, Role, second_factor};
use crate::clock::Clock;
use crate::db::schema::{caregivers, patients, sessions, users};
use crate::db::{CaregiverId, Conn, Db, DbError, Errand, PatientId, Ts, UserId, share_row};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key};
use actix_web::cookie::time::Duration;
use diesel::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A session's `idle_until` is moved forward at most this often: not every click is worth a write.
const TOUCH_EVERY: Duration = Duration::MINUTE;

/// The store of one door.
#[derive(Clone)]
pub struct Store {
    /// the database
    pub db: Db,
    /// the time
    pub clock: Clock,
    /// users' sessions or patients'
    pub door: Door,
    /// the cache
    pub known: Known,
}

/// A cache of sessions as they were last read. A page that begins with a cached session checks in its own transaction
/// that it is unchanged: see [`Errand`].
#[derive(Clone, Default)]
pub struct Known(Arc<Mutex<HashMap<Vec<u8>, Arc<Found>>>>);

/// The most sessions in the cache; at this number it is emptied.
const MOST_KNOWN: usize = 10_000;

impl Known {
    fn get(&self, token: &[u8]) -> Option<Arc<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn put(&self, token: Vec<u8>, found: Found) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(token, Arc::new(found));
    }

    fn forget(&self, token: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

/// A caregiver: identity, patient, language, from when until when, and the version of their row.
type Caring = (CaregiverId, PatientId, String, Ts, Ts, i64);

#[derive(Debug, PartialEq, Queryable)]
struct Row {
    user: Option<(UserId, String, Role, String, bool, bool)>,
    patient: Option<(PatientId, String, bool)>,
    caregiver: Option<Caring>,
    state: String,
    created_at: Ts,
    seen_at: Ts,
    idle_until: Ts,
    expires_at: Ts,
}

fn hash(key: &SessionKey) -> Vec<u8> {
    Sha256::digest(key.as_ref().as_bytes()).to_vec()
}

fn find(conn: &mut Conn, token: Vec<u8>, now: Ts) -> QueryResult<Option<Row>> {
    sessions::table
        .find(token)
        .filter(sessions::idle_until.gt(now.plus(-LAPSES_AFTER)))
        .left_join(users::table)
        .left_join(patients::table)
        .left_join(caregivers::table)
        .select((
            (users::id, users::name, users::role, users::language, users::keys_on, users::active).nullable(),
            (patients::id, patients::language, patients::portal_access).nullable(),
            (
                caregivers::id,
                caregivers::patient_id,
                caregivers::language,
                caregivers::starts_at,
                caregivers::ends_at,
                caregivers::version,
            )
                .nullable(),
            sessions::state,
            sessions::created_at,
            sessions::seen_at,
            sessions::idle_until,
            sessions::expires_at,
        ))
        .first(conn)
        .optional()
}

impl Row {
    fn stepped_elsewhere(&self) -> bool {
        let state: State = serde_json::from_str(&self.state).unwrap_or_default();
        state.get(STEPPED_ELSEWHERE).is_some_and(|json| json == "true")
    }

    /// When the user last proved who they are. In an old session that does not say so, it is when the session began.
    fn confirmed_at(&self) -> Ts {
        let state: State = serde_json::from_str(&self.state).unwrap_or_default();
        let micros = state.get(CONFIRMED).and_then(|json| serde_json::from_str(json).ok());
        micros.and_then(Ts::from_micros).unwrap_or(self.created_at)
    }

    fn holder(&self, door: Door, now: Ts, must_set_up: bool) -> Option<Holder> {
        let lasts = Lasts {
            idle: self.idle_until.since(self.seen_at).whole_seconds(),
            all: self.expires_at.since(self.created_at).whole_seconds(),
            left: self.idle_until.since(now).whole_seconds(),
            left_in_all: self.expires_at.since(now).whole_seconds(),
        };
        match (door, &self.user, &self.patient) {
            (Door::Clinic, Some((id, name, role, language, keys, true)), None) => {
                let (id, name, role, language, keys) = (*id, name.clone(), *role, language.clone(), *keys);
                let confirmed = now.since(self.confirmed_at()) < CONFIRMED_FOR;
                let stepped_elsewhere = self.stepped_elsewhere();
                Some(Holder::User { id, name, role, must_set_up, confirmed, stepped_elsewhere, language, keys, lasts })
            }
            (Door::Portal, None, Some((id, language, true))) => {
                let (carer, language) = match &self.caregiver {
                    None => (None, language),
                    // not before their time, not after it, and only for their own patient
                    Some((caregiver, patient, language, starts_at, ends_at, version))
                        if patient == id && (*starts_at..*ends_at).contains(&now) =>
                    {
                        (Some(Carer::new(*caregiver, *starts_at, *version)), language)
                    }
                    Some(_) => return None,
                };
                Some(Holder::Patient { id: *id, carer, language: language.clone(), lasts })
            }
            _ => None,
        }
    }
}

/// A stored session, and what holds for its holder at this moment.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    row: Row,
    /// the user has to set up a second factor first
    must_set_up: bool,
}

impl Found {
    pub(super) fn find(conn: &mut Conn, token: Vec<u8>, now: Ts) -> QueryResult<Option<Found>> {
        let Some(row) = find(conn, token, now)? else { return Ok(None) };
        let must_set_up = match &row.user {
            Some((id, _, role, ..)) if !row.stepped_elsewhere() => {
                second_factor::needs_second_factor(conn, *role)? && !second_factor::has_second_factor(conn, *id)?
            }
            Some(_) => false,
            None => false,
        };
        Ok(Some(Found { row, must_set_up }))
    }

    pub(super) fn holder(&self, door: Door, now: Ts) -> Option<Holder> {
        self.row.holder(door, now, self.must_set_up)
    }

    /// Whether the session has ended: nobody came for too long, or it lasts no longer in any case.
    pub(super) fn is_over(&self, now: Ts) -> bool {
        self.row.idle_until.min(self.row.expires_at) <= now
    }

    /// The state of the session, with its holder; `None` where the session opens nothing at this door.
    fn state(&self, door: Door, now: Ts) -> anyhow::Result<Option<State>> {
        let Some(holder) = self.holder(door, now) else { return Ok(None) };
        let mut state: State = serde_json::from_str(&self.row.state)?;
        state.insert(HOLDER.to_owned(), serde_json::to_string(&holder)?);
        Ok(Some(state))
    }

    /// Tells the database's scheduling for which user or patient this request works; see [`Errand`].
    fn tell_for_whom(&self) {
        let whom = match (&self.row.user, &self.row.patient) {
            (Some((id, ..)), _) => Some((0, id.0)),
            (None, Some((id, ..))) => Some((1, id.0)),
            (None, None) => None,
        };
        if let (Some(errand), Some(whom)) = (Errand::current(), whom) {
            errand.is_for(whom);
        }
    }
}

impl Store {
    /// Splits a state into its holder, which has columns of its own, and the text that is stored. `None` without a
    /// holder: such a session has nothing to store.
    fn split(mut state: State) -> anyhow::Result<Option<(Holder, String)>> {
        state.remove(LAPSED);
        let holder = state.remove(HOLDER).map(|json| serde_json::from_str::<Holder>(&json)).transpose()?;
        // the mark belongs to this holder: an earlier holder's mark is removed
        match &holder {
            Some(Holder::User { stepped_elsewhere: true, .. }) => {
                state.insert(STEPPED_ELSEWHERE.to_owned(), "true".to_owned())
            }
            _ => state.remove(STEPPED_ELSEWHERE),
        };
        holder.map(|holder| Ok((holder, serde_json::to_string(&state)?))).transpose()
    }

    /// Begins a session.
    async fn add(&self, key: &SessionKey, state: State) -> anyhow::Result<()> {
        let Some((holder, state)) = Store::split(state)? else { return Ok(()) };
        let (user, patient, carer) = match &holder {
            Holder::User { id, .. } => (Some(*id), None, None),
            Holder::Patient { id, carer, .. } => (None, Some(*id), *carer),
        };
        let (token, now, lasts) = (hash(key), self.clock.now(), holder.lasts());
        let expires = now.plus(Duration::seconds(lasts.all));
        let idle = now.plus(Duration::seconds(lasts.idle)).min(expires);
        let write = self.db.write(move |tx| -> Result<_, DbError> {
            // whoever changes or ends the caregiver waits, and then finds this session, or was first since they proved who they are
            if let Some((carer, patient)) = carer.zip(patient) {
                share_row(tx, "caregivers", carer.id().0)?;
                if !carer.still_reads_for(tx, patient)? {
                    return Ok(0);
                }
            }
            let row = (
                (sessions::token_hash.eq(token), sessions::user_id.eq(user), sessions::patient_id.eq(patient)),
                (sessions::state.eq(state), sessions::created_at.eq(now), sessions::seen_at.eq(now)),
                (sessions::idle_until.eq(idle), sessions::expires_at.eq(expires)),
                sessions::caregiver_id.eq(carer.map(|carer| carer.id())),
            );
            Ok(diesel::insert_into(sessions::table).values(row).execute(tx.conn())?)
        });
        write.await?;
        Ok(())
    }

    /// Changes the state of a session that exists. A session that was ended during the request stays ended.
    async fn change(&self, key: &SessionKey, state: State) -> anyhow::Result<()> {
        let Some((_, state)) = Store::split(state)? else { return Ok(()) };
        let token = hash(key);
        self.known.forget(&token);
        let write = self.db.write(move |tx| -> Result<_, DbError> {
            Ok(diesel::update(sessions::table.find(token)).set(sessions::state.eq(state)).execute(tx.conn())?)
        });
        write.await?;
        Ok(())
    }

    /// The cached session, where the request may begin with it: the page's first transaction then checks that it is
    /// unchanged. The session is read from the database where a request may not run twice, or moves the session's end.
    fn taken_for_true(&self, token: &[u8], now: Ts) -> Option<Arc<Found>> {
        let errand = Errand::current().filter(|errand| errand.may_check_later())?;
        let then = self.known.get(token)?;
        let is_open = then.row.idle_until.min(then.row.expires_at) > now && now.since(then.row.seen_at) < TOUCH_EVERY;
        if !is_open || then.holder(self.door, now).is_none() {
            return None;
        }
        then.tell_for_whom();
        let (known, token, before) = (self.known.clone(), token.to_owned(), Arc::clone(&then));
        errand.check_later(move |conn| {
            let holds = Found::find(conn, token.clone(), now)?.as_ref() == Some(&*before);
            if !holds {
                known.forget(&token);
            }
            Ok(holds)
        });
        Some(then)
    }

    /// Moves the session's end forward, because a request came that somebody made.
    async fn touch(&self, token: Vec<u8>, now: Ts, row: &mut Row) -> Result<(), DbError> {
        let is_by_itself = Errand::current().is_some_and(|errand| errand.is_by_itself());
        if is_by_itself || now.since(row.seen_at) < TOUCH_EVERY {
            return Ok(());
        }
        let idle = now.plus(row.idle_until.since(row.seen_at)).min(row.expires_at);
        (row.seen_at, row.idle_until) = (now, idle);
        let write = self.db.write(move |tx| -> Result<_, DbError> {
            let times = (sessions::seen_at.eq(now), sessions::idle_until.eq(idle));
            Ok(diesel::update(sessions::table.find(token)).set(times).execute(tx.conn())?)
        });
        write.await.map(drop)
    }
}

/// The state of a session that has ended: for a patient it says whose it was, so that a reply can still be kept.
fn lapsed(whose: &Holder) -> serde_json::Result<Option<State>> {
    let Holder::Patient { id, carer, .. } = whose else { return Ok(None) };
    let json = serde_json::to_string(&Lapsed { patient: *id, carer: *carer })?;
    Ok(Some(State::from([(LAPSED.to_owned(), json)])))
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let (token, now) = (hash(key), self.clock.now());
        if let Some(known) = self.taken_for_true(&token, now) {
            return known.state(self.door, now).map_err(LoadError::Deserialization);
        }
        let found = {
            let token = token.clone();
            self.db.read(move |conn| -> Result<_, DbError> { Ok(Found::find(conn, token, now)?) }).await
        };
        let Some(mut found) = found.map_err(|e| LoadError::Other(e.into()))? else { return Ok(None) };
        let Some(whose) = found.holder(self.door, now) else { return Ok(None) };
        if found.is_over(now) {
            return lapsed(&whose).map_err(|e| LoadError::Deserialization(e.into()));
        }
        self.touch(token.clone(), now, &mut found.row).await.map_err(|e| LoadError::Other(e.into()))?;
        found.tell_for_whom();
        let state = found.state(self.door, now).map_err(LoadError::Deserialization);
        self.known.put(token, found);
        state
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        let key = generate_session_key();
        self.add(&key, state).await.map_err(SaveError::Other)?;
        Ok(key)
    }

    async fn update(&self, key: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        self.change(&key, state).await.map_err(UpdateError::Other)?;
        Ok(key)
    }

    /// Never called: the limits are the store's own, and the session middleware is told not to extend them.
    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        let token = hash(key);
        self.known.forget(&token);
        let write = self.db.write(move |tx| -> Result<_, DbError> {
            Ok(diesel::delete(sessions::table.find(token)).execute(tx.conn())?)
        });
        write.await?;
        Ok(())
    }
}
