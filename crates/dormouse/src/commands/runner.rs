//! `runner`: a resident process for one queue.

use super::run::{Hands, Worker, keep};
use crate::cli::RunnerArgs;
use crate::failure::Failure;
use dormouse_activation::Waiter;
use dormouse_activation::master::end_with_the_master;
use dormouse_runners::arrangement::Scope;
use dormouse_runners::drain;
use dormouse_spool::{Queue, Slice, Spool};
use dormouse_store::{Site, Store};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use sysexits::ExitCode;

/// The pause after a pass that failed or left entries.
const PAUSE: Duration = Duration::from_secs(15);

pub fn run(dir: &Path, args: &RunnerArgs) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    let scope = Scope::of(&[args.queue]);
    if scope.queues().is_empty() {
        return Err(Failure::usage(format!("the queue {} has no runner", args.queue)));
    }
    let slices: Vec<Slice> = match args.slice {
        Some(slice) => vec![slice],
        None => (0..args.slices).filter_map(|index| Slice::new(index, args.slices)).collect(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (signals, signalled) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let mut hands = Hands::new(dir, format!("runner {}", args.queue), Arc::clone(&stop))?;
    let site = hands.live().now();
    let spool = Spool::new(site.qfiles());
    let _open = Store::keep_open(&site);
    let interval = site.config().run_interval.duration();
    let mut waiter = Waiter::new(&[spool.dir(args.queue)], interval, signals)?;
    let alarm = sd_notify::watchdog_enabled().map(|every| every / 2);
    tell(NotifyState::Ready);
    while !stop.load(Ordering::Relaxed) {
        let (site, worker) = hands.now();
        waiter.look_every(site.config().run_interval.duration());
        let scopes = slices.iter().map(|slice| scope.clone().share(*slice)).collect();
        let well = pass_of_all(&worker, &site, &spool, scopes, alarm);
        tell(NotifyState::Watchdog);
        let due = match args.queue {
            Queue::Retry => spool.next_due(site.config().longest_retry_wait())?,
            _ => None,
        };
        let due = due.map(|due| due.duration_since(dormouse_clock::now()).unwrap_or_default());
        let due = due.map(|left| left + Duration::from_millis(20));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if well {
            waiter.wait([due, alarm].into_iter().flatten().min())?;
        } else {
            waiter.wait_for_signal(PAUSE)?;
        }
    }
    tell(NotifyState::Stopping);
    Ok(ExitCode::Ok)
}

/// Lets each share of the queue be processed by a thread of its own. Whether nothing was left.
fn pass_of_all(
    worker: &Worker,
    site: &Site,
    spool: &Spool,
    scopes: Vec<Scope>,
    alarm: Option<Duration>,
) -> bool {
    std::thread::scope(|threads| {
        let shares: Vec<_> = scopes
            .into_iter()
            .map(|scope| threads.spawn(move || one_pass(worker, site, spool, &scope)))
            .collect();
        while let Some(every) = alarm
            && shares.iter().any(|share| !share.is_finished())
        {
            watch_over(worker, every, || shares.iter().all(|share| share.is_finished()));
        }
        // A share that panicked has logged it; the next pass recovers what it had claimed.
        shares.into_iter().map(|share| share.join().unwrap_or(false)).fold(true, |a, b| a & b)
    })
}

/// Whether nothing was left.
fn one_pass(worker: &Worker, site: &Site, spool: &Spool, scope: &Scope) -> bool {
    let summary = drain::run(&worker.shared(site, spool), scope, &|_| false);
    keep(site, scope, &summary);
    summary.errors.iter().for_each(|error| tracing::error!("{error}"));
    summary.is_clean()
}

/// Sends the service manager signs of life while the work progresses. Without progress, none is sent,
/// and the manager restarts us.
fn watch_over(worker: &Worker, every: Duration, over: impl Fn() -> bool) {
    const LOOK: Duration = Duration::from_millis(50);
    let before = worker.pulse.load(Ordering::Relaxed);
    let mut waited = Duration::ZERO;
    while waited < every && !over() {
        std::thread::sleep(LOOK);
        waited += LOOK;
    }
    if over() || worker.pulse.load(Ordering::Relaxed) != before {
        tell(NotifyState::Watchdog);
    }
}

/// Does nothing without a service manager.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}
