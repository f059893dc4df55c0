//! A list is created, and its owners hear of it.

use super::super::{aliases, find_list};
use super::{ask_password, set_password};
use crate::cli::NewListArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_mail::address::Address;
use dormouse_runners::notices::Notices;
use dormouse_runners::password;
use dormouse_spool::Spool;
use dormouse_store::{List, Site, Store, StoreError};
use sysexits::ExitCode;

/// How long a password is that is made up here.
const LENGTH: usize = 12;

/// Creates a list, gives it a password and tells its owners.
pub fn run(
    site: &Site,
    store: &Store,
    name: &str,
    owners: &[String],
    new: &NewListArgs,
) -> Result<(), Failure> {
    let like = new.like.as_deref().map(|other| find_list(store, other)).transpose()?;
    // Asked before anything is there.
    let secret = if new.password {
        let secret = ask_password(&format!("New owners' password of {name}: "))?;
        if secret.is_empty() {
            return Err(Failure::usage("an empty password would fit nobody; nothing was created"));
        }
        Some(secret)
    } else if new.generate_password || !new.quiet {
        let random = password::random(LENGTH);
        Some(random.map_err(|problem| Failure::new(ExitCode::OsErr, problem))?)
    } else {
        None
    };
    let list = make(site, store, name, owners, like.as_ref())?;
    if let Some(secret) = &secret {
        set_password(store, &list, "password", secret)?;
        if new.generate_password {
            output::line(format_args!("the owners' password is {secret}"))?;
        }
    }
    if !new.quiet {
        let spool = Spool::new(site.qfiles());
        let notices = Notices { list: &list, site };
        for owner in owners {
            let notice = notices.list_made(owner, secret.as_deref());
            spool.enqueue(notice.queue, &notice.entry.message, &notice.entry.metadata)?;
        }
        let with = if secret.is_some() { ", with its password" } else { "" };
        output::line(format_args!("{} get a mail about it{with}", owners.join(" and ")))?;
    }
    Ok(())
}

/// Creates a list: `name`, or `name@host` for another host than the site's. A name that the site's
/// own host has already stays with its host in the store. The site's own is for nobody but its owners.
pub fn make(
    site: &Site,
    store: &Store,
    name: &str,
    owners: &[String],
    like: Option<&List>,
) -> Result<List, Failure> {
    for owner in owners {
        Address::parse(owner)
            .map_err(|error| Failure::usage(format!("--owner {owner}: {error}")))?;
    }
    let (local, host) = name.split_once('@').unwrap_or((name, &site.config().host));
    let taken = store.list(&local.to_lowercase())?;
    let elsewhere = taken.is_some_and(|list| !list.settings.host_name.eq_ignore_ascii_case(host));
    let key = if elsewhere { format!("{local}@{host}") } else { local.to_owned() };
    let list = store.write(|tx| -> Result<_, StoreError> {
        let list = tx.create_list(&key, host, owners)?;
        if let Some(other) = like {
            tx.settings_like(&list.name, other)?;
        }
        if list.name == site.config().site_list {
            tx.set_setting(&list.name, "description", "The site's own list")?;
            tx.set_setting(&list.name, "advertised", "no")?;
            tx.set_setting(&list.name, "archive", "no")?;
        }
        tx.list(&list.name)
    })?;
    let list = list.ok_or_else(|| Failure::no_such_list(name))?;
    output::line(format_args!("made the list {}: {}", list.name, list.address()))?;
    for remark in super::remarks::of(site, &list, &|name| name.ends_with("language")) {
        output::line(remark)?;
    }
    if list.settings.archive_private && like.is_none_or(|like| !like.settings.archive_private) {
        output::line(format_args!(
            "the archive of an earlier list of this name goes on, and is private; \
             `dormouse list set {} archive_private=no` shows it to everybody",
            list.name
        ))?;
    }
    aliases::refresh_and_say(site, store)?;
    Ok(list)
}
