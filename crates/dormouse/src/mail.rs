//! The commands that accept mail: they parse simple command lines as clap would, and do the work.
//!
//! Both programs use this, the small one without clap: an MTA starts one of these commands for
//! every mail, and building clap's commands takes longer than accepting the mail.

use dormouse_membership::address::Purpose;
use dormouse_runners::door::Door;
use dormouse_runners::intake::{self, Accepted, IntakeEnvelope, IntakeRefusal};
use std::ffi::OsString;
use std::path::PathBuf;

/// The site's directory if none is given.
pub const DEFAULT_SITE: &str = "/var/lib/dormouse";

/// The message if this program panics.
pub const FAULT: &str = "a bug in this program; the mail was not accepted";

/// A command that accepts mail from standard input.
#[derive(Debug)]
pub struct MailCommand {
    /// The recipient.
    pub to: To,
    /// The envelope sender, if it is known; empty for bounces.
    pub sender: Option<String>,
}

/// The recipient of mail, as the command line gives it.
#[derive(Debug)]
pub enum To {
    /// `post LIST`
    List(String),
    /// `deliver ADDRESS`
    Address(String),
    /// `mailman NAME LIST`, with the arguments of Mailman's mail wrapper (docs/spec/cli.md §4).
    Wrapper {
        /// The wrapper's name for the address.
        name: &'static WrapperName,
        /// The list's name.
        list: String,
        /// The full address of the recipient, if the MTA passes it.
        recipient: Option<String>,
    },
}

/// A name by which Mailman's mail wrapper is called.
#[derive(Debug, PartialEq, Eq)]
pub struct WrapperName {
    /// The name.
    pub name: &'static str,
    /// The part of the address that follows the list's name.
    suffix: &'static str,
    /// The purpose of mail to that address.
    purpose: Purpose,
    /// What it does, for the help.
    #[allow(dead_code, reason = "the small program prints no help")]
    pub about: &'static str,
}

/// All names of the wrapper.
pub static WRAPPER_NAMES: [WrapperName; 10] = {
    use Purpose::{Bounce, Confirm, Join, Leave, Owner, Post, Request};

    const fn of(
        name: &'static str,
        suffix: &'static str,
        purpose: Purpose,
        about: &'static str,
    ) -> WrapperName {
        WrapperName { name, suffix, purpose, about }
    }
    [
        of("post", "", Post, "Accept a post"),
        of("owner", "-owner", Owner, "Accept mail for the owners"),
        of("bounces", "-bounces", Bounce, "Accept a bounce"),
        of("admin", "-admin", Bounce, "The same as bounces, by its old name"),
        of("confirm", "-confirm", Confirm, "Accept a confirmation"),
        of("join", "-join", Join, "Accept a request to join"),
        of("subscribe", "-subscribe", Join, "The same as join"),
        of("leave", "-leave", Leave, "Accept a request to leave"),
        of("unsubscribe", "-unsubscribe", Leave, "The same as leave"),
        of("request", "-request", Request, "Accept commands"),
    ]
};

impl WrapperName {
    /// Returns the wrapper's name, if it has it.
    pub fn find(name: &str) -> Option<&'static WrapperName> {
        WRAPPER_NAMES.iter().find(|known| known.name == name)
    }
}

impl MailCommand {
    /// Parses the words after the site. Returns `None` if clap has to parse them.
    pub fn read(words: &[&str]) -> Option<MailCommand> {
        let (to, sender) = match words {
            ["post", words @ ..] => {
                let Words { to, sender, .. } = Words::read(words, false)?;
                (To::List(to?), sender)
            }
            ["deliver", words @ ..] => {
                let Words { to, sender, .. } = Words::read(words, false)?;
                let address = match to {
                    Some(address) => address,
                    None => variable("RECIPIENT")??,
                };
                (To::Address(address), sender)
            }
            ["mailman", name, words @ ..] => {
                let Words { to, recipient, sender } = Words::read(words, true)?;
                let recipient = match recipient {
                    None => variable("ORIGINAL_RECIPIENT")?,
                    given => given,
                };
                (To::Wrapper { name: WrapperName::find(name)?, list: to?, recipient }, sender)
            }
            _ => return None,
        };
        Some(MailCommand { to, sender })
    }
}

impl To {
    /// Accepts the mail.
    pub fn take(
        &self,
        door: &Door<'_>,
        sender: Option<String>,
        input: impl std::io::Read,
    ) -> Result<Accepted, IntakeRefusal> {
        let envelope = IntakeEnvelope { sender };
        match self {
            To::List(list) => intake::post(door, list, &envelope, input),
            To::Address(address) => intake::deliver(door, address, &envelope, input),
            To::Wrapper { name, list, recipient } => {
                let list = list.to_lowercase();
                let address = self.to_string();
                // An alias of another address may have led here; then the recipient's address is of
                // no use.
                let recipient =
                    recipient.as_deref().filter(|recipient| is_detailed(recipient, &address));
                let recipient = recipient.unwrap_or(&address);
                intake::to_list(door, &list, name.purpose, recipient, &envelope, input)
            }
        }
    }
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            To::List(to) | To::Address(to) => f.write_str(to),
            To::Wrapper { name: WrapperName { suffix, .. }, list, .. } => {
                let list = list.to_lowercase();
                match list.split_once('@') {
                    Some((local, host)) => write!(f, "{local}{suffix}@{host}"),
                    None => write!(f, "{list}{suffix}"),
                }
            }
        }
    }
}

/// Whether an address equals another, apart from an extension after a `+`.
fn is_detailed(recipient: &str, address: &str) -> bool {
    let local = |address: &str| {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        local.to_lowercase()
    };
    let (recipient, address) = (local(recipient), local(address));
    recipient.strip_prefix(&address).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// Returns the site and the words after it, of a command line that starts with the program's name;
/// `None` if clap has to parse them.
pub fn site_and_words(arguments: &[OsString]) -> Option<(PathBuf, Vec<&str>)> {
    let words: Option<Vec<&str>> = arguments.iter().skip(1).map(|word| word.to_str()).collect();
    let mut words = words?;
    let named = std::env::var_os("DORMOUSE_SITE");
    if named.as_ref().is_some_and(|site| site.is_empty()) {
        return None;
    }
    let mut site = named.map_or_else(|| DEFAULT_SITE.into(), PathBuf::from);
    if let ["--site", dir, ..] = words.as_slice() {
        site = PathBuf::from(plain(dir)?);
        words.drain(..2);
    }
    Some((site, words))
}

/// The arguments after the command.
struct Words {
    to: Option<String>,
    recipient: Option<String>,
    sender: Option<String>,
}

impl Words {
    fn read(words: &[&str], takes_recipient: bool) -> Option<Words> {
        let (mut to, mut sender, mut recipient) = (None, None, None);
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let (place, value) = match word {
                "--sender" => (&mut sender, value(words.next()?)?),
                "--recipient" if takes_recipient => (&mut recipient, value(words.next()?)?),
                _ => (&mut to, plain(word)?),
            };
            if place.replace(value.to_owned()).is_some() {
                return None;
            }
        }
        if sender.is_none() {
            sender = variable("SENDER")?;
        }
        Some(Words { to, recipient, sender })
    }
}

/// Returns a word if it is neither empty nor an option.
fn plain(word: &str) -> Option<&str> {
    value(word).filter(|word| !word.is_empty())
}

/// Returns a word if it is not an option. It may be empty, as the null sender is.
fn value(word: &str) -> Option<&str> {
    (!word.starts_with('-')).then_some(word)
}

/// Reads an environment variable: `Some(None)` if it is not set, `None` if it is not UTF-8.
pub fn variable(name: &str) -> Option<Option<String>> {
    match std::env::var_os(name).map(OsString::into_string) {
        None => Some(None),
        Some(text) => text.ok().map(Some),
    }
}
