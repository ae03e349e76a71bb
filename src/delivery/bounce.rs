//! Mail that comes back: delivery status notifications (RFC 3464), known by the tag in the address that they were
//! sent to (`bounces+TAG@…`), and what the codes of RFC 3463 mean.

use super::Reason;
use lettre::Address;
use mail_parser::{MessageParser, MimeHeaders};

/// A mail that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// the tag: which mail it was
    pub uid: String,
    /// why
    pub reason: Reason,
}

/// The return address of one mail: the configured one with the mail's own tag.
pub fn tagged(address: &Address, uid: &str) -> Option<Address> {
    Address::new(format!("{}+{uid}", address.user()), address.domain()).ok()
}

/// What an enhanced status code says of the recipient (RFC 3463, with the registry's later codes).
pub fn reason(status: &str) -> Reason {
    let mut parts = status.trim().split('.');
    let (class, subject, detail) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (class, subject, detail) {
        // of the sender's address, not the recipient's
        (_, "1", "7" | "8") => Reason::Refused,
        (Some("5"), "1", _) | (Some("5"), "2", "1") => Reason::NoMailbox,
        (_, "2", "2") => Reason::MailboxFull,
        (_, "7", _) => Reason::Policy,
        (Some("4"), ..) => Reason::Undeliverable,
        (Some("5"), "4", _) => Reason::Undeliverable,
        _ => Reason::Refused,
    }
}

/// Reads a mail that came to the return address. `None` for everything that is not a failed delivery of one of our
/// mails: a notice of delay, an answering machine, advertising.
pub fn parse(raw: &[u8], address: &Address) -> Option<Bounce> {
    let mail = MessageParser::default().parse(raw)?;
    let report = mail.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.ctype().eq_ignore_ascii_case("message")
                && kind.subtype().is_some_and(|subtype| {
                    subtype.eq_ignore_ascii_case("delivery-status")
                        || subtype.eq_ignore_ascii_case("global-delivery-status")
                })
        })
    })?;
    let words = String::from_utf8_lossy(report.contents()).into_owned();
    let field = |name: &str| {
        words.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if !field("action")?.eq_ignore_ascii_case("failed") {
        return None;
    }
    let status = field("status").unwrap_or_default();
    let status = status.split_whitespace().next().unwrap_or_default();
    Some(Bounce { uid: uid(&mail, raw, address)?, reason: reason(status) })
}

/// The tag, from the headers that name the address that the mail was sent to.
fn uid(mail: &mail_parser::Message, raw: &[u8], address: &Address) -> Option<String> {
    let start = format!("{}+", address.user().to_lowercase());
    let end = format!("@{}", address.domain().to_lowercase());
    let names = ["to", "delivered-to", "x-original-to", "envelope-to"];
    let headers = mail.headers().iter().filter(|header| names.contains(&header.name().to_lowercase().as_str()));
    headers.into_iter().find_map(|header| {
        let value = raw.get(header.offset_start() as usize..header.offset_end() as usize)?;
        let value = String::from_utf8_lossy(value).to_lowercase();
        let (_, rest) = value.split_once(&start)?;
        let (tag, _) = rest.split_once(&end)?;
        Some(tag.to_owned()).filter(|tag| !tag.is_empty() && tag.len() <= 64)
    })
}
