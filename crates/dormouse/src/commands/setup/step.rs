//! One step: a command, and what it changes.

use super::record::{Change, Record};
use crate::cli::SetupMta;
use crate::failure::Failure;
use crate::output::{self, HEAD, styled};
use dormouse_store::UnixAccount;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use sysexits::ExitCode;

/// The owner of a site that root creates.
const USER: &str = "list";

/// The machine: where its programs are, and the site.
pub struct Machine {
    pub dir: PathBuf,
    own: PathBuf,
    /// `PATH` with the directories of administrators' programs, which `su` leaves out.
    path: OsString,
}

impl Machine {
    pub fn new(dir: &Path) -> Result<Machine, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
        let places = std::env::split_paths(&path).chain(more).collect::<Vec<_>>();
        let path = std::env::join_paths(places)
            .map_err(|error| Failure::new(ExitCode::Config, format!("PATH: {error}")))?;
        Ok(Machine { dir: dir.to_owned(), own: crate::program::own()?, path })
    }

    /// Creates the command for a program of this machine.
    pub fn program(&self, name: &str) -> Command {
        // The program is looked for in the child's PATH.
        let mut command = Command::new(name);
        command.env("PATH", &self.path);
        command
    }

    pub fn has(&self, name: &str) -> bool {
        std::env::split_paths(&self.path).any(|dir| dir.join(name).is_file())
    }

    /// This program, on the site.
    pub fn dormouse<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Command {
        let mut command = self.program(&self.own.to_string_lossy());
        command.arg("--site").arg(&self.dir).args(words);
        command
    }

    /// Returns the output of our own command.
    pub fn told(&self, words: &[&str]) -> Result<String, Failure> {
        let output = self.dormouse(words).output()?;
        succeeded(&format!("dormouse {}", words.join(" ")), &output)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    pub fn json(&self, words: &[&str]) -> Result<serde_json::Value, Failure> {
        Ok(serde_json::from_str(&self.told(words)?)?)
    }

    pub fn has_site(&self) -> bool {
        self.dir.join("dormouse.toml").exists()
    }

    /// Returns a setting of the site, if there is one.
    pub fn setting(&self, key: &str) -> Result<Option<String>, Failure> {
        if self.has_site() { self.told(&["config", "show", key]).map(Some) } else { Ok(None) }
    }

    /// Returns the names of the site's lists.
    pub fn lists(&self) -> Result<Vec<String>, Failure> {
        if !self.has_site() {
            return Ok(Vec::new());
        }
        let lists = self.json(&["list", "ls", "--json"])?;
        let names = lists.as_array().into_iter().flatten();
        Ok(names.filter_map(|list| list["name"].as_str().map(str::to_owned)).collect())
    }

    /// Whether an address is a member of an existing list.
    pub fn has_member(&self, list: &str, address: &str) -> Result<bool, Failure> {
        let members = self.json(&["member", "ls", list, "--json"])?;
        let mut addresses = members
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| member["address"].as_str());
        Ok(addresses.any(|one| one.eq_ignore_ascii_case(address)))
    }

    /// Whether the site has this key.
    pub fn has_key(&self, domain: &str, selector: &str) -> Result<bool, Failure> {
        Ok(self.keys()?.iter().any(|(d, s)| d == domain && s == selector))
    }

    /// Domains and selectors of the site's keys.
    pub fn keys(&self) -> Result<Vec<(String, String)>, Failure> {
        if !self.has_site() {
            return Ok(Vec::new());
        }
        let keys = self.json(&["dkim", "ls", "--json"])?;
        let text = |key: &serde_json::Value, name: &str| key[name].as_str().map(str::to_owned);
        let pairs = keys.as_array().into_iter().flatten();
        Ok(pairs.filter_map(|key| Some((text(key, "domain")?, text(key, "selector")?))).collect())
    }

    pub fn mta(&self) -> SetupMta {
        if self.has("postconf") {
            SetupMta::Postfix
        } else if self.has("exim4") || self.has("exim") {
            SetupMta::Exim
        } else {
            SetupMta::None
        }
    }
}

/// What a step runs.
pub enum Action {
    /// Creates the site's directory for the user that units run as.
    Directory(UnixAccount),
    /// Our own command.
    Dormouse(Vec<String>),
    /// Copies a file.
    Copy(PathBuf, PathBuf),
    /// Another program.
    Program(Vec<String>),
    /// Another program that fails if its daemon is not running; that is reported, but is no failure.
    Nudge(Vec<String>),
}

pub struct Step {
    pub action: Action,
    pub change: Option<Change>,
}

impl Step {
    pub fn dormouse(words: &[&str], change: Option<Change>) -> Step {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Step { action: Action::Dormouse(words), change }
    }

    /// Records what it changes, and runs it.
    pub fn run(self, machine: &Machine, record: &mut Record) -> Result<(), Failure> {
        if let Some(change) = &self.change {
            record.add(change.clone())?;
        }
        output::line(styled(HEAD, format_args!("$ {self}")))?;
        match &self.action {
            Action::Directory(account) => {
                let failed = |error| {
                    let text = format!("cannot create {}: {error}", machine.dir.display());
                    Failure::new(ExitCode::CantCreat, text)
                };
                let dir = &machine.dir;
                fs::create_dir_all(dir).map_err(failed)?;
                chown(dir, Some(account.uid), Some(account.gid)).map_err(failed)?;
                fs::set_permissions(dir, Permissions::from_mode(0o2771)).map_err(failed)
            }
            Action::Copy(from, to) => fs::copy(from, to).map(drop).map_err(|error| {
                let (from, to) = (from.display(), to.display());
                Failure::new(ExitCode::CantCreat, format!("cannot copy {from} to {to}: {error}"))
            }),
            Action::Dormouse(words) => ended(&self.to_string(), machine.dormouse(words)),
            Action::Program(words) => ended(&self.to_string(), program(machine, words)),
            Action::Nudge(words) => {
                if ended(&self.to_string(), program(machine, words)).is_err() {
                    output::line(
                        "it does not seem to be running; it will read this when it starts",
                    )?;
                }
                Ok(())
            }
        }
    }
}

fn program(machine: &Machine, words: &[String]) -> Command {
    let mut command = machine.program(&words[0]);
    command.args(&words[1..]);
    command
}

/// Runs a command and shows its output.
fn ended(shown: &str, mut command: Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| {
        Failure::new(ExitCode::Unavailable, format!("cannot run `{shown}`: {error}"))
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(ExitCode::Unavailable, format!("`{shown}` failed with {status}")))
}

/// Checks that a command succeeded whose output we read.
pub fn succeeded(shown: &str, output: &Output) -> Result<(), Failure> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let text = format!("`{shown}` failed with {}: {}", output.status, said.trim());
    Err(Failure::new(ExitCode::Unavailable, text))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Directory(account) => {
                write!(f, "install -d -o {} -g {} -m 2771 (the site)", account.user, account.group)
            }
            Action::Copy(from, to) => write!(f, "cp {} {}", from.display(), to.display()),
            Action::Dormouse(words) => write!(f, "dormouse {}", shown(words)),
            Action::Program(words) | Action::Nudge(words) => f.write_str(&shown(words)),
        }
    }
}

/// Quotes words for a shell.
fn shown(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,%".contains(c);
    let quoted = words.iter().map(|word| {
        let is_plain = !word.is_empty() && word.chars().all(plain);
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Returns who gets a new site: if root creates it, the user for lists.
pub fn owner_of_new() -> Option<UnixAccount> {
    if rustix::process::geteuid().is_root() { UnixAccount::named(USER, USER) } else { None }
}
