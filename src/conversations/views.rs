//! Who has looked at a patient's conversations, from the audit rows: the patient can read it.

use crate::access::{PortalVisit, Role};
use crate::audit::{ActorKind, Event};
use crate::db::schema::{audit_events, conversations, messages, users};
use crate::db::sealed::Opened;
use crate::db::{Conn, Ts};
use crate::patients;
use crate::threads::Author;
use diesel::prelude::*;

/// One look of a user at a conversation.
#[derive(Debug, Clone, Queryable)]
pub struct View {
    /// identity of the audit row
    pub id: i64,
    /// when
    pub at: Ts,
    /// the user's name
    pub user_name: String,
    /// the user's role today
    pub role: Role,
    /// the conversation's number within the patient
    pub number: i64,
    /// its title
    #[diesel(deserialize_as = Opened)]
    pub title: String,
}

/// Looks of users at this patient's conversations, also those that came from a chart that was merged into theirs,
/// directly or through another one: newest first, at most `limit`, and only those before `before`, the identity of an audit row.
pub fn views(conn: &mut Conn, visit: &PortalVisit, before: Option<i64>, limit: i64) -> QueryResult<Vec<View>> {
    let chains: Vec<i64> = patients::merged_records(conn, visit.patient())?.iter().map(|id| id.0).collect();
    audit_events::table
        .inner_join(users::table.on(audit_events::actor_id.eq(users::id.nullable())))
        .inner_join(conversations::table.on(audit_events::subject_id.eq(conversations::id.nullable())))
        .filter(audit_events::chain.eq_any(chains))
        .filter(audit_events::id.lt(before.unwrap_or(i64::MAX)))
        .filter(audit_events::actor.eq(ActorKind::User))
        .filter(audit_events::action.eq(Event::ConversationViewed.as_str()))
        .filter(audit_events::subject.eq("conversation"))
        // the audit row names the patient; the conversation must be theirs too
        .filter(conversations::patient_id.eq(visit.patient()))
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
        .limit(limit)
        .select((
            audit_events::id,
            audit_events::at,
            users::name,
            users::role,
            conversations::number,
            conversations::title,
        ))
        .load(conn)
}
