//! The record of what setup changed, and reverting it.
//!
//! It is a file next to the site's directory, not in it: root trusts it, and files in the site belong
//! to another user.

use super::step::{Action, Machine, Step};
use super::{confirm, postfix};
use crate::failure::Failure;
use crate::output;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// A change by setup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// The site was created.
    Site,
    /// A setting of an existing site was changed.
    Setting { key: String, before: String, after: String },
    /// A list was created.
    List { name: String },
    /// A member was added to an existing list.
    Member { list: String, address: String },
    /// A DKIM key was created.
    Key { domain: String, selector: String },
    /// A parameter in main.cf was set; `before` is `None` if the default applied.
    Postfix { key: String, before: Option<String>, after: String },
    /// Units were installed.
    Units,
}

/// The changes in their order.
pub struct Record {
    file: PathBuf,
    changes: Vec<Change>,
}

impl Record {
    /// Loads the record of a site.
    pub fn load(dir: &Path) -> Result<Record, Failure> {
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".setup.json");
        let file = dir.with_file_name(name);
        let refuse =
            |text: &str| Failure::new(ExitCode::Config, format!("{}: {text}", file.display()));
        let changes = match fs::symlink_metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(refuse(&error.to_string())),
            Ok(found) if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() => {
                return Err(refuse("is not your file, so it is not trusted"));
            }
            Ok(_) => {
                let text = fs::read(&file).map_err(|error| refuse(&error.to_string()))?;
                serde_json::from_slice(&text).map_err(|error| refuse(&error.to_string()))?
            }
        };
        Ok(Record { file, changes })
    }

    /// Records a change that is about to be made.
    pub fn add(&mut self, change: Change) -> Result<(), Failure> {
        if !self.changes.contains(&change) {
            self.changes.push(change);
            self.write()?;
        }
        Ok(())
    }

    fn write(&self) -> Result<(), Failure> {
        let dir = self.file.parent().unwrap_or(Path::new("/"));
        let written = if self.changes.is_empty() {
            fs::remove_file(&self.file)
        } else {
            let text = serde_json::to_vec_pretty(&self.changes)?;
            fs::create_dir_all(dir).and_then(|()| tempfile::NamedTempFile::new_in(dir)).and_then(
                |mut draft| {
                    draft.write_all(&text)?;
                    draft.as_file().sync_all()?;
                    draft.persist(&self.file).map_err(|error| error.error)?;
                    fs::File::open(dir)?.sync_all()
                },
            )
        };
        written.map_err(|error| {
            Failure::new(ExitCode::CantCreat, format!("{}: {error}", self.file.display()))
        })
    }
}

/// Reverts the recorded changes, the last one first.
pub fn undo(machine: &Machine, asks: bool, dry_run: bool) -> Result<ExitCode, Failure> {
    let mut record = Record::load(&machine.dir)?;
    if record.changes.is_empty() {
        let text = format!("no changes are recorded in {}", record.file.display());
        return Err(Failure::new(ExitCode::NoInput, text));
    }
    require_no_other_list(machine, &record)?;
    output::line("Setup will revert:")?;
    for change in record.changes.iter().rev() {
        output::line(format_args!("  {}", about(machine, change)))?;
    }
    if dry_run || asks && !confirm("Go on?", false)? {
        return Ok(ExitCode::Ok);
    }
    let mut unused = Record { file: PathBuf::new(), changes: Vec::new() };
    let reloads = record.changes.iter().any(|change| matches!(change, Change::Postfix { .. }));
    while let Some(change) = record.changes.last() {
        if let Some(action) = action(machine, change)? {
            Step { action, change: None }.run(machine, &mut unused)?;
        } else if *change == Change::Site {
            move_aside(machine)?;
        }
        record.changes.pop();
        record.write()?;
    }
    if reloads {
        Step { action: postfix::reload(), change: None }.run(machine, &mut unused)?;
    }
    Ok(ExitCode::Ok)
}

/// Refuses to revert a site that setup created but others use by now.
fn require_no_other_list(machine: &Machine, record: &Record) -> Result<(), Failure> {
    if !record.changes.contains(&Change::Site) || !machine.has_site() {
        return Ok(());
    }
    let site_list = machine.setting("site_list")?.unwrap_or_default();
    let is_ours = |name: &String| {
        *name == site_list || record.changes.contains(&Change::List { name: name.clone() })
    };
    let others: Vec<String> = machine.lists()?.into_iter().filter(|name| !is_ours(name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the site has lists that setup did not create: {}; nothing was changed. Remove them first, with \
         `dormouse list rm`",
        others.join(", ")
    );
    Err(Failure::new(ExitCode::Unavailable, text))
}

fn about(machine: &Machine, change: &Change) -> String {
    match change {
        Change::Site => format!("the site: {} is moved aside", machine.dir.display()),
        Change::Setting { key, before, .. } => format!("the setting {key}: it was {before:?}"),
        Change::List { name } => format!("the list {name}, which is kept in a file"),
        Change::Member { list, address } => format!("the membership of {address} in {list}"),
        Change::Key { domain, selector } => format!("the key {selector} of {domain}"),
        Change::Postfix { key, before: Some(before), .. } => format!("main.cf: {key} = {before}"),
        Change::Postfix { key, before: None, .. } => format!("main.cf: {key}, which was not set"),
        Change::Units => "the units".to_owned(),
    }
}

/// Returns the step that reverts a change; `None` if the change was never made or somebody has
/// changed it since.
fn action(machine: &Machine, change: &Change) -> Result<Option<Action>, Failure> {
    let dormouse = |words: &[&str]| {
        Some(Action::Dormouse(words.iter().map(|word| (*word).to_owned()).collect()))
    };
    Ok(match change {
        Change::Postfix { key, before, after } => {
            let now = postfix::value(machine, key)?;
            if now == *after {
                Some(postfix::restore(key, before.as_deref()))
            } else {
                if postfix::written(machine, key)? != *before {
                    output::line(format_args!("main.cf: {key} was changed since, and stays"))?;
                }
                None
            }
        }
        Change::Site => None,
        _ if !machine.has_site() => None,
        Change::Units => dormouse(&["units", "uninstall"]),
        Change::Setting { key, before, after } => {
            let is_ours = machine.setting(key)?.as_ref() == Some(after);
            if is_ours { dormouse(&["config", "set", key, before]) } else { None }
        }
        Change::List { name } if machine.lists()?.contains(name) => {
            dormouse(&["list", "rm", name, "--yes"])
        }
        Change::Key { domain, selector } if machine.has_key(domain, selector)? => {
            dormouse(&["dkim", "rm", domain, selector])
        }
        Change::Member { list, address }
            if machine.lists()?.contains(list) && machine.has_member(list, address)? =>
        {
            dormouse(&["member", "rm", list, address])
        }
        Change::List { .. } | Change::Key { .. } | Change::Member { .. } => None,
    })
}

/// Moves the site aside. It may contain mail, so it is not removed.
fn move_aside(machine: &Machine) -> Result<(), Failure> {
    let dir = &machine.dir;
    if !dir.exists() {
        return Ok(());
    }
    let now = jiff::Zoned::now().strftime("%Y%m%dT%H%M%S");
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".undone-{now}"));
    let aside = dir.with_file_name(name);
    fs::rename(dir, &aside).map_err(|error| {
        Failure::new(ExitCode::CantCreat, format!("cannot move {}: {error}", dir.display()))
    })?;
    output::line(format_args!(
        "the site was moved to {}; remove it if nobody needs it",
        aside.display()
    ))
}
