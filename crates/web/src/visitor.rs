//! Who asks for a page.

use crate::connection::Peer;
use crate::looks::Looks;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, header};
use dormouse_store::Config;
use dormouse_words::Language;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Somebody with a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The address it asks from, as far as that is known.
    pub address: String,
    /// The network of that address, which is what is counted: /24, for IPv6 /64.
    pub network: String,
    /// The host it asks for.
    pub host: String,
    /// The browser, as it calls itself.
    pub agent: String,
    /// The path of all pages as browsers see it, with a slash at the end.
    pub base: String,
    /// Whether browsers reach the pages encrypted.
    pub is_secure: bool,
    /// The page it asks for, below `base`, with what stands behind a `?`.
    pub page: String,
    /// Whether a page of another site made the browser ask.
    pub is_sent_from_elsewhere: bool,
    /// Whether the browser says that a page of ours made it ask, as programs that fill in forms
    /// do not.
    pub is_browser_on_our_page: bool,
    /// What it reads best: what the browser says, or the site's language.
    pub language: Language,
    /// How the site looks that it asks.
    pub looks: Arc<Looks>,
    /// Its cookies, as they came.
    cookies: String,
}

impl Visitor {
    /// Who asks. What a web server in front says is believed when it is one of the site's
    /// (`web.proxies`), or comes over a Unix socket: nobody else gets there.
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
        // Of a page that tells nobody its address, browsers say "null".
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

    /// The page it asks for, as browsers see it.
    pub fn here(&self) -> String {
        format!("{}{}", self.base, self.page)
    }
}

/// Each web server on the way writes down whom it has seen. From the right, past our own, the first
/// is whom ours have seen; what stands before it anybody may have written.
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
        // What is no address was written by nobody of ours.
        let Some(seen) = forwarded(seen.trim()) else { break };
        nearest = Some(seen);
        if !is_proxy(seen) {
            break;
        }
    }
    nearest
}

/// An address as web servers write it: some with a port.
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
            // Whoever says to be one of ours, and is none.
            (&["10.0.0.2, 198.51.100.7"], "198.51.100.7"),
            // Nobody but ours.
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
