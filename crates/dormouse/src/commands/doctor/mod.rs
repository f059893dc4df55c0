//! `doctor`: looks for common problems and says how to solve them. With `--fix` it sets the modes of
//! files and directories; it changes nothing else.
//!
//! The checks are in the table [`CHECKS`]. Each file here has the checks of one subject:
//! [`programs`], [`files`], [`site`], [`mail`], [`dkim`], [`clock`], [`waking`] and [`queues`].

mod clock;
mod dkim;
mod files;
mod mail;
mod programs;
mod queues;
mod site;
mod waking;

use crate::failure::Failure;
use crate::output::{self, BAD, GOOD, WARN, styled};
use dormouse_store::Site;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use sysexits::ExitCode;

/// Checks one thing and adds its findings.
type Check = fn(&mut Topic, &Site);

/// All checks in the order of the output. Several may share a name.
const CHECKS: [(&str, Check); 17] = [
    ("programs", programs::versions),
    ("permissions", files::permissions),
    ("database", site::database),
    ("archives", files::public_archives),
    ("site list", site::site_list),
    ("receivers", mail::receivers),
    ("dkim", dkim::look),
    ("web pages", site::pages),
    ("strangers", mail::non_members_are_told),
    ("disk", files::disk),
    ("clock", clock::clocks),
    ("waking", waking::waking),
    ("MTA", mail::outgoing),
    ("mail in", mail::incoming),
    ("mail in", mail::lmtp_socket),
    ("orphans", files::orphans),
    ("queues", queues::queues),
];

#[derive(Debug, Serialize)]
struct Finding {
    /// The name of the check.
    what: &'static str,
    state: State,
    text: String,
    /// What to do about it.
    mend: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// It works, but somebody should look at it.
    Odd,
    /// It does not work, or will soon stop working.
    Bad,
}

/// Collects the findings of one check.
struct Topic {
    what: &'static str,
    findings: Vec<Finding>,
    /// What `--fix` sets: paths and the modes that they should have.
    modes: Vec<(PathBuf, u32)>,
}

impl Topic {
    fn add(&mut self, state: State, text: String, mend: Option<String>) {
        self.findings.push(Finding { what: self.what, state, text, mend });
    }

    fn good(&mut self, text: impl Into<String>) {
        self.add(State::Good, text.into(), None);
    }

    fn odd(&mut self, text: impl Into<String>, mend: impl Into<String>) {
        self.add(State::Odd, text.into(), Some(mend.into()));
    }

    fn bad(&mut self, text: impl Into<String>, mend: impl Into<String>) {
        self.add(State::Bad, text.into(), Some(mend.into()));
    }

    /// Adds that all is well if nothing else was found.
    fn or_good(&mut self, text: impl Into<String>) {
        if self.findings.is_empty() {
            self.good(text);
        }
    }
}

pub fn run(dir: &Path, json: bool, fix: bool) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let (mut findings, modes) = look(&site);
    if fix && !modes.is_empty() {
        for (path, mode) in modes {
            let shown = path.display();
            match fs::set_permissions(&path, fs::Permissions::from_mode(mode)) {
                Ok(()) => crate::output::note!("dormouse: set the mode of {shown} to {mode:o}"),
                Err(error) => crate::output::note!("dormouse: chmod {mode:o} {shown}: {error}"),
            }
        }
        (findings, _) = look(&site);
    }
    if json {
        output::json(&findings)?;
    } else {
        findings.iter().try_for_each(print)?;
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { ExitCode::Config } else { ExitCode::Ok })
}

fn print(finding: &Finding) -> Result<(), Failure> {
    let (mark, style) = match finding.state {
        State::Good => ("good", GOOD),
        State::Odd => ("odd ", WARN),
        State::Bad => ("BAD ", BAD),
    };
    let (what, text) = (finding.what, &finding.text);
    output::line(format_args!("{}  {what:12} {text}", styled(style, mark)))?;
    if let Some(mend) = &finding.mend {
        output::line(format_args!("{:18} {mend}", ""))?;
    }
    Ok(())
}

/// Returns the findings that somebody should look at, for a page.
pub fn findings(site: &Site) -> Vec<dormouse_web::Finding> {
    let findings = look(site).0.into_iter().filter(|finding| finding.state != State::Good);
    let shown = findings.map(|finding| dormouse_web::Finding {
        is_bad: finding.state == State::Bad,
        what: finding.what,
        text: finding.text,
        mend: finding.mend.unwrap_or_default(),
    });
    shown.collect()
}

/// Runs all checks: what they found, and the modes to set.
fn look(site: &Site) -> (Vec<Finding>, Vec<(PathBuf, u32)>) {
    let (mut findings, mut modes) = (Vec::new(), Vec::new());
    for (what, check) in CHECKS {
        let mut topic = Topic { what, findings: Vec::new(), modes: Vec::new() };
        check(&mut topic, site);
        findings.append(&mut topic.findings);
        modes.append(&mut topic.modes);
    }
    (findings, modes)
}
