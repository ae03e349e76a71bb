//! Whether a patient can be told, and by which roads.

use crate::chart::{Method, Patient};
use crate::delivery::{Channel, Delivery};
use crate::settings::Settings;
use crate::text_enum;

text_enum! {
    /// What stands in the way of a message to this patient. Each is one line of the Alert.
    pub enum Obstacle {
        /// the clinic's portal is off
        PortalOff = "portal_off",
        /// this patient has no access
        NoAccess = "no_access",
        /// neither email nor cellphone is on record
        NoAddress = "no_address",
        /// told by email, but there is no email
        NoEmail = "no_email",
        /// told by text, but there is no cellphone
        NoPhone = "no_phone",
        /// the patient wants no notifications
        MethodNone = "method_none",
        /// the record is archived
        Archived = "archived",
    }
}

/// Everything that stands in the way; empty where a message can be sent.
pub fn obstacles(settings: &Settings, patient: &Patient) -> Vec<Obstacle> {
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
    found.extend(unreachable(patient));
    found
}

fn unreachable(patient: &Patient) -> Option<Obstacle> {
    let (email, phone) = (patient.email.is_some(), patient.phone.is_some());
    match patient.notification_method {
        _ if !email && !phone => Some(Obstacle::NoAddress),
        Method::None => Some(Obstacle::MethodNone),
        Method::Email if !email => Some(Obstacle::NoEmail),
        Method::Sms if !phone => Some(Obstacle::NoPhone),
        _ => None,
    }
}

/// How one message is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// by which roads a link goes, each in a notification of its own; the passcode takes the other, see
    /// [`passcode_channel`]
    pub links: Vec<Channel>,
}

/// The roads for the links to this patient: those that the patient wants and has an address for.
pub fn plan(patient: &Patient) -> Plan {
    let wants = |channel| match patient.notification_method {
        Method::Both => true,
        Method::Email => channel == Channel::Email,
        Method::Sms => channel == Channel::Sms,
        Method::None => false,
    };
    let channels = [Channel::Email, Channel::Sms];
    Plan { links: channels.into_iter().filter(|c| wants(*c) && has_address(patient, *c)).collect() }
}

fn has_address(patient: &Patient, channel: Channel) -> bool {
    match channel {
        Channel::Email => patient.email.is_some(),
        Channel::Sms => patient.phone.is_some(),
    }
}

/// The road for the passcode of a link that went by `link`: the other one, wherever the patient has an address there
/// and the clinic has a road. Otherwise the same, which proves one thing less; the clinic is told so before it sends.
pub fn passcode_channel(patient: &Patient, delivery: &Delivery, link: Channel) -> Channel {
    let other = link.other();
    if has_address(patient, other) && delivery.has(other) { other } else { link }
}
