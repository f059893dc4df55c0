//! Links that decide on a held post without a login. Each names one post, one action and an end, and is
//! signed with the site's key.

use crate::link::BadLink;
use crate::seal::keyed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dormouse_clock::Timestamp;
use dormouse_store::{Config, Held, HeldId, List};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::time::Duration;

/// What a link lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Decide as a moderator.
    Review,
    /// Cancel one's own post.
    Cancel,
}

/// The length of the signature in a link, in bytes: 128 bits.
const SIGNATURE: usize = 16;

/// A link to one held post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The post's number.
    pub held_id: HeldId,
    /// The permitted action.
    pub action: Action,
    /// The end of its validity, in seconds since the epoch.
    pub expires: i64,
    /// The post's own cookie, so that the link is invalid for a later post with the same number.
    cookie: String,
}

impl Link {
    /// Creates a link to a post that is valid for `lifetime`.
    pub fn new(held: &Held, action: Action, lifetime: Duration) -> Link {
        let expires = Timestamp::now() + lifetime;
        Link {
            held_id: held.id,
            action,
            expires: expires.whole_seconds(),
            cookie: held.post.cookie.clone(),
        }
    }

    /// Returns the link's part of the address: number, action, end and signature.
    pub fn token(&self, secret: &[u8]) -> String {
        let signature = self.mac(secret).finalize().into_bytes();
        format!("{}.{}", self.text(), URL_SAFE_NO_PAD.encode(&signature[..SIGNATURE]))
    }

    /// Returns the whole address on the list's pages.
    pub fn url(&self, list: &List, config: &Config, secret: &[u8]) -> String {
        let base = list.web_page_url(config);
        format!("{base}held/{}", self.token(secret))
    }

    /// Returns the post's number in a token, without checking the signature.
    pub fn held_id_of(token: &str) -> Option<HeldId> {
        token.split('.').next()?.parse().ok()
    }

    /// Checks a token against its post.
    pub fn check(token: &str, held: &Held, secret: &[u8], now: Timestamp) -> Result<Link, BadLink> {
        let link = Link::read(token, held).ok_or(BadLink::Forged)?;
        let signature = token.rsplit_once('.').map_or("", |(_, signature)| signature);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadLink::Forged)?;
        if signature.len() != SIGNATURE {
            return Err(BadLink::Forged);
        }
        link.mac(secret).verify_truncated_left(&signature).map_err(|_| BadLink::Forged)?;
        if link.expires < now.whole_seconds() { Err(BadLink::Expired) } else { Ok(link) }
    }

    fn read(token: &str, held: &Held) -> Option<Link> {
        let mut parts = token.split('.');
        let held_id = parts.next()?.parse().ok().filter(|id| *id == held.id)?;
        let action = match parts.next()? {
            "review" => Action::Review,
            "cancel" => Action::Cancel,
            _ => return None,
        };
        let expires = parts.next()?.parse().ok()?;
        Some(Link { held_id, action, expires, cookie: held.post.cookie.clone() })
    }

    fn text(&self) -> String {
        let action = match self.action {
            Action::Review => "review",
            Action::Cancel => "cancel",
        };
        format!("{}.{action}.{}", self.held_id, self.expires)
    }

    fn mac(&self, secret: &[u8]) -> Hmac<Sha256> {
        keyed(secret, &["link", &self.text(), &self.cookie])
    }
}

/// Returns the cookie of a held post: in Mailman's form, but derived from the entry, so that a
/// batch that is repeated after a crash creates the same one.
pub fn cookie(secret: &[u8], entry: &str) -> String {
    let digest = keyed(secret, &["cookie", entry]).finalize().into_bytes();
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::HeldPost;
    use proptest::prelude::*;

    fn held(id: i64, cookie: &str) -> Held {
        Held {
            id: HeldId::new(id),
            post: HeldPost {
                list_id: dormouse_store::ListId::new(1),
                entry: "1.0+a".to_owned(),
                sender: "a@x.example".to_owned(),
                subject: "s".to_owned(),
                reason: "r".to_owned(),
                setting: String::new(),
                cookie: cookie.to_owned(),
                held_at: Timestamp::from_seconds(1.0),
            },
        }
    }

    fn check(token: &str, held: &Held) -> Result<Link, BadLink> {
        Link::check(token, held, b"key", Timestamp::now())
    }

    #[test]
    fn a_link_is_good_for_its_post_and_its_action_until_it_expires() {
        let post = held(7, "c");
        let link = Link::new(&post, Action::Review, Duration::from_secs(60));
        let token = link.token(b"key");
        assert_eq!(check(&token, &post), Ok(link));
        assert_eq!(Link::held_id_of(&token), Some(HeldId::new(7)));
        assert_eq!(check(&token, &held(7, "other")), Err(BadLink::Forged));
        assert_eq!(check(&token, &held(8, "c")), Err(BadLink::Forged));
        assert_eq!(check(&token.replace("review", "cancel"), &post), Err(BadLink::Forged));
        let later = Timestamp::now() + Duration::from_secs(120);
        assert_eq!(Link::check(&token, &post, b"key", later), Err(BadLink::Expired));
        assert_eq!(
            Link::check(&token, &post, b"another key", Timestamp::now()),
            Err(BadLink::Forged)
        );
    }

    #[test]
    fn a_cookie_looks_like_mailmans_and_depends_on_key_and_entry() {
        let one = cookie(b"key", "1.0+a");
        assert!(one.len() == 40 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        assert_eq!(one, cookie(b"key", "1.0+a"));
        assert_ne!(one, cookie(b"key", "1.0+b"));
        assert_ne!(one, cookie(b"yek", "1.0+a"));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_link(text in "\\PC{0,60}", cut in 0usize..40) {
            let post = held(7, "c");
            prop_assert!(check(&text, &post).is_err());
            let token = Link::new(&post, Action::Cancel, Duration::from_secs(60)).token(b"key");
            let shorter: String = token.chars().take(cut).collect();
            prop_assert!(shorter == token || check(&shorter, &post).is_err());
        }
    }
}
