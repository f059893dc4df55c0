//! Renaming and closing lists.

use super::super::{aliases, find_list};
use crate::failure::Failure;
use crate::output;
use crate::terminal;
use dormouse_membership::lists;
use dormouse_store::{Site, Store};

/// Says what would change, asks for confirmation, and renames the list.
pub fn run(site: &Site, store: &Store, name: &str, new: &str, yes: bool) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    let means = lists::consequences(site, store, &list, new)?;
    if !yes {
        output::line(format_args!("{} becomes {}", means.old_address, means.new_address))?;
        output::line("mail to the old addresses and old links still reach the list")?;
        if means.members > 0 {
            output::line(format_args!(
                "{} may filter by List-Id, which changes",
                output::count(means.members, "member", "members")
            ))?;
        }
        if means.has_archive {
            output::line("its archive moves, and can still be read at its old addresses")?;
        }
        confirm(&format!("Rename {}? [y/N] ", list.name), "renamed")?;
    }
    let renamed = lists::rename(site, store, &list, new)?;
    output::line(format_args!("renamed {} to {}", list.name, renamed.name))?;
    if means.has_archive {
        output::line(format_args!(
            "next: `dormouse archive rebuild {}` writes the new name into existing pages of its archive",
            renamed.name
        ))?;
    }
    aliases::refresh_and_say(site, store)
}

/// Releases a former name.
pub fn forget(site: &Site, store: &Store, name: &str, old: &str) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    if !lists::forget(store, &list, old)? {
        return Err(Failure::usage(format!("{old} is not a former name of {}", list.name)));
    }
    output::line(format_args!("{old} no longer reaches {}", list.name))?;
    aliases::refresh_and_say(site, store)
}

/// Says what would change, asks for confirmation, and closes the list.
pub fn close(
    site: &Site,
    store: &Store,
    name: &str,
    members_stay: bool,
    yes: bool,
) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    if !yes {
        let closing = lists::closing(site, store, &list)?;
        output::line(format_args!(
            "posts to {} will be rejected, and nobody can join",
            list.address()
        ))?;
        let members = output::count(closing.members, "member", "members");
        match members_stay {
            true => output::line(format_args!("its {members} stay, and may leave"))?,
            false => {
                output::line(format_args!("its {members} will be removed, with no mail about it"))?;
            }
        }
        let waiting = closing.posts + closing.requests;
        if waiting > 0 {
            output::line(format_args!(
                "{} for a decision; an accepted post is still sent",
                output::count(waiting as u64, "entry still waits", "entries still wait")
            ))?;
        }
        if closing.has_archive {
            output::line("its archive stays as it is")?;
        }
        confirm(&format!("Close {}? [y/N] ", list.name), "closed")?;
    }
    let kept = lists::close(site, store, &list, members_stay, "an administrator")?;
    output::line(format_args!("closed {0}; `dormouse list reopen {0}` reopens it", list.name))?;
    if let Some(kept) = kept {
        output::line(format_args!("a copy of the list is kept in {}", kept.display()))?;
    }
    Ok(())
}

/// Reopens a list.
pub fn reopen(store: &Store, name: &str) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    lists::reopen(store, &list)?;
    output::line(format_args!("reopened {}", list.name))
}

/// Asks for confirmation.
fn confirm(question: &str, done: &str) -> Result<(), Failure> {
    match terminal::ask(question) {
        Ok(answer) if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") => Ok(()),
        Ok(_) => Err(Failure::usage(format!("nothing was {done}"))),
        Err(_) => Err(Failure::usage(format!("nothing was {done}; --yes does it without asking"))),
    }
}
