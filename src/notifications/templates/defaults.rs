//! The program's own wordings: messages of the language files, with placeholders as the values of their variables.

use super::{Kind, Placeholder, Slot};
use crate::delivery::Channel;

/// Subject and body.
pub(super) fn default_wording(slot: Slot) -> (String, String) {
    match slot.channel {
        Channel::Email => (subject(slot), email(slot)),
        Channel::Sms => (String::new(), text(slot)),
    }
}

fn subject(slot: Slot) -> String {
    let key = match slot.kind {
        Kind::MessageWaiting => "mail-waiting-subject",
        Kind::Reminder => "mail-reminder-subject",
        Kind::Passcode => "mail-passcode-subject",
        Kind::PortalAccess => "mail-access-subject",
        Kind::Recall => "mail-recall-subject",
    };
    slot.lang.t1(key, "clinic", Placeholder::Clinic.written())
}

fn email(slot: Slot) -> String {
    let lang = slot.lang;
    let (clinic, phone) = (Placeholder::Clinic.written(), Placeholder::Phone.written());
    let of = |key| lang.t1(key, "clinic", clinic.clone());
    let plain = |key| lang.t(key).to_owned();
    let link = Placeholder::Link.written();
    let until = || lang.t1("mail-link-lasts", "expiry", Placeholder::Expiry.written());
    let mut lines = match slot.kind {
        Kind::MessageWaiting => {
            vec![of("mail-waiting-line"), plain("mail-waiting-open"), link, plain("mail-waiting-proof"), until()]
        }
        Kind::Reminder => {
            vec![of("mail-reminder-line"), plain("mail-waiting-open"), link, plain("mail-waiting-proof"), until()]
        }
        Kind::PortalAccess => vec![of("mail-access-line"), plain("mail-access-open"), link, plain("mail-access-next")],
        Kind::Recall => vec![of("mail-recall-line"), plain("mail-recall-next")],
        Kind::Passcode => vec![
            of("mail-passcode-line"),
            format!("## {}", Placeholder::Passcode.written()),
            plain("mail-passcode-lasts"),
            plain("mail-passcode-not-you"),
        ],
    };
    lines.push(lang.t2("mail-call", "clinic", clinic.clone(), "phone", phone));
    lines.push(plain("mail-no-answer"));
    lines.join("\n\n")
}

fn text(slot: Slot) -> String {
    let key = match slot.kind {
        Kind::MessageWaiting => "text-waiting",
        Kind::Reminder => "text-reminder",
        Kind::Passcode => "text-passcode",
        Kind::PortalAccess => "text-access",
        Kind::Recall => "text-recall",
    };
    let clinic = Placeholder::Clinic.written();
    match slot.required() {
        Some(one) => slot.lang.t2(key, "clinic", clinic, one.as_str(), one.written()),
        None => slot.lang.t1(key, "clinic", clinic),
    }
}
