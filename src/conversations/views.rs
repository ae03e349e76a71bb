//! Who has looked at a patient's conversations, from the audit rows: users, and caregivers. The patient can read it.

use crate::access::{PortalVisit, Role};
use crate::audit::{ActorKind, Event};
use crate::caregivers::Relation;
use crate::db::schema::{audit_events, caregivers, conversations, messages, users};
use crate::db::sealed::Opened;
use crate::db::{Conn, MultiBackend, Ts};
use crate::patients;
use crate::threads::Author;
use diesel::prelude::*;

/// Who looked.
#[derive(Debug, Clone)]
pub enum Looker {
    /// a user: name, and role today
    User(String, Role),
    /// a caregiver: name, and what they are to the patient
    Caregiver(String, Relation),
}

/// One look at a conversation.
#[derive(Debug, Clone)]
pub struct View {
    /// identity of the audit row
    pub id: i64,
    /// when
    pub at: Ts,
    /// who
    pub by: Looker,
    /// the conversation's number within the patient
    pub number: i64,
    /// its title
    pub title: String,
}

/// An audit row with the name of who looked, and a word on them.
type Look<W> = (i64, Ts, (String, W), i64, Opened);

/// The looks of one kind of people, newest first: they are found by `$join`, and named by `$person`.
macro_rules! looks {
    ($visit:expr, $chains:expr, ($before:expr, $limit:expr), $join:expr, ($kind:expr, $event:expr), $person:expr) => {{
        let mut query = audit_events::table
            .inner_join($join)
            .inner_join(conversations::table.on(audit_events::subject_id.eq(conversations::id.nullable())))
            .filter(audit_events::chain.eq_any($chains))
            .filter(audit_events::id.lt($before.unwrap_or(i64::MAX)))
            .filter(audit_events::actor.eq($kind))
            .filter(audit_events::action.eq($event.as_str()))
            .filter(audit_events::subject.eq("conversation"))
            // the audit row names the patient; the conversation must be theirs too
            .filter(conversations::patient_id.eq($visit.patient()))
            .filter(conversations::recalled_at.is_null())
            // nothing of a conversation that they have not seen anything of: it can still be taken back
            .filter(diesel::dsl::exists(
                messages::table.filter(messages::conversation_id.eq(conversations::id)).filter(
                    messages::author
                        .eq(Author::Patient)
                        .or(messages::read_by_patient_at.is_not_null())
                        .or(messages::listed_at.is_not_null()),
                ),
            ))
            .order(audit_events::id.desc())
            .limit($limit)
            .select((audit_events::id, audit_events::at, $person, conversations::number, conversations::title))
            .into_boxed::<MultiBackend>();
        if let Some(carer) = $visit.carer() {
            query = query.filter(conversations::only_patient.eq(false));
            query = query.filter(conversations::created_at.ge(carer.since()));
        }
        query
    }};
}

/// Looks of users and caregivers at this patient's conversations, also those that came from a chart that was merged into theirs,
/// directly or through another one: newest first, at most `limit`, and only those before `before`, the identity of an audit row.
pub fn views(conn: &mut Conn, visit: &PortalVisit, before: Option<i64>, limit: i64) -> QueryResult<Vec<View>> {
    let chains: Vec<i64> = patients::merged_records(conn, visit.patient())?.iter().map(|id| id.0).collect();
    let of_users: Vec<Look<Role>> = looks!(
        visit,
        chains.clone(),
        (before, limit),
        users::table.on(audit_events::actor_id.eq(users::id.nullable())),
        (ActorKind::User, Event::ConversationViewed),
        (users::name, users::role)
    )
    .load(conn)?;
    let of_caregivers: Vec<Look<Relation>> = looks!(
        visit,
        chains,
        (before, limit),
        caregivers::table.on(audit_events::actor_id.eq(caregivers::id.nullable())),
        (ActorKind::Caregiver, Event::MessageRead),
        (caregivers::name, caregivers::relation)
    )
    .load(conn)?;
    let users = of_users.into_iter().map(|(id, at, (name, role), number, title)| {
        let by = Looker::User(name, role);
        View { id, at, by, number, title: title.0 }
    });
    let caregivers = of_caregivers.into_iter().map(|(id, at, (name, relation), number, title)| {
        let by = Looker::Caregiver(name, relation);
        View { id, at, by, number, title: title.0 }
    });
    let mut all: Vec<View> = users.chain(caregivers).collect();
    all.sort_unstable_by_key(|view| std::cmp::Reverse(view.id));
    all.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(all)
}
