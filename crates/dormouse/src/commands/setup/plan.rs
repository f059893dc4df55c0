//! Converts answers to steps. Anything that is already right needs no step.

use super::record::Change;
use super::step::{Action, Machine, Step, owner_of_new};
use super::{Answers, postfix};
use crate::cli::SetupMta;
use crate::failure::Failure;
use dormouse_activation::TARGET;
use std::path::Path;

/// Where an MTA on this machine accepts mail.
const MTA_URL: &str = "smtp://127.0.0.1:25";

/// Where pages listen for a web server on this machine, with units and without.
const PAGES: (&str, &str) = ("/run/dormouse/web.sock", "127.0.0.1:8124");

pub fn name(mta: SetupMta) -> &'static str {
    match mta {
        SetupMta::Postfix => "postfix",
        SetupMta::Exim => "exim",
        SetupMta::None => "none",
    }
}

/// Returns everything that has to be done.
pub fn steps(machine: &Machine, answers: &Answers) -> Result<Vec<Step>, Failure> {
    let Answers { host, owner, list, .. } = answers;
    let mut steps = Vec::new();
    if !machine.has_site() {
        let change = Some(Change::Site);
        if let Some(account) = owner_of_new().filter(|_| !machine.dir.exists()) {
            steps.push(Step { action: Action::Directory(account), change: change.clone() });
        }
        steps.push(Step::dormouse(&["init", "--host", host, "--owner", owner], change));
    }
    if answers.mta != SetupMta::None {
        steps.extend(setting(machine, "delivery.url", MTA_URL)?);
    }
    if answers.pages && machine.setting("web.listen")?.is_none_or(|place| place.is_empty()) {
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let web = groups.lines().any(|line| line.starts_with("www-data:"));
        let place = if answers.units && web { PAGES.0 } else { PAGES.1 };
        steps.extend(setting(machine, "web.listen", place)?);
    }
    if answers.dkim && !machine.keys()?.iter().any(|(domain, _)| domain == host) {
        // Given explicitly, so that the record matches what is created.
        let selector = jiff::Zoned::now().strftime("%Y%m").to_string();
        let change = Change::Key { domain: host.clone(), selector: selector.clone() };
        let words = ["dkim", "create", host, "--selector", &selector, "--algorithm", "rsa"];
        steps.push(Step::dormouse(&words, Some(change)));
    }
    let join = ["member", "add", list, owner];
    if !machine.lists()?.contains(list) {
        let change = Change::List { name: list.clone() };
        steps.push(Step::dormouse(&["list", "create", list, "--owner", owner], Some(change)));
        steps.push(Step::dormouse(&join, None));
    } else if !machine.has_member(list, owner)? {
        let change = Change::Member { list: list.clone(), address: owner.clone() };
        steps.push(Step::dormouse(&join, Some(change)));
    }
    match answers.mta {
        SetupMta::Postfix => {
            steps.push(Step::dormouse(&["aliases", "--install"], None));
            steps.extend(postfix::steps(machine, host)?);
        }
        SetupMta::Exim => {
            steps.push(Step::dormouse(&["aliases", "--mta", "exim", "--install"], None));
        }
        SetupMta::None => {}
    }
    if answers.units {
        let is_new = !Path::new("/etc/systemd/system").join(TARGET).exists();
        steps.push(Step::dormouse(&["units", "install"], is_new.then_some(Change::Units)));
    }
    Ok(steps)
}

/// Changes a setting of the site if its value differs.
fn setting(machine: &Machine, key: &str, after: &str) -> Result<Option<Step>, Failure> {
    let before = machine.setting(key)?;
    if before.as_deref() == Some(after) {
        return Ok(None);
    }
    let (key_, after_) = (key.to_owned(), after.to_owned());
    // A new site is reverted as a whole.
    let change = before.map(|before| Change::Setting { key: key_, before, after: after_ });
    Ok(Some(Step::dormouse(&["config", "set", key, after], change)))
}
