//! `master`: keeps the resident processes running (Mailman's `mailmanctl`).

use crate::cli::MasterCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_activation::Ended;
use dormouse_activation::Socket;
use dormouse_activation::master::{self, Charge, Orders, PidFile, Settings};
use dormouse_runners::arrangement;
use dormouse_store::{Arrangement, Site};
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use sysexits::ExitCode;

/// How long starting and stopping may take.
const PATIENCE: Duration = Duration::from_secs(40);

pub fn run(dir: &Path, command: &MasterCommand) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let pid_file = site.dir().join("master.pid");
    let none = || Failure::new(ExitCode::Unavailable, "the master is not running");
    match command {
        MasterCommand::Run => keep(&site, &pid_file),
        MasterCommand::Start => start(&site, &pid_file),
        MasterCommand::Stop => {
            if !master::signal(&pid_file, Signal::TERM)? {
                return Err(none());
            }
            wait_until(|| Ok(PidFile::owner(&pid_file)?.is_none()), "the master did not stop")?;
            output::line("stopped")?;
            Ok(ExitCode::Ok)
        }
        MasterCommand::Restart | MasterCommand::Reopen => {
            let (signal, said) = match command {
                MasterCommand::Restart => (Signal::INT, "restarting all processes"),
                _ => (Signal::HUP, "reopening the log"),
            };
            if !master::signal(&pid_file, signal)? {
                return Err(none());
            }
            output::line(said)?;
            Ok(ExitCode::Ok)
        }
    }
}

fn start(site: &Site, pid_file: &Path) -> Result<ExitCode, Failure> {
    if PidFile::owner(pid_file)?.is_some() {
        return Err(Failure::new(ExitCode::Unavailable, "the master is already running"));
    }
    let log = open_log(site)?;
    let mut child = Command::new(crate::program::own()?)
        .arg("--site")
        .arg(site.dir().canonicalize()?)
        .args(["--log", "info", "master", "run"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Signals of the terminal must not reach it.
        .process_group(0)
        .spawn()?;
    wait_until(
        || match child.try_wait()? {
            Some(status) => Err(Failure::new(
                ExitCode::Unavailable,
                format!(
                    "the master exited immediately ({status}); {} says why",
                    log_file(site).display()
                ),
            )),
            // It records which processes it keeps running as soon as it listens.
            None => Ok(PidFile::owner(pid_file)?.is_some() && !is_outdated(site)?),
        },
        "the master did not start",
    )?;
    output::line(format_args!("started; the log is {}", log_file(site).display()))?;
    Ok(ExitCode::Ok)
}

fn wait_until(
    mut happened: impl FnMut() -> Result<bool, Failure>,
    complaint: &str,
) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !happened()? {
        if Instant::now() > deadline {
            return Err(Failure::new(ExitCode::TempFail, complaint));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn log_file(site: &Site) -> PathBuf {
    site.dir().join("logs/master.log")
}

fn open_log(site: &Site) -> std::io::Result<File> {
    let path = log_file(site);
    std::fs::create_dir_all(path.parent().unwrap_or(site.dir()))?;
    OpenOptions::new().create(true).append(true).mode(0o660).open(path)
}

/// Runs the master. Its processes write to its log or, if it was started by a service manager, to
/// our own standard error.
fn keep(site: &Site, pid_file: &Path) -> Result<ExitCode, Failure> {
    let Some(held) = PidFile::take(pid_file)? else {
        return Err(Failure::new(ExitCode::Unavailable, "the master is already running"));
    };
    let stop = Arc::new(AtomicBool::new(false));
    let restart = Arc::new(AtomicBool::new(false));
    let reopen = Arc::new(AtomicBool::new(false));
    let (signals, signalled) = UnixStream::pair()?;
    signalled.set_nonblocking(true)?;
    for (signal, flag) in [(SIGTERM, &stop), (SIGINT, &restart), (SIGHUP, &reopen)] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let orders = Orders { stop, restart, reopen };
    let to_file = is_our_log(site);
    let mut site = site.clone();
    let mut sockets = Sockets::new();
    let mut is_first = true;
    loop {
        let charges = charges(&site, to_file, &mut sockets, is_first)?;
        is_first = false;
        held.note(&asked_for(&site))?;
        let want_others = || wants_others(&site);
        let settings = Settings { file: &site.config_file(), want_others: &want_others };
        let ended = master::keep_running(&charges, &orders, &settings, &signals)?;
        for charge in charges {
            sockets.extend(charge.socket.map(|socket| (place_of(&site, &charge.name), socket)));
        }
        if ended == Ended::Stop {
            break;
        }
        match Site::open(site.dir()) {
            Ok(read_anew) => site = read_anew,
            // Mail must be processed in any case.
            Err(error) => tracing::error!("the old settings are kept: {error}"),
        }
        tracing::info!("restarting all processes");
    }
    tracing::info!("stopped");
    Ok(ExitCode::Ok)
}

/// Sockets by their places. They stay open during a restart, so that no connection is refused.
type Sockets = BTreeMap<String, Socket>;

/// Returns the place of a process's socket.
fn place_of(site: &Site, name: &str) -> String {
    let config = site.config();
    if name == "lmtp" { &config.lmtp_listen } else { &config.web_listen }.clone()
}

/// Returns the processes that the settings require, in one line.
fn asked_for(site: &Site) -> String {
    let queues = arrangement::all(site.config());
    let queues = queues.iter().map(|(queue, how)| format!("{queue}={how}"));
    let sockets = ["lmtp", "serve"].map(|name| format!("{name}={}", place_of(site, name)));
    queues.chain(sockets).collect::<Vec<_>>().join("; ")
}

/// Whether the settings, as they are now, require other processes than those of `running`. Ones that cannot
/// be read, as while somebody is writing them, require nothing new: mail must go on.
fn wants_others(running: &Site) -> bool {
    match Site::open(running.dir()) {
        Ok(now) => asked_for(&now) != asked_for(running),
        Err(error) => {
            tracing::error!("the processes stay as they were: {error}");
            false
        }
    }
}

/// Whether the running master was started with other settings.
pub fn is_outdated(site: &Site) -> Result<bool, Failure> {
    Ok(PidFile::noted(&site.dir().join("master.pid"))? != asked_for(site))
}

/// Listens at the place of a process's socket.
fn listen(site: &Site, name: &str, place: &str) -> Result<Socket, Failure> {
    let group = match name {
        "lmtp" => site.config().lmtp_group(),
        _ => site.config().web_group.trim().to_owned(),
    };
    Socket::bind(place, &group).map_err(|error| {
        let text = format!("cannot listen at {place} for {name}: {error}");
        Failure::new(ExitCode::Config, text)
    })
}

/// Returns the processes that the settings require. A place that cannot be listened at is an error
/// at first; later it is only logged, because mail must be processed.
fn charges(
    site: &Site,
    to_file: bool,
    sockets: &mut Sockets,
    is_first: bool,
) -> Result<Vec<Charge<'static>>, Failure> {
    let binary = crate::program::own()?;
    let dir = site.dir().canonicalize()?;
    let charge = |name: String, arguments: Vec<String>, socket: Option<Socket>| {
        let (binary, dir, site) = (binary.clone(), dir.clone(), site.clone());
        let command = move || {
            let mut command = Command::new(&binary);
            command.arg("--site").arg(&dir).args(["--log", "info"]).args(&arguments);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.env(master::MASTER, std::process::id().to_string());
            if to_file {
                command.stderr(open_log(&site)?);
            }
            Ok(command)
        };
        Charge { name, command: Box::new(command), socket }
    };
    let mut charges = Vec::new();
    let queues = arrangement::all(site.config());
    for (queue, how) in &queues {
        if let Arrangement::Resident(slices) = how {
            let words = ["runner", queue.name(), "--slices", &slices.to_string()];
            charges.push(charge(format!("runner {queue}"), words.map(str::to_owned).into(), None));
        }
    }
    let is_watched =
        |how: &Arrangement| matches!(how, Arrangement::OnDemand | Arrangement::Timer(_));
    if queues.iter().any(|(_, how)| is_watched(how)) {
        charges.push(charge("watch".to_owned(), vec!["watch".to_owned()], None));
    }
    for name in ["lmtp", "serve"] {
        let place = place_of(site, name);
        if place.is_empty() {
            continue;
        }
        match sockets.remove(&place).map_or_else(|| listen(site, name, &place), Ok) {
            Ok(socket) => {
                charges.push(charge(name.to_owned(), vec![name.to_owned()], Some(socket)));
            }
            Err(failure) if is_first => return Err(failure),
            Err(failure) => tracing::error!("{failure}"),
        }
    }
    // The socket is no longer used.
    sockets.clear();
    Ok(charges)
}

/// Whether our standard error is the log file. Then the children open it by themselves, so that it
/// may be rotated.
fn is_our_log(site: &Site) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let ours = rustix::fs::fstat(std::io::stderr());
    let file = std::fs::metadata(log_file(site));
    match (ours, file) {
        (Ok(ours), Ok(file)) => ours.st_dev == file.dev() && ours.st_ino == file.ino(),
        _ => false,
    }
}
