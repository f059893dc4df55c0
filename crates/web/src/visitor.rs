//! Who asks for a page.

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, header};
use dormouse_store::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Somebody with a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The address it asks from, as far as that is known.
    pub address: String,
    /// The network of that address, which is what is counted: /24, for IPv6 /64.
    pub network: String,
    /// The host it asks for.
    pub host: String,
    /// Its cookies, as they came.
    cookies: String,
}

impl Visitor {
    /// Who asks. What a web server in front says is believed when it is one of the site's
    /// (`web.proxies`), or comes over a Unix socket: nobody else gets there.
    pub fn of(request: &Request, config: &Config) -> Visitor {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let address = address(peer, request.headers(), &config.web_proxies);
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host).to_lowercase());
        Visitor {
            address: address.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string()),
            network: address.map_or_else(|| "unknown".to_owned(), network),
            host: host.unwrap_or_default(),
            cookies: cookies(request.headers()),
        }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

fn address(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[String]) -> Option<IpAddr> {
    let is_proxy = peer.is_none_or(|peer| {
        proxies.iter().any(|proxy| proxy.trim().parse::<IpAddr>().is_ok_and(|proxy| proxy == peer))
    });
    if !is_proxy {
        return peer;
    }
    // The last one is what our own web server has seen; what stands before it anybody may have
    // written.
    let seen = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|last| last.trim().parse().ok());
    seen.or(peer)
}

fn cookies(headers: &HeaderMap) -> String {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.collect::<Vec<_>>().join("; ")
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_web_server_is_believed() {
        let proxies = ["127.0.0.1".to_owned()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "192.0.2.1, 198.51.100.7".parse().unwrap());
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let stranger = ip("203.0.113.9");
        assert_eq!(address(stranger, &headers, &proxies), stranger);
        assert_eq!(address(ip("127.0.0.1"), &headers, &proxies), ip("198.51.100.7"));
        assert_eq!(address(None, &headers, &proxies), ip("198.51.100.7"));
        assert_eq!(address(ip("127.0.0.1"), &HeaderMap::new(), &proxies), ip("127.0.0.1"));
        assert_eq!(address(None, &HeaderMap::new(), &proxies), None);
    }

    #[test]
    fn neighbours_are_counted_together() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network_of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }
}
