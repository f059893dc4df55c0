//! Checks of a site's settings, and of the names of hosts and lists.

use super::{MOST, a_pattern, address_or_pattern, within};
use crate::db::postgres::Address as Server;
use crate::units::Span;
use dormouse_endpoint::{Protocol, Transport};
use dormouse_mail::address::Address;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// 1 or more, for settings of the site.
pub(crate) fn positive(number: &u64) -> Result<(), String> {
    match *number {
        0 => Err("it must be at least 1".to_owned()),
        number => at_most(&number),
    }
}

/// Anything up to [`MOST`].
pub(crate) fn at_most(number: &u64) -> Result<(), String> {
    if *number as f64 > MOST { Err(format!("{number} is above {MOST}")) } else { Ok(()) }
}

/// 0 or more.
pub(crate) fn count(number: &i64) -> Result<(), String> {
    within(number, 0.0).map_err(|wrong| wrong.to_string())
}

/// A span longer than zero, because with zero something would be repeated without a pause.
pub(crate) fn some_time(span: &Span) -> Result<(), String> {
    if span.duration().is_zero() { Err("it must be longer than zero".to_owned()) } else { Ok(()) }
}

/// Mailman's acceptable characters: the names of its lists consist of these.
pub(crate) fn acceptable_name(local: &str) -> Result<(), String> {
    let acceptable = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-+_.=".contains(letter)
    };
    if local.is_empty() || !local.chars().all(acceptable) || local.starts_with(['.', '-']) {
        return Err(format!(
            "{local:?} is not a valid name for a list: letters, digits and - + _ . = are allowed, and it \
             starts with a letter or digit"
        ));
    }
    Ok(())
}

/// A name for a new list, with which all of its addresses are valid (RFC 5321 §4.1.2, §4.5.3.1.1),
/// and which is not the name of another list's file.
pub(crate) fn list_name(local: &str) -> Result<(), String> {
    /// A local part has at most 64 octets, including the longest suffix.
    const LONGEST: usize = 64 - "-unsubscribe".len();
    acceptable_name(local)?;
    let why = if local.contains("..") || local.ends_with('.') {
        "an address has no two dots in a row, and none before the @"
    } else if local.ends_with(".mbox") {
        "the archive of the list without .mbox has files with this name"
    } else if local.len() > LONGEST {
        "with the suffixes of the list's addresses it is too long for an address"
    } else {
        return Ok(());
    };
    Err(format!("{local:?} is not a valid name for a list: {why}"))
}

/// A host name (RFC 1123 §2.1), perhaps without a dot.
pub(crate) fn host(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_inner)
    };
    if name.split('.').all(label) {
        return Ok(());
    }
    Err(format!("{name:?} is not a host name such as lists.example.org"))
}

/// The URL of web pages, or nothing.
pub(crate) fn web_place(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if url.is_empty() || has_host && !url.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(format!("{url:?} is not a URL of web pages such as https://lists.example.org/mailman/"))
}

/// An OpenID Connect provider, or nothing. http:// is allowed only on this machine.
pub(crate) fn issuer(url: &str) -> Result<(), String> {
    let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    let is_local = local.iter().any(|start| {
        url.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if url.is_empty() || (url.starts_with("https://") || is_local) && web_place(url).is_ok() {
        return Ok(());
    }
    Err(format!("{url:?} is not an issuer such as https://id.example.org"))
}

/// The URL of an MTA or Maildir.
pub(crate) fn transport(url: &str) -> Result<(), String> {
    url.parse::<Transport>().map(drop).map_err(|error| {
        format!(
            "{error}; it is smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp:SOCKET or \
             maildir:DIRECTORY"
        )
    })
}

/// Domains, or patterns for domains.
pub(crate) fn domains(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| crate::limits::domain_or_pattern(item))
}

/// Pins of servers' keys: `sha256:` and 32 bytes in base64, which are 43 letters and a `=`.
pub(crate) fn pins(items: &[String]) -> Result<(), String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/');
    let is_pin = |item: &str| {
        let encoded = item.trim().strip_prefix("sha256:").and_then(|rest| rest.strip_suffix('='));
        encoded.is_some_and(|encoded| encoded.len() == 43 && encoded.chars().all(is_letter))
    };
    match items.iter().find(|item| !is_pin(item)) {
        Some(item) => Err(format!("{item:?} is not sha256: and 44 letters of base64")),
        None => Ok(()),
    }
}

/// Hosts with archives: a list, or `*`, and the LMTP server of the host.
pub(crate) fn archive_hosts(items: &[String]) -> Result<(), String> {
    let is_place = |item: &String| {
        let url = item.split_once('=').filter(|(list, _)| !list.trim().is_empty());
        url.is_some_and(|(_, url)| match url.trim().parse() {
            Ok(Transport::Smtp(endpoint)) => endpoint.protocol == Protocol::Lmtp,
            _ => false,
        })
    };
    match items.iter().find(|item| !is_place(item)) {
        Some(item) => Err(format!("{item:?} is not LIST=lmtp://HOST:PORT or *=lmtp://HOST:PORT")),
        None => Ok(()),
    }
}

/// The URL of the server with the site's database, or nothing.
pub(crate) fn store(url: &str) -> Result<(), String> {
    if url.trim().is_empty() {
        return Ok(());
    }
    Server::read(url.trim(), "", Path::new("/")).map(drop)
}

/// Where to listen, as systemd and `dormouse master` understand it, or nothing.
pub(crate) fn listen(place: &str) -> Result<(), String> {
    if place.is_empty() || place.starts_with('/') || place.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    Err(format!(
        "{place:?} is neither ADDRESS:PORT such as 127.0.0.1:8024 nor the path of a socket"
    ))
}

/// Name servers: `ADDRESS` or `ADDRESS:PORT`.
pub(crate) fn servers(items: &[String]) -> Result<(), String> {
    let is_server =
        |item: &str| item.parse::<IpAddr>().is_ok() || item.parse::<SocketAddr>().is_ok();
    match items.iter().find(|item| !is_server(item)) {
        Some(item) => Err(format!("{item:?} is not ADDRESS or ADDRESS:PORT")),
        None => Ok(()),
    }
}

/// IP addresses.
pub(crate) fn ips(items: &[String]) -> Result<(), String> {
    match items.iter().find(|item| item.parse::<IpAddr>().is_err()) {
        Some(item) => Err(format!("{item:?} is not an IP address")),
        None => Ok(()),
    }
}

/// A colour in hexadecimal digits, or nothing.
pub(crate) fn colour(text: &str) -> Result<(), String> {
    let digits = text.trim().strip_prefix('#').unwrap_or_default();
    let is_colour = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_colour || text.trim().is_empty() {
        return Ok(());
    }
    Err(format!("{text:?} is not a colour such as #1a6f45"))
}

/// The file name of a picture, or nothing.
pub(crate) fn picture(text: &str) -> Result<(), String> {
    const ENDINGS: [&str; 5] = [".png", ".jpg", ".jpeg", ".webp", ".svg"];
    let lower = text.trim().to_ascii_lowercase();
    if lower.is_empty() || ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
        return Ok(());
    }
    Err(format!("{text:?} is not a PNG, JPEG, WebP or SVG file"))
}

/// Addresses of people.
pub(crate) fn plain_addresses(items: &[String]) -> Result<(), String> {
    match items.iter().find(|item| Address::parse(item).is_err()) {
        Some(item) => Err(format!("{item:?} is not an address")),
        None => Ok(()),
    }
}

/// Patterns for names of headers.
pub(crate) fn name_patterns(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| a_pattern(item))
}

/// Addresses and `^patterns`, for settings of the site.
pub(crate) fn site_patterns(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| address_or_pattern(item)).map_err(|wrong| wrong.to_string())
}

/// `Name: pattern` each.
pub(crate) fn spammers(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| {
        let (_, pattern) =
            item.split_once(':').ok_or_else(|| format!("{item:?} is not `Name: pattern`"))?;
        a_pattern(pattern.trim())
    })
}
