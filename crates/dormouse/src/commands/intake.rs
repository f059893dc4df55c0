//! `post` and `deliver`: the commands that MTAs run.

use crate::cli::{EnvelopeArgs, RehearsalArgs, WrapperCommand};
use crate::failure::Failure;
use crate::mail::{self, To};
use crate::output::{self, BAD, DIM, GOOD, HEAD, WARN, styled};
use dormouse_clock::Timestamp;
use dormouse_mail::{Message, date};
use dormouse_pipeline::rehearsal::{self, Rehearsal};
use dormouse_runners::door::Door;
use dormouse_runners::intake::{self, IntakeRefusal};
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use sysexits::ExitCode;

pub fn post(
    dir: &Path,
    list: String,
    envelope: EnvelopeArgs,
    at: Option<Timestamp>,
) -> Result<ExitCode, Failure> {
    let to = To::List(list);
    let Some(at) = at else { return take(dir, &to, envelope) };
    take_from(dir, &to, envelope, |door| {
        let message = intake::read_message(std::io::stdin().lock(), door.settings().max_size)?;
        Ok(Cursor::new(scheduled(message, at)))
    })
}

/// Returns the message, to be sent at a time.
fn scheduled(message: Vec<u8>, at: Timestamp) -> Vec<u8> {
    let mut message = Message::parse(message);
    message.set("Deferred-Delivery", &date::rfc5322(at));
    message.to_bytes()
}

/// Accepts mail as Mailman's mail wrapper did (docs/spec/cli.md §4).
pub fn wrapper(dir: &Path, command: WrapperCommand) -> Result<ExitCode, Failure> {
    let WrapperCommand { name, args } = command;
    let to = To::Wrapper { name, list: args.list, recipient: args.recipient };
    take(dir, &to, args.envelope)
}

/// Accepts mail from standard input.
pub fn take(dir: &Path, to: &To, envelope: EnvelopeArgs) -> Result<ExitCode, Failure> {
    take_from(dir, to, envelope, |_| Ok(std::io::stdin().lock()))
}

/// Accepts mail. If the site cannot be opened or this program fails, the fault is not the mail's: the MTA
/// keeps it and tries again.
fn take_from<I: Read>(
    dir: &Path,
    to: &To,
    envelope: EnvelopeArgs,
    input: impl FnOnce(&Door<'_>) -> Result<I, IntakeRefusal>,
) -> Result<ExitCode, Failure> {
    let attempt = AssertUnwindSafe(|| -> Result<_, Failure> {
        let door = Door::at(dir).map_err(later)?;
        Ok(to.take(&door, envelope.sender, input(&door)?)?)
    });
    let accepted = catch_unwind(attempt).unwrap_or_else(|_| Err(later(mail::FAULT)))?;
    tracing::info!("{to}: accepted as {accepted}");
    Ok(ExitCode::Ok)
}

/// Returns a failure for which the MTA tries again.
fn later(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::TempFail, problem.to_string())
}

/// Prints what would happen to a post.
pub fn rehearse(
    dir: &Path,
    list: &str,
    envelope: EnvelopeArgs,
    at: Option<Timestamp>,
    how: &RehearsalArgs,
) -> Result<ExitCode, Failure> {
    let (site, store) = super::open(dir)?;
    let list = super::find_list(store.read(), list)?;
    let limit = site.config().intake_max_size.bytes();
    let message = intake::read_message(std::io::stdin().lock(), limit)?;
    let message = at.map_or_else(|| message.clone(), |at| scheduled(message.clone(), at));
    let made = rehearsal::rehearse(&site, &store, &list, message, envelope.sender.as_deref())?;
    if how.json {
        output::json(&made)?;
    } else {
        print(&made)?;
    }
    if how.show {
        output::line("")?;
        output::bytes(&made.message)?;
    }
    Ok(ExitCode::Ok)
}

fn print(made: &Rehearsal) -> Result<(), Failure> {
    output::line(format_args!(
        "{} from {}",
        styled(HEAD, format_args!("a post to {}", made.list)),
        made.sender
    ))?;
    for handler in &made.passes {
        output::line(format_args!("  {handler:16} {}", styled(DIM, "passes")))?;
    }
    if let Some(handler) = made.stopped_by {
        let style = if matches!(made.verdict, "held" | "scheduled") { WARN } else { BAD };
        output::line(format_args!("  {handler:16} {}", styled(style, made.verdict)))?;
        output::line(format_args!("  {:16} {}", "", made.reason.trim_end()))?;
        if let Some((name, value)) = &made.setting {
            output::line(format_args!("  {:16} decided by {name} = {}", "", value.trim_end()))?;
        }
        let told = if made.sender_is_told { "is told" } else { "is not told" };
        return output::line(format_args!("the sender {told}; nothing was kept"));
    }
    if let Some((name, value)) = &made.from_changed_by {
        let policy = made.dmarc_policy.map_or_else(String::new, |policy| {
            format!(", because the DMARC policy of its domain is {policy}")
        });
        output::line(format_args!(
            "From would contain the list's address, by {name} = {value}{policy}"
        ))?;
        if made.from_kept_for_some {
            output::line(
                "only for recipients at dmarc.enforcing_receivers; others would see From as it is",
            )?;
        }
    }
    if made.from_kept {
        output::line("From would stay as it is: a good signature of its domain stays good")?;
    }
    if !made.left_out.is_empty() {
        let left_out = made.left_out.join(", ");
        output::line(format_args!("left out for that, by keep_signatures: {left_out}"))?;
    }
    for fate in &made.signatures {
        output::line(fate)?;
    }
    let recipients = output::count(made.recipients, "recipient", "recipients");
    output::line(format_args!(
        "{}; nothing was kept",
        styled(GOOD, format_args!("it would go to {recipients}"))
    ))
}
