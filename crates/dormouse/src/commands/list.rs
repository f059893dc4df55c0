//! `list`: the mailing lists and their settings.

use super::{aliases, find_list, open};
use crate::cli::{ListCommand, PasswordArgs};
use crate::failure::Failure;
use crate::output::{self, DIM, HEAD, Table, styled};
use crate::terminal;
use dormouse_archive::Place;
use dormouse_mail::address::Address;
use dormouse_runners::password;
use dormouse_store::{List, Site, Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use sysexits::ExitCode;

#[derive(Serialize)]
struct Row {
    name: String,
    address: String,
    description: String,
    members: u64,
}

pub fn run(dir: &Path, command: ListCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        ListCommand::Create { name, owner } => create(&site, &store, &name, &owner)?,
        ListCommand::Rm { name, archives } => rm(&site, &store, &name, archives)?,
        ListCommand::Ls { json } => ls(&store, json)?,
        ListCommand::Show { name, key: Some(key), explain, json } => {
            show_one(&find_list(&store, &name)?, &key, explain, json)?;
        }
        ListCommand::Show { name, key: None, explain, json } => {
            show(&find_list(&store, &name)?, explain, json)?;
        }
        ListCommand::Password(args) => password(&store, &args)?,
        ListCommand::Set { name, changes } => set(&store, &name, &changes)?,
    }
    Ok(ExitCode::Ok)
}

/// `name`, or `name@host` for another host than the site's. A name that the site's own host has
/// already stays with its host in the store.
/// Makes a list. The site's own is for nobody but its owners.
pub fn create(site: &Site, store: &Store, name: &str, owners: &[String]) -> Result<(), Failure> {
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
        if list.name == site.config().site_list {
            tx.set_setting(&list.name, "description", "The site's own list")?;
            tx.set_setting(&list.name, "advertised", "no")?;
            tx.set_setting(&list.name, "archive", "no")?;
        }
        Ok(list)
    })?;
    output::line(format_args!("made the list {}: {}", list.name, list.address()))?;
    if list.settings.archive_private {
        output::line(format_args!(
            "the archive of an earlier list of this name goes on, and is private; \
             `dormouse list set {} archive_private=no` shows it to everybody",
            list.name
        ))?;
    }
    aliases::refresh_and_say(site, store)
}

fn rm(site: &Site, store: &Store, name: &str, archives: bool) -> Result<(), Failure> {
    let key = name.to_lowercase();
    if !store.write(|tx| tx.delete_list(&key))? {
        return Err(Failure::no_such_list(name));
    }
    output::line(format_args!("removed {name}"))?;
    let place = Place::of(site, &key);
    if archives {
        if place.remove()? {
            output::line("removed its archive")?;
        }
    } else if place.tree().exists() {
        output::line(format_args!(
            "its archive stays, seen by nobody, in {}; `list rm --archives` takes it along",
            place.tree().display()
        ))?;
    }
    aliases::refresh_and_say(site, store)
}

fn ls(store: &Store, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for list in store.lists()? {
        rows.push(Row {
            address: list.address(),
            members: store.count_members(list.id)?,
            description: list.settings.description,
            name: list.name,
        });
    }
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["List", "Address", "Members", "Description"]);
    for row in rows {
        table.row([row.name, row.address, row.members.to_string(), row.description]);
    }
    table.print()
}

fn show(list: &List, explain: bool, json: bool) -> Result<(), Failure> {
    let entries = list.settings.entries();
    // Hashes are no settings to look at.
    let shown = entries.into_iter().filter(|entry| !is_password(entry.name));
    if json {
        let settings: BTreeMap<_, _> = shown.map(|entry| (entry.name, entry.value)).collect();
        return output::json(&serde_json::json!({
            "name": list.name,
            "address": list.address(),
            "created_at": list.created_at,
            "post_id": list.post_id,
            "last_post_time": list.last_post_time,
            "settings": settings,
        }));
    }
    output::line(format_args!("{}  {}", styled(HEAD, &list.name), list.address()))?;
    for entry in shown {
        if explain {
            let kind = styled(DIM, format!("({}; default {:?})", entry.kind, entry.default));
            output::line(format_args!("# {} {kind}", entry.doc))?;
        }
        output::line(format_args!("{} = {}", entry.name, output::indented(&entry.value)))?;
    }
    Ok(())
}

/// One setting: its value alone.
fn show_one(list: &List, key: &str, explain: bool, json: bool) -> Result<(), Failure> {
    let entry = list.settings.entry(key).map_err(Failure::usage)?;
    if is_password(entry.name) {
        let text = format!("{key} is a hash and not shown; `dormouse list password` sets another");
        return Err(Failure::usage(text));
    }
    if json {
        return output::json(&entry);
    }
    if explain {
        output::line(format_args!("# {}", entry.doc))?;
    }
    output::value(&entry.value)
}

fn is_password(setting: &str) -> bool {
    setting.ends_with("password")
}

/// Gives those who run a list, moderate it or post to it a password.
fn password(store: &Store, args: &PasswordArgs) -> Result<(), Failure> {
    let list = find_list(store, &args.name)?;
    let (setting, whose) = if args.moderator {
        ("mod_password", "moderators'")
    } else if args.poster {
        ("post_password", "posters'")
    } else {
        ("password", "owners'")
    };
    let secret = if args.stdin {
        terminal::line()?
    } else if std::io::stdin().is_terminal() {
        let first = terminal::ask_secret(&format!("New {whose} password of {}: ", list.name))?;
        if terminal::ask_secret("The same again: ")? != first {
            return Err(Failure::usage("the two differ; nothing was changed"));
        }
        first
    } else {
        return Err(Failure::usage(
            "standard input is no terminal; --stdin reads a password from it",
        ));
    };
    if secret.is_empty() {
        let text = format!(
            "an empty password would fit nobody; `dormouse list set {} {setting}=` takes it away",
            list.name
        );
        return Err(Failure::usage(text));
    }
    set_password(store, &list, setting, &secret)?;
    output::line(format_args!("{} has a new {whose} password", list.name))
}

/// Keeps a password of a list, hashed.
pub fn set_password(
    store: &Store,
    list: &List,
    setting: &str,
    secret: &str,
) -> Result<(), Failure> {
    let hash = password::hash(secret).map_err(|problem| Failure::new(ExitCode::OsErr, problem))?;
    Ok(store.write(|tx| tx.set_setting(&list.name, setting, &hash))?)
}

/// All changes, or none.
fn set(store: &Store, name: &str, changes: &[String]) -> Result<(), Failure> {
    let list = find_list(store, name)?;
    let mut pairs = Vec::new();
    for change in changes {
        let pair = change
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{change:?} is no KEY=VALUE")))?;
        pairs.push((pair.0.trim(), pair.1));
    }
    Ok(store.write(|tx| tx.change_settings(&list.name, &pairs))?)
}
