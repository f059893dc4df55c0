//! Creating a list and telling its owners.

use super::super::{aliases, find_list};
use super::ask_password;
use crate::cli::NewListArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_membership::lists::{self, NewList};
use dormouse_membership::password;
use dormouse_membership::role::Role;
use dormouse_store::{List, Site, Store};
use sysexits::ExitCode;

/// Creates a list, gives it a password and tells its owners.
pub fn run(
    site: &Site,
    store: &Store,
    name: &str,
    owners: &[String],
    new: &NewListArgs,
) -> Result<(), Failure> {
    let like = new.like.as_deref().map(|other| find_list(store.read(), other)).transpose()?;
    // Ask before anything is created.
    let secret = if new.password {
        let secret = ask_password(&format!("New owners' password of {name}: "))?;
        if secret.is_empty() {
            return Err(Failure::usage("the password must not be empty; nothing was created"));
        }
        Some(secret)
    } else if new.generate_password || !new.quiet {
        let random = password::random(lists::PASSWORD_LENGTH);
        Some(random.map_err(|problem| Failure::new(ExitCode::OsErr, problem))?)
    } else {
        None
    };
    let list = make(site, store, name, owners, like.as_ref())?;
    if let Some(secret) = &secret {
        lists::set_password(store, &list, Role::Owner, secret)?;
        if new.generate_password {
            output::line(format_args!("the owners' password is {secret}"))?;
        }
    }
    if !new.quiet {
        lists::tell_owners(site, &list, secret.as_deref())?;
        let with = if secret.is_some() { ", with its password" } else { "" };
        output::line(format_args!("a mail about it goes to {}{with}", owners.join(" and ")))?;
    }
    Ok(())
}

/// Creates a list and prints what the administrator should know about it.
pub fn make(
    site: &Site,
    store: &Store,
    name: &str,
    owners: &[String],
    like: Option<&List>,
) -> Result<List, Failure> {
    let list = lists::create(site, store, NewList { name, owners, like, settings: &[] })?;
    output::line(format_args!("created the list {}: {}", list.name, list.address()))?;
    for remark in super::remarks::of(site, &list, &|name| name.ends_with("language")) {
        output::line(remark)?;
    }
    if list.settings.archive_private && like.is_none_or(|like| !like.settings.archive_private) {
        output::line(format_args!(
            "the archive of an earlier list of this name is continued, and is private; \
             `dormouse list set {} archive_private=no` makes it public",
            list.name
        ))?;
    }
    aliases::refresh_and_say(site, store)?;
    Ok(list)
}

/// Creates a list like another, for the same people.
pub fn copy(
    site: &Site,
    store: &Store,
    name: &str,
    new: &str,
    owners: &[String],
    members: bool,
) -> Result<(), Failure> {
    let other = find_list(store.read(), name)?;
    let copy = lists::Copy { name: new, owners, members, who: "an administrator" };
    let (list, members) = lists::copy(site, store, &other, copy)?;
    output::line(format_args!("created the list {}: {}", list.name, list.address()))?;
    if members > 0 {
        output::line(output::count(members, "member", "members"))?;
    }
    aliases::refresh_and_say(site, store)
}
