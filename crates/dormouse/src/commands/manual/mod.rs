//! `manual` and `completions`: generated from the definitions of arguments and settings, and from the
//! documentation.

mod markdown;
mod page;
mod settings;

use crate::cli::{Cli, ManualArgs, manual::Shell};
use crate::failure::Failure;
use crate::output;
use clap::CommandFactory as _;
use page::Page;
use std::fs;
use std::io;
use std::path::Path;
use sysexits::ExitCode;

/// Commands for system processes and their administrator are in section 8. All others are in
/// section 1.
const OF_THE_SYSTEM: [&str; 12] = [
    "cron", "deliver", "doctor", "lmtp", "mailman", "master", "post", "run", "runner", "serve",
    "units", "watch",
];

/// Pages of the documentation: name, section, summary, text.
const DOCUMENTS: [(&str, u8, &str, &str); 11] = [
    ("dormouse-files", 5, "the files of a site", include_str!("../../../../../docs/files.md")),
    (
        "dormouse-qfiles",
        5,
        "the queue directories and files",
        include_str!("../../../../../docs/spool.md"),
    ),
    ("dormouse-archives", 7, "archives of lists", include_str!("../../../../../docs/archives.md")),
    (
        "dormouse-arrangements",
        7,
        "how queues are processed",
        include_str!("../../../../../docs/arrangements.md"),
    ),
    ("dormouse-bounces", 7, "bounces", include_str!("../../../../../docs/bounces.md")),
    (
        "dormouse-differences",
        7,
        "differences from Mailman 2.1",
        include_str!("../../../../../docs/differences.md"),
    ),
    ("dormouse-installing", 7, "installation", include_str!("../../../../../docs/installing.md")),
    (
        "dormouse-members",
        7,
        "joining, leaving and options",
        include_str!("../../../../../docs/members.md"),
    ),
    ("dormouse-operating", 7, "operation", include_str!("../../../../../docs/operating.md")),
    (
        "dormouse-takeover",
        7,
        "moving a Mailman 2.1 site",
        include_str!("../../../../../docs/takeover.md"),
    ),
    (
        "dormouse-waking",
        7,
        "how systemd starts dormouse",
        include_str!("../../../../../docs/waking.md"),
    ),
];

pub fn run(args: &ManualArgs) -> Result<ExitCode, Failure> {
    let pages = pages()?;
    if args.list {
        for page in &pages {
            output::line(format_args!("{} ({}) - {}", page.name, page.section, page.summary))?;
        }
        return Ok(ExitCode::Ok);
    }
    if let Some(dir) = &args.output {
        write_all(dir, &pages)?;
        return Ok(ExitCode::Ok);
    }
    let wanted = args.topic.join("-");
    let found = pages.iter().find(|page| page.is_about(&wanted)).ok_or_else(|| {
        Failure::usage(format!(
            "there is no page about {wanted:?}; `dormouse manual --list` prints all names"
        ))
    })?;
    output::line(&found.text)?;
    Ok(ExitCode::Ok)
}

/// Every page.
fn pages() -> Result<Vec<Page>, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    commands(&command, "dormouse", 1, &mut pages)?;
    pages.push(settings::of_site());
    pages.push(settings::of_lists());
    pages.extend(DOCUMENTS.map(|(name, section, summary, text)| Page {
        name: name.to_owned(),
        section,
        summary: summary.to_owned(),
        roff: markdown::page(name, section, summary, text),
        text: text.to_owned(),
    }));
    Ok(pages)
}

/// The page of a command, and those of the commands below it.
fn commands(
    command: &clap::Command,
    name: &str,
    section: u8,
    pages: &mut Vec<Page>,
) -> Result<(), Failure> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .section(section.to_string())
        .manual("dormouse")
        .render(&mut roff)?;
    pages.push(Page {
        name: name.to_owned(),
        section,
        summary: command.get_about().map(ToString::to_string).unwrap_or_default(),
        roff: with_sections(&String::from_utf8_lossy(&roff)),
        text: command.clone().render_long_help().to_string(),
    });
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let section = match name {
            "dormouse" if OF_THE_SYSTEM.contains(&below.get_name()) => 8,
            _ => section,
        };
        commands(below, &format!("{name}-{}", below.get_name()), section, pages)?;
    }
    Ok(())
}

/// References to commands of the system, with their sections.
fn with_sections(roff: &str) -> String {
    OF_THE_SYSTEM.iter().fold(roff.to_owned(), |roff, name| {
        roff.replace(&format!("dormouse\\-{name}(1)"), &format!("dormouse\\-{name}(8)"))
    })
}

fn write_all(dir: &Path, pages: &[Page]) -> Result<(), Failure> {
    for page in pages {
        let section = dir.join(format!("man{}", page.section));
        let path = section.join(format!("{}.{}", page.name, page.section));
        fs::create_dir_all(&section).and_then(|()| fs::write(&path, &page.roff)).map_err(
            |error| {
                Failure::new(
                    ExitCode::CantCreat,
                    format!("cannot write {}: {error}", path.display()),
                )
            },
        )?;
    }
    Ok(())
}

/// Prints a shell's completions.
pub fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dormouse", &mut text);
    output::copy(&mut io::Cursor::new(text))?;
    Ok(ExitCode::Ok)
}
