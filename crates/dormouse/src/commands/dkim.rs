//! `dkim`: the keys that sign the mail of lists.

use crate::cli::{Algorithms, DkimCommand};
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_auth::{Algorithm, AuthError, Key, Keyring, is_domain, is_selector};
use dormouse_store::Site;
use serde::Serialize;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: DkimCommand) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let ring = Keyring::of_site(site.dir());
    match command {
        DkimCommand::Create { domain, selector, algorithm, json } => {
            create(&ring, &domain, selector, algorithm, json)?;
        }
        DkimCommand::Ls { json } => ls(&ring, json)?,
        DkimCommand::Dns { domain: None } => print_records(&ring.all()?)?,
        DkimCommand::Dns { domain: Some(domain) } => {
            let keys = ring.of_domain(&domain)?;
            if keys.is_empty() {
                return Err(Failure::new(
                    ExitCode::Unavailable,
                    format!("{domain} has no keys here"),
                ));
            }
            print_records(&keys)?;
        }
        DkimCommand::Rm { domain, selector } => {
            if !ring.remove(&domain, &selector)? {
                let message = format!("{domain} has no key {selector}; see `dormouse dkim ls`");
                return Err(Failure::new(ExitCode::Unavailable, message));
            }
        }
    }
    Ok(ExitCode::Ok)
}

/// Returns the keys to create: a selector and an algorithm each.
fn wanted(selector: &str, algorithms: Algorithms) -> Vec<(String, Algorithm)> {
    match algorithms {
        Algorithms::Rsa => vec![(selector.to_owned(), Algorithm::Rsa)],
        Algorithms::Ed25519 => vec![(selector.to_owned(), Algorithm::Ed25519)],
        Algorithms::Both => vec![
            (selector.to_owned(), Algorithm::Rsa),
            (format!("{selector}-ed25519"), Algorithm::Ed25519),
        ],
    }
}

fn create(
    ring: &Keyring,
    domain: &str,
    selector: Option<String>,
    algorithms: Algorithms,
    json: bool,
) -> Result<(), Failure> {
    let selector = selector.unwrap_or_else(|| jiff::Zoned::now().strftime("%Y%m").to_string());
    if !is_domain(domain) {
        return Err(AuthError::BadDomain(domain.to_owned()).into());
    }
    let wanted = wanted(&selector, algorithms);
    // Both keys are created, or neither.
    for (selector, _) in &wanted {
        if !is_selector(selector) {
            return Err(AuthError::BadSelector(selector.clone()).into());
        }
        let path = ring.path(domain, selector);
        if path.exists() {
            return Err(AuthError::Exists(path).into());
        }
    }
    let mut keys = Vec::new();
    for (selector, algorithm) in wanted {
        let key = Key::generate(domain, &selector, algorithm)?;
        ring.add(&key)?;
        keys.push(key);
    }
    if json {
        return output::json(&keys.iter().map(Row::of).collect::<Vec<_>>());
    }
    print_records(&keys)
}

fn print_records(keys: &[Key]) -> Result<(), Failure> {
    keys.iter().try_for_each(|key| output::line(key.zone_line()))
}

/// What is printed about a key.
#[derive(Serialize)]
struct Row {
    domain: String,
    selector: String,
    algorithm: &'static str,
    name: String,
    record: String,
}

impl Row {
    fn of(key: &Key) -> Row {
        Row {
            domain: key.domain().to_owned(),
            selector: key.selector().to_owned(),
            algorithm: key.algorithm().key_type(),
            name: key.name(),
            record: key.record(),
        }
    }
}

fn ls(ring: &Keyring, json: bool) -> Result<(), Failure> {
    let keys = ring.all()?;
    if json {
        return output::json(&keys.iter().map(Row::of).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["Domain", "Selector", "Algorithm", "Record"]);
    for row in keys.iter().map(Row::of) {
        table.row([row.domain, row.selector, row.algorithm.to_owned(), row.name]);
    }
    table.print()
}
