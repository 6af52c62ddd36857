//! Whose request it is, by address: the peer's, or the one a trusted proxy names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::dev::ServiceRequest;
use serde::{Deserialize, Serialize};

/// Bits of an IPv6 address that identify a customer rather than one of its machines.
const IPV6_CUSTOMER_BITS: u8 = 64;

/// A range of addresses in CIDR notation, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Not a network in CIDR notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network in CIDR notation: {0:?}")]
pub struct BadNetwork(String);

fn as_bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl Network {
    /// Whether the address lies in this range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((own, width), (other, other_width)) =
            (as_bits(self.address), as_bits(address.to_canonical()));
        width == other_width
            && (own ^ other)
                .checked_shr(u32::from(width - self.bits))
                .unwrap_or(0)
                == 0
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (_, width) = as_bits(address);
        let bits = match bits {
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= width)
                .ok_or_else(bad)?,
            None => width,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl TryFrom<String> for Network {
    type Error = BadNetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// The address of the client: the peer's; if that is a trusted proxy, the last address in `X-Forwarded-For` that
/// is not one. A header from anybody else is ignored.
pub fn of_request(request: &ServiceRequest, trusted_proxies: &[Network]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let trusted = |address: IpAddr| {
        trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    if !trusted(peer) {
        return Some(peer);
    }
    let mut client = peer;
    let headers: Vec<_> = request.headers().get_all("x-forwarded-for").collect();
    let hops = headers.iter().rev().filter_map(|value| value.to_str().ok());
    for hop in hops.flat_map(|value| value.rsplit(',')) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !trusted(client) {
            break;
        }
    }
    Some(client)
}

/// The part of an address that limits count by: an IPv4 address, the first 64 bits of an IPv6 one.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = !(u128::MAX >> IPV6_CUSTOMER_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
        for value in forwarded {
            request = request.append_header(("x-forwarded-for", *value));
        }
        let trusted: Vec<Network> = trusted.iter().map(|n| n.parse().unwrap()).collect();
        of_request(&request.to_srv_request(), &trusted)
            .unwrap()
            .to_string()
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let proxies = &["10.0.0.0/8", "::1/128"][..];
        for (peer, forwarded, trusted, expected) in [
            ("203.0.113.5", &["1.1.1.1"][..], proxies, "203.0.113.5"),
            ("10.1.1.1", &["198.51.100.7"], proxies, "198.51.100.7"),
            (
                "10.1.1.1",
                &["6.6.6.6, 198.51.100.7"],
                proxies,
                "198.51.100.7",
            ),
            (
                "10.1.1.1",
                &["6.6.6.6", "198.51.100.7, 10.2.2.2"],
                proxies,
                "198.51.100.7",
            ),
            ("10.1.1.1", &["6.6.6.6, rubbish"], proxies, "10.1.1.1"),
            ("10.1.1.1", &[], proxies, "10.1.1.1"),
            ("10.1.1.1", &["1.1.1.1"], &[], "10.1.1.1"),
        ] {
            assert_eq!(client(peer, forwarded, trusted), expected);
        }
    }

    #[test]
    fn networks_parse_and_contain() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(
                network.contains(inside.parse().unwrap()),
                "{network} {inside}"
            );
            assert!(
                !network.contains(outside.parse().unwrap()),
                "{network} {outside}"
            );
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "ten/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ipv6_neighbours_share_a_network(high: u64, low: u64, other: u64) {
            let at = |low: u64| IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)));
            prop_assume!(at(low).to_canonical().is_ipv6() && at(other).to_canonical().is_ipv6());
            prop_assert_eq!(network_of(at(low)), network_of(at(other)));
        }
    }
}
