//! The proxies in front, and what of theirs is believed.

use ipnet::IpNet;
use std::net::IpAddr;

/// The header in which proxies tell the caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

impl ProxyHeader {
    /// By its name.
    pub(super) fn parse(name: &str) -> Option<ProxyHeader> {
        match name.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Some(ProxyHeader::XForwardedFor),
            "forwarded" => Some(ProxyHeader::Forwarded),
            _ => None,
        }
    }
}

/// The proxies in front.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// whether there are any
    pub are_there: bool,
    /// their addresses; empty: there is one, and it is whoever connects
    pub trusted: Vec<IpNet>,
    /// where they tell the caller's address
    pub header: ProxyHeader,
}

impl Proxies {
    /// Whether this is the address of one that is named.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Addresses and networks, commas between.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    let one = |word: &str| word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(one).collect()
}
