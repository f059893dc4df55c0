//! The call of one of Mailman's commands, and the ways it can end.

use super::getopt::{self, GivenOptions, Opt};
use crate::commands;
use crate::failure::Failure;
use crate::output;
use crate::program;
use dormouse_store::{List, Read, Site, Store};
use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// A command with its arguments.
pub struct Call {
    /// The name by which it was called.
    pub name: &'static str,
    /// The site's directory.
    pub dir: PathBuf,
    /// The arguments.
    pub args: Vec<String>,
}

/// The result of a command: the exit code, or why it failed.
pub type Done = Result<u8, Trouble>;

/// Why a command failed.
#[derive(Debug)]
pub enum Trouble {
    /// Help was asked for, which goes to standard output.
    Help,
    /// Wrong usage: the help and this text go to standard error, and the exit code is 1.
    Usage(String),
    /// There was nothing to do: the help and this text go to standard output, and the exit code is 0.
    Idle(String),
    /// Only this text goes to standard error, and the exit code is 1.
    Said(String),
}

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble::Said(error.into().message)
    }
}

impl Trouble {
    /// Creates the failure for wrong usage.
    pub fn usage(message: impl Into<String>) -> Trouble {
        Trouble::Usage(message.into())
    }

    /// Creates the failure for a list that does not exist, in the words of most of Mailman's
    /// commands.
    pub fn no_such_list(name: &str) -> Trouble {
        Trouble::Usage(format!("No such list: {name}"))
    }
}

impl Call {
    /// Reads the options as Mailman's commands read them: long ones may be abbreviated, and after
    /// the first other argument there are none.
    pub fn options(&self, known: &[Opt]) -> Result<GivenOptions, Trouble> {
        let options = getopt::read(&self.args, known).map_err(Trouble::Usage)?;
        if options.has("help") { Err(Trouble::Help) } else { Ok(options) }
    }

    /// Opens the site. Root switches to its owner here, so files that only root may read are opened
    /// before.
    pub fn site(&self) -> Result<Site, Trouble> {
        commands::enter(&self.dir)?;
        Ok(commands::site(&self.dir)?)
    }

    /// Opens the site and its store.
    pub fn open(&self) -> Result<(Site, Store), Trouble> {
        let site = self.site()?;
        let store = Store::open(&site)?;
        Ok((site, store))
    }
}

/// Finds the list of that name, ignoring case.
pub fn find(store: &Read, name: &str) -> Result<Option<List>, Trouble> {
    Ok(store.list(name.trim())?)
}

/// Finds a list that must exist.
pub fn must_find(store: &Read, name: &str) -> Result<List, Trouble> {
    let name = name.trim().to_lowercase();
    store.list(&name)?.ok_or_else(|| Trouble::no_such_list(&name))
}

/// Prints a line.
pub fn say(text: impl std::fmt::Display) -> Result<(), Trouble> {
    Ok(output::line(text)?)
}

/// Prints a line to standard error.
pub fn warn(text: impl std::fmt::Display) {
    crate::output::note!("{text}");
}

/// Reads a file's bytes; `-` is standard input.
pub fn read_bytes(path: &str) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    if path == "-" {
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    fs::read(path).map_err(|error| Trouble::Said(format!("cannot read {path}: {error}")))
}

/// Reads the non-blank lines of a file, trimmed; `-` is standard input.
pub fn read_lines(path: &str) -> Result<Vec<String>, Trouble> {
    let text = String::from_utf8(read_bytes(path)?)
        .map_err(|error| Trouble::Said(format!("{path} is not UTF-8: {error}")))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Whether an answer to an option means yes; the error names the option.
pub fn yes_or_no(option: &str, answer: &str) -> Result<bool, Trouble> {
    match answer.to_lowercase().chars().next() {
        Some('y') => Ok(true),
        Some('n') => Ok(false),
        _ => Err(Trouble::Usage(format!("Bad argument to {option}: {answer}"))),
    }
}

/// Returns the site's directory for a command called through a link: the parent of the link's
/// directory, as Mailman's `bin/` lies in its site's, if there is a site.
pub fn site_above_link() -> Option<PathBuf> {
    let link = program::executed();
    let bin = link.parent().filter(|bin| !bin.as_os_str().is_empty())?;
    let above = bin.canonicalize().ok()?.parent()?.to_owned();
    above.join("dormouse.toml").is_file().then_some(above)
}
