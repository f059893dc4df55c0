//! `config`: the site's settings.

use super::user;
use crate::cli::ConfigCommand;
use crate::failure::Failure;
use crate::output::{self, DIM, HEAD, styled};
use dormouse_store::{Config, Site, Store};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: ConfigCommand) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    match command {
        ConfigCommand::Show { key: Some(key), explain, json } => {
            let entry = site.config().entry(&key).map_err(Failure::usage)?;
            if json {
                output::json(&entry)?;
                return Ok(ExitCode::Ok);
            }
            if explain {
                output::line(format_args!("# {}", entry.doc))?;
            }
            output::value(&entry.value)?;
        }
        ConfigCommand::Show { key: None, explain, json } => {
            let entries = site.config().entries();
            if json {
                output::json(&entries)?;
                return Ok(ExitCode::Ok);
            }
            let mut section = String::new();
            for entry in entries {
                let (of, _) = entry.key.split_once('.').unwrap_or_default();
                if explain && section != of {
                    output::line(format_args!("\n{}", styled(HEAD, format_args!("[{of}]"))))?;
                    section = of.to_owned();
                }
                if explain {
                    let kind =
                        styled(DIM, format!("({}; default {:?})", entry.kind, entry.default));
                    output::line(format_args!("# {} {kind}", entry.doc))?;
                }
                let value = output::indented(&entry.value);
                output::line(format_args!("{} = {value}", styled(HEAD, &entry.key)))?;
            }
        }
        ConfigCommand::Set { key, value } => {
            set(&site, &key, &value)?;
        }
    }
    Ok(ExitCode::Ok)
}

/// Changes a setting, and records who did. If the database cannot be opened, the setting is changed
/// anyway, because it may be what is wrong.
fn set(site: &Site, key: &str, value: &str) -> Result<(), Failure> {
    match Store::open(site) {
        Ok(store) => {
            store.act_as(user());
            site.change(&store, &[(key, value)])?;
        }
        Err(error) => {
            tracing::warn!("cannot record who changed {key}: {error}");
            Config::set(&site.config_file(), key, value)?;
        }
    }
    Ok(())
}
