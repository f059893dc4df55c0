//! Files that a command reads, and times.

use crate::failure::Failure;
use clap::builder::{OsStringValueParser, TypedValueParser};
use dormouse_clock::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use sysexits::ExitCode;

/// Parses a time: ISO 8601, with an offset or in local time, or as mail has it.
pub fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(exact) = text.parse::<jiff::Timestamp>() {
        return Ok(SystemTime::from(exact).into());
    }
    if let Ok(local) = text.parse::<DateTime>() {
        let zoned = local.to_zoned(TimeZone::system()).map_err(|error| error.to_string())?;
        return Ok(SystemTime::from(zoned.timestamp()).into());
    }
    dormouse_mail::date::parse(text.as_bytes())
        .filter(|seconds| *seconds >= 0)
        .map(|seconds| Timestamp::from_seconds(seconds as f64))
        .ok_or_else(|| format!("{text:?} is not a time such as 2026-12-01T09:00"))
}

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
    /// Returns the parser for clap.
    pub fn parser() -> impl TypedValueParser<Value = Input> {
        OsStringValueParser::new().map(Input::open)
    }

    fn open(name: OsString) -> Input {
        let opened = (name != "-").then(|| Arc::new(File::open(&name)));
        Input { path: name.into(), opened }
    }

    /// Returns the file's name.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Returns the size in bytes, or 0 if unknown.
    pub fn size(&self) -> u64 {
        let file = self.opened.as_deref().and_then(|opened| opened.as_ref().ok());
        file.and_then(|file| file.metadata().ok()).map_or(0, |found| found.len())
    }

    /// Returns a reader of the content.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_iso_8601_or_as_mail_has_it() {
        let seconds = |text: &str| time(text).map(Timestamp::whole_seconds);
        assert_eq!(seconds("2026-12-01T09:00:00+01:00"), Ok(1_796_112_000));
        assert_eq!(seconds("2026-12-01T08:00:00Z"), Ok(1_796_112_000));
        assert_eq!(seconds("Tue, 1 Dec 2026 09:00:00 +0100"), Ok(1_796_112_000));
        let local = DateTime::constant(2026, 12, 1, 9, 0, 0, 0);
        let local = local.to_zoned(TimeZone::system()).unwrap().timestamp().as_second();
        for text in ["2026-12-01T09:00", "2026-12-01 09:00", "2026-12-01T09:00:00"] {
            assert_eq!(seconds(text), Ok(local), "{text}");
        }
        for wrong in ["tomorrow", "2026-13-01T09:00", "", "9:00"] {
            assert!(seconds(wrong).unwrap_err().contains("2026-12-01T09:00"), "{wrong}");
        }
    }
}
