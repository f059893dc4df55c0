//! How one of Mailman's commands was called, and how it can end.

use super::getopt::{self, Opt, Options};
use crate::commands;
use crate::failure::Failure;
use crate::output;
use dormouse_store::{List, Site, Store};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A command with its arguments.
pub struct Call {
    /// The name it was called by.
    pub name: &'static str,
    /// The site's directory.
    pub dir: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// What a command ends with: its exit code, or why it did not do its work.
pub type Done = Result<u8, Trouble>;

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Trouble {
    /// It was asked for help, which goes to standard output.
    Help,
    /// It was called wrongly: the help and this go to standard error, and it ends with 1.
    Usage(String),
    /// The help and this go to standard output, and it ends with 0: there was nothing to do.
    Idle(String),
    /// This alone goes to standard error, and it ends with 1.
    Said(String),
}

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble::Said(error.into().message)
    }
}

impl Trouble {
    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Trouble {
        Trouble::Usage(message.into())
    }

    /// No list has that name, said as most of Mailman's commands do.
    pub fn no_such_list(name: &str) -> Trouble {
        Trouble::Usage(format!("No such list: {name}"))
    }
}

impl Call {
    /// The options as Mailman's commands read them: long ones may be cut short, and behind the
    /// first other argument there are none.
    pub fn options(&self, known: &[Opt]) -> Result<Options, Trouble> {
        let options = getopt::read(&self.args, known).map_err(Trouble::Usage)?;
        if options.has("help") { Err(Trouble::Help) } else { Ok(options) }
    }

    /// The site. Root becomes its owner, so files of root's are opened before.
    pub fn site(&self) -> Result<Site, Trouble> {
        commands::enter(&self.dir)?;
        Ok(Site::open(&self.dir)?)
    }

    /// The site and its store.
    pub fn open(&self) -> Result<(Site, Store), Trouble> {
        let site = self.site()?;
        let store = Store::open(&site)?;
        Ok((site, store))
    }
}

/// The list of that name, in any case.
pub fn find(store: &Store, name: &str) -> Result<Option<List>, Trouble> {
    Ok(store.list(&name.trim().to_lowercase())?)
}

/// A list that must exist.
pub fn must_find(store: &Store, name: &str) -> Result<List, Trouble> {
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

/// A file's bytes; `-` is standard input.
pub fn read_bytes(path: &str) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    if path == "-" {
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    fs::read(path).map_err(|error| Trouble::Said(format!("cannot read {path}: {error}")))
}

/// A file's lines that are not blank, without white space around them; `-` is standard input.
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

/// The site's directory for a command called through a link: the one above the link's, as
/// Mailman's `bin/` lies in its site's, if there is a site.
pub fn site_above_link() -> Option<PathBuf> {
    // What the system was asked to run; the first argument may lack the directory.
    let link = Path::new(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()));
    let bin = link.parent().filter(|bin| !bin.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let above = bin.canonicalize().ok()?.parent()?.to_owned();
    above.join("dormouse.toml").is_file().then_some(above)
}
