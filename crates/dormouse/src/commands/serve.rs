//! `serve`: web pages.

use super::run::stay;
use super::{aliases, doctor};
use crate::failure::Failure;
use crate::output;
use dormouse_activation::master::end_with_the_master;
use dormouse_store::{Site, Store};
use dormouse_web::{Listen, Program, serve};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, listen: Option<String>) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    let live = stay(dir, "serve".to_owned(), |_site| Ok(()))?;
    if !live.now().config().has_pages() {
        tracing::warn!("web.listen is not set: the site's mail has no links to its pages");
    }
    // Started by hand it stays; started by a connection it exits when idle.
    let program = Program { lists_changed, findings: doctor::findings };
    serve(live, program, listen.map_or(Listen::Passed, Listen::On), |address| {
        // A closed standard output is no reason not to serve.
        if let Err(error) = output::line(format_args!("serving on {address}")) {
            tracing::warn!("{error}");
        }
    })?;
    Ok(ExitCode::Ok)
}

/// Updates the MTA's files after a page has created or removed a list.
fn lists_changed(site: &Site, store: &Store) -> Result<usize, String> {
    aliases::refresh(site, store.read())
        .map(|files| files.len())
        .map_err(|failure| failure.to_string())
}
