//! Mail that comes back: delivery status notifications (RFC 3464), messages of mail servers that send none, and
//! complaints (ARF, RFC 5965). The original mail is found by the tag in the address that the mail came to
//! (`bounces+TAG@…`), or by the Message-ID in the copy that it contains.

use super::Reason;
use super::mime::{self, Part, Unreadable};
use super::why::why;
use lettre::Address;

/// What a returned mail says of a mail that this program sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// it could not be delivered
    Failed {
        /// the tag: which mail failed
        uid: String,
        /// why
        reason: Reason,
    },
    /// its recipient marked it as unwanted
    Complaint {
        /// the tag: which mail it was
        uid: String,
    },
}

/// The return address of one mail: the configured one with the mail's own tag.
pub fn tagged(address: &Address, uid: &str) -> Option<Address> {
    Address::new(format!("{}+{uid}", address.user()), address.domain()).ok()
}

/// Reads a mail that came to the return address. `None` for a mail that says nothing final of a mail that was sent: a
/// notice of delay, an automatic answer, advertising.
///
/// # Errors
/// When the mail is larger or more deeply nested than any report; it is not read then.
pub fn parse(raw: &[u8], address: &Address) -> Result<Option<Returned>, Unreadable> {
    let parts = mime::parts(raw)?;
    let Some(mail) = parts.first() else { return Ok(None) };
    let of_kind = |kinds: &[&str]| parts.iter().find(|part| kinds.contains(&part.kind.as_str()));
    if let Some(report) = of_kind(&["message/feedback-report"]) {
        let kind = field(&report.text(), "feedback-type").unwrap_or_default().to_ascii_lowercase();
        // "not-spam" cancels a complaint; "auth-failure" and "dmarc" are about the sender
        let complains = !["not-spam", "auth-failure", "dmarc"].contains(&kind.as_str());
        return Ok(uid(&parts, raw, address).filter(|_| complains).map(|uid| Returned::Complaint { uid }));
    }
    let reason = match of_kind(&["message/delivery-status", "message/global-delivery-status"]) {
        Some(report) => of_report(&report.text(), &own_words(&parts)),
        None => of_words(mail, &own_words(&parts)),
    };
    Ok(reason.and_then(|reason| Some(Returned::Failed { uid: uid(&parts, raw, address)?, reason })))
}

/// The reason, from the fields of a report on the first recipient with a failed delivery. Where its status says
/// nothing, from the server's words.
fn of_report(report: &str, words: &str) -> Option<Reason> {
    let report = report.replace("\r\n", "\n");
    let failed = report
        .split("\n\n")
        .find(|group| field(group, "action").is_some_and(|action| action.to_ascii_lowercase().starts_with("failed")))?;
    let status = field(failed, "status").unwrap_or_default();
    let diagnostic = field(failed, "diagnostic-code").unwrap_or_default();
    Some(why(&status, &format!("{diagnostic}\n{words}")).unwrap_or(Reason::Refused))
}

/// The reason, from the words of a mail without a report, if a mail server wrote it about a failed delivery.
fn of_words(mail: &Part, words: &str) -> Option<Reason> {
    let from = mail.header("from").unwrap_or_default().to_lowercase();
    let subject = mail.header("subject").unwrap_or_default().to_lowercase();
    let servers = ["mailer-daemon", "mailer_daemon", "postmaster", "mail delivery s", "mdaemon@"];
    let is_servers = mail.header("x-failed-recipients").is_some() || servers.iter().any(|name| from.contains(name));
    let words = words.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let delays = ["delayed", "will be retried", "will retry", "still trying", "not yet been delivered", "(delay)"];
    let delayed = subject.contains("delay")
        || subject.contains("warning")
        || (!failed_for_good(&words) && delays.iter().any(|say| words.contains(say)));
    if !is_servers || delayed || words.trim().is_empty() {
        return None;
    }
    let failures = ["undeliver", "fail", "returned mail", "could not be delivered", "delivery error", "non remis"];
    let says_so = failures.iter().any(|say| subject.contains(say));
    why("", &words).or((says_so || failed_for_good(&words)).then_some(Reason::Refused))
}

fn failed_for_good(words: &str) -> bool {
    let says = [
        "permanent error",
        "permanent failure",
        "gave up",
        "could not be delivered",
        "fatal error",
        "error has occurred while",
    ];
    says.iter().any(|say| words.contains(say)) || super::why::has_final_code(words)
}

/// The words of the mail itself, without those of the mail that it returns.
fn own_words(parts: &[Part]) -> String {
    let texts = parts.iter().filter(|part| part.kind == "text/plain" || part.kind == "text/html");
    let all = texts.map(Part::text).collect::<Vec<_>>().join("\n");
    let copies = ["Below is a copy of the original message", "This is a copy of the message", "--- Below this line"];
    let end = copies.iter().filter_map(|start| all.find(start)).min().unwrap_or(all.len());
    all.get(..end).unwrap_or_default().to_owned()
}

fn field(words: &str, name: &str) -> Option<String> {
    let mut lines = words
        .lines()
        .skip_while(|line| !line.split_once(':').is_some_and(|(field, _)| field.trim().eq_ignore_ascii_case(name)));
    let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
    for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(more.trim());
    }
    Some(value)
}

/// The tag: from the headers that name the address that the mail came to, else from the returned copy: the sender's
/// address of its envelope, or its Message-ID.
fn uid(parts: &[Part], raw: &[u8], address: &Address) -> Option<String> {
    let names = ["to", "delivered-to", "x-original-to", "envelope-to"];
    let own = parts.first()?.headers().filter(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
    let own = own.into_iter().find_map(|(_, value)| tag_in(&value, address));
    own.or_else(|| tag_in(&String::from_utf8_lossy(raw), address)).or_else(|| {
        let given_back = ["message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers"];
        let ours = parts.iter().find(|part| given_back.contains(&part.kind.as_str()))?;
        let id = field(&ours.text(), "message-id")?;
        let (id, _) = id.trim_start_matches('<').split_once('@')?;
        Some(id.to_lowercase()).filter(|id| !id.is_empty() && id.len() <= 64)
    })
}

fn tag_in(text: &str, address: &Address) -> Option<String> {
    let text = text.to_lowercase();
    let start = format!("{}+", address.user().to_lowercase());
    let end = format!("@{}", address.domain().to_lowercase());
    text.split(start.as_str()).skip(1).find_map(|rest| {
        let (tag, after) = rest.split_once('@')?;
        let ends = after.starts_with(end.trim_start_matches('@'));
        let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (ends && !tag.is_empty() && tag.len() <= 64 && tag.chars().all(is_tag)).then(|| tag.to_owned())
    })
}
