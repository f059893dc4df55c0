//! The client of a request.

use crate::connection::Peer;
use crate::looks::Looks;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, header};
use dormouse_store::Config;
use dormouse_words::Language;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// A client, usually a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The client's address, if known.
    pub address: String,
    /// The network of that address, by which requests are counted: /24, for IPv6 /64.
    pub network: String,
    /// The requested host.
    pub host: String,
    /// The browser's name for itself (User-Agent).
    pub agent: String,
    /// The path of all pages as browsers see it, with a slash at the end.
    pub base: String,
    /// Whether browsers reach the pages encrypted.
    pub is_secure: bool,
    /// The requested page, below `base`, with its query.
    pub page: String,
    /// Whether another site's page caused the request.
    pub is_sent_from_elsewhere: bool,
    /// Whether the browser says that one of our pages caused the request. Programs that fill in forms
    /// do not say so.
    pub is_browser_on_our_page: bool,
    /// The preferred language: the browser's, or the site's.
    pub language: Language,
    /// The site's appearance.
    pub looks: Arc<Looks>,
    /// The Cookie header.
    cookies: String,
}

impl Visitor {
    /// Reads a request. The headers of a web server in front are trusted if it is one of the site's
    /// (`web.proxies`), or connects over a Unix socket, which only it can reach.
    pub fn of(request: &Request, config: &Config, looks: &Arc<Looks>) -> Visitor {
        let peer = request.extensions().get::<ConnectInfo<Peer>>().and_then(|peer| peer.0.address);
        let peer = peer.map(|address| address.ip());
        let headers = request.headers();
        let address = address(peer, headers, &config.web_proxies);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let host = text(header::HOST);
        let url = match config.web_url.trim() {
            "" => "https://host/mailman/",
            url => url,
        };
        let base = url.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
        let mut base = base.unwrap_or("/").to_owned();
        if !base.ends_with('/') {
            base.push('/');
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let page = path.strip_prefix("/mailman").filter(|rest| rest.starts_with('/'));
        let fetch = text(header::HeaderName::from_static("sec-fetch-site"));
        // From a page that sends no Referer, browsers send the origin "null".
        let origin = text(header::ORIGIN).split_once("://").map(|(_, origin)| origin);
        Visitor {
            address: address.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string()),
            network: address.map_or_else(|| "unknown".to_owned(), network),
            agent: text(header::USER_AGENT).to_owned(),
            base,
            is_secure: !url.starts_with("http://"),
            page: page.unwrap_or(path).trim_start_matches('/').to_owned(),
            is_sent_from_elsewhere: match fetch {
                "" => origin.is_some_and(|origin| !origin.eq_ignore_ascii_case(host)),
                fetch => fetch == "cross-site" || fetch == "same-site",
            },
            is_browser_on_our_page: fetch == "same-origin",
            host: host.rsplit_once(':').map_or(host, |(host, _)| host).to_lowercase(),
            language: Language::best(text(header::ACCEPT_LANGUAGE))
                .or_else(|| Language::of(config.list_defaults.get("preferred_language")?))
                .unwrap_or_default(),
            looks: Arc::clone(looks),
            cookies: cookies(headers),
        }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The requested page, as browsers see it.
    pub fn here(&self) -> String {
        format!("{}{}", self.base, self.page)
    }
}

/// Each web server on the way appends the address of its client. From the right, the first that is not
/// one of ours is the client; what precedes it may be forged.
fn address(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[String]) -> Option<IpAddr> {
    let is_proxy = |address: IpAddr| {
        let proxies = proxies.iter().filter_map(|proxy| proxy.trim().parse::<IpAddr>().ok());
        proxies.map(|proxy| proxy.to_canonical()).any(|proxy| proxy == address.to_canonical())
    };
    if peer.is_some_and(|peer| !is_proxy(peer)) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let seen = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut nearest = peer;
    for seen in seen {
        // Our web servers write addresses only.
        let Some(seen) = forwarded(seen.trim()) else { break };
        nearest = Some(seen);
        if !is_proxy(seen) {
            break;
        }
    }
    nearest
}

/// Parses an address as web servers write it, some with a port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port)
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
    fn whoever_came_through_several_of_our_web_servers_is_known_by_what_the_first_has_seen() {
        let proxies = ["127.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1"].map(str::to_owned);
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        for (lines, seen) in [
            (&["198.51.100.7, 10.0.0.2, 10.0.0.1"][..], "198.51.100.7"),
            (&["192.0.2.66, 198.51.100.7, 10.0.0.1"], "198.51.100.7"),
            (&["192.0.2.66, 198.51.100.7", "10.0.0.2", "10.0.0.1"], "198.51.100.7"),
            (&["198.51.100.7:4711, ::ffff:10.0.0.1"], "198.51.100.7"),
            (&["[2001:db8::9]:443,[2001:db8::1]"], "2001:db8::9"),
            (&["2001:db8::9"], "2001:db8::9"),
            // A forged address of one of ours.
            (&["10.0.0.2, 198.51.100.7"], "198.51.100.7"),
            // Only ours.
            (&["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
            (&["unknown, 10.0.0.1"], "10.0.0.1"),
            (&["198.51.100.7, unknown"], "127.0.0.1"),
            (&[""], "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(address(ip("127.0.0.1"), &headers, &proxies), ip(seen), "{lines:?}");
        }
    }

    #[test]
    fn neighbours_are_counted_together() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network_of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }
}
