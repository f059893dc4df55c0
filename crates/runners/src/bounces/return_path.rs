//! Return paths: the envelope senders of posts, and what a bounce to one of them proves
//! (docs/bounces.md).
//!
//! A tag is bound to a list and the week in which it was created, and signed with the site's key:
//! nobody else can create one, and it is valid for at least three weeks.

use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_mail::verp::{self, TAG_LENGTH, Tag};
use dormouse_membership::seal::keyed;
use dormouse_spool::Metadata;
use dormouse_store::{List, Read, ReturnPathTag, Store, StoreError};
use hmac::Mac as _;

/// The name of the site's key.
const SECRET: &str = "return-path";
/// The period in which all tags are the same, in seconds: senders that change often are greylisted
/// often.
const WEEK: u64 = 7 * 86_400;
/// For how many weeks tags are valid. A mail may be tried for five days here and for five
/// elsewhere.
const GOOD_WEEKS: u16 = 3;
/// How many characters of a tag are its week; the others are the signature, 50 bits.
const WEEK_SIGNS: usize = 3;
const SIGNS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Creates and checks a list's tags.
#[derive(Debug, Clone)]
pub struct Tags {
    key: Vec<u8>,
    list: String,
    week: u16,
}

impl Tags {
    /// Returns the tags for a list's mail, if its return paths have tags. The key is created the
    /// first time.
    pub fn for_mail(store: &Store, list: &List) -> Result<Option<Tags>, StoreError> {
        if list.settings.return_path_tag == ReturnPathTag::No {
            return Ok(None);
        }
        let key = match store.read().existing_secret(SECRET)? {
            Some(key) => key,
            None => store.write(|tx| tx.secret(SECRET))?,
        };
        Ok(Some(Tags::new(key, list)))
    }

    /// Returns the tags for a list's bounces, if any were ever created here.
    fn for_bounces(store: &Read, list: &List) -> Result<Option<Tags>, StoreError> {
        Ok(store.existing_secret(SECRET)?.map(|key| Tags::new(key, list)))
    }

    fn new(key: Vec<u8>, list: &List) -> Tags {
        // Week numbers repeat after 600 years, and with them old tags become valid again.
        let week = (Timestamp::now().seconds() as u64 / WEEK % (1 << 15)) as u16;
        Tags { key, list: list.id.to_string(), week }
    }

    /// Creates the tag of a recipient, or without one, of the list.
    fn make(&self, week: u16, recipient: Option<&str>) -> String {
        let recipient = recipient.map(str::to_lowercase);
        let kind = if recipient.is_some() { "recipient" } else { "list" };
        let texts = [kind, &self.list, &week.to_string(), recipient.as_deref().unwrap_or_default()];
        let signature = keyed(&self.key, &texts).finalize().into_bytes();
        let signature =
            signature.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let signs = |number: u64, count: usize| {
            (0..count)
                .rev()
                .map(move |place| char::from(SIGNS[(number >> (5 * place) & 31) as usize]))
        };
        signs(week.into(), WEEK_SIGNS).chain(signs(signature, TAG_LENGTH - WEEK_SIGNS)).collect()
    }

    /// Whether a tag was created here and is not too old. The comparison takes constant time.
    fn is_good(&self, tag: &str, recipient: Option<&str>) -> bool {
        let week = tag.bytes().take(WEEK_SIGNS).fold(0u16, |number, sign| {
            let value = SIGNS.iter().position(|known| *known == sign).unwrap_or(0);
            number << 5 | value as u16
        });
        let age = self.week.wrapping_sub(week) & 0x7fff;
        let right = self.make(week, recipient);
        age <= GOOD_WEEKS
            && bool::from(subtle::ConstantTimeEq::ct_eq(right.as_bytes(), tag.as_bytes()))
    }
}

/// The envelope senders of one entry.
#[derive(Debug)]
pub struct Senders {
    local: String,
    host: String,
    tags: Option<Tags>,
    many: String,
}

impl Senders {
    /// Creates the envelope senders for mail from `sender`. Tags are only for mail from the list's
    /// bounce address.
    pub fn new(sender: String, site_host: &str, tags: Option<Tags>) -> Senders {
        let (local, host) = match sender.rsplit_once('@') {
            Some((local, host)) => (local.to_owned(), host.to_owned()),
            None => (sender.clone(), site_host.to_owned()),
        };
        let many = match &tags {
            Some(tags) => format!("{local}+{}@{host}", tags.make(tags.week, None)),
            None => sender,
        };
        Senders { local, host, tags, many }
    }

    /// Returns the sender for a transaction with several recipients. An MTA with XVERP adds each of
    /// them.
    pub fn for_many(&self) -> &str {
        &self.many
    }

    /// Returns the sender for one recipient (VERP); `None` for a recipient without a domain.
    pub fn for_one(&self, recipient: &str) -> Option<String> {
        let tag = self.tags.as_ref().map(|tags| tags.make(tags.week, Some(recipient)));
        verp::encode(&self.local, &self.host, recipient, tag.as_deref())
    }
}

/// The content of the address that a bounce was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnPath {
    /// It is a probe's, with this cookie.
    Probe(String),
    /// It is a post's.
    Post {
        /// The recipient whose mail bounced, if the address contains it.
        recipient: Option<String>,
        /// Whether it has a valid tag.
        is_proved: bool,
    },
}

impl ReturnPath {
    /// Reads it from the envelope, if the MTA passed it, and from the headers in which MTAs write
    /// it (docs/spec/bounces.md §1). Proved addresses come before others.
    pub fn find(
        store: &Read,
        list: &List,
        message: &Message,
        metadata: &Metadata,
    ) -> Result<ReturnPath, StoreError> {
        let tags = Tags::for_bounces(store, list)?;
        let names = names(store, list)?;
        let envelope = metadata.envelope().envelope_recipient().map(std::borrow::Cow::into_owned);
        let headers = ["To", "Delivered-To", "X-Original-To", "Envelope-To", "Apparently-To"]
            .into_iter()
            .flat_map(|name| message.mailboxes(name))
            .map(|mailbox| mailbox.address);
        let mut plain = None;
        for address in envelope.into_iter().chain(headers) {
            match ReturnPath::read(&address, &names, tags.as_ref()) {
                Some(found @ (ReturnPath::Probe(_) | ReturnPath::Post { is_proved: true, .. })) => {
                    return Ok(found);
                }
                found => plain = plain.or(found),
            }
        }
        Ok(plain.unwrap_or(ReturnPath::Post { recipient: None, is_proved: false }))
    }

    /// Returns the recipient of the mail that was sent from an address, if the address proves it.
    pub fn proved_recipient(
        store: &Read,
        list: &List,
        address: &str,
    ) -> Result<Option<String>, StoreError> {
        let tags = Tags::for_bounces(store, list)?;
        Ok(match ReturnPath::read(address, &names(store, list)?, tags.as_ref()) {
            Some(ReturnPath::Post { recipient, is_proved: true }) => recipient,
            _ => None,
        })
    }

    fn read(address: &str, names: &[String], tags: Option<&Tags>) -> Option<ReturnPath> {
        if let Some(cookie) = probe_cookie(address, names) {
            return Some(ReturnPath::Probe(cookie));
        }
        let readings = verp::readings(address);
        let mine = readings.into_iter().filter(|verp| is_bounce_address(&verp.bounces, names));
        let mut plain = None;
        for verp in mine {
            let recipient = verp.recipient;
            let good = |tag: &str, of: Option<&str>| tags.is_some_and(|tags| tags.is_good(tag, of));
            let is_proved = match &verp.tag {
                Some(Tag::OfRecipient(tag)) => good(tag, recipient.as_deref()),
                Some(Tag::OfList(tag)) => good(tag, None),
                None => false,
            };
            if is_proved {
                return Some(ReturnPath::Post { recipient, is_proved });
            }
            // A tag that is not valid may have expired; the recipient in it is still returned, but
            // not as proved.
            plain = plain.or(recipient);
        }
        plain.map(|recipient| ReturnPath::Post { recipient: Some(recipient), is_proved: false })
    }
}

/// Returns the list's name in its addresses, and its former names: mail from before a rename may
/// bounce later.
fn names(store: &Read, list: &List) -> Result<Vec<String>, StoreError> {
    let former = store.former_names(list.id)?;
    let former = former.iter().map(|former| former.local_part().to_lowercase());
    Ok([list.local_part().to_lowercase()].into_iter().chain(former).collect())
}

fn is_bounce_address(bounces: &str, names: &[String]) -> bool {
    ["-bounces", "-admin"].iter().any(|suffix| {
        bounces.strip_suffix(suffix).is_some_and(|name| names.iter().any(|known| known == name))
    })
}

/// Returns the cookie in `L-bounces+COOKIE@H`.
fn probe_cookie(address: &str, names: &[String]) -> Option<String> {
    let address = address.to_lowercase();
    let (bounces, cookie) = address.rsplit_once('@')?.0.rsplit_once('+')?;
    let is_cookie = cookie.len() == 40 && cookie.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_cookie && is_bounce_address(bounces, names)).then(|| cookie.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::Site;

    struct Fixture {
        _home: tempfile::TempDir,
        store: Store,
        list: List,
    }

    fn fixture() -> Fixture {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let list =
            store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "l.example", &[])).unwrap();
        Fixture { _home: home, store, list }
    }

    impl Fixture {
        fn tags(&self) -> Tags {
            Tags::for_mail(&self.store, &self.list).unwrap().unwrap()
        }

        fn senders(&self) -> Senders {
            Senders::new("dev-bounces@l.example".to_owned(), "l.example", Some(self.tags()))
        }

        fn find(&self, to: &str) -> ReturnPath {
            let message = Message::parse(format!("To: {to}\n\n"));
            ReturnPath::find(self.store.read(), &self.list, &message, &Metadata::new()).unwrap()
        }
    }

    fn post(recipient: Option<&str>, is_proved: bool) -> ReturnPath {
        ReturnPath::Post { recipient: recipient.map(str::to_owned), is_proved }
    }

    #[test]
    fn every_return_path_that_is_sent_is_understood_and_proved_in_any_case() {
        let fixture = fixture();
        let senders = fixture.senders();
        let many = senders.for_many().to_owned();
        assert_eq!(fixture.find(&many), post(None, true));
        let one = senders.for_one("A+b=c@X.example").unwrap();
        assert_eq!(fixture.find(&one), post(Some("a+b=c@x.example"), true));
        assert_eq!(fixture.find(&one.to_uppercase()), post(Some("a+b=c@x.example"), true));
        // What an MTA with XVERP makes of it.
        let (local, host) = many.split_once('@').unwrap();
        let by_mta = format!("{local}+anna=x.example@{host}");
        assert_eq!(fixture.find(&by_mta), post(Some("anna@x.example"), true));
    }

    #[test]
    fn a_tag_of_another_recipient_list_site_or_time_proves_nothing() {
        let fixture = fixture();
        let one = fixture.senders().for_one("anna@x.example").unwrap();
        let forged = one.replace("anna", "bert");
        assert_eq!(fixture.find(&forged), post(Some("bert@x.example"), false));
        let tags = fixture.tags();
        for (back, good) in [(0, true), (3, true), (4, false)] {
            let tag = tags.make(tags.week.wrapping_sub(back) & 0x7fff, None);
            let address = format!("dev-bounces+{tag}@l.example");
            assert_eq!(fixture.find(&address), post(None, good), "{back} weeks");
        }
        let other = Tags { list: "99".to_owned(), ..tags.clone() };
        assert!(!tags.is_good(&other.make(tags.week, None), None));
        let other = Tags { key: b"another".to_vec(), ..tags.clone() };
        assert!(!tags.is_good(&other.make(tags.week, None), None));
        assert!(!tags.is_good(&tags.make(tags.week, None), Some("anna@x.example")));
    }

    #[test]
    fn mailmans_forms_are_understood_and_prove_nothing() {
        let fixture = fixture();
        let verp = "Dev-Bounces+Anna=x.example@l.example";
        assert_eq!(fixture.find(verp), post(Some("anna@x.example"), false));
        assert_eq!(fixture.find("dev-bounces@l.example"), post(None, false));
        assert_eq!(fixture.find("ops-bounces+anna=x.example@l.example"), post(None, false));
        let cookie = "0123456789abcdef0123456789abcdef01234567";
        let probe = format!("dev-bounces+{cookie}@l.example");
        assert_eq!(fixture.find(&probe), ReturnPath::Probe(cookie.to_owned()));
    }

    #[test]
    fn the_envelope_is_read_before_the_headers() {
        let fixture = fixture();
        let message = Message::parse("To: dev-bounces+bert=x.example@l.example\n\n");
        let mut metadata = Metadata::new();
        metadata.set_text("envelope_recipient", "dev-bounces+anna=x.example@l.example");
        let found =
            ReturnPath::find(fixture.store.read(), &fixture.list, &message, &metadata).unwrap();
        assert_eq!(found, post(Some("anna@x.example"), false));
    }
}
