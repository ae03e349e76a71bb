//! Portal links: the address in a notification.

use crate::clock::{Random, Token};
use crate::db::schema::{clinic, conversations, patients, portal_links};
use crate::db::{Conn, ConversationId, LinkId, NotificationId, PatientId, Ts, Tx};
use crate::delivery::Channel;
use diesel::prelude::*;
use time::Duration;

/// A link works for this long.
pub const LINK_LASTS: Duration = Duration::days(30);

/// A link that works at this moment. It says where it leads, not that anybody may go there.
#[derive(Debug, Clone)]
pub struct OpenLink {
    /// identity
    pub id: LinkId,
    /// for whom it was made
    pub patient: PatientId,
    /// the conversation's number within the patient
    pub conversation_number: i64,
    /// by which road it went
    pub channel: Channel,
    /// the patient's language
    pub language: String,
}

/// Makes a link for one notification and stores its hash. The token goes into that one mail or text and nowhere else.
///
/// # Errors
/// Those of the database.
pub fn mint(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    notification: NotificationId,
    to: (PatientId, ConversationId, Channel),
) -> QueryResult<Token> {
    let (patient, conversation, channel) = to;
    let token = random.token();
    let row = (
        (portal_links::token_hash.eq(token.hash()), portal_links::patient_id.eq(patient)),
        (portal_links::conversation_id.eq(conversation), portal_links::notification_id.eq(notification)),
        (portal_links::channel.eq(channel), portal_links::created_at.eq(now)),
        (portal_links::expires_at.eq(now.plus(LINK_LASTS)), portal_links::ended_at.eq(None::<Ts>)),
    );
    diesel::insert_into(portal_links::table).values(row).execute(tx.conn())?;
    Ok(token)
}

/// The link of this token, if it works: known, not too old, not ended, the portal on and the patient with access. All
/// other cases look alike. Opening uses nothing up.
///
/// # Errors
/// Those of the database.
pub fn open(conn: &mut Conn, now: Ts, token: &Token) -> QueryResult<Option<OpenLink>> {
    let on: bool = clinic::table.find(1).select(clinic::portal_on).first(conn)?;
    type Found = (LinkId, PatientId, i64, Channel, String);
    let found: Option<Found> = portal_links::table
        .filter(portal_links::token_hash.eq(token.hash()))
        .filter(portal_links::expires_at.gt(now))
        .filter(portal_links::ended_at.is_null())
        .inner_join(patients::table)
        .inner_join(conversations::table)
        .filter(patients::portal_access.eq(true))
        .select((
            portal_links::id,
            portal_links::patient_id,
            conversations::number,
            portal_links::channel,
            patients::language,
        ))
        .first(conn)
        .optional()?;
    let link = found.map(|(id, patient, conversation_number, channel, language)| OpenLink {
        id,
        patient,
        conversation_number,
        channel,
        language,
    });
    Ok(link.filter(|_| on))
}

/// To whom a passcode for this link goes, and by which road the link went; `None` where the link works no more.
///
/// # Errors
/// Those of the database.
pub fn recipient(conn: &mut Conn, now: Ts, link: LinkId) -> QueryResult<Option<(PatientId, Channel)>> {
    portal_links::table
        .find(link)
        .filter(portal_links::expires_at.gt(now))
        .filter(portal_links::ended_at.is_null())
        .select((portal_links::patient_id, portal_links::channel))
        .first(conn)
        .optional()
}
