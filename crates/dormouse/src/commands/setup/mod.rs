//! `setup`: from nothing to a working list.
//!
//! A step is a command that an administrator could run, and is run as one: each switches to the site's
//! owner or stays root as usual, and nothing is implemented twice. What a step
//! changes is recorded before it is run, so that `--undo` finds it wherever setup ended.
//!
//! # Layout
//! - here: the questions, and the order of events. `plan`: from answers to steps.
//! - `step`: running one. `record`: what was changed, and reverting it.
//! - `postfix`: reading and changing main.cf. `trial`: the test mail.

mod plan;
mod postfix;
mod record;
mod step;
mod trial;

use crate::cli::{SetupArgs, SetupMta, YesNo};
use crate::failure::Failure;
use crate::{output, terminal};
use dormouse_activation::systemctl;
use dormouse_mail::address::Address;
use record::Record;
use std::io::IsTerminal;
use std::path::Path;
use step::Machine;
use sysexits::ExitCode;

/// The answers to the questions.
struct Answers {
    host: String,
    owner: String,
    list: String,
    mta: SetupMta,
    pages: bool,
    dkim: bool,
    units: bool,
}

pub fn run(dir: &Path, args: SetupArgs) -> Result<ExitCode, Failure> {
    let dir = std::path::absolute(dir)?;
    let machine = Machine::new(&dir)?;
    let asks = !args.yes && !args.dry_run && std::io::stdin().is_terminal();
    if args.undo {
        return record::undo(&machine, asks, args.dry_run);
    }
    let mut record = Record::load(&dir)?;
    let answers = answers(&machine, &args, asks)?;
    let steps = plan::steps(&machine, &answers)?;
    output::line("Setup will run:")?;
    for step in &steps {
        output::line(format_args!("  {step}"))?;
    }
    if !args.no_test_mail {
        output::line(format_args!("and send a test mail to {}@{}", answers.list, answers.host))?;
    }
    if args.dry_run {
        return Ok(ExitCode::Ok);
    }
    if asks && !confirm("Go on?", true)? {
        output::line("nothing was changed")?;
        return Ok(ExitCode::Ok);
    }
    for step in steps {
        step.run(&machine, &mut record).map_err(|failure| Failure {
            message: format!("{}; `dormouse setup --undo` reverts what was done", failure.message),
            ..failure
        })?;
    }
    if answers.mta == SetupMta::Exim {
        output::line(format_args!(
            "next: add the parts of {}/exim.conf to Exim's configuration, as it says, and send a mail",
            dir.display()
        ))?;
        return Ok(ExitCode::Ok);
    }
    if args.no_test_mail { Ok(ExitCode::Ok) } else { trial::run(&machine, &answers) }
}

/// Returns the five answers: from flags, from a person, or the defaults.
fn answers(machine: &Machine, args: &SetupArgs, asks: bool) -> Result<Answers, Failure> {
    let site_host = machine.setting("host")?;
    let host = match (&args.host, site_host) {
        (Some(asked), Some(host)) if !asked.eq_ignore_ascii_case(&host) => {
            return Err(Failure::usage(format!(
                "--host {asked}: the site {} already exists and is for {host}",
                machine.dir.display()
            )));
        }
        (_, Some(host)) => host,
        (Some(asked), None) => asked.clone(),
        (None, None) => {
            let usual = SetupArgs::usual_host();
            if asks { ask("Host name of the lists' addresses", &usual)? } else { usual }
        }
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '@' || c == ',') {
        return Err(Failure::usage(format!("--host {host:?} is not a host name")));
    }
    let owner = match &args.owner {
        Some(owner) => owner.clone(),
        None if asks => ask("Address of the lists' administrator", &format!("root@{host}"))?,
        None => return Err(Failure::usage("name the administrator: --owner ADDRESS")),
    };
    Address::parse(&owner).map_err(|error| Failure::usage(format!("--owner {owner}: {error}")))?;
    let mta = match args.mta {
        Some(mta) => mta,
        None => {
            let found = machine.mta();
            if asks { ask_mta(found)? } else { found }
        }
    };
    let decide = |given: Option<YesNo>, question: &str| match given {
        Some(answer) => Ok(answer.is_yes()),
        None if asks => confirm(question, true),
        None => Ok(true),
    };
    let pages = decide(args.pages, "Web pages?")?;
    let dkim = decide(args.dkim, "Sign mail with DKIM, for DMARC?")?;
    let usual = rustix::process::geteuid().is_root() && systemctl::is_booted();
    let units = args.units.map_or(usual, YesNo::is_yes);
    Ok(Answers { host, owner, list: args.list.to_lowercase(), mta, pages, dkim, units })
}

/// Asks for a line; an empty one means the default.
fn ask(question: &str, usual: &str) -> Result<String, Failure> {
    let answer = terminal::ask(&format!("{question} [{usual}]: "))?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { usual.to_owned() } else { answer.to_owned() })
}

fn confirm(question: &str, usual: bool) -> Result<bool, Failure> {
    loop {
        let answer = ask(question, if usual { "yes" } else { "no" })?;
        match answer.to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => output::line("yes or no?")?,
        }
    }
}

fn ask_mta(found: SetupMta) -> Result<SetupMta, Failure> {
    loop {
        let answer = ask("MTA of this machine: postfix, exim or none", plan::name(found))?;
        match <SetupMta as clap::ValueEnum>::from_str(&answer, true) {
            Ok(mta) => return Ok(mta),
            Err(_) => output::line("postfix, exim or none?")?,
        }
    }
}
