//! Addresses to which nothing is sent: a number whose holder texted STOP, a mailbox that returned a mail. The block is
//! on the address, in whatever charts it is; a new address in the chart is not blocked.

use crate::access::{ChartAccess, rights};
use crate::audit::{self, Actor, Entry, Event, Subject};
use crate::caregivers;
use crate::db::schema::{address_blocks, patients};
use crate::db::{Both, CaregiverId, Conn, MultiBackend, PatientId, Ts, Tx};
use crate::delivery::{Channel, Reason};
use crate::patients::Patient;
use crate::text_enum;
use crate::values::{EmailAddress, PhoneNumber};
use diesel::prelude::*;
use std::collections::HashMap;

text_enum! {
    /// Why nothing is sent to an address.
    pub enum BlockKind {
        /// its holder texted STOP; only they can lift it
        Stopped = "stopped",
        /// what was sent to it came back
        Bad = "bad",
        /// its reader marked mail of ours as unwanted
        Complained = "complained",
        /// a user phoned there, and it is not the patient's
        Wrong = "wrong",
    }
}

impl BlockKind {
    /// The reason that a notification gets which is not sent because of this block.
    pub fn reason(self) -> Reason {
        match self {
            BlockKind::Stopped => Reason::StoppedByPatient,
            BlockKind::Bad => Reason::BadAddress,
            BlockKind::Complained => Reason::Complained,
            BlockKind::Wrong => Reason::NoSuchNumber,
        }
    }
}

/// A block, as pages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// why
    pub kind: BlockKind,
    /// since when
    pub since: Ts,
}

/// The blocks on one patient's addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blocks {
    /// on the email
    pub email: Option<Block>,
    /// on the cellphone
    pub sms: Option<Block>,
}

impl Blocks {
    /// The block on this channel's address.
    pub fn on(&self, channel: Channel) -> Option<Block> {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.sms,
        }
    }
}

/// Reads the blocks on the addresses that a patient has now.
pub fn blocks(conn: &mut Conn, patient: &Patient) -> QueryResult<Blocks> {
    let email = patient.email.as_ref().map(EmailAddress::key);
    let phone = patient.phone.as_ref().map(|phone| phone.as_str().to_owned());
    Ok(Blocks { email: find_block(conn, Channel::Email, email)?, sms: find_block(conn, Channel::Sms, phone)? })
}

fn find_block(conn: &mut Conn, channel: Channel, key: Option<String>) -> QueryResult<Option<Block>> {
    let Some(key) = key else { return Ok(None) };
    let found: Option<(BlockKind, Ts)> = address_blocks::table
        .filter(address_blocks::channel.eq(channel))
        .filter(address_blocks::address_key.eq(key))
        .select((address_blocks::kind, address_blocks::created_at))
        .first(conn)
        .optional()?;
    Ok(found.map(|(kind, since)| Block { kind, since }))
}

/// The same for many patients at once, in their order.
pub fn blocks_of(conn: &mut Conn, patients: &[Patient]) -> QueryResult<Vec<Blocks>> {
    let email = |patient: &Patient| patient.email.as_ref().map(EmailAddress::key);
    let phone = |patient: &Patient| patient.phone.as_ref().map(|phone| phone.as_str().to_owned());
    let on_emails = find_blocks(conn, Channel::Email, patients.iter().filter_map(email).collect())?;
    let on_phones = find_blocks(conn, Channel::Sms, patients.iter().filter_map(phone).collect())?;
    let of = |patient: &Patient| Blocks {
        email: email(patient).and_then(|key| on_emails.get(&key).copied()),
        sms: phone(patient).and_then(|key| on_phones.get(&key).copied()),
    };
    Ok(patients.iter().map(of).collect())
}

fn find_blocks(conn: &mut Conn, channel: Channel, keys: Vec<String>) -> QueryResult<HashMap<String, Block>> {
    let found: Vec<(String, BlockKind, Ts)> = address_blocks::table
        .filter(address_blocks::channel.eq(channel))
        .filter(address_blocks::address_key.eq_any(keys))
        .select((address_blocks::address_key, address_blocks::kind, address_blocks::created_at))
        .load(conn)?;
    Ok(found.into_iter().map(|(key, kind, since)| (key, Block { kind, since })).collect())
}

/// Blocks an address; says whether it was free before. A block by the holder replaces one for undeliverable mail or
/// texts, not the other way round.
pub(super) fn block(tx: &mut Tx, now: Ts, channel: Channel, key: &str, kind: BlockKind) -> QueryResult<bool> {
    let row = (
        (address_blocks::channel.eq(channel), address_blocks::address_key.eq(key)),
        (address_blocks::kind.eq(kind), address_blocks::created_at.eq(now)),
    );
    let inserted =
        Both(diesel::insert_into(address_blocks::table).values(row).on_conflict_do_nothing()).execute(tx.conn())?;
    if inserted == 0 && kind != BlockKind::Bad {
        // what people say of an address replaces what machines said, and what its holder says replaces both
        let before =
            if kind == BlockKind::Wrong { vec![BlockKind::Bad] } else { vec![BlockKind::Bad, BlockKind::Wrong] };
        let bad = address_blocks::table
            .filter(address_blocks::channel.eq(channel))
            .filter(address_blocks::address_key.eq(key))
            .filter(address_blocks::kind.eq_any(before));
        diesel::update(bad).set(address_blocks::kind.eq(kind)).execute(tx.conn())?;
    }
    Ok(inserted == 1)
}

/// Lifts a block of this kind; says whether there was one.
pub(super) fn lift(tx: &mut Tx, channel: Channel, key: &str, kind: BlockKind) -> QueryResult<bool> {
    let held = address_blocks::table
        .filter(address_blocks::channel.eq(channel))
        .filter(address_blocks::address_key.eq(key))
        .filter(address_blocks::kind.eq(kind));
    Ok(diesel::delete(held).execute(tx.conn())? > 0)
}

/// The patients whose charts have this number, with their languages; a family may share a phone.
pub(super) fn holders(conn: &mut Conn, phone: &PhoneNumber) -> QueryResult<Vec<(PatientId, String)>> {
    patients::table
        .filter(patients::phone.eq(phone))
        .order(patients::id)
        .limit(50)
        .select((patients::id, patients::language))
        .into_boxed::<MultiBackend>()
        .load(conn)
}

/// A user says that an address works again: the patient's, or this caregiver's. Only its holder can unblock a number after STOP.
pub fn release(
    tx: &mut Tx,
    now: Ts,
    access: &ChartAccess<rights::EditPatients>,
    caregiver: Option<CaregiverId>,
    channel: Channel,
) -> QueryResult<bool> {
    let own = crate::patients::patient(tx, access)?;
    let patient = match caregiver {
        None => own,
        Some(id) => match caregivers::one_of_chart(tx, access, id)? {
            Some(one) => one.stands_for(&own),
            None => return Ok(false),
        },
    };
    let key = match channel {
        Channel::Email => patient.email.as_ref().map(EmailAddress::key),
        Channel::Sms => patient.phone.as_ref().map(|phone| phone.as_str().to_owned()),
    };
    let Some(key) = key else { return Ok(false) };
    let mut lifted = false;
    for kind in [BlockKind::Bad, BlockKind::Complained, BlockKind::Wrong] {
        lifted |= lift(tx, channel, &key, kind)?;
    }
    let subject = caregiver.map_or(Subject::None, Subject::Caregiver);
    let entry = Entry::of_patient(Actor::User(access.user().id()), Event::AddressReleased, patient.id, subject);
    audit::append(tx, now, entry.with(channel.as_str()))?;
    Ok(lifted)
}
