//! Mailman's command names (docs/spec/cli.md). Each takes that command's options and prints what it
//! printed, so that administrators' scripts keep working.
//!
//! # Layout
//! - This file: the table of names, and how a command is found. Each command has a file with its help.
//! - [`call`]: a command's arguments and results. [`getopt`]: options as Python reads them.
//! - `members`: shared code of the commands that change memberships.

mod add_members;
mod arch;
mod call;
mod change_pw;
mod check_db;
mod check_perms;
mod cleanarch;
mod clone_member;
mod config_list;
mod cron;
mod discard;
mod dumpdb;
mod find_member;
mod genaliases;
mod getopt;
mod inject;
mod list_admins;
mod list_lists;
mod list_members;
mod list_owners;
mod mailman_config;
mod mailmanctl;
mod members;
mod mmsitepass;
mod newlist;
mod qrunner;
mod refused;
mod remove_members;
mod rmlist;
mod show_qfiles;
mod sync_members;
mod unshunt;
mod update;
mod version;
mod withlist;

use crate::cli::compat::CompatArgs;
use crate::commands;
use crate::failure::Failure;
use crate::output::{self, Table};
use call::{Call, Done, Trouble};
use serde::Serialize;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// One of Mailman's commands.
struct Applet {
    name: &'static str,
    help: &'static str,
    run: fn(&Call) -> Done,
    /// Our own command for the same.
    ours: &'static str,
}

const fn applet(
    name: &'static str,
    help: &'static str,
    run: fn(&Call) -> Done,
    ours: &'static str,
) -> Applet {
    Applet { name, help, run, ours }
}

/// All commands.
const APPLETS: &[Applet] = &[
    applet("add_members", add_members::HELP, add_members::run, "member add"),
    applet("arch", arch::HELP, arch::run, "archive rebuild"),
    applet("b4b5-archfix", refused::OLD_ARCHIVES, refused::run, ""),
    applet("bumpdigests", cron::BUMPDIGESTS, cron::plain, "cron bumpdigests"),
    applet("change_pw", change_pw::HELP, change_pw::run, ""),
    applet("check_db", check_db::HELP, check_db::run, ""),
    applet("check_perms", check_perms::HELP, check_perms::run, ""),
    applet("checkdbs", cron::CHECKDBS, cron::plain, "cron checkdbs"),
    applet("cleanarch", cleanarch::HELP, cleanarch::run, ""),
    applet("clone_member", clone_member::HELP, clone_member::run, "member clone"),
    applet("config_list", config_list::HELP, config_list::run, "list show, list set"),
    applet("convert.py", refused::OLD_CONFIG, refused::run, ""),
    applet("cull_bad_shunt", cron::CULL_BAD_SHUNT, cron::plain, "cron cull_bad_shunt"),
    applet("disabled", cron::DISABLED, cron::disabled, "cron disabled"),
    applet("discard", discard::HELP, discard::run, "held discard"),
    applet("dumpdb", dumpdb::HELP, dumpdb::run, ""),
    applet("export.py", refused::EXPORT, refused::run, "list show --json, member ls --json"),
    applet("find_member", find_member::HELP, find_member::run, "member find"),
    applet("gate_news", cron::GATE_NEWS, cron::plain, "cron gate_news"),
    applet("genaliases", genaliases::HELP, genaliases::run, ""),
    applet("inject", inject::HELP, inject::run, "post"),
    applet("list_admins", list_admins::HELP, list_admins::run, "list show"),
    applet("list_lists", list_lists::HELP, list_lists::run, "list ls"),
    applet("list_members", list_members::HELP, list_members::run, "member ls"),
    applet("list_owners", list_owners::HELP, list_owners::run, "list show"),
    applet("mailman-config", mailman_config::HELP, mailman_config::run, "config show"),
    applet("mailmanctl", mailmanctl::HELP, mailmanctl::run, "units install"),
    applet("mailpasswds", cron::MAILPASSWDS, cron::mailpasswds, "cron mailpasswds"),
    applet("mmsitepass", mmsitepass::HELP, mmsitepass::run, ""),
    applet("msgfmt.py", refused::TRANSLATION, refused::run, ""),
    applet("newlist", newlist::HELP, newlist::run, "list create"),
    applet("nightly_gzip", cron::NIGHTLY_GZIP, cron::plain, "cron nightly_gzip"),
    applet("pygettext.py", refused::TRANSLATION, refused::run, ""),
    applet("qrunner", qrunner::HELP, qrunner::run, "run"),
    applet("rb-archfix", refused::OLD_ARCHIVES, refused::run, ""),
    applet("remove_members", remove_members::HELP, remove_members::run, "member rm"),
    applet("rmlist", rmlist::HELP, rmlist::run, "list rm"),
    applet("senddigests", cron::SENDDIGESTS, cron::senddigests, "cron senddigests"),
    applet("show_qfiles", show_qfiles::HELP, show_qfiles::run, "queue show"),
    applet("sync_members", sync_members::HELP, sync_members::run, "member sync"),
    applet("transcheck", refused::TRANSLATION, refused::run, ""),
    applet("unshunt", unshunt::HELP, unshunt::run, "queue retry --all shunt"),
    applet("update", update::HELP, update::run, ""),
    applet("version", version::HELP, version::run, "--version"),
    applet("withlist", withlist::HELP, withlist::run, ""),
];

fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}

/// Returns the exit code of one of Mailman's commands, if the program was called by such a name.
pub fn by_program_name(mut args: impl Iterator<Item = OsString>) -> Option<u8> {
    let applet =
        args.next().and_then(|program| find(Path::new(&program).file_name()?.to_str()?))?;
    let dir = std::env::var_os("DORMOUSE_SITE").map(PathBuf::from);
    let dir = dir.or_else(call::site_above_link);
    Some(start(applet, dir.unwrap_or_else(|| crate::cli::DEFAULT_SITE.into()), args))
}

/// `dormouse compat`
pub fn run(dir: &Path, args: CompatArgs) -> Result<ExitCode, Failure> {
    match (args.name.as_str(), args.args.as_slice()) {
        ("ls", []) => ls(false)?,
        ("ls", [json]) if json == "--json" => ls(true)?,
        ("install", [into]) => install(Path::new(into))?,
        ("ls" | "install", _) => {
            return Err(Failure::usage(
                "use `compat ls`, `compat ls --json` or `compat install DIR`",
            ));
        }
        (name, _) => {
            let applet = find(name).ok_or_else(|| {
                Failure::usage(format!("Mailman has no command {name}; see `dormouse compat ls`"))
            })?;
            let code = start(applet, dir.to_owned(), args.args.into_iter());
            std::process::exit(code.into());
        }
    }
    Ok(ExitCode::Ok)
}

fn start(applet: &'static Applet, dir: PathBuf, args: impl Iterator<Item = OsString>) -> u8 {
    let args: Result<Vec<String>, OsString> = args.map(OsString::into_string).collect();
    let done = args
        .map_err(|arg| Trouble::Usage(format!("{} is not UTF-8", arg.to_string_lossy())))
        .and_then(|args| (applet.run)(&Call { name: applet.name, dir, args }));
    let told = match done {
        Ok(code) => return code,
        Err(Trouble::Help) => output::bytes(applet.help.as_bytes()).map(|()| 0),
        Err(Trouble::Idle(message)) => {
            output::bytes(applet.help.as_bytes()).and_then(|()| output::line(message)).map(|()| 0)
        }
        Err(Trouble::Usage(message)) => {
            crate::output::note!("{}", applet.help.trim_end_matches('\n'));
            if !message.is_empty() {
                crate::output::note!("{message}");
            }
            return 1;
        }
        Err(Trouble::Said(message)) => {
            crate::output::note!("{}", commands::explained(&message));
            return 1;
        }
    };
    told.unwrap_or_else(|failure| {
        crate::output::note!("{failure}");
        1
    })
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    ours: &'static str,
    does: &'static str,
}

fn ls(json: bool) -> Result<(), Failure> {
    let rows = APPLETS.iter().map(|applet| Row {
        name: applet.name,
        ours: applet.ours,
        does: applet.help.lines().next().unwrap_or_default(),
    });
    if json {
        return output::json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["Mailman", "dormouse", "What it does"]);
    for row in rows {
        table.row([row.name.to_owned(), row.ours.to_owned(), row.does.to_owned()]);
    }
    table.print()
}

/// Creates a symbolic link for each name. Our own links are replaced; anything else is kept and named.
fn install(into: &Path) -> Result<(), Failure> {
    let program = crate::program::own()?;
    let failed = |path: &Path, error: io::Error| {
        Failure::new(ExitCode::CantCreat, format!("cannot create {}: {error}", path.display()))
    };
    fs::create_dir_all(into).map_err(|error| failed(into, error))?;
    let mut laid = 0;
    let mut in_the_way = Vec::new();
    for applet in APPLETS {
        let link = into.join(applet.name);
        match fs::read_link(&link) {
            Ok(target) if target == program => continue,
            Ok(target) if target.file_name() == program.file_name() => {
                fs::remove_file(&link).map_err(|error| failed(&link, error))?;
            }
            _ => {}
        }
        match symlink(&program, &link) {
            Ok(()) => laid += 1,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => in_the_way.push(link),
            Err(error) => return Err(failed(&link, error)),
        }
    }
    output::line(format_args!(
        "{} created in {}",
        output::count(laid, "link", "links"),
        into.display()
    ))?;
    if in_the_way.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = in_the_way.iter().map(|path| path.display().to_string()).collect();
    Err(Failure::new(
        ExitCode::CantCreat,
        format!("other files with these names were kept: {}", names.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_have_a_help_that_fits_a_terminal() {
        let names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
        for applet in APPLETS {
            assert!(applet.help.ends_with('\n'), "{}", applet.name);
            for line in applet.help.lines() {
                assert!(line.len() <= 105, "{}: {line}", applet.name);
            }
        }
    }
}
