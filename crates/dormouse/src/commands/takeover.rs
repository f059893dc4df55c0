//! `import` and `export`: from Mailman 2.1, and back.

use crate::cli::{ExportArgs, ImportArgs};
use crate::failure::Failure;
use crate::output::{self, BAD, DIM, GOOD, HEAD, Table, WARN, styled};
use dormouse_spool::Spool;
use dormouse_store::{Config, Site, Store, StoreError, UnixAccount, owner};
use dormouse_takeover::report::{Item, ItemFate};
use dormouse_takeover::{ImportOptions, OldSite, TakeoverReport, Target};
use std::io::{IsTerminal, Write};
use std::path::Path;
use sysexits::ExitCode;

/// Imports a Mailman site.
pub fn import(dir: &Path, args: ImportArgs) -> Result<ExitCode, Failure> {
    let old = OldSite::find(&args.prefix, args.mm_cfg.as_deref())?;
    // A dry run creates no site, but needs a temporary one.
    let rehearsal;
    let site = match Site::open(dir) {
        Err(StoreError::NoSite(_)) if args.dry_run => {
            if let Some(why) = cannot_make(dir, &old) {
                crate::output::note!("dormouse: {why}");
            }
            rehearsal = tempfile::tempdir()?;
            make_site(&rehearsal.path().join("site"), &old)?
        }
        Err(StoreError::NoSite(_)) => match cannot_make(dir, &old) {
            Some(why) => return Err(Failure::new(ExitCode::CantCreat, why)),
            None => make_site(dir, &old)?,
        },
        other => other?,
    };
    let store = Store::open(&site)?;
    let spool = Spool::new(site.qfiles());
    let options = ImportOptions { dry_run: args.dry_run, archives: !args.no_archives };
    if !args.dry_run {
        spool.create()?;
    }
    let target = Target { site: &site, store: &store, spool: &spool };
    let report = dormouse_takeover::import(&old, target, options, &show_progress)?;
    clear_progress();
    if args.json {
        output::json(&report)?;
    } else {
        let head = if report.dry_run { "would be imported" } else { "imported" };
        print(&report, head, args.all)?;
        if !args.dry_run && rustix::process::geteuid().is_root() {
            output::line(
                "the site's files belong to root: `dormouse units install` gives them to the user that the units run as",
            )?;
        }
    }
    Ok(if report.problems.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// Exports the site to Mailman.
pub fn export(dir: &Path, args: ExportArgs) -> Result<ExitCode, Failure> {
    let (site, store) = super::open(dir)?;
    let spool = Spool::new(site.qfiles());
    let old = args.passwords_from.map(|prefix| OldSite::find(&prefix, None)).transpose()?;
    let target = Target { site: &site, store: &store, spool: &spool };
    let report = dormouse_takeover::export(target, &args.mailman2, old.as_ref(), &show_progress)?;
    clear_progress();
    if args.json {
        output::json(&report)?;
    } else {
        print(&report, "written", false)?;
        output::line(
            "change its owner to Mailman's user, and run bin/check_perms -f and bin/genaliases there",
        )?;
    }
    Ok(if report.problems.is_empty() { ExitCode::Ok } else { ExitCode::DataErr })
}

/// Returns why there can be no site here, and what to do: it must belong to a user who may read
/// Mailman's files.
fn cannot_make(dir: &Path, old: &OldSite) -> Option<String> {
    if dir.exists() || owner::could_make(dir) {
        return None;
    }
    let me = owner::user_name(rustix::process::geteuid().as_raw());
    let (user, group) = match UnixAccount::of(&old.lists) {
        Ok(UnixAccount { user, group, .. }) => (user, group),
        Err(_) => (me.clone(), me.clone()),
    };
    let dir = dir.display();
    Some(format!(
        "{me} cannot create the site's directory {dir}; as root, before the import: install -d -o \
         {user} -g {group} -m 2771 {dir}"
    ))
}

/// Creates a site with Mailman's host name.
fn make_site(dir: &Path, old: &OldSite) -> Result<Site, Failure> {
    let settings = &old.settings;
    let host = settings.text("DEFAULT_HOST_NAME").or(settings.text("DEFAULT_EMAIL_HOST"));
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let site = Site::init(dir, host.unwrap_or(&own))?;
    // Like Mailman's default.
    Config::set(&site.config_file(), "delivery.url", "smtp://localhost:25")?;
    Ok(Site::open(dir)?)
}

/// Shows a progress bar on a terminal, nothing elsewhere.
pub fn show_progress(what: &str, done: usize, of: usize) {
    const WIDTH: usize = 30;
    let mut err = std::io::stderr().lock();
    if !err.is_terminal() {
        return;
    }
    let full = (done * WIDTH).checked_div(of).unwrap_or(WIDTH);
    let bar = "#".repeat(full) + &"-".repeat(WIDTH - full.min(WIDTH));
    // A bar that cannot be drawn is no reason to stop.
    let _drawn = write!(err, "\r[{bar}] {done}/{of} {what:.40}\x1b[K").and_then(|()| err.flush());
}

/// Removes the bar.
pub fn clear_progress() {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _cleared = write!(err, "\r\x1b[K").and_then(|()| err.flush());
    }
}

fn print(report: &TakeoverReport, head: &str, all: bool) -> Result<(), Failure> {
    output::line(styled(HEAD, head))?;
    // Singular and plural, so that it does not say `1 site passwords`.
    let words = |what: &str, number: u64| format!("  {what:26} {number:>8}");
    for (what, number) in &report.brought {
        output::line(words(what, *number))?;
    }
    if report.brought.is_empty() {
        output::line("  nothing new")?;
    }
    if !report.unchanged.is_empty() {
        output::line(styled(HEAD, "unchanged since the last time"))?;
        for (what, number) in &report.unchanged {
            output::line(styled(DIM, words(what, *number)))?;
        }
    }
    if !report.remarks.is_empty() {
        output::line("")?;
        output::line(styled(HEAD, "note"))?;
        for remark in &report.remarks {
            output::line(format_args!("  {}: {}", remark.about, remark.text))?;
        }
    }
    if !report.unread.is_empty() {
        output::line("")?;
        output::line(styled(HEAD, "not understood in mm_cfg.py"))?;
        for unread in &report.unread {
            output::line(format_args!(
                "  line {}: `{}`: {}",
                unread.line, unread.source, unread.reason
            ))?;
            if !unread.settings.is_empty() {
                output::line(format_args!("    check: {}", unread.settings.join(", ")))?;
            }
        }
    }
    items(report, all)?;
    for problem in &report.problems {
        crate::output::note!("dormouse: {}: {}", styled(BAD, &problem.about), problem.text);
    }
    if report.dry_run {
        output::line("")?;
        output::line("nothing was changed")?;
    }
    Ok(())
}

/// Prints the results for attributes and files, unknown ones first. Similar ones share a row,
/// unless all are asked for.
fn items(report: &TakeoverReport, all: bool) -> Result<(), Failure> {
    let rank = |fate: ItemFate| match fate {
        ItemFate::Unknown => 0,
        ItemFate::Kept => 1,
        ItemFate::Dropped => 2,
        ItemFate::Taken => 3,
    };
    let mut shown: Vec<&Item> =
        report.items.iter().filter(|item| all || item.fate != ItemFate::Taken).collect();
    if shown.is_empty() {
        return Ok(());
    }
    // Group similar neighbours.
    shown.sort_by_key(|item| (rank(item.fate), &item.file, &item.note));
    output::line("")?;
    let mut table = Table::new(&["File", "What", "Result", "Number", "Where, or why"]);
    let mut rest = shown.as_slice();
    while let [item, ..] = rest {
        let is_alike = |other: &&Item| {
            (&other.file, other.fate, &other.note) == (&item.file, item.fate, &item.note)
        };
        let folds = !all && item.fate != ItemFate::Unknown;
        let alike = if folds { rest.iter().take_while(|other| is_alike(other)).count() } else { 1 };
        let (row, behind) = rest.split_at(alike);
        rest = behind;
        let names: Vec<&str> = row.iter().take(NAMED).map(|item| item.name.as_str()).collect();
        let mut name = names.join(", ");
        if row.len() > NAMED {
            name = format!("{name} and {} more", row.len() - NAMED);
        }
        let style = match item.fate {
            ItemFate::Taken => GOOD,
            ItemFate::Kept | ItemFate::Dropped => DIM,
            ItemFate::Unknown => WARN,
        };
        let number: u64 = row.iter().map(|item| item.count).sum();
        let note = match item.fate {
            ItemFate::Unknown => format!("{} ({})", item.note, item.seen_in.join(", ")),
            _ => item.note.clone(),
        };
        table.styled_row([
            (item.file.clone(), anstyle::Style::new()),
            (name, anstyle::Style::new()),
            (item.fate.word().to_owned(), style),
            (number.to_string(), anstyle::Style::new()),
            (note, anstyle::Style::new()),
        ]);
    }
    table.print()?;
    if !all {
        let taken = report.items.iter().filter(|item| item.fate == ItemFate::Taken).count();
        let line = format!("({taken} imported kinds are not shown; --all shows everything)");
        output::line(styled(DIM, line))?;
    }
    Ok(())
}

/// How many similar things are named.
const NAMED: usize = 4;
