//! Posts for an archive on another host of the site.
//!
//! The entry is passed on to that host over LMTP, with a proof that a host of this site sends it: a
//! MAC with a key in the site's database. The other host enqueues it in its own `archive`, under
//! the same name, before it replies 250; only then is it removed here. An archive recognizes posts
//! that it already has, so an entry that is passed on twice is archived once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dormouse_delivery::{
    Content, RecipientOutcome, Session, SessionOptions, Transaction, Transport,
};
use dormouse_mail::Message;
use dormouse_membership::seal::keyed;
use dormouse_spool::{Entry, EntryName};
use dormouse_store::Site;
use hmac::Mac as _;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The local part of sender and recipient of such messages, at the site's host.
pub const MAILBOX: &str = "dormouse-archive-entry";
/// The name of the site's key.
pub(crate) const SECRET: &str = "archive-entry";
/// The field with the list, the entry's name and the proof.
const FIELD: &str = "Dormouse-Archive-Entry";
/// The length of the message's lines.
const LINE: usize = 76;
/// How long a host is not tried again after it could not be reached.
const DOWN_FOR: Duration = Duration::from_secs(60);
/// The time limit for a connection and for a reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a local part is that of entries for archives.
pub fn is_mailbox(address: &str) -> bool {
    address.rsplit_once('@').map_or(address, |(local, _)| local).eq_ignore_ascii_case(MAILBOX)
}

/// Returns the size limit of the message around an entry, given the limit of posts in bytes (0:
/// none).
pub fn limit(posts: u64) -> u64 {
    if posts == 0 { 0 } else { posts.saturating_mul(2).saturating_add(1024 * 1024) }
}

/// Returns the message around an entry.
fn wrapped(key: &[u8], list: &str, name: &EntryName, entry: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(entry);
    let mut text =
        format!("{FIELD}: {list} {name}\n {}\n\n", proof(key, list, name.as_str(), entry));
    for line in encoded.as_bytes().chunks(LINE) {
        // Base64 is ASCII, so nothing is lost.
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.into_bytes()
}

fn proof(key: &[u8], list: &str, name: &str, entry: &[u8]) -> String {
    let mut mac = keyed(key, &["archive-entry", list, name]);
    mac.update(entry);
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _always = write!(text, "{byte:02x}");
        text
    })
}

/// An entry that another host has passed on.
#[derive(Debug)]
pub(crate) struct PassedOn {
    pub list: String,
    pub name: EntryName,
    pub entry: Entry,
}

impl PassedOn {
    /// Reads the message around an entry; returns `None` if no host of this site has sent it.
    pub fn read(key: &[u8], message: &[u8]) -> Option<PassedOn> {
        let message = Message::parse(message.to_vec());
        let field = message.text(FIELD)?;
        let mut words = field.split_ascii_whitespace();
        let (list, name, given) = (words.next()?, words.next()?, words.next()?);
        let encoded: Vec<u8> =
            message.body().iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(encoded).ok()?;
        let right = proof(key, list, name, &bytes);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(right.as_bytes(), given.as_bytes())) {
            return None;
        }
        let mut entry = Entry::from_bytes(&bytes, Path::new(name)).ok()?;
        // It must not be passed on again, whatever the settings on this host say.
        entry.metadata.edit().passed_on(true);
        Some(PassedOn { list: list.to_owned(), name: EntryName::from_base(name), entry })
    }
}

/// Why an entry was not passed on.
pub(crate) enum Trouble {
    /// It is tried again.
    Later(String),
    /// It is not tried again: another time it would fail, too.
    Never(String),
}

/// The result of one attempt.
enum Sent {
    /// The other host's reply.
    Report(RecipientOutcome),
    /// The connection was lost before the reply.
    Lost(String),
    /// There is no connection.
    Down(String),
}

/// The hosts with archives, and connections that are kept for the next entry.
#[derive(Default)]
pub(crate) struct Hosts(HashMap<String, Result<Session, (Instant, String)>>);

impl Hosts {
    /// Passes an entry on. When this returns without error, the entry is on the other host's disk.
    pub fn pass_on(
        &mut self,
        site: &Site,
        (url, key): (&str, &[u8]),
        (list, name): (&str, &EntryName),
        entry: &Entry,
    ) -> Result<(), Trouble> {
        let message = Content::new(&wrapped(key, list, name, &entry.to_bytes()));
        let was_kept = matches!(self.0.get(url), Some(Ok(_)));
        let sent = self.send(site, url, name, &message);
        // A kept connection may have been closed meanwhile.
        let sent = match sent {
            Sent::Lost(_) if was_kept => {
                self.0.remove(url);
                self.send(site, url, name, &message)
            }
            sent => sent,
        };
        match sent {
            Sent::Report(RecipientOutcome::Accepted) => Ok(()),
            Sent::Report(RecipientOutcome::Deferred(reply)) => {
                Err(Trouble::Later(format!("{url}: {reply}")))
            }
            Sent::Report(RecipientOutcome::Refused(reply)) => {
                Err(Trouble::Never(format!("{url}: {reply}")))
            }
            Sent::Lost(problem) => {
                let problem = format!("{url}: {problem}");
                self.0.insert(url.to_owned(), Err((Instant::now(), problem.clone())));
                Err(Trouble::Later(problem))
            }
            Sent::Down(problem) => Err(Trouble::Later(problem)),
        }
    }

    fn send(&mut self, site: &Site, url: &str, name: &EntryName, message: &Content) -> Sent {
        let address = format!("{MAILBOX}@{}", site.config().host);
        let mut transaction = Some(Transaction {
            unique: name.to_string(),
            recipients: Rc::new([&address].into_iter().collect()),
            sender: Cow::Owned(address),
            head: Cow::Borrowed(&[]),
            message: Cow::Borrowed(message),
            verp: false,
        });
        let session = match self.session(site, url) {
            Ok(session) => session,
            Err(problem) => return Sent::Down(problem),
        };
        let mut outcome = None;
        let sent = session.send::<std::convert::Infallible>(
            || transaction.take(),
            |_| true,
            |_, report| {
                outcome = report.outcomes.into_iter().next();
                Ok(())
            },
        );
        match (sent, outcome) {
            (Ok(()), Some(outcome)) => Sent::Report(outcome),
            (Ok(()), None) => Sent::Lost("no reply".to_owned()),
            (Err(error), _) => Sent::Lost(error.to_string()),
        }
    }

    fn session(&mut self, site: &Site, url: &str) -> Result<&mut Session, String> {
        let known = self.0.get(url);
        let is_down = matches!(known, Some(Err((since, _))) if since.elapsed() < DOWN_FOR);
        if !is_down && !matches!(known, Some(Ok(_))) {
            let opened = connect(site, url).map_err(|problem| (Instant::now(), problem));
            self.0.insert(url.to_owned(), opened);
        }
        match self.0.get_mut(url) {
            Some(Ok(session)) => Ok(session),
            Some(Err((_, problem))) => Err(problem.clone()),
            None => Err(format!("{url}: there is no connection")),
        }
    }

    /// Closes the connections.
    pub fn quit(&mut self) {
        self.0.drain().filter_map(|(_, session)| session.ok()).for_each(Session::quit);
    }
}

fn connect(site: &Site, url: &str) -> Result<Session, String> {
    let transport: Transport =
        url.parse().map_err(|error| format!("archives.hosts: {url}: {error}"))?;
    let options = SessionOptions {
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        helo: Some(site.config().host.clone()).filter(|host| !host.is_empty()),
        // The server's limit is for posts; an entry may be larger (see [`limit`]).
        any_size: true,
        ..SessionOptions::default()
    };
    Session::connect(&transport, &options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_spool::Metadata;

    #[test]
    fn an_entry_is_passed_on_byte_for_byte_and_only_with_the_sites_key() {
        let message = b"Subject: x\r\n\n.\nbare\rcr \0 nul \xff no end".to_vec();
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        let entry = Entry::new(message.clone(), metadata);
        let name = EntryName::from_base("1.5+abc");
        let text = wrapped(b"key", "dev", &name, &entry.to_bytes());
        let read = PassedOn::read(b"key", &text).expect("it is ours");
        assert_eq!((read.list.as_str(), &read.name), ("dev", &name));
        assert_eq!(read.entry.message, message);
        assert!(PassedOn::read(b"another", &text).is_none());
        // Nothing of it may be another: the list, the name, the entry, or its end.
        let text = String::from_utf8(text).unwrap();
        for (from, to) in [(": dev ", ": web "), ("1.5+", "1.6+"), ("\n\n", "\n\nAAAA\n")] {
            let forged = text.replacen(from, to, 1);
            assert_ne!(forged, text);
            assert!(PassedOn::read(b"key", forged.as_bytes()).is_none(), "{from:?}");
        }
        let cut = &text[..text.trim_end().rfind('\n').unwrap()];
        assert!(PassedOn::read(b"key", cut.as_bytes()).is_none());
        assert!(PassedOn::read(b"key", b"Subject: x\n\nx\n").is_none());
    }
}
