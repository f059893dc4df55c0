//! `aliases`: the MTA's configuration for lists. `mailman`: the command that aliases of Mailman call.

use super::mta::{self, Missing, Postfix};
use super::open;
use crate::cli::{AliasesArgs, Mta, Receiver};
use crate::failure::Failure;
use crate::output;
use dormouse_store::{List, Read, Site, Store};
use dormouse_takeover::aliases;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use sysexits::ExitCode;

/// Where Debian has Mailman's wrapper.
const WRAPPER: &str = "/usr/lib/mailman/mail/mailman";

/// Where Debian's Mailman has its data.
const DATA: &str = "/var/lib/mailman/data";

/// The user that the units run as by default.
const USER: &str = "list";

/// Prints or installs the MTA's configuration for the lists' mail.
pub fn run(dir: &Path, args: AliasesArgs) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    let lists = store.read().lists_by_all_names()?;
    let receiver = receiver(&site, &args)?;
    if args.json {
        output::json(&aliases::entries(&lists, &receiver))?;
        return Ok(ExitCode::Ok);
    }
    let text = match (&args.virtual_domains, args.mta) {
        (Some(domains), _) => {
            let config = site.config();
            aliases::virtual_map(&lists, &config.site_list, &config.host, domains)
        }
        (None, Mta::Exim) => {
            let config = site.config();
            aliases::exim(&lists, &receiver, (&config.site_list, &config.host), USER)
        }
        (None, _) => {
            let kept = kept_mail(&site, &receiver)?;
            aliases::aliases(&lists, &receiver, &site.config().site_list, &kept)
        }
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
        let own = crate::program::own()?;
        aliases::Receiver::Dormouse {
            program: args.program.clone().unwrap_or(own),
            site: site.dir().canonicalize()?,
        }
    })
}

/// Returns the file for mail to the site itself, by the path that the MTA uses: ours, or Mailman's.
fn kept_mail(site: &Site, receiver: &aliases::Receiver) -> Result<PathBuf, Failure> {
    let data = match receiver {
        aliases::Receiver::Dormouse { .. } => {
            return Ok(Site::open(&site.dir().canonicalize()?)?.owner_bounces());
        }
        aliases::Receiver::Mailman { program } if program.as_path() == Path::new(WRAPPER) => {
            PathBuf::from(DATA)
        }
        // Mailman built from source has everything in one place: the wrapper in `mail/`, the data in `data/`.
        aliases::Receiver::Mailman { program } => {
            let home = program.parent().and_then(Path::parent);
            home.unwrap_or(Path::new("/")).join("data")
        }
    };
    Ok(data.join("owner-bounces.mbox"))
}

/// Replaces a file atomically. What root writes belongs to the owner of the old
/// file, or of the directory: Postfix runs the commands in an alias file as the file's owner.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // MTAs run as other users and must be able to read it.
        file.set_permissions(Permissions::from_mode(0o644))?;
        if rustix::process::geteuid().is_root() {
            let owner = std::fs::metadata(path).or_else(|_| std::fs::metadata(dir))?;
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.sync_all()?;
        std::fs::rename(&draft, path)
    });
    written.map_err(|error| {
        Failure::new(ExitCode::CantCreat, format!("cannot write {}: {error}", path.display()))
    })
}

/// Indexes a table with `postmap` or `postalias`, and prints what Postfix's settings lack.
fn index_for_postfix(
    program: &str,
    site: &Site,
    lists: &[List],
    path: &Path,
) -> Result<(), Failure> {
    let kind = map_type();
    index(program, &kind, path)?;
    let shown = path.display();
    match Postfix::find() {
        Some(postfix) => say_missing("Postfix", &postfix.missing(site, lists))?,
        None if program == "postmap" => {
            output::line(format_args!(
                "in /etc/postfix/main.cf: add {kind}:{shown} to virtual_alias_maps"
            ))?;
            output::line(
                "and the domains to virtual_alias_domains, unless they are configured elsewhere",
            )?;
        }
        None => output::line(format_args!(
            "in /etc/postfix/main.cf: add {kind}:{shown} to alias_maps, instead of Mailman's"
        ))?,
    }
    Ok(())
}

/// Writes the files into the site's directory, indexes them and prints the settings they need.
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
        ("virtual", _) => index_for_postfix("postmap", site, lists, &path)?,
        (_, Mta::Postfix) => {
            index_for_postfix("postalias", site, lists, &path)?;
            if std::fs::metadata(&path)?.uid() == 0 {
                output::line(format_args!(
                    "Postfix runs the commands as the owner of {shown}, which is root: change it to the \
                     units' user: chown {USER}: {shown}"
                ))?;
            }
        }
        (_, Mta::Exim) => {
            output::line(format_args!(
                "add the parts of {shown} to Exim's configuration, and test with `exim -bt`"
            ))?;
            if let Some(missing) = mta::exim(site, lists) {
                say_missing("Exim", &missing)?;
            }
        }
        (_, Mta::Sendmail) => {
            output::line(format_args!(
                "in sendmail.cf: O AliasFile=/etc/mail/aliases,{shown}; then run newaliases"
            ))?;
            output::line("with smrsh: create a link to the program in its directory")?;
        }
        (_, Mta::Opensmtpd) => {
            output::line(format_args!(
                "in smtpd.conf: table lists file:{shown}, and alias <lists> after the action for local mail"
            ))?;
        }
    }
    Ok(ExitCode::Ok)
}

/// Prints what is missing in the MTA's configuration, each with a command that adds it.
fn say_missing(mta: &str, missing: &[Missing]) -> Result<(), Failure> {
    for Missing { text, mend } in missing {
        output::line(format_args!("{text}:"))?;
        output::line(format_args!("  {mend}"))?;
    }
    match (mta, missing.len()) {
        (mta, 0) => output::line(format_args!("{mta} is configured for all of them")),
        ("Postfix", _) => output::line("and then:\n  postfix reload"),
        _ => Ok(()),
    }
}

/// Returns Postfix's default type of map on this machine: `hash` on most systems, `lmdb` where
/// Berkeley DB is no longer available.
pub fn map_type() -> String {
    let asked = Command::new("postconf").args(["-h", "default_database_type"]).output();
    let said = asked.ok().filter(|output| output.status.success());
    let kind = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    kind.filter(|kind| !kind.is_empty()).unwrap_or_else(|| "hash".to_owned())
}

/// Lets Postfix index a file, if it is installed here.
fn index(program: &str, kind: &str, path: &Path) -> Result<(), Failure> {
    let map = format!("{kind}:{}", path.display());
    match Command::new(program).arg(&map).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Failure::new(ExitCode::Unavailable, format!("{program} {map} failed: {status}")))
        }
        Err(_) => output::line(format_args!("run: {program} {map}")),
    }
}

/// Returns the type of map that a file was indexed as, if it was.
fn indexed_as(path: &Path) -> Option<String> {
    let kind = map_type();
    let endings =
        [("hash", "db"), ("btree", "db"), ("lmdb", "lmdb"), ("cdb", "cdb"), ("dbm", "pag")];
    let is_there = |ending: &str| path.with_extension(ending).exists();
    let mut there =
        endings.into_iter().filter(|(_, ending)| is_there(ending)).map(|(kind, _)| kind);
    if there.clone().any(|one| one == kind) { Some(kind) } else { there.next().map(str::to_owned) }
}

/// Updates the files that `dormouse aliases --install` wrote into the site's directory for Postfix,
/// after a list was created or removed, and their indexes. Returns these files.
pub fn refresh(site: &Site, store: &Read) -> Result<Vec<PathBuf>, Failure> {
    let lists = store.lists_by_all_names()?;
    let mut written = Vec::new();
    let path = site.dir().join("aliases");
    if path.exists() {
        let receiver = aliases::Receiver::Dormouse {
            program: crate::program::own()?,
            site: site.dir().canonicalize()?,
        };
        let site_list = &site.config().site_list;
        let kept = kept_mail(site, &receiver)?;
        let text = aliases::aliases(&lists, &receiver, site_list, &kept);
        replace(&path, &text, "postalias")?;
        written.push(path);
    }
    let path = site.dir().join("virtual");
    if let Ok(before) = std::fs::read_to_string(&path) {
        let config = site.config();
        let domains = aliases::virtual_domains(&before);
        let text = aliases::virtual_map(&lists, &config.site_list, &config.host, &domains);
        replace(&path, &text, "postmap")?;
        written.push(path);
    }
    Ok(written)
}

/// Does the same, and prints what was written, or what is left to do for the MTA.
pub fn refresh_and_say(site: &Site, store: &Store) -> Result<(), Failure> {
    let written = refresh(site, store.read())?;
    let lists = store.read().lists_by_all_names()?;
    for path in &written {
        output::line(format_args!("updated {}", path.display()))?;
    }
    if let Some(postfix) = Postfix::find().filter(|_| !written.is_empty()) {
        let missing = postfix.missing(site, &lists);
        if !missing.is_empty() {
            say_missing("Postfix", &missing)?;
        }
    }
    let exim = site.dir().join("exim.conf");
    if exim.exists() {
        output::line(format_args!(
            "next: `dormouse aliases --mta exim --install` updates {}, whose parts belong into \
             Exim's configuration",
            exim.display()
        ))
    } else if written.is_empty() {
        output::line("next: if the MTA uses aliases, update them with `dormouse aliases`")
    } else {
        Ok(())
    }
}

fn replace(path: &Path, text: &str, program: &str) -> Result<(), Failure> {
    write(path, text)?;
    indexed_as(path).map_or(Ok(()), |kind| index(program, &kind, path))
}
