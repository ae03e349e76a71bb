//! The proxies in front of the server, and which of their headers are trusted.

use ipnet::IpNet;
use std::net::IpAddr;

/// The header in which proxies pass on the caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

impl ProxyHeader {
    /// The header with this name; `None` for any other name.
    pub(super) fn parse(name: &str) -> Option<ProxyHeader> {
        match name.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Some(ProxyHeader::XForwardedFor),
            "forwarded" => Some(ProxyHeader::Forwarded),
            _ => None,
        }
    }
}

/// The proxies in front of the server.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// whether there are any
    pub are_there: bool,
    /// their addresses; empty: there is one proxy, and every connection comes from it
    pub trusted: Vec<IpNet>,
    /// the header in which they pass on the caller's address
    pub header: ProxyHeader,
}

impl Proxies {
    /// Whether this is the address of a named proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Reads addresses and networks, separated by commas.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    let one = |word: &str| word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(one).collect()
}
