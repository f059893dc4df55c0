//! `serve`: web pages.

use crate::failure::Failure;
use crate::output;
use dormouse_activation::master::end_with_the_master;
use dormouse_store::Site;
use dormouse_web::{Listen, serve};
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, listen: Option<String>) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    let site = Site::open(dir)?;
    if !site.config().has_pages() {
        tracing::warn!("web.listen is not set: no mail of this site leads to its pages");
    }
    // Started by hand it stays; started by a connection it goes when nobody comes any more.
    let (listen, idle) = match listen {
        Some(place) => (Listen::On(place), None),
        None => (Listen::Passed, Some(site.config().web_idle.duration())),
    };
    serve(site, listen, idle, |address| {
        // Nobody who listens to this output is a reason not to serve.
        if let Err(error) = output::line(format_args!("serving on {address}")) {
            tracing::warn!("{error}");
        }
    })?;
    Ok(ExitCode::Ok)
}
