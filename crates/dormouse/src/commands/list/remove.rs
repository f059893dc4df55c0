//! Removing and restoring a list.

use super::super::{aliases, find_list};
use crate::cli::Input;
use crate::failure::Failure;
use crate::output;
use crate::terminal;
use dormouse_membership::lists::{self, Going};
use dormouse_store::{List, Site, Store};

/// Says what will be removed, asks, saves it in a file and removes the list.
pub fn run(
    site: &Site,
    store: &Store,
    name: &str,
    archives: bool,
    yes: bool,
) -> Result<(), Failure> {
    let list = find_list(store.read(), name)?;
    if !yes {
        output::line(what_goes(&list, lists::going(site, store.read(), &list)?, archives))?;
        let answer = terminal::ask(&format!("Remove {}? [y/N] ", list.name));
        let is_yes = |answer: String| matches!(answer.trim(), "y" | "Y" | "yes" | "Yes");
        match answer {
            Ok(answer) if is_yes(answer.clone()) => {}
            Ok(_) => return Err(Failure::usage("nothing was removed")),
            Err(_) => {
                return Err(Failure::usage("nothing was removed; --yes removes it without asking"));
            }
        }
    }
    let removed = lists::remove(site, store, &list, archives)?;
    output::line(format_args!("removed {}", list.name))?;
    let kept = removed.kept.display();
    output::line(format_args!("`dormouse list restore {kept}` restores it"))?;
    if removed.archive_is_gone {
        output::line("removed its archive")?;
    }
    if let Some(tree) = removed.archive_stays {
        output::line(format_args!("its archive stays in {}, closed to everybody", tree.display()))?;
    }
    aliases::refresh_and_say(site, store)
}

fn what_goes(list: &List, going: Going, archives: bool) -> String {
    let members = output::count(going.members, "member", "members");
    let counts = [
        (going.posts, "held post", "held posts"),
        (going.requests, "waiting request", "waiting requests"),
    ];
    let mut parts = vec![format!("{} with its settings", list.address()), members];
    for (number, one, many) in counts.into_iter().filter(|(number, ..)| *number > 0) {
        parts.push(output::count(number as u64, one, many));
    }
    let archive = match archives && going.has_archive {
        true => "\nIts archive would be removed and not kept",
        false => "",
    };
    format!("{} would be removed and kept in a file{archive}", parts.join(", "))
}

/// Restores a list from such a file.
pub fn restore(site: &Site, store: &Store, file: &Input) -> Result<(), Failure> {
    let dump = file.reader()?;
    let list = store.write(|tx| tx.restore(dump))?;
    let members = output::count(store.read().count_members(list.id)?, "member", "members");
    output::line(format_args!("restored {}, with {members}", list.address()))?;
    aliases::refresh_and_say(site, store)
}
