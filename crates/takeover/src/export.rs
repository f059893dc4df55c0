//! Exports a site in the form that Mailman 2.1 loads (docs/spec/pickles.md, docs/spec/queue.md).
//!
//! - [`list`]: `config.pck`, with the members; [`config`]: the file.
//! - [`waiting`]: `request.pck`, `pending.pck`, held posts, half-filled digests.
//! - [`mail`]: the queues. [`pipermail`]: what Mailman's own archiver knows of the archives.

mod config;
mod list;
mod mail;
mod pipermail;
mod waiting;

use crate::import::{ShowProgress, Target, copy_tree};
use crate::layout::OldSite;
use crate::mm_cfg::MmCfg;
use crate::old_list::Members;
use crate::report::TakeoverReport;
use crate::{TakeoverError, old_list, source, text};
use dormouse_membership::notices::templates;
use dormouse_pickle::{Graph, Protocol};
use dormouse_store::{List, ListId, ListName, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The version of Mailman that the export is for, as in `data/last_mailman_version`.
const VERSION: &str = "0x20127f0\n";

/// A file that is in an export until it is complete.
const UNFINISHED: &str = "EXPORT-IS-NOT-COMPLETE";
/// The files that an export creates in its directory.
const PARTS: [&str; 8] =
    ["lists", "data", "qfiles", "archives", "locks", "logs", "templates", UNFINISHED];

/// Exports a site for Mailman 2.1 to a directory. Members' passwords are taken from an old site
/// if they are still valid.
///
/// The rest of a failed export is recognized by a special file, and the next export to
/// that directory starts again.
///
/// # Errors
/// If the directory is not empty, or something cannot be read or written.
pub fn export(
    target: Target<'_>,
    to: &Path,
    passwords_from: Option<&OldSite>,
    progress: ShowProgress<'_>,
) -> Result<TakeoverReport, TakeoverError> {
    clear(to)?;
    make_dir(to)?;
    let unfinished = to.join(UNFINISHED);
    write(&unfinished, b"An export to this directory was not completed; run it again.\n")?;
    let settings = passwords_from.map_or_else(MmCfg::built_in, |old| old.settings.clone());
    let mut export =
        Export { target, to, passwords_from, settings, report: TakeoverReport::new(false) };
    export.all(progress)?;
    sync(to)?;
    fs::remove_file(&unfinished).map_err(TakeoverError::io("remove", &unfinished))?;
    Ok(export.report)
}

/// Removes the rest of an export that was not completed.
fn clear(to: &Path) -> Result<(), TakeoverError> {
    let names = source::names(to)?;
    let is_ours = |name: &String| PARTS.contains(&name.as_str());
    if names.is_empty() {
        return Ok(());
    }
    if !names.iter().any(|name| name == UNFINISHED) || !names.iter().all(is_ours) {
        return Err(TakeoverError::Refused(format!(
            "{} is not empty; export to a new directory",
            to.display()
        )));
    }
    // The mark is removed last.
    for name in PARTS.iter().filter(|name| to.join(name).exists()) {
        let path = to.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(TakeoverError::io("remove", &path))?;
    }
    Ok(())
}

struct Export<'e> {
    target: Target<'e>,
    to: &'e Path,
    passwords_from: Option<&'e OldSite>,
    settings: MmCfg,
    report: TakeoverReport,
}

impl Export<'_> {
    fn all(&mut self, progress: ShowProgress<'_>) -> Result<(), TakeoverError> {
        for dir in ["lists", "data", "qfiles", "archives/public", "locks", "logs"] {
            make_dir(&self.to.join(dir))?;
        }
        // Mailman's own: other users must not list it.
        let private = make_dir(&self.to.join("archives/private"))?;
        set_mode(&private, 0o2771)?;
        let named = self.names()?;
        self.each_list(&named, |export, index, list, name| {
            progress(&list.name, index, named.names.len());
            export.list(list, name)
        })?;
        progress("queues", named.names.len(), named.names.len());
        self.queues(&named.names)?;
        self.each_list(&named, |export, _, list, _| {
            export.complete_archive(list);
            Ok(())
        })?;
        let names = named.lists.iter();
        let names = names.filter_map(|one| Some((&*one.name, named.names.get(&one.id)?.as_str())));
        self.site(&names.collect())?;
        self.each_list(&named, |export, index, list, name| {
            progress(&format!("archive {name}"), index, named.names.len());
            export.pipermail(list, name)
        })
    }

    /// Calls `each` with every list, its number and its name in Mailman. Some of them are in memory.
    fn each_list(
        &mut self,
        named: &Named,
        mut each: impl FnMut(&mut Self, usize, &List, &str) -> Result<(), TakeoverError>,
    ) -> Result<(), TakeoverError> {
        let mut index = 0;
        for list in self.target.store.read().iter_lists() {
            let list = list?;
            // One that was created since then is not exported.
            let Some(name) = named.names.get(&list.id) else { continue };
            each(self, index, &list, name)?;
            index += 1;
        }
        Ok(())
    }

    /// Returns Mailman's names for lists, and reports the addresses that change.
    fn names(&mut self) -> Result<Named, TakeoverError> {
        let mut lists = Vec::new();
        self.target.store.read().each_list(|list| -> Result<(), StoreError> {
            let host = list.settings.host_name;
            lists.push(NamedList { id: list.id, name: list.name, host });
            Ok(())
        })?;
        let names = mailmans_names(lists.iter().map(|one| (one.id, one.name.local(), &*one.host)));
        for NamedList { id, name: list, host } in &lists {
            match names.get(id) {
                Some(name) if name != list.local() => self.report.remark(
                    list.as_str(),
                    format!(
                        "Mailman has one list of a name only, so this one is called {name} there, \
                         and so are its addresses; aliases of the MTA can lead {}@{host} to them",
                        list.local()
                    ),
                ),
                _ => {}
            }
        }
        Ok(Named { lists, names })
    }

    /// Returns the members of an old site's list, with their passwords in plain text. A list that
    /// is unreadable is reported: its members get new passwords.
    fn old_members(&mut self, name: &str) -> Option<Members> {
        let old = self.passwords_from?;
        let dir = old.lists.join(name);
        match old_list::newest(name, &dir, &old.settings) {
            Ok(None) => None,
            Ok(Some(found)) => {
                if let Some(remark) = found.remark {
                    self.report.remark(old.name_of(&dir), remark);
                }
                Some(found.members)
            }
            Err(error) => {
                self.report.problem(
                    old.name_of(&dir),
                    format!("{error}; no passwords are taken from there"),
                );
                None
            }
        }
    }

    /// Passwords of the site, texts and archives; those of lists with Mailman's names.
    fn site(&mut self, names: &BTreeMap<&str, &str>) -> Result<(), TakeoverError> {
        for (role, file) in [("admin", "adm.pw"), ("creator", "creator.pw")] {
            match self.target.store.read().site_password(role)? {
                Some(hash) if is_sha1(&hash) => {
                    let path = self.to.join("data").join(file);
                    write(&path, format!("{hash}\n").as_bytes())?;
                    set_mode(&path, 0o640)?;
                    self.report.brought("site passwords", 1);
                }
                Some(_) => {
                    let text =
                        "Mailman cannot check the password's hash; set it with bin/mmsitepass";
                    self.report.remark(format!("data/{file}"), text);
                }
                None => {}
            }
        }
        write(&self.to.join("data/last_mailman_version"), VERSION.as_bytes())?;
        let dir = self.target.site.dir();
        let number = copy_tree(&dir.join("templates"), &self.to.join("templates"))?;
        self.report.brought("texts", number);
        for place in source::names(&self.to.join("templates"))? {
            self.recode_texts(&self.to.join("templates").join(place))?;
        }
        for (place, what) in [("lists", "texts"), ("archives/private", "archive files")] {
            self.directories(place, names, what)?;
        }
        Ok(())
    }

    /// Texts of notices are in UTF-8 here, and in Mailman in the charset of the language of their
    /// directory.
    fn recode_texts(&self, dir: &Path) -> Result<(), TakeoverError> {
        for language in source::names(dir)?.iter().filter(|name| dir.join(name).is_dir()) {
            let charset = self.settings.charset(language);
            for (name, _) in templates::BUILT_IN {
                let path = dir.join(language).join(format!("{name}.txt"));
                let Some(bytes) = source::read(&path)? else { continue };
                match std::str::from_utf8(&bytes) {
                    Ok(letters) if !letters.is_ascii() => {
                        fs::write(&path, text::encode(charset, letters))
                            .map_err(TakeoverError::io("write", &path))?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Copies the directories of lists, `LIST` and `LIST.mbox` with the file of that name in it.
    fn directories(
        &mut self,
        place: &str,
        names: &BTreeMap<&str, &str>,
        what: &'static str,
    ) -> Result<(), TakeoverError> {
        let (from, to) = (self.target.site.dir().join(place), self.to.join(place));
        for name in source::names(&from)? {
            let (list, ending) =
                name.strip_suffix(".mbox").map_or((&*name, ""), |list| (list, ".mbox"));
            let mailmans = names.get(list).copied().unwrap_or(list);
            let dir = to.join(format!("{mailmans}{ending}"));
            let number = copy_tree(&from.join(&name), &dir)?;
            self.report.brought(what, number);
            if place == "lists" {
                self.recode_texts(&dir)?;
            }
            let mbox = dir.join(&name);
            if mailmans != list && !ending.is_empty() && mbox.exists() {
                let renamed = dir.join(format!("{mailmans}{ending}"));
                fs::rename(&mbox, &renamed).map_err(TakeoverError::io("rename", &mbox))?;
            }
        }
        Ok(())
    }
}

/// The lists of a site, and Mailman's names for them.
struct Named {
    lists: Vec<NamedList>,
    names: BTreeMap<ListId, String>,
}

struct NamedList {
    id: ListId,
    name: ListName,
    host: String,
}

/// Returns Mailman's names for lists, by their numbers. They contain no hosts, so of several lists
/// with one name, all but one get their host appended. Lists are given by number, name without host,
/// and host.
pub fn mailmans_names<'l>(
    lists: impl Iterator<Item = (ListId, &'l str, &'l str)> + Clone,
) -> BTreeMap<ListId, String> {
    let mut names: BTreeMap<ListId, String> = BTreeMap::new();
    let mut taken: BTreeSet<&str> = lists.clone().map(|(_, local, _)| local).collect();
    let mut remaining = Vec::new();
    for (id, local, host) in lists {
        // Each name is used once: by the first that has it.
        if taken.remove(local) {
            names.insert(id, local.to_owned());
        } else {
            remaining.push((id, local, host));
        }
    }
    for (id, local, host) in remaining {
        let with_host = format!("{local}-{}", host.replace('.', "-"));
        let numbered = (2..).map(|number| format!("{with_host}-{number}"));
        let free = std::iter::once(with_host.clone())
            .chain(numbered)
            .find(|name| !names.values().any(|known| known == name));
        let Some(name) = free else { continue };
        names.insert(id, name);
    }
    names
}

/// Whether a hash is one that Mailman 2.1 can check.
fn is_sha1(hash: &str) -> bool {
    hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes a graph as a pickle.
fn pickle(path: &Path, graph: &Graph<'_>, protocol: Protocol) -> Result<(), TakeoverError> {
    let mut bytes = Vec::new();
    dormouse_pickle::dump(graph, protocol, &mut bytes)
        .map_err(|error| TakeoverError::content(path, error.to_string()))?;
    write(path, &bytes)
}

/// Writes a file that Mailman's group may change.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TakeoverError> {
    File::create_new(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(TakeoverError::io("write", path))?;
    set_mode(path, 0o660)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), TakeoverError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(TakeoverError::io("set the mode of", path))
}

/// Creates a directory with an inherited group, like Mailman's.
fn make_dir(path: &Path) -> Result<PathBuf, TakeoverError> {
    fs::create_dir_all(path).map_err(TakeoverError::io("create the directory", path))?;
    set_mode(path, 0o2775)?;
    Ok(path.to_owned())
}

fn sync(dir: &Path) -> Result<(), TakeoverError> {
    let opened = File::open(dir).map_err(TakeoverError::io("open", dir))?;
    rustix::fs::syncfs(&opened).map_err(|error| TakeoverError::io("sync", dir)(error.into()))
}
