//! What a setting must be beyond its kind. The tables of [`crate::settings`] and [`crate::config`]
//! name the check of each beside its default; whoever changes a setting goes through it, and an import,
//! which keeps what came, reports what it finds.

use crate::settings::ListSettings;
use crate::value::Json;
use dormouse_delivery::Transport;
use dormouse_mail::address::Address;
use dormouse_pattern::{Flags, Pattern};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

/// Why a value is not right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Something in it is no address.
    #[error("{0:?} is no full address such as anna@example.org")]
    Address(String),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Value(String),
}

impl From<String> for Wrong {
    fn from(problem: String) -> Wrong {
        Wrong::Value(problem)
    }
}

type Checked = Result<(), Wrong>;

/// The list whose setting is checked.
#[derive(Clone, Copy)]
pub struct Subject<'s> {
    /// Its name on the site.
    pub name: &'s str,
    /// Its settings, with the one that is checked.
    pub settings: &'s ListSettings,
    /// Whether there is a list of that name.
    pub is_list: &'s dyn Fn(&str) -> bool,
}

impl Subject<'_> {
    fn local_part(&self) -> &str {
        self.name.split_once('@').map_or(self.name, |(local, _)| local)
    }
}

/// The handlers of the posting pipeline, in Mailman's order (spec/pipeline.md §1).
pub const HANDLERS: [&str; 22] = [
    "SpamDetect",
    "Approve",
    "Replybot",
    "Moderate",
    "Hold",
    "MimeDel",
    "Scrubber",
    "Emergency",
    "Tagger",
    "CalcRecips",
    "AvoidDuplicates",
    "Cleanse",
    "CleanseDKIM",
    "CookHeaders",
    "ToDigest",
    "ToArchive",
    "ToUsenet",
    "AfterDelivery",
    "Acknowledge",
    "WrapMessage",
    "ToOutgoing",
    "OwnerRecips",
];

/// The languages that Mailman 2.1.39 knows. Texts that are not there in one are English.
pub const LANGUAGES: [&str; 40] = [
    "ar", "ast", "ca", "cs", "da", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr",
    "gl", "he", "hr", "hu", "ia", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt", "pt_BR", "ro",
    "ru", "sk", "sl", "sr", "sv", "tr", "uk", "vi", "zh_CN", "zh_TW",
];

/// Anything from 0.
pub(crate) fn from_zero<T: PartialOrd + Default + Display>(number: &T, _: Subject<'_>) -> Checked {
    if *number < T::default() {
        return Err(Wrong::Value(format!("{number} is below 0")));
    }
    Ok(())
}

/// Anything from 1.
pub(crate) fn from_one(number: &i64, _: Subject<'_>) -> Checked {
    if *number < 1 {
        return Err(Wrong::Value(format!("{number} is below 1")));
    }
    Ok(())
}

fn an_address(address: &str) -> Checked {
    Address::parse(address).map(drop).map_err(|_| Wrong::Address(address.to_owned()))
}

/// The list's name with other capitals.
pub(crate) fn real_name(text: &str, list: Subject<'_>) -> Checked {
    if text.eq_ignore_ascii_case(list.local_part()) {
        return Ok(());
    }
    let name = list.local_part();
    Err(Wrong::Value(format!(
        "{text:?} differs from the list's name, {name}, by more than capitals"
    )))
}

/// Addresses, one at least.
pub(crate) fn owners(items: &[String], list: Subject<'_>) -> Checked {
    if items.is_empty() {
        return Err(Wrong::Value("a list has one owner at least".to_owned()));
    }
    addresses(items, list)
}

/// Addresses.
pub(crate) fn addresses(items: &[String], _: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| an_address(item))
}

/// An address or nothing.
pub(crate) fn address_or_none(text: &str, _: Subject<'_>) -> Checked {
    if text.is_empty() { Ok(()) } else { an_address(text) }
}

/// A pattern as settings have them, in which capitals do not matter.
fn a_pattern(pattern: &str) -> Result<(), String> {
    let flags = Flags { ignore_case: true, ..Flags::default() };
    Pattern::new(pattern, flags).map(drop).map_err(|error| format!("{pattern}: {error}"))
}

fn address_or_pattern(item: &str) -> Checked {
    if item.starts_with('^') { Ok(a_pattern(item)?) } else { an_address(item) }
}

/// Addresses and `^patterns`.
pub(crate) fn patterns(items: &[String], _: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| address_or_pattern(item))
}

/// The same, and the members of other lists: `@list`.
pub(crate) fn patterns_and_lists(items: &[String], list: Subject<'_>) -> Checked {
    items.iter().try_for_each(|item| match item.strip_prefix('@') {
        None => address_or_pattern(item),
        Some(other) if other.eq_ignore_ascii_case(list.name) => {
            Err(Wrong::Value(format!("{item} is the list itself")))
        }
        Some(other) if !(list.is_list)(&other.to_lowercase()) => {
            Err(Wrong::Value(format!("{item}: no mailing list here is called {other}")))
        }
        Some(_) => Ok(()),
    })
}

/// Handlers that are here.
pub(crate) fn handlers(items: &[String], _: Subject<'_>) -> Checked {
    match items.iter().find(|item| !HANDLERS.contains(&item.as_str())) {
        Some(item) => Err(Wrong::Value(format!(
            "{item} is no handler here; there are {}",
            HANDLERS.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A domain of a list's addresses.
pub(crate) fn domain(host: &str, _: Subject<'_>) -> Checked {
    match Address::parse(&format!("x@{host}")) {
        Ok(address) if address.domain() == host => Ok(()),
        Ok(address) => Err(Wrong::Value(format!("{host:?} is written {}", address.domain()))),
        Err(_) => Err(Wrong::Value(format!("{host:?} is no domain such as lists.example.org"))),
    }
}

/// A language that is known.
pub(crate) fn language(code: &str, _: Subject<'_>) -> Checked {
    if LANGUAGES.contains(&code) {
        return Ok(());
    }
    Err(Wrong::Value(format!("{code:?} is no language; there are {}", LANGUAGES.join(" "))))
}

/// Languages that are known.
pub(crate) fn languages(codes: &[String], list: Subject<'_>) -> Checked {
    codes.iter().try_for_each(|code| language(code, list))
}

/// The place of web pages, or nothing.
pub(crate) fn page(url: &str, _: Subject<'_>) -> Checked {
    Ok(web_place(url)?)
}

/// A password's hash, or nothing. A password itself would stand there for all to read, and fit nobody.
pub(crate) fn hash(text: &str, list: Subject<'_>) -> Checked {
    let is_sha1 = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_marked = ["$argon2", "{SSHA256}", "{MD5}"].iter().any(|mark| text.starts_with(mark));
    if text.is_empty() || is_sha1 || is_marked {
        return Ok(());
    }
    Err(Wrong::Value(format!(
        "passwords are kept as hashes, which this is none of; `dormouse list password {}` asks for \
         a password",
        list.name
    )))
}

/// Rules on headers, one a line: `Name: pattern`. Lines that begin with # are comments.
pub(crate) fn matching_headers(text: &str, _: Subject<'_>) -> Checked {
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (_, pattern) =
            line.split_once(':').ok_or_else(|| format!("{line:?} is no `Name: pattern`"))?;
        a_pattern(pattern.trim_start())?;
    }
    Ok(())
}

/// What may be done when a header matches, by Mailman's numbers (spec/pickles.md §3).
const ACTIONS: [i64; 5] = [0, 2, 3, 6, 7];

/// `[patterns, action, empty]` each.
pub(crate) fn header_rules(rows: &Json, _: Subject<'_>) -> Checked {
    for row in rows.0.as_array().into_iter().flatten() {
        let Some([serde_json::Value::String(patterns), action, _]) =
            row.as_array().map(Vec::as_slice)
        else {
            return Err(Wrong::Value(format!("{row} is not [patterns, action, empty]")));
        };
        if !action.as_i64().is_some_and(|action| ACTIONS.contains(&action)) {
            return Err(Wrong::Value(format!("{action} in {row} is no action: 0, 2, 3, 6 or 7")));
        }
        let patterns = patterns.lines().filter(|line| !line.starts_with('#'));
        patterns.filter(|line| !line.trim().is_empty()).try_for_each(a_pattern)?;
    }
    Ok(())
}

/// `[name, pattern, description, empty]` each.
pub(crate) fn topics(rows: &Json, _: Subject<'_>) -> Checked {
    use serde_json::Value::String as Text;
    for row in rows.0.as_array().into_iter().flatten() {
        let Some([Text(name), Text(pattern), Text(_), _]) = row.as_array().map(Vec::as_slice)
        else {
            return Err(Wrong::Value(format!("{row} is not [name, pattern, description, empty]")));
        };
        if name.trim().is_empty() || pattern.trim().is_empty() {
            return Err(Wrong::Value(format!("{row} has no name or no pattern")));
        }
        pattern.lines().filter(|line| !line.trim().is_empty()).try_for_each(a_pattern)?;
    }
    Ok(())
}

/// Anything from 1, of the site.
pub(crate) fn positive(number: &u64) -> Result<(), String> {
    if *number == 0 { Err("it must be at least 1".to_owned()) } else { Ok(()) }
}

/// A host's name (RFC 1123 §2.1); one without a dot will do.
pub(crate) fn host(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_inner)
    };
    if name.split('.').all(label) {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a host such as lists.example.org"))
}

/// The place of web pages, or nothing.
pub(crate) fn web_place(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if url.is_empty() || has_host && !url.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(format!("{url:?} is no address of web pages such as https://lists.example.org/mailman/"))
}

/// Where mail goes.
pub(crate) fn transport(url: &str) -> Result<(), String> {
    url.parse::<Transport>().map(drop).map_err(|error| {
        format!(
            "{error}; it is smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp:SOCKET or \
             maildir:DIRECTORY"
        )
    })
}

/// Where to listen, as systemd and `dormouse master` understand it, or nothing.
pub(crate) fn listen(place: &str) -> Result<(), String> {
    if place.is_empty() || place.starts_with('/') || place.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    Err(format!("{place:?} is no ADDRESS:PORT such as 127.0.0.1:8024, and no path of a socket"))
}

/// Name servers: `ADDRESS` or `ADDRESS:PORT`.
pub(crate) fn servers(items: &[String]) -> Result<(), String> {
    let is_server =
        |item: &str| item.parse::<IpAddr>().is_ok() || item.parse::<SocketAddr>().is_ok();
    match items.iter().find(|item| !is_server(item)) {
        Some(item) => Err(format!("{item:?} is no ADDRESS or ADDRESS:PORT")),
        None => Ok(()),
    }
}

/// Addresses of hosts.
pub(crate) fn ips(items: &[String]) -> Result<(), String> {
    match items.iter().find(|item| item.parse::<IpAddr>().is_err()) {
        Some(item) => Err(format!("{item:?} is no IP address")),
        None => Ok(()),
    }
}

/// Patterns on names of headers.
pub(crate) fn name_patterns(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| a_pattern(item))
}

/// Addresses and `^patterns`, of the site.
pub(crate) fn site_patterns(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| address_or_pattern(item)).map_err(|wrong| wrong.to_string())
}

/// `Name: pattern` each.
pub(crate) fn spammers(items: &[String]) -> Result<(), String> {
    items.iter().try_for_each(|item| {
        let (_, pattern) =
            item.split_once(':').ok_or_else(|| format!("{item:?} is no `Name: pattern`"))?;
        a_pattern(pattern.trim())
    })
}
