//! `watch`: one small process instead of systemd's path units.

use crate::failure::Failure;
use crate::program::{self, execute};
use dormouse_activation::Ended;
use dormouse_activation::master::end_with_the_master;
use dormouse_activation::watch::{self, Often, WatchPost};
use dormouse_runners::arrangement;
use dormouse_runners::cron::{JOBS, Schedule};
use dormouse_store::Site;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use sysexits::ExitCode;
use tracing::Level;

/// The program that only watches and needs less memory. If it is installed next to us, we become it.
const PROGRAM: &str = "dormouse-watch";

pub fn run(dir: &Path, log: Option<Level>) -> Result<ExitCode, Failure> {
    end_with_the_master()?;
    let post = post(&Site::open(dir)?)?;
    let small = post.program.with_file_name(PROGRAM);
    if small.is_file() {
        let mut arguments = vec![log.unwrap_or(Level::WARN).as_str().into()];
        arguments.extend(post.to_arguments());
        // Returns only on failure.
        let problem = program::explained(&small, &execute(&small, small.as_os_str(), &arguments));
        tracing::warn!("{problem}; watching with this larger program instead");
    }
    if watch::run(&post)? == Ended::Restart {
        // With our own arguments; returns only on failure.
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        return Err(execute(&post.program, post.program.as_os_str(), &arguments).into());
    }
    Ok(ExitCode::Ok)
}

fn post(site: &Site) -> Result<WatchPost, Failure> {
    let dir = site.dir().canonicalize()?;
    let often = JOBS.iter().filter_map(|job| match job.timer()? {
        Schedule::Daily { .. } => None,
        Schedule::Every { minutes } => Some(Often {
            name: job.name.to_owned(),
            every: Duration::from_secs(u64::from(minutes) * 60),
            marker: job.marker(&dir)?,
        }),
    });
    Ok(WatchPost {
        program: program::own()?,
        qfiles: site.qfiles().canonicalize()?,
        queues: arrangement::all(site.config()),
        jobs: often.collect(),
        interval: site.config().run_interval.duration(),
        linger: site.config().run_linger.duration(),
        settings: site.mark().to_owned(),
        site: dir,
    })
}
