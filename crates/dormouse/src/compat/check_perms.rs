//! `check_perms`: who may read and write the site's files.

use super::call::{Call, Done, Trouble, say};
use super::getopt::{HELP as H, flag};
use dormouse_spool::{Queue, Spool};
use dormouse_store::owner::{self, Flaw, FlawKind};
use dormouse_store::{Site, UnixAccount};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown};
use std::path::{Path, PathBuf};

pub const HELP: &str = "\
Checks the owners and permissions of the site's files.

Usage: check_perms [options]

  -f, --fix       correct what is wrong
  -v, --verbose   name everything that is checked
  -h, --help      print this
";

/// A queue's directory: its group may write and owns new files in it; others have no access.
const DIRECTORY: u32 = 0o2770;
/// The rights that the site's owner needs.
const FILE: u32 = 0o600;
const OTHERS: u32 = 0o007;

struct Checker {
    fix: bool,
    verbose: bool,
    owner: UnixAccount,
    problems: u32,
}

pub fn run(call: &Call) -> Done {
    let options = call.options(&[H, flag('f', "fix"), flag('v', "verbose")])?;
    // Only root may change owners.
    let site = Site::open(&call.dir)?;
    let spool = Spool::new(site.qfiles());
    let owner = UnixAccount::of(site.dir()).map_err(|error| {
        Trouble::Said(format!("cannot look at {}: {error}", call.dir.display()))
    })?;
    let mut checker =
        Checker { fix: options.has("fix"), verbose: options.has("verbose"), owner, problems: 0 };
    checker.say_verbose(format_args!("checking mode for {}", site.dir().display()))?;
    checker.directory(spool.root())?;
    for queue in Queue::ALL {
        checker.directory(&spool.dir(queue))?;
    }
    for file in [site.config_file(), site.database()] {
        checker.file(&file)?;
        for beside in ["-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(beside);
            checker.file(&PathBuf::from(name))?;
        }
    }
    let password = site.config().delivery_password_file.as_str();
    if !password.is_empty() {
        let password = site.resolve(password);
        checker.file(&password)?;
        checker.closed(&password)?;
    }
    checker.flaws(site.dir())?;
    if checker.problems == 0 {
        say("No problems found")?;
    } else {
        say(format_args!("Problems found: {}", checker.problems))?;
        if !checker.fix {
            say("Re-run as root or as the site's owner with -f flag to fix")?;
        }
    }
    Ok(0)
}

fn look(path: &Path) -> Result<Option<Metadata>, Trouble> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::Said(format!("cannot look at {}: {error}", path.display()))),
    }
}

impl Checker {
    fn say_verbose(&self, text: impl std::fmt::Display) -> Result<(), Trouble> {
        if self.verbose { say(text) } else { Ok(()) }
    }

    fn directory(&mut self, path: &Path) -> Result<(), Trouble> {
        let Some(found) = self.start(path)? else {
            return say(format_args!("WARNING: directory does not exist: {}", path.display()));
        };
        let mode = found.mode() & 0o7777;
        if mode & DIRECTORY != DIRECTORY || mode & OTHERS != 0 {
            let text = format!("directory permissions must be 0{DIRECTORY:o}: {}", path.display());
            self.problem(&text, || set_mode(path, DIRECTORY))?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Trouble> {
        let Some(found) = self.start(path)? else { return Ok(()) };
        let mode = found.mode() & 0o7777;
        if mode & FILE != FILE {
            let text = format!("file permissions must be at least {FILE:o}: {}", path.display());
            self.problem(&text, || set_mode(path, mode | FILE))?;
        }
        Ok(())
    }

    fn closed(&mut self, path: &Path) -> Result<(), Trouble> {
        let mode = look(path)?.map_or(0, |found| found.mode() & 0o7777);
        if mode & OTHERS == 0 {
            return Ok(());
        }
        let text = format!("others must not read or write: {}", path.display());
        self.problem(&text, || set_mode(path, mode & !OTHERS))
    }

    /// Files of other users, and files that other users may read.
    fn flaws(&mut self, dir: &Path) -> Result<(), Trouble> {
        let mut found = Vec::new();
        owner::flaws(dir, &mut |flaw| found.push(flaw))?;
        for Flaw { path, kind } in found {
            let shown = path.display();
            match kind {
                FlawKind::Foreign(uid) => {
                    let (has, to) = (owner::user_name(uid), self.owner.clone());
                    let text = format!("{shown} bad owner (has: {has}, expected {})", to.user);
                    self.problem(&text, || lchown(&path, Some(to.uid), Some(to.gid)))?;
                }
                FlawKind::Open => self.closed(&path)?,
            }
        }
        Ok(())
    }

    /// Names the file, and checks its group.
    fn start(&mut self, path: &Path) -> Result<Option<Metadata>, Trouble> {
        self.say_verbose(format_args!("    checking gid and mode for {}", path.display()))?;
        let Some(found) = look(path)? else { return Ok(None) };
        if found.gid() != self.owner.gid {
            let (has, group) = (owner::group_name(found.gid()), self.owner.gid);
            let expected = &self.owner.group;
            let text = format!("{} bad group (has: {has}, expected {expected})", path.display());
            self.problem(&text, || chown(path, None, Some(group)))?;
        }
        // Changing the group may have changed the mode.
        look(path)
    }

    fn problem(
        &mut self,
        text: &str,
        mend: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Trouble> {
        self.problems += 1;
        if !self.fix {
            return say(text);
        }
        say(format_args!("{text} (fixing)"))?;
        mend().map_err(|error| Trouble::Said(format!("cannot fix it: {error}")))
    }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}
