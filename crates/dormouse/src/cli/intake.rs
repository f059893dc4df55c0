//! Reads the command lines that MTAs use for every mail, and units for every wake-up, without clap:
//! building clap's commands takes longer than accepting the mail. Only plain forms are read here, in the
//! way that clap would; clap reads all others, and reports all errors.

use super::mailman2::Mailman2Args;
use super::{Cli, Command, EnvelopeArgs, RehearsalArgs, RunArgs, WrapperArgs, WrapperCommand};
use crate::mail::{self, MailCommand, To};
use std::ffi::OsString;

/// Reads a command line that starts with the program's name. None if it is not in a plain form.
pub fn read(arguments: &[OsString]) -> Option<Cli> {
    let (site, words) = mail::site_and_words(arguments)?;
    let command = match words.as_slice() {
        ["run", words @ ..] => Command::Run(run(words)?),
        words => {
            let MailCommand { to, sender } = MailCommand::read(words)?;
            command(to, sender)
        }
    };
    let log = match mail::variable("DORMOUSE_LOG")? {
        Some(level) => Some(level.parse().ok()?),
        None => None,
    };
    Some(Cli { site, log, command })
}

fn command(to: To, sender: Option<String>) -> Command {
    let envelope = EnvelopeArgs { sender };
    match to {
        To::List(list) => {
            let rehearsal = RehearsalArgs { dry_run: false, show: false, json: false };
            Command::Post { list, envelope, at: None, rehearsal }
        }
        To::Address(address) => Command::Deliver { address, envelope },
        To::Wrapper { name, list, recipient } => {
            let args = WrapperArgs { list, recipient, envelope };
            Command::Mailman(WrapperCommand { name, args })
        }
    }
}

/// Parses the arguments that units give to `run`.
fn run(words: &[&str]) -> Option<RunArgs> {
    let mailman2 = Mailman2Args { mailman2: None, mailman2_qfiles: None };
    let (json, quiet, retry_only, arm) = (false, false, false, false);
    let queues = Vec::new();
    let mut args = RunArgs { json, quiet, linger: None, queues, retry_only, arm, mailman2 };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let flag = match word {
            "--linger" => {
                let value = words.next()?;
                let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let value = is_plain.then(|| value.parse().ok())??;
                if args.linger.replace(value).is_some() {
                    return None;
                }
                continue;
            }
            "--json" => &mut args.json,
            "--quiet" => &mut args.quiet,
            "--arm" => &mut args.arm,
            _ => return None,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    (!(args.json && args.quiet)).then_some(args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::process::Command as Process;

    fn line(words: &[&str]) -> Vec<OsString> {
        std::iter::once("dormouse").chain(words.iter().copied()).map(OsString::from).collect()
    }

    /// Whether it was read here; if so, clap must read the same.
    fn is_read_as_clap_would(words: &[&str]) -> bool {
        let line = line(words);
        let Some(ours) = read(&line) else { return false };
        match Cli::try_parse_from(&line) {
            Ok(claps) => assert_eq!(format!("{ours:?}"), format!("{claps:?}"), "{words:?}"),
            Err(refused) => panic!("{words:?}: clap says {refused}"),
        }
        true
    }

    const COMMANDS: [&str; 4] = ["post", "deliver", "mailman", "run"];

    const WORDS: [&str; 41] = [
        "post",
        "deliver",
        "mailman",
        "run",
        "--linger",
        "100",
        "--linger=7",
        "--arm",
        "--quiet",
        "--json",
        "owner",
        "bounces",
        "admin",
        "confirm",
        "join",
        "subscribe",
        "leave",
        "unsubscribe",
        "request",
        "dev",
        "dev+x@lists.example.org",
        "help",
        "--site",
        "/s",
        "--site=/s",
        "--sender",
        "--sender=a@x.example",
        "--sender=",
        "a@x.example",
        "",
        "-",
        "--",
        "-x",
        "--help",
        "--log",
        "debug",
        "--dry-run",
        "--recipient",
        "<>",
        " ",
        "ü=",
    ];

    const VARIABLES: [&str; 5] =
        ["SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", "DORMOUSE_SITE", "DORMOUSE_LOG"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_read_without_clap_is_what_clap_reads(
            to_site in any::<bool>(),
            command in prop::sample::select(&COMMANDS[..]),
            rest in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..5),
        ) {
            let mut words = if to_site { vec!["--site", "/s"] } else { Vec::new() };
            words.push(command);
            words.extend(rest);
            is_read_as_clap_would(&words);
        }
    }

    /// Run again by the next test, with other variables.
    #[test]
    fn plain_forms_are_read_without_clap() {
        // The variables may have any value; clap refuses some of them.
        let is_usable = |name: &str| match (name, std::env::var_os(name)) {
            (_, None) => true,
            (_, Some(text)) if text.to_str().is_none() => false,
            ("DORMOUSE_LOG", Some(level)) => level == "debug",
            ("DORMOUSE_SITE", Some(site)) => !site.is_empty(),
            (_, Some(_)) => true,
        };
        let is_usable = VARIABLES.iter().all(|name| is_usable(name));
        for words in [
            &["--site", "/s", "post", "dev"][..],
            &["--site", "/s", "post", "dev", "--sender", "a@x.example"],
            &["--site", "/s", "post", "--sender", "", "dev"],
            &["--site", "/s", "deliver", "--sender", "a@x.example", "dev-request@x.example"],
            &["--site", "/s", "run"],
            &["--site", "/s", "run", "--linger", "100", "--arm"],
            &["--site", "/s", "run", "--json", "--linger", "0"],
            &["--site", "/s", "mailman", "post", "dev"],
            &["--site", "/s", "mailman", "bounces", "dev", "--recipient", "dev-bounces+a=b@x"],
        ] {
            assert!(is_read_as_clap_would(words) || !is_usable, "{words:?}");
        }
        for words in [
            &["post", "dev"][..],
            &["deliver", "dev@x.example"],
            &["deliver"],
            &["--site", "/s", "deliver"],
            &["mailman", "leave", "dev"],
        ] {
            is_read_as_clap_would(words);
        }
    }

    #[test]
    fn the_environment_means_the_same_without_clap() {
        let odd = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
        let texts = ["", "debug", "a@x.example", "--help"].map(OsStr::new);
        for name in VARIABLES {
            for text in texts.into_iter().chain([odd]) {
                let mut again = Process::new(std::env::current_exe().unwrap());
                VARIABLES.iter().for_each(|name| {
                    again.env_remove(name);
                });
                let test = "cli::intake::tests::plain_forms_are_read_without_clap";
                let done = again.args(["--exact", test]).env(name, text).output().unwrap();
                let said = String::from_utf8_lossy(&done.stdout);
                assert!(
                    done.status.success() && said.contains("1 passed"),
                    "{name}={text:?}: {said}"
                );
            }
        }
    }

    #[test]
    fn every_name_of_the_wrapper_is_read_without_clap() {
        use clap::CommandFactory as _;
        let mut known = Cli::command();
        known.build();
        let wrapper = known.find_subcommand("mailman").unwrap();
        for name in wrapper.get_subcommands().map(clap::Command::get_name) {
            let is_read = is_read_as_clap_would(&["--site", "/s", "mailman", name, "dev"]);
            assert!(is_read || name == "help", "{name}");
        }
    }
}
