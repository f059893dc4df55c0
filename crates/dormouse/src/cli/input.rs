//! Files that a command reads.

use crate::failure::Failure;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use sysexits::ExitCode;

/// A file named on the command line; `-` is standard input. It is opened when the command line is
/// read, with the rights of the user who typed its name: root may read files that the site's owner,
/// to whom root then switches, may not.
#[derive(Debug, Clone)]
pub struct Input {
    path: PathBuf,
    /// None is standard input.
    opened: Option<Arc<io::Result<File>>>,
}

impl Input {
    /// The parser for clap.
    pub fn parser() -> impl TypedValueParser<Value = Input> {
        OsStringValueParser::new().map(Input::open)
    }

    fn open(name: OsString) -> Input {
        let opened = (name != "-").then(|| Arc::new(File::open(&name)));
        Input { path: name.into(), opened }
    }

    /// The file's name.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The size in bytes, or 0 if unknown.
    pub fn size(&self) -> u64 {
        let file = self.opened.as_deref().and_then(|opened| opened.as_ref().ok());
        file.and_then(|file| file.metadata().ok()).map_or(0, |found| found.len())
    }

    /// A reader of the content.
    pub fn reader(&self) -> Result<Box<dyn BufRead>, Failure> {
        let wrong = |error: &io::Error| {
            Failure::new(ExitCode::NoInput, format!("cannot read {}: {error}", self.path.display()))
        };
        match self.opened.as_deref() {
            None => Ok(Box::new(io::stdin().lock())),
            Some(Ok(file)) => {
                Ok(Box::new(BufReader::new(file.try_clone().map_err(|error| wrong(&error))?)))
            }
            Some(Err(error)) => Err(wrong(error)),
        }
    }
}
