//! Links that need no login: each is sealed with the site's key, and says what it is good for.

use crate::seal;
use dormouse_mail::AddressKey;
use dormouse_store::{HeldRequest, List, RequestId, Site, StoreError};

/// Why a link leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, or was changed on its way.
    #[error("this link is not one of ours, or was cut off on its way")]
    Forged,
    /// Its time is over.
    #[error("this link has expired")]
    Expired,
    /// What it leads to waits no longer.
    #[error("this request does not wait any more: {0}")]
    Decided(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is said where nobody knows any more what was decided.
pub const DECIDED: &str = "somebody has decided on it";

/// The page where the holder of the link ends a membership with one click (RFC 8058). It is good as
/// long as the membership that the address has at `now`, in seconds since the epoch.
pub fn unsubscribe_url(list: &List, site: &Site, secret: &[u8], address: &str, now: f64) -> String {
    // Up to the next millisecond: not before the member joined.
    let since = format!("{:.0}", (now * 1e3).ceil());
    let fields = [&*list.id.to_string(), &AddressKey::of(address), &since];
    let token = seal::seal(secret, "unsubscribe", &fields);
    format!("{}/{token}", list.web_url(site.config(), "unsubscribe"))
}

/// Whose membership such a link ends, in lower case, and at which time it was that address's.
pub fn open_unsubscribe(
    list: &List,
    secret: &[u8],
    token: &str,
) -> Result<(String, f64), LinkError> {
    match seal::open(secret, "unsubscribe", token).as_deref() {
        Some([id, address, since]) if *id == list.id.to_string() => {
            let since: f64 = since.parse().map_err(|_| LinkError::Forged)?;
            Ok((address.clone(), since / 1e3))
        }
        _ => Err(LinkError::Forged),
    }
}

/// Whose membership the first such link in a `List-Unsubscribe` field ends.
pub fn in_list_unsubscribe(list: &List, secret: &[u8], field: &str) -> Option<String> {
    field.split(['<', '>', ',', ' ']).find_map(|url| {
        let token = url.split(['?', '#']).next()?.rsplit('/').next()?;
        open_unsubscribe(list, secret, token).ok().map(|(address, _since)| address)
    })
}

/// The page where the holder of the link decides on a request, until `expires`.
pub fn review_url(
    list: &List,
    site: &Site,
    secret: &[u8],
    held: &HeldRequest,
    expires: f64,
) -> String {
    let until = format!("{expires:.0}");
    let token = seal::seal(secret, "request", &[&held.id.to_string(), &held.cookie, &until]);
    format!("{}request/{token}", list.web_page_url(site.config()))
}

/// The number and the cookie of the request such a link leads to.
pub fn open_review(secret: &[u8], token: &str, now: f64) -> Result<(RequestId, String), LinkError> {
    let fields = seal::open(secret, "request", token).ok_or(LinkError::Forged)?;
    let [id, cookie, expires] = fields.as_slice() else { return Err(LinkError::Forged) };
    let (Ok(id), Ok(expires)) = (id.parse(), expires.parse::<f64>()) else {
        return Err(LinkError::Forged);
    };
    if expires < now { Err(LinkError::Expired) } else { Ok((id, cookie.clone())) }
}

/// Whose options a form is about, and who has opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The member.
    pub address: String,
    /// The member is it who opened it, and not one who runs the list: only the member may change
    /// something on other lists.
    pub is_own: bool,
}

impl Session {
    fn purpose(is_own: bool) -> &'static str {
        if is_own { "session" } else { "managing" }
    }
}

/// What such a form carries until `expires`.
pub fn session(list: &List, secret: &[u8], session: &Session, expires: f64) -> String {
    member_until(list, secret, Session::purpose(session.is_own), &session.address, expires)
}

/// What such a form is for.
pub fn open_session(
    list: &List,
    secret: &[u8],
    token: &str,
    now: f64,
) -> Result<Session, LinkError> {
    let opened = |is_own| {
        let address = open_member(list, secret, Session::purpose(is_own), token, now)?;
        Ok(Session { address, is_own })
    };
    match opened(true) {
        Err(LinkError::Forged) => opened(false),
        other => other,
    }
}

/// What the cookie of somebody says who has shown to be a member and may read the archive, until
/// `expires`; for those who run the list the address is empty. It is good for nothing else.
pub fn reading(list: &List, secret: &[u8], address: &str, expires: f64) -> String {
    member_until(list, secret, "reading", address, expires)
}

/// Which member such a cookie is for.
pub fn open_reading(
    list: &List,
    secret: &[u8],
    token: &str,
    now: f64,
) -> Result<String, LinkError> {
    open_member(list, secret, "reading", token, now)
}

fn member_until(list: &List, secret: &[u8], purpose: &str, address: &str, expires: f64) -> String {
    let until = format!("{expires:.0}");
    seal::seal(secret, purpose, &[&list.id.to_string(), &AddressKey::of(address), &until])
}

fn open_member(
    list: &List,
    secret: &[u8],
    purpose: &str,
    token: &str,
    now: f64,
) -> Result<String, LinkError> {
    let fields = seal::open(secret, purpose, token).ok_or(LinkError::Forged)?;
    match fields.as_slice() {
        [id, address, expires] if *id == list.id.to_string() => {
            let expires: f64 = expires.parse().map_err(|_| LinkError::Forged)?;
            if expires < now { Err(LinkError::Expired) } else { Ok(address.clone()) }
        }
        _ => Err(LinkError::Forged),
    }
}

/// What a page of members carries whose reader may see them, and the hidden ones or not, until
/// `expires`.
pub fn roster(list: &List, secret: &[u8], sees_hidden: bool, expires: f64) -> String {
    let (sees, until) = (if sees_hidden { "all" } else { "shown" }, format!("{expires:.0}"));
    seal::seal(secret, "roster", &[&list.id.to_string(), sees, &until])
}

/// Whether the reader of such a page sees the hidden members, too.
pub fn open_roster(list: &List, secret: &[u8], token: &str, now: f64) -> Result<bool, LinkError> {
    let fields = seal::open(secret, "roster", token).ok_or(LinkError::Forged)?;
    match fields.as_slice() {
        [id, sees, expires] if *id == list.id.to_string() => {
            let expires: f64 = expires.parse().map_err(|_| LinkError::Forged)?;
            if expires < now { Err(LinkError::Expired) } else { Ok(sees == "all") }
        }
        _ => Err(LinkError::Forged),
    }
}

/// What a form for strangers carries: when it was opened and from which network.
pub fn form(list: &List, secret: &[u8], network: &str, now: f64) -> String {
    seal::seal(secret, "form", &[&list.id.to_string(), network, &format!("{now:.3}")])
}

/// How long, in seconds, such a form lay open; nothing when it is no form of this list for that
/// network.
pub fn form_age(list: &List, secret: &[u8], network: &str, token: &str, now: f64) -> Option<f64> {
    let fields = seal::open(secret, "form", token)?;
    match fields.as_slice() {
        [id, from, opened] if *id == list.id.to_string() && from == network => {
            opened.parse::<f64>().ok().map(|opened| now - opened)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::{ListId, ListSettings};

    fn list(id: i64) -> List {
        let settings =
            ListSettings { host_name: "l.example".to_owned(), ..ListSettings::default() };
        List {
            id: ListId::new(id),
            name: "dev".to_owned(),
            created_at: 1.0,
            post_id: 1,
            last_post_time: 0.0,
            settings,
        }
    }

    #[test]
    fn a_link_is_good_for_its_list_and_its_purpose() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let url = unsubscribe_url(&list(1), &site, b"key", "Anna@x.example", 7.0);
        let token = url.strip_prefix("https://l.example/mailman/unsubscribe/dev/").unwrap();
        let opened = open_unsubscribe(&list(1), b"key", token).unwrap();
        assert_eq!(opened, ("anna@x.example".to_owned(), 7.0));
        assert!(open_unsubscribe(&list(2), b"key", token).is_err());
        assert!(open_session(&list(1), b"key", token, 0.0).is_err());
        for is_own in [true, false] {
            let anna = Session { address: "anna@x.example".to_owned(), is_own };
            let token = session(&list(1), b"key", &anna, 100.0);
            assert_eq!(open_session(&list(1), b"key", &token, 99.0).unwrap(), anna);
        }
        let anna = Session { address: "anna@x.example".to_owned(), is_own: true };
        let session = session(&list(1), b"key", &anna, 100.0);
        let late = open_session(&list(1), b"key", &session, 101.0);
        assert!(matches!(late, Err(LinkError::Expired)));
        assert!(open_unsubscribe(&list(1), b"key", &session).is_err());
        let page = roster(&list(1), b"key", true, 100.0);
        assert!(open_roster(&list(1), b"key", &page, 99.0).unwrap());
        assert!(
            !open_roster(&list(1), b"key", &roster(&list(1), b"key", false, 9.0), 8.0).unwrap()
        );
        assert!(open_roster(&list(1), b"key", &page, 101.0).is_err());
        assert!(open_roster(&list(2), b"key", &page, 99.0).is_err());
        assert!(open_roster(&list(1), b"key", &session, 99.0).is_err());
        assert!(open_reading(&list(1), b"key", &session, 99.0).is_err());
        let reading = reading(&list(1), b"key", "anna@x.example", 100.0);
        assert_eq!(open_reading(&list(1), b"key", &reading, 99.0).unwrap(), "anna@x.example");
        assert!(open_session(&list(1), b"key", &reading, 99.0).is_err());
        let form = form(&list(1), b"key", "192.0.2.0", 10.0);
        assert_eq!(form_age(&list(1), b"key", "192.0.2.0", &form, 15.0), Some(5.0));
        assert_eq!(form_age(&list(1), b"key", "192.0.3.0", &form, 15.0), None);
    }
}
