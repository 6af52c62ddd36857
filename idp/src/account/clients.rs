//! What is known of the browser at the other end.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

/// Bytes of an IPv6 address that name a network; whoever holds it holds all addresses below.
const IPV6_NETWORK_BYTES: usize = 8;

/// The network a request comes from: an IPv4 address or an IPv6 /64.
pub(super) fn network(request: &HttpRequest) -> String {
    match request.peer_addr().map(|peer| peer.ip().to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let network: String = address
                .octets()
                .iter()
                .take(IPV6_NETWORK_BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{network}/64")
        }
        None => "unknown".to_owned(),
    }
}

/// Browser and system in two words, for the holder to recognise; nothing finer is kept.
pub(super) fn describe(request: &HttpRequest) -> String {
    let agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_network_of_ipv6_is_counted_as_one() {
        let from = |address: &str| {
            network(&TestRequest::default().peer_addr(address.parse().unwrap()).to_http_request())
        };
        assert_eq!(from("[2001:db8::1]:1"), from("[2001:db8::ffff:2]:9"));
        assert_ne!(from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
        assert_eq!(from("[::ffff:192.0.2.1]:1"), from("192.0.2.1:7"));
    }

    #[test]
    fn a_browser_is_named_in_two_words() {
        let request = TestRequest::default()
            .insert_header((USER_AGENT, "Mozilla/5.0 (Linux; Android 9; SM-J260) AppleWebKit/537.36 Chrome/119.0 Mobile Safari/537.36"))
            .to_http_request();
        assert_eq!(describe(&request), "Chrome, Android");
        assert_eq!(describe(&TestRequest::default().to_http_request()), "");
    }
}
