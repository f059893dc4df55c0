//! Shared code of the commands that change memberships.

use super::call::Trouble;
pub use crate::commands::member::office::{
    NamedAddress, Office, TOGETHER, subscribe, subscribe_all,
};
use dormouse_mail::address::{Address, AddressError};
use dormouse_membership::join::Wish;
use dormouse_membership::{Refusal, Registry, split};
use dormouse_pattern::{Flags, Pattern};
use dormouse_store::{List, StoreError};

/// How memberships began or ended here, as stored with the consent.
pub const HOW: &str = "by the administrator";

/// Invites somebody.
pub fn invite(
    registry: &mut Registry<'_>,
    person: &NamedAddress,
    digest: bool,
    message: &str,
) -> Result<Result<(), Refusal>, StoreError> {
    let wish = Wish {
        address: person.address.clone(),
        real_name: person.name.clone(),
        digest: Some(digest),
        ..Wish::default()
    };
    split(registry.invite(&wish, message))
}

/// Returns why somebody was not added, in the words of Mailman's commands.
pub fn refused(list: &List, line: &str, address: &str, why: &Refusal) -> String {
    match why {
        Refusal::Member => format!("Already a member: {line}"),
        Refusal::Banned(_) => {
            let pattern = banned(list, address).unwrap_or("the site's ban list");
            format!("{line}: Banned address (matched {pattern})")
        }
        Refusal::Address(_) | Refusal::ListAddress => refusal(line, AddressError::Invalid),
        other => format!("{line}: {other}"),
    }
}

/// Returns the entry of a list's `ban_list` that bans an address.
pub fn banned<'l>(list: &'l List, address: &str) -> Option<&'l str> {
    let flags = Flags { ignore_case: true, ..Flags::default() };
    let matches = |entry: &&String| {
        if entry.starts_with('^') {
            Pattern::new(entry, flags).and_then(|pattern| pattern.search(address)).unwrap_or(false)
        } else {
            entry.trim().eq_ignore_ascii_case(address)
        }
    };
    list.settings.ban_list.iter().find(matches).map(String::as_str)
}

/// Returns why a line was not accepted, in the words of Mailman's commands.
pub fn refusal(line: &str, why: AddressError) -> String {
    match why {
        AddressError::Invalid => format!("Bad/Invalid email address: {line}"),
        AddressError::Hostile => format!("Hostile address (illegal characters): {line}"),
    }
}

/// Parses an address.
pub fn must_be_address(address: &str) -> Result<(), Trouble> {
    Address::parse(address)
        .map(drop)
        .map_err(|_| Trouble::usage(format!("Not a valid email address: {address}")))
}
