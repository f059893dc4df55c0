//! Reading and changing Postfix's configuration.

use super::record::Change;
use super::step::{Action, Machine, Step, succeeded};
use crate::failure::Failure;
use std::path::Path;
use sysexits::ExitCode;

fn postconf(machine: &Machine, words: &[&str]) -> Result<String, Failure> {
    let shown = format!("postconf {}", words.join(" "));
    let output = machine.program("postconf").args(words).output().map_err(|error| {
        Failure::new(ExitCode::Unavailable, format!("cannot run `{shown}`: {error}"))
    })?;
    succeeded(&shown, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns a parameter's value as written, without expansion.
pub fn value(machine: &Machine, key: &str) -> Result<String, Failure> {
    postconf(machine, &["-h", key])
}

/// Returns the value in main.cf itself; `None` if the default applies.
pub fn written(machine: &Machine, key: &str) -> Result<Option<String>, Failure> {
    let line = postconf(machine, &["-n", key])?;
    Ok(line.split_once('=').map(|(_, value)| value.trim().to_owned()))
}

/// Sets a parameter in main.cf, or resets it to its default.
pub fn restore(key: &str, before: Option<&str>) -> Action {
    let words = match before {
        Some(value) => vec!["postconf".to_owned(), "-e".to_owned(), format!("{key} = {value}")],
        None => vec!["postconf".to_owned(), "-X".to_owned(), key.to_owned()],
    };
    Action::Program(words)
}

pub fn reload() -> Action {
    Action::Nudge(vec!["postfix".to_owned(), "reload".to_owned()])
}

/// Returns the items of a list parameter.
fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c: char| c == ',' || c.is_whitespace()).filter(|item| !item.is_empty())
}

fn with(value: &str, item: &str) -> String {
    if value.trim().is_empty() { item.to_owned() } else { format!("{value}, {item}") }
}

/// Returns the steps that make Postfix use the aliases in the site's directory for a host's lists.
pub fn steps(machine: &Machine, host: &str) -> Result<Vec<Step>, Failure> {
    for key in ["virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"] {
        let has = postconf(machine, &["-x", "-h", key])?;
        if items(&has).any(|item| item.eq_ignore_ascii_case(host)) {
            let text = format!(
                "Postfix has {host} in {key}, for which aliases do not apply: configure it by hand, as \
                 the manual says (dormouse-installing(7)), and run setup with --mta none"
            );
            return Err(Failure::new(ExitCode::Config, text));
        }
    }
    let mut wanted = Vec::new();
    let local = postconf(machine, &["-x", "-h", "mydestination"])?;
    if !items(&local).any(|item| item.eq_ignore_ascii_case(host)) {
        wanted.push(("mydestination", with(&value(machine, "mydestination")?, host)));
    }
    let kind = postconf(machine, &["-h", "default_database_type"])?;
    let map = format!("{kind}:{}", machine.dir.join("aliases").display());
    let maps = value(machine, "alias_maps")?;
    if !items(&maps).any(|item| item == map) {
        wanted.push(("alias_maps", with(&maps, &map)));
    }
    let delimiters = value(machine, "recipient_delimiter")?;
    if !delimiters.contains('+') {
        wanted.push(("recipient_delimiter", format!("{delimiters}+")));
    }
    let mut steps = Vec::new();
    if wanted.is_empty() {
        return Ok(steps);
    }
    let dir = postconf(machine, &["-x", "-h", "config_directory"])?;
    let file = Path::new(&dir).join("main.cf");
    let now = jiff::Zoned::now().strftime("%Y%m%dT%H%M%S");
    let copy = file.with_file_name(format!("main.cf.before-dormouse-{now}"));
    steps.push(Step { action: Action::Copy(file, copy), change: None });
    for (key, after) in wanted {
        let before = written(machine, key)?;
        let action = restore(key, Some(&after));
        steps.push(Step {
            action,
            change: Some(Change::Postfix { key: key.to_owned(), before, after }),
        });
    }
    steps.push(Step { action: reload(), change: None });
    Ok(steps)
}
