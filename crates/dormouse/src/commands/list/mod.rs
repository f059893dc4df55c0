//! `list`: the mailing lists and their settings.
//!
//! # Layout
//! - [`create`], [`remove`]: creating, removing and restoring lists. [`rename`]:
//!   renaming and closing them. [`remarks`]: what an
//!   administrator should know about settings that are valid but have no effect here.

mod create;
pub mod remarks;
mod remove;
mod rename;

pub use create::make;

use super::{find_list, open};
use crate::cli::{ListCommand, PasswordArgs};
use crate::failure::Failure;
use crate::output::{self, DIM, HEAD, Rows, Table, styled};
use crate::terminal;
use dormouse_membership::lists;
use dormouse_membership::role::Role;
use dormouse_store::{List, Read, Site, Store};
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
        ListCommand::Create { name, owner, new } => {
            create::run(&site, &store, &name, &owner, &new)?;
        }
        ListCommand::Rm { name, archives, yes } => {
            remove::run(&site, &store, &name, archives, yes)?;
        }
        ListCommand::Rename { name, forget: Some(old), .. } => {
            rename::forget(&site, &store, &name, &old)?;
        }
        ListCommand::Rename { name, new, yes, .. } => {
            rename::run(&site, &store, &name, &new.unwrap_or_default(), yes)?;
        }
        ListCommand::Copy { name, new, owner, members } => {
            create::copy(&site, &store, &name, &new, &owner, members)?;
        }
        ListCommand::Close { name, remove_members, yes } => {
            rename::close(&site, &store, &name, !remove_members, yes)?;
        }
        ListCommand::Reopen { name } => rename::reopen(&store, &name)?,
        ListCommand::Restore { file } => remove::restore(&site, &store, &file)?,
        ListCommand::Ls { json } => ls(store.read(), json)?,
        ListCommand::Show { name, key: Some(key), explain, json } => {
            show_one(&find_list(store.read(), &name)?, &key, explain, json)?;
        }
        ListCommand::Show { name, key: None, explain, json } => {
            show(&find_list(store.read(), &name)?, explain, json)?;
        }
        ListCommand::Password(args) => password(&store, &args)?,
        ListCommand::Set { name, changes } => set(&site, &store, &name, &changes)?,
    }
    Ok(ExitCode::Ok)
}

fn ls(store: &Read, json: bool) -> Result<(), Failure> {
    let mut rows = Rows::new(json);
    let mut table = Table::new(&["List", "Address", "Members", "Description"]);
    store.each_list(|list| {
        let row = Row {
            address: list.address(),
            members: store.count_members(list.id)?,
            description: list.settings.description,
            name: list.name.into(),
        };
        if json {
            return rows.add(&row, "");
        }
        table.row([row.name, row.address, row.members.to_string(), row.description]);
        Ok(())
    })?;
    if json { rows.finish() } else { table.print() }
}

fn show(list: &List, explain: bool, json: bool) -> Result<(), Failure> {
    let entries = list.settings.entries();
    // Password hashes are not shown.
    let shown = entries.into_iter().filter(|entry| !is_password(entry.name));
    if json {
        let settings: BTreeMap<_, _> = shown.map(|entry| (entry.name, entry.json)).collect();
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
    let mut group = "";
    for entry in shown {
        if explain {
            if entry.group != group {
                group = entry.group;
                output::line(format_args!("\n{}", styled(HEAD, format_args!("[{group}]"))))?;
            }
            let kind = styled(DIM, format!("({}; default {:?})", entry.kind, entry.default));
            output::line(format_args!("# {} {kind}", entry.doc))?;
        }
        output::line(format_args!("{} = {}", entry.name, output::indented(&entry.value)))?;
    }
    Ok(())
}

/// Prints only the value of a setting.
fn show_one(list: &List, key: &str, explain: bool, json: bool) -> Result<(), Failure> {
    let entry = list.settings.entry(key).map_err(Failure::usage)?;
    if is_password(entry.name) {
        let text =
            format!("{key} is a hash and is not shown; `dormouse list password` sets a new one");
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

/// Sets the password of a list's owners, moderators or posters.
fn password(store: &Store, args: &PasswordArgs) -> Result<(), Failure> {
    let list = find_list(store.read(), &args.name)?;
    let role = match (args.moderator, args.poster) {
        (true, _) => Role::Moderator,
        (_, true) => Role::Poster,
        _ => Role::Owner,
    };
    let whose = role.whose();
    let secret = if args.stdin {
        terminal::line()?
    } else if std::io::stdin().is_terminal() {
        ask_password(&format!("New {whose} password of {}: ", list.name))?
    } else {
        return Err(Failure::usage(
            "standard input is not a terminal; use --stdin to read the password from it",
        ));
    };
    if secret.is_empty() {
        let text = format!(
            "the password must not be empty; `dormouse list set {} {}=` removes it",
            list.name,
            role.setting().unwrap_or_default()
        );
        return Err(Failure::usage(text));
    }
    lists::set_password(store, &list, role, &secret)?;
    output::line(format_args!("{} has a new {whose} password", list.name))
}

/// Reads a new password: asked for twice on a terminal, or the first line of standard input.
fn ask_password(question: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return terminal::line();
    }
    let first = terminal::ask_secret(question)?;
    if terminal::ask_secret("Repeat it: ")? != first {
        return Err(Failure::usage("the passwords differ; nothing was changed"));
    }
    Ok(first)
}

/// Makes all changes, or none.
fn set(site: &Site, store: &Store, name: &str, changes: &[String]) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    let mut pairs = Vec::new();
    for change in changes {
        let pair = change
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{change:?} is not KEY=VALUE")))?;
        pairs.push((pair.0.trim(), pair.1));
    }
    store.write(|tx| tx.change_settings(&list.name, &pairs))?;
    let changed = find_list(store.read(), name)?;
    for remark in remarks::of(site, &changed, &|name| pairs.iter().any(|pair| pair.0 == name)) {
        crate::output::note!("dormouse: {remark}");
    }
    Ok(())
}
