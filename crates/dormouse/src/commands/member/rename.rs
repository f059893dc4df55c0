//! `member clone` and `member move`: another address for a member, on every list.

use super::office::NamedAddress;
use super::{lists, replace_owner};
use crate::cli::Rename;
use crate::failure::Failure;
use crate::output;
use dormouse_clock::Timestamp;
use dormouse_membership::{Origin, Registry};
use dormouse_spool::Spool;
use dormouse_store::{List, Site, Store, Tx};
use serde::Serialize;
use sysexits::ExitCode;

/// What happens to the old address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It stays.
    Clone,
    /// It is no longer a member.
    Move {
        /// Both addresses get a mail about it.
        notify: bool,
    },
}

#[derive(Debug, Serialize)]
struct Row {
    list: String,
    /// Whether the new address is a member now.
    member: bool,
    /// The new address was already a member, so nothing was changed.
    taken: bool,
    /// The setting and entry that ban the new address; if set, nothing was changed.
    banned: Option<String>,
    /// Whether it is an owner or moderator now.
    owner: bool,
}

/// Does it on all lists, or on the named ones, completely or not at all.
pub fn run(site: &Site, store: &Store, args: &Rename, way: Way) -> Result<ExitCode, Failure> {
    let new = NamedAddress::parse(&args.new)
        .map_err(|problem| Failure::usage(format!("{}: {problem}", args.new)))?
        .address;
    let old = args.old.trim();
    let lists = lists(store, &args.list).collect::<Result<Vec<_>, _>>()?;
    let work = |tx: &Tx<'_>| -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for list in &lists {
            rows.extend(on((site, tx, list), old, &new, args.owners, way)?);
        }
        if way == (Way::Move { notify: true }) && !args.dry_run {
            tell((site, tx), &lists, &rows, (old, &new))?;
        }
        Ok(rows)
    };
    let rows = if args.dry_run { store.rehearse(work)? } else { store.write(work)? };
    if args.json {
        output::json(&rows)?;
    } else {
        let verb = match (way, args.dry_run) {
            (Way::Clone, false) => "added",
            (Way::Clone, true) => "would add",
            (Way::Move { .. }, false) => "moved",
            (Way::Move { .. }, true) => "would move",
        };
        for row in &rows {
            if row.taken {
                output::line(format_args!("{}: {new} is already a member", row.list))?;
            }
            if let Some(ban) = &row.banned {
                output::line(format_args!("{}: {new} is banned by {ban}", row.list))?;
            }
            if row.member {
                output::line(format_args!("{}: {verb} {old} to {new}", row.list))?;
            }
            if row.owner {
                output::line(format_args!("{}: {verb} {old} to {new} as owner", row.list))?;
            }
        }
    }
    if rows.is_empty() {
        let text = format!("{old} is not a member of any of {} lists", lists.len());
        return Err(Failure::new(ExitCode::DataErr, text));
    }
    let is_left_out = |row: &Row| row.taken || row.banned.is_some();
    Ok(if rows.iter().any(is_left_out) { ExitCode::DataErr } else { ExitCode::Ok })
}

/// Tells both addresses, in the name of the first list where the membership was moved. The mail is in its
/// queue before the change counts.
fn tell(
    (site, tx): (&Site, &Tx<'_>),
    lists: &[List],
    rows: &[Row],
    (old, new): (&str, &str),
) -> Result<(), Failure> {
    let is_moved = |list: &&List| rows.iter().any(|row| row.member && row.list == list.name);
    let moved: Vec<&List> = lists.iter().filter(is_moved).collect();
    let Some(first) = moved.first() else { return Ok(()) };
    let names: Vec<String> = moved.iter().map(|list| list.settings.real_name.clone()).collect();
    let mut registry = Registry::new(site, tx, first, Origin::owner("by the administrator"));
    registry.tell_moved(old, new, &names)?;
    registry.hand_over(&Spool::new(site.qfiles()))?;
    Ok(())
}

fn on(
    (site, tx, list): (&Site, &Tx<'_>, &List),
    old: &str,
    new: &str,
    owners: bool,
    way: Way,
) -> Result<Option<Row>, Failure> {
    let mut row = Row {
        list: list.name.to_string(),
        member: false,
        taken: false,
        banned: None,
        owner: false,
    };
    let is_member = tx.read().is_member(list.id, old)?;
    if is_member {
        row.banned = Registry::new(site, tx, list, Origin::owner("")).ban(new);
    }
    if is_member && row.banned.is_none() {
        let now = Timestamp::now();
        row.member = match way {
            Way::Clone => tx.clone_member(list.id, old, new, now, "copied by the administrator")?,
            Way::Move { .. } => tx.move_member(list.id, old, new, "by the administrator", now)?,
        };
        row.taken = !row.member;
    }
    if owners {
        row.owner = replace_owner(tx, list, old, new, way == Way::Clone)?;
    }
    Ok((is_member || row.owner).then_some(row))
}
