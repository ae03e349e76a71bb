//! Where a request comes from: the connection's address, or behind a proxy the address that the proxy names. Each proxy
//! adds the address that called it at the end, so the list is read from its end, and only as far as our own proxies
//! wrote it: the caller may have invented the rest.

use crate::config::{Proxies, ProxyHeader};
use actix_web::http::header::{HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The caller's address.
pub fn caller(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    if !proxies.are_there || !(proxies.trusted.is_empty() || proxies.trust(peer)) {
        return peer;
    }
    let mut caller = peer;
    for hop in hops(headers, proxies.header) {
        // a word such as `unknown` stands in place of an address: the proxy that wrote it is the last known address
        let Some(hop) = hop else { return caller };
        caller = hop.to_canonical();
        if !proxies.trust(caller) {
            return caller;
        }
    }
    caller
}

/// The addresses in the header, the last first, over all its lines: they are one list (RFC 9110, 5.3).
fn hops(headers: &HeaderMap, header: ProxyHeader) -> Vec<Option<IpAddr>> {
    let name = match header {
        ProxyHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
        ProxyHeader::Forwarded => HeaderName::from_static("forwarded"),
    };
    let lines = headers.get_all(name).map(|line| line.to_str().unwrap_or("?").to_owned());
    let lines: Vec<String> = lines.collect();
    let entries = lines.iter().flat_map(|line| line.split(','));
    let mut hops: Vec<Option<IpAddr>> = match header {
        ProxyHeader::XForwardedFor => entries.map(address).collect(),
        ProxyHeader::Forwarded => entries.map(forwarded_for).collect(),
    };
    hops.reverse();
    hops
}

/// The `for` of an element of `Forwarded` (RFC 7239, 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    address(named.next()?.1)
}

/// An address, as proxies write it: bare, with a port, in brackets or quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

#[cfg(test)]
mod tests {
    use super::caller;
    use crate::config::{Proxies, ProxyHeader};
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use std::net::IpAddr;

    fn caller_behind(proxies: &Proxies, peer: &str, name: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(line).unwrap());
        }
        caller(Some(peer.parse::<IpAddr>().unwrap()), &headers, proxies).to_string()
    }

    #[test]
    fn without_a_proxy_headers_say_nothing() {
        let none = Proxies { are_there: false, ..Proxies::default() };
        assert_eq!(caller_behind(&none, "192.0.2.1", "x-forwarded-for", &["203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn one_proxy_is_believed_in_what_it_wrote_itself() {
        let one = Proxies { are_there: true, ..Proxies::default() };
        for (lines, wanted) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.1", "203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.1", "1.1.1.1, 203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9, unknown"], "192.0.2.1"),
            (&["203.0.113.9,"], "192.0.2.1"),
            (&[][..], "192.0.2.1"),
        ] {
            assert_eq!(caller_behind(&one, "192.0.2.1", "x-forwarded-for", lines), wanted, "{lines:?}");
        }
        assert_eq!(caller_behind(&one, "192.0.2.1", "forwarded", &["for=203.0.113.9"]), "192.0.2.1", "another header");
    }

    #[test]
    fn of_several_only_those_that_are_named_are_believed() {
        let trusted = ["192.0.2.1/32", "10.0.0.0/8", "2001:db8:1::/48"].map(|net| net.parse().unwrap()).to_vec();
        let several = Proxies { are_there: true, trusted, header: ProxyHeader::XForwardedFor };
        for (peer, lines, wanted) in [
            ("192.0.2.1", &["203.0.113.9, 10.1.2.3"][..], "203.0.113.9"),
            ("192.0.2.1", &["1.1.1.1, 203.0.113.9, 2001:db8:1::5, 10.1.2.3"], "203.0.113.9"),
            ("192.0.2.1", &["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
            // not one of our proxies: it may write anything
            ("198.51.100.7", &["203.0.113.9"], "198.51.100.7"),
            ("::ffff:192.0.2.1", &["203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(caller_behind(&several, peer, "x-forwarded-for", lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_where_it_is_the_proxys_header() {
        let one = Proxies { are_there: true, header: ProxyHeader::Forwarded, ..Proxies::default() };
        for (lines, wanted) in [
            (&["for=203.0.113.9;proto=https;by=10.0.0.1"][..], "203.0.113.9"),
            (&["for=10.0.0.1, For=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=10.0.0.1", "proto=https; for=\"203.0.113.9:80\""], "203.0.113.9"),
            (&["for=_hidden"], "192.0.2.1"),
            (&["proto=https"], "192.0.2.1"),
        ] {
            assert_eq!(caller_behind(&one, "192.0.2.1", "forwarded", lines), wanted, "{lines:?}");
        }
        assert_eq!(
            caller_behind(&one, "192.0.2.1", "x-forwarded-for", &["203.0.113.9"]),
            "192.0.2.1",
            "another header"
        );
    }
}
