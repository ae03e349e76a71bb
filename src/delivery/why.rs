//! What a mail server's refusal says of the recipient: by its enhanced status code (RFC 3463, with the registry's later
//! codes), and where the code says nothing, as with many servers, by its words.

use super::Reason;

/// The reason, from a status code and the words beside it. `None` where neither says anything.
///
/// Exim reports 5.0.0 for everything, Microsoft 5.5.0 for a missing mailbox and 5.4.1 for one that a directory does not
/// know, Yahoo only 554: so the words come first where the code is not specific.
pub fn why(status: &str, words: &str) -> Option<Reason> {
    let words = words.to_lowercase();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let own = status.split_whitespace().next().unwrap_or_default();
    let codes = || std::iter::once(own.to_owned()).chain(codes(&words));
    let clear = codes().find_map(|code| by_code(&code));
    match clear {
        // some servers say "policy" for a missing mailbox
        Some(Reason::Policy) if has(&words, NOBODY) => Some(Reason::NoMailbox),
        Some(reason) => Some(reason),
        None => by_words(&words).or_else(|| codes().find_map(|code| vague(&code))),
    }
}

/// Whether the words contain a server's final answer, such as "550 5.1.1" or "554".
pub(super) fn has_final_code(words: &str) -> bool {
    words
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|word| (word.len() == 3 && word.starts_with("55")) || (word.starts_with("5.") && is_code(word)))
}

fn is_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| (1..=3).contains(&part.len()))
}

/// The enhanced status codes in a text.
fn codes(words: &str) -> impl Iterator<Item = String> + use<'_> {
    let words = words.split(|c: char| !c.is_ascii_digit() && c != '.');
    words
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.starts_with(['4', '5']) && is_code(word))
        .map(str::to_owned)
}

/// The reason for a code that is specific by itself.
fn by_code(code: &str) -> Option<Reason> {
    let mut parts = code.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    match (class, subject, detail) {
        // these are about the sender's address, not the recipient's
        (_, "1", "7" | "8") => Some(Reason::Refused),
        ("5", "1", "0") => None,
        ("5", "1", _) | ("5", "2", "1") => Some(Reason::NoMailbox),
        (_, "2", "2") => Some(Reason::MailboxFull),
        (_, "7", _) => Some(Reason::Policy),
        _ => None,
    }
}

/// The reason for an unspecific code, where the words say nothing either.
fn vague(code: &str) -> Option<Reason> {
    let mut parts = code.split('.');
    match (parts.next()?, parts.next()?) {
        ("4", _) | ("5", "4") => Some(Reason::Undeliverable),
        ("5", _) => Some(Reason::Refused),
        _ => None,
    }
}

/// Words for a missing mailbox, so clear that no code overrules them.
const NOBODY: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "no such person",
    "user doesn't exist",
    "user does not exist",
    "user not found",
    "recipient not found",
    "recipientnotfound",
    "recipient unknown",
    "unknown recipient",
    "unknown address",
    "unknown local part",
    "unrouteable address",
    "unroutable address",
    "mailbox not found",
    "mailbox does not exist",
    "address does not exist",
    "account does not exist",
    "account that you tried to reach does not exist",
    "doesn't have a yahoo.com account",
    "doesn't have an account",
    "account has been disabled",
    "account is disabled",
    "mailbox is disabled",
    "mailbox disabled",
    "is disabled",
    "is inactive",
    "invalid recipient",
    "invalid mailbox",
    "no mailbox here",
    "not a valid mailbox",
    "addressee unknown",
    "domain not found",
    "domain does not exist",
    "host or domain name not found",
];
const FULL: &[&str] = &[
    "mailbox full",
    "mailbox is full",
    "mailbox for user is full",
    "mailbox size",
    "over quota",
    "overquota",
    "over its quota",
    "quota exceeded",
    "exceeded storage",
    "exceeds allowed size",
    "out of storage",
    "quotaexceeded",
    "insufficient disk",
];
/// Less clear words for a missing mailbox; they count where no code says otherwise.
const NOBODY_PERHAPS: &[&str] =
    &["mailbox unavailable", "recipient address rejected: access denied", "recipient rejected"];
const RULES: &[&str] = &[
    "policy",
    "spam",
    "blocked",
    "blacklist",
    "blocklist",
    "black list",
    "block list",
    "not authenticated",
    "unauthenticated",
    "dmarc",
    "spf",
    "dkim",
    "reputation",
    "content rejected",
    "message not allowed",
    "not accepted here",
    "access denied",
    "relay",
    "prohibited",
];
const TOO_LATE: &[&str] = &[
    "timed out",
    "timeout",
    "retry time",
    "expired",
    "connection refused",
    "could not connect",
    "unable to connect",
    "too long",
    "hop count",
    "loop",
];

fn has(words: &str, list: &[&str]) -> bool {
    list.iter().any(|entry| words.contains(entry))
}

fn by_words(words: &str) -> Option<Reason> {
    match () {
        () if has(words, FULL) => Some(Reason::MailboxFull),
        () if has(words, NOBODY) || has(words, NOBODY_PERHAPS) => Some(Reason::NoMailbox),
        () if has(words, RULES) => Some(Reason::Policy),
        () if has(words, TOO_LATE) => Some(Reason::Undeliverable),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_speak_where_the_code_does_not() {
        for (status, words, expected) in [
            ("5.0.0", "smtp; 550 5.1.1 <maria@example.org>: user unknown", Some(Reason::NoMailbox)),
            ("5.0.0", "smtp; 550 no such user here", Some(Reason::NoMailbox)),
            ("5.0.0", "smtp; 552 Mailbox is over\n quota", Some(Reason::MailboxFull)),
            ("5.0.0", "smtp; 550 Blocked by our policy", Some(Reason::Policy)),
            ("5.5.0", "smtp;550 5.5.0 Requested action not taken: mailbox unavailable", Some(Reason::NoMailbox)),
            (
                "5.4.1",
                "smtp;550 5.4.1 Recipient address rejected: Access denied. [AS(201806281)]",
                Some(Reason::NoMailbox),
            ),
            ("5.4.1", "", Some(Reason::Undeliverable)),
            ("5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound", Some(Reason::NoMailbox)),
            ("5.1.8", "Access denied, bad outbound sender", Some(Reason::Refused)),
            (
                "",
                "554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]",
                Some(Reason::NoMailbox),
            ),
            (
                "",
                "554 delivery error: dd Sorry, your message cannot be delivered. This mailbox is disabled (554.30).",
                Some(Reason::NoMailbox),
            ),
            ("", "554 Message not allowed - [PH01] Email not accepted for policy reasons.", Some(Reason::Policy)),
            ("5.7.1", "550 5.7.1 user unknown", Some(Reason::NoMailbox)),
            ("5.7.26", "This mail is unauthenticated", Some(Reason::Policy)),
            ("5.2.2", "552 mailbox unavailable", Some(Reason::MailboxFull)),
            ("4.4.7", "", Some(Reason::Undeliverable)),
            ("5.3.0", "", Some(Reason::Refused)),
            ("", "", None),
            ("2.0.0", "fine", None),
        ] {
            assert_eq!(why(status, words), expected, "{status} {words}");
        }
        assert!(has_final_code("said 554 and") && has_final_code("5.1.1") && !has_final_code("in 5 days, 5.1"));
    }
}
