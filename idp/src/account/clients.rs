//! What is known of the browser at the other end.

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;
use service::ClientAddress;
use service::client_address::network_of;

/// The network a request comes from: an IPv4 address or an IPv6 /64, as the edge established it behind its proxies.
pub(super) fn network(request: &HttpRequest) -> String {
    ClientAddress::of(request)
        .map(|client| client.0)
        .or_else(|| request.peer_addr().map(|peer| peer.ip()))
        .map_or_else(
            || "unknown".to_owned(),
            |address| network_of(address).to_string(),
        )
}

/// Browser and system in two words, for the holder to recognise; nothing finer is kept.
pub(super) fn describe(request: &HttpRequest) -> String {
    let agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let first = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
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
            network(
                &TestRequest::default()
                    .peer_addr(address.parse().unwrap())
                    .to_http_request(),
            )
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
