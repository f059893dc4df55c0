//! The way back: a site as a tree that Mailman 2.1 loads (spec/pickles.md, spec/queue.md).
//!
//! - [`list`]: `config.pck`, with the members.
//! - [`waiting`]: `request.pck`, `pending.pck`, held posts, half-filled digests.
//! - [`mail`]: the queues.

mod list;
mod mail;
mod waiting;

use crate::import::{Progress, Target, copy_tree};
use crate::layout::OldSite;
use crate::mm_cfg::MmCfg;
use crate::report::Report;
use crate::{TakeoverError, old_list, source, text};
use dormouse_pickle::{Graph, Protocol};
use dormouse_runners::notices::templates;
use dormouse_store::List;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Mailman's own number of the version that this is written for, as `data/last_mailman_version`
/// has it.
const VERSION: &str = "0x20127f0\n";

/// Writes a site for Mailman 2.1 into a directory. Members' passwords are taken from an old site
/// as far as they still fit.
///
/// # Errors
/// When the directory is not empty, or something cannot be read or written.
pub fn export(
    target: Target<'_>,
    to: &Path,
    passwords_from: Option<&OldSite>,
    progress: Progress<'_>,
) -> Result<Report, TakeoverError> {
    if !source::names(to)?.is_empty() {
        return Err(TakeoverError::Refused(format!(
            "{} is not empty; an export goes into a new directory",
            to.display()
        )));
    }
    let settings = passwords_from.map_or_else(MmCfg::built_in, |old| old.settings.clone());
    let mut export = Export { target, to, passwords_from, settings, report: Report::new(false) };
    for dir in ["lists", "data", "qfiles", "archives/private", "archives/public", "locks", "logs"] {
        make_dir(&to.join(dir))?;
    }
    let lists = target.store.lists()?;
    let names = export.names(&lists);
    for (index, list) in lists.iter().enumerate() {
        progress(&list.name, index, lists.len());
        if let Some(name) = names.get(&list.id) {
            export.list(list, name)?;
        }
    }
    progress("queues", lists.len(), lists.len());
    export.queues(&names)?;
    let renamed = lists.iter().filter_map(|list| Some((&*list.name, &**names.get(&list.id)?)));
    export.site(&renamed.collect())?;
    sync(to)?;
    Ok(export.report)
}

struct Export<'e> {
    target: Target<'e>,
    to: &'e Path,
    passwords_from: Option<&'e OldSite>,
    settings: MmCfg,
    report: Report,
}

impl Export<'_> {
    /// Mailman's names for lists, with a remark where an address changes.
    fn names(&mut self, lists: &[List]) -> BTreeMap<i64, String> {
        let names = mailmans_names(lists);
        for list in lists {
            match names.get(&list.id) {
                Some(name) if name != list.local_part() => self.report.remark(
                    &list.name,
                    format!(
                        "Mailman has one list of a name only, so this one is called {name} there, \
                         and so are its addresses; aliases of the MTA can lead {} to them",
                        list.address()
                    ),
                ),
                _ => {}
            }
        }
        names
    }

    /// The members' passwords of an old site's list, in the clear.
    fn clear_passwords(&self, name: &str) -> Result<HashMap<String, String>, TakeoverError> {
        let Some(old) = self.passwords_from else { return Ok(HashMap::new()) };
        let path = old.lists.join(name).join("config.pck");
        let Some(bytes) = source::read(&path)? else { return Ok(HashMap::new()) };
        let (graph, _) = source::unpickle(&path, &bytes)?;
        let list = old_list::read(name, &graph, &old.settings)
            .map_err(|problem| TakeoverError::content(&path, problem))?;
        Ok(list.members.into_iter().map(|member| (member.member.key, member.password)).collect())
    }

    /// Passwords of the site, texts and archives, those of lists under Mailman's names.
    fn site(&mut self, names: &BTreeMap<&str, &str>) -> Result<(), TakeoverError> {
        for (role, file) in [("admin", "adm.pw"), ("creator", "creator.pw")] {
            match self.target.store.site_password(role)? {
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

    /// Texts of notices are in UTF-8 here, and there in the charset of the language whose directory
    /// they are in.
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

/// Mailman's names for lists, by their numbers. It knows no hosts in them, so that of lists of one
/// name all but one have their host behind it.
pub fn mailmans_names(lists: &[List]) -> BTreeMap<i64, String> {
    let mut names: BTreeMap<i64, String> = BTreeMap::new();
    let mut taken: BTreeSet<&str> = lists.iter().map(List::local_part).collect();
    let mut remaining: Vec<&List> = Vec::new();
    for list in lists {
        // Each name is given out once: to the first that has it.
        if taken.remove(list.local_part()) {
            names.insert(list.id, list.local_part().to_owned());
        } else {
            remaining.push(list);
        }
    }
    for list in remaining {
        let host = list.settings.host_name.replace('.', "-");
        let with_host = format!("{}-{host}", list.local_part());
        let numbered = (2..).map(|number| format!("{with_host}-{number}"));
        let free = std::iter::once(with_host.clone())
            .chain(numbered)
            .find(|name| !names.values().any(|known| known == name));
        let Some(name) = free else { continue };
        names.insert(list.id, name);
    }
    names
}

/// Whether a hash is one that Mailman 2.1 makes.
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

/// Makes a directory whose group is inherited, as Mailman's are.
fn make_dir(path: &Path) -> Result<PathBuf, TakeoverError> {
    fs::create_dir_all(path).map_err(TakeoverError::io("make the directory", path))?;
    set_mode(path, 0o2775)?;
    Ok(path.to_owned())
}

fn sync(dir: &Path) -> Result<(), TakeoverError> {
    let opened = File::open(dir).map_err(TakeoverError::io("open", dir))?;
    rustix::fs::syncfs(&opened).map_err(|error| TakeoverError::io("sync", dir)(error.into()))
}
