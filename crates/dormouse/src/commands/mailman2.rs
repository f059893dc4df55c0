//! `run --mailman2`, `units print --mailman2`: starting an existing Mailman 2.1 when there is mail.

use crate::failure::Failure;
use crate::output;
use dormouse_activation::mailman2::{self, DrainOutcome, Mailman2, Mailman2Plan, RUNNERS};
use dormouse_activation::{Manager, UnitFile, Watch};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use sysexits::ExitCode;

/// How long a run that systemd started waits for more, because Python takes long to start.
const LINGER: Duration = Duration::from_millis(500);

/// Returns the unit files of a Mailman.
pub fn units(
    prefix: &Path,
    qfiles: Option<&Path>,
    manager: Manager,
) -> Result<Vec<UnitFile>, Failure> {
    let mailman = Mailman2::find(prefix, qfiles)?;
    let binary = crate::program::own()?;
    Ok(mailman2::generate(&Mailman2Plan { mailman, binary, manager, linger: LINGER })?)
}

/// Processes the queues of a Mailman with its own `qrunner`, or only puts back what is due.
pub fn run(
    prefix: &Path,
    qfiles: Option<&Path>,
    linger: Duration,
    retry_only: bool,
) -> Result<ExitCode, Failure> {
    let mailman = Mailman2::find(prefix, qfiles)?;
    if retry_only {
        let moved = mailman2::put_back_due(&mailman)?;
        tracing::info!("{} moved back to out", output::count(moved, "entry", "entries"));
        return Ok(ExitCode::Ok);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let dirs: Vec<PathBuf> =
        RUNNERS.iter().map(|(queue, _)| mailman.qfiles.join(queue.name())).collect();
    let wait = || {
        // Lingering only saves starts; systemd starts another run by itself.
        !linger.is_zero()
            && Watch::new(&dirs).and_then(|mut watch| watch.wait(linger)).unwrap_or(false)
    };
    let outcome = mailman2::run(&mailman, &|| stop.load(Ordering::Relaxed), &wait)?;
    let problem = match outcome {
        DrainOutcome::Empty => return Ok(ExitCode::Ok),
        DrainOutcome::Left(what) => what,
        DrainOutcome::Busy => "another run is active".to_owned(),
        DrainOutcome::Master(pid) => format!(
            "Mailman's own master is running (process {pid}); stop it with `mailmanctl stop`, and make sure that \
             nothing starts it again"
        ),
    };
    Err(Failure::new(ExitCode::TempFail, format!("{}: {problem}", mailman.qfiles.display())))
}
