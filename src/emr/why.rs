//! Why an EMR gave nothing, in fixed words: nothing that it said gets into a log.

use crate::text_enum;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

pub(super) const LATE: &str = "it did not answer in time";
pub(super) const NO_HOST: &str = "it is not known by its name";
pub(super) const NO_CERTIFICATE: &str = "it has no certificate that can be trusted";
pub(super) const UNREACHABLE: &str = "it cannot be reached";
pub(super) const BROKEN: &str = "it answers with an error of its own";
pub(super) const NO_ADDRESS: &str = "it names an address that is none";
pub(super) const ELSEWHERE: &str = "it leads to another server";
pub(super) const CLEAR_TEXT: &str = "it names an address in clear text";
pub(super) const REDIRECTS: &str = "it redirects: write the address to which it does";
pub(super) const A_PAGE: &str = "it answers with a page and not with FHIR: check the base address";
pub(super) const NO_CONTENT: &str = "it answers without the content";
pub(super) const NO_SMART: &str =
    "it has no .well-known/smart-configuration: check the base address, or sign in otherwise";
pub(super) const NO_TOKEN_ENDPOINT: &str = "it does not say where its tokens are given out";
pub(super) const NO_TOKEN: &str = "its token endpoint does not answer with a token";
pub(super) const NOT_FHIR: &str = "what it says of itself is no CapabilityStatement";
pub(super) const OTHER_VERSION: &str = "it speaks another version than FHIR R4";
pub(super) const NO_KEY: &str = "there is no key yet";
pub(super) const BAD_KEY: &str = "the key cannot sign";
pub(super) const NOT_SIGNED_IN: &str = "it does not accept what Postern signs in with";
pub(super) const FORBIDDEN: &str = "a right is missing";
pub(super) const UNKNOWN_CLIENT: &str =
    "it does not know the client or its key: register the address of the keys there, and check client_id";
pub(super) const BAD_SCOPE: &str = "it refuses the scopes that are asked for: check scopes";
pub(super) const NO_GRANT: &str = "it gives this client no token";

/// Why an EMR gave nothing.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmrError {
    /// It does not answer, or not as it should: trying again later may help.
    #[error("the EMR is away: {0}")]
    Away(&'static str),
    /// It asks to be left alone for so long.
    #[error("the EMR asks to be left alone for {} s", .0.as_secs())]
    Later(Duration),
    /// It refuses this request: the same one will not succeed.
    #[error("the EMR refuses a request with {status}")]
    Refused {
        /// the status, from 400 to 499
        status: u16,
        /// its own reason (OperationOutcome), which may name a patient: for pages, never for a log
        words: Option<String>,
    },
    /// It does not let Postern in, or a right is missing.
    #[error("the EMR does not allow it: {0}")]
    NotAllowed(&'static str),
    /// Its answer is longer than what is read.
    #[error("the EMR's answer is too long")]
    TooLarge,
    /// It does not answer as a server that speaks FHIR R4.
    #[error("the EMR cannot be used: {0}")]
    Untrue(&'static str),
}

impl fmt::Debug for EmrError {
    /// As it is shown: without the EMR's own words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_enum! {
    /// What kind of fault it was, to be kept and told in the reader's language.
    pub enum Fault {
        /// it did not answer in time
        Late = "late",
        /// its name is not known
        NoHost = "no_host",
        /// its certificate cannot be trusted
        Certificate = "certificate",
        /// it cannot be reached, or broke
        Away = "away",
        /// it asks to be left alone for a while
        Busy = "busy",
        /// it refuses the request
        Refused = "refused",
        /// it does not know the client or its key
        Client = "client",
        /// it refuses the scopes
        Scopes = "scopes",
        /// it does not let Postern in
        NotSignedIn = "not_signed_in",
        /// a right is missing
        Forbidden = "forbidden",
        /// the answer is too long
        TooLarge = "too_large",
        /// it has no smart-configuration
        NoSmart = "no_smart",
        /// another version of FHIR
        Version = "version",
        /// it leads to another server, or to one in clear text
        Elsewhere = "elsewhere",
        /// it is no FHIR server
        NotFhir = "not_fhir",
    }
}

impl EmrError {
    /// The kind of fault.
    pub fn fault(&self) -> Fault {
        match self {
            EmrError::Away(LATE) => Fault::Late,
            EmrError::Away(NO_HOST) => Fault::NoHost,
            EmrError::Away(NO_CERTIFICATE) => Fault::Certificate,
            EmrError::Away(_) => Fault::Away,
            EmrError::Later(_) => Fault::Busy,
            EmrError::Refused { .. } => Fault::Refused,
            EmrError::NotAllowed(UNKNOWN_CLIENT) => Fault::Client,
            EmrError::NotAllowed(BAD_SCOPE) => Fault::Scopes,
            EmrError::NotAllowed(FORBIDDEN) => Fault::Forbidden,
            EmrError::NotAllowed(_) => Fault::NotSignedIn,
            EmrError::TooLarge => Fault::TooLarge,
            EmrError::Untrue(NO_SMART | NO_TOKEN_ENDPOINT) => Fault::NoSmart,
            EmrError::Untrue(OTHER_VERSION) => Fault::Version,
            EmrError::Untrue(REDIRECTS | ELSEWHERE | CLEAR_TEXT) => Fault::Elsewhere,
            EmrError::Untrue(_) => Fault::NotFhir,
        }
    }
}

/// What a failed call means.
pub(super) fn of(cause: &ureq::Error) -> EmrError {
    EmrError::Away(match cause {
        ureq::Error::BodyExceedsLimit(_) => return EmrError::TooLarge,
        ureq::Error::Timeout(_) => LATE,
        ureq::Error::HostNotFound => NO_HOST,
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => NO_CERTIFICATE,
        // a handshake that fails comes as an error of reading
        ureq::Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => NO_CERTIFICATE,
        _ => UNREACHABLE,
    })
}
