//! One file for each noun. Each command returns its exit code.

pub mod aliases;
mod archive;
mod backup;
mod bounces;
mod config;
pub mod cron;
mod demo;
mod digest;
mod dkim;
mod doctor;
mod held;
mod intake;
pub mod list;
mod lmtp;
mod mailman2;
mod manual;
pub mod master;
pub mod member;
mod mta;
mod naming;
mod person;
pub mod queue;
mod request;
pub mod run;
pub mod runner;
mod serve;
mod setup;
mod spool;
mod status;
mod store;
mod takeover;
mod template;
mod trace;
mod units;
mod waker;
mod watch;

use crate::cli::{Cli, Command};
use crate::compat;
use crate::failure::Failure;
use crate::log;
use crate::mail::To;
use crate::output;
use dormouse_spool::Spool;
use dormouse_store::{Author, List, Read, Site, Store, StoreError, owner};
use std::path::Path;
use std::sync::OnceLock;
use sysexits::ExitCode;

/// Runs the command.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let (dir, log) = (cli.site.as_path(), cli.log);
    if !stays_root(&cli.command) {
        enter(dir)?;
    }
    match cli.command {
        Command::Init { host, owner, store } => init(dir, &host, &owner, store.as_deref()),
        Command::Setup(args) => setup::run(dir, args),
        Command::Config(command) => config::run(dir, command),
        Command::List(command) => list::run(dir, command),
        Command::Member(command) => member::run(dir, command),
        Command::Post { list, envelope, at, rehearsal } if rehearsal.dry_run => {
            intake::rehearse(dir, &list, envelope, at, &rehearsal)
        }
        Command::Aliases(args) => aliases::run(dir, args),
        Command::Mailman(command) => intake::wrapper(dir, command),
        Command::Export(args) => takeover::export(dir, args),
        Command::Import(args) => takeover::import(dir, args),
        Command::Post { list, envelope, at, .. } => intake::post(dir, list, envelope, at),
        Command::Deliver { address, envelope } => {
            intake::take(dir, &To::Address(address), envelope)
        }
        Command::Run(args) => run::run(dir, &args),
        Command::Queue(command) => queue::run(dir, command),
        Command::Archive(command) => archive::run(dir, command),
        Command::Held(command) => held::run(dir, command),
        Command::Request(command) => request::run(dir, command),
        Command::Person(command) => person::run(dir, command),
        Command::Invite(args) => person::invite(dir, &args),
        Command::Trace { message, recipient, json } => {
            trace::run(dir, &message, recipient.as_deref(), json)
        }
        Command::Template(command) => template::run(dir, command),
        Command::Digest(command) => digest::run(dir, command),
        Command::Store(command) => store::run(command),
        Command::Spool(command) => spool::run(dir, command),
        Command::Backup(args) => backup::backup(dir, &args),
        Command::Restore(args) => backup::restore(dir, &args),
        Command::Manual(args) => manual::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Dkim(command) => dkim::run(dir, command),
        Command::Cron(command) => cron::run(dir, command),
        Command::Serve { listen } => serve::run(dir, listen),
        Command::Lmtp(args) => lmtp::run(dir, &args),
        Command::Runner(args) => runner::run(dir, &args),
        Command::Watch => watch::run(dir, log),
        Command::Master(command) => master::run(dir, &command),
        Command::Status(args) => status::run(dir, &args),
        Command::Doctor { json, fix } => doctor::run(dir, json, fix),
        Command::Units(command) => units::run(dir, command),
        Command::Compat(args) => compat::run(dir, args),
        Command::Demo(args) => demo::run(args),
    }
}

/// Whether a command does not work on a site's files, or writes where only root may write. Mailman's
/// commands switch to the site's owner by themselves, once their arguments are read.
fn stays_root(command: &Command) -> bool {
    match command {
        Command::Units(_) | Command::Export(_) | Command::Demo(_) | Command::Compat(_) => true,
        Command::Manual(_) | Command::Completions { .. } => true,
        // Its steps are commands; each switches to the owner or stays root as usual.
        Command::Setup(_) => true,
        // `backup` switches to the owner by itself; a site that does not exist has none.
        Command::Backup(_) | Command::Restore(_) => true,
        Command::Aliases(args) => args.output.is_some(),
        Command::Run(args) => args.mailman2.mailman2.is_some(),
        _ => false,
    }
}

/// The user to whom root has switched.
static BECAME: OnceLock<String> = OnceLock::new();

/// Switches from root to the site's owner; see [`owner::enter`].
pub fn enter(dir: &Path) -> Result<(), Failure> {
    if let Some(account) = owner::enter(dir)? {
        tracing::debug!("continuing as {}, who owns {}", account.user, dir.display());
        let _first = BECAME.set(account.user);
    }
    Ok(())
}

/// Returns a failure's message. Root is told why permission was denied.
pub fn explained(message: &str) -> String {
    match BECAME.get() {
        Some(user) if message.contains("Permission denied") => {
            format!("{message}; this was tried as {user}, who owns the site")
        }
        _ => message.to_owned(),
    }
}

fn init(
    dir: &Path,
    host: &str,
    owners: &[String],
    server: Option<&str>,
) -> Result<ExitCode, Failure> {
    let (site, is_there) = match server {
        Some(server) => Site::init_on(dir, host, server)?,
        None => (Site::init(dir, host)?, false),
    };
    Spool::new(site.qfiles()).create()?;
    let store = Store::open(&site)?;
    output::line(format_args!("created the site {} for {host}", site.dir().display()))?;
    let site_list = &site.config().site_list;
    if is_there {
        output::line(format_args!(
            "joined the site at {}, with a spool of this host's own",
            store.read().path().display()
        ))?;
        return Ok(ExitCode::Ok);
    }
    if owners.is_empty() {
        output::line(format_args!(
            "next: dormouse list create {site_list} --owner YOU, who gets the mail that comes back to the \
             site itself"
        ))?;
    } else {
        list::make(&site, &store, site_list, owners, None)?;
    }
    output::line("next: dormouse list create NAME --owner ADDRESS")?;
    Ok(ExitCode::Ok)
}

/// Opens the site, and applies its settings to the log.
pub fn site(dir: &Path) -> Result<Site, Failure> {
    let site = Site::open(dir)?;
    log::follow(&site);
    Ok(site)
}

/// Opens the site and its store, for commands that change the site.
fn open(dir: &Path) -> Result<(Site, Store), Failure> {
    let site = site(dir)?;
    let store = Store::open(&site)?;
    store.act_as(user());
    Ok((site, store))
}

/// Returns the user who runs the command, for the audit trail; with `sudo`, the user who called it.
fn user() -> Author {
    let called = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let who = called.unwrap_or_else(|| match BECAME.get() {
        Some(_) => "root".to_owned(),
        None => owner::user_name(rustix::process::geteuid().as_raw()),
    });
    Author { who, via: "command line" }
}

/// Returns the list with this name, or all.
fn one_or_all<'s>(
    store: &'s Read,
    name: Option<&str>,
) -> Result<Box<dyn Iterator<Item = Result<List, StoreError>> + 's>, Failure> {
    Ok(match name {
        Some(name) => Box::new(std::iter::once(Ok(find_list(store, name)?))),
        None => Box::new(store.iter_lists()),
    })
}

/// Finds a list that must exist.
fn find_list(store: &Read, name: &str) -> Result<List, Failure> {
    store.list(name)?.ok_or_else(|| Failure::no_such_list(name))
}
