//! `clone_member`: gives a membership to another address.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, flag, with};
use super::members;
use crate::commands::member::replaced;
use dormouse_clock::Timestamp;
use dormouse_store::{List, Store, StoreError};

pub const HELP: &str = "\
Subscribes an address to every list of another address, with the same options.

Usage: clone_member [options] FROM TO

  -l LIST, --listname=LIST   only on this list; may be given several times
  -r, --remove               remove FROM afterwards
  -a, --admin                also where FROM is an owner
  -q, --quiet                say nothing
  -n, --nomodify             change nothing, only print what would be done
  -h, --help                 print this
";

struct Wanted<'w> {
    from: &'w str,
    to: &'w str,
    remove: bool,
    owners: bool,
    quiet: bool,
    modify: bool,
}

pub fn run(call: &Call) -> Done {
    let options = call.options(&[
        H,
        with('l', "listname"),
        flag('r', "remove"),
        flag('a', "admin"),
        flag('q', "quiet"),
        flag('n', "nomodify"),
    ])?;
    let [from, to] = options.rest.as_slice() else { return Err(Trouble::usage("")) };
    members::must_be_address(to)?;
    let modify = !options.has("nomodify");
    let wanted = Wanted {
        from,
        to,
        remove: options.has("remove"),
        owners: options.has("admin"),
        quiet: modify && options.has("quiet"),
        modify,
    };
    let (_, store) = call.open()?;
    let mut names: Vec<String> =
        options.values("listname").map(|name| name.trim().to_lowercase()).collect();
    if names.is_empty() {
        names = store.read().list_names()?.into_iter().map(String::from).collect();
    }
    for name in names {
        match store.read().list(&name)? {
            Some(list) => clone(&store, &list, &wanted)?,
            None => say(format_args!("Error opening list \"{name}\", skipping."))?,
        }
    }
    Ok(0)
}

fn clone(store: &Store, list: &List, wanted: &Wanted<'_>) -> Result<(), Trouble> {
    let tell = |text: String| if wanted.quiet { Ok(()) } else { say(text) };
    tell(format!("processing mailing list: {}", list.name))?;
    if wanted.owners {
        let mut old = list.settings.owner.clone();
        old.sort();
        tell(format!("    scanning list owners: {}", old.join(" ")))?;
        let new = replaced(&old, wanted.from, wanted.to, !wanted.remove);
        let mut new = new.unwrap_or_else(|| old.clone());
        new.sort();
        if new == old {
            tell("(no change)".to_owned())?;
        } else {
            tell(format!("\n    new list owners: {}", new.join(" ")))?;
            if wanted.modify {
                store.write(|tx| tx.edit_settings(&list.name, |settings| settings.owner = new))?;
            }
        }
    }
    if store.read().member(list.id, wanted.from)?.is_none() {
        return tell(format!("    address not found: {}", wanted.from));
    }
    if let Some(pattern) = members::banned(list, wanted.to) {
        return tell(format!("    Banned address (matched {pattern})"));
    }
    if store.read().is_member(list.id, wanted.to)? {
        tell(format!("    clone address is already a member: {}", wanted.to))?;
    } else {
        tell(format!("    clone address added: {}", wanted.to))?;
    }
    if wanted.modify {
        store.write(|tx| -> Result<(), StoreError> {
            let now = Timestamp::now();
            tx.clone_member(list.id, wanted.from, wanted.to, now, "copied by the administrator")?;
            if wanted.remove {
                tx.remove_member(list.id, wanted.from, "replaced by the administrator", now)?;
            }
            Ok(())
        })?;
    }
    if wanted.remove {
        say(format_args!("    original address removed: {}", wanted.from))?;
    }
    Ok(())
}
