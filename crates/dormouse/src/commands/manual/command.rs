//! The page of a command, from the definition of its arguments and the examples of the documentation.

use super::examples::Example;
use super::page::{Page, escape, folded, head, marked, reference};
use clap::{Arg, Command};

/// The text about exit codes on every page.
const EXIT: &str = "0 on success, otherwise a code of \\fIsysexits.h\\fR, listed in \
                    \\fBdormouse\\-operating\\fR(7).";

/// Creates the page of a command: its name, as `dormouse-list-create`, and the section of each
/// command.
pub fn page(
    command: &Command,
    name: &str,
    section_of: impl Fn(&str) -> u8,
    examples: &[Example],
) -> Page {
    let section = section_of(name);
    let summary = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut roff = head(name, section, &summary);
    roff.push_str(&format!(".SH SYNOPSIS\n{}", synopsis(command)));
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let full_stop = if about.ends_with(['.', '?', ':']) { "" } else { "." };
    roff.push_str(&format!(".SH DESCRIPTION\n{}{full_stop}\n", paragraphs(&about)));
    let is_common =
        |arg: &Arg| arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let of_kind = |positional: bool, common: bool| {
        let wanted = |arg: &&&Arg| arg.is_positional() == positional && is_common(arg) == common;
        shown.iter().filter(wanted).map(|arg| entry(arg)).collect::<String>()
    };
    add_section(&mut roff, "ARGUMENTS", &of_kind(true, false));
    add_section(&mut roff, "OPTIONS", &of_kind(false, false));
    let below: Vec<&Command> =
        command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    let mut commands = String::new();
    for below in &below {
        let page = format!("{name}-{}", below.get_name());
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        let page = reference(&page, section_of(&page));
        commands.push_str(&format!(".TP\n{page}\n{}\n", marked(&about)));
    }
    add_section(&mut roff, "COMMANDS", &commands);
    add_section(&mut roff, "COMMON OPTIONS", &of_kind(false, true));
    let above = name.strip_suffix(command.get_name()).and_then(|above| above.strip_suffix('-'));
    let lines: Vec<&str> = examples.iter().map(|example| example.line.as_str()).collect();
    if !lines.is_empty() {
        let lines = escape(&lines.join("\n"));
        roff.push_str(&format!(".SH EXAMPLES\n.RS 4\n.nf\n{lines}\n.fi\n.RE\n"));
    }
    roff.push_str(&format!(".SH EXIT STATUS\n{EXIT}\n"));
    roff.push_str(&format!(".SH SEE ALSO\n{}", see_also(above, &section_of, examples)));
    let mut text = command.clone().render_long_help().to_string();
    if !lines.is_empty() {
        let lines = lines.join("\n").replace('\n', "\n  ");
        text.push_str(&format!("\nExamples:\n  {lines}\n"));
    }
    Page { name: name.to_owned(), section, summary, roff: folded(&roff), text }
}

fn add_section(roff: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        roff.push_str(&format!(".SH {title}\n{content}"));
    }
}

/// Returns the usage as clap writes it, with the command in bold.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let called = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut out = String::new();
    for line in usage.trim_start_matches("Usage:").lines().map(str::trim) {
        if !out.is_empty() {
            out.push_str(".br\n");
        }
        match line.strip_prefix(called) {
            Some(rest) => out.push_str(&format!("\\fB{}\\fR{}\n", escape(called), escape(rest))),
            None => out.push_str(&format!("{}\n", escape(line))),
        }
    }
    out
}

/// Formats an argument or option: its names, its meaning, its default, its values.
fn entry(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let value = match arg.get_value_names() {
        Some(names) => names.join(" "),
        None => arg.get_id().as_str().to_uppercase(),
    };
    let flags = [
        arg.get_short().map(|short| format!("\\fB\\-{short}\\fR")),
        arg.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escape(long))),
    ];
    let mut term = flags.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if takes_value {
        let space = if term.is_empty() { "" } else { " " };
        term.push_str(&format!("{space}\\fI{}\\fR", escape(&value)));
    }
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let full_stop = if help.ends_with(['.', '?']) { "" } else { "." };
    let mut out = format!(".TP\n{term}\n{}{full_stop}\n", paragraphs(&help));
    let defaults = arg.get_default_values();
    if takes_value && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        out.push_str(&format!("The default is {}.\n", escape(&defaults.join(" "))));
    }
    if let Some(variable) = arg.get_env() {
        let variable = variable.to_string_lossy();
        out.push_str(&format!("The variable \\fB{variable}\\fR sets it, too.\n"));
    }
    let values = arg.get_possible_values();
    let is_told = values.iter().all(|one| value.contains(one.get_name()));
    if takes_value && !values.is_empty() && !is_told && !arg.is_hide_possible_values_set() {
        out.push_str(".RS\n");
        for one in values {
            let help = one.get_help().map(ToString::to_string).unwrap_or_default();
            let name = escape(one.get_name());
            out.push_str(&format!(".TP\n\\fB{name}\\fR\n{}\n", marked(&help)));
        }
        out.push_str(".RE\n");
    }
    out
}

/// Paragraphs that are separated by an empty line.
fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|one| !one.is_empty());
    paragraphs.map(|one| marked(&one.replace('\n', " "))).collect::<Vec<_>>().join("\n.sp\n")
}

/// Returns the command above, and where the examples are explained; of the program itself, the
/// other pages.
fn see_also(above: Option<&str>, section_of: &impl Fn(&str) -> u8, examples: &[Example]) -> String {
    let mut pages: Vec<(String, u8)> = Vec::new();
    if let Some(above) = above {
        pages.push((above.to_owned(), section_of(above)));
    } else {
        pages.push(("dormouse.toml".to_owned(), 5));
        pages.push(("dormouse-list-settings".to_owned(), 5));
        let documents = super::documents::DOCUMENTS.iter();
        pages.extend(documents.map(|document| (document.name.to_owned(), document.section)));
    }
    for example in examples {
        let page = (example.document.name.to_owned(), example.document.section);
        if !pages.contains(&page) {
            pages.push(page);
        }
    }
    let pages: Vec<_> = pages.iter().map(|(page, section)| reference(page, *section)).collect();
    format!("{}\n", pages.join(",\n"))
}
