//! Links that need no login. Each is sealed with the site's key and names its purpose.

use crate::seal;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_store::{HeldRequest, List, RequestId, Site, StoreError};

/// Why a link to a page is refused.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was not created here, or was changed on its way.
    #[error("this link is not one of ours, or was cut off on its way")]
    Forged,
    /// It is too old.
    #[error("this link has expired")]
    Expired,
    /// The request was decided in the meantime; the text says how.
    #[error("this request does not wait any more: {0}")]
    Decided(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shown if it is no longer known what was decided.
pub const DECIDED: &str = "somebody has decided on it";

/// The page where the link's holder ends a membership with one click (RFC 8058). The link is valid for
/// the membership that the address has at `now`, and for no later one.
pub fn unsubscribe_url(
    list: &List,
    site: &Site,
    secret: &[u8],
    address: &str,
    now: Timestamp,
) -> String {
    // Rounded up to the next millisecond, so that it is not before the member joined.
    let since = format!("{:.0}", (now.seconds() * 1e3).ceil());
    let fields = [&*list.id.to_string(), &AddressKey::of(address), &since];
    let token = seal::seal(secret, "unsubscribe", &fields);
    format!("{}/{token}", list.web_url(site.config(), "unsubscribe"))
}

/// Returns the address, in lower case, whose membership a link ends, and the time at which the link was
/// created.
pub fn open_unsubscribe(
    list: &List,
    secret: &[u8],
    token: &str,
) -> Result<(String, Timestamp), LinkError> {
    match seal::open(secret, "unsubscribe", token).as_deref() {
        Some([id, address, since]) if *id == list.id.to_string() => {
            let since: f64 = since.parse().map_err(|_| LinkError::Forged)?;
            Ok((address.clone(), Timestamp::from_seconds(since / 1e3)))
        }
        _ => Err(LinkError::Forged),
    }
}

/// The same for the first such link in a `List-Unsubscribe` field.
pub fn in_list_unsubscribe(list: &List, secret: &[u8], field: &str) -> Option<String> {
    field.split(['<', '>', ',', ' ']).find_map(|url| {
        let token = url.split(['?', '#']).next()?.rsplit('/').next()?;
        open_unsubscribe(list, secret, token).ok().map(|(address, _since)| address)
    })
}

/// The page where the link's holder decides on a request, until `expires`.
pub fn review_url(
    list: &List,
    site: &Site,
    secret: &[u8],
    held: &HeldRequest,
    expires: Timestamp,
) -> String {
    let until = format!("{:.0}", expires.seconds());
    let token = seal::seal(secret, "request", &[&held.id.to_string(), &held.cookie, &until]);
    format!("{}request/{token}", list.web_page_url(site.config()))
}

/// Returns the number and the cookie of the request in a link.
pub fn open_review(
    secret: &[u8],
    token: &str,
    now: Timestamp,
) -> Result<(RequestId, String), LinkError> {
    let fields = seal::open(secret, "request", token).ok_or(LinkError::Forged)?;
    let [id, cookie, expires] = fields.as_slice() else { return Err(LinkError::Forged) };
    let (Ok(id), Ok(expires)) = (id.parse(), expires.parse::<Timestamp>()) else {
        return Err(LinkError::Forged);
    };
    if expires < now { Err(LinkError::Expired) } else { Ok((id, cookie.clone())) }
}

/// Whose options a form changes, and who opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The member's address.
    pub address: String,
    /// Whether the member opened it, and not an owner of the list: only the member may change something
    /// on other lists.
    pub is_own: bool,
}

impl Session {
    fn purpose(is_own: bool) -> &'static str {
        if is_own { "session" } else { "managing" }
    }
}

/// The value that such a form carries until `expires`.
pub fn session(list: &List, secret: &[u8], session: &Session, expires: Timestamp) -> String {
    member_until(list, secret, Session::purpose(session.is_own), &session.address, expires)
}

/// Reads the value of [`session`].
pub fn open_session(
    list: &List,
    secret: &[u8],
    token: &str,
    now: Timestamp,
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

/// The value of the cookie of a member who may read the archive, until `expires`; for owners and
/// moderators the address is empty. It is valid for nothing else.
pub fn reading(list: &List, secret: &[u8], address: &str, expires: Timestamp) -> String {
    member_until(list, secret, "reading", address, expires)
}

/// Reads the value of [`reading`]: the member's address.
pub fn open_reading(
    list: &List,
    secret: &[u8],
    token: &str,
    now: Timestamp,
) -> Result<String, LinkError> {
    open_member(list, secret, "reading", token, now)
}

fn member_until(
    list: &List,
    secret: &[u8],
    purpose: &str,
    address: &str,
    expires: Timestamp,
) -> String {
    let until = format!("{:.0}", expires.seconds());
    seal::seal(secret, purpose, &[&list.id.to_string(), &AddressKey::of(address), &until])
}

fn open_member(
    list: &List,
    secret: &[u8],
    purpose: &str,
    token: &str,
    now: Timestamp,
) -> Result<String, LinkError> {
    let fields = seal::open(secret, purpose, token).ok_or(LinkError::Forged)?;
    match fields.as_slice() {
        [id, address, expires] if *id == list.id.to_string() => {
            let expires: Timestamp = expires.parse().map_err(|_| LinkError::Forged)?;
            if expires < now { Err(LinkError::Expired) } else { Ok(address.clone()) }
        }
        _ => Err(LinkError::Forged),
    }
}

/// The value that the page of members carries if its reader may see the members, and whether that
/// includes hidden ones, until `expires`.
pub fn roster(list: &List, secret: &[u8], sees_hidden: bool, expires: Timestamp) -> String {
    let (sees, until) =
        (if sees_hidden { "all" } else { "shown" }, format!("{:.0}", expires.seconds()));
    seal::seal(secret, "roster", &[&list.id.to_string(), sees, &until])
}

/// Reads the value of [`roster`]: whether the reader sees hidden members, too.
pub fn open_roster(
    list: &List,
    secret: &[u8],
    token: &str,
    now: Timestamp,
) -> Result<bool, LinkError> {
    let fields = seal::open(secret, "roster", token).ok_or(LinkError::Forged)?;
    match fields.as_slice() {
        [id, sees, expires] if *id == list.id.to_string() => {
            let expires: Timestamp = expires.parse().map_err(|_| LinkError::Forged)?;
            if expires < now { Err(LinkError::Expired) } else { Ok(sees == "all") }
        }
        _ => Err(LinkError::Forged),
    }
}

/// The value that a form for anonymous visitors carries: when it was opened and from which network.
pub fn form(list: &List, secret: &[u8], network: &str, now: Timestamp) -> String {
    seal::seal(secret, "form", &[&list.id.to_string(), network, &format!("{:.3}", now.seconds())])
}

/// Returns how many seconds ago such a form was opened; `None` if it is not a form of this list for
/// that network.
pub fn form_age(
    list: &List,
    secret: &[u8],
    network: &str,
    token: &str,
    now: Timestamp,
) -> Option<f64> {
    let fields = seal::open(secret, "form", token)?;
    match fields.as_slice() {
        [id, from, opened] if *id == list.id.to_string() && from == network => {
            opened.parse::<Timestamp>().ok().map(|opened| now - opened)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::{ListId, ListSettings};

    fn time(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn list(id: i64) -> List {
        let settings =
            ListSettings { host_name: "l.example".to_owned(), ..ListSettings::default() };
        List {
            id: ListId::new(id),
            name: "dev".to_owned(),
            created_at: time(1.0),
            post_id: 1,
            last_post_time: Timestamp::EPOCH,
            settings,
        }
    }

    #[test]
    fn a_link_is_good_for_its_list_and_its_purpose() {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let url = unsubscribe_url(&list(1), &site, b"key", "Anna@x.example", time(7.0));
        let token = url.strip_prefix("https://l.example/mailman/unsubscribe/dev/").unwrap();
        let opened = open_unsubscribe(&list(1), b"key", token).unwrap();
        assert_eq!(opened, ("anna@x.example".to_owned(), time(7.0)));
        assert!(open_unsubscribe(&list(2), b"key", token).is_err());
        assert!(open_session(&list(1), b"key", token, Timestamp::EPOCH).is_err());
        for is_own in [true, false] {
            let anna = Session { address: "anna@x.example".to_owned(), is_own };
            let token = session(&list(1), b"key", &anna, time(100.0));
            assert_eq!(open_session(&list(1), b"key", &token, time(99.0)).unwrap(), anna);
        }
        let anna = Session { address: "anna@x.example".to_owned(), is_own: true };
        let session = session(&list(1), b"key", &anna, time(100.0));
        let late = open_session(&list(1), b"key", &session, time(101.0));
        assert!(matches!(late, Err(LinkError::Expired)));
        assert!(open_unsubscribe(&list(1), b"key", &session).is_err());
        let page = roster(&list(1), b"key", true, time(100.0));
        assert!(open_roster(&list(1), b"key", &page, time(99.0)).unwrap());
        assert!(
            !open_roster(&list(1), b"key", &roster(&list(1), b"key", false, time(9.0)), time(8.0))
                .unwrap()
        );
        assert!(open_roster(&list(1), b"key", &page, time(101.0)).is_err());
        assert!(open_roster(&list(2), b"key", &page, time(99.0)).is_err());
        assert!(open_roster(&list(1), b"key", &session, time(99.0)).is_err());
        assert!(open_reading(&list(1), b"key", &session, time(99.0)).is_err());
        let reading = reading(&list(1), b"key", "anna@x.example", time(100.0));
        assert_eq!(open_reading(&list(1), b"key", &reading, time(99.0)).unwrap(), "anna@x.example");
        assert!(open_session(&list(1), b"key", &reading, time(99.0)).is_err());
        let form = form(&list(1), b"key", "192.0.2.0", time(10.0));
        assert_eq!(form_age(&list(1), b"key", "192.0.2.0", &form, time(15.0)), Some(5.0));
        assert_eq!(form_age(&list(1), b"key", "192.0.3.0", &form, time(15.0)), None);
    }
}
