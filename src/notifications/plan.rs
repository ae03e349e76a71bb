//! Whether a patient can be notified, and by which roads.

use crate::delivery::{Channel, Delivery};
use crate::notifications::blocks::{BlockKind, Blocks};
use crate::patients::{Method, Patient};
use crate::settings::Settings;
use crate::text_enum;

text_enum! {
    /// What prevents a message to this patient. Each is one line of the Alert.
    pub enum Obstacle {
        /// the clinic's portal is off
        PortalOff = "portal_off",
        /// this patient has no access to the portal
        NoAccess = "no_access",
        /// neither email nor cellphone is on record
        NoAddress = "no_address",
        /// the patient is notified by email, but has no email on record
        NoEmail = "no_email",
        /// the patient is notified by text, but has no cellphone on record
        NoPhone = "no_phone",
        /// mail to the email on record came back
        EmailBad = "email_bad",
        /// mail to that email was marked as unwanted
        EmailComplained = "email_complained",
        /// the patient texted STOP
        TextsStopped = "texts_stopped",
        /// texts to the number on record came back, or a call there reached somebody else
        PhoneBad = "phone_bad",
        /// the patient wants no notifications
        MethodNone = "method_none",
        /// what is for the patient alone would go to an address that is a caregiver's too
        CaregiversAddress = "caregivers_address",
        /// the record is archived
        Archived = "archived",
    }
}

impl Obstacle {
    /// Whether it is about the patient's own addresses: somebody else may be told in their place.
    pub fn is_of_address(self) -> bool {
        !matches!(self, Obstacle::Archived | Obstacle::PortalOff | Obstacle::NoAccess)
    }
}

/// Everything that prevents a message to the patient's own addresses; empty where it can be sent.
pub fn obstacles(settings: &Settings, patient: &Patient, blocks: &Blocks) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if patient.archived_at.is_some() {
        found.push(Obstacle::Archived);
    }
    if !settings.portal_on {
        found.push(Obstacle::PortalOff);
    }
    if !patient.portal_access {
        found.push(Obstacle::NoAccess);
    }
    found.extend(unreachable(patient, blocks));
    found
}

fn unreachable(patient: &Patient, blocks: &Blocks) -> Vec<Obstacle> {
    let (email, phone) = (patient.email.is_some(), patient.phone.is_some());
    if !email && !phone {
        return vec![Obstacle::NoAddress];
    }
    match patient.method {
        Method::None => vec![Obstacle::MethodNone],
        Method::Email if !email => vec![Obstacle::NoEmail],
        Method::Sms if !phone => vec![Obstacle::NoPhone],
        _ if plan(patient, blocks).links.is_empty() => {
            let blocked = |channel| wants(patient, channel).then(|| blocks.on(channel)).flatten();
            let email = blocked(Channel::Email).map(|block| match block.kind {
                BlockKind::Complained => Obstacle::EmailComplained,
                BlockKind::Bad | BlockKind::Wrong | BlockKind::Stopped => Obstacle::EmailBad,
            });
            let phone = blocked(Channel::Sms).map(|block| match block.kind {
                BlockKind::Stopped => Obstacle::TextsStopped,
                BlockKind::Bad | BlockKind::Wrong | BlockKind::Complained => Obstacle::PhoneBad,
            });
            email.into_iter().chain(phone).collect()
        }
        _ => Vec::new(),
    }
}

/// How one message is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// the roads that take a link, each in a notification of its own; the passcode takes the other road, see
    /// [`passcode_channel`]
    pub links: Vec<Channel>,
}

fn wants(patient: &Patient, channel: Channel) -> bool {
    match patient.method {
        Method::Both => true,
        Method::Email => channel == Channel::Email,
        Method::Sms => channel == Channel::Sms,
        Method::None => false,
    }
}

/// The roads for the links to this patient: those that the patient wants and has a working address for.
pub fn plan(patient: &Patient, blocks: &Blocks) -> Plan {
    let channels = [Channel::Email, Channel::Sms];
    Plan { links: channels.into_iter().filter(|c| wants(patient, *c) && reaches(patient, blocks, *c)).collect() }
}

/// Whether the patient has an address for this channel that is not blocked.
pub fn reaches(patient: &Patient, blocks: &Blocks, channel: Channel) -> bool {
    let there = match channel {
        Channel::Email => patient.email.is_some(),
        Channel::Sms => patient.phone.is_some(),
    };
    there && blocks.on(channel).is_none()
}

/// The other channel, to offer to a user where the patient's own does not work; `None` where that would not work
/// either.
pub fn other_way(patient: &Patient, blocks: &Blocks, delivery: &Delivery) -> Option<Channel> {
    let own = match patient.method {
        Method::Email => Channel::Email,
        Method::Sms => Channel::Sms,
        Method::Both | Method::None => return None,
    };
    let other = own.other();
    (!reaches(patient, blocks, own) && reaches(patient, blocks, other) && delivery.has(other)).then_some(other)
}

/// The road for the passcode of a link that was sent by `link`: the other one, wherever the patient has a working
/// address there and the clinic has that road. Otherwise the same road, which proves only one address; the clinic is
/// told so before it sends.
pub fn passcode_channel(patient: &Patient, blocks: &Blocks, delivery: &Delivery, link: Channel) -> Channel {
    let other = link.other();
    if reaches(patient, blocks, other) && delivery.has(other) { other } else { link }
}
