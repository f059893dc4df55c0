//! `lmtp`: mail comes in over LMTP.

use super::run::{Worker, keep};
use crate::cli::LmtpArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_activation::master::end_with_the_master;
use dormouse_lmtp::{Limits, Listen, serve};
use dormouse_runners::arrangement::Scope;
use dormouse_runners::drain;
use dormouse_spool::Spool;
use dormouse_store::{Site, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use sysexits::ExitCode;

pub fn run(dir: &Path, args: &LmtpArgs) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    let site = Site::open(dir)?;
    let config = site.config();
    let spool = Spool::new(site.qfiles());
    // Started by hand it stays; started by a connection it goes when nobody comes any more.
    let (listen, idle) = match args.listen.clone() {
        Some(place) => (Listen::On(place), None),
        None => (Listen::Passed, Some(config.lmtp_idle.duration())),
    };
    let limits = Limits {
        idle,
        patience: config.lmtp_timeout.duration(),
        connections: usize::try_from(config.lmtp_connections).unwrap_or(usize::MAX),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let worker = Worker::new(&site, Arc::clone(&stop))?;
    let scope = Scope::on_demand(config);
    let _open = Store::keep_open(&site);
    // What was just acknowledged need not wait for a process to be woken. Whatever goes wrong here,
    // the entries lie where they wake the next one.
    let work = || {
        let shared = worker.shared(&site, &spool);
        let done = drain::run_unless_another_does(&shared, &scope, &|| false);
        if let Some(summary) = done {
            keep(&site, &scope, &summary);
            summary.errors.iter().for_each(|error| tracing::error!("{error}"));
        }
    };
    let leave_it = || {};
    let work: &(dyn Fn() + Sync) = if args.intake_only { &leave_it } else { &work };
    serve(
        &site,
        &listen,
        limits,
        &stop,
        |address| {
            // Nobody who listens to this output is a reason not to serve.
            if let Err(error) = output::line(format_args!("listening on {address}")) {
                tracing::warn!("{error}");
            }
        },
        work,
    )?;
    Ok(ExitCode::Ok)
}
