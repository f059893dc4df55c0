//! Accounts of people who sign in on the web: one for each address, over all lists, with the powers it
//! gives.
//!
//! A session stores what the person has proved; the powers that follow are looked up on each request.
//! So a former owner loses the power immediately, and a changed password ends the sessions that the old
//! one opened.

use super::login::{self, LoggedIn};
use super::rules::pay_for_sign_in;
use super::{MembershipError, Origin, Refusal, Registry, checked, split};
use crate::RunError;
use crate::role::{self, Role};
use crate::seal::keyed;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_spool::Spool;
use dormouse_store::{
    Config, List, Member, Proof, Proved, Read, SignIn, Site, Store, StoreError, Tx, VisitorSession,
};
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

/// The secret in a browser's cookie or in a link. It cannot be guessed, and the store has only its
/// hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A token's length in hexadecimal digits: 256 bits.
const DIGITS: usize = 64;

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Creates a random token and stores nothing.
    pub fn new(tx: &Read) -> Result<Token, StoreError> {
        let mut bytes = [0; DIGITS / 2];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Io {
            action: "get random bytes for",
            path: tx.path().to_owned(),
            source: error.into(),
        })?;
        Ok(Token(hex(&bytes)))
    }

    /// Reads a token from a request; `None` if it does not have the form of one.
    pub fn parse(text: &str) -> Option<Token> {
        let is_one = text.len() == DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Token(text.to_owned()))
    }

    /// The text for a cookie or a link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash under which the store knows the token.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// The value in the hidden field of forms shown to this token's holder. Other sites cannot know it.
    pub fn form_key(&self) -> String {
        hex(&keyed(self.0.as_bytes(), &["form"]).finalize().into_bytes()[..16])
    }

    /// Whether `key` is this token's [`form_key`](Token::form_key).
    pub fn is_form_key(&self, key: &str) -> bool {
        let Some(bytes) = unhex(key).filter(|bytes| bytes.len() == 16) else { return false };
        keyed(self.0.as_bytes(), &["form"]).verify_truncated_left(&bytes).is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// What a person may do on a list, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// Decide on held posts and waiting requests.
    Moderator,
    /// Change all settings and members of the list.
    Owner,
    /// Change everything on every list, and create and remove lists.
    Site,
}

/// Whether a person has a power now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The person has it.
    Has,
    /// The person had it, but the proof is too old: the password must be typed again.
    MustShowAgain,
    /// The person does not have it.
    HasNot,
}

/// A person who is signed in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The token that the browser sends.
    pub token: Token,
    /// When and from where the session began, and what was proved. Proofs that are no longer valid are
    /// left out.
    pub session: VisitorSession,
    /// The language that this person chose on a list; empty if none.
    pub language: String,
}

impl Account {
    /// Returns the account of a session's token, if the session is open.
    pub fn open(store: &Read, token: Token, now: Timestamp) -> Result<Option<Account>, StoreError> {
        let Some(mut session) = store.session(&token.hash(), now)? else { return Ok(None) };
        let mut holding = Vec::new();
        for proved in session.proofs {
            if fingerprint(store, &proved.proof)?.is_some_and(|now| now == proved.fingerprint) {
                holding.push(proved);
            }
        }
        session.proofs = holding;
        if session.proofs.is_empty() {
            return Ok(None);
        }
        let language = language_of(store, &session)?;
        Ok(Some(Account { token, session, language }))
    }

    /// The addresses that are proved to be this person's.
    pub fn addresses(&self) -> impl Iterator<Item = &AddressKey> {
        self.session.proofs.iter().filter_map(|proved| match &proved.proof {
            Proof::Address(address) => Some(address),
            _ => None,
        })
    }

    /// A short name of the person, for the page's head.
    pub fn name(&self) -> String {
        let address = self.session.proofs.iter().find_map(|proved| match &proved.proof {
            Proof::Address(address) | Proof::Member(_, address) => Some(address.clone()),
            _ => None,
        });
        address.map_or_else(|| "by password".to_owned(), String::from)
    }

    /// Returns this person's membership on a list, if there is one.
    pub fn member_of(&self, store: &Read, list: &List) -> Result<Option<Member>, StoreError> {
        for proved in &self.session.proofs {
            let address = match &proved.proof {
                Proof::Address(address) => address,
                Proof::Member(id, address) if *id == list.id => address,
                _ => continue,
            };
            if let Some(member) = store.member(list.id, address)? {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// Whether this person has at least the power `wanted` on a list; without a list, on the whole
    /// site.
    pub fn standing(
        &self,
        config: &Config,
        list: Option<&List>,
        power: Power,
        now: Timestamp,
    ) -> Standing {
        let since = now - config.members_login_lifetime.duration();
        let mut standing = Standing::HasNot;
        for proved in &self.session.proofs {
            if given(config, list, &proved.proof).is_some_and(|given| given >= power) {
                if proved.at > since {
                    return Standing::Has;
                }
                standing = Standing::MustShowAgain;
            }
        }
        standing
    }

    /// The greatest power on a list that this person has now.
    pub fn power(&self, config: &Config, list: &List, now: Timestamp) -> Option<Power> {
        [Power::Site, Power::Owner, Power::Moderator]
            .into_iter()
            .find(|power| self.standing(config, Some(list), *power, now) == Standing::Has)
    }

    /// Whether this person runs a list, perhaps only after proving it again.
    pub fn runs(&self, config: &Config, list: &List) -> bool {
        self.session.proofs.iter().any(|proved| given(config, Some(list), &proved.proof).is_some())
    }
}

/// The power that a proof gives on a list, or over the site.
fn given(config: &Config, list: Option<&List>, proof: &Proof) -> Option<Power> {
    let names = |addresses: &[String], address: &str| {
        addresses.iter().any(|named| named.trim().eq_ignore_ascii_case(address))
    };
    match proof {
        Proof::Site => Some(Power::Site),
        Proof::Address(address) if names(&config.web_administrators, address) => Some(Power::Site),
        Proof::Address(address) => list.and_then(|list| {
            if names(&list.settings.owner, address) {
                Some(Power::Owner)
            } else {
                names(&list.settings.moderator, address).then_some(Power::Moderator)
            }
        }),
        Proof::Owner(id) => list.filter(|list| list.id == *id).map(|_| Power::Owner),
        Proof::Moderator(id) => list.filter(|list| list.id == *id).map(|_| Power::Moderator),
        Proof::Member(..) => None,
    }
}

/// The secret behind a proof, such as a password's hash: when it changes, the proof is no longer valid.
/// `None` if it was removed.
fn fingerprint(store: &Read, proof: &Proof) -> Result<Option<String>, StoreError> {
    let hash = match proof {
        Proof::Address(_) => return Ok(Some(String::new())),
        // It need not have one: a link may have proved it.
        Proof::Member(list, address) => {
            let hash = store.member_password(*list, address)?;
            return Ok(Some(hex(&Sha256::digest(hash.as_bytes()))));
        }
        Proof::Owner(list) => store.kept_setting(*list, "password")?.unwrap_or_default(),
        Proof::Moderator(list) => store.kept_setting(*list, "mod_password")?.unwrap_or_default(),
        Proof::Site => role::site_password(store)?,
    };
    Ok((!hash.is_empty()).then(|| hex(&Sha256::digest(hash.as_bytes()))))
}

/// A proof made now.
fn proved(store: &Read, proof: Proof, now: Timestamp) -> Result<Proved, StoreError> {
    let fingerprint = fingerprint(store, &proof)?.unwrap_or_default();
    Ok(Proved { proof, fingerprint, at: now })
}

/// What a link proves that was mailed to a member: the address or, if the member's mail goes elsewhere
/// (umbrella lists), only the membership.
pub fn by_link(store: &Read, list: &List, address: &str) -> Result<Proved, StoreError> {
    let key = AddressKey::of(address);
    let proof = match list.mailed(address) == address {
        true => Proof::Address(key),
        false => Proof::Member(list.id, key),
    };
    proved(store, proof, Timestamp::now())
}

impl Registry<'_> {
    /// Returns what a password proves: that the person is the member with the address, or has one of
    /// `roles`.
    pub fn prove(
        &mut self,
        roles: &[Role],
        address: &str,
        password: &str,
    ) -> Result<Proved, MembershipError> {
        let proof = match self.log_in(roles, address, password)? {
            LoggedIn::Member(address) => Proof::Member(self.list.id, AddressKey::of(&address)),
            LoggedIn::As(Role::Site) => Proof::Site,
            LoggedIn::As(Role::Owner) => Proof::Owner(self.list.id),
            LoggedIn::As(Role::Moderator | Role::Poster) => Proof::Moderator(self.list.id),
        };
        Ok(proved(self.store.read(), proof, self.now)?)
    }
}

/// Whether a password is the site's.
pub fn prove_site(
    tx: &Tx<'_>,
    site: &Site,
    origin: &Origin,
    password: &str,
) -> Result<Proved, MembershipError> {
    let now = Timestamp::now();
    login::counted(tx, site, origin, now, || {
        let is_right = role::is_sites(tx, password)?;
        Ok(is_right.then(|| proved(tx.read(), Proof::Site, now)).transpose()?)
    })
}

/// Starts a session and ends the previous one, whose token others may know. What the previous one
/// proved is kept.
pub fn begin(
    tx: &Tx<'_>,
    config: &Config,
    earlier: Option<&Account>,
    proofs: Vec<Proved>,
    (network, agent): (&str, &str),
    now: Timestamp,
) -> Result<Account, StoreError> {
    /// Longer names of browsers are cut, in bytes.
    const AGENT: usize = 200;
    let mut session = VisitorSession {
        id: 0,
        created_at: now,
        expires_at: now + config.archives_login_lifetime.duration(),
        network: network.to_owned(),
        agent: agent.chars().filter(|letter| !letter.is_control()).take(AGENT).collect(),
        proofs,
    };
    if let Some(earlier) = earlier {
        tx.end_session(earlier.session.id)?;
        for old in &earlier.session.proofs {
            if session.proofs.iter().all(|new| new.proof != old.proof) {
                session.proofs.push(old.clone());
            }
        }
    }
    let token = Token::new(tx.read())?;
    tx.begin_session(&token.hash(), &session)?;
    let language = language_of(tx.read(), &session)?;
    Ok(Account { token, session, language })
}

/// The first language that this person has chosen as a member of a list.
fn language_of(store: &Read, session: &VisitorSession) -> Result<String, StoreError> {
    for proved in &session.proofs {
        let (lists, address) = match &proved.proof {
            Proof::Address(address) => (store.lists_of(address)?, address),
            Proof::Member(list, address) => (vec![*list], address),
            _ => continue,
        };
        for list in lists {
            let language = store.language_of(list, address)?;
            if !language.is_empty() {
                return Ok(language);
            }
        }
    }
    Ok(String::new())
}

/// Mails an address a link that signs it in and leads on to `goal`. If the address has nothing to do
/// with any list here, no mail is sent, and the page does not show the difference.
pub fn send_link(
    site: &Site,
    spool: &Spool,
    store: &Store,
    origin: Origin,
    address: &str,
    goal: &str,
) -> Result<Result<(), Refusal>, RunError> {
    let Ok(address) = checked(address) else { return Ok(Ok(())) };
    // Counted for unknown addresses, too; otherwise the limit would show which addresses are known.
    let paid = store.write(|tx| {
        split(pay_for_sign_in(tx, site.config(), &origin, &address, Timestamp::now()))
    })?;
    if let Err(refusal) = paid {
        return Ok(Err(refusal));
    }
    let Some(list) = list_for(site, store.read(), &address)? else { return Ok(Ok(())) };
    super::act(site, spool, store, &list, origin, |registry| {
        let token = Token::new(registry.store.read())?;
        let lifetime = registry.site.config().members_login_lifetime.duration().as_secs_f64();
        let sign_in = SignIn {
            address: AddressKey::of(&address),
            goal: goal.to_owned(),
            expires_at: registry.now + lifetime,
        };
        registry.store.add_sign_in(&token.hash(), &sign_in, registry.now)?;
        let language = registry.store.read().language_of(registry.list.id, &address)?;
        let url = format!("{}signin/{}", registry.list.web_page_url(site.config()), token.as_str());
        let asker = registry.origin.from().to_owned();
        let mail =
            registry.notices().sign_in_link(&address, &url, sign_in.expires_at, &asker, &language);
        registry.send(mail);
        Ok(())
    })
}

/// Returns a list with which an address has to do: the mail is written in that list's name.
fn list_for(site: &Site, store: &Read, address: &str) -> Result<Option<List>, StoreError> {
    for id in store.lists_of(address)? {
        // Mail to a member of an umbrella list goes elsewhere.
        if let Some(list) = store.list_by_id(id)?.filter(|list| list.mailed(address) == address) {
            return Ok(Some(list));
        }
    }
    let proof = Proof::Address(AddressKey::of(address));
    for list in store.iter_lists() {
        let list = list?;
        if given(site.config(), Some(&list), &proof).is_some() {
            return Ok(Some(list));
        }
    }
    Ok(None)
}

/// Returns where to go after signing in, if `goal` is a page of this site.
pub fn local_goal(base: &str, goal: &str) -> Option<String> {
    /// No page of ours has a longer address.
    const LONGEST: usize = 2000;
    let is_local = goal.len() <= LONGEST
        && goal.starts_with(base)
        && goal.starts_with('/')
        && !goal.starts_with("//")
        && !goal.contains(|letter: char| letter.is_control() || letter == '\\' || letter == ' ');
    is_local.then(|| goal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_gone_on_to() {
        let base = "/mailman/";
        for good in ["/mailman/mine", "/mailman/admindb/dev?sender=a%40b", "/mailman/"] {
            assert_eq!(local_goal(base, good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "https://evil.example/",
            "//evil.example/mailman/",
            "/\\evil.example",
            "/elsewhere",
            "mailman/mine",
            "/mailman/\r\nSet-Cookie: a=b",
            "/mailman/\\..\\x",
            "javascript:alert(1)",
            "/mailman/ x",
            &format!("/mailman/{}", "x".repeat(3000)),
        ] {
            assert_eq!(local_goal(base, bad), None, "{bad}");
        }
        assert_eq!(local_goal("/", "//evil.example/"), None);
        assert_eq!(local_goal("/", "/\\evil.example/"), None);
        assert_eq!(local_goal("/", "/mine").as_deref(), Some("/mine"));
    }

    #[test]
    fn a_form_key_is_its_tokens_alone() {
        let (one, other) = (Token("a".repeat(64)), Token("b".repeat(64)));
        assert!(one.is_form_key(&one.form_key()));
        assert!(!one.is_form_key(&other.form_key()));
        for wrong in ["", "x", "é", &"0".repeat(32), &one.form_key()[..30]] {
            assert!(!one.is_form_key(wrong), "{wrong}");
        }
        assert_eq!(Token::parse(&"A".repeat(64)), None);
        assert_eq!(Token::parse(&"a".repeat(63)), None);
        assert_eq!(Token::parse(one.as_str()), Some(one));
    }
}
