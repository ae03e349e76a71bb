//! Portal links: the address in a notification.

use super::{passcode, tries};
use crate::access::session;
use crate::clock::{Random, Token};
use crate::db::schema::{
    caregivers, claim_tokens, clinic, conversations, messages, notifications, passcodes, patients, portal_links,
};
use crate::db::{CaregiverId, Conn, ConversationId, LinkId, MessageId, NotificationId, PatientId, Ts, Tx};
use crate::delivery::Channel;
use diesel::prelude::*;
use time::Duration;

/// A link works for this long.
pub const LINK_LASTS: Duration = Duration::days(30);

/// A link that works at this moment. It says where it leads; it does not prove that the reader may go there.
#[derive(Debug, Clone)]
pub struct OpenLink {
    /// identity
    pub id: LinkId,
    /// the patient whom it was made for; `None` for a claim that is true of nobody
    pub patient: Option<PatientId>,
    /// the caregiver of that patient whom it was made for; `None`: the patient
    pub caregiver: Option<CaregiverId>,
    /// the conversation's number within the patient; `None` leads to all of them
    pub leads_to: Option<i64>,
    /// the road by which it was sent; for a claim: the road of its passcode
    pub channel: Channel,
    /// the patient's language; `None` for a claim, of which nothing is told
    pub language: Option<String>,
    /// the link is a claim: its page may not tell whether the claim is true
    pub is_claim: bool,
}

/// Makes a link for one notification and stores its hash. The token itself is only in that one mail or text.
pub fn mint(
    tx: &mut Tx,
    now: Ts,
    random: &Random,
    notification: NotificationId,
    (patient, caregiver): (PatientId, Option<CaregiverId>),
    (conversation, channel): (ConversationId, Channel),
) -> QueryResult<Token> {
    let token = random.token();
    let row = (
        (portal_links::token_hash.eq(token.hash()), portal_links::patient_id.eq(patient)),
        portal_links::caregiver_id.eq(caregiver),
        (portal_links::conversation_id.eq(conversation), portal_links::notification_id.eq(notification)),
        (portal_links::channel.eq(channel), portal_links::created_at.eq(now)),
        (portal_links::expires_at.eq(now.plus(LINK_LASTS)), portal_links::ended_at.eq(None::<Ts>)),
    );
    diesel::insert_into(portal_links::table).values(row).execute(tx.conn())?;
    Ok(token)
}

/// The link of this token, if it works: known, not expired, not ended, the portal on, the patient with access, and the
/// caregiver whom it is for within their time. All other cases give `None`. Opening a link does not use it up.
pub fn open(conn: &mut Conn, now: Ts, token: &Token) -> QueryResult<Option<OpenLink>> {
    let on: bool = clinic::table.find(1).select(clinic::portal_on).first(conn)?;
    type Link = (LinkId, Option<PatientId>, Channel, Option<Vec<u8>>, Option<CaregiverId>);
    type Found = (Link, Option<i64>, Option<(String, bool)>, Option<(String, PatientId, Ts, Ts)>);
    // a claim that was made again has several tokens; no link has the id 0
    let again = claim_tokens::table.find(token.hash()).select(claim_tokens::link_id);
    let again: LinkId = again.first(conn).optional()?.unwrap_or(LinkId(0));
    let found: Option<Found> = working(now)
        .filter(portal_links::token_hash.eq(token.hash()).or(portal_links::id.eq(again)))
        .left_join(patients::table)
        .left_join(conversations::table)
        .left_join(caregivers::table)
        .select((
            (
                portal_links::id,
                portal_links::patient_id,
                portal_links::channel,
                portal_links::claim_hash,
                portal_links::caregiver_id,
            ),
            conversations::number.nullable(),
            (patients::language, patients::portal_access).nullable(),
            (caregivers::language, caregivers::patient_id, caregivers::starts_at, caregivers::ends_at).nullable(),
        ))
        .first(conn)
        .optional()?;
    let link = found.map(|((id, patient, channel, claim, caregiver), leads_to, person, caring)| {
        let (language, access) = person.map_or((None, true), |(language, access)| (Some(language), access));
        let is_claim = claim.is_some();
        let (language, in_time) = match (caregiver, caring) {
            (None, _) => (language, true),
            (Some(_), Some((language, of, starts_at, ends_at))) => {
                (Some(language), patient == Some(of) && (starts_at..ends_at).contains(&now))
            }
            (Some(_), None) => (None, false),
        };
        let language = language.filter(|_| !is_claim);
        let link = OpenLink { id, patient, caregiver, leads_to, channel, language, is_claim };
        (link, access && in_time)
    });
    Ok(link.filter(|(_, works)| on && *works).map(|(link, _)| link))
}

#[diesel::dsl::auto_type]
fn working(now: Ts) -> _ {
    portal_links::table.filter(portal_links::expires_at.gt(now)).filter(portal_links::ended_at.is_null())
}

/// Who gets a passcode.
#[derive(Debug, Clone, Copy)]
pub struct Recipient {
    /// the patient; `None` for a claim that is true of nobody: a passcode is made all the same, and sent nowhere
    pub patient: Option<PatientId>,
    /// the caregiver of that patient who gets it; `None`: the patient
    pub caregiver: Option<CaregiverId>,
    /// the road by which the link was sent; for a claim: the road of the passcode
    pub channel: Channel,
    /// the link is a claim: somebody says who they are
    pub is_claim: bool,
}

/// Who gets a passcode for this link; `None` where the link does not work any more.
pub fn recipient(conn: &mut Conn, now: Ts, link: LinkId) -> QueryResult<Option<Recipient>> {
    let of = (
        (portal_links::patient_id, portal_links::caregiver_id),
        (portal_links::channel, portal_links::claim_hash.is_not_null()),
    );
    type Found = ((Option<PatientId>, Option<CaregiverId>), (Channel, bool));
    let found: Option<Found> = working(now).filter(portal_links::id.eq(link)).select(of).first(conn).optional()?;
    let Some(((patient, caregiver), (channel, is_claim))) = found else { return Ok(None) };
    let mut to = Recipient { patient, caregiver, channel, is_claim };
    // the day's passcodes are used up: a claim does not say so, and is treated like one that is true of nobody
    if let Some(patient) = to.patient.filter(|_| is_claim)
        && tries::of_person_today(conn, now, (patient, caregiver))?.asked > passcode::most_a_day(conn)?
    {
        to.patient = None;
    }
    Ok(Some(to))
}

/// Ends the links in the notifications of a message that was taken back, and their passcodes.
pub fn end_of_message(tx: &mut Tx, now: Ts, message: MessageId) -> QueryResult<()> {
    let notices =
        notifications::table.filter(notifications::message_id.eq(message)).select(notifications::id.nullable());
    let links = portal_links::table.filter(portal_links::notification_id.eq_any(notices));
    let ids: Vec<LinkId> = links.select(portal_links::id).load(tx.conn())?;
    diesel::update(passcodes::table.filter(passcodes::link_id.eq_any(ids.clone())))
        .set(passcodes::code_hash.eq(None::<String>))
        .execute(tx.conn())?;
    diesel::update(portal_links::table.filter(portal_links::id.eq_any(ids)).filter(portal_links::ended_at.is_null()))
        .set(portal_links::ended_at.eq(now))
        .execute(tx.conn())
        .map(drop)
}

/// Whether this is the link to a message that was taken back. Who has the link has the mail or the text: it tells them no more
/// than that there was a message.
pub fn is_of_recalled(conn: &mut Conn, token: &Token) -> QueryResult<bool> {
    let found = portal_links::table
        .inner_join(notifications::table.inner_join(messages::table))
        .filter(portal_links::token_hash.eq(token.hash()))
        .filter(messages::recalled_at.is_not_null());
    Ok(found.select(portal_links::id).first::<LinkId>(conn).optional()?.is_some())
}

/// Ends a caregiver's portal sessions and open links at once: it was ended, or an address or date changed.
pub fn end_of_caregiver(tx: &mut Tx, now: Ts, caregiver: CaregiverId) -> QueryResult<()> {
    session::end_of_caregiver(tx, caregiver)?;
    let links = portal_links::table.filter(portal_links::caregiver_id.eq(caregiver));
    let ids = links.select(portal_links::id);
    diesel::update(passcodes::table.filter(passcodes::link_id.eq_any(ids)))
        .set(passcodes::code_hash.eq(None::<String>))
        .execute(tx.conn())?;
    diesel::update(links.filter(portal_links::ended_at.is_null()))
        .set(portal_links::ended_at.eq(now))
        .execute(tx.conn())
        .map(drop)
}

/// Ends a patient's portal sessions and open links at once, and those of the caregivers who read for them: access was withdrawn, or an
/// address changed.
pub fn end_all(tx: &mut Tx, now: Ts, patient: PatientId) -> QueryResult<()> {
    session::end_of_patient(tx, patient)?;
    let links = portal_links::table.filter(portal_links::patient_id.eq(patient));
    let ids = links.select(portal_links::id);
    diesel::update(passcodes::table.filter(passcodes::link_id.eq_any(ids)))
        .set(passcodes::code_hash.eq(None::<String>))
        .execute(tx.conn())?;
    diesel::update(links.filter(portal_links::ended_at.is_null()))
        .set(portal_links::ended_at.eq(now))
        .execute(tx.conn())
        .map(drop)
}
