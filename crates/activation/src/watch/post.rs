//! The parameters of a watch, and their conversion to arguments.

use crate::ActivationError;
use dormouse_spool::Queue;
use dormouse_store::Arrangement;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What to watch, and what to start. The small watch program gets it as arguments, so that it needs
/// neither the settings nor the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchPost {
    /// The program to start.
    pub program: PathBuf,
    /// The site's directory.
    pub site: PathBuf,
    /// The directory of the queues.
    pub qfiles: PathBuf,
    /// What starts the processing of each queue. Queues that are resident or off are ignored.
    pub queues: Vec<(Queue, Arrangement)>,
    /// The frequent periodic jobs.
    pub jobs: Vec<Often>,
    /// The mark of the settings from which it was created.
    pub settings: String,
    /// How often to poll where the kernel does not report changes; in whole milliseconds.
    pub interval: Duration,
    /// How long a drain waits for one more entry before it ends; in whole milliseconds.
    pub linger: Duration,
}

/// A periodic job that is started at an interval while a file exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Often {
    /// The job's name for `dormouse cron`.
    pub name: String,
    /// The interval; in whole seconds.
    pub every: Duration,
    /// The file that must exist.
    pub marker: PathBuf,
}

impl WatchPost {
    /// Returns the command for a run over some queues.
    pub(super) fn drain(&self, queues: &[Queue]) -> Command {
        let mut command = self.command();
        command.arg("run").arg("--linger").arg(self.linger.as_millis().to_string());
        for queue in queues {
            command.args(["--queue", queue.name()]);
        }
        command
    }

    /// Returns the command for a run of a job.
    pub(super) fn job(&self, job: &Often) -> Command {
        let mut command = self.command();
        command.args(["cron", &job.name]);
        command
    }

    /// Returns a command that succeeds if the current settings are valid.
    pub(super) fn can_be_made_anew(&self) -> Command {
        let mut command = self.command();
        command.args(["config", "show", "host"]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--site").arg(&self.site).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Converts it to arguments.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let paths =
            [("--program", &self.program), ("--site", &self.site), ("--qfiles", &self.qfiles)];
        for (name, path) in paths {
            words.extend([name.into(), path.into()]);
        }
        for (name, span) in [("--interval", self.interval), ("--linger", self.linger)] {
            words.extend([name.into(), span.as_millis().to_string().into()]);
        }
        words.extend(["--settings".into(), (&self.settings).into()]);
        for (queue, how) in &self.queues {
            words.extend(["--queue".into(), queue.name().into(), how.to_string().into()]);
        }
        for Often { name, every, marker } in &self.jobs {
            let every = every.as_secs().to_string();
            words.extend(["--job".into(), name.into(), every.into(), marker.into()]);
        }
        words
    }

    /// Parses arguments.
    ///
    /// # Errors
    /// If an argument is invalid or missing. The error names the first one.
    pub fn from_arguments(
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<WatchPost, ActivationError> {
        let mut words = words.into_iter();
        let (mut program, mut site, mut qfiles, mut interval, mut linger) =
            (None, None, None, None, None);
        let mut settings = None;
        let (mut queues, mut jobs) = (Vec::new(), Vec::new());
        while let Some(name) = words.next() {
            let name = text(&name)?.to_owned();
            let mut value = || words.next().ok_or_else(|| wrong(format!("{name} needs a value")));
            match name.as_str() {
                "--program" => program = Some(value()?.into()),
                "--site" => site = Some(value()?.into()),
                "--qfiles" => qfiles = Some(value()?.into()),
                "--interval" => interval = Some(Duration::from_millis(number(&value()?)?)),
                "--linger" => linger = Some(Duration::from_millis(number(&value()?)?)),
                "--settings" => settings = Some(text(&value()?)?.to_owned()),
                "--queue" => {
                    let queue = text(&value()?)?.parse::<Queue>();
                    let queue = queue.map_err(|error| wrong(error.to_string()))?;
                    queues.push((queue, text(&value()?)?.parse::<Arrangement>().map_err(wrong)?));
                }
                "--job" => jobs.push(Often {
                    name: text(&value()?)?.to_owned(),
                    every: Duration::from_secs(number(&value()?)?),
                    marker: value()?.into(),
                }),
                _ => return Err(wrong(format!("there is no option {name}"))),
            }
        }
        let missing = |name: &str| wrong(format!("{name} is missing"));
        Ok(WatchPost {
            program: program.ok_or_else(|| missing("--program"))?,
            site: site.ok_or_else(|| missing("--site"))?,
            qfiles: qfiles.ok_or_else(|| missing("--qfiles"))?,
            settings: settings.ok_or_else(|| missing("--settings"))?,
            interval: interval.ok_or_else(|| missing("--interval"))?,
            linger: linger.ok_or_else(|| missing("--linger"))?,
            queues,
            jobs,
        })
    }
}

fn text(word: &OsStr) -> Result<&str, ActivationError> {
    word.to_str().ok_or_else(|| wrong(format!("{} is not UTF-8", word.display())))
}

fn number(word: &OsStr) -> Result<u64, ActivationError> {
    let word = text(word)?;
    word.parse().map_err(|_| wrong(format!("{word:?} is not a number")))
}

fn wrong(problem: String) -> ActivationError {
    ActivationError::Arguments { problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn post(path: &str, seconds: u32, queue: usize) -> WatchPost {
        let every = format!("timer {}s", seconds.max(1)).parse().unwrap();
        WatchPost {
            program: path.into(),
            site: "/var/lib/dormouse".into(),
            qfiles: path.into(),
            settings: "00ff".to_owned(),
            queues: vec![
                (Queue::In, Arrangement::OnDemand),
                (Queue::ALL[queue], every),
                (Queue::Out, Arrangement::Resident(2)),
                (Queue::Archive, Arrangement::Off),
            ],
            jobs: vec![Often {
                name: "gate_news".to_owned(),
                every: Duration::from_secs(seconds.into()),
                marker: path.into(),
            }],
            interval: Duration::from_millis(seconds.into()),
            linger: Duration::ZERO,
        }
    }

    proptest! {
        #[test]
        fn arguments_can_be_read_back(path: String, seconds: u32, queue in 0..Queue::ALL.len()) {
            let post = post(&path, seconds, queue);
            prop_assert_eq!(WatchPost::from_arguments(post.to_arguments()).unwrap(), post);
        }

        #[test]
        fn any_arguments_are_a_post_or_an_error(words in prop::collection::vec("(--)?[a-z0-9]{0,8}", 0..12)) {
            let _either = WatchPost::from_arguments(words.into_iter().map(OsString::from)).is_ok();
        }
    }

    #[test]
    fn missing_and_wrong_arguments_are_named() {
        let words = post("/x", 1, 0).to_arguments();
        for cut in 0..words.len() {
            let error =
                WatchPost::from_arguments(words[..cut].to_vec()).err().map(|e| e.to_string());
            assert!(cut > 11 || error.is_some_and(|error| error.contains("--")), "{cut}");
        }
        for (word, named) in [("--quue", "--quue"), ("--linger", "--linger needs")] {
            let error = WatchPost::from_arguments([word.into()]).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
