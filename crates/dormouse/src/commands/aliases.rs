//! `aliases`: what the MTA needs; `mailman`: what it calls.

use super::open;
use crate::cli::{AliasesArgs, Mta, Receiver, WrapperCommand};
use crate::failure::Failure;
use crate::output;
use dormouse_runners::intake::{self, Envelope};
use dormouse_store::{List, Site};
use dormouse_takeover::aliases;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use sysexits::ExitCode;

/// Where Debian has Mailman's wrapper.
const WRAPPER: &str = "/usr/lib/mailman/mail/mailman";

/// The user that the units run as by default.
const USER: &str = "list";

/// Prints or installs what the MTA needs.
pub fn run(dir: &Path, args: AliasesArgs) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let lists = store.lists()?;
    let receiver = receiver(&site, &args)?;
    let text = match (&args.virtual_domains, args.mta) {
        (Some(domains), _) => {
            let config = site.config();
            aliases::virtual_map(&lists, &config.site_list, &config.host, domains)
        }
        (None, Mta::Exim) => aliases::exim(&lists, &receiver, USER),
        (None, _) => aliases::aliases(&lists, &receiver, &loop_mailbox(&site)?),
    };
    if let Some(path) = &args.output {
        write(path, &text)?;
        return Ok(ExitCode::Ok);
    }
    if !args.install {
        output::bytes(text.as_bytes())?;
        return Ok(ExitCode::Ok);
    }
    install(&site, &lists, &args, &text)
}

fn receiver(site: &Site, args: &AliasesArgs) -> Result<aliases::Receiver, Failure> {
    let is_mailmans = args.undo || args.receiver == Receiver::Mailman;
    Ok(if is_mailmans {
        let program = args.program.clone().unwrap_or_else(|| WRAPPER.into());
        aliases::Receiver::Mailman { program }
    } else {
        let own = std::env::current_exe()?;
        aliases::Receiver::Dormouse {
            program: args.program.clone().unwrap_or(own),
            site: site.dir().canonicalize()?,
        }
    })
}

fn loop_mailbox(site: &Site) -> Result<PathBuf, Failure> {
    Ok(site.dir().canonicalize()?.join("owner-bounces.mbox"))
}

/// Replaces a file so that it is the old or the new one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    });
    written.map_err(|error| {
        Failure::new(ExitCode::CantCreat, format!("cannot write {}: {error}", path.display()))
    })
}

/// Writes the files into the site's directory, indexes them and says what to set.
fn install(
    site: &Site,
    lists: &[List],
    args: &AliasesArgs,
    text: &str,
) -> Result<ExitCode, Failure> {
    let dir = site.dir().canonicalize()?;
    let name = match (args.virtual_domains.is_some(), args.mta) {
        (true, _) => "virtual",
        (false, Mta::Exim) => "exim.conf",
        (false, _) => "aliases",
    };
    let path = dir.join(name);
    write(&path, text)?;
    output::line(format_args!(
        "wrote {} for {}",
        path.display(),
        output::count(lists.len() as u64, "list", "lists")
    ))?;
    let shown = path.display();
    match (name, args.mta) {
        ("virtual", _) => {
            index("postmap", &path)?;
            output::line(format_args!(
                "in /etc/postfix/main.cf: add hash:{shown} to virtual_alias_maps"
            ))?;
        }
        (_, Mta::Postfix) => {
            index("postalias", &path)?;
            output::line(format_args!(
                "in /etc/postfix/main.cf: put hash:{shown} into alias_maps, in the place of Mailman's"
            ))?;
            output::line(format_args!(
                "Postfix runs the commands as the owner of {shown}: let that be the units' user ({USER})"
            ))?;
        }
        (_, Mta::Exim) => {
            output::line(format_args!(
                "put the parts of {shown} into Exim's configuration, and test with `exim -bt`"
            ))?;
        }
        (_, Mta::Sendmail) => {
            output::line(format_args!(
                "in sendmail.cf: O AliasFile=/etc/mail/aliases,{shown}; then run newaliases"
            ))?;
            output::line("with smrsh: link the program into its directory")?;
        }
        (_, Mta::Opensmtpd) => {
            output::line(format_args!(
                "in smtpd.conf: table lists file:{shown}, and alias <lists> behind the action for local mail"
            ))?;
        }
    }
    Ok(ExitCode::Ok)
}

/// Has Postfix index a file, if it is installed here.
pub fn index(program: &str, path: &Path) -> Result<(), Failure> {
    match Command::new(program).arg(path).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(
            ExitCode::Unavailable,
            format!("{program} {} ended with {status}", path.display()),
        )),
        Err(_) => output::line(format_args!("run: {program} {}", path.display())),
    }
}

/// Takes mail as Mailman's mail wrapper did (spec/cli.md §4).
pub fn wrapper(dir: &Path, command: WrapperCommand) -> Result<ExitCode, Failure> {
    let (suffix, purpose, args) = command.parts();
    let site = Site::open(dir)?;
    let envelope = Envelope { sender: args.envelope.sender };
    let list = args.list.to_lowercase();
    let address = match list.split_once('@') {
        Some((local, host)) => format!("{local}{suffix}@{host}"),
        None => format!("{list}{suffix}"),
    };
    // An alias may have led here from another address, which says nothing.
    let recipient = args.recipient.filter(|recipient| is_detailed(recipient, &address));
    let recipient = recipient.unwrap_or_else(|| address.clone());
    let input = std::io::stdin().lock();
    let accepted = intake::to_list(&site, &list, purpose, &recipient, &envelope, input)?;
    tracing::info!("{address}: accepted as {}/{}", accepted.queue, accepted.name);
    Ok(ExitCode::Ok)
}

/// Whether an address is another, or that with a `+` and something behind it.
fn is_detailed(recipient: &str, address: &str) -> bool {
    let local = |address: &str| {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        local.to_lowercase()
    };
    let (recipient, address) = (local(recipient), local(address));
    recipient.strip_prefix(&address).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}
