//! The versions of each wording: rows are added and never changed.

use super::{Kind, NotificationTemplate, Slot};
use crate::access::{SignedInUser, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::db::schema::{notification_templates as t, users};
use crate::db::{Conn, Ts, Tx};
use crate::delivery::Channel;
use crate::settings::Settings;
use diesel::prelude::*;

/// One version of a wording.
#[derive(Debug, Clone, Queryable)]
pub struct Version {
    /// the version's number: 1, 2, 3 …
    pub version: i64,
    /// subject as written
    pub subject: Option<String>,
    /// body as written; `None`: the program's own wording from this version on
    pub body: Option<String>,
    /// who wrote it
    pub by: String,
    /// when
    pub created_at: Ts,
}

/// The versions of a wording, newest first, at most `limit`.
pub fn versions(conn: &mut Conn, slot: Slot, limit: i64) -> QueryResult<Vec<Version>> {
    t::table
        .inner_join(users::table)
        .filter(t::kind.eq(slot.kind))
        .filter(t::channel.eq(slot.channel))
        .filter(t::language.eq(slot.lang.code()))
        .order(t::version.desc())
        .limit(limit)
        .select((t::version, t::subject, t::body, users::name, t::created_at))
        .load(conn)
}

/// The wording in use now, and whether it is the clinic's own. Where a setting (no names any more) has made the
/// clinic's wording invalid, the program's own is used.
pub fn in_use(conn: &mut Conn, settings: &Settings, slot: Slot) -> QueryResult<(NotificationTemplate, bool)> {
    let newest = versions(conn, slot, 1)?.pop();
    let own = newest.and_then(|version| Some((version.subject.unwrap_or_default(), version.body?)));
    let own = own.and_then(|(subject, body)| NotificationTemplate::parse(settings, slot, &subject, &body).ok());
    Ok(own.map_or_else(|| (NotificationTemplate::standard(slot), false), |own| (own, true)))
}

/// Adds a version; without a template it goes back to the program's own wording. Where nothing changes, nothing is
/// stored.
pub fn save(
    tx: &mut Tx,
    now: Ts,
    user: &SignedInUser<rights::Settings>,
    slot: Slot,
    template: Option<&NotificationTemplate>,
) -> QueryResult<()> {
    // one save at a time on PostgreSQL, so that no version number is given twice
    crate::db::lock_row(tx, "clinic", 1)?;
    let newest = versions(tx, slot, 1)?.pop();
    let (subject, body) = (template.map(NotificationTemplate::subject), template.map(NotificationTemplate::body));
    let (held_subject, held_body) = newest.as_ref().map_or((None, None), |v| (v.subject.as_deref(), v.body.as_deref()));
    if (held_subject, held_body) == (subject, body) {
        return Ok(());
    }
    let row = (
        (t::kind.eq(slot.kind), t::channel.eq(slot.channel), t::language.eq(slot.lang.code())),
        (t::version.eq(newest.map_or(1, |v| v.version + 1)), t::subject.eq(subject), t::body.eq(body)),
        (t::user_id.eq(user.id()), t::created_at.eq(now)),
    );
    diesel::insert_into(t::table).values(row).execute(tx.conn())?;
    let entry = Entry::of_clinic(Actor::User(user.id()), Event::NotificationTemplateChanged, Subject::None);
    audit::append(tx, now, entry.with(detail(slot)))
}

fn detail(slot: Slot) -> String {
    let (kind, channel): (Kind, Channel) = (slot.kind, slot.channel);
    format!("{} {} {}", kind.as_str(), channel.as_str(), slot.lang.code())
}
