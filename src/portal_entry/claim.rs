//! In without a link: a patient says who they are and at which address they are reached. Whether it is true or not, a
//! link of the same kind is made and a passcode asked for, in the same statements, so that neither the answer nor the
//! time that it takes tells whether there is such a patient.

use super::links::OpenLink;
use super::passcode::{self, RequestRefused};
use crate::clock::{Random, Token};
use crate::db::schema::{passcodes, portal_links};
use crate::db::{Both, ConversationId, LinkId, NotificationId, PatientId, Ts, Tx};
use crate::delivery::Channel;
use crate::patients::{self, IdKind, Patient};
use crate::settings;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use time::Duration;

/// A claim leads in for this long.
pub const CLAIM_LASTS: Duration = Duration::minutes(30);
/// How long a claim is remembered, with its wrong tries.
const REMEMBERED: Duration = Duration::days(1);

/// What somebody says of themselves.
#[derive(Debug, Clone)]
pub struct Claim {
    /// kind of number
    pub kind: IdKind,
    /// as typed
    pub number: String,
    /// where the passcode is to go
    pub at: Address,
}

/// An address as typed.
#[derive(Debug, Clone)]
pub enum Address {
    /// email
    Email(EmailAddress),
    /// cellphone
    Phone(PhoneNumber),
}

impl Address {
    /// Reads an email address or a telephone number.
    pub fn parse(text: &str, calling_code: &str) -> Option<Address> {
        match text.contains('@') {
            true => EmailAddress::parse(text).map(Address::Email),
            false => PhoneNumber::parse(text, calling_code).map(Address::Phone),
        }
    }

    fn channel(&self) -> Channel {
        match self {
            Address::Email(_) => Channel::Email,
            Address::Phone(_) => Channel::Sms,
        }
    }

    fn key(&self) -> String {
        match self {
            Address::Email(email) => email.key(),
            Address::Phone(phone) => phone.as_str().to_owned(),
        }
    }

    fn is_of(&self, patient: &Patient) -> bool {
        match self {
            Address::Email(email) => patient.email.as_ref().is_some_and(|own| own.key() == email.key()),
            Address::Phone(phone) => patient.phone.as_ref() == Some(phone),
        }
    }
}

/// Makes a link for a claim and asks for its passcode. The same claim made again replaces its link, and its wrong tries
/// are counted on.
pub fn claim(tx: &mut Tx, now: Ts, random: &Random, claim: &Claim) -> QueryResult<(Token, Result<(), RequestRefused>)> {
    let settings = settings::load(tx)?;
    let open = settings.portal_on;
    let may = |patient: &Patient| open && patient.portal_access && claim.at.is_of(patient);
    let patient = patients::the_one(tx, claim.kind, &claim.number, may)?;
    let token = random.token();
    let key = settings::cookie_key(tx)?;
    let id = put(tx, now, &token, hash(&key, claim), (patient, claim.at.channel()))?;
    let link = OpenLink { id, patient, leads_to: None, channel: claim.at.channel(), language: None, is_claim: true };
    Ok((token, passcode::request(tx, now, &link)?))
}

/// A claim is kept as a keyed hash: the table tells nobody who tried to get in.
fn hash(key: &[u8], claim: &Claim) -> Vec<u8> {
    let number: String = claim.number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    let words = format!("claim\0{}\0{number}\0{}", claim.kind.as_str(), claim.at.key());
    // any length of key is a key to HMAC
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(words.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn put(
    tx: &mut Tx,
    now: Ts,
    token: &Token,
    claim_hash: Vec<u8>,
    (patient, channel): (Option<PatientId>, Channel),
) -> QueryResult<LinkId> {
    let fresh = (
        (portal_links::token_hash.eq(token.hash()), portal_links::patient_id.eq(patient)),
        (portal_links::channel.eq(channel), portal_links::created_at.eq(now)),
        (portal_links::expires_at.eq(now.plus(CLAIM_LASTS)), portal_links::ended_at.eq(None::<Ts>)),
    );
    let row = (
        fresh.clone(),
        portal_links::claim_hash.eq(claim_hash.clone()),
        portal_links::conversation_id.eq(None::<ConversationId>),
        portal_links::notification_id.eq(None::<NotificationId>),
    );
    let insert = diesel::insert_into(portal_links::table).values(row);
    Both(insert.on_conflict(portal_links::claim_hash).do_update().set(fresh)).execute(tx.conn())?;
    portal_links::table.filter(portal_links::claim_hash.eq(claim_hash)).select(portal_links::id).first(tx.conn())
}

/// Forgets claims that were made more than a day ago.
pub fn forget(tx: &mut Tx, now: Ts) -> QueryResult<usize> {
    let old = portal_links::table
        .filter(portal_links::claim_hash.is_not_null())
        .filter(portal_links::expires_at.lt(now.plus(-REMEMBERED)));
    let ids: Vec<LinkId> = old.select(portal_links::id).limit(10_000).load(tx.conn())?;
    diesel::delete(passcodes::table.filter(passcodes::link_id.eq_any(ids.clone()))).execute(tx.conn())?;
    diesel::delete(portal_links::table.filter(portal_links::id.eq_any(ids))).execute(tx.conn())
}
