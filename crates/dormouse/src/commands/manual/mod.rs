//! `manual` and `completions`: generated from the definitions of arguments and settings, and from the
//! documentation.

mod command;
mod documents;
mod examples;
mod markdown;
mod page;
mod settings;

use crate::cli::{Cli, ManualArgs, manual::Shell};
use crate::failure::Failure;
use crate::output;
use clap::CommandFactory as _;
use documents::DOCUMENTS;
use examples::Example;
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

pub fn run(args: &ManualArgs) -> Result<ExitCode, Failure> {
    let pages = pages();
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

/// Returns every page.
fn pages() -> Vec<Page> {
    let mut program = Cli::command();
    program.build();
    let examples = examples::of(&program);
    let mut pages = Vec::new();
    commands(&program, "dormouse", &examples, &mut pages);
    pages.push(settings::of_site());
    pages.push(settings::of_lists());
    pages.extend(DOCUMENTS.iter().map(|document| Page {
        name: document.name.to_owned(),
        section: document.section,
        summary: document.summary.to_owned(),
        roff: markdown::page(document),
        text: document.text.to_owned(),
    }));
    pages
}

/// Adds the page of a command, and those of the commands below it.
fn commands(command: &clap::Command, name: &str, examples: &[Example], pages: &mut Vec<Page>) {
    let path = name.strip_prefix("dormouse-").unwrap_or_default().replace('-', " ");
    let (own, others): (Vec<_>, Vec<_>) =
        examples.iter().cloned().partition(|example| example.command.replace('-', " ") == path);
    pages.push(command::page(command, name, section_of, &own));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        commands(below, &format!("{name}-{}", below.get_name()), &others, pages);
    }
}

/// Returns the section of a command's page.
fn section_of(name: &str) -> u8 {
    let word = name.split('-').nth(1).unwrap_or_default();
    if OF_THE_SYSTEM.contains(&word) { 8 } else { 1 }
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
