//! The record of a decided hand-over.

use crate::spool::State;
use crate::{EntryName, Spool, SpoolError, claim, durable, label};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A parsed record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Staged file name → path of the entry below the spool.
    pub outputs: Vec<(String, String)>,
    /// Paths of the sources below the spool.
    pub sources: Vec<String>,
}

impl Record {
    /// Whether it finishes the entry of that name, which may have moved to another queue since it was new.
    pub fn finishes(&self, name: &EntryName) -> bool {
        finishes(&self.sources, name)
    }

    /// Reads a record; `None` if it is gone.
    pub fn read(path: &Path) -> Result<Option<Record>, SpoolError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SpoolError::io("read", path)(error)),
        };
        Record::parse(&text)
            .map(Some)
            .map_err(|problem| SpoolError::Record { path: path.to_owned(), problem })
    }

    fn parse(text: &str) -> Result<Record, String> {
        let mut record = Record { outputs: Vec::new(), sources: Vec::new() };
        let mut lines = text.lines();
        loop {
            match lines.next() {
                Some("end") => return Ok(record),
                Some(line) => match line.split_once(' ') {
                    Some(("output", rest)) => {
                        let (staged, target) =
                            rest.split_once(' ').ok_or_else(|| format!("line {line:?}"))?;
                        record.outputs.push((staged.to_owned(), target.to_owned()));
                    }
                    Some(("source", source)) => record.sources.push(source.to_owned()),
                    _ => return Err(format!("line {line:?}")),
                },
                None => return Err("it has no end line".to_owned()),
            }
        }
    }

    /// Completes the hand-over that its dead owner decided; may be repeated.
    pub fn apply(&self, spool: &Spool, path: &Path) -> Result<(), SpoolError> {
        let paths = spool.paths();
        let mut touched = BTreeSet::new();
        for (staged, target) in &self.outputs {
            let staged = paths.staged().join(staged);
            let target = paths.relative(target);
            match durable::rename(&staged, &target) {
                // Its owner had already done that.
                Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            touched.extend(target.parent().map(Path::to_owned));
        }
        for source in &self.sources {
            let source = paths.relative(source);
            match File::open(&source) {
                Ok(file) => label::forget(paths, &file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SpoolError::io("open", &source)(error)),
            }
            durable::unlink(&source)?;
            touched.extend(source.parent().map(Path::to_owned));
        }
        for dir in touched {
            durable::sync_dir(&dir)?;
        }
        paths.sync_spares()?;
        durable::unlink(path)
    }
}

/// Whether one of these sources is the entry of that name, in any queue. No other entry that is in work has
/// its name: an output of its own that does is decided together with its end.
pub(crate) fn finishes<'s>(
    sources: impl IntoIterator<Item = &'s String>,
    name: &EntryName,
) -> bool {
    let file = format!("{name}.{}", State::Claimed.suffix());
    sources.into_iter().any(|source| source.split_once('/').is_some_and(|(_, it)| it == file))
}

/// Locks a record whose owner is dead.
pub(crate) fn lock_record(path: &Path) -> Result<Option<File>, SpoolError> {
    claim::lock_file(path)
}
