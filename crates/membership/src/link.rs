//! Links that need no login. Each is sealed with the site's key and names its purpose.

use crate::seal;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_store::{HeldRequest, List, RequestId, Site, StoreError};

/// Why a link is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// It was not created here, or was changed on its way.
    #[error("this link is not one of ours, or was cut off on its way")]
    Forged,
    /// It has expired.
    #[error("this link has expired")]
    Expired,
}

/// Why a link to something that waits for a moderator is refused.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link is not valid.
    #[error(transparent)]
    Bad(#[from] BadLink),
    /// It was decided in the meantime.
    #[error("this {what} does not wait any more: {how}")]
    Decided {
        /// A post, or a request.
        what: &'static str,
        /// The decision.
        how: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LinkError {
    /// The post was decided on; `how`, if that is still known.
    pub fn decided_post(how: Option<String>) -> LinkError {
        LinkError::decided("post", how)
    }

    /// The request was decided on; `how`, if that is still known.
    pub(crate) fn decided_request(how: Option<String>) -> LinkError {
        LinkError::decided("request", how)
    }

    fn decided(what: &'static str, how: Option<String>) -> LinkError {
        let how = how.unwrap_or_else(|| "somebody has decided on it".to_owned());
        LinkError::Decided { what, how }
    }
}

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
) -> Result<(String, Timestamp), BadLink> {
    match seal::open(secret, "unsubscribe", token).as_deref() {
        Some([id, address, since]) if *id == list.id.to_string() => {
            let since: f64 = since.parse().map_err(|_| BadLink::Forged)?;
            Ok((address.clone(), Timestamp::from_seconds(since / 1e3)))
        }
        _ => Err(BadLink::Forged),
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
) -> Result<(RequestId, String), BadLink> {
    let fields = seal::open(secret, "request", token).ok_or(BadLink::Forged)?;
    let [id, cookie, expires] = fields.as_slice() else { return Err(BadLink::Forged) };
    let (Ok(id), Ok(expires)) = (id.parse(), expires.parse::<Timestamp>()) else {
        return Err(BadLink::Forged);
    };
    if expires < now { Err(BadLink::Expired) } else { Ok((id, cookie.clone())) }
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
            name: "dev".parse().unwrap(),
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
        assert!(open_review(b"key", token, Timestamp::EPOCH).is_err());
        let form = form(&list(1), b"key", "192.0.2.0", time(10.0));
        assert_eq!(form_age(&list(1), b"key", "192.0.2.0", &form, time(15.0)), Some(5.0));
        assert_eq!(form_age(&list(1), b"key", "192.0.3.0", &form, time(15.0)), None);
    }
}
