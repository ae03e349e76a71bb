//! Email addresses as people and other programs write them.

use super::EmailAddress;
use crate::text;
use unicode_normalization::UnicodeNormalization;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailProblem {
    /// not of the form name@example.org
    NotOne,
    /// more than one address
    Several,
    /// letters before the @ that hardly any mail server supports (RFC 6531 is an extension)
    Mailbox,
}

/// The longest address (RFC 5321, 4.5.3.1.3, without the angle brackets), in bytes.
const LONGEST: usize = 254;

impl EmailAddress {
    /// The address without what surrounds it; `None` if there is none, or none that mail can be sent to.
    pub fn parse(text: &str) -> Option<EmailAddress> {
        EmailAddress::read(text).ok()
    }

    /// Reads `jane@example.org`, `Jane <jane@example.org>` and `mailto:` (RFC 6068). A domain becomes lower case, and one
    /// with accents its ASCII form (RFC 5891).
    ///
    /// # Errors
    /// See [`EmailProblem`].
    pub fn read(text: &str) -> Result<EmailAddress, EmailProblem> {
        let whole: String = text::visible(text).nfkc().collect();
        if is_several(&whole) {
            return Err(EmailProblem::Several);
        }
        let bare = without_name(whole.trim());
        let (mailbox, domain) = bare.rsplit_once('@').ok_or(EmailProblem::NotOne)?;
        let domain = idna::domain_to_ascii(domain).map_err(|_| EmailProblem::NotOne)?;
        if !mailbox.is_ascii() {
            return Err(EmailProblem::Mailbox);
        }
        let address = format!("{mailbox}@{domain}");
        let parsed: lettre::Address = address.parse().map_err(|_| EmailProblem::NotOne)?;
        // a domain without a dot is reachable only inside a local network
        let fine = address.len() <= LONGEST && parsed.domain().contains('.');
        if fine { Ok(EmailAddress(address)) } else { Err(EmailProblem::NotOne) }
    }

    /// A key that is the same for all spellings of one address: domains ignore case, and so do mailboxes in practice.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The address for a page that opens without a proof: `j…@…`. Who owns the mailbox knows it again; nobody else learns where
    /// it is.
    pub fn hidden(&self) -> String {
        format!("{}…@…", self.0.chars().next().unwrap_or_default())
    }

    /// The address for showing, mostly hidden: `j…@example.org`.
    pub fn masked(&self) -> String {
        let (mailbox, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        format!("{}…@{domain}", mailbox.chars().next().unwrap_or_default())
    }
}

fn is_several(text: &str) -> bool {
    let parts = text.split([',', ';', '/', '|', '<', '>']).flat_map(str::split_whitespace);
    parts.filter(|part| part.contains('@')).count() > 1
}

/// The text in the angle brackets, or all of it, without scheme, comment and punctuation of a sentence.
fn without_name(text: &str) -> String {
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(inside, _)| inside);
    let inside = inside.trim().trim_matches(['"', '\'', '<', '>']);
    let is_uri = inside.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let bare = if is_uri {
        let to = inside.get(7..).unwrap_or_default().split('?').next().unwrap_or_default();
        percent_encoding::percent_decode_str(to).decode_utf8_lossy().into_owned()
    } else {
        inside.to_owned()
    };
    // the comment in `jane@example.org (Jane)`
    let bare =
        bare.split_once('(').filter(|(before, _)| before.contains('@')).map_or(bare.as_str(), |(before, _)| before);
    bare.trim().trim_end_matches(['.', ',', ';', ':']).trim().to_owned()
}
