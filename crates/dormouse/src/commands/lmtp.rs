//! `lmtp`: accepting mail over LMTP.

use super::run::{Hands, keep};
use crate::cli::LmtpArgs;
use crate::failure::Failure;
use crate::output;
use dormouse_activation::master::end_with_the_master;
use dormouse_lmtp::{Listen, serve};
use dormouse_runners::arrangement::Scope;
use dormouse_runners::drain;
use dormouse_spool::Spool;
use dormouse_store::Store;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use sysexits::ExitCode;

pub fn run(dir: &Path, args: &LmtpArgs) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    // Started by hand it stays; started by a connection it exits when idle.
    let listen = args.listen.clone().map_or(Listen::Passed, Listen::On);
    let stop = Arc::new(AtomicBool::new(false));
    let hands = Hands::new(dir, "lmtp".to_owned(), Arc::clone(&stop))?;
    let live = hands.live();
    let site = live.now();
    let spool = Spool::new(site.qfiles());
    let _open = Store::keep_open(&site);
    let hands = Mutex::new(hands);
    // Mail that was just acknowledged need not wait for another process. If anything fails here,
    // the entries are in their queues and start the next run.
    let work = || {
        let (site, worker) = hands.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).now();
        let scope = Scope::on_demand(site.config());
        let shared = worker.shared(&site, &spool);
        let done = drain::run_unless_another_does(&shared, &scope, &|_| false);
        if let Some(summary) = done {
            keep(&site, &scope, &summary);
            summary.errors.iter().for_each(|error| tracing::error!("{error}"));
        }
    };
    let work: Option<&(dyn Fn() + Sync)> = if args.intake_only { None } else { Some(&work) };
    serve(
        &live,
        &listen,
        &stop,
        |address| {
            // A closed standard output is no reason not to serve.
            if let Err(error) = output::line(format_args!("listening on {address}")) {
                tracing::warn!("{error}");
            }
        },
        work,
    )?;
    Ok(ExitCode::Ok)
}
