//! `watch`: one small process in place of systemd's path units.

use crate::failure::Failure;
use dormouse_activation::watch::{Post, keep};
use dormouse_runners::arrangement;
use dormouse_spool::{Queue, Spool};
use dormouse_store::Site;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use sysexits::ExitCode;

pub fn run(dir: &Path) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let spool = Spool::new(site.qfiles());
    let stop = Arc::new(AtomicBool::new(false));
    let (signals, signalled) = UnixStream::pair()?;
    signalled.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    for signal in [SIGTERM, SIGINT, SIGCHLD] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let binary = std::env::current_exe()?;
    let linger = site.config().run_linger.duration().as_millis().to_string();
    let drain = |queues: &[Queue]| {
        let mut command = Command::new(&binary);
        command.arg("--site").arg(site.dir()).args(["run", "--linger", &linger]);
        for queue in queues {
            command.args(["--queue", queue.name()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let post = Post {
        spool: &spool,
        queues: &arrangement::all(site.config()),
        interval: site.config().run_interval.duration(),
        run: &drain,
        stop: &stop,
    };
    keep(&post, signals)?;
    Ok(ExitCode::Ok)
}
