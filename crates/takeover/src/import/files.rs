//! Files that are copied unchanged: texts of notices and pages, archives. Files changed
//! here since then are not overwritten.

use super::{Import, ShowProgress};
use crate::report::ItemFate;
use crate::{TakeoverError, source};
use dormouse_archive::ArchivePlace;
use dormouse_mail::charset;
use dormouse_membership::notices::templates;
use dormouse_store::public;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The result for one file.
enum Copied {
    New,
    Same,
    /// It was changed here and there.
    Ours,
}

impl Import<'_> {
    /// Imports a list's own texts, and everything else in its directory.
    pub(super) fn list_files(&mut self, list: &str) -> Result<(), TakeoverError> {
        let dir = self.old.lists.join(list);
        for name in source::names(&dir)? {
            let path = dir.join(&name);
            if path.is_dir() {
                let to = self.target.site.dir().join("lists").join(list).join(&name);
                if let Err(error) = self.texts(&path, &to) {
                    self.failed(&path, error)?;
                }
                continue;
            }
            let (fate, note) = match name.as_str() {
                "config.pck" | "request.pck" | "pending.pck" | "digest.mbox" => continue,
                "config.pck.last" => (ItemFate::Dropped, "the version before config.pck"),
                "extend.py" => (ItemFate::Dropped, "a program is not run"),
                "members.txt" => (ItemFate::Dropped, "only a changed pipeline reads it"),
                _ if name.starts_with("config.pck.") || name.contains(".tmp") => {
                    (ItemFate::Dropped, "left by a crash of Mailman's")
                }
                // Where there is no pickle yet, they are what was read.
                "config.db" | "config.db.last" | "request.db" => {
                    let pickle = if name == "request.db" { "request.pck" } else { "config.pck" };
                    if !dir.join(pickle).exists() {
                        continue;
                    }
                    (ItemFate::Dropped, "of Mailman before 2.1.5, which converted it to a pickle")
                }
                _ => (ItemFate::Unknown, "left where it is"),
            };
            self.report.item("lists/*/", &name, fate, note, list);
        }
        Ok(())
    }

    /// Texts of a language, after which the directory is named.
    fn texts(&mut self, from: &Path, to: &Path) -> Result<(), TakeoverError> {
        let language = from.file_name().unwrap_or_default().to_string_lossy();
        let charset = self.old.settings.charset(&language).to_owned();
        for file in source::names(from)? {
            let path = from.join(&file);
            let about = self.old.name_of(&path);
            if !(file.ends_with(".txt") || file.ends_with(".html")) || !path.is_file() {
                self.report.item("texts", &file, ItemFate::Unknown, "left where it is", &about);
                continue;
            }
            let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
            let is_used =
                file.ends_with(".txt") && templates::BUILT_IN.iter().any(|(name, _)| *name == stem);
            if is_used {
                self.report.item("texts", &file, ItemFate::Taken, "replaces ours", &about);
                self.used_text(&path, &to.join(&file), stem, &charset)?;
            } else {
                let note = "this version has no text of that name";
                self.report.item("texts", &file, ItemFate::Kept, note, &about);
                self.copy(&path, &to.join(&file), "texts")?;
            }
        }
        Ok(())
    }

    /// Imports a text that replaces ours: it is converted to UTF-8, and unknown fields in it are
    /// reported.
    fn used_text(
        &mut self,
        from: &Path,
        to: &Path,
        name: &str,
        charset: &str,
    ) -> Result<(), TakeoverError> {
        let about = self.old.name_of(from);
        let bytes = fs::read(from).map_err(TakeoverError::io("read", from))?;
        // Valid UTF-8 is not a text of another charset by chance.
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => charset::decode(charset, error.as_bytes()),
        };
        for field in templates::unknown_fields(name, &text) {
            self.report
                .remark(&about, format!("%({field})s has no meaning here and is sent unchanged"));
        }
        if templates::fields(&text).contains("password") && name != "newlist" {
            let remark = "%(password)s is empty: members' passwords are not known";
            self.report.remark(&about, remark);
        }
        let copied = write_copy(from, to, text.as_bytes(), self.options.dry_run)?;
        self.copied(copied, from, "texts");
        Ok(())
    }

    /// Texts of the site and its hosts, the archives, and everything else in the site's
    /// directories.
    pub(super) fn site_files(&mut self, progress: ShowProgress<'_>) -> Result<(), TakeoverError> {
        for place in source::names(&self.old.templates)? {
            let from = self.old.templates.join(&place);
            if place != "site" && !place.contains('.') {
                let note = "Mailman's own texts, for which ours are used";
                self.report.item("templates/", &place, ItemFate::Dropped, note, &place);
                continue;
            }
            for language in source::names(&from)? {
                let to = self.target.site.dir().join("templates").join(&place).join(&language);
                let from = from.join(&language);
                if let Err(error) = self.texts(&from, &to) {
                    self.failed(&from, error)?;
                }
            }
        }
        self.archives(progress)?;
        self.data_files()?;
        self.other_directories()
    }

    fn archives(&mut self, progress: ShowProgress<'_>) -> Result<(), TakeoverError> {
        let private = self.old.archives.join("private");
        let names = source::names(&private)?;
        if !self.options.archives {
            if !names.is_empty() {
                let note = "left out, as requested";
                self.report.item(
                    "archives/",
                    "private",
                    ItemFate::Dropped,
                    note,
                    "archives/private",
                );
            }
            return Ok(());
        }
        if !self.options.dry_run {
            ArchivePlace::create_roots(self.target.site)?;
        }
        for (index, name) in names.iter().enumerate() {
            progress(&format!("archive {name}"), index, names.len());
            let from = private.join(name);
            let to = self.target.site.dir().join("archives/private").join(name);
            if let Err(error) = self.copy_tree(&from, &to) {
                self.failed(&from, error)?;
            }
            let (file, note) = if name.ends_with(".mbox") {
                ("*.mbox", "the archive's mailbox; `dormouse archive rebuild` indexes it")
            } else {
                ("pages", "at the same addresses")
            };
            self.report.item("archives/", file, ItemFate::Taken, note, name);
        }
        // Which archives are public is a list's setting; the links stand for it.
        for name in source::names(&self.old.archives.join("public"))? {
            let link = self.target.site.dir().join("archives/public").join(&name);
            if self.options.dry_run || fs::symlink_metadata(&link).is_ok() {
                continue;
            }
            symlink(Path::new("../private").join(&name), &link)
                .map_err(TakeoverError::io("link", &link))?;
        }
        if !self.options.dry_run {
            self.open_public_archives()?;
        }
        if !self.options.dry_run && !names.is_empty() {
            let dir = self.target.site.dir();
            let opened = File::open(dir).map_err(TakeoverError::io("open", dir))?;
            rustix::fs::syncfs(&opened)
                .map_err(|error| TakeoverError::io("sync", dir)(error.into()))?;
        }
        Ok(())
    }

    /// Makes public archives readable for a web server, whatever the modes of the old site, where
    /// Mailman's group may have had access.
    fn open_public_archives(&self) -> Result<(), TakeoverError> {
        let (site, store) = (self.target.site, self.target.store);
        store.settle_archives()?;
        let private = store.read().private_archives()?;
        let mut lists = store.read().list_names()?;
        lists.retain(|list| !private.contains(list));
        for public::Closed { path, modes } in public::closed(site, &lists)? {
            // The site's own mode is its owner's business; `doctor` reports it.
            if path != site.dir() {
                fs::set_permissions(&path, fs::Permissions::from_mode(modes.1))
                    .map_err(TakeoverError::io("set the mode of", &path))?;
            }
        }
        Ok(())
    }

    fn copy_tree(&mut self, from: &Path, to: &Path) -> Result<(), TakeoverError> {
        let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
        while let Some((from, to)) = waiting.pop() {
            let about = fs::symlink_metadata(&from).map_err(TakeoverError::io("look at", &from))?;
            if about.is_dir() {
                if !self.options.dry_run {
                    make_dir_like(&to, &about)?;
                }
                waiting.extend(inside(&from, &to)?);
            } else if about.is_symlink() {
                self.copy_link(&from, &to)?;
            } else if about.is_file() && from.extension().is_none_or(|ending| ending != "lock") {
                self.copy(&from, &to, "archive files")?;
            }
        }
        Ok(())
    }

    /// Copies a link within a directory, as a volume's index.html is.
    fn copy_link(&mut self, from: &Path, to: &Path) -> Result<(), TakeoverError> {
        let target = fs::read_link(from).map_err(TakeoverError::io("read", from))?;
        if target.components().count() != 1 || target.is_absolute() {
            let note = "a link to another place";
            let about = self.old.name_of(from);
            self.report.item("archives/", "links", ItemFate::Dropped, note, &about);
            return Ok(());
        }
        if self.options.dry_run || fs::symlink_metadata(to).is_ok() {
            return Ok(());
        }
        make_dir(to.parent().unwrap_or(to))?;
        symlink(target, to).map_err(TakeoverError::io("link", to))
    }

    fn copy(&mut self, from: &Path, to: &Path, what: &'static str) -> Result<(), TakeoverError> {
        let copied = copy(from, to, self.options.dry_run)?;
        self.copied(copied, from, what);
        Ok(())
    }

    fn copied(&mut self, copied: Copied, from: &Path, what: &'static str) {
        match copied {
            Copied::New => self.report.brought(what, 1),
            Copied::Same => self.report.unchanged(what, 1),
            Copied::Ours => self.report.remark(
                self.old.name_of(from),
                "it was changed here since it was imported, and stays unchanged",
            ),
        }
    }

    /// Reports the files in `data/` that have not been read yet.
    fn data_files(&mut self) -> Result<(), TakeoverError> {
        for name in source::names(&self.old.data)? {
            let about = format!("data/{name}");
            let (key, fate, note) = match name.as_str() {
                "adm.pw" | "creator.pw" => (name.as_str(), ItemFate::Taken, "the site's passwords"),
                "aliases" | "aliases.db" | "virtual-mailman" | "virtual-mailman.db" => {
                    (name.as_str(), ItemFate::Dropped, "`dormouse aliases` writes ours")
                }
                "last_mailman_version" => {
                    (name.as_str(), ItemFate::Dropped, "Mailman's own version")
                }
                "sitelist.cfg" => {
                    (name.as_str(), ItemFate::Dropped, "a sample for the site's list")
                }
                "master-qrunner.pid" => {
                    (name.as_str(), ItemFate::Dropped, "of a process that is gone")
                }
                "owner-bounces.mbox" => (
                    name.as_str(),
                    ItemFate::Dropped,
                    "mail that nobody wanted; read it where it is",
                ),
                _ if name.starts_with("bounce-events-") => continue,
                _ if name.starts_with("heldmsg-") => {
                    ("heldmsg-*", ItemFate::Taken, "with the requests that name them")
                }
                "pending.pck" | "pending_subscriptions.db" | "gate_watermarks" => (
                    name.as_str(),
                    ItemFate::Dropped,
                    "of Mailman before 2.1.5, which took it over",
                ),
                _ => (name.as_str(), ItemFate::Unknown, "left where it is"),
            };
            self.report.item("data/", key, fate, note, &about);
        }
        Ok(())
    }

    fn other_directories(&mut self) -> Result<(), TakeoverError> {
        const KNOWN: [&str; 7] =
            ["lists", "qfiles", "archives", "data", "locks", "templates", "mm_cfg.py"];
        for name in source::names(&self.old.root)? {
            if KNOWN.contains(&name.as_str()) {
                continue;
            }
            let (fate, note) = match name.as_str() {
                "logs" => (ItemFate::Dropped, "what happened there; read it where it is"),
                "spam" => {
                    (ItemFate::Dropped, "messages that moderators kept; read them where they are")
                }
                "bin" | "cgi-bin" | "cron" | "icons" | "mail" | "Mailman" | "messages"
                | "pythonlib" | "scripts" | "tests" | "bounces" => {
                    (ItemFate::Dropped, "Mailman's program")
                }
                _ => (ItemFate::Unknown, "left where it is"),
            };
            self.report.item("the site", &name, fate, note, &name);
        }
        Ok(())
    }
}

/// Copies a file completely or not at all, with its time. A file that is newer here stays.
fn copy(from: &Path, to: &Path, dry_run: bool) -> Result<Copied, TakeoverError> {
    let theirs = fs::metadata(from).map_err(TakeoverError::io("look at", from))?;
    let time = theirs.modified().map_err(TakeoverError::io("look at", from))?;
    match fs::metadata(to) {
        Ok(ours) => {
            let our_time = ours.modified().map_err(TakeoverError::io("look at", to))?;
            if ours.len() == theirs.len() && our_time == time {
                return Ok(Copied::Same);
            }
            if our_time > time {
                return Ok(Copied::Ours);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(TakeoverError::io("look at", to)(error)),
    }
    if dry_run {
        return Ok(Copied::New);
    }
    let draft = draft_of(to)?;
    copy_for_owner(from, &draft)?;
    finish(&draft, to, time)?;
    Ok(Copied::New)
}

/// Does the same with other content.
fn write_copy(
    from: &Path,
    to: &Path,
    bytes: &[u8],
    dry_run: bool,
) -> Result<Copied, TakeoverError> {
    let theirs = fs::metadata(from).map_err(TakeoverError::io("look at", from))?;
    let time = theirs.modified().map_err(TakeoverError::io("look at", from))?;
    match fs::read(to) {
        Ok(ours) if ours == bytes => return Ok(Copied::Same),
        Ok(_) => {
            let our_time = fs::metadata(to).and_then(|ours| ours.modified());
            if our_time.map_err(TakeoverError::io("look at", to))? > time {
                return Ok(Copied::Ours);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(TakeoverError::io("read", to)(error)),
    }
    if dry_run {
        return Ok(Copied::New);
    }
    let draft = draft_of(to)?;
    fs::write(&draft, bytes).map_err(TakeoverError::io("write", &draft))?;
    finish(&draft, to, time)?;
    Ok(Copied::New)
}

/// Returns where a file is written before it gets its name.
fn draft_of(to: &Path) -> Result<PathBuf, TakeoverError> {
    make_dir(to.parent().unwrap_or(to))?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = to.with_file_name(name);
    // An import that was killed may have left one that cannot be written.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(TakeoverError::io("remove", &draft)(error))
        }
        _ => Ok(draft),
    }
}

/// Copies a file so that the same users can read it as the original. Its owner here must be able to
/// write it, too: a Mailman that was retired is often read-only, and archives go on.
pub(super) fn copy_for_owner(from: &Path, to: &Path) -> Result<(), TakeoverError> {
    fs::copy(from, to).map_err(TakeoverError::io("copy", from))?;
    let mode = fs::metadata(to).map_err(TakeoverError::io("look at", to))?.permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode | 0o600))
        .map_err(TakeoverError::io("set the mode of", to))
}

/// Gives a draft its time and its name.
fn finish(draft: &Path, to: &Path, time: SystemTime) -> Result<(), TakeoverError> {
    let times = FileTimes::new().set_modified(time);
    File::options()
        .write(true)
        .open(draft)
        .and_then(|file| file.set_times(times))
        .map_err(TakeoverError::io("set the time of", draft))?;
    fs::rename(draft, to).map_err(TakeoverError::io("write", to))
}

/// Returns the content of a directory, also names that are not UTF-8, with its targets.
fn inside(from: &Path, to: &Path) -> Result<Vec<(PathBuf, PathBuf)>, TakeoverError> {
    fs::read_dir(from)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| (entry.path(), to.join(entry.file_name()))))
                .collect()
        })
        .map_err(TakeoverError::io("list", from))
}

/// Creates a directory that can be read by the same users as the original.
fn make_dir_like(path: &Path, other: &fs::Metadata) -> Result<(), TakeoverError> {
    make_dir(path)?;
    // We must be able to write it, whatever the original's owner could do.
    let mode = other.permissions().mode() | 0o700;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(TakeoverError::io("set the mode of", path))
}

fn make_dir(path: &Path) -> Result<(), TakeoverError> {
    fs::create_dir_all(path).map_err(TakeoverError::io("create the directory", path))
}

/// Copies everything below a directory, if it exists; returns the number of files.
pub fn copy_all(from: &Path, to: &Path) -> Result<u64, TakeoverError> {
    let mut number = 0;
    let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        let about = match fs::symlink_metadata(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(TakeoverError::io("look at", &from))?,
        };
        if about.is_dir() {
            make_dir_like(&to, &about)?;
            waiting.extend(inside(&from, &to)?);
        } else if about.is_symlink() {
            let target = fs::read_link(&from).map_err(TakeoverError::io("read", &from))?;
            symlink(target, &to).map_err(TakeoverError::io("link", &to))?;
        } else if about.is_file() {
            copy(&from, &to, false)?;
            number += 1;
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_read_only_files_can_be_written_and_nobody_else_may_do_more() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        for (theirs, ours) in [(0o444, 0o644), (0o440, 0o640), (0o400, 0o600), (0o664, 0o664)] {
            fs::write(&from, format!("{theirs:o}")).unwrap();
            fs::set_permissions(&from, fs::Permissions::from_mode(theirs)).unwrap();
            // One that was interrupted left its draft.
            fs::write(to.with_file_name("to.new"), "half").unwrap();
            fs::set_permissions(to.with_file_name("to.new"), fs::Permissions::from_mode(0o444))
                .unwrap();
            copy(&from, &to, false).unwrap();
            assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, ours);
            assert_eq!(fs::read_to_string(&to).unwrap(), format!("{theirs:o}"));
            fs::remove_file(&from).unwrap();
            fs::remove_file(&to).unwrap();
        }
    }
}
